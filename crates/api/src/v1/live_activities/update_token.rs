//! `PUT /v1/apps/{app}/live-activities/{id}/tokens/{device}`

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
use carillon_engine::live_activity::ToldToken;
use carillon_model::environment::TokenEnvironment;
use carillon_ports::registry::Scope;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Fields that are read of an app's body.
const FIELDS: &[&str] = &[
    "token",
    "environment",
    "fcm_token",
    "attributes_type",
    "attributes",
    "content_state",
    "frequent_pushes",
    "user_token",
];

/// The update token of a Live Activity on a phone.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LiveActivityToken)]
pub(crate) struct TellToken {
    /// In hexadecimal.
    #[serde(rename = "token")]
    push_token: String,
    /// Default: Carillon finds out.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "sandbox")]
    environment: TokenEnvironment,
    /// The app's registration token at Firebase: pushes go through FCM then, and `environment` says nothing.
    fcm_token: Option<String>,
    /// The type of the activity that it is of.
    #[schema(example = "LessonAttributes")]
    attributes_type: String,
    /// What the phone shows, as the app encodes it: with it, nothing is pushed that it shows already.
    #[schema(value_type = Option<Object>)]
    content_state: Option<Map<String, Value>>,
    /// What never changes, as the app encodes it: of an activity that is not declared.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
    /// Whether the person lets the app update often (`frequentPushesEnabled`): a larger budget of pushes at once. Default: as declared.
    frequent_pushes: Option<bool>,
    /// With a publishable key: the signed id of the device's user, in the place of its secret.
    user_token: Option<String>,
}

problems!(GUARDED, IN_APP, BODY, WRITES; REQUEST_HEADER, AUTH_USER_TOKEN, DEVICE_NOT_OWN, DEVICE_UNKNOWN, LIVE_ACTIVITY_NOT_RECIPIENT, LIVE_ACTIVITY_UNKNOWN, LIVE_ACTIVITY_OVER);

/// Tell the update token of a Live Activity on a phone.
///
/// The first one, and each one after it: tokens rotate. An activity that the app started itself is carried from here on; one
/// that is not declared only where the App's setting `live_activities.adopt` says so, for the device's user, and with `content_state`.
/// What was held for the token is pushed. Needs the scope `devices`; or `register`, a publishable key, with the device's secret or a
/// user_token of its user: then unknown fields are left out.
#[utoipa::path(
    put, path = "/v1/apps/{app}/live-activities/{id}/tokens/{device}", operation_id = "live_activity_token_put", tag = "live-activities",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Your id of the Live Activity"),
        ("device" = String, Path, description = "Id of the device"),
        ("Carillon-Device-Secret" = Option<String>, Header, description = "With a publishable key: the device's secret"),
    ),
    request_body = TellToken,
    responses((status = 204, description = "Known, and on disk."), Problems),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id, device)): PathOf<(String, String, String)>,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Register])?;
    let body: TellToken = own::read_known(&caller, &body, FIELDS)?;
    let user_token = body.user_token.as_deref();
    let device = own::proven(&api, &caller, app, &headers, device, user_token).await?;
    let told = ToldToken {
        push_token: body.push_token,
        environment: body.environment,
        fcm_token: body.fcm_token,
        attributes_type: body.attributes_type,
        content_state: body.content_state.map(Value::Object),
        attributes: body.attributes.map(Value::Object),
        frequent_pushes: body.frequent_pushes,
    };
    let answer = api
        .engine
        .tell_update_token(app.no, &id, &device, &told)
        .await?;
    answer.map_err(|refusal| refused(app, &id, refusal))?;
    Ok(answer::gone())
}
