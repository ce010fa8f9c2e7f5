//! Apple's flags: the number 1, or no key at all.

use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn is_off(flag: &bool) -> bool {
    !flag
}

pub(super) fn serialize<S: Serializer>(flag: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(u8::from(*flag))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    u8::deserialize(deserializer).map(|number| number != 0)
}
