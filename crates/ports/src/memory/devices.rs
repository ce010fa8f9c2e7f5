//! Devices and push tokens of the fake.

use super::state::{DeviceRow, Owner, State};
use crate::registry::{Device, Registered};
use crate::store::{Person, Recipient};
use carillon_model::UnixMs;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo, public};
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::{Reach, TokenKind};

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
        })
    }

    fn owner(&self, app: AppNo, kind: TokenKind, bytes: &PushTokenBytes) -> Option<DeviceNo> {
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
            push_tokens: vec![PushTokenRegistration {
                kind,
                bytes,
                environment: declared,
            }],
            ..DeviceRegistration::default()
        };
        let made = self.register(app, registration, now);
        self.recipient(made.no, Reach::only(kind))
    }

    pub(super) fn register(
        &mut self,
        app: AppNo,
        mut registration: DeviceRegistration,
        now: UnixMs,
    ) -> Registered {
        let push_tokens = std::mem::take(&mut registration.push_tokens);
        let known = match &registration.id {
            Some(id) => self.device_no(app, id),
            None => push_tokens
                .iter()
                .filter_map(|new| self.owner(app, new.kind, &new.bytes))
                .find(|owner| self.devices[owner].registration.id.is_none()),
        };
        let no = known.unwrap_or_else(|| DeviceNo(self.number()));
        let row = self.devices.entry(no).or_insert_with(|| DeviceRow {
            app,
            registration: registration.clone(),
            generation: 0,
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
        Registered {
            no,
            id,
            created: known.is_none(),
        }
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
        let environment = match (new.environment, found) {
            (TokenEnvironment::Auto, Some(found)) => found.environment,
            (declared, _) => declared,
        };
        let push_token = PushToken {
            device,
            kind: new.kind,
            bytes: new.bytes,
            environment,
            generation,
            registered_at: now,
            retired_at: None,
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
            .map(|found| PushTokenRegistration {
                kind: found.kind,
                bytes: found.bytes.clone(),
                environment: found.environment,
            })
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
    }
}
