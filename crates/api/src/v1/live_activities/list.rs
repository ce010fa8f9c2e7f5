//! `GET /v1/apps/{app}/live-activities`

use super::{ActivityView, Names};
use crate::answer;
use crate::auth::Caller;
use crate::page::{List, Page};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::live_activity::ActivityState;
use carillon_ports::registry::Scope;
use serde::Deserialize;
use utoipa::IntoParams;

const LIST: List = List("act");
/// Most entries: each is worked out.
const MAX: u32 = 1_000;

/// Query of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActivityParams {
    /// Only those that are `planned`, `starting`, `active`, `ended` or `cancelled`.
    state: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most entries: 1 to 1,000, default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

problems!(GUARDED, IN_APP, PAGES, READS);

/// List the Live Activities of an App, by id.
///
/// Those that are over are kept as long as records are. Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/live-activities", operation_id = "live_activity_list", tag = "live-activities",
    params(("app" = String, Path, description = "Id of the App"), ActivityParams),
    responses((status = 200, description = "A page of Live Activities.", body = Page<ActivityView>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<ActivityParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let limit = limit(params.limit, MAX)?;
    let state = params.state.as_deref().map(state).transpose()?;
    let after = params
        .cursor
        .as_deref()
        .map(|cursor| LIST.key(cursor))
        .transpose()?;
    let after = after.map(str::to_owned);
    let store = api.engine.store();
    let rows = store
        .live_activities(app.no, state, after, limit + 1)
        .await?;
    let names = Names::of_phones(&api, &rows).await?;
    let page = LIST.page(
        rows,
        limit,
        |row| row.id.clone(),
        |row| ActivityView::of(&row, &names),
    );
    let next = page.next;
    let data = page.data.into_iter().collect::<Result<Vec<_>, _>>()?;
    answer::ok(&Page { data, next })
}

fn state(word: &str) -> Result<ActivityState, Problem> {
    let mut all = ActivityState::ALL.into_iter();
    all.find(|state| state.as_str() == word).ok_or_else(|| {
        let words = ActivityState::ALL.map(ActivityState::as_str).join(", ");
        let message = format!("expected one of {words}, found {word:?}");
        Problem::parameter("state", "query.parameter", message)
    })
}
