//! `POST /v1/apps/{app}/devices`: Carillon makes the id, unless the body has one.
//!
//! With an `Idempotency-Key` the id is derived from the key, so that a repeated request finds the
//! device it made, without anything being stored for it.

use super::registration::RegisterDevice;
use super::{DeviceView, own, unknown};
use crate::answer;
use crate::api_key::sha256;
use crate::auth::Caller;
use crate::body::JsonBytes;
use crate::idempotency::{self, Held};
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use carillon_model::device::DeviceRegistration;
use carillon_ports::registry::{Device, Scope};
use std::fmt::Write as _;

problems!(GUARDED, IN_APP, BODY, WRITES; 
    REQUEST_HEADER, AUTH_USER_TOKEN, DEVICE_NOT_OWN, IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_REUSED);

/// Register a device under an id that Carillon makes.
///
/// Needs the scope `devices`; or `register`, a publishable key: then the device gets a secret, and
/// unknown fields are left out.
#[utoipa::path(
    post, path = "/v1/apps/{app}/devices", operation_id = "device_create", tag = "devices",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeated request with this key and body makes no second device; not with a publishable key"),
        ("Carillon-Device-Secret" = Option<String>, Header, description = "With a publishable key: the device's secret, its own choice of 32 to 200 characters or what an earlier answer said"),
    ),
    request_body = RegisterDevice,
    responses(
        (status = 200, description = "It was registered before (same id, or same Idempotency-Key and body).", body = DeviceView),
        (status = 201, description = "Registered.", body = DeviceView,
            headers(("Location" = String, description = "Address of the device"))),
        Problems
    ),
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Register])?;
    let body = own::read(&caller, &body)?;
    if caller.is_device() {
        idempotency::refuse(
            &headers,
            "put the device under an id of its own choice instead",
        )?;
        let (created, device) = own::register(&api, &caller, app, &headers, body).await?;
        return answer(&app.id, created, &device);
    }
    let held = Held::take(&api, &caller, app.no, &headers)?;
    let mut registration = body.read(api.engine.gateways()).map_err(Problem::invalid)?;
    if let (Some(held), None) = (&held, &registration.id) {
        let id = id_of_key(held.scoped());
        if let Some(device) = api.registry().device(app.no, id.clone()).await? {
            if is_same(&registration, &device) {
                return answer::ok(&DeviceView::new(device, app, api.now()));
            }
            return Err(Problem::new(
                &codes::IDEMPOTENCY_REUSED,
                format!("this key made the device {id:?}, which is registered otherwise"),
            ));
        }
        registration.id = Some(id);
    }
    let registered = api
        .registry()
        .register_devices(app.no, vec![registration], api.now())
        .await?;
    let registered = registered
        .into_iter()
        .next()
        .ok_or_else(|| Problem::internal("no device came back"))?;
    let device = api.registry().device(app.no, registered.id.clone()).await?;
    let device = device.ok_or_else(|| unknown(&app.id, &registered.id))?;
    let device = DeviceView::new(device, app, api.now());
    answer(&app.id, registered.created, &device)
}

fn answer(app: &str, created: bool, device: &DeviceView) -> Result<Response, Problem> {
    let mut response = answer::stored(created, device)?;
    let location = format!("/v1/apps/{app}/devices/{}", device.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `dev_k` and 40 hex digits: not a UUID, so it can never be one of the store's own ids.
pub(crate) fn id_of_key(scoped: &str) -> String {
    let mut id = String::from("dev_k");
    for byte in &sha256(scoped.as_bytes())[..20] {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

fn is_same(registration: &DeviceRegistration, device: &Device) -> bool {
    let stored = &device.registration;
    registration.user_id == stored.user_id
        && registration.locale == stored.locale
        && registration.time_zone == stored.time_zone
        && registration.app_version == stored.app_version
        && registration.platform == stored.platform
        && registration.tags == stored.tags
        && registration.topics == stored.topics
        && registration.attributes == stored.attributes
        && registration.capabilities == stored.capabilities
        && registration.push_tokens.iter().all(|token| {
            device
                .push_tokens
                .iter()
                .any(|stored| stored.kind == token.kind && stored.bytes == token.bytes)
        })
}
