//! Chance that can be repeated: the same seed gives the same plan and the same load.
//!
//! SplitMix64. What the network and the scheduler do is not in it, so two runs of one seed are alike, not equal.

/// A seeded generator.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// An independent generator for one purpose, so that more rolls for one thing do not change another.
    pub(crate) fn for_purpose(seed: u64, purpose: &str) -> Self {
        let mut dice = Self(seed);
        for byte in purpose.bytes() {
            dice.0 = dice.roll() ^ u64::from(byte);
        }
        dice
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        debug_assert!(low <= high);
        low + self.roll() % (high - low + 1)
    }

    /// An index below `len`, which is above 0.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        (self.roll() % len as u64) as usize
    }

    /// True so many times in a thousand.
    pub(crate) fn permille(&mut self, share: u64) -> bool {
        self.roll() % 1000 < share
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.index(at + 1));
        }
    }
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_purposes_differ() {
        let rolls = |mut dice: Dice| -> Vec<u64> { (0..20).map(|_| dice.roll()).collect() };
        let dice = |seed, purpose| rolls(Dice::for_purpose(seed, purpose));
        assert_eq!(dice(7, "load"), dice(7, "load"));
        assert_ne!(dice(7, "load"), dice(8, "load"));
        assert_ne!(dice(7, "load"), dice(7, "faults"));
    }

    #[test]
    fn ranges_are_kept_and_shuffles_lose_nothing() {
        let mut dice = Dice::for_purpose(1, "ranges");
        for _ in 0..1000 {
            assert!((3..=5).contains(&dice.between(3, 5)));
        }
        let mut list: Vec<u32> = (0..50).collect();
        dice.shuffle(&mut list);
        assert_ne!(list, (0..50).collect::<Vec<_>>());
        list.sort_unstable();
        assert_eq!(list, (0..50).collect::<Vec<_>>());
    }
}
