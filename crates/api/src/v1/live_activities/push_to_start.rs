//! `PUT` and `DELETE /v1/apps/{app}/devices/{device}/push-to-start-tokens/{attributes_type}`

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
use carillon_engine::live_activity::ToldAddress;
use carillon_model::environment::TokenEnvironment;
use carillon_ports::registry::Scope;
use serde::Deserialize;
use utoipa::ToSchema;

/// Fields that are read of an app's body.
const FIELDS: &[&str] = &["token", "environment", "fcm_token", "user_token"];

/// By what Live Activities of a type are started on a phone.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PushToStartToken)]
pub(crate) struct TellStart {
    /// In hexadecimal.
    #[serde(rename = "token")]
    push_token: String,
    /// Default: Carillon finds out.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "sandbox")]
    environment: TokenEnvironment,
    /// The app's registration token at Firebase: starts go through FCM then, and `environment` says nothing.
    fcm_token: Option<String>,
    /// With a publishable key: the signed id of the device's user, in the place of its secret.
    user_token: Option<String>,
}

mod put_problems {
    use super::problems;
    problems!(GUARDED, IN_APP, BODY, WRITES; REQUEST_HEADER, AUTH_USER_TOKEN, DEVICE_NOT_OWN, DEVICE_UNKNOWN);
}

mod delete_problems {
    use super::problems;
    problems!(GUARDED, IN_APP, WRITES; REQUEST_HEADER, DEVICE_NOT_OWN, DEVICE_UNKNOWN);
}

/// Tell by what Live Activities of a type are started on a phone.
///
/// Each token replaces the one before it. Those that run for this phone and that it does not show are started. Needs the scope
/// `devices`; or `register`, a publishable key, with the device's secret or a user_token of its user: then unknown fields are left
/// out.
#[utoipa::path(
    put, path = "/v1/apps/{app}/devices/{device}/push-to-start-tokens/{attributes_type}", operation_id = "push_to_start_put", tag = "live-activities",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("device" = String, Path, description = "Id of the device"),
        ("attributes_type" = String, Path, description = "Name of the app's attributes type"),
        ("Carillon-Device-Secret" = Option<String>, Header, description = "With a publishable key: the device's secret"),
    ),
    request_body = TellStart,
    responses((status = 204, description = "Known, and on disk."), put_problems::Problems),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, device, attributes_type)): PathOf<(String, String, String)>,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Register])?;
    let body: TellStart = own::read_known(&caller, &body, FIELDS)?;
    type_name(&attributes_type)?;
    let user_token = body.user_token.as_deref();
    let device = own::proven(&api, &caller, app, &headers, device, user_token).await?;
    let told = Some(ToldAddress {
        push_token: &body.push_token,
        environment: body.environment,
        fcm_token: body.fcm_token.as_deref(),
    });
    let told = api
        .engine
        .tell_push_to_start(app.no, &device, attributes_type, told);
    told.await?.map_err(|refusal| refused(app, "", refusal))?;
    Ok(answer::gone())
}

/// Forget by what Live Activities of a type are started on a phone.
///
/// Those that it shows go on. Needs the scope `devices`; or `register`, a publishable key, with the device's secret.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/devices/{device}/push-to-start-tokens/{attributes_type}", operation_id = "push_to_start_delete", tag = "live-activities",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("device" = String, Path, description = "Id of the device"),
        ("attributes_type" = String, Path, description = "Name of the app's attributes type"),
        ("Carillon-Device-Secret" = Option<String>, Header, description = "With a publishable key: the device's secret"),
    ),
    responses((status = 204, description = "Forgotten, or never known."), delete_problems::Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, device, attributes_type)): PathOf<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Register])?;
    type_name(&attributes_type)?;
    let device = own::proven(&api, &caller, app, &headers, device, None).await?;
    let told = api
        .engine
        .tell_push_to_start(app.no, &device, attributes_type, None);
    told.await?.map_err(|refusal| refused(app, "", refusal))?;
    Ok(answer::gone())
}

fn type_name(name: &str) -> Result<(), Problem> {
    let is_one = (1..=128).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "._".contains(c));
    if is_one {
        return Ok(());
    }
    let message =
        format!("expected the name of a Swift type, such as LessonAttributes, found {name:?}");
    Err(Problem::parameter(
        "attributes_type",
        "live_activity.attributes_type",
        message,
    ))
}
