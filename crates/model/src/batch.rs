//! The devices of a batch: written once, never changed.
//!
//! Stored as a version byte and the ascending device numbers, each as its distance from the one
//! before: about two bytes a device in a large batch.

use crate::codec::{Reader, Unreadable, put_uint};
use crate::id::DeviceNo;

/// Most deliveries of one batch.
pub const MAX_BATCH: usize = 1_000;

/// Up to this many deliveries a batch keeps its devices and verdicts in its own row.
pub const INLINE_BATCH: usize = 16;

const VERSION: u8 = 1;

/// The devices of a batch, ascending; a delivery's position is its device's place here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchDevices(Vec<DeviceNo>);

impl BatchDevices {
    /// From ascending device numbers, each once.
    ///
    /// # Panics
    /// When they are not ascending or more than [`MAX_BATCH`]: a bug of the caller.
    #[must_use]
    pub fn new(devices: Vec<DeviceNo>) -> Self {
        assert!(
            devices.len() <= MAX_BATCH,
            "a batch has at most {MAX_BATCH} deliveries"
        );
        assert!(
            devices.is_sorted_by(|a, b| a < b),
            "a batch's devices ascend"
        );
        Self(devices)
    }

    /// The devices, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[DeviceNo] {
        &self.0
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.0.len() as u16
    }

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        let mut last = 0;
        for device in &self.0 {
            put_uint(&mut out, (device.0 - last) as u64);
            last = device.0;
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::new("batch devices", VERSION, bytes)?;
        let mut devices: Vec<DeviceNo> = Vec::new();
        let mut last = 0i64;
        while !reader.is_empty() {
            let step = i64::try_from(reader.uint()?).ok();
            let next = step.and_then(|step| last.checked_add(step));
            last = next.ok_or_else(|| reader.error("device number over 63 bits"))?;
            if devices.last().is_some_and(|before| before.0 >= last) || devices.len() >= MAX_BATCH {
                return Err(reader.error("devices do not ascend, or too many"));
            }
            devices.push(DeviceNo(last));
        }
        Ok(Self(devices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_back(numbers in proptest::collection::btree_set(1i64..1 << 40, 0..1000)) {
            let devices = BatchDevices::new(numbers.into_iter().map(DeviceNo).collect());
            prop_assert_eq!(BatchDevices::decode(&devices.encode()), Ok(devices));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = BatchDevices::decode(&bytes);
        }
    }

    #[test]
    fn golden() {
        let devices = BatchDevices::new([5, 6, 300].map(DeviceNo).to_vec());
        assert_eq!(devices.encode(), [1, 5, 1, 0xa6, 0x02]);
    }
}
