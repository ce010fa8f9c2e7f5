//! An incident on lock screens while it lasts: a Live Activity for each who was paged, by the same door as any other.
//!
//! After a step what is shown is made to be as the incident is by then, whatever the step was. What a crash in between left
//! behind, the next leading worker makes up for; pages hang on none of this.

use super::plans::Monitor;
use super::turning::Turning;
use crate::later::shown;
use crate::live_activity::ActivityRefusal;
use crate::service::Shared;
use crate::tray::Tray;
use aws_lc_rs::digest;
use carillon_model::id::AppNo;
use carillon_model::live_activity::{
    ActivityAlert, ActivityChange, ActivityRequest, EndRequest, Recipient, StartBy,
};
use carillon_model::monitor::{What, collapse_id};
use carillon_ports::store::StoreError;
use carillon_ports::watch::{INCIDENT_ENTRIES, IncidentFilter, StoredIncident};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

/// Incidents that wait to be shown; of more nothing is shown until their next step.
const WAITING: usize = 1_024;
/// An incident is shown to at most so many people.
const MOST_PEOPLE: usize = 20;
/// How long one that is over stays on the lock screen.
const DISMISS_AFTER: &str = "5m";

/// Of an App's incidents so many are looked at, the latest, when a worker begins to lead.
const LOOKED_AT: u32 = 500;
/// What was over so long before is not looked at then: whoever led since has ended what was shown of it.
const LOOKED_BACK_MS: i64 = 3_600_000;

/// Where incidents are brought that are to be shown.
pub(super) type Screens = Tray<(Arc<Monitor>, u32), WAITING>;

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let hub = &shared.hub;
    let mut waiting = hub.watching.screens.waiting().await;
    while let Some((monitor, no)) = waiting.recv().await {
        if let Err(error) = shared.show(&monitor, no).await {
            let name = &monitor.name;
            tracing::warn!(app = %monitor.app, monitor = name, incident = no, %error, "what lock screens show of an incident is behind: {error}");
        }
    }
}

/// Brings what is open, or was a moment ago: the process that took its last step may not have come to show it.
pub(super) async fn catch_up(shared: &Arc<Shared>) -> Result<(), StoreError> {
    let hub = &shared.hub;
    let directory = hub.directory.load_full();
    let shown = |monitor: &&Arc<Monitor>| monitor.definition.live_activity.is_some();
    let monitors = directory.watch.monitors().filter(shown);
    let apps: BTreeSet<AppNo> = monitors.map(|monitor| monitor.app).collect();
    let since = hub.parts.clock.now().saturating_sub(LOOKED_BACK_MS);
    for app in apps {
        let filter = IncidentFilter {
            limit: LOOKED_AT,
            ..IncidentFilter::default()
        };
        let incidents = match hub.parts.store.incidents(app, filter).await {
            Err(StoreError::Corrupt(why)) => {
                tracing::warn!(%app, "what lock screens show of incidents is left as it is: {why}");
                continue;
            }
            incidents => incidents?,
        };
        for incident in incidents {
            let is_late = matches!(&incident.resolved, Some((_, at)) if *at < since);
            let monitor = directory.watch.monitor(incident.monitor);
            if let Some(monitor) = monitor.filter(shown).filter(|_| !is_late)
                && let Err(error) = shared.show(monitor, incident.no).await
            {
                let name = &monitor.name;
                tracing::warn!(app = %app, monitor = name, incident = incident.no, %error, "what lock screens show of an incident is behind: {error}");
            }
        }
    }
    Ok(())
}

impl Shared {
    /// A step of a monitor is on disk: what is shown of its incident follows.
    pub(super) fn show_incident(&self, turning: &Turning) {
        let Some(about) = &turning.about else {
            return;
        };
        let matters = turning.entries.iter().any(|entry| {
            matches!(
                entry.entry.what,
                What::Paged(_)
                    | What::Acknowledged { .. }
                    | What::Unacknowledged { .. }
                    | What::Resolved { .. }
            )
        });
        if turning.monitor.definition.live_activity.is_none() || !matters {
            return;
        }
        let shown = (turning.monitor.clone(), about.no);
        if !self.hub.watching.screens.try_bring(shown) {
            let monitor = &turning.monitor.name;
            tracing::warn!(app = %turning.monitor.app, monitor, "so many incidents are to be shown that this one waits for its next step");
        }
    }

    async fn show(self: &Arc<Self>, monitor: &Monitor, no: u32) -> Result<(), StoreError> {
        let store = &self.hub.parts.store;
        let (Some(name), Some(incident)) = (
            &monitor.definition.live_activity,
            store.incident(monitor.no, no).await?,
        ) else {
            return Ok(());
        };
        let entries = store.incident_entries(monitor.no, no, INCIDENT_ENTRIES);
        let entries = entries.await?;
        let told = entries.into_iter().flat_map(|entry| entry.what.told);
        let reached = told.filter(|told| told.how.is_some());
        let people: BTreeSet<String> = reached.map(|told| told.user).collect();
        for user in people.into_iter().take(MOST_PEOPLE) {
            let id = id(monitor.no.0, no, &user);
            if let Err(refusal) = self.show_to(monitor, name, &incident, &id, user).await? {
                tracing::warn!(app = %monitor.app, monitor = monitor.name, live_activity = id, "an incident is not shown: {refusal:?}");
            }
        }
        Ok(())
    }

    /// Declares, changes or ends the one of this user.
    async fn show_to(
        self: &Arc<Self>,
        monitor: &Monitor,
        attributes_type: &str,
        incident: &StoredIncident,
        id: &str,
        user: String,
    ) -> Result<Result<(), ActivityRefusal>, StoreError> {
        let store = &self.hub.parts.store;
        let known = store.live_activity(monitor.app, id.to_owned()).await?;
        let state = state(incident);
        let answer = match (known, incident.resolved.is_some()) {
            (None, true) => return Ok(Ok(())),
            (None, false) => {
                let request = request(monitor, attributes_type, incident, user, state);
                self.put_activity(monitor.app, id, request).await?
            }
            (Some(_), false) => {
                let change = ActivityChange {
                    content_state: Some(state),
                    ..ActivityChange::default()
                };
                self.change_activity(monitor.app, id, &change).await?
            }
            (Some(_), true) => {
                let end = EndRequest {
                    content_state: Some(state),
                    dismiss_after: Some(DISMISS_AFTER.to_owned()),
                    alert: None,
                };
                self.end_activity(monitor.app, id, &end).await?
            }
        };
        Ok(match answer {
            // It was ended by its phones, or by itself after hours.
            Ok(_) | Err(ActivityRefusal::Over(_)) => Ok(()),
            Err(refusal) => Err(refusal),
        })
    }
}

/// One for each who is paged: users have ids that this need not have.
fn id(monitor: i64, incident: u32, user: &str) -> String {
    let hash = digest::digest(&digest::SHA256, user.as_bytes());
    let mut id = collapse_id(monitor, incident);
    id.push('-');
    for byte in &hash.as_ref()[..4] {
        // Writing to a text does not fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

fn state(incident: &StoredIncident) -> Map<String, Value> {
    let (by, since) = match (&incident.resolved, &incident.acknowledged) {
        (Some((_, at)), _) => (None, *at),
        (None, Some((by, at))) => (Some(by.as_str()), *at),
        (None, None) => (None, incident.opened_at),
    };
    let state = json!({
        "state": incident.state().as_str(),
        "fault": incident.fault.message,
        "by": by.unwrap_or_default(),
        "since": {"$date": shown(since)},
    });
    match state {
        Value::Object(state) => state,
        _ => Map::new(),
    }
}

fn request(
    monitor: &Monitor,
    attributes_type: &str,
    incident: &StoredIncident,
    user: String,
    state: Map<String, Value>,
) -> ActivityRequest {
    let mut attributes = Map::new();
    attributes.insert("monitor".to_owned(), monitor.name.as_str().into());
    attributes.insert("incident".to_owned(), incident.no.into());
    ActivityRequest {
        recipient: Recipient::User(user),
        attributes_type: attributes_type.to_owned(),
        attributes,
        content_state: state,
        alert: Some(ActivityAlert {
            title: format!("{} is down", monitor.name),
            body: incident.fault.message.clone(),
            sound: None,
            template: None,
        }),
        start: StartBy::Push,
        starts_at: None,
        ends_at: None,
        stale_after: None,
        phases: Vec::new(),
        end: EndRequest::default(),
        on_silence: None,
        relevance: Some(100.0),
        frequent: false,
        android: false,
        data: Map::new(),
    }
}
