//! The signature of a webhook (Standard Webhooks 1.0.0): HMAC-SHA-256 over id, timestamp and body, joined by dots.
//!
//! Both sides: signing for the sender, verifying for tests, the command line and receivers in Rust.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::secret::WebhookSecret;

/// Header with the id of what is told: the same at every attempt, by which receivers know repetitions.
pub const ID_HEADER: &str = "webhook-id";
/// Header with the time of the attempt, in Unix seconds.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// Header with the signatures, separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// The version of HMAC signatures.
const V1: &str = "v1,";

/// Why a call is not believed. Tell a stranger no more than that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unverified {
    /// The timestamp is no number.
    #[error("webhook-timestamp must be a whole number of seconds since 1970")]
    Timestamp,
    /// It is older than the tolerance.
    #[error(
        "webhook-timestamp is {secs} s ago, more than is tolerated: a replay, or a clock that is wrong"
    )]
    TooOld {
        /// How old, in seconds.
        secs: u64,
    },
    /// It is further ahead than the tolerance.
    #[error("webhook-timestamp is {secs} s ahead, more than is tolerated: a clock is wrong")]
    TooNew {
        /// How far ahead, in seconds.
        secs: u64,
    },
    /// There is no signature of a known version.
    #[error("webhook-signature has no entry that begins with \"v1,\"")]
    NoSignature,
    /// None of them fits.
    #[error("no signature fits: another secret, or id, timestamp or body are not what was signed")]
    Mismatch,
}

/// `v1,…`: the signature over this call by one secret. `timestamp` is in Unix seconds; `id` must not contain a dot, or what is
/// signed could be read in two ways.
///
/// ```
/// use carillon_outbound::{WebhookSecret, sign};
/// let secret = WebhookSecret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?;
/// assert_eq!(sign(&secret, "evt_1", 1767323045, b""), "v1,wgoi0Yc1w0MTJA9BCrQ+CwXqI+rG42vlkS9np+fAfPQ=");
/// # Ok::<(), carillon_outbound::BadSecret>(())
/// ```
pub fn sign(secret: &WebhookSecret, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut signature = V1.to_owned();
    STANDARD.encode_string(mac(secret, id, timestamp, body), &mut signature);
    signature
}

/// The value of `webhook-signature`: one signature by each secret. While a secret is exchanged, receivers may check with the
/// old or with the new one.
pub fn sign_with_all(secrets: &[WebhookSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures: Vec<_> = secrets
        .iter()
        .map(|secret| sign(secret, id, timestamp, body))
        .collect();
    signatures.join(" ")
}

/// Whether a call comes from somebody who has one of these secrets: `timestamp` and `signatures` as the headers have them,
/// `body` exactly as it came, `now` in Unix seconds. Five minutes are the usual tolerance, in both directions.
///
/// # Errors
/// [`Unverified`] says why not.
pub fn verify(
    secrets: &[WebhookSecret],
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: i64,
    tolerance: Duration,
) -> Result<(), Unverified> {
    // As the sender writes it: no sign, no leading zero, so that one number has one text.
    let at: i64 = timestamp.parse().map_err(|_| Unverified::Timestamp)?;
    if at.to_string() != timestamp {
        return Err(Unverified::Timestamp);
    }
    let secs = now.abs_diff(at);
    if secs > tolerance.as_secs() {
        return Err(if at < now {
            Unverified::TooOld { secs }
        } else {
            Unverified::TooNew { secs }
        });
    }
    let mut claimed = signatures
        .split_ascii_whitespace()
        .filter_map(|entry| entry.strip_prefix(V1))
        .peekable();
    if claimed.peek().is_none() {
        return Err(Unverified::NoSignature);
    }
    let macs: Vec<_> = secrets
        .iter()
        .map(|secret| mac(secret, id, at, body))
        .collect();
    let fits = claimed.any(|claim| {
        STANDARD.decode(claim).is_ok_and(|claim| {
            macs.iter()
                .any(|mac| verify_slices_are_equal(mac.as_ref(), &claim).is_ok())
        })
    });
    if fits {
        Ok(())
    } else {
        Err(Unverified::Mismatch)
    }
}

fn mac(secret: &WebhookSecret, id: &str, timestamp: i64, body: &[u8]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(id.as_bytes());
    context.update(format!(".{timestamp}.").as_bytes());
    context.update(body);
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_767_323_045;
    const BODY: &str = r#"{"type":"push.delivered","timestamp":"2026-01-02T03:04:05Z","data":{"id":"n_1","état":"ok"}}"#;
    const FIRST: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const SECOND: &str = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    const TOLERANCE: Duration = Duration::from_secs(300);

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret::parse(text).unwrap()
    }

    /// Secret, id, timestamp, body, signature. The first is the specification's own Rust test, the second has its libraries'
    /// inputs; the others were computed by an independent program.
    const VECTORS: [(&str, &str, i64, &str, &str); 5] = [
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            FIRST,
            "evt_1",
            AT,
            BODY,
            "v1,Ac4Eh4rqqLtHgPHON7sZukt7hOs2tNjS7rtEUxZI4H4=",
        ),
        (
            FIRST,
            "evt_1",
            AT,
            "",
            "v1,wgoi0Yc1w0MTJA9BCrQ+CwXqI+rG42vlkS9np+fAfPQ=",
        ),
        (
            SECOND,
            "evt_1",
            AT,
            BODY,
            "v1,ebt4K1SD6Egm/PuQMR3RTSK7uHRKHyGa2B10JmzlfXs=",
        ),
    ];

    #[test]
    fn vectors() {
        assert_eq!(BODY.len(), 93);
        for (text, id, at, body, signature) in VECTORS {
            let secret = secret(text);
            assert_eq!(sign(&secret, id, at, body.as_bytes()), signature);
            let verified = verify(
                &[secret],
                id,
                &at.to_string(),
                signature,
                body.as_bytes(),
                at,
                TOLERANCE,
            );
            assert_eq!(verified, Ok(()), "{signature}");
        }
    }

    #[test]
    fn during_a_rotation_either_secret_fits() {
        let (old, new) = (secret(FIRST), secret(SECOND));
        let both = sign_with_all(&[new.clone(), old.clone()], "evt_1", AT, BODY.as_bytes());
        assert_eq!(both, format!("{} {}", VECTORS[4].4, VECTORS[2].4));
        let third = WebhookSecret::from_random(&[9; 32]).unwrap();
        for (secrets, expected) in [
            (vec![old.clone()], Ok(())),
            (vec![new.clone()], Ok(())),
            (vec![third.clone(), new], Ok(())),
            (vec![third], Err(Unverified::Mismatch)),
            (vec![], Err(Unverified::Mismatch)),
        ] {
            let found = verify(
                &secrets,
                "evt_1",
                "1767323045",
                &both,
                BODY.as_bytes(),
                AT,
                TOLERANCE,
            );
            assert_eq!(found, expected);
        }
        let of_tomorrow = format!("v2,AAAA v1a,AAAA {}  v3", VECTORS[2].4);
        assert_eq!(
            verify(
                &[old],
                "evt_1",
                "1767323045",
                &of_tomorrow,
                BODY.as_bytes(),
                AT,
                TOLERANCE
            ),
            Ok(()),
            "unknown versions are passed over"
        );
    }

    /// Vector 3 with one thing changed.
    fn tried(
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: i64,
    ) -> Result<(), Unverified> {
        verify(
            &[secret(FIRST)],
            id,
            timestamp,
            signatures,
            body,
            now,
            TOLERANCE,
        )
    }

    #[test]
    fn nothing_else_is_believed() {
        let good = VECTORS[2].4;
        let body = BODY.as_bytes();
        let mut changed = body.to_vec();
        changed[10] ^= 1;
        let tag = good.strip_prefix("v1,").unwrap();
        let undecoded = hmac::Key::new(hmac::HMAC_SHA256, FIRST.as_bytes());
        let undecoded = hmac::sign(&undecoded, format!("evt_1.{AT}.{BODY}").as_bytes());
        let undecoded = format!("v1,{}", STANDARD.encode(undecoded));
        let v2 = format!("v2,{tag}");
        let at = "1767323045";
        assert_eq!(tried("evt_1", at, good, body, AT), Ok(()));
        for (found, expected) in [
            (tried("evt_1", at, good, body, AT + 300), Ok(())),
            (tried("evt_1", at, good, body, AT - 300), Ok(())),
            (
                tried("evt_1", at, good, body, AT + 301),
                Err(Unverified::TooOld { secs: 301 }),
            ),
            (
                tried("evt_1", at, good, body, AT - 301),
                Err(Unverified::TooNew { secs: 301 }),
            ),
            (
                tried("evt_1", at, good, &changed, AT),
                Err(Unverified::Mismatch),
            ),
            (
                tried("evt_2", at, good, body, AT),
                Err(Unverified::Mismatch),
            ),
            (
                tried("evt_1", "1767323046", good, body, AT),
                Err(Unverified::Mismatch),
            ),
            (
                tried("evt_1", at, &v2, body, AT),
                Err(Unverified::NoSignature),
            ),
            (
                tried("evt_1", at, "", body, AT),
                Err(Unverified::NoSignature),
            ),
            (
                tried("evt_1", at, tag, body, AT),
                Err(Unverified::NoSignature),
            ),
            (
                tried("evt_1", at, &undecoded, body, AT),
                Err(Unverified::Mismatch),
            ),
            (
                tried("evt_1", at, "v1,", body, AT),
                Err(Unverified::Mismatch),
            ),
            (
                tried("evt_1", at, "v1,Ac4E", body, AT),
                Err(Unverified::Mismatch),
            ),
            (
                tried("evt_1", "soon", good, body, AT),
                Err(Unverified::Timestamp),
            ),
            (
                tried("evt_1", "+1767323045", good, body, AT),
                Err(Unverified::Timestamp),
            ),
            (
                tried("evt_1", "01767323045", good, body, AT),
                Err(Unverified::Timestamp),
            ),
            (
                tried("evt_1", "1767323045.0", good, body, AT),
                Err(Unverified::Timestamp),
            ),
            (
                tried("evt_1", "-9223372036854775808", good, body, AT),
                Err(Unverified::TooOld {
                    secs: (1 << 63) + AT as u64,
                }),
            ),
        ] {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn base64url_is_another_text() {
        let (text, id, at, body, signature) = VECTORS[0];
        let url_safe = signature.replace('+', "-").replace('/', "_");
        assert_ne!(url_safe, signature);
        let found = verify(
            &[secret(text)],
            id,
            &at.to_string(),
            &url_safe,
            body.as_bytes(),
            at,
            TOLERANCE,
        );
        assert_eq!(found, Err(Unverified::Mismatch));
    }
}
