//! What callers want of monitors: definitions checked before they are stored, incidents moved, jobs heard, and how they did.

use super::pages::MOST_DEVICES;
use super::plans::Monitor;
use super::secrets::IncidentLink;
use super::telling::{Telling, Turned, read};
use crate::engine::Engine;
use crate::self_watch::SERVER_APP_RULE;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::{AppNo, DefinitionNo};
use carillon_model::monitor::{
    Beat, CheckResult, IncidentMove, LadderDefinition, LadderPlan, MonitorDefinition, MonitorPlan,
    Refused, RotationDefinition, RotationPlan, Watch, Whom, cycle,
};
use carillon_model::nearest::did_you_mean;
use carillon_model::problem::FieldProblem;
use carillon_model::role::Role;
use carillon_ports::registry::Sealed;
use carillon_ports::store::StoreError;
use carillon_ports::watch::{IncidentFilter, StoredEntry, StoredIncident};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Why an incident was not moved.
#[derive(Debug)]
pub enum IncidentRefusal {
    /// There is no such incident: a sentence.
    NoIncident(String),
    /// The move is not possible.
    Refused(Refused),
    /// The store cannot be read or written, or others keep changing it ([`StoreError::Busy`]).
    Store(StoreError),
}

/// Why a job was not heard.
#[derive(Debug)]
pub enum BeatRefusal {
    /// There is no such heartbeat.
    Unknown,
    /// It listens to nobody: a sentence.
    NotHeard(String),
    /// The store cannot be read or written, or too many wait already ([`StoreError::Overloaded`]).
    Store(StoreError),
}

impl From<StoreError> for IncidentRefusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Engine {
    /// What a monitor that is to be stored says; or everything that is wrong with it at once: its own rules, circles of what
    /// it depends on, a ladder and monitors that there are not, and a place where no check may go.
    ///
    /// # Errors
    /// Pointers are into the monitor's own body.
    pub fn plan_monitor(
        &self,
        app: AppNo,
        name: &str,
        definition: &MonitorDefinition,
    ) -> Result<MonitorPlan, Vec<FieldProblem>> {
        let hub = &self.shared().hub;
        let directory = hub.directory.load();
        let (plan, mut problems) = match definition.plan() {
            Ok(plan) => (Some(plan), Vec::new()),
            Err(problems) => (None, problems),
        };
        let unknown = |pointer: String, kind: DefinitionKind, name: &str| {
            if directory.definition(app, kind, name).is_some() {
                return None;
            }
            let known = directory.definitions(app, kind);
            let hint = did_you_mean(name, known.map(|(known, _)| known.name.as_str()));
            let word = kind.as_str();
            let message = format!("expected a {word} that there is, found {name:?}{hint}");
            let code = match kind {
                DefinitionKind::Ladder => "monitor.ladder",
                _ => "monitor.depends_on",
            };
            Some(FieldProblem::new(pointer, code, message))
        };
        if let Some(ladder) = &definition.ladder {
            problems.extend(unknown(
                "/ladder".to_owned(),
                DefinitionKind::Ladder,
                ladder,
            ));
        }
        for (place, other) in definition.depends_on.iter().enumerate() {
            if other != name {
                let pointer = format!("/depends_on/{place}");
                problems.extend(unknown(pointer, DefinitionKind::Monitor, other));
            }
        }
        let of = |other: &str| {
            let found = directory.definition(app, DefinitionKind::Monitor, other);
            let monitor = found.and_then(|found| directory.watch.monitor(found.no));
            monitor.map_or(&[][..], |monitor| &monitor.definition.depends_on[..])
        };
        problems.extend(cycle(name, &definition.depends_on, of));
        if definition.check.is_server() && !self.shared().is_server_app(app) {
            let (pointer, code) = ("/check/server", "monitor.server_app");
            problems.push(FieldProblem::new(pointer, code, SERVER_APP_RULE));
        }
        if let Some(plan) = &plan
            && let Err(why) = hub.parts.checker.check(plan)
        {
            let (field, code) = match definition.check.kind() {
                "http" => ("url", "monitor.url"),
                "dns" => ("server", "monitor.dns"),
                _ => ("host", "monitor.host"),
            };
            let pointer = format!("/check/{}/{field}", definition.check.kind());
            problems.push(FieldProblem::new(pointer, code, why));
        }
        match plan {
            Some(plan) if problems.is_empty() => Ok(plan),
            _ => Err(problems),
        }
    }

    /// What a rotation that is to be stored says; or everything that is wrong with it, gaps too.
    ///
    /// # Errors
    /// Pointers are into the rotation's own body.
    pub fn plan_rotation(
        &self,
        definition: &RotationDefinition,
    ) -> Result<RotationPlan, Vec<FieldProblem>> {
        definition.plan(self.clock().now())
    }

    /// What a ladder that is to be stored says; or everything that is wrong with it: also rotations that there are not, steps
    /// that page nobody, and rings that nobody's app can take. Pointers are into the ladder's own body.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn plan_ladder(
        &self,
        app: AppNo,
        definition: &LadderDefinition,
    ) -> Result<Result<LadderPlan, Vec<FieldProblem>>, StoreError> {
        let plan = match definition.plan() {
            Ok(plan) => plan,
            Err(problems) => return Ok(Err(problems)),
        };
        let now = self.clock().now();
        let directory = self.shared().hub.directory.load_full();
        let rotation = |name: &str| {
            let found = directory.definition(app, DefinitionKind::Rotation, name)?;
            directory.watch.rotation(found.no).map(|plan| &**plan)
        };
        let mut users = BTreeSet::new();
        for step in &plan.steps {
            match (&step.whom, step.whom.rotation().and_then(rotation)) {
                (Whom::Users(some), _) => users.extend(some.iter().cloned()),
                (_, Some(rotation)) => {
                    let everybody = rotation.everybody(now).into_iter();
                    users.extend(everybody.map(str::to_owned));
                }
                _ => {}
            }
        }
        let users: Vec<String> = users.into_iter().collect();
        let phones = self.store().page_phones(app, users, MOST_DEVICES).await?;
        let has_call_screen = |user: &str| {
            let mut of_user = phones.iter().filter(|phone| phone.user == user);
            of_user.any(|phone| phone.has_call_screen)
        };
        let reaches = plan.reach(rotation, has_call_screen, now);
        Ok(reaches.map(|()| plan.clone()))
    }

    /// Those of these users who have no device that a page reaches.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn without_phone(
        &self,
        app: AppNo,
        users: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, StoreError> {
        let asked = users.iter().cloned().collect();
        let phones = self.store().page_phones(app, asked, MOST_DEVICES).await?;
        let mut without = users;
        for phone in phones {
            if phone.ring_lane.is_some() || !phone.alert_lanes.is_empty() {
                without.remove(&phone.user);
            }
        }
        Ok(without)
    }

    /// Who names a rotation, a ladder or a monitor of an App, such as `monitor shop` or `ladder night`: what is named is not
    /// deleted.
    #[must_use]
    pub fn who_names(&self, app: AppNo, kind: DefinitionKind, name: &str) -> Vec<String> {
        let directory = self.shared().hub.directory.load();
        let mut found = Vec::new();
        let monitors = directory.definitions(app, DefinitionKind::Monitor);
        for (monitor, _) in monitors {
            let Some(read) = directory.watch.monitor(monitor.no) else {
                continue;
            };
            let is_named = match kind {
                DefinitionKind::Ladder => read.definition.ladder.as_deref() == Some(name),
                DefinitionKind::Monitor => read.definition.depends_on.iter().any(|of| of == name),
                _ => false,
            };
            if is_named {
                found.push(format!("monitor {}", monitor.name));
            }
        }
        if kind == DefinitionKind::Rotation {
            for (ladder, _) in directory.definitions(app, DefinitionKind::Ladder) {
                let plan = directory.watch.ladder(ladder.no);
                let mut steps = plan.into_iter().flat_map(|plan| &plan.steps);
                if steps.any(|step| step.whom.rotation() == Some(name)) {
                    found.push(format!("ladder {}", ladder.name));
                }
            }
        }
        found
    }

    /// After a definition was stored: its record takes a turn by it at once. What a crash in between leaves undone, the
    /// leading worker makes up for.
    ///
    /// # Errors
    /// When the store cannot be read or written, or the definition cannot be read.
    pub async fn monitor_changed(&self, monitor: &Definition) -> Result<(), StoreError> {
        let monitor = Arc::new(self.readable(monitor)?);
        self.look_at_monitor(monitor).await?;
        let hub = &self.shared().hub;
        hub.bells.checks.notify_one();
        hub.wake_leader(Role::Worker);
        Ok(())
    }

    /// Before a definition is deleted: an open incident is closed, and told.
    ///
    /// # Errors
    /// When the store cannot be read or written, or the definition cannot be read.
    pub async fn monitor_leaves(&self, monitor: &Definition) -> Result<(), StoreError> {
        let mut monitor = self.readable(monitor)?;
        // As if it rested: what is open is closed then.
        monitor.plan.paused = true;
        self.look_at_monitor(Arc::new(monitor)).await
    }

    fn readable(&self, monitor: &Definition) -> Result<Monitor, StoreError> {
        Monitor::read(monitor, None)
            .map_err(|why| StoreError::Corrupt(format!("monitor {:?}: {why}", monitor.name)))
    }

    async fn look_at_monitor(&self, monitor: Arc<Monitor>) -> Result<(), StoreError> {
        let telling = Telling {
            must_write: true,
            ..Telling::look(monitor)
        };
        match self.tell_monitor(telling).await? {
            // It is gone, or was changed once more: whoever did that looks at it.
            Turned::Done(_) | Turned::Lost => Ok(()),
            Turned::Unreadable(why) => Err(StoreError::Corrupt(why)),
        }
    }

    /// In a task: a caller who goes away must not leave a step half done.
    async fn tell_monitor(&self, telling: Telling) -> Result<Turned, StoreError> {
        let shared = self.shared().clone();
        let telling = tokio::spawn(async move {
            let now = shared.hub.parts.clock.now();
            let told = shared.tell_monitors(vec![telling], now).await?;
            Ok(told.into_iter().next().unwrap_or(Turned::Lost))
        });
        let panicked = |error| {
            Err(StoreError::Failed(format!(
                "a monitor's step panicked: {error}"
            )))
        };
        telling.await.unwrap_or_else(panicked)
    }

    /// One attempt of a check of an App's, of which nothing is stored.
    pub async fn try_monitor(&self, app: AppNo, plan: &MonitorPlan) -> CheckResult {
        self.shared().attempt(app, plan).await
    }

    /// The same of a monitor that is stored, with the values of its headers.
    ///
    /// # Errors
    /// A sentence: the definition or the values cannot be read.
    pub async fn try_stored_monitor(
        &self,
        monitor: &Definition,
        sealed: Option<&Sealed>,
    ) -> Result<CheckResult, String> {
        let shared = self.shared();
        let plan = Monitor::read(monitor, sealed)?.opened(&*shared.hub.parts.secrets)?;
        Ok(shared.attempt(monitor.app, &plan).await)
    }

    /// What is remembered of monitors, in order; of one that has no record yet, what a new one is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn watched(&self, monitors: &[Definition]) -> Result<Vec<Watch>, StoreError> {
        let nos = monitors.iter().map(|monitor| monitor.no).collect();
        let found = self.store().watches(nos).await?;
        let watches = found.into_iter().map(|stored| match stored {
            Some(Ok(stored)) => read(&stored).map_err(StoreError::Corrupt),
            Some(Err(unreadable)) => Err(StoreError::Corrupt(unreadable.why)),
            None => Ok(Watch::default()),
        });
        watches.collect()
    }

    /// Moves an incident of a monitor, in the name of `by`.
    ///
    /// # Errors
    /// See [`IncidentRefusal`]. Nothing was changed then.
    pub async fn move_incident(
        &self,
        monitor: &Definition,
        no: u32,
        by: String,
        wanted: IncidentMove,
    ) -> Result<StoredIncident, IncidentRefusal> {
        let monitor = Arc::new(self.readable(monitor)?);
        let app = monitor.app;
        let number = monitor.no;
        let telling = Telling {
            events: vec![wanted.event(no, by.clone())],
            ..Telling::look(monitor)
        };
        match self.tell_monitor(telling).await? {
            Turned::Done(done) => match done.refused.into_iter().flatten().next() {
                None => {}
                Some(gone @ Refused::NoIncident(_)) => {
                    return Err(IncidentRefusal::NoIncident(gone.to_string()));
                }
                Some(refused) => return Err(IncidentRefusal::Refused(refused)),
            },
            Turned::Lost => return Err(IncidentRefusal::Store(StoreError::Busy)),
            Turned::Unreadable(why) => {
                return Err(IncidentRefusal::Store(StoreError::Corrupt(why)));
            }
        }
        self.heard_of_user(app, by).await;
        let found = self.store().incident(number, no).await?;
        found.ok_or_else(|| IncidentRefusal::NoIncident(Refused::NoIncident(no).to_string()))
    }

    /// Somebody has moved an incident: their devices may be rung again.
    async fn heard_of_user(&self, app: AppNo, user: String) {
        let hub = &self.shared().hub;
        let heard = async {
            let phones = hub.parts.store.page_phones(app, vec![user], MOST_DEVICES);
            let devices = phones.await?.into_iter().map(|phone| phone.device);
            hub.heard_of(devices.collect()).await
        };
        if let Err(error) = heard.await {
            // They are rung less than they might be, until they are heard of again.
            tracing::warn!(%app, %error, "that somebody moved an incident was not written down: {error}");
        }
    }

    /// Incidents of an App, the latest opened first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn incidents(
        &self,
        app: AppNo,
        filter: IncidentFilter,
    ) -> Result<Vec<StoredIncident>, StoreError> {
        self.store().incidents(app, filter).await
    }

    /// One incident of a monitor.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn incident(
        &self,
        monitor: DefinitionNo,
        no: u32,
    ) -> Result<Option<StoredIncident>, StoreError> {
        self.store().incident(monitor, no).await
    }

    /// What happened to it: the newest `limit`, the oldest of them first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn incident_entries(
        &self,
        monitor: DefinitionNo,
        no: u32,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        self.store().incident_entries(monitor, no, limit).await
    }

    /// A job tells something, by the secret of its URL. It is on disk when this returns.
    ///
    /// # Errors
    /// See [`BeatRefusal`].
    pub async fn beat(&self, secret: &str, beat: Beat) -> Result<(), BeatRefusal> {
        let hub = &self.shared().hub;
        let monitor = self.heartbeat(secret).ok_or(BeatRefusal::Unknown)?;
        if monitor.plan.paused {
            let name = &monitor.name;
            return Err(BeatRefusal::NotHeard(format!(
                "the monitor {name:?} is paused, and hears nothing until it goes on"
            )));
        }
        hub.watching.bring(hub, monitor, beat).await
    }

    /// Whether a heartbeat of ours has this secret: of any other nothing need be read.
    #[must_use]
    pub fn has_heartbeat(&self, secret: &str) -> bool {
        self.heartbeat(secret).is_some()
    }

    fn heartbeat(&self, secret: &str) -> Option<Arc<Monitor>> {
        let hub = &self.shared().hub;
        let directory = hub.directory.load_full();
        let find = |no| directory.watch.monitor(no).cloned();
        hub.watching.keys.read_heartbeat(secret, find)
    }

    /// The monitor that a link to an incident is about, as it is defined now; `None`: it is gone.
    #[must_use]
    pub fn monitor_of_link(&self, link: &IncidentLink) -> Option<Definition> {
        let found = self.monitor_of(link.monitor);
        found.filter(|found| found.app == link.app)
    }
}
