//! Which Android phones show a Live Activity: known by their registration, since they tell no token of their own for it.
//!
//! They are looked for with each step after its start, for all activities of a round together: a phone that is registered later
//! is told with whatever is told next.

use super::round::ToMove;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::live_activity::Recipient;
use carillon_model::push_type::{Reach, TokenKind};
use carillon_ports::live_activity::Startable;
use carillon_ports::store::{Person, Recipient as Reached, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// Devices by whose they are: `user:…` or `device:…`.
pub(super) type ByName = BTreeMap<String, Vec<Reached>>;

impl Shared {
    /// Android phones of the recipient of each of these, ascending: who has a push token of FCM's and none of Apple's, and is not
    /// said to be anything else. None where nobody asked for them, or the App has no credential for FCM.
    pub(super) async fn androids(
        &self,
        app: AppNo,
        all: &[ToMove],
        startable: &[Vec<Startable>],
        now: UnixMs,
    ) -> Result<Vec<Vec<i64>>, StoreError> {
        let mut androids = vec![Vec::new(); all.len()];
        let directory = self.hub.directory.load_full();
        let mut credentials = directory.credentials(app).iter();
        let (mut users, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for one in all.iter().filter(|one| one.has_androids(now)) {
            match &one.open.plan.recipient {
                Recipient::User(user) => drop(users.insert(user.clone())),
                Recipient::Device(id) => drop(ids.insert(id.clone())),
                Recipient::NewChannel(_) | Recipient::Channel(_) | Recipient::PushToken(_) => {}
            }
        }
        let is_asked = !users.is_empty() || !ids.is_empty();
        if !is_asked || !credentials.any(|of| of.gateway == Gateway::Fcm) {
            return Ok(androids);
        }
        let reach = Reach::any([TokenKind::Alert, TokenKind::Fcm]);
        let mut found = self.by_name(app, users, ids, reach).await?;
        let is_reached = |one: &Reached| one.gateway == Gateway::Fcm;
        found.values_mut().for_each(|of| of.retain(is_reached));
        let devices: BTreeSet<DeviceNo> = found.values().flatten().map(|of| of.device).collect();
        if devices.is_empty() {
            return Ok(androids);
        }
        let people = self.hub.parts.store.people(devices.into_iter().collect());
        let is_android = |person: &Person| {
            let platform = person.platform.as_deref();
            platform.is_none_or(|platform| platform.eq_ignore_ascii_case("android"))
        };
        let people = people.await?.into_iter().filter(is_android);
        let known: BTreeSet<DeviceNo> = people.map(|person| person.device).collect();
        for (at, one) in all
            .iter()
            .enumerate()
            .filter(|(_, one)| one.has_androids(now))
        {
            let names = super::round::names(&one.open.plan);
            let of = names.iter().filter_map(|name| found.get(name)).flatten();
            let is_startable = |no: DeviceNo| startable[at].iter().any(|of| of.device == no);
            let of = of.map(|of| of.device);
            let of = of.filter(|no| known.contains(no) && !is_startable(*no));
            let of: BTreeSet<i64> = of.map(|no| no.0).collect();
            androids[at] = of.into_iter().collect();
        }
        Ok(androids)
    }

    /// Devices of users and of ids, each looked up once.
    pub(super) async fn by_name(
        &self,
        app: AppNo,
        users: BTreeSet<String>,
        ids: BTreeSet<String>,
        reach: Reach,
    ) -> Result<ByName, StoreError> {
        let store = &self.hub.parts.store;
        let mut devices = ByName::new();
        if !users.is_empty() {
            let limit = self.hub.parts.config.max_devices_per_user;
            let users: Vec<String> = users.into_iter().collect();
            let found = store
                .resolve_users(app, users.clone(), reach, limit)
                .await?;
            for (user, found) in users.into_iter().zip(found) {
                devices.insert(format!("user:{user}"), found);
            }
        }
        if !ids.is_empty() {
            let ids: Vec<String> = ids.into_iter().collect();
            let found = store.resolve_devices(app, ids.clone(), reach).await?;
            for (id, found) in ids.into_iter().zip(found) {
                devices.insert(format!("device:{id}"), found.into_iter().collect());
            }
        }
        Ok(devices)
    }
}

impl ToMove {
    /// Whether its recipient's Android phones show it.
    fn has_androids(&self, now: UnixMs) -> bool {
        let open = &self.open;
        open.plan.android && !open.run.state.is_over() && now >= open.plan.starts_at
    }
}
