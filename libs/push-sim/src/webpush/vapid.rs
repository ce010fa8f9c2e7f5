//! Reading a VAPID authorization and verifying who signed it (RFC 8292).
//!
//! Only what the RFC asks of every service is judged here; what one service asks for besides (a
//! plausible contact, a certain key) is in [`super::rules`].

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::content::POINT_BYTES;

/// The longest time between a push and the expiry of its VAPID JWT (RFC 8292, section 2).
const LONGEST_SECS: f64 = 24.0 * 3600.0;
/// r and s of an ES256 signature, nothing around them (RFC 7518, section 3.4).
const SIGNATURE_BYTES: usize = 64;

/// Why an authorization is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// There is none.
    Missing,
    /// It is not `vapid t=…, k=…`.
    Scheme,
    /// `k` is not an uncompressed point on P-256 in base64url.
    PublicKey,
    /// `t` is not a JWT that says ES256.
    Jwt,
    /// The signature is not 64 bytes (DER, most likely).
    SignatureForm,
    /// Another key signed, or what was signed has changed.
    Signature,
    /// `aud` is not the origin of the endpoint.
    Audience,
    /// `exp` is not a number.
    ExpiryForm,
    /// `exp` is over.
    Expired,
    /// `exp` is more than 24 hours away.
    TooLong,
    /// `sub` is not a contact that this service believes.
    Contact,
}

impl Distrust {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Distrust::Missing => "the Authorization header is missing",
            Distrust::Scheme => "Authorization: expected `vapid t=<JWT>, k=<public key>`",
            Distrust::PublicKey => "k: expected an uncompressed P-256 point in base64url",
            Distrust::Jwt => "t: expected a JWT with alg ES256",
            Distrust::SignatureForm => "t: expected a signature of 64 bytes, r and s",
            Distrust::Signature => "t: it is not signed by k",
            Distrust::Audience => "aud: expected the origin of the endpoint",
            Distrust::ExpiryForm => "exp: expected a number of seconds",
            Distrust::Expired => "exp: it is over",
            Distrust::TooLong => "exp: it is more than 24 hours away",
            Distrust::Contact => "sub: expected a mailto: or https: contact that can be reached",
        }
    }
}

/// An authorization whose sender proved to hold its key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Signed {
    pub(crate) public_key: [u8; POINT_BYTES],
    /// `sub`.
    pub(crate) contact: Option<String>,
    /// `aud`, if it was a text.
    audience: Option<String>,
    /// `exp` in seconds, if it was a number.
    expiry: Option<f64>,
}

/// Reads an uncompressed point in base64url.
pub(crate) fn read_public_key(text: &str) -> Option<[u8; POINT_BYTES]> {
    let point: [u8; POINT_BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    (point[0] == 4 && ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok())
        .then_some(point)
}

/// Reads an `Authorization` header and verifies its signature; where and when it counts is left to
/// [`Signed::check`].
pub(crate) fn verify(header: &str) -> Result<Signed, Distrust> {
    let (jwt, public_key) = read(header)?;
    let public_key = read_public_key(public_key).ok_or(Distrust::PublicKey)?;
    let (signed, signature) = jwt.rsplit_once('.').ok_or(Distrust::Jwt)?;
    let (head, claims) = signed.split_once('.').ok_or(Distrust::Jwt)?;
    if object(head).ok_or(Distrust::Jwt)?.get("alg") != Some(&Value::from("ES256")) {
        return Err(Distrust::Jwt);
    }
    let claims = object(claims).ok_or(Distrust::Jwt)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| Distrust::Jwt)?;
    if signature.len() != SIGNATURE_BYTES {
        return Err(Distrust::SignatureForm);
    }
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_key)
        .map_err(|_| Distrust::PublicKey)?
        .verify_sig(signed.as_bytes(), &signature)
        .map_err(|_| Distrust::Signature)?;
    let text = |name| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Signed {
        public_key,
        contact: text("sub"),
        audience: text("aud"),
        expiry: claims.get("exp").and_then(Value::as_f64),
    })
}

impl Signed {
    /// Whether it counts for a push to `origin` at `now_ms`.
    pub(crate) fn check(&self, origin: &str, now_ms: i64) -> Result<(), Distrust> {
        if self.audience.as_deref() != Some(origin) {
            return Err(Distrust::Audience);
        }
        let left = self.expiry.ok_or(Distrust::ExpiryForm)? - now_ms as f64 / 1000.0;
        if left <= 0.0 {
            return Err(Distrust::Expired);
        }
        if left > LONGEST_SECS {
            return Err(Distrust::TooLong);
        }
        Ok(())
    }
}

/// The two parameters of the scheme, in any order (RFC 8292, section 3).
fn read(header: &str) -> Result<(&str, &str), Distrust> {
    let (scheme, parameters) = header.trim().split_once(' ').ok_or(Distrust::Scheme)?;
    if !scheme.eq_ignore_ascii_case("vapid") {
        return Err(Distrust::Scheme);
    }
    let (mut jwt, mut public_key) = (None, None);
    for parameter in parameters.split(',') {
        let (name, value) = parameter.split_once('=').ok_or(Distrust::Scheme)?;
        let value = value.trim().trim_matches('"');
        let slot = match name.trim() {
            "t" => &mut jwt,
            "k" => &mut public_key,
            // Unknown parameters are for others.
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(Distrust::Scheme);
        }
    }
    jwt.zip(public_key).ok_or(Distrust::Scheme)
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Whether a contact is one that can be reached: Apple answers `BadJwtToken` to the others.
pub(crate) fn is_plausible(contact: &str) -> bool {
    if contact
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>'))
    {
        return false;
    }
    let host = if let Some(address) = contact.strip_prefix("mailto:") {
        let Some((name, host)) = address.rsplit_once('@') else {
            return false;
        };
        if name.is_empty() {
            return false;
        }
        host
    } else if let Some(rest) = contact.strip_prefix("https://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.split(':').next().unwrap_or_default()
    } else {
        return false;
    };
    let host = host.to_ascii_lowercase();
    let labels: Vec<&str> = host.split('.').collect();
    let is_name = labels.iter().all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b'-')
    });
    let last = labels.last().copied().unwrap_or_default();
    is_name && labels.len() > 1 && !matches!(last, "local" | "invalid" | "localhost")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    };
    use serde_json::json;

    use super::*;

    /// RFC 8292, section 2.4.
    const HEADER: &str = concat!(
        "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9",
        ".eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0",
        ".i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, ",
        "k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
    );
    const ORIGIN: &str = "https://push.example.net";
    const EXPIRY_MS: i64 = 1_453_523_768_000;
    const DAY_MS: i64 = 24 * 3600 * 1000;

    fn judge(header: &str, origin: &str, now_ms: i64) -> Result<Signed, Distrust> {
        let signed = verify(header)?;
        signed.check(origin, now_ms)?;
        Ok(signed)
    }

    #[test]
    fn the_example_of_rfc_8292_is_believed_for_a_day() {
        let sender = judge(HEADER, ORIGIN, EXPIRY_MS - 1).unwrap();
        assert_eq!(sender.contact.as_deref(), Some("mailto:push@example.com"));
        assert_eq!(sender.public_key[0], 4);
        assert!(judge(HEADER, ORIGIN, EXPIRY_MS - DAY_MS).is_ok());
        let at = |now_ms| judge(HEADER, ORIGIN, now_ms).unwrap_err();
        assert_eq!(at(EXPIRY_MS), Distrust::Expired);
        assert_eq!(at(EXPIRY_MS - DAY_MS - 1), Distrust::TooLong);
        let elsewhere = judge(HEADER, "https://push.example.org", EXPIRY_MS - 1);
        assert_eq!(elsewhere, Err(Distrust::Audience));
    }

    #[test]
    fn the_scheme_is_read_as_the_rfc_writes_it() {
        let swapped = HEADER.strip_prefix("vapid ").unwrap();
        let (t, k) = swapped.split_once(", ").unwrap();
        for good in [
            format!("Vapid {k},{t}"),
            format!("vapid {k} , {t}, x=1"),
            format!("vapid k=\"{}\", {t}", k.strip_prefix("k=").unwrap()),
        ] {
            assert!(judge(&good, ORIGIN, EXPIRY_MS - 1).is_ok(), "{good}");
        }
        let bare = t.strip_prefix("t=").unwrap();
        let cases = [
            (format!("WebPush {bare}"), Distrust::Scheme),
            (format!("vapid {t}"), Distrust::Scheme),
            (format!("vapid {t}, {t}, {k}"), Distrust::Scheme),
            ("vapid".to_owned(), Distrust::Scheme),
            (format!("vapid t=, {k}"), Distrust::Jwt),
            (format!("vapid {t}, {k}="), Distrust::PublicKey),
            (format!("vapid {t}, k=BAAA"), Distrust::PublicKey),
            (format!("vapid {t}AA, {k}"), Distrust::SignatureForm),
        ];
        for (header, expected) in cases {
            let found = judge(&header, ORIGIN, EXPIRY_MS - 1);
            assert_eq!(found, Err(expected), "{header}");
        }
    }

    fn signed(pair: &EcdsaKeyPair, head: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(head.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        let public_key = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        format!("vapid t={signed}.{signature}, k={public_key}")
    }

    #[test]
    fn claims_and_signature_are_checked() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let head = json!({"typ": "JWT", "alg": "ES256"});
        let claims = json!({"aud": ORIGIN, "exp": 100.5});
        let asked = |head: &Value, claims: &Value| {
            judge(&signed(&pair, head, claims), ORIGIN, 100_000).map(|sender| sender.contact)
        };
        assert_eq!(asked(&head, &claims), Ok(None));
        let cases = [
            (json!({"aud": ORIGIN, "exp": "200"}), Distrust::ExpiryForm),
            (json!({"aud": ORIGIN}), Distrust::ExpiryForm),
            (
                json!({"aud": format!("{ORIGIN}/"), "exp": 200}),
                Distrust::Audience,
            ),
            (
                json!({"aud": format!("{ORIGIN}:443"), "exp": 200}),
                Distrust::Audience,
            ),
            (json!({"aud": [ORIGIN], "exp": 200}), Distrust::Audience),
            (json!([]), Distrust::Jwt),
        ];
        for (claims, expected) in cases {
            assert_eq!(asked(&head, &claims), Err(expected), "{claims}");
        }
        assert_eq!(asked(&json!({"alg": "HS256"}), &claims), Err(Distrust::Jwt));

        let header = signed(&pair, &head, &claims);
        let other = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (t, _) = header.split_once(", ").unwrap();
        let k = URL_SAFE_NO_PAD.encode(other.public_key().as_ref());
        let borrowed = judge(&format!("{t}, k={k}"), ORIGIN, 100_000);
        assert_eq!(borrowed, Err(Distrust::Signature));

        let document = pair.to_pkcs8v1().unwrap();
        let der = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref());
        let header = signed(&der.unwrap(), &head, &claims);
        let judged = judge(&header, ORIGIN, 100_000);
        assert_eq!(judged, Err(Distrust::SignatureForm));
    }

    #[test]
    fn only_a_contact_that_can_be_reached_is_plausible() {
        for good in [
            "mailto:push@example.com",
            "mailto:a.b+c@mail.example.co.kr",
            "https://example.com",
            "https://example.com:8443/contact?x#y",
        ] {
            assert!(is_plausible(good), "{good}");
        }
        for bad in [
            "",
            "push@example.com",
            "mailto:push",
            "mailto:@example.com",
            "mailto:x@localhost",
            "mailto:x@mac.local",
            "mailto:x@example.invalid",
            "mailto: <a@example.com>",
            "mailto:a@example.com ",
            "http://example.com",
            "https://localhost/x",
            "https://",
            "mailto:x@example..com",
        ] {
            assert!(!is_plausible(bad), "{bad}");
        }
    }
}
