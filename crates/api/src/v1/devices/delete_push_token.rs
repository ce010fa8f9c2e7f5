//! `DELETE /v1/apps/{app}/devices/{id}/push-tokens/{kind}`

use super::{no_push_token, own, unknown};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use carillon_model::push_type::TokenKind;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; REQUEST_HEADER, DEVICE_NOT_OWN, DEVICE_UNKNOWN, PUSH_TOKEN_UNKNOWN);

/// Delete one push token of a device.
///
/// The device and its other push tokens stay: for signing out of one way of being reached, or when the
/// system has taken a push token back. Needs the scope `devices`; or `register`, a publishable key, and
/// the device's secret.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/devices/{id}/push-tokens/{kind}", operation_id = "push_token_delete", tag = "devices",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Id of the device"),
        ("kind" = String, Path, description = "Kind of the push token, e.g. `alert`, `fcm`, `webpush`"),
        ("Carillon-Device-Secret" = Option<String>, Header, description = "With a publishable key: the device's secret"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete_push_token(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id, kind)): PathOf<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Register])?;
    let Some(known) = TokenKind::from_word(&kind) else {
        let words = TokenKind::ALL.map(TokenKind::as_str).join(", ");
        let message = format!("expected one of {words}, found {kind:?}");
        return Err(Problem::parameter("kind", "query.parameter", message));
    };
    if caller.is_device() {
        own::delete(&api, app, &headers, id, Some(known)).await?;
        return Ok(answer::gone());
    }
    let deleted = api
        .registry()
        .delete_push_token(app.no, id.clone(), known, api.now(), caller.actor())
        .await?;
    match deleted {
        None => Err(unknown(&app.id, &id)),
        Some(true) => Ok(answer::gone()),
        Some(false) => Err(no_push_token(&id, Some(known))),
    }
}
