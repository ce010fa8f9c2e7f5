//! What came of a reported event, as it is answered.

use crate::instant;
use crate::problem::{FieldProblemSchema, Problem, codes};
use carillon_engine::Accepted;
use carillon_engine::event::{EventAnswer, EventRefusal, TriggerReport, TriggerResult};
use carillon_model::problem::FieldProblem;
use serde::Serialize;
use utoipa::ToSchema;

/// What came of an event. All of it is on disk.
#[derive(Serialize, ToSchema)]
#[schema(as = EventOutcome)]
pub(crate) struct OutcomeView<'a> {
    /// One for each trigger that is for events of this name, by name; empty: there is none.
    pub(crate) triggers: Vec<TriggerOutcome<'a>>,
}

/// What one trigger made of an event.
#[derive(Serialize, ToSchema)]
pub(crate) struct TriggerOutcome<'a> {
    /// Its name.
    #[schema(example = "comments")]
    trigger: &'a str,
    /// `sent`, `gathered` (waits in a digest), `throttled` (all of its recipients have been told enough),
    /// `skipped` (the condition does not hold), `nobody` (it is for nobody), `refused` (it cannot be said
    /// or sent; `problems` say why).
    #[schema(example = "sent")]
    result: &'static str,
    /// Ids of the notifications.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    notifications: Vec<&'a str>,
    /// Whether they were sent before, with the same Idempotency-Key and body.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    repeated: bool,
    /// How many recipients a throttle kept back.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    throttled: u32,
    /// In how many recipients' digests it waits.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    gathered: u32,
    /// When the first of these digests is told; null for an event that was gathered before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, format = DateTime)]
    due_at: Option<String>,
    /// Why it is for nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    nobody: Option<&'a str>,
    /// Why it is refused. Pointers below `/data` are into the event, others into the trigger.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, value_type = Vec<FieldProblemSchema>)]
    problems: Vec<FieldProblem>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl<'a> From<&'a EventAnswer> for OutcomeView<'a> {
    fn from(answer: &'a EventAnswer) -> Self {
        Self {
            triggers: answer.triggers.iter().map(TriggerOutcome::from).collect(),
        }
    }
}

impl<'a> From<&'a TriggerReport> for TriggerOutcome<'a> {
    fn from(report: &'a TriggerReport) -> Self {
        let none = Self {
            trigger: &report.trigger,
            result: "skipped",
            notifications: Vec::new(),
            repeated: false,
            throttled: 0,
            gathered: 0,
            due_at: None,
            nobody: None,
            problems: Vec::new(),
        };
        match &report.result {
            TriggerResult::Skipped => none,
            TriggerResult::Nobody(why) => Self {
                result: "nobody",
                nobody: Some(why),
                ..none
            },
            TriggerResult::Sent {
                notifications,
                throttled,
            } => Self {
                result: match (notifications.is_empty(), throttled) {
                    (true, 1..) => "throttled",
                    _ => "sent",
                },
                repeated: !notifications.is_empty() && notifications.iter().all(is_repeated),
                notifications: notifications.iter().map(|one| &*one.id).collect(),
                throttled: *throttled,
                ..none
            },
            TriggerResult::Gathered { recipients, due_at } => Self {
                result: "gathered",
                gathered: *recipients,
                due_at: instant::optional(*due_at),
                ..none
            },
            TriggerResult::Refused(problems) => Self {
                result: "refused",
                problems: problems.iter().cloned().map(own).collect(),
                ..none
            },
        }
    }
}

fn is_repeated(accepted: &Accepted) -> bool {
    accepted.repeated
}

/// A notification's pointer, as that of an event or its trigger.
fn own(mut problem: FieldProblem) -> FieldProblem {
    for (of_notification, own) in [
        ("/template/variables", "/data"),
        ("/template/name", "/template"),
        ("/target", "/audience"),
    ] {
        if let Some(rest) = problem.pointer.strip_prefix(of_notification) {
            problem.pointer = format!("{own}{rest}");
            break;
        }
    }
    problem
}

/// The engine's refusals as problems.
pub(crate) fn refused(refusal: EventRefusal) -> Problem {
    match refusal {
        EventRefusal::Invalid(problems) => Problem::invalid(problems),
        EventRefusal::KeyReused => Problem::new(
            &codes::IDEMPOTENCY_REUSED,
            "the event that this key stands for had another body",
        ),
        EventRefusal::AppGone => Problem::new(&codes::APP_UNKNOWN, "the App was deleted meanwhile"),
        EventRefusal::Overloaded { retry_after_ms } => {
            let detail = "the store's queue is full; what some of the triggers did already is not done again under the same Idempotency-Key";
            Problem::new(&codes::STORE_OVERLOADED, detail)
                .retry_after(retry_after_ms.div_ceil(1_000))
        }
    }
}
