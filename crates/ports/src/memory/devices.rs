//! Devices and push tokens of the fake.

use super::state::{DeviceRow, Owner, State};
use crate::own_device::{OwnDeletion, OwnRegistered, OwnRegistration, is_own};
use crate::registry::{Device, DeviceFilter, DeviceStats, Registered};
use crate::store::{NewEvent, Person, Recipient};
use carillon_model::UnixMs;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo, public};
use carillon_model::lane::Gateway;
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::{Reach, TokenKind};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

impl DeviceRow {
    /// Its public id: the caller's, else one of ours.
    pub(super) fn id(&self, no: DeviceNo) -> String {
        let own = self.registration.id.clone();
        own.unwrap_or_else(|| public("dev", self.created_at, no.0))
    }
}

impl State {
    pub(super) fn app_of(&self, device: DeviceNo) -> Option<AppNo> {
        self.devices.get(&device).map(|row| row.app)
    }

    pub(super) fn device_no(&self, app: AppNo, id: &str) -> Option<DeviceNo> {
        let mut of_app = self.devices.iter().filter(|(_, row)| row.app == app);
        of_app
            .find(|(no, row)| row.id(**no) == id)
            .map(|(no, _)| *no)
    }

    pub(super) fn devices_of(&self, app: AppNo, user: &str) -> impl Iterator<Item = DeviceNo> {
        let of_app = self.devices.iter().filter(move |(_, row)| row.app == app);
        of_app
            .filter(move |(_, row)| row.registration.user_id.as_deref() == Some(user))
            .map(|(no, _)| *no)
    }

    /// Whether it has a push token within reach that is not retired.
    pub(super) fn is_within_reach(&self, device: DeviceNo, reach: Reach) -> bool {
        reach.iter().any(|kind| {
            let found = self.push_tokens.get(&(device, kind));
            found.is_some_and(|found| found.retired_at.is_none())
        })
    }

    pub(super) fn recipient(&self, device: DeviceNo, reach: Reach) -> Recipient {
        let push_tokens = reach.iter().filter_map(|kind| {
            let found = self.push_tokens.get(&(device, kind))?;
            Some((kind, found.environment, found.retired_at.is_some()))
        });
        Recipient::choose(device, reach, push_tokens)
    }

    pub(super) fn person(&self, no: DeviceNo) -> Option<Person> {
        let row = self.devices.get(&no)?;
        let known = &row.registration;
        Some(Person {
            device: no,
            id: row.id(no),
            user_id: known.user_id.clone(),
            locale: known.locale.clone(),
            time_zone: known.time_zone.clone(),
            app_version: known.app_version.clone(),
            platform: known.platform.clone(),
            tags: known.tags.clone(),
            topics: known.topics.clone(),
            attributes: known.attributes.clone(),
            last_seen_at: row.last_seen_at,
            created_at: row.created_at,
        })
    }

    pub(super) fn owner(
        &self,
        app: AppNo,
        kind: TokenKind,
        bytes: &PushTokenBytes,
    ) -> Option<DeviceNo> {
        let mut all = self.push_tokens.values();
        all.find(|found| {
            found.kind == kind && found.bytes == *bytes && self.app_of(found.device) == Some(app)
        })
        .map(|found| found.device)
    }

    pub(super) fn resolve_push_token(
        &mut self,
        app: AppNo,
        bytes: PushTokenBytes,
        kind: TokenKind,
        declared: TokenEnvironment,
        now: UnixMs,
    ) -> Recipient {
        if let Some(device) = self.owner(app, kind, &bytes) {
            if let Some(found) = self.push_tokens.get_mut(&(device, kind))
                && declared != TokenEnvironment::Auto
            {
                found.environment = declared;
            }
            return self.recipient(device, Reach::only(kind));
        }
        let registration = DeviceRegistration {
            push_tokens: vec![PushTokenRegistration::new(kind, bytes, declared)],
            ..DeviceRegistration::default()
        };
        let made = self.register(app, registration, now);
        self.recipient(made.no, Reach::only(kind))
    }

    pub(super) fn register(
        &mut self,
        app: AppNo,
        registration: DeviceRegistration,
        now: UnixMs,
    ) -> Registered {
        let known = match &registration.id {
            Some(id) => self.device_no(app, id),
            None => self.meant(app, &registration),
        };
        self.register_as(app, known, registration, now)
    }

    /// The device that a registration without an id is about.
    fn meant(&self, app: AppNo, registration: &DeviceRegistration) -> Option<DeviceNo> {
        let replaced = registration.replaces.iter();
        let mut replaced = replaced.filter_map(|old| self.owner(app, old.kind, &old.bytes));
        let current = registration.push_tokens.iter();
        let mut current = current
            .filter_map(|new| self.owner(app, new.kind, &new.bytes))
            .filter(|owner| {
                !registration.replaces.is_empty() || self.devices[owner].registration.id.is_none()
            });
        replaced.next().or_else(|| current.next())
    }

    fn register_as(
        &mut self,
        app: AppNo,
        known: Option<DeviceNo>,
        mut registration: DeviceRegistration,
        now: UnixMs,
    ) -> Registered {
        let push_tokens = std::mem::take(&mut registration.push_tokens);
        for old in std::mem::take(&mut registration.replaces) {
            if let Some(owner) = self.owner(app, old.kind, &old.bytes) {
                self.push_tokens.remove(&(owner, old.kind));
            }
        }
        let no = known.unwrap_or_else(|| DeviceNo(self.number()));
        let row = self.devices.entry(no).or_insert_with(|| DeviceRow {
            app,
            registration: registration.clone(),
            generation: 0,
            secret_hash: None,
            created_at: now,
            last_seen_at: now,
        });
        registration.id = row.registration.id.take();
        (row.registration, row.last_seen_at) = (registration, now);
        row.generation += 1;
        let (generation, id) = (row.generation, row.id(no));
        for new in push_tokens {
            self.put_push_token(app, no, generation, new, now);
        }
        self.evict(app, no, now);
        Registered {
            no,
            id,
            created: known.is_none(),
        }
    }

    /// Deletes what the user of this device has beyond the App's limit.
    fn evict(&mut self, app: AppNo, newest: DeviceNo, now: UnixMs) {
        let most = self
            .apps
            .get(&app)
            .map_or(0, |app| app.settings.max_devices_per_user);
        let Some(user) = self.devices[&newest].registration.user_id.clone() else {
            return;
        };
        if most == 0 {
            return;
        }
        let mut others: Vec<_> = self
            .devices_of(app, &user)
            .filter(|no| *no != newest)
            .map(|no| (self.devices[&no].last_seen_at, no))
            .collect();
        others.sort_unstable();
        let room = most as usize - 1;
        let surplus = others.len().saturating_sub(room);
        let by = self.devices[&newest].id(newest);
        for (last_seen_at, no) in others.drain(..surplus) {
            let id = self.devices[&no].id(no);
            let event = NewEvent::device_evicted(app, &id, &by, last_seen_at);
            self.delete_device(no);
            self.append(event, now);
        }
    }

    pub(super) fn register_own(
        &mut self,
        app: AppNo,
        own: OwnRegistration,
        now: UnixMs,
    ) -> Option<OwnRegistered> {
        let OwnRegistration {
            mut device,
            shown,
            fresh,
        } = own;
        let proven = device.user_id.clone();
        let is_own = |no: &DeviceNo| {
            let row = &self.devices[no];
            let stored = (row.secret_hash, row.registration.user_id.as_deref());
            is_own(stored, shown, proven.as_deref())
        };
        device.replaces.retain(|old| {
            let owner = self.owner(app, old.kind, &old.bytes);
            owner.as_ref().is_some_and(is_own)
        });
        let known = match &device.id {
            Some(id) => match self.device_no(app, id) {
                Some(no) if !is_own(&no) => return None,
                known => known,
            },
            None => self.meant(app, &device).filter(is_own),
        };
        if let Some(row) = known.and_then(|no| self.devices.get(&no)) {
            device.tags = row.registration.tags.clone();
            device.attributes = row.registration.attributes.clone();
        }
        let registered = self.register_as(app, known, device, now);
        if let Some(row) = self.devices.get_mut(&registered.no) {
            row.secret_hash = Some(shown.unwrap_or(fresh));
        }
        Some(OwnRegistered {
            registered,
            is_fresh: shown.is_none(),
        })
    }

    pub(super) fn delete_own(
        &mut self,
        app: AppNo,
        id: &str,
        only: Option<TokenKind>,
        shown: [u8; 32],
    ) -> OwnDeletion {
        let Some(no) = self.device_no(app, id) else {
            return OwnDeletion::Unknown;
        };
        if !is_own((self.devices[&no].secret_hash, None), Some(shown), None) {
            return OwnDeletion::NotOwn;
        }
        let Some(kind) = only else {
            self.delete_device(no);
            return OwnDeletion::Deleted;
        };
        match self.push_tokens.remove(&(no, kind)) {
            Some(_) => OwnDeletion::Deleted,
            None => OwnDeletion::NoPushToken,
        }
    }

    pub(super) fn stats(&self, app: AppNo, stale_before: UnixMs) -> DeviceStats {
        let mut stats = DeviceStats::default();
        let mut platforms: BTreeMap<Option<String>, u64> = BTreeMap::new();
        let mut gateways: BTreeMap<Gateway, u64> = BTreeMap::new();
        for (no, row) in self.devices.iter().filter(|(_, row)| row.app == app) {
            stats.total += 1;
            stats.stale += u64::from(row.last_seen_at < stale_before);
            *platforms
                .entry(row.registration.platform.clone())
                .or_default() += 1;
            let living = TokenKind::ALL.iter().filter(|kind| {
                let found = self.push_tokens.get(&(*no, **kind));
                found.is_some_and(|found| found.retired_at.is_none())
            });
            let reached: BTreeSet<_> = living.map(|kind| kind.gateway()).collect();
            for gateway in reached {
                *gateways.entry(gateway).or_default() += 1;
            }
        }
        stats.platforms = platforms.into_iter().collect();
        stats.platforms.sort_by_key(|(_, count)| Reverse(*count));
        stats.platforms.truncate(100);
        stats.gateways = gateways.into_iter().collect();
        stats
    }

    pub(super) fn is_wanted(&self, no: DeviceNo, filter: &DeviceFilter) -> bool {
        let row = &self.devices[&no];
        let known = &row.registration;
        let same =
            |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        let among = |wanted: &Option<String>, found: &[String]| {
            wanted.as_ref().is_none_or(|wanted| found.contains(wanted))
        };
        filter.after.is_none_or(|after| no > after)
            && same(&filter.user_id, &known.user_id)
            && same(&filter.platform, &known.platform)
            && among(&filter.tag, &known.tags)
            && among(&filter.topic, &known.topics)
            && filter.seen_before.is_none_or(|at| row.last_seen_at < at)
            && filter.seen_since.is_none_or(|at| row.last_seen_at >= at)
    }

    fn put_push_token(
        &mut self,
        app: AppNo,
        device: DeviceNo,
        generation: u32,
        new: PushTokenRegistration,
        now: UnixMs,
    ) {
        let owner = self.owner(app, new.kind, &new.bytes);
        let found = owner.and_then(|owner| self.push_tokens.remove(&(owner, new.kind)));
        let environment = match (new.environment, &found) {
            (TokenEnvironment::Auto, Some(found)) => found.environment,
            (declared, _) => declared,
        };
        let known = found.as_ref().and_then(|found| found.registered_at);
        let retired_at = found.and_then(|found| found.retired_at);
        let push_token = PushToken {
            device,
            kind: new.kind,
            bytes: new.bytes,
            environment,
            generation,
            registered_at: new.registered_at.after(known, now),
            retired_at: retired_at.filter(|at| !new.registered_at.revives(*at)),
        };
        self.push_tokens.insert((device, new.kind), push_token);
    }

    pub(super) fn device(&self, no: DeviceNo) -> Option<Device> {
        let row = self.devices.get(&no)?;
        let push_tokens: Vec<_> = TokenKind::ALL
            .iter()
            .filter_map(|kind| self.push_tokens.get(&(no, *kind)).cloned())
            .collect();
        let mut registration = row.registration.clone();
        registration.push_tokens = push_tokens
            .iter()
            .map(PushTokenRegistration::from)
            .collect();
        Some(Device {
            no,
            id: row.id(no),
            registration,
            push_tokens,
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
        })
    }

    pub(super) fn delete_device(&mut self, no: DeviceNo) {
        self.devices.remove(&no);
        self.push_tokens.retain(|(device, _), _| *device != no);
        self.badges.remove(&Owner::Device(no));
        self.live_activities.forget_device(no);
        self.watching.forget_device(no);
    }
}
