//! Which Android phones show a Live Activity: known by their registration, since they tell no token of their own for it.

use crate::service::Shared;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::live_activity::{Plan, Recipient};
use carillon_model::push_type::{Reach, TokenKind};
use carillon_ports::live_activity::Startable;
use carillon_ports::store::{Person, Recipient as Reached, StoreError};

impl Shared {
    /// Android phones of its recipient: who has a push token of FCM's and none of Apple's, and is not said to be anything else.
    /// `None`: the App has no credential for FCM.
    pub(super) async fn androids_of(
        &self,
        app: AppNo,
        plan: &Plan,
        startable: &[Startable],
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let hub = &self.hub;
        let directory = hub.directory.load_full();
        let mut credentials = directory.credentials(app).iter();
        if !credentials.any(|credential| credential.gateway == Gateway::Fcm) {
            return Ok(None);
        }
        let reach = Reach::any([TokenKind::Alert, TokenKind::Fcm]);
        let found = self.devices_of(app, plan, reach).await?;
        let is_startable = |no: DeviceNo| startable.iter().any(|one| one.device == no);
        let mut devices: Vec<DeviceNo> = found
            .into_iter()
            .filter(|one| one.gateway == Gateway::Fcm && !is_startable(one.device))
            .map(|one| one.device)
            .collect();
        devices.sort_unstable();
        if devices.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let people = hub.parts.store.people(devices).await?;
        let is_android = |person: &Person| {
            let platform = person.platform.as_deref();
            platform.is_none_or(|platform| platform.eq_ignore_ascii_case("android"))
        };
        let people = people.into_iter().filter(is_android);
        Ok(Some(people.map(|person| person.device.0).collect()))
    }

    /// Devices of its recipient.
    async fn devices_of(
        &self,
        app: AppNo,
        plan: &Plan,
        reach: Reach,
    ) -> Result<Vec<Reached>, StoreError> {
        let store = &self.hub.parts.store;
        let found: Vec<_> = match &plan.recipient {
            Recipient::User(user) => {
                let limit = self.hub.parts.config.max_devices_per_user;
                let users = vec![user.clone()];
                let found = store.resolve_users(app, users, reach, limit).await?;
                found.into_iter().flatten().collect()
            }
            Recipient::Device(id) => {
                let found = store.resolve_devices(app, vec![id.clone()], reach).await?;
                found.into_iter().flatten().collect()
            }
            Recipient::NewChannel(new) => {
                let (users, ids) = (new.users.clone(), new.devices.clone());
                let limit = self.hub.parts.config.max_devices_per_user;
                let of_users = store.resolve_users(app, users, reach, limit).await?;
                let mut all: Vec<_> = of_users.into_iter().flatten().collect();
                let named = store.resolve_devices(app, ids, reach).await?;
                all.extend(named.into_iter().flatten());
                all
            }
            Recipient::Channel(_) | Recipient::PushToken(_) => Vec::new(),
        };
        Ok(found)
    }
}
