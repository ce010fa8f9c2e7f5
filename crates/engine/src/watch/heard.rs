//! A receipt for a page: the device was heard of, and may be rung again; or somebody acknowledges by it.

use super::doors::IncidentRefusal;
use crate::engine::Engine;
use crate::hub::Hub;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::{DefinitionNo, DeliveryId, DeviceNo, NotificationNo};
use carillon_model::monitor::{IncidentMove, Told, What};
use carillon_ports::store::StoreError;
use carillon_ports::watch::{INCIDENT_ENTRIES, StoredEntry, WatchEntry};
use std::collections::{BTreeMap, BTreeSet};

/// Somebody whom a page went to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagedUser {
    /// The incident's monitor.
    pub monitor: DefinitionNo,
    /// The incident's number.
    pub incident: u32,
    /// Who.
    pub user: String,
    /// Whether they have acknowledged since. A receipt that is sent once more must not take in hand what was given back.
    pub is_acknowledged: bool,
}

/// Receipts came. Whatever cannot be found out is left: the device is rung less than it might be, until it is heard of
/// again.
pub(crate) async fn heard(hub: &Hub, deliveries: &[DeliveryId]) {
    if !hub.directory.load().watch.has_ladders() {
        return;
    }
    if let Err(error) = written_down(hub, deliveries).await {
        tracing::warn!(%error, "that devices were heard of was not written down: {error}");
    }
}

async fn written_down(hub: &Hub, deliveries: &[DeliveryId]) -> Result<(), StoreError> {
    let mut of: BTreeMap<NotificationNo, Vec<DeliveryId>> = BTreeMap::new();
    for id in deliveries {
        of.entry(id.batch.notification()).or_default().push(*id);
    }
    let store = &hub.parts.store;
    let mut devices: Vec<DeviceNo> = Vec::new();
    for (no, deliveries) in of {
        let Some((monitor, _)) = store.incident_of(no).await? else {
            continue;
        };
        let monitor = hub.directory.load().watch.monitor(monitor).cloned();
        let Some(monitor) = monitor else {
            continue;
        };
        for id in deliveries {
            let found = store.delivery(monitor.app, id).await?;
            devices.extend(found.map(|(delivery, _)| delivery.device_no));
        }
    }
    devices.sort_unstable();
    devices.dedup();
    hub.heard_of(devices).await
}

impl Hub {
    /// These devices were heard of: they may be rung again.
    pub(super) async fn heard_of(&self, devices: Vec<DeviceNo>) -> Result<(), StoreError> {
        match devices.is_empty() {
            true => Ok(()),
            false => self.parts.store.heard_of(devices).await,
        }
    }
}

impl Engine {
    /// Of each of these deliveries, in order, whom it paged. `None`: it was no page, or its incident is not kept any more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn pages_of(
        &self,
        deliveries: &[DeliveryId],
    ) -> Result<Vec<Option<PagedUser>>, StoreError> {
        let store = self.store();
        let notifications = deliveries.iter().map(|id| id.batch.notification());
        let notifications: BTreeSet<NotificationNo> = notifications.collect();
        let mut of: BTreeMap<(DefinitionNo, u32), Vec<NotificationNo>> = BTreeMap::new();
        for no in notifications {
            if let Some(incident) = store.incident_of(no).await? {
                of.entry(incident).or_default().push(no);
            }
        }
        let mut pages: BTreeMap<NotificationNo, PagedUser> = BTreeMap::new();
        for ((monitor, incident), notifications) in of {
            let entries = store.incident_entries(monitor, incident, INCIDENT_ENTRIES);
            let entries = entries.await?;
            for no in notifications {
                let page = paged(&entries, no).map(|(user, is_acknowledged)| PagedUser {
                    monitor,
                    incident,
                    user,
                    is_acknowledged,
                });
                pages.extend(page.map(|page| (no, page)));
            }
        }
        let page = |id: &DeliveryId| pages.get(&id.batch.notification()).cloned();
        Ok(deliveries.iter().map(page).collect())
    }

    /// Acknowledges the incidents of these pages, each in the name of whoever was paged; of one incident the first counts. It
    /// is on disk when this returns. What somebody else has in hand, or is over, stays as it is.
    ///
    /// # Errors
    /// When the store cannot be read or written, or others keep changing a monitor ([`StoreError::Busy`]). Some may be
    /// acknowledged then, and it can be asked for again.
    pub async fn acknowledge_pages(&self, pages: Vec<PagedUser>) -> Result<(), StoreError> {
        let mut seen = BTreeSet::new();
        for page in pages {
            let incident = page.incident;
            if page.is_acknowledged || !seen.insert((page.monitor, incident)) {
                continue;
            }
            // Deleted a moment ago, and its incidents with it.
            let Some(monitor) = self.monitor_of(page.monitor) else {
                continue;
            };
            let wanted = IncidentMove::Acknowledge;
            let moved = self.move_incident(&monitor, incident, page.user, wanted);
            match moved.await {
                Err(IncidentRefusal::Store(error)) => return Err(error),
                Ok(_) | Err(IncidentRefusal::NoIncident(_) | IncidentRefusal::Refused(_)) => {}
            }
        }
        Ok(())
    }

    /// A monitor as it is defined now; `None`: it is gone.
    pub(super) fn monitor_of(&self, no: DefinitionNo) -> Option<Definition> {
        let directory = self.directory();
        let monitor = directory.watch.monitor(no)?;
        let found = directory.definition(monitor.app, DefinitionKind::Monitor, &monitor.name);
        found.cloned()
    }
}

/// Whom a notification has paged, and whether they have acknowledged since. Of those that tell how it went on: nobody.
fn paged(entries: &[StoredEntry], no: NotificationNo) -> Option<(String, bool)> {
    let is_it = |told: &&Told| {
        let id = told.notification.as_deref().and_then(NotificationNo::parse);
        id.is_some_and(|(found, _)| found == no)
    };
    let mut entries = entries.iter().map(|stored| &stored.what);
    let is_page = |entry: &&WatchEntry| matches!(entry.entry.what, What::Paged(_));
    let mut pages = entries.by_ref().filter(is_page);
    let told = pages.find_map(|page| page.told.iter().find(is_it))?;
    let user = told.user.clone();
    let is_theirs =
        |entry: &WatchEntry| matches!(&entry.entry.what, What::Acknowledged { by } if *by == user);
    let is_acknowledged = entries.any(is_theirs);
    Some((user, is_acknowledged))
}
