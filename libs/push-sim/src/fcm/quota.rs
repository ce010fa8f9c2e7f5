//! A token bucket: so many a minute, all of them at once if need be.
//!
//! Source: "Throttling and quotas": the bucket is refilled to full in a minute that is not aligned
//! to the clock.

const MINUTE_MS: f64 = 60_000.0;

/// A bucket that is full at first. Time is the simulator's, in Unix milliseconds.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    used: f64,
    at_ms: i64,
}

impl Bucket {
    /// Takes one out of a bucket of `per_minute`; false when it is empty.
    pub(super) fn take(&mut self, per_minute: u32, now_ms: i64) -> bool {
        let full = f64::from(per_minute);
        let passed = now_ms.saturating_sub(self.at_ms).max(0) as f64;
        self.used = (self.used - passed * full / MINUTE_MS).max(0.0);
        self.at_ms = now_ms;
        let is_left = self.used + 1.0 <= full;
        if is_left {
            self.used += 1.0;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_fills_it_and_a_part_of_it_a_part() {
        let mut bucket = Bucket::default();
        let taken =
            |bucket: &mut Bucket, now_ms| (0..100).filter(|_| bucket.take(60, now_ms)).count();
        assert_eq!(taken(&mut bucket, 1_000_000), 60);
        assert_eq!(taken(&mut bucket, 1_000_000), 0);
        assert_eq!(taken(&mut bucket, 1_010_000), 10);
        assert_eq!(taken(&mut bucket, 9_000_000), 60);
        assert_eq!(taken(&mut bucket, 1_000_000), 0, "a clock that went back");
    }
}
