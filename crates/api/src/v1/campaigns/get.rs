//! `GET /v1/apps/{app}/campaigns/{campaign}`

use super::{CampaignItem, find};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::notifications::readable;
use axum::extract::State;
use axum::response::Response;

problems!(GUARDED, IN_APP, READS; CAMPAIGN_UNKNOWN);

/// Read a campaign: how it goes, and how far it is.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/campaigns/{campaign}", operation_id = "campaign_get", tag = "campaigns",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("campaign" = String, Path, description = "Id of the campaign, `cmp_…`, or its name"),
    ),
    responses((status = 200, description = "The campaign.", body = CampaignItem), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = readable(&caller, &app)?;
    let row = find(&api, app, &id).await?;
    answer::ok(&CampaignItem::of(&row, api.now(), None)?)
}
