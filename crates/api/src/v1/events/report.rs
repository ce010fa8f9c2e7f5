//! `POST /v1/apps/{app}/events`: one event as JSON, or many as NDJSON.

use super::many;
use super::outcome::{OutcomeView, refused};
use super::schema::ReportedEventSchema;
use crate::answer;
use crate::api_key::sha256;
use crate::auth::Caller;
use crate::body::{is_json, is_ndjson, media_type, whole, wrong_media_type};
use crate::idempotency::Held;
use crate::json;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use carillon_engine::IdempotencyKey;
use carillon_engine::event::EventRequest;
use carillon_model::trigger::MAX_EVENT_BYTES;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES; REQUEST_HEADER, IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_REUSED);

/// Report an event, or many.
///
/// 202 means that whatever the App's triggers make of it is on disk: notifications, or places in
/// digests. An event has at most 64 KiB. With an Idempotency-Key an event that was told half and then
/// again is told once. With `application/x-ndjson` each line is an event of its own: the answer is 200
/// and streams one line for each, in order, `{"line", "triggers"}` or `{"line", "problem"}`; the key of
/// line n is the header's and n. Lines that come together are carried out side by side. Reported events
/// do not stand in the log that `GET` reads. Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/events", operation_id = "event_report", tag = "events",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 200 visible ASCII characters, kept for 24 hours: the same key and body is the same event"),
    ),
    request_body(content((ReportedEventSchema = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "NDJSON: one result for each line.", body = many::EventLineResult, content_type = "application/x-ndjson"),
        (status = 202, description = "What came of it.", body = OutcomeView),
        Problems
    ),
)]
pub(crate) async fn report(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    request: Request,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let held = Held::take(&api, &caller, app.no, request.headers())?;
    let media_type = media_type(request.headers());
    if is_ndjson(media_type) {
        return many::stream(&api, &caller, app, held, request.into_body());
    }
    if !is_json(media_type) {
        return Err(wrong_media_type(
            request.headers(),
            "application/json or application/x-ndjson",
        ));
    }
    let limit = api.limits.body_bytes.min(MAX_EVENT_BYTES);
    let bytes = whole(request.into_body(), limit, api.limits.body_timeout).await?;
    let event: EventRequest = json::read(&bytes)?;
    let idempotency = held.as_ref().map(|held| IdempotencyKey {
        scoped_key: held.scoped().to_owned(),
        body_hash: sha256(&bytes),
    });
    let answer = api.engine.event(app.no, &event, idempotency).await?;
    let answer = answer.map_err(refused)?;
    answer::json(StatusCode::ACCEPTED, &OutcomeView::from(&answer))
}
