//! `PUT /v1/apps/{app}/devices/{id}`

use super::registration::{MAX_ID, RegisterDevice};
use super::{DeviceView, own, unknown};
use crate::answer;
use crate::auth::Caller;
use crate::body::JsonBytes;
use crate::params::{PathOf, plain_name};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES; REQUEST_HEADER, AUTH_USER_TOKEN, DEVICE_NOT_OWN);

/// Register a device.
///
/// Send it whenever the app starts: a push token lives by being registered again. A push token that
/// another device of the App has moves here. Needs the scope `devices`; or `register`, a publishable key:
/// then the id has at least 16 random characters, whoever comes back to it shows the device's secret or
/// a user_token of its user, and unknown fields are left out.
#[utoipa::path(
    put, path = "/v1/apps/{app}/devices/{id}", operation_id = "device_put", tag = "devices",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Id of the device: 1 to 128 characters of `A-Z a-z 0-9 . _ : @ -`"),
        ("Carillon-Device-Secret" = Option<String>, Header, description = "With a publishable key: the device's secret, its own choice of 32 to 200 characters or what an earlier answer said"),
    ),
    request_body = RegisterDevice,
    responses(
        (status = 200, description = "Registered again.", body = DeviceView),
        (status = 201, description = "Registered.", body = DeviceView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Register])?;
    plain_name("id", &id, MAX_ID)?;
    let mut body = own::read(&caller, &body)?;
    if body.id.is_some() {
        return Err(Problem::invalid(vec![FieldProblem::new(
            "/id",
            "device.id_in_body",
            "the id stands in the address: leave it out here",
        )]));
    }
    if caller.is_device() {
        if let Some(problem) = own::id_problem(&id) {
            return Err(Problem::parameter("id", problem.code, problem.message));
        }
        body.id = Some(id);
        let (created, device) = own::register(&api, &caller, app, &headers, body).await?;
        return answer::stored(created, &device);
    }
    body.id = Some(id);
    let registration = body.read(api.engine.gateways()).map_err(Problem::invalid)?;
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
    answer::stored(registered.created, &device)
}
