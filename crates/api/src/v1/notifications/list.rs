//! `GET /v1/apps/{app}/notifications`

use super::{NotificationItem, readable};
use crate::answer;
use crate::auth::Caller;
use crate::page::{List, Page};
use crate::params::bad_cursor;
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::UnixMs;
use carillon_model::app::App;
use carillon_model::id::NotificationNo;
use carillon_ports::timer::SendState;
use serde::Deserialize;
use utoipa::IntoParams;

const LIST: List = List("ntf");
/// Those that wait, by their times; and those that were set aside.
const SCHEDULED: List = List("nts");
const SET_ASIDE: List = List("nta");
/// Most of a page: the store counts the deliveries of each.
const MAX: u32 = 100;

/// Which notifications.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Only those that are `scheduled`, the soonest first; or those that were `set_aside`.
    status: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most entries: 1 to 100, default 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

problems!(GUARDED, IN_APP, PAGES, READS);

/// List notifications, newest first.
///
/// Those of all statuses; with `status=scheduled` what is coming, the soonest first. Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/notifications", operation_id = "notification_list", tag = "notifications",
    params(("app" = String, Path, description = "Id of the App"), ListParams),
    responses((status = 200, description = "A page of notifications; at most 100.", body = Page<NotificationItem>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let app = readable(&caller, &app)?;
    let limit = limit(params.limit, MAX)?;
    match params.status.as_deref() {
        None => {}
        Some("scheduled") => return waiting(&api, app, false, params, limit).await,
        Some("set_aside") => return waiting(&api, app, true, params, limit).await,
        Some(other) => {
            return Err(Problem::parameter(
                "status",
                "query.parameter",
                format!("expected scheduled or set_aside, found {other:?}"),
            ));
        }
    }
    let before = LIST.number(params.cursor.as_deref())?.map(NotificationNo);
    let rows = api.store().notifications(app.no, before, limit + 1).await?;
    answer::ok(&LIST.page(
        rows,
        limit,
        |row| row.head.no.to_string(),
        |row| NotificationItem::from(&row),
    ))
}

/// Those that were not sent yet.
async fn waiting(
    api: &Api,
    app: &App,
    set_aside: bool,
    params: ListParams,
    limit: u32,
) -> Result<Response, Problem> {
    let list = if set_aside { SET_ASIDE } else { SCHEDULED };
    let after = params.cursor.as_deref();
    let after = after.map(|cursor| place(list, cursor)).transpose()?;
    let rows = api
        .store()
        .scheduled(app.no, set_aside, after, limit + 1)
        .await?;
    answer::ok(&list.page(
        rows,
        limit,
        |row| {
            let at = match row.plan.as_ref().map(|plan| &plan.state) {
                Some(SendState::Waiting { next_try_at, .. }) => *next_try_at,
                _ => 0,
            };
            format!("{at}.{}", row.head.no)
        },
        |row| NotificationItem::from(&row),
    ))
}

/// What a cursor of those lists says: instant and number.
fn place(list: List, cursor: &str) -> Result<(UnixMs, NotificationNo), Problem> {
    let read = |(at, no): (&str, &str)| Some((at.parse().ok()?, NotificationNo(no.parse().ok()?)));
    let place = list.key(cursor)?.split_once('.').and_then(read);
    place.ok_or_else(|| bad_cursor(cursor))
}
