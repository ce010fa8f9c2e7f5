//! Maps by the engine's tags. These are numbers of our own making, so nobody has to be guarded against who would choose
//! them badly on purpose, as std's hasher does at a cost that every push pays several times.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by tag.
pub(crate) type ByTag<T> = HashMap<u64, T, BuildHasherDefault<TagHasher>>;

/// Spreads the bits of one number over the whole word.
#[derive(Default)]
pub(crate) struct TagHasher(u64);

impl Hasher for TagHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing: the product's high bits depend on all of the number's, and are folded onto the low ones, where a
        // map looks too.
        let product = (number ^ (number >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = product ^ (product >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::BuildHasher as _;

    #[test]
    fn tags_that_follow_each_other_or_differ_high_up_go_to_different_places() {
        let hasher = BuildHasherDefault::<TagHasher>::default();
        let places = |tags: &mut dyn Iterator<Item = u64>| -> usize {
            let places: HashSet<u64> = tags.map(|tag| hasher.hash_one(tag) & 1_023).collect();
            places.len()
        };
        assert!(places(&mut (0..1_024)) > 550);
        assert!(places(&mut (0..1_024).map(|number| number << 32)) > 550);
        assert!(places(&mut (0..1_024).map(|number| number << 10)) > 550);
    }
}
