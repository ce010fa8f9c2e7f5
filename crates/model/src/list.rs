//! Lists: devices that were uploaded, by name. Which devices a file means is the store's to find; here is
//! what is gathered of them while the file comes in, and what is kept of the upload.
//!
//! The devices themselves are stored in chunks of at most [`MAX_BATCH`], ascending, each as a batch's
//! devices are ([`crate::batch`]): about two bytes a device.

use crate::batch::{BatchDevices, MAX_BATCH};
use crate::id::{DeviceNo, ListNo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Devices of one block, as bits.
const BLOCK: i64 = 1_024;

/// What is stored of a list, beside its devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListDefinition {
    /// Where its devices are.
    pub list: ListNo,
    /// How many it has.
    pub devices: u64,
    /// What became of the rows of the upload.
    pub upload: UploadCounts,
}

/// What became of the rows of an upload; together they are all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadCounts {
    /// Rows that named a device which no row before named.
    pub taken: u64,
    /// Rows that named only devices which rows before had named.
    pub doubled: u64,
    /// Rows that name nobody here.
    pub unknown: u64,
    /// Rows that cannot be read.
    pub bad: u64,
}

impl ListDefinition {
    /// The stored form.
    #[must_use]
    pub fn body(&self) -> String {
        // Numbers can be written as JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads [`Self::body`]. `None` for what only a newer server can have written.
    #[must_use]
    pub fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }
}

impl UploadCounts {
    /// How many rows there were.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.taken + self.doubled + self.unknown + self.bad
    }
}

/// What a list was when a notification to it was accepted: a later upload does not touch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenList {
    /// Its version.
    pub version: u32,
    /// Where its devices are.
    pub no: ListNo,
}

/// Devices, each once, in any order in and ascending out. In memory it is a bit for each number of the
/// blocks of 1,024 that have any: a few bytes a device where an App's devices stand together, and
/// never more than a seventh of the highest number in bytes.
#[derive(Clone, Debug, Default)]
pub struct DeviceSet {
    blocks: BTreeMap<i64, Box<[u64; BLOCK as usize / 64]>>,
    count: u64,
}

impl DeviceSet {
    /// Adds one. `false`: it is there already.
    pub fn add(&mut self, device: DeviceNo) -> bool {
        let at = device.0.rem_euclid(BLOCK) as usize;
        let block = self.blocks.entry(device.0.div_euclid(BLOCK)).or_default();
        let (word, bit) = (&mut block[at / 64], 1 << (at % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(is_new);
        is_new
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All, ascending.
    pub fn iter(&self) -> impl Iterator<Item = DeviceNo> {
        self.blocks.iter().flat_map(|(block, words)| {
            let is_set = |at: &i64| words[*at as usize / 64] >> (at % 64) & 1 == 1;
            (0..BLOCK)
                .filter(is_set)
                .map(|at| DeviceNo(*block * BLOCK + at))
        })
    }

    /// All, ascending, as they are stored.
    pub fn chunks(&self) -> impl Iterator<Item = BatchDevices> {
        let mut all = self.iter();
        std::iter::from_fn(move || {
            let chunk: Vec<_> = all.by_ref().take(MAX_BATCH).collect();
            (!chunk.is_empty()).then(|| BatchDevices::new(chunk))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_set_is_a_set(numbers in proptest::collection::vec(1i64..5_000, 0..3_000), far in 1i64..1 << 40) {
            let mut set = DeviceSet::default();
            let mut oracle = BTreeSet::new();
            for no in numbers.into_iter().chain([far]) {
                prop_assert_eq!(set.add(DeviceNo(no)), oracle.insert(no));
            }
            prop_assert_eq!(set.count(), oracle.len() as u64);
            let all: Vec<_> = oracle.into_iter().map(DeviceNo).collect();
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), all.clone());
            let chunks: Vec<_> = set.chunks().collect();
            let whole: Vec<_> = chunks.iter().flat_map(|chunk| chunk.as_slice().to_vec()).collect();
            prop_assert_eq!(whole, all);
            let (last, full) = chunks.split_last().unwrap();
            prop_assert!(full.iter().all(|chunk| usize::from(chunk.count()) == MAX_BATCH) && last.count() > 0);
        }
    }

    #[test]
    fn a_million_neighbours_are_stored_in_little_more_than_a_byte_each() {
        let mut set = DeviceSet::default();
        for no in 1_000_001..=2_000_000 {
            set.add(DeviceNo(no));
        }
        let bytes: usize = set.chunks().map(|chunk| chunk.encode().len()).sum();
        assert!((1_000_000..1_010_000).contains(&bytes), "{bytes}");
        assert!(set.blocks.len() < 1_000, "{}", set.blocks.len());
    }

    #[test]
    fn golden() {
        let stored =
            r#"{"list":7,"devices":2,"upload":{"taken":2,"doubled":1,"unknown":0,"bad":3}}"#;
        let read = ListDefinition::read(stored).unwrap();
        assert_eq!(read.body(), stored);
        assert_eq!((read.list, read.upload.rows()), (ListNo(7), 6));
        let frozen = FrozenList {
            version: 3,
            no: ListNo(7),
        };
        assert_eq!(
            serde_json::to_string(&frozen).unwrap(),
            r#"{"version":3,"no":7}"#
        );
    }
}
