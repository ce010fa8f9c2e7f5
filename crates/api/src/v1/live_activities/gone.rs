//! `POST /v1/apps/{app}/live-activities/{id}/ended/{device}`

use super::refused;
use crate::answer;
use crate::auth::Caller;
use crate::body::JsonBytes;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::devices::own;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use carillon_ports::registry::Scope;
use serde::Deserialize;
use utoipa::ToSchema;

/// Fields that are read of an app's body.
const FIELDS: &[&str] = &["reason", "user_token"];

/// Why a phone shows a Live Activity no more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LiveActivityGone)]
pub(crate) struct TellGone {
    /// Who ended it there; `not_running`: it was asked to start it and never did, and may be asked again.
    reason: Reason,
    /// With a publishable key: the signed id of the device's user, in the place of its secret.
    user_token: Option<String>,
}

/// See [`TellGone::reason`].
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LiveActivityGoneReason)]
pub(crate) enum Reason {
    /// A person.
    User,
    /// The app.
    App,
    /// The system.
    System,
    /// Nobody: it never ran.
    NotRunning,
}

problems!(GUARDED, IN_APP, BODY, WRITES; REQUEST_HEADER, AUTH_USER_TOKEN, DEVICE_NOT_OWN, DEVICE_UNKNOWN, LIVE_ACTIVITY_NOT_RECIPIENT, LIVE_ACTIVITY_UNKNOWN);

/// Say that a phone shows a Live Activity no more.
///
/// Nothing more is pushed there. Needs the scope `devices`; or `register`, a publishable key, with the device's secret or a
/// user_token of its user: then unknown fields are left out.
#[utoipa::path(
    post, path = "/v1/apps/{app}/live-activities/{id}/ended/{device}", operation_id = "live_activity_gone", tag = "live-activities",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Your id of the Live Activity"),
        ("device" = String, Path, description = "Id of the device"),
        ("Carillon-Device-Secret" = Option<String>, Header, description = "With a publishable key: the device's secret"),
    ),
    request_body = TellGone,
    responses((status = 204, description = "Known, and on disk."), Problems),
)]
pub(crate) async fn gone(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id, device)): PathOf<(String, String, String)>,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Register])?;
    let body: TellGone = own::read_known(&caller, &body, FIELDS)?;
    let user_token = body.user_token.as_deref();
    let device = own::proven(&api, &caller, app, &headers, device, user_token).await?;
    let is_not_running = matches!(body.reason, Reason::NotRunning);
    let answer = api
        .engine
        .tell_gone(app.no, &id, &device, is_not_running)
        .await?;
    answer.map_err(|refusal| refused(app, &id, refusal))?;
    Ok(answer::gone())
}
