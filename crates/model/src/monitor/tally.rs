//! How a monitor did: how long it was up and down, and how fast its answers were. One tally for an hour; those of a day, a
//! month or of many monitors are added up.

use super::watch::WatchState;
use crate::codec::{Reader, Unreadable, put_uint};
use std::collections::BTreeMap;

/// Version of the compact record.
const VERSION: u8 = 1;
/// Answers up to so many milliseconds are counted to the millisecond; longer ones in 16 steps for each doubling, so that
/// none is told wrong by more than one part in 16.
const EXACT: u64 = 32;
const STEPS: u32 = 16;
/// Answers that take longer are counted as this: no attempt may.
const LONGEST_MS: u64 = 120_000;

/// What is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How long it was up: milliseconds.
    pub up_ms: u64,
    /// How long an incident was open: milliseconds.
    pub down_ms: u64,
    /// How long nothing was known: milliseconds.
    pub unknown_ms: u64,
    /// How many answers took how long, by the number of their step.
    answers: BTreeMap<u16, u64>,
}

impl Tally {
    /// It was in this state for so many milliseconds, as [`Watch::counts_as`](super::Watch::counts_as) has it. What is only
    /// suspected is up.
    pub fn spent(&mut self, state: WatchState, ms: u64) {
        let counter = match state {
            WatchState::Waiting => &mut self.unknown_ms,
            WatchState::Ok | WatchState::Suspected => &mut self.up_ms,
            WatchState::Firing | WatchState::Acknowledged => &mut self.down_ms,
        };
        *counter = counter.saturating_add(ms);
    }

    /// An answer took so many milliseconds.
    pub fn answered(&mut self, elapsed_ms: u64) {
        let count = self.answers.entry(step_of(elapsed_ms)).or_default();
        *count = count.saturating_add(1);
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        self.up_ms = self.up_ms.saturating_add(other.up_ms);
        self.down_ms = self.down_ms.saturating_add(other.down_ms);
        self.unknown_ms = self.unknown_ms.saturating_add(other.unknown_ms);
        for (step, more) in &other.answers {
            let count = self.answers.entry(*step).or_default();
            *count = count.saturating_add(*more);
        }
    }

    /// How much of the time that is known of it was up, in percent; `None`: nothing is known.
    #[must_use]
    pub fn uptime_percent(&self) -> Option<f64> {
        let known = self.up_ms.saturating_add(self.down_ms);
        (known > 0).then(|| self.up_ms as f64 * 100.0 / known as f64)
    }

    /// So many answers.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.answers
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The time within which this part of the answers came (0.5 is the median), in milliseconds; `None`: there were none.
    /// At most one part in 16 too long, never too short.
    #[must_use]
    pub fn percentile_ms(&self, part: f64) -> Option<u64> {
        let wanted = (self.answers() as f64 * part.clamp(0.0, 1.0))
            .ceil()
            .max(1.0);
        let mut sum = 0u64;
        self.answers.iter().find_map(|(step, count)| {
            sum = sum.saturating_add(*count);
            (sum as f64 >= wanted).then(|| last_of(*step))
        })
    }

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for number in [self.up_ms, self.down_ms, self.unknown_ms] {
            put_uint(&mut out, number);
        }
        let mut before = 0;
        for (step, count) in &self.answers {
            put_uint(&mut out, u64::from(step - before));
            put_uint(&mut out, *count);
            before = *step;
        }
        out
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// What cannot have been written by [`Self::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::new("tally", VERSION, bytes)?;
        let mut tally = Self {
            up_ms: reader.uint()?,
            down_ms: reader.uint()?,
            unknown_ms: reader.uint()?,
            answers: BTreeMap::new(),
        };
        let mut step = 0u64;
        while !reader.is_empty() {
            step = step.saturating_add(reader.uint()?);
            let known = u16::try_from(step).ok();
            let known = known.filter(|step| *step <= step_of(LONGEST_MS));
            let known = known.ok_or_else(|| reader.error("a step that there is not"))?;
            tally.answers.insert(known, reader.uint()?);
        }
        Ok(tally)
    }
}

/// The number of the step that a time falls into.
fn step_of(ms: u64) -> u16 {
    let ms = ms.min(LONGEST_MS);
    if ms < EXACT {
        return ms as u16;
    }
    // 32 to 63 ms are 16 steps of 2 ms, 64 to 127 ms 16 steps of 4 ms, and so on.
    let doublings = ms.ilog2() - EXACT.ilog2();
    let within = (ms >> (doublings + 1)) as u32 - STEPS;
    (EXACT as u32 + doublings * STEPS + within) as u16
}

/// The longest time of a step, in milliseconds.
fn last_of(step: u16) -> u64 {
    let step = u32::from(step);
    let Some(beyond) = step.checked_sub(EXACT as u32) else {
        return u64::from(step);
    };
    let (doublings, within) = (beyond / STEPS, beyond % STEPS);
    (u64::from(STEPS + within + 1) << (doublings + 1)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_and_parts() {
        let mut day = Tally::default();
        assert_eq!((day.uptime_percent(), day.percentile_ms(0.5)), (None, None));
        for (state, ms) in [
            (WatchState::Ok, 85_000_000),
            (WatchState::Suspected, 1_000_000),
            (WatchState::Firing, 300_000),
            (WatchState::Acknowledged, 100_000),
            (WatchState::Waiting, 5_000),
        ] {
            let mut hour = Tally::default();
            hour.spent(state, ms);
            hour.answered(ms / 1_000_000);
            day.add(&hour);
        }
        assert_eq!(
            day.uptime_percent(),
            Some(86_000_000.0 * 100.0 / 86_400_000.0)
        );
        assert_eq!(day.answers(), 5);
        assert_eq!(day.percentile_ms(0.5), Some(0));
        assert_eq!(day.percentile_ms(1.0), Some(87));
    }

    #[test]
    fn golden() {
        let mut tally = Tally::default();
        tally.spent(WatchState::Ok, 300);
        tally.spent(WatchState::Firing, 5);
        for ms in [3, 3, 40, 999_999] {
            tally.answered(ms);
        }
        let stored = [1, 172, 2, 5, 0, 3, 2, 33, 1, 185, 1, 1];
        assert_eq!(tally.encode(), stored);
        assert_eq!(Tally::decode(&stored), Ok(tally));
        assert!(Tally::decode(&[1, 0, 0, 0, 255, 3, 1]).is_err());
    }

    proptest! {
        #[test]
        fn no_time_is_told_too_short_or_much_too_long(ms in 0..LONGEST_MS) {
            let told = last_of(step_of(ms));
            prop_assert!(told >= ms && (told - ms) * 16 <= ms, "{} as {}", ms, told);
            prop_assert!(step_of(ms) <= step_of(ms + 1) && step_of(ms + 1) <= step_of(ms) + 1);
        }

        #[test]
        fn parts_are_those_of_the_sorted_times(mut times in proptest::collection::vec(0..LONGEST_MS, 1..200), part in 0.0..1.0f64) {
            let mut tally = Tally::default();
            for ms in &times {
                tally.answered(*ms);
            }
            times.sort_unstable();
            let place = (times.len() as f64 * part).ceil().max(1.0) as usize - 1;
            prop_assert_eq!(tally.percentile_ms(part), Some(last_of(step_of(times[place]))));
            prop_assert_eq!(Tally::decode(&tally.encode()), Ok(tally));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(tally) = Tally::decode(&bytes) {
                let _ = tally.percentile_ms(0.99);
            }
        }
    }
}
