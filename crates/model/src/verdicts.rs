//! The verdicts of a batch: for each position, open or how it ended.
//!
//! In memory one byte a position ([`FinalState::code`], 0 = open). Stored run-length coded, since
//! most of a batch ends alike: a version byte, then pairs of (run length, code).

use crate::codec::{Reader, Unreadable, put_uint};
use crate::delivery::FinalState;

const VERSION: u8 = 1;

/// One byte a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdicts(Vec<u8>);

impl Verdicts {
    /// All open.
    #[must_use]
    pub fn open(count: u16) -> Self {
        Self(vec![0; usize::from(count)])
    }

    /// How many positions there are.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.0.len() as u16
    }

    /// How the delivery at `position` ended, `None` while it is open (or beyond the end).
    #[must_use]
    pub fn get(&self, position: u16) -> Option<FinalState> {
        self.0
            .get(usize::from(position))
            .copied()
            .and_then(FinalState::from_code)
    }

    /// Learns that `position` ended as `state`; merged by [`FinalState::merge`]. Returns what it was
    /// before and what it is now.
    pub fn learn(&mut self, position: u16, state: FinalState) -> (Option<FinalState>, FinalState) {
        let before = self.get(position);
        let now = before.map_or(state, |before| before.merge(state));
        if let Some(code) = self.0.get_mut(usize::from(position)) {
            *code = now.code();
        }
        (before, now)
    }

    /// How many are still open.
    #[must_use]
    pub fn still_open(&self) -> u16 {
        self.0.iter().filter(|code| **code == 0).count() as u16
    }

    /// Positions that are still open, ascending.
    pub fn open_positions(&self) -> impl Iterator<Item = u16> + '_ {
        (0u16..)
            .zip(&self.0)
            .filter(|(_, code)| **code == 0)
            .map(|(position, _)| position)
    }

    /// All positions with their state, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u16, Option<FinalState>)> + '_ {
        (0u16..)
            .zip(&self.0)
            .map(|(position, code)| (position, FinalState::from_code(*code)))
    }

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for run in self.0.chunk_by(|a, b| a == b) {
            put_uint(&mut out, run.len() as u64);
            out.push(run[0]);
        }
        out
    }

    /// Reads the stored form of a batch of `count` deliveries.
    pub fn decode(bytes: &[u8], count: u16) -> Result<Self, Unreadable> {
        let mut reader = Reader::new("verdicts", VERSION, bytes)?;
        let mut codes = Vec::with_capacity(usize::from(count));
        while !reader.is_empty() {
            let run = reader.uint()?;
            let code = reader.byte()?;
            if run > u64::from(count) - codes.len() as u64 {
                return Err(reader.error("more positions than the batch has"));
            }
            if code != 0 && FinalState::from_code(code).is_none() {
                return Err(reader.error("unknown final state"));
            }
            codes.resize(codes.len() + run as usize, code);
        }
        if codes.len() != usize::from(count) {
            return Err(reader.error("fewer positions than the batch has"));
        }
        Ok(Self(codes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::FINAL_STATES;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_back(codes in proptest::collection::vec(0usize..=10, 1..1000)) {
            let mut verdicts = Verdicts::open(codes.len() as u16);
            for (position, code) in codes.iter().enumerate() {
                if let Some(state) = code.checked_sub(1).map(|i| FINAL_STATES[i]) {
                    verdicts.learn(position as u16, state);
                }
            }
            let open = codes.iter().filter(|code| **code == 0).count();
            prop_assert_eq!(usize::from(verdicts.still_open()), open);
            prop_assert_eq!(Verdicts::decode(&verdicts.encode(), verdicts.count()), Ok(verdicts));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40), count in 1u16..1000) {
            let _ = Verdicts::decode(&bytes, count);
        }
    }

    #[test]
    fn golden() {
        let mut verdicts = Verdicts::open(300);
        for position in 0..299 {
            verdicts.learn(position, FinalState::Accepted);
        }
        verdicts.learn(7, FinalState::Rejected);
        assert_eq!(
            verdicts.encode(),
            [1, 0xab, 0x02, 1, 1, 0],
            "accepted stays over rejected"
        );
        assert!(Verdicts::decode(&[2, 1, 0], 1).is_err(), "another version");
        assert!(Verdicts::decode(&[1, 2, 0], 1).is_err(), "too many");
        assert!(Verdicts::decode(&[1, 1, 99], 1).is_err(), "unknown state");
    }
}
