//! A set of positions in a batch, as stored with work that concerns only some of them.
//!
//! Stored as a version byte and pairs of (gap since the last range, length of the range).

use crate::codec::{Reader, Unreadable, put_uint};

const VERSION: u8 = 1;

/// Positions, ascending, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(Vec<u16>);

impl Positions {
    /// From any order; doubles are dropped.
    #[must_use]
    pub fn new(mut positions: Vec<u16>) -> Self {
        positions.sort_unstable();
        positions.dedup();
        Self(positions)
    }

    /// All of a batch of `count`.
    #[must_use]
    pub fn all(count: u16) -> Self {
        Self((0..count).collect())
    }

    /// The positions, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[u16] {
        &self.0
    }

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        let mut end = 0;
        for run in self.0.chunk_by(|a, b| a + 1 == *b) {
            put_uint(&mut out, u64::from(run[0]) - end);
            put_uint(&mut out, run.len() as u64);
            end = u64::from(run[0]) + run.len() as u64;
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::new("positions", VERSION, bytes)?;
        let mut positions = Vec::new();
        let mut end = 0u64;
        while !reader.is_empty() {
            let (gap, len) = (reader.uint()?, reader.uint()?);
            let start = end.saturating_add(gap);
            end = start.saturating_add(len);
            if end > u64::from(u16::MAX) {
                return Err(reader.error("position over 65,535"));
            }
            positions.extend(start as u16..end as u16);
        }
        Ok(Self(positions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_back(positions in proptest::collection::vec(0u16..1000, 0..200)) {
            let set = Positions::new(positions);
            prop_assert_eq!(Positions::decode(&set.encode()), Ok(set));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Positions::decode(&bytes);
        }
    }

    #[test]
    fn golden() {
        assert_eq!(
            Positions::new(vec![9, 3, 4, 5, 3]).encode(),
            [1, 3, 3, 3, 1]
        );
        assert_eq!(Positions::all(1000).encode(), [1, 0, 0xe8, 7]);
    }
}
