//! `POST /v1/apps/{app}/notifications`: one notification as JSON, or many as NDJSON.
//!
//! The hot path: the body goes straight into its type, nothing is looked at twice.

use super::many;
use super::schema::RequestSchema;
use crate::answer;
use crate::api_key::sha256;
use crate::auth::Caller;
use crate::body::{is_json, is_ndjson, media_type, whole, wrong_media_type};
use crate::idempotency::Held;
use crate::instant;
use crate::json;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use carillon_engine::{Accepted, IdempotencyKey, Refusal, SendItem};
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// A notification that is on disk and will be sent.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedNotification)]
pub(crate) struct AcceptedView<'a> {
    /// Its id.
    #[schema(example = "ntf_019876aa-bbbb-7000-8000-000000000007")]
    id: &'a str,
    /// When it was accepted.
    #[schema(format = DateTime)]
    accepted_at: String,
    /// How many deliveries it has; null while its audience is still counted.
    deliveries: Option<u64>,
    /// Whether it was accepted before, with the same Idempotency-Key and body.
    repeated: bool,
    /// When it will be sent, where that is not now. A repeated answer leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    send_at: Option<String>,
    /// `sent_now`: its `send_at` had passed, and `if_past` says to send it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "sent_now")]
    late: Option<&'static str>,
}

problems!(GUARDED, IN_APP, BODY, WRITES; REQUEST_HEADER, IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_REUSED);

/// Send a notification, or many.
///
/// 202 means that it is on disk. With `send_at` it is sent when that time has come: its devices are found
/// then, and until then it can be changed and cancelled. With `application/x-ndjson` each line is a notification of its own:
/// the answer is 200 and streams one line for each, in order, `{"line", "id", …}` or `{"line",
/// "problem"}`. A bad line fails alone. Lines are committed in groups while they arrive. The
/// Idempotency-Key of line n is the header's and n, so that a whole file can be sent again. Read the
/// answer while sending. Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/notifications", operation_id = "notification_send", tag = "notifications",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 200 visible ASCII characters, kept for 24 hours: the same key and body is the same notification"),
    ),
    request_body(content((RequestSchema = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "NDJSON: one result for each line.", body = many::LineResult, content_type = "application/x-ndjson"),
        (status = 202, description = "Accepted.", body = AcceptedView,
            headers(("Location" = String, description = "Address of the notification"))),
        Problems
    ),
)]
pub(crate) async fn send(
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
    let bytes = whole(
        request.into_body(),
        api.limits.body_bytes,
        api.limits.body_timeout,
    )
    .await?;
    let item = SendItem {
        request: json::read(&bytes)?,
        idempotency: held.as_ref().map(|held| IdempotencyKey {
            scoped_key: held.scoped().to_owned(),
            body_hash: sha256(&bytes),
        }),
        origin: carillon_engine::Origin::default(),
    };
    let mut answers = api.engine.send(app.no, vec![item]).await?;
    let accepted = answers
        .pop()
        .ok_or_else(|| Problem::internal("the engine gave no answer"))?
        .map_err(refused)?;
    let mut response = answer::json(StatusCode::ACCEPTED, &AcceptedView::from(&accepted))?;
    let location = format!("/v1/apps/{}/notifications/{}", app.id, accepted.id);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

impl<'a> From<&'a Accepted> for AcceptedView<'a> {
    fn from(accepted: &'a Accepted) -> Self {
        Self {
            id: &accepted.id,
            accepted_at: instant::rfc3339(accepted.accepted_at),
            deliveries: accepted.deliveries,
            repeated: accepted.repeated,
            send_at: instant::optional(accepted.send_at),
            late: late(accepted),
        }
    }
}

/// What became of a time that had passed.
pub(crate) fn late(accepted: &Accepted) -> Option<&'static str> {
    accepted.late.then_some("sent_now")
}

/// The engine's refusals as problems.
pub(crate) fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Invalid(problems) => Problem::invalid(problems),
        Refusal::KeyReused => Problem::new(
            &codes::IDEMPOTENCY_REUSED,
            "the notification that this key stands for had another body",
        ),
        Refusal::AppGone => Problem::new(&codes::APP_UNKNOWN, "the App was deleted meanwhile"),
        Refusal::Overloaded { retry_after_ms } => {
            Problem::new(&codes::STORE_OVERLOADED, "the store's queue is full")
                .retry_after(retry_after_ms.div_ceil(1_000))
        }
        // A caller's own notification has neither throttle nor digest nor name.
        Refusal::Throttled { .. } | Refusal::Stale | Refusal::NameTaken { .. } => {
            Problem::internal("a notification without a trigger was throttled")
        }
    }
}
