//! The server watches itself: what it knows of its lanes, credentials, work, disk and timers is what its own monitors
//! are checked by. They are monitors like any other, in the App that the configuration names, and page by the gateways
//! that work. What they cannot tell of, that the server is gone, somebody outside notices: it posts to a URL as long
//! as it is well.

mod built_in;
mod facts;
mod outside;

pub(crate) use self::built_in::run as make_monitors;
pub(crate) use self::facts::SERVER_APP_RULE;
pub use self::outside::outside_plan;
pub(crate) use self::outside::run as beat_outside;

use crate::engine::Engine;
use carillon_model::UnixMs;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::monitor::{
    CheckDefinition, Fault, MonitorDefinition, ServerPart, Watch, WatchState,
};
use carillon_ports::store::StoreError;
use std::fmt;
use std::time::Duration;

/// What is configured of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SelfWatch {
    /// Id of the App whose monitors may be about the server, and that gets those that the server makes. Empty: none.
    pub app: String,
    /// The ladder of the monitors that the server makes. Empty: they page nobody.
    pub ladder: String,
    /// Where the server posts as long as it is well; as a rule its path is a secret. Empty: nowhere.
    pub outside_url: String,
    /// How often.
    pub outside_every: Duration,
}

impl fmt::Debug for SelfWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfWatch")
            .field("app", &self.app)
            .field("ladder", &self.ladder)
            .field("outside_every", &self.outside_every)
            .finish_non_exhaustive()
    }
}

impl Default for SelfWatch {
    fn default() -> Self {
        Self {
            app: String::new(),
            ladder: String::new(),
            outside_url: String::new(),
            outside_every: Duration::from_secs(60),
        }
    }
}

/// A monitor of the server itself, and how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerMonitor {
    /// Id of its App.
    pub app: String,
    /// Its name.
    pub name: String,
    /// What it looks at.
    pub what: ServerPart,
    /// Where it is.
    pub state: WatchState,
    /// What is wrong, and since when an incident is open.
    pub incident: Option<(Fault, UnixMs)>,
}

impl Engine {
    /// The monitors of the server itself, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn server_monitors(&self) -> Result<Vec<ServerMonitor>, StoreError> {
        let directory = self.directory();
        let Some(app) = directory.app(&self.shared().hub.parts.config.self_watch.app) else {
            return Ok(Vec::new());
        };
        let all = directory.definitions(app.no, DefinitionKind::Monitor);
        let (monitors, parts): (Vec<Definition>, Vec<ServerPart>) = all
            .filter_map(|(monitor, _)| Some((monitor.clone(), part(monitor)?)))
            .unzip();
        let watches = self.watched(&monitors).await?;
        let known = monitors.into_iter().zip(parts).zip(watches);
        Ok(known
            .map(|((monitor, what), watch)| ServerMonitor {
                app: app.id.clone(),
                name: monitor.name,
                what,
                state: watch.state,
                incident: wrong(watch),
            })
            .collect())
    }
}

/// What of the server a monitor looks at; `None`: it looks at something else.
fn part(monitor: &Definition) -> Option<ServerPart> {
    let read: MonitorDefinition = serde_json::from_str(&monitor.body).ok()?;
    match read.check {
        CheckDefinition::Server(check) => Some(check.what),
        _ => None,
    }
}

/// What was found last, where that is a fault; else what the incident was opened for.
fn wrong(watch: Watch) -> Option<(Fault, UnixMs)> {
    let incident = watch.incident?;
    let last = watch.last.and_then(|last| last.result.fault);
    Some((last.unwrap_or(incident.fault), incident.opened_at))
}
