//! What the apps on a batch's devices said of its pushes: that they arrived, that somebody opened them.
//! Of each delivery and kind the first receipt counts.
//!
//! Stored apart from the batch, since most batches have none. Times are deltas to the earliest, so a full
//! batch with both kinds is about ten kilobytes.

use crate::UnixMs;
use crate::codec::{Reader, Unreadable, put_uint};
use std::collections::BTreeMap;

/// What a receipt says.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// The push arrived on the device.
    Delivered,
    /// Somebody opened it.
    Opened,
}

impl ReceiptKind {
    /// Both, in the order of [`Self::code`].
    pub const ALL: [Self; 2] = [Self::Delivered, Self::Opened];

    /// The number that stands for it in the store: what says more has the higher one.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Delivered => 1,
            Self::Opened => 2,
        }
    }

    /// Reads [`Self::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The word used in JSON, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Opened => "opened",
        }
    }
}

/// The receipts of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchReceipts {
    delivered: BTreeMap<u16, UnixMs>,
    opened: BTreeMap<u16, UnixMs>,
}

/// Those of one delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryReceipts {
    /// When it arrived, as the app says.
    pub delivered_at: Option<UnixMs>,
    /// When it was opened, as the app says.
    pub opened_at: Option<UnixMs>,
}

const VERSION: u8 = 1;

impl BatchReceipts {
    fn of(&mut self, kind: ReceiptKind) -> &mut BTreeMap<u16, UnixMs> {
        match kind {
            ReceiptKind::Delivered => &mut self.delivered,
            ReceiptKind::Opened => &mut self.opened,
        }
    }

    /// Whether a device told so much: what was opened has arrived.
    #[must_use]
    pub fn tells(&self, position: u16, kind: ReceiptKind) -> bool {
        let is_opened = self.opened.contains_key(&position);
        match kind {
            ReceiptKind::Delivered => is_opened || self.delivered.contains_key(&position),
            ReceiptKind::Opened => is_opened,
        }
    }

    /// Adds one. `false`: there was one of this kind already, which stays.
    pub fn add(&mut self, kind: ReceiptKind, position: u16, at: UnixMs) -> bool {
        let of_kind = self.of(kind);
        if of_kind.contains_key(&position) {
            return false;
        }
        of_kind.insert(position, at);
        true
    }

    /// Those of one delivery.
    #[must_use]
    pub fn get(&self, position: u16) -> DeliveryReceipts {
        DeliveryReceipts {
            delivered_at: self.delivered.get(&position).copied(),
            opened_at: self.opened.get(&position).copied(),
        }
    }

    /// How many arrived, and how many were opened.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.delivered.len() as u64, self.opened.len() as u64)
    }

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let all = self.delivered.values().chain(self.opened.values());
        let base = all.copied().min().unwrap_or(0).max(0);
        let mut out = vec![VERSION];
        put_uint(&mut out, base as u64);
        for of_kind in [&self.delivered, &self.opened] {
            put_uint(&mut out, of_kind.len() as u64);
            let mut next = 0;
            for (position, at) in of_kind {
                put_uint(&mut out, u64::from(position - next));
                put_uint(&mut out, at.saturating_sub(base).max(0) as u64);
                next = position.saturating_add(1);
            }
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::new("receipts", VERSION, bytes)?;
        let base = reader.uint()?;
        let mut receipts = Self::default();
        for kind in [ReceiptKind::Delivered, ReceiptKind::Opened] {
            let count = reader.uint()?;
            let mut next = 0u64;
            for _ in 0..count {
                let position = next.saturating_add(reader.uint()?);
                next = position.saturating_add(1);
                let position = u16::try_from(position)
                    .map_err(|_| reader.error("a position beyond every batch"))?;
                let at = i64::try_from(base.saturating_add(reader.uint()?))
                    .map_err(|_| reader.error("a time beyond 63 bits"))?;
                receipts.add(kind, position, at);
            }
        }
        if !reader.is_empty() {
            return Err(reader.error("more bytes than it should have"));
        }
        Ok(receipts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden() {
        let mut receipts = BatchReceipts::default();
        assert!(receipts.add(ReceiptKind::Delivered, 3, 1_005));
        assert!(receipts.add(ReceiptKind::Delivered, 4, 1_000));
        assert!(receipts.add(ReceiptKind::Opened, 4, 1_007));
        assert!(
            !receipts.add(ReceiptKind::Opened, 4, 9_000),
            "the first counts"
        );
        let bytes = receipts.encode();
        assert_eq!(bytes, [1, 0xe8, 0x07, 2, 3, 5, 0, 0, 1, 4, 7]);
        assert_eq!(BatchReceipts::decode(&bytes), Ok(receipts.clone()));
        assert_eq!(receipts.counts(), (2, 1));
        let both = DeliveryReceipts {
            delivered_at: Some(1_000),
            opened_at: Some(1_007),
        };
        assert_eq!(receipts.get(4), both);
        assert_eq!(receipts.get(0), DeliveryReceipts::default());
        for bad in [&[2, 0, 0, 0][..], &[1], &[1, 0, 1, 0], &[1, 0, 0, 0, 0]] {
            assert!(BatchReceipts::decode(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn reads_back(all in proptest::collection::vec((any::<bool>(), 0u16..1_000, 0i64..1 << 48), 0..300)) {
            let mut receipts = BatchReceipts::default();
            for (opened, position, at) in all {
                let kind = if opened { ReceiptKind::Opened } else { ReceiptKind::Delivered };
                receipts.add(kind, position, at);
            }
            prop_assert_eq!(BatchReceipts::decode(&receipts.encode()), Ok(receipts));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = BatchReceipts::decode(&bytes);
        }
    }
}
