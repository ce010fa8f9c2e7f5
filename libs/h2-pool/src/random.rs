//! A few random numbers for jitter and for the order of addresses. Nothing secret may come from here.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// SplitMix64: good enough to spread load, reproducible from a seed.
#[derive(Debug)]
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(Cell::new(
            seed.unwrap_or_else(|| RandomState::new().hash_one(0_u8)),
        ))
    }

    pub(crate) fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// In 0..1.
    pub(crate) fn unit(&self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Puts `items` into an order that `seed` decides (Fisher–Yates).
pub(crate) fn shuffle<T>(items: &mut [T], seed: u64) {
    let random = Random::new(Some(seed));
    for last in (1..items.len()).rev() {
        let pick = (random.next() % (last as u64 + 1)) as usize;
        items.swap(last, pick);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_sequence_within_bounds() {
        let (one, two) = (Random::new(Some(7)), Random::new(Some(7)));
        for _ in 0..1_000 {
            let unit = one.unit();
            assert_eq!(unit.to_bits(), two.unit().to_bits());
            assert!((0.0..1.0).contains(&unit));
        }
    }

    #[test]
    fn every_address_comes_first_sooner_or_later() {
        let mut first = [0; 4];
        for seed in 0..400 {
            let mut items = [0, 1, 2, 3];
            shuffle(&mut items, seed);
            first[items[0]] += 1;
            let mut sorted = items;
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
        }
        assert!(first.iter().all(|&count| count > 60), "{first:?}");
    }
}
