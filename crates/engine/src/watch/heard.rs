//! A receipt for a page: the device was heard of, and may be rung again.

use crate::hub::Hub;
use carillon_model::id::{DeliveryId, DeviceNo, NotificationNo};
use carillon_ports::store::StoreError;
use std::collections::BTreeMap;

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
    match devices.is_empty() {
        true => Ok(()),
        false => store.heard_of(devices).await,
    }
}
