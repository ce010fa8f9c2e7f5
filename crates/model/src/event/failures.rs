//! `delivery.failed`: one event for each notification and group of settled deliveries, however many failed.
//!
//! It counts all of them by reason and names a few; `GET …/deliveries` has the rest.

use serde::{Deserialize, Serialize};

use crate::delivery::FinalState;
use crate::id::DeliveryId;
use crate::lane::Gateway;

/// Data of `delivery.failed`: how deliveries of one notification ended that reached nobody, as settled together. A large
/// notification makes several of them; the counts of all add up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryFailed {
    /// The notification (`ntf_…`).
    pub notification: String,
    /// How many deliveries this event is about.
    pub count: u64,
    /// The same by gateway, state and reason, at most [`Self::MAX_REASONS`].
    pub reasons: Vec<FailureCount>,
    /// How many of them ended in ways that had no place left in `reasons`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other: u64,
    /// Some of them (`dlv_…`), at most [`Self::MAX_EXAMPLES`].
    pub examples: Vec<String>,
}

/// How many ended in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCount {
    /// At which gateway.
    pub gateway: Gateway,
    /// `rejected`, `failed`, `unknown` or `expired`.
    pub state: String,
    /// The gateway's reason or our word, cut at 100 characters; empty for none.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// Longest reason, in characters.
const MAX_REASON: usize = 100;

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl DeliveryFailed {
    /// Most examples in one event.
    pub const MAX_EXAMPLES: usize = 20;
    /// Most reasons told apart in one event.
    pub const MAX_REASONS: usize = 20;

    /// No failure yet: not to be written before one is [added](Self::add).
    #[must_use]
    pub fn new(notification: String) -> Self {
        Self {
            notification,
            count: 0,
            reasons: Vec::new(),
            other: 0,
            examples: Vec::new(),
        }
    }

    /// Whether a delivery that ended so is told: it was to reach somebody and, as far as we know, did not. What was cancelled
    /// or suppressed ended as somebody wanted.
    #[must_use]
    pub fn tells(state: FinalState) -> bool {
        match state {
            FinalState::Rejected
            | FinalState::Failed
            | FinalState::Unknown
            | FinalState::Expired => true,
            FinalState::Accepted | FinalState::Cancelled | FinalState::Suppressed(_) => false,
        }
    }

    /// Adds one delivery that ended in a state that it [tells](Self::tells); others are left out.
    pub fn add(&mut self, id: DeliveryId, gateway: Gateway, state: FinalState, reason: &str) {
        if !Self::tells(state) {
            return;
        }
        self.count += 1;
        if self.examples.len() < Self::MAX_EXAMPLES {
            self.examples.push(id.to_string());
        }
        let end = reason
            .char_indices()
            .nth(MAX_REASON)
            .map_or(reason.len(), |(end, _)| end);
        let reason = &reason[..end];
        let known = self
            .reasons
            .iter()
            .position(|c| c.gateway == gateway && c.state == state.as_str() && c.reason == reason);
        match known {
            Some(at) => self.reasons[at].count += 1,
            None if self.reasons.len() < Self::MAX_REASONS => self.reasons.push(FailureCount {
                gateway,
                state: state.as_str().to_owned(),
                reason: reason.to_owned(),
                count: 1,
            }),
            None => self.other += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delivery::FINAL_STATES;
    use crate::id::BatchNo;

    fn id(position: u16) -> DeliveryId {
        DeliveryId {
            batch: BatchNo(7),
            position,
        }
    }

    #[test]
    fn counts_by_reason_and_names_a_few() {
        let mut event = DeliveryFailed::new("ntf_1".into());
        for position in 0..1_000 {
            let (state, reason) = match position % 10 {
                0 => (FinalState::Accepted, ""),
                1 => (FinalState::Expired, ""),
                _ => (FinalState::Rejected, "BadTopic"),
            };
            event.add(id(position), Gateway::Apns, state, reason);
        }
        let expected = serde_json::json!({
            "notification": "ntf_1",
            "count": 900,
            "reasons": [
                {"gateway": "apns", "state": "expired", "reason": "", "count": 100},
                {"gateway": "apns", "state": "rejected", "reason": "BadTopic", "count": 800},
            ],
            "examples": event.examples,
        });
        assert_eq!(serde_json::to_value(&event).unwrap(), expected);
        assert_eq!(event.examples.len(), 20);
        assert_eq!(event.examples[..2], ["dlv_7_1", "dlv_7_2"]);
    }

    #[test]
    fn what_somebody_wanted_is_no_failure() {
        let told: Vec<_> = FINAL_STATES
            .into_iter()
            .filter(|state| DeliveryFailed::tells(*state))
            .map(FinalState::as_str)
            .collect();
        assert_eq!(told, ["rejected", "failed", "unknown", "expired"]);
    }

    proptest! {
        #[test]
        fn stays_small_and_adds_up(reasons in proptest::collection::vec("[a-z]{0,2}|é{150}", 0..300)) {
            let mut event = DeliveryFailed::new("ntf_1".into());
            for (position, reason) in (0..).zip(&reasons) {
                event.add(id(position), Gateway::Apns, FinalState::Rejected, reason);
            }
            prop_assert!(event.reasons.len() <= DeliveryFailed::MAX_REASONS);
            prop_assert!(event.examples.len() <= DeliveryFailed::MAX_EXAMPLES);
            prop_assert_eq!(event.count, reasons.len() as u64);
            prop_assert_eq!(event.reasons.iter().map(|c| c.count).sum::<u64>() + event.other, event.count);
            prop_assert!(serde_json::to_string(&event).unwrap().len() < 10_000);
        }
    }
}
