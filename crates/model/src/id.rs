//! Numbers inside, prefixed ids outside.
//!
//! Inside, a record is known by a rising integer. Outside, a notification is `ntf_` and a UUIDv7
//! (RFC 9562 section 5.7) whose last 62 bits are that integer and whose time is when it was
//! accepted, so that looking one up needs no second index: decode, read the row, compare the time.

use std::fmt;
use uuid::Uuid;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    };
}

number!(/// Number of an App.
    AppNo);
number!(/// Number of a credential.
    CredentialNo);
number!(/// Number of a definition: a template, a trigger, a webhook endpoint, an identity key.
    DefinitionNo);
number!(/// Number of what one upload of a list said: a list that is uploaded again gets another.
    #[derive(serde::Serialize, serde::Deserialize)]
    ListNo);
number!(/// Number of an API key.
    ApiKeyNo);
number!(/// Number of a device, unique over all Apps.
    DeviceNo);
number!(/// Number of a notification. At most [`NotificationNo::MAX`].
    NotificationNo);
number!(/// Number of a webhook endpoint.
    WebhookNo);
number!(/// Number of a batch: the notification's number and the batch's place in it, in one integer,
    /// so that the batches of a notification are a range of keys.
    BatchNo);

/// Bits of a [`BatchNo`] that count the batches of one notification.
const BATCH_BITS: u32 = 20;

impl NotificationNo {
    /// The largest number: what is left of 63 bits beside the batch's place.
    pub const MAX: i64 = i64::MAX >> BATCH_BITS;

    /// The batch at `place` (0-based, below 2^20).
    #[must_use]
    pub fn batch(self, place: u32) -> BatchNo {
        debug_assert!(place < 1 << BATCH_BITS);
        BatchNo((self.0 << BATCH_BITS) | i64::from(place))
    }

    /// First and last possible batch number of this notification, both inclusive.
    #[must_use]
    pub fn batches(self) -> (BatchNo, BatchNo) {
        (
            BatchNo(self.0 << BATCH_BITS),
            BatchNo((self.0 << BATCH_BITS) | ((1 << BATCH_BITS) - 1)),
        )
    }

    /// The public id: `ntf_` + UUIDv7 of (`created_at`, number).
    #[must_use]
    pub fn public(self, created_at: crate::UnixMs) -> String {
        format!("ntf_{}", numbered_uuid(created_at, self.0).as_hyphenated())
    }

    /// Reads a public id: the number and the time of acceptance that its row must show.
    #[must_use]
    pub fn parse(text: &str) -> Option<(Self, crate::UnixMs)> {
        let uuid = Uuid::try_parse(text.strip_prefix("ntf_")?).ok()?;
        let (at, number) = read_numbered_uuid(uuid)?;
        (number <= Self::MAX).then_some((Self(number), at))
    }
}

impl BatchNo {
    /// The notification this batch belongs to.
    #[must_use]
    pub fn notification(self) -> NotificationNo {
        NotificationNo(self.0 >> BATCH_BITS)
    }

    /// The batch's place in its notification, from 0.
    #[must_use]
    pub fn place(self) -> u32 {
        (self.0 & ((1 << BATCH_BITS) - 1)) as u32
    }
}

/// One delivery: a position in a batch. Public form `dlv_<batch>_<position>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId {
    /// The batch.
    pub batch: BatchNo,
    /// Position in the batch, from 0; below 1,000.
    pub position: u16,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dlv_{}_{}", self.batch.0, self.position)
    }
}

impl DeliveryId {
    /// Reads `dlv_<batch>_<position>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (batch, position) = text.strip_prefix("dlv_")?.split_once('_')?;
        let batch: i64 = batch.parse().ok().filter(|n| *n >= 0)?;
        Some(Self {
            batch: BatchNo(batch),
            position: position.parse().ok()?,
        })
    }

    /// The id this delivery carries at the gateway (`apns-id`), the same at every attempt, so that a
    /// resend needs no storage. `seed` is the installation's own random number: two installations
    /// do not share ids.
    #[must_use]
    pub fn gateway_id(self, seed: u128) -> Uuid {
        let high = mix(self.batch.0 as u64 ^ (seed >> 64) as u64);
        let low = mix(u64::from(self.position) ^ high ^ seed as u64);
        uuid::Builder::from_custom_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
            .into_uuid()
    }
}

/// The finaliser of SplitMix64: a bijection on 64 bits that spreads near numbers apart.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// A UUIDv7 that carries `number` (62 bits) where others carry random bits.
#[must_use]
pub fn numbered_uuid(at: crate::UnixMs, number: i64) -> Uuid {
    let millis = (at as u128) & 0xffff_ffff_ffff;
    let number = number as u128 & ((1 << 62) - 1);
    Uuid::from_u128((millis << 80) | (0x7 << 76) | (0b10 << 62) | number)
}

/// Reads back what [`numbered_uuid`] wrote; `None` for a UUID of another make.
#[must_use]
pub fn read_numbered_uuid(uuid: Uuid) -> Option<(crate::UnixMs, i64)> {
    let bits = uuid.as_u128();
    let rest = (bits >> 62) & 0x3ffff;
    (rest == (0x7 << 14) | 0b10).then_some(((bits >> 80) as i64, (bits & ((1 << 62) - 1)) as i64))
}

/// A prefixed numbered id of another record, such as `dev_` or `key_`.
#[must_use]
pub fn public(prefix: &str, at: crate::UnixMs, number: i64) -> String {
    format!("{prefix}_{}", numbered_uuid(at, number).as_hyphenated())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn notification_ids_read_back(number in 0..=NotificationNo::MAX, at in 0i64..(1 << 48)) {
            let text = NotificationNo(number).public(at);
            prop_assert_eq!(NotificationNo::parse(&text), Some((NotificationNo(number), at)));
        }

        #[test]
        fn batches_stay_in_their_notification(number in 0..=NotificationNo::MAX, place in 0u32..(1 << 20)) {
            let batch = NotificationNo(number).batch(place);
            let (first, last) = NotificationNo(number).batches();
            prop_assert!(first <= batch && batch <= last);
            prop_assert_eq!((batch.notification().0, batch.place()), (number, place));
        }

        #[test]
        fn delivery_ids_read_back(batch in 0..i64::MAX, position in any::<u16>()) {
            let id = DeliveryId { batch: BatchNo(batch), position };
            prop_assert_eq!(DeliveryId::parse(&id.to_string()), Some(id));
        }
    }

    #[test]
    fn strangers_are_refused() {
        for text in [
            "",
            "ntf_",
            "ntf_00000000-0000-0000-0000-000000000000",
            "dlv_1_1",
            "ntf_x",
        ] {
            assert_eq!(NotificationNo::parse(text), None, "{text}");
        }
        for text in ["dlv_-1_0", "dlv_1", "dlv_1_70000", "ntf_1_1"] {
            assert_eq!(DeliveryId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn gateway_ids_differ_and_stay() {
        let id = |batch, position| {
            DeliveryId {
                batch: BatchNo(batch),
                position,
            }
            .gateway_id(7)
        };
        assert_eq!(id(1, 0), id(1, 0));
        let all: std::collections::BTreeSet<_> = (0..100)
            .flat_map(|b| (0..100).map(move |p| id(b, p)))
            .collect();
        assert_eq!(all.len(), 10_000);
    }
}
