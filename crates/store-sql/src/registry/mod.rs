//! The registry on SQL: Apps, credentials, API keys, devices, audit log.

mod api_keys;
mod apps;
mod audit;
mod credentials;
mod definitions;
mod devices;
mod preferences;
mod registration;
mod users;

pub(crate) use definitions::{number as definition_no, put as put_definition};
pub(crate) use devices::delete_device_row;
pub(crate) use preferences::prune_app;

use crate::queue::Class as Turn;
use crate::segment;
use crate::store::SqlStore;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::app::{App, AppSettings};
use carillon_model::credential::{Credential, CredentialFacts};
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::device::DeviceRegistration;
use carillon_model::id::{AppNo, CredentialNo, DefinitionNo, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::preferences::Preferences;
use carillon_model::push_type::TokenKind;
use carillon_model::segment::{Sampling, SegmentSample};
use carillon_ports::own_device::{OwnDeletion, OwnRegistered, OwnRegistration};
use carillon_ports::preferences::{PreferencesPut, StoredPreferences};
use carillon_ports::registry::{
    Actor, ApiKey, AuditEntry, Device, DeviceFilter, DeviceStats, Directory, NewSecret, Registered,
    Registry, Resealer, Sealed,
};
use carillon_ports::segment::{SegmentFilter, SegmentSlice};
use carillon_ports::store::Result;

#[async_trait]
impl Registry for SqlStore {
    async fn directory(&self) -> Result<Directory> {
        self.read(|conn| {
            Ok(Directory {
                apps: apps::all(conn)?,
                credentials: credentials::all(conn)?,
                api_keys: api_keys::all(conn, true)?,
                preferring: preferences::preferring(conn)?,
                definitions: definitions::all(conn)?,
            })
        })
        .await
    }

    async fn put_app(
        &self,
        id: String,
        name: String,
        settings: AppSettings,
        now: UnixMs,
        by: Actor,
    ) -> Result<(App, bool)> {
        self.write(Turn::Fanout, 1, move |tx| {
            apps::put(tx, &id, &name, &settings, now, &by)
        })
        .await
    }

    async fn delete_app(&self, app: AppNo, now: UnixMs, by: Actor) -> Result<bool> {
        self.write(Turn::Fanout, 1, move |tx| apps::delete(tx, app, now, &by))
            .await
    }

    async fn credential_no(&self, app: AppNo, name: String) -> Result<CredentialNo> {
        self.write(Turn::Fanout, 1, move |tx| {
            credentials::number(tx, app, &name)
        })
        .await
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
        self.write(Turn::Fanout, 1, move |tx| {
            let credential = Credential {
                no,
                app,
                name: name.clone(),
                gateway,
                facts: facts.clone(),
                version: 1,
                created_at: now,
                updated_at: now,
            };
            credentials::put(tx, credential, &secret, &by)
        })
        .await
    }

    async fn delete_credential(
        &self,
        app: AppNo,
        name: String,
        now: UnixMs,
        by: Actor,
    ) -> Result<bool> {
        self.write(Turn::Fanout, 1, move |tx| {
            credentials::delete(tx, app, &name, now, &by)
        })
        .await
    }

    async fn definition_no(
        &self,
        app: AppNo,
        kind: DefinitionKind,
        name: String,
    ) -> Result<DefinitionNo> {
        self.write(Turn::Fanout, 1, move |tx| {
            definitions::number(tx, app, kind, &name)
        })
        .await
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
        self.write(Turn::Fanout, 1, move |tx| {
            let definition = Definition {
                no,
                app,
                kind,
                name: name.clone(),
                version: 1,
                body: body.clone(),
                created_at: now,
                updated_at: now,
            };
            definitions::put(tx, definition, secret.as_ref(), &by)
        })
        .await
    }

    async fn change_definition(
        &self,
        read: Definition,
        body: String,
        secret: NewSecret,
        now: UnixMs,
        by: Actor,
    ) -> Result<Option<Definition>> {
        self.write(Turn::Fanout, 1, move |tx| {
            definitions::change(tx, &read, &body, &secret, now, &by)
        })
        .await
    }

    async fn delete_definition(
        &self,
        app: AppNo,
        kind: DefinitionKind,
        name: String,
        now: UnixMs,
        by: Actor,
    ) -> Result<bool> {
        self.write(Turn::Fanout, 1, move |tx| {
            definitions::delete(tx, app, kind, &name, now, &by)
        })
        .await
    }

    async fn definition_version(&self, no: DefinitionNo, version: u32) -> Result<Option<String>> {
        self.read(move |conn| definitions::version(conn, no, version))
            .await
    }

    async fn provider_token(&self, name: String) -> Result<Option<Sealed>> {
        self.read(move |conn| credentials::provider_token(conn, &name))
            .await
    }

    async fn put_provider_token(&self, name: String, sealed: Sealed, now: UnixMs) -> Result<()> {
        self.write(Turn::Fanout, 1, move |tx| {
            credentials::put_provider_token(tx, &name, &sealed, now)
        })
        .await
    }

    async fn first_provider_token(
        &self,
        name: String,
        sealed: Sealed,
        now: UnixMs,
    ) -> Result<Sealed> {
        self.write(
            Turn::Fanout,
            1,
            move |tx| match credentials::provider_token(tx.conn, &name)? {
                Some(stored) => Ok(stored),
                None => {
                    credentials::put_provider_token(tx, &name, &sealed, now)?;
                    Ok(sealed.clone())
                }
            },
        )
        .await
    }

    async fn reseal(&self, with: Resealer, now: UnixMs, by: Actor) -> Result<u64> {
        self.write(Turn::Fanout, 1, move |tx| {
            credentials::reseal(tx, &with, now, &by)
        })
        .await
    }

    async fn put_api_key(&self, key: ApiKey, by: Actor) -> Result<ApiKey> {
        self.write(Turn::Fanout, 1, move |tx| api_keys::put(tx, &key, &by))
            .await
    }

    async fn revoke_api_key(&self, id: String, now: UnixMs, by: Actor) -> Result<bool> {
        self.write(Turn::Fanout, 1, move |tx| {
            api_keys::revoke(tx, &id, now, &by)
        })
        .await
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>> {
        self.read(|conn| api_keys::all(conn, false)).await
    }

    async fn register_devices(
        &self,
        app: AppNo,
        devices: Vec<DeviceRegistration>,
        now: UnixMs,
    ) -> Result<Vec<Registered>> {
        self.write(Turn::Fanout, devices.len(), move |tx| {
            registration::register(tx, app, &devices, now)
        })
        .await
    }

    async fn register_own_device(
        &self,
        app: AppNo,
        own: OwnRegistration,
        now: UnixMs,
    ) -> Result<Option<OwnRegistered>> {
        self.write(Turn::Fanout, 1, move |tx| {
            registration::register_own(tx, app, &own, now)
        })
        .await
    }

    async fn device_secret(&self, device: DeviceNo) -> Result<Option<[u8; 32]>> {
        self.read(move |conn| devices::secret(conn, device)).await
    }

    async fn device(&self, app: AppNo, id: String) -> Result<Option<Device>> {
        self.read(move |conn| devices::one(conn, app, &id)).await
    }

    async fn devices(&self, app: AppNo, filter: DeviceFilter) -> Result<Vec<Device>> {
        self.read(move |conn| devices::list(conn, app, &filter))
            .await
    }

    async fn device_count(&self, app: AppNo) -> Result<u64> {
        self.read(move |conn| devices::count(conn, app)).await
    }

    async fn device_stats(&self, app: AppNo, stale_before: UnixMs) -> Result<DeviceStats> {
        self.read(move |conn| devices::stats(conn, app, stale_before))
            .await
    }

    async fn sample_segment(
        &self,
        app: AppNo,
        filter: SegmentFilter,
        sampling: Sampling,
    ) -> Result<SegmentSample> {
        self.read(move |conn| segment::sample(conn, app, &filter, sampling))
            .await
    }

    async fn count_segment(
        &self,
        app: AppNo,
        filter: SegmentFilter,
        after: DeviceNo,
        scan: u32,
    ) -> Result<SegmentSlice> {
        self.read(move |conn| segment::slice(conn, app, &filter, after, scan))
            .await
    }

    async fn attribute_names(
        &self,
        app: AppNo,
        sampling: Sampling,
        limit: u32,
    ) -> Result<Vec<String>> {
        self.read(move |conn| segment::attribute_names(conn, app, sampling, limit))
            .await
    }

    async fn delete_device(&self, app: AppNo, id: String, now: UnixMs, by: Actor) -> Result<bool> {
        self.write(Turn::Fanout, 1, move |tx| {
            devices::delete(tx, app, &id, now, &by)
        })
        .await
    }

    async fn delete_own_device(
        &self,
        app: AppNo,
        id: String,
        only: Option<TokenKind>,
        shown: [u8; 32],
    ) -> Result<OwnDeletion> {
        self.write(Turn::Fanout, 1, move |tx| {
            devices::delete_own(tx, app, &id, only, shown)
        })
        .await
    }

    async fn delete_push_token(
        &self,
        app: AppNo,
        id: String,
        kind: TokenKind,
        now: UnixMs,
        by: Actor,
    ) -> Result<Option<bool>> {
        self.write(Turn::Fanout, 1, move |tx| {
            devices::delete_push_token(tx, app, &id, kind, now, &by)
        })
        .await
    }

    async fn put_preferences(
        &self,
        app: AppNo,
        user_id: String,
        preferences: Preferences,
        now: UnixMs,
    ) -> Result<PreferencesPut> {
        self.write(Turn::Fanout, 1, move |tx| {
            preferences::put(tx, app, &user_id, &preferences, now)
        })
        .await
    }

    async fn preferences(&self, app: AppNo, user_id: String) -> Result<Option<StoredPreferences>> {
        self.read(move |conn| preferences::get(conn, app, &user_id))
            .await
    }

    async fn delete_preferences(&self, app: AppNo, user_id: String) -> Result<bool> {
        self.write(Turn::Fanout, 1, move |tx| {
            preferences::delete(tx, app, &user_id)
        })
        .await
    }

    async fn badge(&self, app: AppNo, user_id: String) -> Result<u32> {
        self.read(move |conn| preferences::badge(conn, app, &user_id))
            .await
    }

    async fn set_badge(&self, app: AppNo, user_id: String, badge: u32, now: UnixMs) -> Result<()> {
        self.write(Turn::Fanout, 1, move |tx| {
            preferences::set_badge(tx, app, &user_id, badge, now)
        })
        .await
    }

    async fn erase_user(
        &self,
        app: AppNo,
        user_id: String,
        now: UnixMs,
        by: Actor,
    ) -> Result<(u64, u64)> {
        // The search may be long, so a reader does it. What was accepted while it searched is found by
        // the second one, after the devices are gone and nothing more can come for them.
        let user = user_id.clone();
        let found = self
            .read(move |conn| users::found(conn, app, &user))
            .await?;
        let (devices, mut notifications) = self
            .write(Turn::Fanout, found.weight(), move |tx| {
                users::erase(tx, app, &user_id, &found, now, &by)
            })
            .await?;
        let numbers = devices.clone();
        let late = self
            .read(move |conn| users::notifications(conn, app, &numbers))
            .await?;
        if !late.is_empty() {
            notifications += self
                .write(Turn::Fanout, late.len(), move |tx| {
                    users::erase_content(tx, &late)
                })
                .await?;
        }
        Ok((devices.len() as u64, notifications))
    }

    async fn note(
        &self,
        action: &'static str,
        subject: String,
        now: UnixMs,
        by: Actor,
    ) -> Result<()> {
        self.write(Turn::Fanout, 1, move |tx| {
            audit::note(tx, now, &by, action, &subject)
        })
        .await
    }

    async fn audit(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>> {
        self.read(move |conn| audit::list(conn, before, limit))
            .await
    }
}
