//! `GET /v1/apps/{app}/notifications`

use super::{NotificationItem, readable};
use crate::answer;
use crate::auth::Caller;
use crate::page::{List, Page, PageParams};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::id::NotificationNo;

const LIST: List = List("ntf");
/// Most of a page: the store counts the deliveries of each.
const MAX: u32 = 100;

problems!(GUARDED, IN_APP, PAGES, READS);

/// List notifications, newest first.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/notifications", operation_id = "notification_list", tag = "notifications",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of notifications; at most 100.", body = Page<NotificationItem>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let app = readable(&caller, &app)?;
    let limit = limit(params.limit, MAX)?;
    let before = LIST.number(params.cursor.as_deref())?.map(NotificationNo);
    let rows = api.store().notifications(app.no, before, limit + 1).await?;
    answer::ok(&LIST.page(
        rows,
        limit,
        |row| row.head.no.to_string(),
        |row| NotificationItem::from(&row),
    ))
}
