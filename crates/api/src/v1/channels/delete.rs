//! `DELETE /v1/apps/{app}/channels/{id}`

use super::{Place, PlaceParams, mixed_up};
use crate::answer;
use crate::auth::Caller;
use crate::params::{Params, PathOf};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::gateway::{ChannelAnswer, ChannelCall};
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP;
    CREDENTIAL_MISSING, REQUEST_INVALID, CHANNEL_UNKNOWN, GATEWAY_REFUSED, SERVER_ERROR, SERVER_LATE);

/// Delete a broadcast channel.
///
/// Needs the scope `send`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/channels/{id}", operation_id = "channel_delete", tag = "channels",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Id of the channel, as Apple issued it"),
        PlaceParams
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
    Params(params): Params<PlaceParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let place = Place::find(&caller, app, params)?;
    match place.call(&api, ChannelCall::Delete(id)).await? {
        ChannelAnswer::Deleted => Ok(answer::gone()),
        other => Err(mixed_up(&other)),
    }
}
