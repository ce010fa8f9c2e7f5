//! `POST /v1/apps/{app}/triggers/{name}/test`

use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{FieldProblemSchema, Problem};
use crate::state::Api;
use crate::v1::definitions::TRIGGERS;
use crate::v1::events::schema::ReportedEventSchema;
use crate::v1::notifications::schema::TargetSchema;
use crate::v1::templates::dry_run::Findings;
use axum::extract::State;
use axum::response::Response;
use carillon_engine::event::EventRequest;
use carillon_engine::rehearsal::TrialReport;
use carillon_model::problem::FieldProblem;
use carillon_model::target::Target;
use carillon_model::trigger::EventAudience;
use carillon_ports::registry::Scope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Users that are named in a trial's answer.
const NAMED: usize = 20;

/// An event to try.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TriggerTest {
    /// As it would be reported.
    #[schema(value_type = ReportedEventSchema)]
    event: EventRequest,
}

/// What a trigger would make of an event.
#[derive(Serialize, ToSchema)]
pub(crate) struct TriggerTrial<'a> {
    /// The trigger.
    trigger: &'a str,
    /// Its version.
    version: u32,
    /// Whether it would do anything: it is enabled, the name fits, the condition holds.
    matches: bool,
    /// Whether it is switched on. The rest is told as if it were.
    enabled: bool,
    /// Whether it is for events of this name.
    name_fits: bool,
    /// Whether its condition holds.
    condition_holds: bool,
    /// Whom it would be for; null where it does not match.
    audience: Option<TrialAudience<'a>>,
    /// What would be sent; null where nothing would be.
    would_send: Option<Findings<'a>>,
    /// Why it would be refused. Pointers to what the event is to blame for begin with `/event`, the
    /// others are into the trigger.
    #[schema(value_type = Vec<FieldProblemSchema>)]
    problems: &'a [FieldProblem],
}

/// Whom an event is for.
#[derive(Serialize, ToSchema)]
pub(crate) struct TrialAudience<'a> {
    /// How many users, where users are named.
    users: Option<usize>,
    /// The first of them, at most 20.
    first_users: &'a [String],
    /// The target, where nobody is named.
    #[schema(value_type = Option<TargetSchema>)]
    target: Option<&'a Target>,
    /// Why it is for nobody.
    nobody: Option<&'a str>,
}

impl<'a> From<&'a EventAudience> for TrialAudience<'a> {
    fn from(audience: &'a EventAudience) -> Self {
        let none = Self {
            users: None,
            first_users: &[],
            target: None,
            nobody: None,
        };
        match audience {
            EventAudience::Users(users) => Self {
                users: Some(users.len()),
                first_users: &users[..users.len().min(NAMED)],
                ..none
            },
            EventAudience::Crowd(target) => Self {
                target: Some(target),
                ..none
            },
            EventAudience::Nobody(why) => Self {
                nobody: Some(why),
                ..none
            },
        }
    }
}

problems!(GUARDED, IN_APP, BODY, READS; TRIGGER_UNKNOWN);

/// Try a trigger with an event.
///
/// Says whether it matches, whom it would reach, and what they would read: rendered for up to 1,000
/// real devices. Nothing is sent, gathered or counted, and neither throttles nor preferences are asked.
/// Needs the scope `read` or `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/triggers/{name}/test", operation_id = "trigger_test", tag = "triggers",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the trigger"),
    ),
    request_body = TriggerTest,
    responses((status = 200, description = "What it would make of the event.", body = TriggerTrial), Problems),
)]
pub(crate) async fn test(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(body): Json<TriggerTest>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let stored = TRIGGERS.find(&caller, app, &name)?;
    let report = api.engine.trial(app.no, stored, &body.event).await?;
    let report: TrialReport = report.map_err(|problems| {
        let problems = problems.into_iter().map(|problem| problem.under("/event"));
        Problem::invalid(problems.collect())
    })?;
    let (would_send, problems) = match &report.run {
        None => (None, &[][..]),
        Some(Ok(run)) => (Some(Findings::from(run)), &[][..]),
        Some(Err(problems)) => (None, &problems[..]),
    };
    answer::ok(&TriggerTrial {
        trigger: &stored.name,
        version: stored.version,
        matches: report.is_enabled && report.is_for && report.holds,
        enabled: report.is_enabled,
        name_fits: report.is_for,
        condition_holds: report.holds,
        audience: report.audience.as_ref().map(TrialAudience::from),
        would_send,
        problems,
    })
}
