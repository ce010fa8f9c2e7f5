//! `GET /v1/apps/{app}/monitors`

use super::MonitorView;
use crate::answer;
use crate::auth::Caller;
use crate::page::{MAX, Page};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::MONITORS;
use axum::extract::State;
use axum::response::Response;
use carillon_model::app::App;
use carillon_model::definition::Definition;
use carillon_model::monitor::{MonitorDefinition, Watch, WatchState};
use carillon_ports::registry::Scope;
use serde::Deserialize;
use utoipa::IntoParams;

/// How many records are read at once while those in a state are looked for.
const CHUNK: usize = 500;

/// Which monitors.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Only those in this state: `waiting`, `ok`, `suspected`, `firing` or `acknowledged`.
    state: Option<String>,
    /// Only those with this tag.
    tag: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most entries: 1 to 1,000, default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

problems!(GUARDED, IN_APP, PAGES, READS);

/// List the monitors of an App, by name.
///
/// Each with how it is. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/monitors", operation_id = "monitor_list", tag = "monitors",
    params(("app" = String, Path, description = "Id of the App"), ListParams),
    responses((status = 200, description = "A page of monitors.", body = Page<MonitorView>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let limit = limit(params.limit, MAX)?;
    let cursor = params.cursor.as_deref();
    let after = cursor.map(|cursor| MONITORS.list.key(cursor)).transpose()?;
    let state = params.state.as_deref().map(state).transpose()?;
    let all = tagged(&caller, app, after, params.tag.as_deref());
    let mut rows: Vec<(Definition, Watch)> = Vec::new();
    for chunk in all.chunks(CHUNK.max(limit as usize + 1)) {
        let watches = api.engine.watched(chunk).await?;
        let both = chunk.iter().cloned().zip(watches);
        rows.extend(both.filter(|(_, watch)| state.is_none_or(|state| watch.state == state)));
        if rows.len() > limit as usize {
            break;
        }
    }
    let name = |row: &(Definition, Watch)| row.0.name.clone();
    let page = MONITORS.list.page(rows, limit, name, |row| row);
    let view =
        |(stored, watch): (Definition, Watch)| MonitorView::of(&api, &caller, &stored, &watch);
    answer::ok(&Page {
        data: page.data.into_iter().map(view).collect::<Result<_, _>>()?,
        next: page.next,
    })
}

/// The monitors of an App after a name, with a tag.
pub(super) fn tagged(
    caller: &Caller,
    app: &App,
    after: Option<&str>,
    tag: Option<&str>,
) -> Vec<Definition> {
    let all = MONITORS.after(caller, app, after).map(|(row, _)| row);
    all.filter(|row| tag.is_none_or(|tag| has_tag(row, |its| its == tag)))
        .cloned()
        .collect()
}

/// Whether a monitor has such a tag. What cannot be read, because a newer server wrote it, has none.
pub(crate) fn has_tag(stored: &Definition, is_wanted: impl Fn(&str) -> bool) -> bool {
    let read: Option<MonitorDefinition> = serde_json::from_str(&stored.body).ok();
    read.is_some_and(|read| read.tags.iter().any(|tag| is_wanted(tag)))
}

fn state(word: &str) -> Result<WatchState, Problem> {
    let known = WatchState::ALL
        .into_iter()
        .find(|state| state.as_str() == word);
    known.ok_or_else(|| {
        let words = WatchState::ALL.map(WatchState::as_str).join(", ");
        let message = format!("expected one of {words}, found {word:?}");
        Problem::parameter("state", "query.parameter", message)
    })
}
