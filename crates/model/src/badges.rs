//! The badge counters of a batch: the number that each of its deliveries shows, computed once when the
//! batch was made, so that every try of a delivery shows the same.
//!
//! Stored as a version byte and the numbers by position; only for notifications that change counters.

use crate::batch::MAX_BATCH;
use crate::codec::{Reader, Unreadable, put_uint};

const VERSION: u8 = 1;

/// The number of each position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchBadges(Vec<u32>);

impl BatchBadges {
    /// One number for each position.
    #[must_use]
    pub fn new(badges: Vec<u32>) -> Self {
        Self(badges)
    }

    /// The number at a position; `None` beyond the end.
    #[must_use]
    pub fn get(&self, position: u16) -> Option<u32> {
        self.0.get(usize::from(position)).copied()
    }

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() + 1);
        out.push(VERSION);
        for badge in &self.0 {
            put_uint(&mut out, u64::from(*badge));
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::new("batch badges", VERSION, bytes)?;
        let mut badges = Vec::new();
        while !reader.is_empty() {
            let badge = u32::try_from(reader.uint()?);
            badges.push(badge.map_err(|_| reader.error("badge over 32 bits"))?);
            if badges.len() > MAX_BATCH {
                return Err(reader.error("too many badges"));
            }
        }
        Ok(Self(badges))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden() {
        let badges = BatchBadges::new(vec![0, 1, 300]);
        assert_eq!(badges.encode(), [1, 0, 1, 0xac, 0x02]);
        assert_eq!((badges.get(2), badges.get(3)), (Some(300), None));
    }

    proptest! {
        #[test]
        fn reads_back(badges in proptest::collection::vec(any::<u32>(), 0..1000)) {
            let badges = BatchBadges::new(badges);
            prop_assert_eq!(BatchBadges::decode(&badges.encode()), Ok(badges));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = BatchBadges::decode(&bytes);
        }
    }
}
