//! The registry of the fake.

use super::MemoryStore;
use super::state::{Owner, State};
use crate::own_device::{OwnDeletion, OwnRegistered, OwnRegistration};
use crate::preferences::{PreferencesPut, StoredPreferences};
use crate::registry::{
    Actor, ApiKey, AuditEntry, Device, DeviceFilter, DeviceStats, Directory, NewSecret, Registered,
    Registry, Resealer, Sealed,
};
use crate::segment::{SegmentFilter, SegmentSlice};
use crate::store::{Result, StoreError};
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::app::{App, AppSettings};
use carillon_model::credential::{Credential, CredentialFacts};
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::device::DeviceRegistration;
use carillon_model::id::{ApiKeyNo, AppNo, CredentialNo, DefinitionNo, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::preferences::Preferences;
use carillon_model::push_type::TokenKind;
use carillon_model::segment::{Sampling, SegmentSample};
use std::collections::BTreeSet;

#[async_trait]
impl Registry for MemoryStore {
    async fn directory(&self) -> Result<Directory> {
        let state = self.read();
        let valid = state.api_keys.iter().filter(|key| key.revoked_at.is_none());
        Ok(Directory {
            apps: state.apps.values().cloned().collect(),
            credentials: state.credentials.values().cloned().collect(),
            api_keys: valid.cloned().collect(),
            preferring: state.preferring.iter().copied().collect(),
            definitions: state.definitions.values().cloned().collect(),
        })
    }

    async fn put_app(
        &self,
        id: String,
        name: String,
        settings: AppSettings,
        now: UnixMs,
        by: Actor,
    ) -> Result<(App, bool)> {
        let mut state = self.write()?;
        let known = state.apps.values().find(|app| app.id == id).cloned();
        let app = App {
            no: match &known {
                Some(known) => known.no,
                None => AppNo(state.number()),
            },
            created_at: known.as_ref().map_or(now, |known| known.created_at),
            updated_at: now,
            id,
            name,
            settings,
        };
        state.note(now, by, "app.put", &app.id);
        state.apps.insert(app.no, app.clone());
        Ok((app, known.is_none()))
    }

    async fn delete_app(&self, app: AppNo, now: UnixMs, by: Actor) -> Result<bool> {
        let mut state = self.write()?;
        let Some(gone) = state.apps.remove(&app) else {
            return Ok(false);
        };
        state.credentials.retain(|(of, _), _| *of != app);
        state.api_keys.retain(|key| key.app != Some(app));
        state.definitions.retain(|(of, ..), _| *of != app);
        state.close_webhooks_of(app);
        state.unname_lists(now, |list| list.app == app);
        state.digests.retain(|_, (open, _)| open.app != app);
        state.throttles.retain(|_, (of, _)| *of != app);
        state.deleted_apps.insert(app);
        state.note(now, by, "app.delete", &gone.id);
        Ok(true)
    }

    async fn credential_no(&self, app: AppNo, name: String) -> Result<CredentialNo> {
        let mut state = self.write()?;
        let known = state
            .credentials
            .get(&(app, name))
            .map(|(known, _)| known.no);
        Ok(known.unwrap_or_else(|| CredentialNo(state.number())))
    }

    async fn put_credential(
        &self,
        no: CredentialNo,
        app: AppNo,
        name: String,
        gateway: Gateway,
        facts: CredentialFacts,
        secret: Sealed,
        now: UnixMs,
        by: Actor,
    ) -> Result<Credential> {
        let mut state = self.write()?;
        let key = (app, name.clone());
        let older = state.credentials.get(&key).map(|(older, _)| older.clone());
        let credential = Credential {
            no,
            app,
            name,
            gateway,
            facts,
            version: older.as_ref().map_or(1, |older| older.version + 1),
            created_at: older.map_or(now, |older| older.created_at),
            updated_at: now,
        };
        state.note_in(now, by, "credential.put", app, &credential.name);
        state.credentials.insert(key, (credential.clone(), secret));
        Ok(credential)
    }

    async fn delete_credential(
        &self,
        app: AppNo,
        name: String,
        now: UnixMs,
        by: Actor,
    ) -> Result<bool> {
        let mut state = self.write()?;
        let deleted = state.credentials.remove(&(app, name.clone())).is_some();
        if deleted {
            state.note_in(now, by, "credential.delete", app, &name);
        }
        Ok(deleted)
    }

    async fn definition_no(
        &self,
        app: AppNo,
        kind: DefinitionKind,
        name: String,
    ) -> Result<DefinitionNo> {
        let mut state = self.write()?;
        let known = state.definitions.get(&(app, kind, name));
        let known = known.map(|(definition, _)| definition.no);
        Ok(known.unwrap_or_else(|| DefinitionNo(state.number())))
    }

    async fn put_definition(
        &self,
        no: DefinitionNo,
        app: AppNo,
        kind: DefinitionKind,
        name: String,
        body: String,
        secret: Option<Sealed>,
        now: UnixMs,
        by: Actor,
    ) -> Result<Definition> {
        let definition = Definition {
            no,
            app,
            kind,
            name,
            version: 1,
            body,
            created_at: now,
            updated_at: now,
        };
        Ok(self.write()?.put_definition(definition, secret, by))
    }

    async fn change_definition(
        &self,
        read: Definition,
        body: String,
        secret: NewSecret,
        now: UnixMs,
        by: Actor,
    ) -> Result<Option<Definition>> {
        let mut state = self.write()?;
        let key = (read.app, read.kind, read.name.clone());
        let current = state.definitions.get(&key);
        let current =
            current.filter(|(found, _)| (found.no, found.version) == (read.no, read.version));
        let Some(former) = current.map(|(_, secret)| secret.clone()) else {
            return Ok(None);
        };
        let secret = match secret {
            NewSecret::Same => former,
            NewSecret::Is(secret) => secret,
        };
        let changed = Definition {
            body,
            updated_at: now,
            ..read
        };
        Ok(Some(state.put_definition(changed, secret, by)))
    }

    async fn delete_definition(
        &self,
        app: AppNo,
        kind: DefinitionKind,
        name: String,
        now: UnixMs,
        by: Actor,
    ) -> Result<bool> {
        let mut state = self.write()?;
        let gone = state.take_definition((app, kind, name.clone()), now);
        if let Some(gone) = &gone {
            state.close_definition(gone, now);
            state.note_in(now, by, &format!("{}.delete", kind.as_str()), app, &name);
        }
        Ok(gone.is_some())
    }

    async fn definition_version(&self, no: DefinitionNo, version: u32) -> Result<Option<String>> {
        let state = self.read();
        let mut current = state.definitions.values().map(|(definition, _)| definition);
        let current = current.find(|found| found.no == no && found.version == version);
        let replaced = || state.definition_versions.get(&(no, version));
        let body = current.map(|found| &found.body);
        Ok(body.or_else(|| replaced().map(|(_, body)| body)).cloned())
    }

    async fn provider_token(&self, name: String) -> Result<Option<Sealed>> {
        Ok(self.read().provider_tokens.get(&name).cloned())
    }

    async fn put_provider_token(&self, name: String, sealed: Sealed, _now: UnixMs) -> Result<()> {
        self.write()?.provider_tokens.insert(name, sealed);
        Ok(())
    }

    async fn first_provider_token(
        &self,
        name: String,
        sealed: Sealed,
        _now: UnixMs,
    ) -> Result<Sealed> {
        let mut state = self.write()?;
        Ok(state.provider_tokens.entry(name).or_insert(sealed).clone())
    }

    async fn reseal(&self, with: Resealer, now: UnixMs, by: Actor) -> Result<u64> {
        let mut state = self.write()?;
        let mut credentials = state.credentials.clone();
        let mut provider_tokens = state.provider_tokens.clone();
        for (credential, sealed) in credentials.values_mut() {
            let row = credential.no.to_string();
            *sealed = with("credentials", "secret", &row, sealed).map_err(StoreError::Failed)?;
        }
        for (name, sealed) in &mut provider_tokens {
            *sealed =
                with("provider_tokens", "secret", name, sealed).map_err(StoreError::Failed)?;
        }
        let mut definitions = state.definitions.clone();
        let mut rows = (credentials.len() + provider_tokens.len()) as u64;
        for (definition, sealed) in definitions.values_mut() {
            if let Some(sealed) = sealed {
                let row = definition.no.to_string();
                *sealed =
                    with("definitions", "secret", &row, sealed).map_err(StoreError::Failed)?;
                rows += 1;
            }
        }
        (state.credentials, state.provider_tokens) = (credentials, provider_tokens);
        state.definitions = definitions;
        state.note(now, by, "master_key.rotate", &format!("{rows} secrets"));
        Ok(rows)
    }

    async fn put_api_key(&self, key: ApiKey, by: Actor) -> Result<ApiKey> {
        let mut state = self.write()?;
        let known = |other: &ApiKey| other.id == key.id || other.hash == key.hash;
        if state.api_keys.iter().any(known) {
            return Err(StoreError::Failed(format!("{} is there already", key.id)));
        }
        let key = ApiKey {
            no: ApiKeyNo(state.number()),
            ..key
        };
        state.note(key.created_at, by, "api_key.put", &key.id);
        state.api_keys.push(key.clone());
        Ok(key)
    }

    async fn revoke_api_key(&self, id: String, now: UnixMs, by: Actor) -> Result<bool> {
        let mut state = self.write()?;
        let Some(key) = state.api_keys.iter_mut().find(|key| key.id == id) else {
            return Ok(false);
        };
        if key.revoked_at.is_none() {
            key.revoked_at = Some(now);
            state.note(now, by, "api_key.revoke", &id);
        }
        Ok(true)
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>> {
        Ok(self.read().api_keys.clone())
    }

    async fn register_devices(
        &self,
        app: AppNo,
        devices: Vec<DeviceRegistration>,
        now: UnixMs,
    ) -> Result<Vec<Registered>> {
        let mut state = self.write()?;
        Ok(devices
            .into_iter()
            .map(|device| state.register(app, device, now))
            .collect())
    }

    async fn register_own_device(
        &self,
        app: AppNo,
        own: OwnRegistration,
        now: UnixMs,
    ) -> Result<Option<OwnRegistered>> {
        Ok(self.write()?.register_own(app, own, now))
    }

    async fn device_secret(&self, device: DeviceNo) -> Result<Option<[u8; 32]>> {
        let state = self.read();
        Ok(state.devices.get(&device).and_then(|row| row.secret_hash))
    }

    async fn device(&self, app: AppNo, id: String) -> Result<Option<Device>> {
        let state = self.read();
        Ok(state.device_no(app, &id).and_then(|no| state.device(no)))
    }

    async fn devices(&self, app: AppNo, filter: DeviceFilter) -> Result<Vec<Device>> {
        let state = self.read();
        let of_app = state.devices.iter().filter(|(_, row)| row.app == app);
        Ok(of_app
            .filter(|(no, _)| state.is_wanted(**no, &filter))
            .take(filter.limit as usize)
            .filter_map(|(no, _)| state.device(*no))
            .collect())
    }

    async fn device_count(&self, app: AppNo) -> Result<u64> {
        let state = self.read();
        Ok(state.devices.values().filter(|row| row.app == app).count() as u64)
    }

    async fn device_stats(&self, app: AppNo, stale_before: UnixMs) -> Result<DeviceStats> {
        Ok(self.read().stats(app, stale_before))
    }

    async fn sample_segment(
        &self,
        app: AppNo,
        filter: SegmentFilter,
        sampling: Sampling,
    ) -> Result<SegmentSample> {
        Ok(self.read().segment_sample(app, &filter, sampling))
    }

    async fn count_segment(
        &self,
        app: AppNo,
        filter: SegmentFilter,
        after: DeviceNo,
        scan: u32,
    ) -> Result<SegmentSlice> {
        Ok(self.read().segment_slice(app, &filter, after, scan))
    }

    async fn attribute_names(
        &self,
        app: AppNo,
        sampling: Sampling,
        limit: u32,
    ) -> Result<Vec<String>> {
        Ok(self.read().attribute_names(app, sampling, limit))
    }

    async fn delete_device(&self, app: AppNo, id: String, now: UnixMs, by: Actor) -> Result<bool> {
        let mut state = self.write()?;
        let Some(no) = state.device_no(app, &id) else {
            return Ok(false);
        };
        state.delete_device(no);
        state.note_in(now, by, "device.delete", app, &id);
        Ok(true)
    }

    async fn delete_own_device(
        &self,
        app: AppNo,
        id: String,
        only: Option<TokenKind>,
        shown: [u8; 32],
    ) -> Result<OwnDeletion> {
        Ok(self.write()?.delete_own(app, &id, only, shown))
    }

    async fn delete_push_token(
        &self,
        app: AppNo,
        id: String,
        kind: TokenKind,
        now: UnixMs,
        by: Actor,
    ) -> Result<Option<bool>> {
        let mut state = self.write()?;
        let Some(no) = state.device_no(app, &id) else {
            return Ok(None);
        };
        let deleted = state.push_tokens.remove(&(no, kind)).is_some();
        if deleted {
            let subject = format!("{id}/{}", kind.as_str());
            state.note_in(now, by, "push_token.delete", app, &subject);
        }
        Ok(Some(deleted))
    }

    async fn put_preferences(
        &self,
        app: AppNo,
        user_id: String,
        preferences: Preferences,
        now: UnixMs,
    ) -> Result<PreferencesPut> {
        let mut state = self.write()?;
        Ok(state.put_preferences(app, user_id, preferences, now))
    }

    async fn preferences(&self, app: AppNo, user_id: String) -> Result<Option<StoredPreferences>> {
        Ok(self.read().preferences.get(&(app, user_id)).cloned())
    }

    async fn delete_preferences(&self, app: AppNo, user_id: String) -> Result<bool> {
        Ok(self.write()?.preferences.remove(&(app, user_id)).is_some())
    }

    async fn badge(&self, app: AppNo, user_id: String) -> Result<u32> {
        let owner = Owner::User(app, user_id);
        Ok(self.read().badges.get(&owner).copied().unwrap_or_default())
    }

    async fn set_badge(&self, app: AppNo, user_id: String, badge: u32, _: UnixMs) -> Result<()> {
        let owner = Owner::User(app, user_id);
        self.write()?.badges.insert(owner, badge);
        Ok(())
    }

    async fn erase_user(
        &self,
        app: AppNo,
        user_id: String,
        now: UnixMs,
        by: Actor,
    ) -> Result<(u64, u64)> {
        let mut state = self.write()?;
        let devices: BTreeSet<_> = state.devices_of(app, &user_id).collect();
        let theirs: Vec<_> = state
            .notifications
            .iter()
            .filter(|(no, n)| {
                let mut to = state.deliveries(app, **no).into_iter().peekable();
                !n.head.payload.is_empty()
                    && to.peek().is_some()
                    && to.all(|view| devices.contains(&view.device_no))
            })
            .map(|(no, _)| *no)
            .collect();
        for no in &theirs {
            if let Some(notification) = state.notifications.get_mut(no) {
                notification.head.payload = bytes::Bytes::new();
            }
        }
        state.erase_activities(app, &format!("user:{user_id}"));
        for device in &devices {
            state.delete_device(*device);
        }
        state.erase_gathered(app, &user_id);
        state.erase_wishes(app, &user_id);
        state.note_in(now, by, "user.erase", app, &user_id);
        Ok((devices.len() as u64, theirs.len() as u64))
    }

    async fn note(
        &self,
        action: &'static str,
        subject: String,
        now: UnixMs,
        by: Actor,
    ) -> Result<()> {
        self.write()?.note(now, by, action, &subject);
        Ok(())
    }

    async fn audit(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>> {
        let state = self.read();
        let newest = state.audit.iter().rev();
        let older = newest.filter(|entry| before.is_none_or(|before| entry.no < before));
        Ok(older.take(limit as usize).cloned().collect())
    }
}

impl State {
    fn note(&mut self, at: UnixMs, actor: Actor, action: &str, subject: &str) {
        let no = self.number();
        self.instances.directory += 1;
        self.audit.push(AuditEntry {
            no,
            at,
            actor,
            action: action.into(),
            subject: subject.into(),
        });
    }

    /// With `<App's id>/<name>` as the subject.
    pub(super) fn note_in(
        &mut self,
        at: UnixMs,
        actor: Actor,
        action: &str,
        app: AppNo,
        name: &str,
    ) {
        let id = self
            .apps
            .get(&app)
            .map_or_else(|| app.to_string(), |app| app.id.clone());
        self.note(at, actor, action, &format!("{id}/{name}"));
    }
}
