//! `POST /v1/apps/{app}/incidents/{monitor}/{no}/acknowledge`, `…/unacknowledge`, `…/snooze` and `…/resolve`

use super::{IncidentView, refused};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::MONITORS;
use axum::extract::State;
use axum::response::Response;
use carillon_model::duration;
use carillon_model::monitor::IncidentMove;
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Scope;
use serde::Deserialize;
use utoipa::ToSchema;

/// Longest id of a user, in bytes.
const MAX_BY: usize = 128;

/// Who says so. The audit log has the API key besides.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentMove)]
pub(crate) struct Move {
    /// Who: 1 to 128 bytes, shown to everybody who was paged.
    #[schema(example = "ann")]
    by: String,
}

/// Who puts the next page off.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentSnooze)]
pub(crate) struct Snooze {
    /// Who: 1 to 128 bytes.
    #[schema(example = "ann")]
    by: String,
    /// For how long: `1m` to `1d`.
    #[schema(example = "30m")]
    r#for: String,
}

mod acknowledging {
    use super::problems;
    problems!(GUARDED, IN_APP, BODY, WRITES; MONITOR_UNKNOWN, INCIDENT_UNKNOWN, INCIDENT_OVER, INCIDENT_ACKNOWLEDGED);
}
mod unacknowledging {
    use super::problems;
    problems!(GUARDED, IN_APP, BODY, WRITES; MONITOR_UNKNOWN, INCIDENT_UNKNOWN, INCIDENT_OVER, INCIDENT_NOT_ACKNOWLEDGED);
}
mod snoozing {
    use super::problems;
    problems!(GUARDED, IN_APP, BODY, WRITES; MONITOR_UNKNOWN, INCIDENT_UNKNOWN, INCIDENT_OVER, INCIDENT_NOT_PAGING);
}
mod resolving {
    use super::problems;
    problems!(GUARDED, IN_APP, BODY, WRITES; MONITOR_UNKNOWN, INCIDENT_UNKNOWN, INCIDENT_OVER);
}

/// Take an incident in hand.
///
/// From then on nobody is paged for it, unless it is given back, or the ladder says `acknowledged_for` and that is over.
/// Everybody else who was paged is told. Said again by whoever has it, it changes nothing. Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/incidents/{monitor}/{no}/acknowledge", operation_id = "incident_acknowledge", tag = "incidents",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("monitor" = String, Path, description = "Name of the monitor"),
        ("no" = u32, Path, description = "Number of the incident"),
    ),
    request_body = Move,
    responses((status = 200, description = "The incident.", body = IncidentView), acknowledging::Problems),
)]
pub(crate) async fn acknowledge(
    State(api): State<Api>,
    caller: Caller,
    PathOf(path): PathOf<(String, String, u32)>,
    Json(body): Json<Move>,
) -> Result<Response, Problem> {
    carry_out(&api, &caller, path, body.by, IncidentMove::Acknowledge).await
}

/// Give an incident back.
///
/// Nobody has it in hand any more: the ladder begins anew. Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/incidents/{monitor}/{no}/unacknowledge", operation_id = "incident_unacknowledge", tag = "incidents",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("monitor" = String, Path, description = "Name of the monitor"),
        ("no" = u32, Path, description = "Number of the incident"),
    ),
    request_body = Move,
    responses((status = 200, description = "The incident.", body = IncidentView), unacknowledging::Problems),
)]
pub(crate) async fn unacknowledge(
    State(api): State<Api>,
    caller: Caller,
    PathOf(path): PathOf<(String, String, u32)>,
    Json(body): Json<Move>,
) -> Result<Response, Problem> {
    carry_out(&api, &caller, path, body.by, IncidentMove::Unacknowledge).await
}

/// Put the next page of an incident off.
///
/// It comes when the time is over, if nobody has acknowledged by then; a page that is due later stays where it is. Needs the
/// scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/incidents/{monitor}/{no}/snooze", operation_id = "incident_snooze", tag = "incidents",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("monitor" = String, Path, description = "Name of the monitor"),
        ("no" = u32, Path, description = "Number of the incident"),
    ),
    request_body = Snooze,
    responses((status = 200, description = "The incident.", body = IncidentView), snoozing::Problems),
)]
pub(crate) async fn snooze(
    State(api): State<Api>,
    caller: Caller,
    PathOf(path): PathOf<(String, String, u32)>,
    Json(body): Json<Snooze>,
) -> Result<Response, Problem> {
    let for_ms = duration::parse_ms(&body.r#for)
        .map_err(|why| Problem::invalid(vec![FieldProblem::new("/for", "incident.snooze", why)]))?;
    let wanted = IncidentMove::Snooze { for_ms };
    carry_out(&api, &caller, path, body.by, wanted).await
}

/// Close an incident.
///
/// Everybody who was paged is told. If the service is still down, and stays so, there is another incident. Needs the scope
/// `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/incidents/{monitor}/{no}/resolve", operation_id = "incident_resolve", tag = "incidents",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("monitor" = String, Path, description = "Name of the monitor"),
        ("no" = u32, Path, description = "Number of the incident"),
    ),
    request_body = Move,
    responses((status = 200, description = "The incident.", body = IncidentView), resolving::Problems),
)]
pub(crate) async fn resolve(
    State(api): State<Api>,
    caller: Caller,
    PathOf(path): PathOf<(String, String, u32)>,
    Json(body): Json<Move>,
) -> Result<Response, Problem> {
    carry_out(&api, &caller, path, body.by, IncidentMove::Resolve).await
}

async fn carry_out(
    api: &Api,
    caller: &Caller,
    (app, monitor, no): (String, String, u32),
    by: String,
    wanted: IncidentMove,
) -> Result<Response, Problem> {
    let by = who(by)?;
    let app = caller.app(&app, &[Scope::Send])?;
    let monitor = MONITORS.find(caller, app, &monitor)?;
    let moved = api.engine.move_incident(monitor, no, by, wanted).await;
    let moved = moved.map_err(refused)?;
    let subject = format!("{}/{}/{no}", app.id, monitor.name);
    note(api, caller, wanted.audit_word(), subject).await;
    answer::ok(&IncidentView::of(&moved, &monitor.name))
}

/// Writes down with which API key somebody's word was given: the incident itself has only the name that the caller says.
async fn note(api: &Api, caller: &Caller, action: &'static str, subject: String) {
    let (now, by) = (api.now(), caller.actor());
    let noted = api.registry().note(action, subject.clone(), now, by);
    if let Err(error) = noted.await {
        // It is moved, and saying that it failed would be a lie.
        let request_id = caller.request_id();
        tracing::warn!(request.id = %request_id, %error, "the audit log lacks {action} of {subject}: {error}");
    }
}

fn who(by: String) -> Result<String, Problem> {
    if (1..=MAX_BY).contains(&by.len()) && !by.chars().any(char::is_control) {
        return Ok(by);
    }
    let message = format!(
        "expected who it is, in 1 to {MAX_BY} bytes without control characters, found {} bytes",
        by.len()
    );
    Err(Problem::invalid(vec![FieldProblem::new(
        "/by",
        "incident.by",
        message,
    )]))
}
