//! The states of a delivery, and the law by which what is known of it may change.
//!
//! ```text
//!            accepted by us
//!                 |
//!               open ──────────────┬───────────┬───────────┬────────────┐
//!                 |                |           |           |            |
//!       (sent: an attempt)      expired    cancelled   suppressed    failed
//!          |      |     |
//!   accepted  rejected  in doubt ──(on_unknown: drop)──> unknown
//!                          |
//!                          └──(resend)──> open
//! ```
//!
//! Knowledge merges one way: `accepted` over `rejected` over everything we only concluded ourselves.
//! A late answer is never thrown away; a fence forbids sending, never reporting.

use serde::{Deserialize, Serialize};

/// How a delivery ended. Exactly one for each accepted delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalState {
    /// The gateway took it. Not: a person saw it.
    Accepted,
    /// The gateway refused it for good.
    Rejected,
    /// Attempts or time used up, and never in doubt.
    Failed,
    /// Written, never answered, and not to be sent twice.
    Unknown,
    /// Its time was over before it was written.
    Expired,
    /// Cancelled before it was written.
    Cancelled,
    /// A rule of ours kept it back.
    Suppressed(Suppression),
}

/// The rule that kept a delivery back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suppression {
    /// The device is gone, or was deleted, when its batch was sent.
    DeviceGone,
    /// The device has no push token of the kind this push needs.
    NoPushToken,
    /// The push token was retired: the gateway said that it is dead.
    PushTokenRetired,
    /// The App was deleted.
    AppGone,
    /// The user switched this category off.
    OptedOut,
    /// The user's quiet hours.
    QuietHours,
    /// The user has got as many as the App lets one get.
    FrequencyCap,
    /// What it says cannot be written for this device: a variable is missing, or its gateway's rules
    /// do not allow it.
    Unrenderable,
}

impl Suppression {
    /// The word used in JSON, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeviceGone => "device_gone",
            Self::NoPushToken => "no_push_token",
            Self::PushTokenRetired => "push_token_retired",
            Self::AppGone => "app_gone",
            Self::OptedOut => "opted_out",
            Self::QuietHours => "quiet_hours",
            Self::FrequencyCap => "frequency_cap",
            Self::Unrenderable => "unrenderable",
        }
    }
}

/// All final states, each once.
pub const FINAL_STATES: [FinalState; 14] = [
    FinalState::Accepted,
    FinalState::Rejected,
    FinalState::Failed,
    FinalState::Unknown,
    FinalState::Expired,
    FinalState::Cancelled,
    FinalState::Suppressed(Suppression::DeviceGone),
    FinalState::Suppressed(Suppression::NoPushToken),
    FinalState::Suppressed(Suppression::PushTokenRetired),
    FinalState::Suppressed(Suppression::AppGone),
    FinalState::Suppressed(Suppression::OptedOut),
    FinalState::Suppressed(Suppression::QuietHours),
    FinalState::Suppressed(Suppression::FrequencyCap),
    FinalState::Suppressed(Suppression::Unrenderable),
];

impl FinalState {
    /// The byte that stands for it in stored verdicts; 0 is "still open".
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Accepted => 1,
            Self::Rejected => 2,
            Self::Failed => 3,
            Self::Unknown => 4,
            Self::Expired => 5,
            Self::Cancelled => 6,
            Self::Suppressed(Suppression::DeviceGone) => 16,
            Self::Suppressed(Suppression::NoPushToken) => 17,
            Self::Suppressed(Suppression::PushTokenRetired) => 18,
            Self::Suppressed(Suppression::AppGone) => 19,
            Self::Suppressed(Suppression::OptedOut) => 20,
            Self::Suppressed(Suppression::QuietHours) => 21,
            Self::Suppressed(Suppression::FrequencyCap) => 22,
            Self::Suppressed(Suppression::Unrenderable) => 23,
        }
    }

    /// Reads [`Self::code`]; `None` for 0 (open) and for what no version of ours wrote.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        FINAL_STATES.into_iter().find(|state| state.code() == code)
    }

    /// The word used in JSON, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Suppressed(_) => "suppressed",
        }
    }

    /// Rank of the knowledge behind it: the gateway's yes, the gateway's no, our own conclusion.
    fn rank(self) -> u8 {
        match self {
            Self::Accepted => 2,
            Self::Rejected => 1,
            _ => 0,
        }
    }

    /// What is known after `later` is learnt of a delivery that already ended as `self`: the higher
    /// rank wins, and between equals the first stays.
    #[must_use]
    pub fn merge(self, later: Self) -> Self {
        if later.rank() > self.rank() {
            later
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_and_differ() {
        for state in FINAL_STATES {
            assert_eq!(FinalState::from_code(state.code()), Some(state));
        }
        assert_eq!(FinalState::from_code(0), None);
        assert_eq!(FinalState::from_code(255), None);
    }

    #[test]
    fn knowledge_merges_one_way() {
        for first in FINAL_STATES {
            assert_eq!(first.merge(FinalState::Accepted), FinalState::Accepted);
            for second in FINAL_STATES {
                let both = first.merge(second);
                assert!(both == first || both == second);
                assert!(both.rank() >= first.rank() && both.rank() >= second.rank());
                assert_eq!(
                    both.merge(second),
                    both,
                    "learning the same again changes nothing"
                );
            }
        }
        assert_eq!(
            FinalState::Unknown.merge(FinalState::Rejected),
            FinalState::Rejected
        );
        assert_eq!(
            FinalState::Cancelled.merge(FinalState::Expired),
            FinalState::Cancelled
        );
    }
}
