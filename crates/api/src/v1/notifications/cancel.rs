//! `POST /v1/apps/{app}/notifications/{id}/cancel`

use super::find;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_engine::CancelAnswer;
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// What a cancel did.
#[derive(Serialize, ToSchema)]
pub(crate) struct Cancelled {
    /// `cancelled`: nothing more of it is written. `cancelling`: not everybody who holds work of it
    /// has confirmed yet; read the notification, or cancel again.
    #[schema(example = "cancelled")]
    status: &'static str,
    /// Deliveries that will never be sent.
    not_sent: u64,
    /// Deliveries that had been sent already, or are without an answer.
    sent: u64,
}

problems!(GUARDED, IN_APP, WRITES; NOTIFICATION_UNKNOWN);

/// Cancel a notification.
///
/// Takes back what is not written yet. Only 200 is an acknowledged cancel. May be repeated. One whose deliveries had all
/// ended before stays `completed`. Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/notifications/{id}/cancel", operation_id = "notification_cancel", tag = "notifications",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Id of the notification: `ntf_…`"),
    ),
    responses(
        (status = 200, description = "Cancelled: nothing more of it is written.", body = Cancelled),
        (status = 202, description = "Still cancelling.", body = Cancelled),
        Problems
    ),
)]
pub(crate) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let no = find(&api, app, &id).await?.head.no;
    let cancelled = api.engine.cancel(app.no, no).await?.ok_or_else(|| {
        Problem::new(
            &codes::NOTIFICATION_UNKNOWN,
            format!("the notification {id:?} was deleted meanwhile"),
        )
    })?;
    self::cancelled(cancelled)
}

/// What a cancel is answered with.
pub(crate) fn cancelled(answer: CancelAnswer) -> Result<Response, Problem> {
    let (http, status) = if answer.confirmed {
        (StatusCode::OK, "cancelled")
    } else {
        (StatusCode::ACCEPTED, "cancelling")
    };
    answer::json(
        http,
        &Cancelled {
            status,
            not_sent: answer.not_sent,
            sent: answer.sent,
        },
    )
}
