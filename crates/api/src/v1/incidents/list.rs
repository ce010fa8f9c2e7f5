//! `GET /v1/apps/{app}/incidents`

use super::IncidentView;
use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::page::{List, Page};
use crate::params::{Params, PathOf, bad_cursor, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::MONITORS;
use axum::extract::State;
use axum::response::Response;
use carillon_model::UnixMs;
use carillon_model::definition::DefinitionKind;
use carillon_model::id::DefinitionNo;
use carillon_ports::registry::Scope;
use carillon_ports::watch::{IncidentFilter, StoredIncident};
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::IntoParams;

const LIST: List = List("inc");
const MAX: u32 = 1_000;

/// Which incidents.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Only those of this monitor.
    monitor: Option<String>,
    /// Only those that are open (`true`), or over (`false`).
    open: Option<bool>,
    /// Only those that were opened at this instant or after (RFC 3339).
    since: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most entries: 1 to 1,000, default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

problems!(GUARDED, IN_APP, PAGES, READS; MONITOR_UNKNOWN);

/// List the incidents of an App, the latest opened first.
///
/// Closed ones are kept as long as records are. Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/incidents", operation_id = "incident_list", tag = "incidents",
    params(("app" = String, Path, description = "Id of the App"), ListParams),
    responses((status = 200, description = "A page of incidents.", body = Page<IncidentView>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let limit = limit(params.limit, MAX)?;
    let monitor = params.monitor.as_deref();
    let monitor = monitor.map(|name| MONITORS.find(&caller, app, name));
    let since = params.since.as_deref().map(instant::parse).transpose();
    let wrong = |message| Problem::parameter("since", "query.parameter", message);
    let filter = IncidentFilter {
        monitor: monitor.transpose()?.map(|monitor| monitor.no),
        is_open: params.open,
        since: since.map_err(wrong)?,
        before: params.cursor.as_deref().map(before).transpose()?,
        limit: limit + 1,
    };
    let rows = api.engine.incidents(app.no, filter).await?;
    let all = caller
        .directory
        .definitions(app.no, DefinitionKind::Monitor);
    let names: HashMap<DefinitionNo, &str> = all.map(|(row, _)| (row.no, &*row.name)).collect();
    // One whose monitor was just deleted goes with it.
    let view = |incident: StoredIncident| {
        let name = names.get(&incident.monitor)?;
        Some(IncidentView::of(&incident, name))
    };
    let page = LIST.page(rows, limit, key, view);
    answer::ok(&Page {
        data: page.data.into_iter().flatten().collect::<Vec<_>>(),
        next: page.next,
    })
}

fn key(row: &StoredIncident) -> String {
    format!("{}.{}.{}", row.opened_at, row.monitor, row.no)
}

fn before(cursor: &str) -> Result<(UnixMs, DefinitionNo, u32), Problem> {
    let mut parts = LIST.key(cursor)?.split('.');
    let mut read = || {
        let key = (
            parts.next()?.parse().ok()?,
            DefinitionNo(parts.next()?.parse().ok()?),
            parts.next()?.parse().ok()?,
        );
        parts.next().is_none().then_some(key)
    };
    read().ok_or_else(|| bad_cursor(cursor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back() {
        assert_eq!(before("inc-17.3.2").unwrap(), (17, DefinitionNo(3), 2));
        for bad in [
            "inc-",
            "inc-17.3",
            "inc-17.3.2.1",
            "inc-x.3.2",
            "mon-17.3.2",
        ] {
            assert!(before(bad).is_err(), "{bad}");
        }
    }
}
