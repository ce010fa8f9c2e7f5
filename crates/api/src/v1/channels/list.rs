//! `GET /v1/apps/{app}/channels`

use super::{ChannelView, Place, PlaceParams, mixed_up};
use crate::answer;
use crate::auth::Caller;
use crate::page::Page;
use crate::params::{Params, PathOf};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::gateway::{ChannelAnswer, ChannelCall};
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP;
    CREDENTIAL_MISSING, REQUEST_INVALID, GATEWAY_REFUSED, SERVER_ERROR, SERVER_LATE);

/// List the broadcast channels of a topic and environment.
///
/// One page: Apple gives all of them at once. Needs the scope `send` or `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/channels", operation_id = "channel_list", tag = "channels",
    params(("app" = String, Path, description = "Id of the App"), PlaceParams),
    responses((status = 200, description = "All channels; `next` is null.", body = Page<ChannelView>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<PlaceParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send, Scope::Read])?;
    let place = Place::find(&caller, app, params)?;
    match place.call(&api, ChannelCall::List).await? {
        ChannelAnswer::List(ids) => {
            let data = ids.into_iter().map(|id| place.channel(id, None)).collect();
            answer::ok(&Page { data, next: None })
        }
        other => Err(mixed_up(&other)),
    }
}
