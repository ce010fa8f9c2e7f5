//! `GET /v1/apps/{app}/status`

use super::OpenIncidentView;
use super::list::tagged;
use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::page::{List, Page};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_engine::watch::MonitorStatus;
use carillon_model::UnixMs;
use carillon_model::app::App;
use carillon_model::definition::Definition;
use carillon_model::id::DefinitionNo;
use carillon_model::monitor::{Tally, Watch};
use carillon_ports::registry::Scope;
use carillon_ports::watch::{HOUR_MS, IncidentFilter};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

const LIST: List = List("mos");
/// Most of a page: for each the hours of three months are added up.
const MAX: u32 = 100;
/// Most incidents that are counted for a page: the latest.
const MOST_COUNTED: u32 = 2_000;

/// How a monitor did.
#[derive(Serialize, ToSchema)]
#[schema(as = MonitorStatus)]
pub(crate) struct StatusView {
    /// Its name.
    #[schema(example = "shop")]
    name: String,
    /// As in the monitor.
    #[schema(example = "ok")]
    state: &'static str,
    /// Since when; null: nobody has looked yet.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// For people.
    description: String,
    /// Its tags.
    tags: Vec<String>,
    /// The incident that is open.
    incident: Option<OpenIncidentView>,
    /// The last hour, day, 7, 30 and 90 days, as far as they are known.
    windows: Vec<WindowView>,
    /// The last 24 hours, the oldest first.
    hours: Vec<HourView>,
}

/// How it did in a time that ends now.
#[derive(Serialize, ToSchema)]
#[schema(as = StatusWindow)]
pub(crate) struct WindowView {
    /// `1h`, `1d`, `7d`, `30d` or `90d`.
    #[schema(example = "7d")]
    name: &'static str,
    /// How much of the time that is known of it was up, in percent, never rounded up; null: nothing is known.
    #[schema(example = 99.982)]
    uptime_percent: Option<f64>,
    /// How long an incident was open, in milliseconds.
    down_ms: u64,
    /// Half of the answers took at most so many milliseconds; null: there were none.
    p50_ms: Option<u64>,
    /// 95 % of them.
    p95_ms: Option<u64>,
    /// 99 % of them.
    p99_ms: Option<u64>,
    /// How many answers there were.
    answers: u64,
    /// How many incidents were opened, of those that are kept. Of very many (more than 2,000 of the App in 90 days) at least so
    /// many.
    incidents: usize,
}

/// An hour of the clock.
#[derive(Serialize, ToSchema)]
#[schema(as = StatusHour)]
pub(crate) struct HourView {
    /// When it began.
    #[schema(format = DateTime)]
    from: String,
    /// As in a window.
    uptime_percent: Option<f64>,
    /// How long an incident was open, in milliseconds.
    down_ms: u64,
    /// 95 % of the answers took at most so many milliseconds; null: there were none.
    p95_ms: Option<u64>,
}

/// Which monitors.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatusParams {
    /// Only those with this tag.
    tag: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most entries: 1 to 100, default 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

problems!(GUARDED, IN_APP, PAGES, READS);

/// How the monitors of an App did.
///
/// By name, each with its uptime, how fast it answered, and how many incidents there were, over several times. Of a time in
/// which its check fails and nobody is paged, for maintenance or behind a monitor that is down, nothing is known. Needs the
/// scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/status", operation_id = "app_status", tag = "monitors",
    params(("app" = String, Path, description = "Id of the App"), StatusParams),
    responses((status = 200, description = "A page of monitors.", body = Page<StatusView>), Problems),
)]
pub(crate) async fn status(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<StatusParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let limit = limit(params.limit, MAX)?;
    let cursor = params.cursor.as_deref();
    let after = cursor.map(|cursor| LIST.key(cursor)).transpose()?;
    let mut rows = tagged(&caller, app, after, params.tag.as_deref());
    rows.truncate(limit as usize + 1);
    let page = LIST.page(rows, limit, |row| row.name.clone(), |row| row);
    let watches = api.engine.watched(&page.data).await?;
    let statuses = api.engine.monitor_status(app.no, &page.data).await?;
    let opened = opened(&api, app, &page.data, &statuses).await?;
    let all = page.data.iter().zip(watches).zip(&statuses);
    let view = |((row, watch), status): ((&Definition, Watch), &MonitorStatus)| {
        let opened = opened.get(&row.no).map_or(&[][..], Vec::as_slice);
        StatusView::of(row, &watch, status, opened)
    };
    answer::ok(&Page {
        data: all.map(view).collect::<Result<_, _>>()?,
        next: page.next,
    })
}

/// When the incidents of these monitors were opened that a window may count.
async fn opened(
    api: &Api,
    app: &App,
    monitors: &[Definition],
    statuses: &[MonitorStatus],
) -> Result<HashMap<DefinitionNo, Vec<UnixMs>>, Problem> {
    let windows = statuses.iter().flat_map(|status| &status.windows);
    let filter = IncidentFilter {
        monitor: match monitors {
            [] => return Ok(HashMap::new()),
            [one] => Some(one.no),
            _ => None,
        },
        since: windows.map(|window| window.from).min(),
        limit: MOST_COUNTED,
        ..IncidentFilter::default()
    };
    let mut opened: HashMap<DefinitionNo, Vec<UnixMs>> = HashMap::new();
    for incident in api.engine.incidents(app.no, filter).await? {
        let of_monitor = opened.entry(incident.monitor).or_default();
        of_monitor.push(incident.opened_at);
    }
    Ok(opened)
}

impl StatusView {
    fn of(
        stored: &Definition,
        watch: &Watch,
        status: &MonitorStatus,
        opened: &[UnixMs],
    ) -> Result<Self, Problem> {
        let definition = super::read(stored)?;
        let hours = (status.first_hour..).zip(&status.hours);
        Ok(Self {
            name: stored.name.clone(),
            state: watch.state.as_str(),
            since: instant::optional(watch.since),
            description: definition.description,
            tags: definition.tags,
            incident: watch.incident.as_ref().map(OpenIncidentView::of),
            windows: WindowView::all(status, opened),
            hours: hours
                .map(|(hour, tally)| HourView {
                    from: instant::rfc3339(hour * HOUR_MS),
                    uptime_percent: uptime(tally),
                    down_ms: tally.down_ms,
                    p95_ms: tally.percentile_ms(0.95),
                })
                .collect(),
        })
    }
}

impl WindowView {
    fn all(status: &MonitorStatus, opened: &[UnixMs]) -> Vec<Self> {
        let since = |from: UnixMs| opened.iter().filter(|at| **at >= from).count();
        let windows = status.windows.iter();
        windows
            .map(|window| Self {
                name: window.name,
                uptime_percent: uptime(&window.tally),
                down_ms: window.tally.down_ms,
                p50_ms: window.tally.percentile_ms(0.5),
                p95_ms: window.tally.percentile_ms(0.95),
                p99_ms: window.tally.percentile_ms(0.99),
                answers: window.tally.answers(),
                incidents: since(window.from),
            })
            .collect()
    }
}

/// With three digits, and never better than it was: 100 is only what was never down.
pub(crate) fn uptime(tally: &Tally) -> Option<f64> {
    let percent = tally.uptime_percent()?;
    Some((percent * 1_000.0).floor() / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_engine::watch::StatusWindow;

    #[test]
    fn uptime_is_never_told_better_than_it_was() {
        let of = |up_ms, down_ms| {
            let mut tally = Tally::default();
            (tally.up_ms, tally.down_ms) = (up_ms, down_ms);
            uptime(&tally)
        };
        assert_eq!(of(0, 0), None);
        assert_eq!(of(5, 0), Some(100.0));
        assert_eq!(of(86_399_999, 1), Some(99.999));
        assert_eq!(of(1, 2), Some(33.333));
        assert_eq!(of(0, 7), Some(0.0));
    }

    #[test]
    fn incidents_are_counted_in_the_hours_of_their_window() {
        let now = 1_000 * 24 * HOUR_MS + 30 * 60_000;
        let hour = now - 30 * 60_000;
        let opened = [
            now,
            hour,
            hour - 1,
            hour - 23 * HOUR_MS,
            hour - 24 * HOUR_MS,
            hour - 100 * 24 * HOUR_MS,
        ];
        let windows = [("1h", 0), ("1d", 23), ("90d", 90 * 24 - 1)];
        let windows = windows.map(|(name, before)| StatusWindow {
            name,
            from: hour - before * HOUR_MS,
            tally: Tally::default(),
        });
        let status = MonitorStatus {
            windows: windows.to_vec(),
            first_hour: 0,
            hours: Vec::new(),
        };
        let counts: Vec<usize> = WindowView::all(&status, &opened)
            .iter()
            .map(|window| window.incidents)
            .collect();
        assert_eq!(counts, [2, 4, 5]);
    }
}
