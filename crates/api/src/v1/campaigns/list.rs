//! `GET /v1/apps/{app}/campaigns`

use super::CampaignItem;
use crate::answer;
use crate::auth::Caller;
use crate::page::{List, Page};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::notifications::readable;
use axum::extract::State;
use axum::response::Response;
use carillon_model::id::NotificationNo;
use serde::Deserialize;
use utoipa::IntoParams;

const LIST: List = List("cmp");
/// Most of a page: the store counts the deliveries of each.
const MAX: u32 = 100;

/// Which campaigns.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most entries: 1 to 100, default 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

problems!(GUARDED, IN_APP, PAGES, READS);

/// List campaigns, newest first.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/campaigns", operation_id = "campaign_list", tag = "campaigns",
    params(("app" = String, Path, description = "Id of the App"), ListParams),
    responses((status = 200, description = "A page of campaigns; at most 100.", body = Page<CampaignItem>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let app = readable(&caller, &app)?;
    let limit = limit(params.limit, MAX)?;
    let before = LIST.number(params.cursor.as_deref())?.map(NotificationNo);
    let rows = api.store().campaigns(app.no, before, limit + 1).await?;
    let now = api.now();
    let key = |row: &&carillon_ports::campaign::CampaignView| row.notification.head.no.to_string();
    let page = LIST.page(rows.iter().collect(), limit, key, |row| row);
    let data = page.data.into_iter();
    let data: Result<Vec<_>, _> = data.map(|row| CampaignItem::of(row, now, None)).collect();
    answer::ok(&Page {
        data: data?,
        next: page.next,
    })
}
