//! The secret of a webhook endpoint: 24 to 64 random bytes, written as `whsec_` and base64.
//!
//! It keeps none and makes none up: the random bytes are passed in, and where secrets rest is the store's business.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use zeroize::Zeroizing;

/// What calls to one endpoint are signed with. Wiped when dropped, and not shown.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

/// A text that is no webhook secret, told without showing it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSecret {
    /// It begins otherwise.
    #[error(
        "a webhook secret begins with \"whsec_\", found a text that does not; copy it as Carillon showed it when the endpoint \
         was made"
    )]
    Prefix,
    /// It is a key of the other kind of signature.
    #[error(
        "found a key for Ed25519 signatures (whsk_ or whpk_); Carillon signs webhooks with HMAC, whose secrets begin with \
         \"whsec_\""
    )]
    Asymmetric,
    /// What follows is not base64.
    #[error(
        "what follows \"whsec_\" must be base64 in the standard alphabet (A-Z a-z 0-9 + /); it was cut, pasted with something \
         else, or is base64url"
    )]
    Encoding,
    /// Too short to be safe, or too long.
    #[error(
        "a webhook secret holds {} to {} bytes (Standard Webhooks 1.0.0), found {found}; make a new one",
        WebhookSecret::MIN_BYTES,
        WebhookSecret::MAX_BYTES
    )]
    Length {
        /// How many bytes it holds.
        found: usize,
    },
}

const PREFIX: &str = "whsec_";

/// Padding is written, and not insisted on: it gets lost where people copy by double click.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl WebhookSecret {
    /// Fewest bytes.
    pub const MIN_BYTES: usize = 24;
    /// Most bytes.
    pub const MAX_BYTES: usize = 64;

    /// A new secret of bytes that nobody can guess: 32 are a good number.
    ///
    /// # Errors
    /// If there are too few or too many.
    pub fn from_random(bytes: &[u8]) -> Result<Self, BadSecret> {
        if !(Self::MIN_BYTES..=Self::MAX_BYTES).contains(&bytes.len()) {
            return Err(BadSecret::Length { found: bytes.len() });
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    /// Reads `whsec_…`; white space around it is left away.
    ///
    /// # Errors
    /// [`BadSecret`] says what it is instead.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let text = text.trim();
        let Some(encoded) = text.strip_prefix(PREFIX) else {
            let is_other = text.starts_with("whsk_") || text.starts_with("whpk_");
            return Err(if is_other {
                BadSecret::Asymmetric
            } else {
                BadSecret::Prefix
            });
        };
        let bytes = LENIENT.decode(encoded).map_err(|_| BadSecret::Encoding)?;
        Self::from_random(&Zeroizing::new(bytes))
    }

    /// Its text, to be shown once and sealed.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(PREFIX.to_owned());
        STANDARD.encode_string(&*self.0, &mut text);
        text
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_read_back() {
        for length in WebhookSecret::MIN_BYTES..=WebhookSecret::MAX_BYTES {
            let bytes: Vec<u8> = (0..length as u8)
                .map(|n| n.wrapping_mul(37) ^ 0xa5)
                .collect();
            let secret = WebhookSecret::from_random(&bytes).unwrap();
            let text = secret.reveal();
            for shown in [
                text.to_string(),
                text.trim_end_matches('=').to_owned(),
                format!(" {}\n", *text),
            ] {
                assert_eq!(WebhookSecret::parse(&shown).unwrap().bytes(), bytes);
            }
        }
        let first = WebhookSecret::from_random(&(0..32).collect::<Vec<_>>()).unwrap();
        assert_eq!(
            *first.reveal(),
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
        );
        assert_eq!(format!("{first:?}"), "WebhookSecret(secret)");
    }

    #[test]
    fn what_is_no_secret_says_why_and_shows_nothing() {
        for (text, expected) in [
            ("", BadSecret::Prefix),
            (
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                BadSecret::Prefix,
            ),
            (
                "WHSEC_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                BadSecret::Prefix,
            ),
            (
                "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                BadSecret::Asymmetric,
            ),
            ("whsec_", BadSecret::Length { found: 0 }),
            (
                "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY=",
                BadSecret::Length { found: 23 },
            ),
            (
                "whsec_-_ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                BadSecret::Encoding,
            ),
            (
                "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=SECRET",
                BadSecret::Encoding,
            ),
            (
                "whsec_AAECAwQFBgcICQoL DA0ODxAREhMUFRYXGBkaGxwdHh8=",
                BadSecret::Encoding,
            ),
        ] {
            let error = WebhookSecret::parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("AAEC"), "{error}");
        }
        let long = WebhookSecret::from_random(&[7; 65]).unwrap_err();
        assert!(
            long.to_string().contains("24 to 64") && long.to_string().contains("65"),
            "{long}"
        );
    }
}
