//! What is told of a delivery that belongs to a Live Activity: what it was for, and why it went out so urgently.

use crate::instant::rfc3339;
use carillon_model::live_activity::{Record, RecordKind};
use carillon_model::notification::Priority;

/// The rule behind a push of a Live Activity that was accepted.
pub(super) const ACCEPTED: &str = "Accepted means that Apple answered 200, and is all that Apple ever says. A phone has a budget of its own for Live Activities, and shows an activity no more when its owner has dismissed it: it may have dropped the push, and tells nobody.";

/// What a delivery was for.
#[derive(Debug)]
pub(crate) struct OfActivity {
    /// The caller's id of the activity.
    pub(crate) id: String,
    /// What happened to it then.
    pub(crate) record: Record,
    /// How urgently it went out.
    pub(crate) priority: Priority,
    /// Whether it calls attention.
    pub(crate) has_alert: bool,
}

impl OfActivity {
    pub(super) fn story(&self) -> [String; 2] {
        let of = format!("the Live Activity {:?}", self.id);
        let due = rfc3339(self.record.due_at);
        let phase = self.record.phase.as_deref().unwrap_or_default();
        let what = match self.record.what {
            RecordKind::Started => format!("It starts {of}, which was due at {due}."),
            RecordKind::Phase => format!("It is the phase {phase:?} of {of}, due at {due}."),
            RecordKind::LatePhase => format!(
                "It is the phase {phase:?} of {of}, due at {due}: too late for its alert, so it is shown without."
            ),
            RecordKind::Updated => format!("It is a change of {of}."),
            RecordKind::CaughtUp => {
                format!("It tells the present state of {of} to a phone that had missed it.")
            }
            RecordKind::Ended => format!("It ends {of}, which was due at {due}."),
            // Nothing is pushed for the others.
            _ => format!("It belongs to {of}."),
        };
        [what, self.urgency()]
    }

    fn urgency(&self) -> String {
        let is_phase = matches!(self.record.what, RecordKind::Phase | RecordKind::LatePhase);
        match (self.priority, self.record.what) {
            (Priority::High, RecordKind::Started) => {
                "Priority 10, at once: a start always is.".into()
            }
            (Priority::High, _) if self.has_alert => {
                "Priority 10, at once: it has an alert, and the hour's budget had room.".into()
            }
            (Priority::High, RecordKind::Ended) => {
                "Priority 10, at once: it is the end, and the hour's budget had room.".into()
            }
            (Priority::High, _) if is_phase => {
                "Priority 10, at once: it is a phase, and the hour's budget had room.".into()
            }
            (Priority::High, _) => "Priority 10, at once.".into(),
            (Priority::Normal | Priority::Low, RecordKind::Ended) => OVER_BUDGET.into(),
            (Priority::Normal | Priority::Low, _) if self.has_alert => OVER_BUDGET.into(),
            (Priority::Normal | Priority::Low, _) if is_phase => format!("{OVER_BUDGET} Or the phase says `\"priority\": \"low\"`."),
            (Priority::Normal | Priority::Low, _) => "Priority 5, when it suits the phone: a change without an alert costs nothing of the phone's budget.".into(),
        }
    }
}

/// Why something that matters does not go out at once.
const OVER_BUDGET: &str = "Priority 5, when it suits the phone: the pushes at once that a phone may have in an hour (`live_activities.urgent_per_hour`, or `…_frequent`) were used up.";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(what: RecordKind, priority: Priority, has_alert: bool) -> String {
        let record =
            json!({"what": what, "phase": "ending", "due_at": 0, "phones": 1, "waiting": 0});
        let record = serde_json::from_value(record).unwrap();
        let of = OfActivity {
            id: "lesson-42".into(),
            record,
            priority,
            has_alert,
        };
        of.story().join(" ")
    }

    #[test]
    fn what_it_was_for_and_why_so_urgently() {
        use RecordKind::{CaughtUp, Ended, LatePhase, Phase, Started, Updated};
        for (what, priority, has_alert, parts) in [
            (
                Started,
                Priority::High,
                true,
                ["It starts", "a start always is"],
            ),
            (
                Phase,
                Priority::High,
                false,
                ["the phase \"ending\"", "it is a phase"],
            ),
            (
                Phase,
                Priority::High,
                true,
                ["due at 1970-", "it has an alert"],
            ),
            (
                LatePhase,
                Priority::Normal,
                false,
                ["too late for its alert", "or the phase says"],
            ),
            (
                Phase,
                Priority::Normal,
                true,
                ["the phase", "urgent_per_hour"],
            ),
            (
                Updated,
                Priority::Normal,
                false,
                ["a change of", "without an alert"],
            ),
            (
                CaughtUp,
                Priority::Normal,
                false,
                ["had missed it", "without an alert"],
            ),
            (Ended, Priority::High, false, ["It ends", "it is the end"]),
            (Ended, Priority::Normal, false, ["It ends", "used up"]),
        ] {
            let said = told(what, priority, has_alert).to_lowercase();
            assert!(said.contains("\"lesson-42\""), "{said}");
            for part in parts {
                assert!(said.contains(&part.to_lowercase()), "{part}: {said}");
            }
        }
    }
}
