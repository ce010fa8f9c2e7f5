//! The second book: what the store says, read through the API when everything is drained.

use std::collections::BTreeMap;

use serde_json::Value;

use super::accepted::Kind;

/// A notification as the store keeps it.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptNotification {
    /// Deliveries that it counts in each state, by the API's words.
    pub(crate) counts: BTreeMap<String, u64>,
    /// Deliveries that it counts as open.
    pub(crate) open: u64,
    /// The deliveries themselves, sorted by device.
    pub(crate) deliveries: Vec<KeptDelivery>,
}

/// A delivery as the store keeps it.
#[derive(Clone, Debug)]
pub(crate) struct KeptDelivery {
    /// Its id at the API.
    pub(crate) id: String,
    /// Its device; `None`: the store names one that was never registered.
    pub(crate) device: Option<u32>,
    /// How it ended; `None`: it is still open.
    pub(crate) state: Option<State>,
    /// How often it was recorded that nobody knows whether the gateway took it. Zero for a plain acceptance, whose
    /// record is not looked at.
    pub(crate) doubts: u32,
    /// The strongest word of the gateway that the record has.
    pub(crate) heard: Option<Heard>,
    /// The `apns-id` that the store says it has, if its record was looked at.
    pub(crate) gateway_id: Option<u128>,
}

/// A word of the gateway, as the store has it on record; the stronger one is the greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Heard {
    /// It refused for good.
    No,
    /// It took it.
    Yes,
}

impl Heard {
    /// Reads an attempt of a delivery's record; `None`: nothing there ends it.
    pub(crate) fn of(attempt: &Value) -> Option<Self> {
        match (attempt["result"].as_str()?, attempt["status"].as_u64()) {
            // An acceptance may be on record without its status.
            ("accepted", _) | ("late_answer", Some(200)) => Some(Self::Yes),
            // That it was not processed, as a connection says of it when it ends, is no word about it.
            ("late_answer", None) if attempt["reason"].is_null() => Some(Self::Yes),
            // In one environment; the other one may know it.
            ("rejected", _) if attempt["reason"] == "BadDeviceToken" => None,
            ("rejected", _) => Some(Self::No),
            _ => None,
        }
    }
}

/// A final state, by the API's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum State {
    Accepted,
    Rejected,
    Failed,
    Unknown,
    Expired,
    Cancelled,
    Suppressed,
}

impl State {
    pub(crate) const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Rejected,
        Self::Failed,
        Self::Unknown,
        Self::Expired,
        Self::Cancelled,
        Self::Suppressed,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Suppressed => "suppressed",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A push token as the store keeps it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptToken {
    /// Whose: the place in [`super::Books::devices`].
    pub(crate) device: u32,
    pub(crate) kind: Kind,
    pub(crate) is_retired: bool,
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_ends_a_delivery_is_heard() {
        for (result, status, reason, heard) in [
            ("accepted", Some(200), None, Some(Heard::Yes)),
            ("accepted", None, None, Some(Heard::Yes)),
            ("late_answer", Some(200), None, Some(Heard::Yes)),
            ("late_answer", None, None, Some(Heard::Yes)),
            ("late_answer", None, Some("refused"), None),
            ("late_answer", Some(503), Some("Shutdown"), None),
            ("rejected", Some(400), Some("BadDeviceToken"), None),
            ("rejected", Some(410), Some("Unregistered"), Some(Heard::No)),
            ("timeout", None, None, None),
        ] {
            let attempt = json!({"result": result, "status": status, "reason": reason});
            assert_eq!(Heard::of(&attempt), heard, "{attempt}");
        }
    }
}
