//! The secrets that an endpoint's calls are signed with, in the clear: only in memory, and sealed in the store.
//!
//! Several at a time while one is exchanged: then each call carries a signature by each, and receivers change over when it
//! suits them. What a secret looks like, and signing, is `carillon-outbound`'s.

use std::fmt;

use crate::UnixMs;
use crate::codec::{Reader, Unreadable, put_bytes, put_uint};

/// The secrets of one endpoint, newest first; at least one, at most [`Self::MAX`]. Wipe what [`Self::encode`] returns after use.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecrets(Vec<DatedSecret>);

/// One secret and its time.
#[derive(Clone, PartialEq, Eq)]
pub struct DatedSecret {
    /// Its text: `whsec_…`.
    pub text: String,
    /// When it was made.
    pub made_at: UnixMs,
    /// When it stops being used; `None` for the newest.
    pub ends_at: Option<UnixMs>,
}

const VERSION: u8 = 1;

impl WebhookSecrets {
    /// Most secrets at a time.
    pub const MAX: usize = 4;

    /// The first secret of an endpoint.
    #[must_use]
    pub fn new(text: String, now: UnixMs) -> Self {
        Self(vec![DatedSecret {
            text,
            made_at: now,
            ends_at: None,
        }])
    }

    /// Puts a new secret in front. The older ones are used for `overlap_ms` more, or as long as they would have been anyhow;
    /// what has ended is dropped, and so is the oldest where there are too many.
    pub fn rotate(&mut self, text: String, now: UnixMs, overlap_ms: i64) {
        let end = now.saturating_add(overlap_ms.max(0));
        for secret in &mut self.0 {
            secret.ends_at = Some(secret.ends_at.map_or(end, |earlier| earlier.min(end)));
        }
        self.0.retain(|secret| secret.is_live(now));
        self.0.insert(
            0,
            DatedSecret {
                text,
                made_at: now,
                ends_at: None,
            },
        );
        self.0.truncate(Self::MAX);
    }

    /// Those that calls are signed with now, newest first.
    pub fn live(&self, now: UnixMs) -> impl Iterator<Item = &DatedSecret> {
        self.0.iter().filter(move |secret| secret.is_live(now))
    }

    /// All of them, newest first.
    #[must_use]
    pub fn all(&self) -> &[DatedSecret] {
        &self.0
    }

    /// The form that is sealed. Wipe it after use.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_uint(&mut out, self.0.len() as u64);
        for secret in &self.0 {
            put_bytes(&mut out, secret.text.as_bytes());
            put_uint(&mut out, secret.made_at as u64);
            // No secret ends at 0, the beginning of 1970.
            put_uint(&mut out, secret.ends_at.unwrap_or(0) as u64);
        }
        out
    }

    /// Reads the sealed form back.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::new("webhook secrets", VERSION, bytes)?;
        let count = reader.uint()?;
        if !(1..=Self::MAX as u64).contains(&count) {
            return Err(reader.error("impossible number of secrets"));
        }
        let mut secrets = Vec::new();
        for _ in 0..count {
            let text = reader.text()?.to_owned();
            let made_at = reader.uint()? as i64;
            let ends_at = Some(reader.uint()? as i64).filter(|at| *at != 0);
            secrets.push(DatedSecret {
                text,
                made_at,
                ends_at,
            });
        }
        if !reader.is_empty() {
            return Err(reader.error("more bytes than it should have"));
        }
        Ok(Self(secrets))
    }
}

impl DatedSecret {
    fn is_live(&self, now: UnixMs) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}

// === impl Debug ===

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebhookSecrets").field(&self.0).finish()
    }
}

impl fmt::Debug for DatedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatedSecret")
            .field("made_at", &self.made_at)
            .field("ends_at", &self.ends_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(secrets: &WebhookSecrets, now: UnixMs) -> Vec<&str> {
        secrets
            .live(now)
            .map(|secret| secret.text.as_str())
            .collect()
    }

    #[test]
    fn old_and_new_overlap() {
        let mut secrets = WebhookSecrets::new("whsec_a".into(), 1_000);
        assert_eq!(live(&secrets, i64::MAX), ["whsec_a"]);
        secrets.rotate("whsec_b".into(), 2_000, 500);
        assert_eq!(live(&secrets, 2_499), ["whsec_b", "whsec_a"]);
        assert_eq!(live(&secrets, 2_500), ["whsec_b"]);
        secrets.rotate("whsec_c".into(), 2_400, 5_000);
        assert_eq!(live(&secrets, 2_450), ["whsec_c", "whsec_b", "whsec_a"]);
        assert_eq!(
            live(&secrets, 2_500),
            ["whsec_c", "whsec_b"],
            "no end is put off"
        );
        secrets.rotate("whsec_d".into(), 3_000, 0);
        assert_eq!(live(&secrets, 3_000), ["whsec_d"]);
        assert_eq!(secrets.all().len(), 1, "what has ended is dropped");
        for text in ["whsec_e", "whsec_f", "whsec_g", "whsec_h"] {
            secrets.rotate(text.into(), 4_000, 1_000);
        }
        assert_eq!(
            live(&secrets, 4_000),
            ["whsec_h", "whsec_g", "whsec_f", "whsec_e"]
        );
    }

    #[test]
    fn sealed_forms_read_back_and_stay_out_of_debug() {
        let mut secrets = WebhookSecrets::new("old".into(), 5);
        assert_eq!(secrets.encode(), [1, 1, 3, b'o', b'l', b'd', 5, 0]);
        secrets.rotate("new".into(), 7, 3);
        assert_eq!(
            secrets.encode(),
            [1, 2, 3, b'n', b'e', b'w', 7, 0, 3, b'o', b'l', b'd', 5, 10]
        );
        assert_eq!(
            WebhookSecrets::decode(&secrets.encode()),
            Ok(secrets.clone())
        );
        let debug = format!("{secrets:?}");
        assert!(
            !debug.contains("old") && !debug.contains("new\"") && debug.contains("made_at: 7"),
            "{debug}"
        );
        for bad in [
            &[1][..],
            &[2, 1, 1, b'x', 0, 0],
            &[1, 0],
            &[1, 5],
            &[1, 1, 9, b'x'],
            &[1, 1, 1, b'x', 0, 0, 0],
        ] {
            assert!(WebhookSecrets::decode(bad).is_err(), "{bad:?}");
        }
    }
}
