//! `GET /status/{app}` and `GET /status/{app}.json`: the status page of an App that has switched it on, for everybody.
//!
//! It says of each monitor its name, its description and whether it is up: no address, no fault and no person. However many
//! look at it, it is made seldom (see [`super::pages`]).

use super::html::{Text, page as html_page, protect};
use super::incident::HtmlPage;
use crate::answer;
use crate::instant;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::monitors::list::has_tag;
use crate::v1::monitors::status::uptime;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use carillon_engine::directory::Directory;
use carillon_engine::watch::MonitorStatus;
use carillon_model::app::App;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::duration::format_secs;
use carillon_model::monitor::{Hold, MonitorDefinition, Watch, WatchState};
use carillon_ports::watch::{IncidentFilter, StoredIncident};
use serde::Serialize;
use std::fmt::Write as _;
use utoipa::ToSchema;

/// Most monitors on it: the first by name.
const MOST: usize = 200;
/// Most incidents on it: the latest.
const MOST_INCIDENTS: usize = 20;

/// What everybody may read of the monitors of an App.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct PublicStatus {
    /// Its heading.
    #[schema(example = "Shop")]
    title: String,
    /// `up`: all that are known are; `down`: at least one is; `unknown`: of none anything is known.
    #[schema(example = "up")]
    state: &'static str,
    /// When it was made.
    #[schema(format = DateTime)]
    as_of: String,
    /// By name; at most 200.
    monitors: Vec<PublicMonitor>,
    /// The latest 20, the newest first.
    incidents: Vec<PublicIncident>,
}

/// A monitor, as everybody may see it.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct PublicMonitor {
    /// Its name.
    #[schema(example = "shop")]
    name: String,
    /// What it is, for people.
    description: String,
    /// `up`, `down`, `maintenance`: it is down on purpose, or may be; `unknown`.
    #[schema(example = "up")]
    state: &'static str,
    /// How much of the last hour, day, 7, 30 and 90 days it was up.
    uptime: Vec<PublicUptime>,
    /// The same of each of the last 24 hours, the oldest first; null: nothing is known.
    hours: Vec<Option<f64>>,
}

/// How much of a time it was up.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct PublicUptime {
    /// `1h`, `1d`, `7d`, `30d` or `90d`.
    #[schema(example = "30d")]
    name: &'static str,
    /// In percent, never rounded up; null: nothing is known.
    #[schema(example = 99.982)]
    percent: Option<f64>,
}

/// An incident, as everybody may see it.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct PublicIncident {
    /// Its monitor.
    #[schema(example = "shop")]
    monitor: String,
    /// When it began.
    #[schema(format = DateTime)]
    opened_at: String,
    /// When it ended; null: it has not.
    #[schema(format = DateTime)]
    resolved_at: Option<String>,
    /// How long it lasted; null: it is not over.
    #[schema(example = "12m5s")]
    lasted: Option<String>,
}

problems!(READS; SERVER_BUSY, STATUS_PAGE_UNKNOWN);

/// The public status page of an App.
///
/// For everybody, if the App has switched it on (`settings.status_page`): whether its monitors are up, for how much of the
/// time they were, and when they were not. As a page, or with `.json` after the App's id as JSON. It is made at most every
/// ten seconds. No API key.
#[utoipa::path(
    get, path = "/status/{app}", operation_id = "status_page", tag = "monitors",
    security(()),
    params(("app" = String, Path, description = "Id of the App; with `.json` for JSON")),
    responses(
        (status = 200, description = "The page.", content((HtmlPage = "text/html"), (PublicStatus = "application/json"))),
        Problems
    ),
)]
pub(crate) async fn page(
    State(api): State<Api>,
    wanted: Result<PathOf<String>, Problem>,
) -> Result<Response, Problem> {
    let unknown = || {
        let detail = "there is no App of this id with a public page";
        Problem::new(&codes::STATUS_PAGE_UNKNOWN, detail)
    };
    let PathOf(wanted) = wanted.map_err(|_| unknown())?;
    let directory = api.engine.directory();
    let public = |id: &str| {
        directory
            .app(id)
            .filter(|app| app.settings.status_page.public)
    };
    // An App's id may end so itself.
    let (app, is_json) = match (public(&wanted), wanted.strip_suffix(".json")) {
        (Some(app), _) => (app, false),
        (None, Some(id)) => (public(id).ok_or_else(unknown)?, true),
        (None, None) => return Err(unknown()),
    };
    let has_page = |no| {
        let app = directory.app_by_no(no);
        app.is_some_and(|app| app.settings.status_page.public)
    };
    let made = make(&api, &directory, app);
    let status = api.status_pages.get(app, has_page, made).await?;
    let mut response = match is_json {
        true => answer::ok(&*status)?,
        false => html_page(StatusCode::OK, &status.title, &shown(&status)),
    };
    protect(&mut response);
    let age = HeaderValue::from_static("public, max-age=10");
    response.headers_mut().insert(header::CACHE_CONTROL, age);
    response.headers_mut().remove("x-robots-tag");
    Ok(response)
}

async fn make(api: &Api, directory: &Directory, app: &App) -> Result<PublicStatus, Problem> {
    let settings = &app.settings.status_page;
    let is_on_it = |row: &&Definition| {
        settings.tags.is_empty() || has_tag(row, |tag| settings.tags.iter().any(|its| its == tag))
    };
    let all = directory.definitions(app.no, DefinitionKind::Monitor);
    let all = all.map(|(row, _)| row).filter(is_on_it).take(MOST);
    let rows: Vec<Definition> = all.cloned().collect();
    let watches = api.engine.watched(&rows).await?;
    let statuses = api.engine.monitor_status(app.no, &rows).await?;
    // Of other monitors there may be more among them.
    let filter = IncidentFilter {
        limit: 500,
        ..IncidentFilter::default()
    };
    let incidents = api.engine.incidents(app.no, filter).await?;
    let incidents = incidents.iter().filter_map(|incident| {
        let monitor = rows.iter().find(|row| row.no == incident.monitor)?;
        Some(PublicIncident::of(monitor, incident))
    });
    let monitors: Vec<PublicMonitor> = rows
        .iter()
        .zip(&watches)
        .zip(&statuses)
        .map(|((row, watch), status)| PublicMonitor::of(row, watch, status))
        .collect();
    let has = |state| monitors.iter().any(|monitor| monitor.state == state);
    Ok(PublicStatus {
        title: match settings.title.is_empty() {
            true => app.name.clone(),
            false => settings.title.clone(),
        },
        state: match (has("down"), has("up")) {
            (true, _) => "down",
            (false, true) => "up",
            (false, false) => "unknown",
        },
        as_of: instant::rfc3339(api.now()),
        incidents: incidents.take(MOST_INCIDENTS).collect(),
        monitors,
    })
}

impl PublicMonitor {
    fn of(stored: &Definition, watch: &Watch, status: &MonitorStatus) -> Self {
        let read: Option<MonitorDefinition> = serde_json::from_str(&stored.body).ok();
        let windows = status.windows.iter();
        Self {
            name: stored.name.clone(),
            description: read.map(|read| read.description).unwrap_or_default(),
            state: state(watch.state, watch.hold.as_ref()),
            uptime: windows
                .map(|window| PublicUptime {
                    name: window.name,
                    percent: uptime(&window.tally),
                })
                .collect(),
            hours: status.hours.iter().map(uptime).collect(),
        }
    }
}

/// Whether a monitor is up, in a word. One whose check fails behind another that is down pages nobody, and is down all the
/// same.
fn state(at: WatchState, hold: Option<&Hold>) -> &'static str {
    match (at, hold) {
        (WatchState::Firing | WatchState::Acknowledged, _)
        | (WatchState::Suspected, Some(Hold::Dependency(_))) => "down",
        (_, Some(Hold::Maintenance)) => "maintenance",
        (WatchState::Ok | WatchState::Suspected, _) => "up",
        (WatchState::Waiting, _) => "unknown",
    }
}

impl PublicIncident {
    fn of(monitor: &Definition, incident: &StoredIncident) -> Self {
        let ended = incident.resolved.as_ref().map(|(_, at)| *at);
        let lasted = |at: i64| format_secs(at.saturating_sub(incident.opened_at));
        Self {
            monitor: monitor.name.clone(),
            opened_at: instant::rfc3339(incident.opened_at),
            resolved_at: instant::optional(ended),
            lasted: ended.map(lasted),
        }
    }
}

fn shown(status: &PublicStatus) -> String {
    let mut out = String::new();
    let (class, words) = match status.state {
        "down" => ("down", "Something is down"),
        "up" => ("up", "Everything is up"),
        _ => ("unknown", "Nothing is known yet"),
    };
    let _ = writeln!(
        out,
        "<h1>{}</h1>\n<p class=\"{class}\"><strong>{words}</strong></p>\n<ul>",
        Text(&status.title)
    );
    for monitor in &status.monitors {
        let (name, state) = (Text(&monitor.name), monitor.state);
        let _ = writeln!(
            out,
            "<li><div class=\"row\"><strong>{name}</strong><span class=\"{state}\">{state}</span></div>"
        );
        if !monitor.description.is_empty() {
            let _ = writeln!(
                out,
                "<div class=\"soft\">{}</div>",
                Text(&monitor.description)
            );
        }
        out.push_str("<div class=\"hours\" aria-hidden=\"true\">");
        for hour in &monitor.hours {
            out.push_str(match hour {
                None => "<i></i>",
                Some(percent) if *percent < 100.0 => "<i class=\"down\"></i>",
                Some(_) => "<i class=\"up\"></i>",
            });
        }
        out.push_str("</div>\n<small>");
        let known = monitor.uptime.iter();
        let known = known.filter_map(|window| Some((window.name, window.percent?)));
        let parts: Vec<String> = known
            .map(|(name, percent)| format!("{name} {percent} %"))
            .collect();
        out.push_str(&parts.join(" · "));
        out.push_str("</small></li>\n");
    }
    out.push_str("</ul>\n<h2>Incidents</h2>\n");
    if status.incidents.is_empty() {
        out.push_str("<p class=\"soft\">None.</p>\n");
    }
    out.push_str("<ul>\n");
    for incident in &status.incidents {
        let (class, end) = match &incident.lasted {
            Some(lasted) => ("soft", format!("lasted {lasted}")),
            None => ("down", "not over".to_owned()),
        };
        let _ = writeln!(
            out,
            "<li><div class=\"row\"><strong>{}</strong><span class=\"{class}\">{end}</span></div>\n<small>{}</small></li>",
            Text(&incident.monitor),
            incident.opened_at
        );
    }
    let _ = writeln!(out, "</ul>\n<p class=\"soft\">As of {}</p>", status.as_of);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_behind_one_that_is_down_is_down_if_its_check_fails() {
        use WatchState::{Acknowledged, Firing, Ok, Suspected, Waiting};
        let router = Hold::Dependency("router".to_owned());
        let (behind, maintenance) = (Some(&router), Some(&Hold::Maintenance));
        for (at, hold, expected) in [
            (Waiting, None, "unknown"),
            (Ok, None, "up"),
            (Suspected, None, "up"),
            (Firing, None, "down"),
            (Acknowledged, None, "down"),
            (Waiting, behind, "unknown"),
            (Ok, behind, "up"),
            (Suspected, behind, "down"),
            (Firing, behind, "down"),
            (Waiting, maintenance, "maintenance"),
            (Ok, maintenance, "maintenance"),
            (Suspected, maintenance, "maintenance"),
            (Acknowledged, maintenance, "down"),
        ] {
            assert_eq!(state(at, hold), expected, "{at:?} {hold:?}");
        }
    }
}
