//! The key pair of an application server: made, read in the forms in which people have one, and written.
//!
//! It signs bytes; what is signed, and when, is `token`'s work.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::encoding::EcPrivateKeyBin;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use crate::base64url;
use crate::subscription::UserAgentPublicKey;

/// The public half of a [`VapidKey`]: 65 bytes, the `applicationServerKey` of `PushManager.subscribe()`. Not a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VapidPublicKey([u8; 65]);

/// A P-256 key pair that signs VAPID tokens. Clones share; `Debug` shows the public half.
///
/// ```
/// use webpush::VapidKey;
/// let key = VapidKey::generate()?;
/// let again = VapidKey::from_pem(key.to_pem()?.as_bytes())?;
/// assert_eq!(again.public_key(), key.public_key());
/// println!("applicationServerKey: {}", key.public_key().to_base64url());
/// # Ok::<(), webpush::VapidKeyError>(())
/// ```
#[derive(Clone)]
pub struct VapidKey {
    pair: Arc<EcdsaKeyPair>,
    public: VapidPublicKey,
}

/// Why a VAPID key cannot be used. No variant shows key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VapidKeyError {
    /// It is not the text of a private key.
    #[error(
        "the VAPID private key has {found}; expected 32 bytes as base64url (43 characters), as `web-push \
         generate-vapid-keys` writes it, or a PEM file with \"BEGIN PRIVATE KEY\" or \"BEGIN EC PRIVATE KEY\""
    )]
    Form {
        /// What was there, without its content.
        found: Box<str>,
    },
    /// The numbers are no key of P-256.
    #[error("the VAPID key is not a key on P-256 (prime256v1); make one with VapidKey::generate")]
    NotP256,
    /// Private and public half were given and are of different pairs.
    #[error(
        "the VAPID public key does not belong to the private key; give the two that were made together: subscriptions are \
         bound to the public one"
    )]
    Mismatch,
    /// The cryptography failed.
    #[error("the VAPID key could not be {0}")]
    Crypto(&'static str),
}

impl VapidPublicKey {
    /// Checks that the bytes are a point on P-256, uncompressed.
    ///
    /// # Errors
    /// [`VapidKeyError::NotP256`] if not.
    pub fn new(bytes: &[u8]) -> Result<Self, VapidKeyError> {
        let point = UserAgentPublicKey::new(bytes).map_err(|_| VapidKeyError::NotP256)?;
        Ok(Self(*point.as_bytes()))
    }

    /// Reads base64, either alphabet, padded or not.
    ///
    /// # Errors
    /// [`VapidKeyError::NotP256`] if it is no such point.
    pub fn from_base64(text: &str) -> Result<Self, VapidKeyError> {
        Self::new(&base64url::decode(text.trim()).ok_or(VapidKeyError::NotP256)?)
    }

    /// The 65 bytes.
    pub fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }

    /// What the browser is given, and what stands behind `k=`.
    pub fn to_base64url(&self) -> String {
        base64url::encode(&self.0)
    }

    /// The first 8 bytes of its SHA-256: enough to name one of a few keys beside a subscription.
    pub fn short_hash(&self) -> [u8; 8] {
        let hash = digest::digest(&digest::SHA256, &self.0);
        let mut short = [0; 8];
        short.copy_from_slice(&hash.as_ref()[..8]);
        short
    }

    /// The first 12 hexadecimal digits of its SHA-256: to tell two keys apart in logs.
    pub fn fingerprint(&self) -> String {
        self.short_hash()[..6]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl VapidKey {
    /// A fresh key.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn generate() -> Result<Self, VapidKeyError> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| VapidKeyError::Crypto("made"))
            .and_then(Self::of)
    }

    /// Reads a PEM file: PKCS#8 (`BEGIN PRIVATE KEY`) or SEC1 (`BEGIN EC PRIVATE KEY`).
    ///
    /// # Errors
    /// If it is not one, or not of P-256.
    pub fn from_pem(pem: &[u8]) -> Result<Self, VapidKeyError> {
        let form = |found: &str| VapidKeyError::Form {
            found: found.into(),
        };
        let der = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| form("no readable PEM section with a private key"))?;
        let der = match &der {
            PrivateKeyDer::Pkcs8(der) => der.secret_pkcs8_der(),
            PrivateKeyDer::Sec1(der) => der.secret_sec1_der(),
            PrivateKeyDer::Pkcs1(_) => return Err(form("an RSA key")),
            _ => return Err(form("a key of another kind")),
        };
        EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map_err(|_| VapidKeyError::NotP256)
            .and_then(Self::of)
    }

    /// Reads the bare private number, as the npm tool `web-push generate-vapid-keys` writes it. Leading zero bytes that
    /// older tools left out (up to two) are put back.
    ///
    /// # Errors
    /// If it is no such text, or no private key of P-256.
    pub fn from_base64(private: &str) -> Result<Self, VapidKeyError> {
        let form = |found: String| VapidKeyError::Form {
            found: found.into(),
        };
        let private = private.trim();
        let given = base64url::decode(private).ok_or_else(|| {
            form(format!(
                "{} characters that are not base64",
                private.chars().count()
            ))
        })?;
        if !(30..=32).contains(&given.len()) {
            return Err(form(format!("{} bytes", given.len())));
        }
        let mut number = [0; 32];
        number[32 - given.len()..].copy_from_slice(&given);
        Self::from_private_bytes(&number)
    }

    /// The pair of this private number (32 bytes, big endian): for those who have a source of randomness of their own.
    ///
    /// # Errors
    /// [`VapidKeyError::NotP256`] if it is 0 or too large, which of 2³² random numbers one is.
    pub fn from_private_bytes(number: &[u8; 32]) -> Result<Self, VapidKeyError> {
        let public = PrivateKey::from_private_key(&ECDH_P256, number)
            .map_err(|_| VapidKeyError::NotP256)?
            .compute_public_key()
            .map_err(|_| VapidKeyError::NotP256)?;
        let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
        EcdsaKeyPair::from_private_key_and_public_key(signing, number, public.as_ref())
            .map_err(|_| VapidKeyError::NotP256)
            .and_then(Self::of)
    }

    /// As [`from_base64`](Self::from_base64), and checks that the public half given beside it belongs to it.
    ///
    /// # Errors
    /// [`VapidKeyError::Mismatch`] if it does not.
    pub fn from_base64_pair(public: &str, private: &str) -> Result<Self, VapidKeyError> {
        let pair = Self::from_base64(private)?;
        if VapidPublicKey::from_base64(public)? != pair.public {
            return Err(VapidKeyError::Mismatch);
        }
        Ok(pair)
    }

    fn of(pair: EcdsaKeyPair) -> Result<Self, VapidKeyError> {
        let point = pair.public_key().as_ref();
        let public = VapidPublicKey(point.try_into().map_err(|_| VapidKeyError::NotP256)?);
        Ok(Self {
            pair: Arc::new(pair),
            public,
        })
    }

    /// The public half.
    pub fn public_key(&self) -> &VapidPublicKey {
        &self.public
    }

    /// The private number as base64url, as the npm tool writes it. A secret.
    ///
    /// # Errors
    /// If the cryptography fails, which it does not for a key that was loaded.
    pub fn to_base64url(&self) -> Result<String, VapidKeyError> {
        let number: EcPrivateKeyBin<'_> = self
            .pair
            .private_key()
            .as_be_bytes()
            .map_err(|_| VapidKeyError::Crypto("written"))?;
        Ok(base64url::encode(number.as_ref()))
    }

    /// The pair as PKCS#8 in PEM. A secret.
    ///
    /// # Errors
    /// If the cryptography fails, which it does not for a key that was loaded.
    pub fn to_pem(&self) -> Result<String, VapidKeyError> {
        use base64::Engine as _;
        let der = self
            .pair
            .to_pkcs8v1()
            .map_err(|_| VapidKeyError::Crypto("written"))?;
        let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = more;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    /// Signs with ES256: r and s, 32 bytes each (RFC 7518 section 3.4), not DER.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, VapidKeyError> {
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message)
            .map_err(|_| VapidKeyError::Crypto("used to sign"))?;
        Ok(signature.as_ref().to_vec())
    }
}

// === impl Debug ===

impl fmt::Debug for VapidPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VapidPublicKey({})", self.fingerprint())
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VapidKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The application server's pair of RFC 8291 appendix A, which is a pair like any other.
    const PRIVATE: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
    const PUBLIC: &str =
        "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";

    #[test]
    fn the_npm_tools_form_is_read_and_written() {
        let key = VapidKey::from_base64_pair(PUBLIC, PRIVATE).unwrap();
        assert_eq!(key.public_key().to_base64url(), PUBLIC);
        assert_eq!(key.to_base64url().unwrap(), PRIVATE);
        let padded = PRIVATE.replace('-', "+").replace('_', "/") + "=";
        let same = VapidKey::from_base64(&format!(" {padded}\n")).unwrap();
        assert_eq!(same.public_key(), key.public_key());
        let other = VapidKey::generate().unwrap();
        let mixed = VapidKey::from_base64_pair(&other.public_key().to_base64url(), PRIVATE);
        assert_eq!(mixed.unwrap_err(), VapidKeyError::Mismatch);
    }

    #[test]
    fn pem_in_both_forms_is_read() {
        let key = VapidKey::from_base64(PRIVATE).unwrap();
        let pem = key.to_pem().unwrap();
        assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
        let read = VapidKey::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(read.to_base64url().unwrap(), PRIVATE);
        // SEC1 (RFC 5915) by hand: version, number, curve, public key.
        let mut der = vec![0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
        der.extend(base64url::decode(PRIVATE).unwrap());
        der.extend([
            0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
        ]);
        der.extend([0xa1, 0x44, 0x03, 0x42, 0x00]);
        der.extend(base64url::decode(PUBLIC).unwrap());
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let pem = format!("-----BEGIN EC PRIVATE KEY-----\n{text}\n-----END EC PRIVATE KEY-----\n");
        let read = VapidKey::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(read.public_key().to_base64url(), PUBLIC);
    }

    #[test]
    fn zero_bytes_that_a_tool_left_out_are_put_back() {
        let short = base64url::encode(&[7; 31]);
        let whole = base64url::encode(&[&[0][..], &[7; 31]].concat());
        let read = VapidKey::from_base64(&short).unwrap();
        assert_eq!(read.to_base64url().unwrap(), whole);
        assert_eq!(
            VapidKey::from_base64(&whole).unwrap().public_key(),
            read.public_key()
        );
    }

    #[test]
    fn what_is_no_key_says_what_it_is() {
        for (text, found) in [
            ("", "0 bytes"),
            ("AAAA", "3 bytes"),
            (PUBLIC, "65 bytes"),
            ("not a key", "9 characters"),
        ] {
            let error = VapidKey::from_base64(text).unwrap_err();
            assert!(error.to_string().contains(found), "{text}: {error}");
        }
        let zero = base64url::encode(&[0; 32]);
        assert_eq!(
            VapidKey::from_base64(&zero).unwrap_err(),
            VapidKeyError::NotP256
        );
        let beyond = base64url::encode(&[0xff; 32]);
        assert_eq!(
            VapidKey::from_base64(&beyond).unwrap_err(),
            VapidKeyError::NotP256
        );
        assert_eq!(
            VapidPublicKey::from_base64(PRIVATE).unwrap_err(),
            VapidKeyError::NotP256
        );
        for pem in [
            "",
            "nothing",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        ] {
            let error = VapidKey::from_pem(pem.as_bytes()).unwrap_err();
            assert!(
                matches!(error, VapidKeyError::Form { .. }),
                "{pem}: {error}"
            );
        }
        let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(
            VapidKey::from_pem(broken.as_bytes()).unwrap_err(),
            VapidKeyError::NotP256
        );
    }

    #[test]
    fn the_private_half_is_not_shown() {
        let key = VapidKey::from_base64(PRIVATE).unwrap();
        let text = format!("{key:?}");
        assert!(text.contains(&key.public_key().fingerprint()), "{text}");
        assert!(!text.contains("yfWP") && !text.contains("BP4z"), "{text}");
    }
}
