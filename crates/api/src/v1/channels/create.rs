//! `POST /v1/apps/{app}/channels`

use super::{ChannelView, Place, PlaceParams, mixed_up};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::idempotency;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carillon_model::environment::Environment;
use carillon_ports::gateway::{ChannelAnswer, ChannelCall};
use carillon_ports::registry::Scope;
use serde::Deserialize;
use utoipa::ToSchema;

/// A channel to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateChannel {
    /// `production` or `sandbox`.
    #[schema(value_type = String, example = "production")]
    environment: Environment,
    /// Bundle id; default: the credential's first topic.
    topic: Option<String>,
    /// Name of the credential; default: the first one for this environment.
    credential: Option<String>,
    /// Whether Apple keeps the newest message for phones that are offline. Default: no.
    #[serde(default)]
    store: bool,
}

problems!(GUARDED, IN_APP, BODY; REQUEST_HEADER, CREDENTIAL_MISSING, GATEWAY_REFUSED, SERVER_ERROR, SERVER_LATE);

/// Make a broadcast channel.
///
/// Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/channels", operation_id = "channel_create", tag = "channels",
    params(("app" = String, Path, description = "Id of the App")),
    request_body = CreateChannel,
    responses((status = 201, description = "Made.", body = ChannelView), Problems),
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    headers: HeaderMap,
    Json(body): Json<CreateChannel>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    idempotency::refuse(&headers, "list the channels before making another one")?;
    let CreateChannel {
        environment,
        topic,
        credential,
        store,
    } = body;
    let place = Place::find(
        &caller,
        app,
        PlaceParams {
            environment,
            topic,
            credential,
        },
    )?;
    match place.call(&api, ChannelCall::Create { store }).await? {
        ChannelAnswer::Created(id) => {
            answer::json(StatusCode::CREATED, &place.channel(id, Some(store)))
        }
        other => Err(mixed_up(&other)),
    }
}
