//! The canary: a small part of the audience goes first, and what comes of it decides about the rest.

use crate::delivery::{FinalState, Suppression};
use crate::duration;
use crate::problem::FieldProblem;
use serde::{Deserialize, Serialize};

/// Most devices of a canary.
const MAX_SIZE: u32 = 100_000;
/// Longest wait after it, in milliseconds: 7 days.
const MAX_HOLD_MS: i64 = 7 * 86_400_000;

/// Who goes first, how long the others wait, and when they wait on until somebody decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// How many devices.
    pub size: u32,
    /// How long the others wait, counted from when the last of it was handed to sending.
    pub hold: String,
    /// When the campaign halts instead of going on.
    pub halt_if: HaltIf,
}

/// Shares of a canary's deliveries that ended, 0 to 1. More than that halts the campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HaltIf {
    /// Those that were to reach somebody and did not: rejected, failed, unknown, expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<f64>,
    /// Those whose user does not want it, and those whose push token turned out to be dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opted_out: Option<f64>,
}

/// What came of a canary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CanaryCounts {
    /// Deliveries that ended.
    pub ended: u64,
    /// Deliveries that have not.
    pub open: u64,
    /// See [`HaltIf::failed`].
    pub failed: u64,
    /// See [`HaltIf::opted_out`].
    pub opted_out: u64,
}

/// What is decided at the end of the wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The others go.
    GoOn,
    /// They do not: a stable word and a sentence.
    Halt(&'static str, String),
}

impl CanaryCounts {
    /// From how deliveries stand, and how many push tokens died by them.
    #[must_use]
    pub fn of(states: &[(FinalState, u64)], open: u64, retired: u64) -> Self {
        let mut counts = Self {
            open,
            opted_out: retired,
            ..Self::default()
        };
        for (state, count) in states {
            counts.ended += count;
            match state {
                FinalState::Rejected
                | FinalState::Failed
                | FinalState::Unknown
                | FinalState::Expired => counts.failed += count,
                FinalState::Suppressed(rule) if is_opt_out(*rule) => counts.opted_out += count,
                FinalState::Accepted | FinalState::Cancelled | FinalState::Suppressed(_) => {}
            }
        }
        // A push token may die by a late answer to a delivery that ended before.
        counts.opted_out = counts.opted_out.min(counts.ended);
        counts
    }

    /// A share of what ended.
    #[must_use]
    pub fn share(&self, of: u64) -> f64 {
        if self.ended == 0 {
            return 0.0;
        }
        of as f64 / self.ended as f64
    }
}

/// Whether a rule kept a delivery back because its user, or his device, is not to be reached any more.
fn is_opt_out(rule: Suppression) -> bool {
    match rule {
        Suppression::OptedOut
        | Suppression::PushTokenRetired
        | Suppression::NoPushToken
        | Suppression::DeviceGone => true,
        Suppression::AppGone
        | Suppression::QuietHours
        | Suppression::FrequencyCap
        | Suppression::Unrenderable => false,
    }
}

impl Canary {
    /// What is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let mut wrong = |pointer: &str, message: String| {
            problems.push(FieldProblem::new(pointer, "campaign.canary", message));
        };
        if !(1..=MAX_SIZE).contains(&self.size) {
            let found = self.size;
            wrong(
                "/canary/size",
                format!(
                    "expected 1 to {MAX_SIZE} devices, found {found}: leave canary out to send to all at once"
                ),
            );
        }
        match duration::parse_ms(&self.hold) {
            Ok(1_000..=MAX_HOLD_MS) => {}
            Ok(_) => wrong(
                "/canary/hold",
                format!("expected 1s to 7d, found {:?}", self.hold),
            ),
            Err(sentence) => wrong("/canary/hold", sentence),
        }
        if self.halt_if == HaltIf::default() {
            wrong(
                "/canary/halt_if",
                "expected at least one of failed and opted_out: without, the canary would decide nothing".to_owned(),
            );
        }
        for (name, share) in [
            ("failed", self.halt_if.failed),
            ("opted_out", self.halt_if.opted_out),
        ] {
            if let Some(share) = share
                && !(0.0..1.0).contains(&share)
            {
                wrong(
                    &format!("/canary/halt_if/{name}"),
                    format!(
                        "expected a share from 0 to below 1, such as 0.05 for 5 %, found {share}"
                    ),
                );
            }
        }
        problems
    }

    /// How long the others wait, in milliseconds.
    #[must_use]
    pub fn hold_ms(&self) -> i64 {
        // It was read when it was accepted.
        duration::parse_ms(&self.hold).unwrap_or(MAX_HOLD_MS)
    }

    /// Decides, when the wait is over.
    #[must_use]
    pub fn judge(&self, counts: &CanaryCounts) -> Verdict {
        if counts.ended == 0 {
            if counts.open == 0 {
                return Verdict::GoOn;
            }
            return Verdict::Halt(
                "nothing_ended",
                format!(
                    "none of the canary's {} deliveries has ended: see what its gateway answers",
                    counts.open
                ),
            );
        }
        for (word, what, count, most) in [
            (
                "failed",
                "did not reach anybody",
                counts.failed,
                self.halt_if.failed,
            ),
            (
                "opted_out",
                "went to users who do not want it or to push tokens that are dead",
                counts.opted_out,
                self.halt_if.opted_out,
            ),
        ] {
            let share = counts.share(count);
            if let Some(most) = most
                && share > most
            {
                return Verdict::Halt(
                    word,
                    format!(
                        "{count} of the canary's {} deliveries that ended {what}: {:.1} %, and more than {:.1} % halts it",
                        counts.ended,
                        share * 100.0,
                        most * 100.0
                    ),
                );
            }
        }
        Verdict::GoOn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canary(failed: Option<f64>, opted_out: Option<f64>) -> Canary {
        Canary {
            size: 100,
            hold: "10m".into(),
            halt_if: HaltIf { failed, opted_out },
        }
    }

    #[test]
    fn shares_decide() {
        let states = [
            (FinalState::Accepted, 80),
            (FinalState::Rejected, 6),
            (FinalState::Suppressed(Suppression::OptedOut), 4),
        ];
        let counts = CanaryCounts::of(&states, 10, 5);
        assert_eq!(
            counts,
            CanaryCounts {
                ended: 90,
                open: 10,
                failed: 6,
                opted_out: 9
            }
        );
        assert_eq!(canary(Some(0.07), None).judge(&counts), Verdict::GoOn);
        let halted = canary(Some(0.05), None).judge(&counts);
        let Verdict::Halt("failed", sentence) = halted else {
            panic!("{halted:?}");
        };
        assert!(
            sentence.contains("6 of the canary's 90") && sentence.contains("6.7 %"),
            "{sentence}"
        );
        let halted = canary(Some(0.5), Some(0.09)).judge(&counts);
        assert!(
            matches!(halted, Verdict::Halt("opted_out", _)),
            "{halted:?}"
        );
        assert_eq!(
            canary(None, Some(0.1)).judge(&counts),
            Verdict::GoOn,
            "exactly so many do not halt"
        );
    }

    #[test]
    fn a_canary_of_which_nothing_is_known_halts() {
        let silent = CanaryCounts {
            open: 5,
            ..CanaryCounts::default()
        };
        assert!(matches!(
            canary(Some(0.1), None).judge(&silent),
            Verdict::Halt("nothing_ended", _)
        ));
        let nobody = CanaryCounts::default();
        assert_eq!(canary(Some(0.1), None).judge(&nobody), Verdict::GoOn);
    }

    #[test]
    fn what_is_no_canary_is_named() {
        let pointers = |canary: Canary| {
            let problems = canary.problems();
            problems
                .iter()
                .map(|p| p.pointer.clone())
                .collect::<Vec<_>>()
        };
        assert!(pointers(canary(Some(0.0), None)).is_empty());
        assert_eq!(pointers(canary(None, None)), ["/canary/halt_if"]);
        assert_eq!(
            pointers(canary(Some(5.0), Some(f64::NAN))),
            ["/canary/halt_if/failed", "/canary/halt_if/opted_out"]
        );
        let none = Canary {
            size: 0,
            hold: "0s".into(),
            ..canary(Some(0.1), None)
        };
        assert_eq!(pointers(none), ["/canary/size", "/canary/hold"]);
    }
}
