//! `POST /v1/apps/{app}/schedules/{name}/run`

use crate::answer;
use crate::api_key::sha256;
use crate::auth::Caller;
use crate::idempotency::Held;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::SCHEDULES;
use crate::v1::notifications::send::{AcceptedView, refused};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carillon_engine::IdempotencyKey;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; REQUEST_HEADER, SCHEDULE_UNKNOWN, IDEMPOTENCY_IN_PROGRESS, REQUEST_INVALID, IDEMPOTENCY_REUSED);

/// Run a schedule now.
///
/// Sends its notification at once, also while it is paused or has ended, and records a run; when it is
/// due by itself does not change. Where it asks a call-out, that is asked before. Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/schedules/{name}/run", operation_id = "schedule_run", tag = "schedules",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the schedule"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 200 visible ASCII characters, kept for 24 hours: the same key is the same run"),
    ),
    responses((status = 202, description = "Accepted.", body = AcceptedView), Problems),
)]
pub(crate) async fn run(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let stored = SCHEDULES.find(&caller, app, &name)?;
    let held = Held::take(&api, &caller, app.no, &headers)?;
    let idempotency = held.as_ref().map(|held| IdempotencyKey {
        scoped_key: held.scoped().to_owned(),
        body_hash: sha256(format!("schedule {}", stored.no).as_bytes()),
    });
    let accepted = api.engine.run_schedule(app.no, stored, idempotency).await?;
    let accepted = accepted.map_err(refused)?;
    answer::json(StatusCode::ACCEPTED, &AcceptedView::from(&accepted))
}
