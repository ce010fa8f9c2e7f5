//! `GET /v1/apps/{app}/schedules`

use super::ScheduleView;
use crate::auth::Caller;
use crate::page::{Page, PageParams};
use crate::params::{Params, PathOf};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::SCHEDULES;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, PAGES);

/// List the schedules of an App, by name.
///
/// Each with the next time at which it is due. Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/schedules", operation_id = "schedule_list", tag = "schedules",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of schedules.", body = Page<ScheduleView>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let now = api.now();
    SCHEDULES.list(&caller, app, &params, |row| ScheduleView::of(row, now, 1))
}
