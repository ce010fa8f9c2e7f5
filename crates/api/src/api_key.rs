//! Making and recognising API keys: `crl_admin_`, `crl_app_` or `crl_pub_` and 32 random characters
//! (about 190 bits, so a plain hash keeps them). The key itself is shown once and stored nowhere. The
//! same for the secrets of devices that register themselves, `crl_dev_`.

use carillon_ports::registry::Scope;

/// Characters of the random part.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many of them.
const LENGTH: usize = 32;

/// A new API key, in the clear.
pub struct NewApiKey {
    /// The key itself.
    pub secret: String,
    /// First characters, to recognise it by.
    pub hint: String,
    /// What is stored of it.
    pub hash: [u8; 32],
}

/// Makes an API key. `random` fills a slice with bytes that nobody can guess.
///
/// The prefix says what a leaked key opens: `crl_admin_` for keys with the scope `admin`, `crl_pub_` for
/// publishable ones, which everybody may have, `crl_app_` for all others.
#[must_use]
pub fn generate(scopes: &[Scope], random: &dyn Fn(&mut [u8])) -> NewApiKey {
    let prefix = if scopes.contains(&Scope::Admin) {
        "crl_admin_"
    } else if scopes == [Scope::Register] {
        "crl_pub_"
    } else {
        "crl_app_"
    };
    let secret = secret(prefix, random);
    NewApiKey {
        hint: secret[..prefix.len() + 4].to_owned(),
        hash: hash(&secret),
        secret,
    }
}

/// A new secret of a device that registers itself.
pub(crate) fn device_secret(random: &dyn Fn(&mut [u8])) -> String {
    secret("crl_dev_", random)
}

fn secret(prefix: &str, random: &dyn Fn(&mut [u8])) -> String {
    let mut secret = String::from(prefix);
    let mut bytes = [0u8; 2 * LENGTH];
    while secret.len() < prefix.len() + LENGTH {
        random(&mut bytes);
        // 248 is the largest multiple of 62 in a byte: what is above would make some characters
        // likelier than others.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        let missing = prefix.len() + LENGTH - secret.len();
        secret.extend(
            fair.take(missing)
                .map(|byte| char::from(ALPHABET[usize::from(byte % 62)])),
        );
    }
    secret
}

/// SHA-256 of a whole API key: what is stored and looked up.
#[must_use]
pub fn hash(secret: &str) -> [u8; 32] {
    sha256(secret.as_bytes())
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn prefix_length_and_alphabet() {
        let next = Cell::new(0u8);
        let random = |bytes: &mut [u8]| {
            for byte in bytes {
                next.set(next.get().wrapping_add(41));
                *byte = next.get();
            }
        };
        let admin = generate(&[Scope::Admin], &random);
        let app = generate(&[Scope::Send, Scope::Read], &random);
        let published = generate(&[Scope::Register], &random);
        for (key, prefix) in [
            (&admin, "crl_admin_"),
            (&app, "crl_app_"),
            (&published, "crl_pub_"),
        ] {
            assert!(key.secret.starts_with(prefix), "{}", key.secret);
            let tail = &key.secret[prefix.len()..];
            assert_eq!(tail.len(), LENGTH);
            assert!(tail.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            assert!(key.secret.starts_with(&key.hint) && key.hint.len() == prefix.len() + 4);
            assert_eq!(key.hash, hash(&key.secret));
        }
        assert_ne!(admin.secret[10..], app.secret[8..]);
    }

    #[test]
    fn unfair_bytes_are_skipped() {
        let calls = Cell::new(0);
        let key = generate(&[], &|bytes: &mut [u8]| {
            calls.set(calls.get() + 1);
            bytes.fill(if calls.get() == 1 { 255 } else { 61 });
        });
        assert_eq!(key.secret, format!("crl_app_{}", "z".repeat(LENGTH)));
    }

    #[test]
    fn sha256_of_abc() {
        // FIPS 180-4 example.
        assert_eq!(hash("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
