//! The registry: Apps, credentials, API keys, devices, the audit log. Cold beside the hot store, but
//! in the same database, so that a change and its audit entry are one transaction.

use crate::own_device::{OwnDeletion, OwnRegistered, OwnRegistration};
use crate::preferences::{PreferencesPut, StoredPreferences};
use crate::segment::{SegmentFilter, SegmentSlice};
use crate::store::Result;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::app::{App, AppSettings};
use carillon_model::credential::{Credential, CredentialFacts};
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::device::DeviceRegistration;
use carillon_model::id::{ApiKeyNo, AppNo, CredentialNo, DefinitionNo, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::preferences::Preferences;
use carillon_model::push_token::PushToken;
use carillon_model::push_type::TokenKind;
use carillon_model::segment::{Sampling, SegmentSample};

/// Who did it, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// API key that was used; `None`: the server itself (first start, CLI on a stopped server).
    pub api_key: Option<ApiKeyNo>,
    /// Request id, if it came by HTTP.
    pub request_id: Option<String>,
}

/// What an API key may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything, also Apps and API keys.
    Admin,
    /// Send, cancel and read notifications of its App.
    Send,
    /// Register, read and delete devices and users of its App.
    Devices,
    /// Read everything of its App but secrets.
    Read,
    /// Register, refresh and delete one's own device, and nothing else: for keys that are published with
    /// an app or a page.
    Register,
}

/// An API key as stored: never the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its number.
    pub no: ApiKeyNo,
    /// Public id (`key_…`).
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Its App; `None`: all Apps.
    pub app: Option<AppNo>,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// First characters, to recognise it by.
    pub hint: String,
    /// SHA-256 of the whole key (a key has 192 random bits, so a plain hash is enough).
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was revoked.
    pub revoked_at: Option<UnixMs>,
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Rising number.
    pub no: i64,
    /// When.
    pub at: UnixMs,
    /// Who.
    pub actor: Actor,
    /// What, e.g. `app.put`, `credential.put`, `api_key.revoke`, `user.erase`.
    pub action: String,
    /// About what, e.g. an App's id.
    pub subject: String,
}

/// A sealed secret: only `server` knows how to open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// What becomes of the secret of a definition that is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewSecret {
    /// It stays.
    Same,
    /// It is this one from now on; `None`: it has none.
    Is(Option<Sealed>),
}

/// A device as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Its number.
    pub no: DeviceNo,
    /// Public id; raw push tokens make devices without one, shown as `dev_…` of their number.
    pub id: String,
    /// What was registered (its push tokens are in `push_tokens`).
    pub registration: DeviceRegistration,
    /// Its push tokens, retired ones included.
    pub push_tokens: Vec<PushToken>,
    /// When it was first registered.
    pub created_at: UnixMs,
    /// When it was last registered.
    pub last_seen_at: UnixMs,
}

/// Which devices to list.
#[derive(Clone, Debug, Default)]
pub struct DeviceFilter {
    /// Only this user's.
    pub user_id: Option<String>,
    /// Only those that run on this.
    pub platform: Option<String>,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those that are subscribed to this topic.
    pub topic: Option<String>,
    /// Only those last seen before this instant.
    pub seen_before: Option<UnixMs>,
    /// Only those last seen at this instant or after.
    pub seen_since: Option<UnixMs>,
    /// After this device.
    pub after: Option<DeviceNo>,
    /// At most so many.
    pub limit: u32,
}

/// The devices of an App, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceStats {
    /// All.
    pub total: u64,
    /// Those that were not seen since the instant asked for.
    pub stale: u64,
    /// By what they run on, most first; `None`: not known. At most 100.
    pub platforms: Vec<(Option<String>, u64)>,
    /// By the gateways at which they have a push token that is not retired. A device can be reached by
    /// several, or by none.
    pub gateways: Vec<(Gateway, u64)>,
}

/// What a registration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The device's number.
    pub no: DeviceNo,
    /// Its public id.
    pub id: String,
    /// Whether it is new.
    pub created: bool,
}

/// Everything small that the API and the engine keep in memory.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// All Apps.
    pub apps: Vec<App>,
    /// All credentials with their sealed secrets.
    pub credentials: Vec<(Credential, Sealed)>,
    /// All API keys that are not revoked.
    pub api_keys: Vec<ApiKey>,
    /// Apps that have, or had, a user with preferences: for the others nobody looks for any.
    pub preferring: Vec<AppNo>,
    /// All definitions as they are now, with the sealed secrets of those that have one.
    pub definitions: Vec<(Definition, Option<Sealed>)>,
}

/// The registry.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Reads everything small, at start and after a change.
    async fn directory(&self) -> Result<Directory>;

    /// Makes or changes an App. `true`: it is new.
    async fn put_app(
        &self,
        id: String,
        name: String,
        settings: AppSettings,
        now: UnixMs,
        by: Actor,
    ) -> Result<(App, bool)>;
    /// Deletes an App: it, its credentials and its App-bound API keys are gone at once; its devices and
    /// records go in slices by [`crate::store::HotStore::prune`]. `false`: there is none.
    async fn delete_app(&self, app: AppNo, now: UnixMs, by: Actor) -> Result<bool>;

    /// Reserves the number of a new credential, so that it can be sealed for its row.
    async fn credential_no(&self, app: AppNo, name: String) -> Result<CredentialNo>;
    /// Makes or changes a credential. The version rises.
    #[expect(
        clippy::too_many_arguments,
        reason = "a row's columns; a struct would only repeat Credential"
    )]
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
    ) -> Result<Credential>;
    /// Deletes one. `false`: there is none.
    async fn delete_credential(
        &self,
        app: AppNo,
        name: String,
        now: UnixMs,
        by: Actor,
    ) -> Result<bool>;

    /// Reserves the number of a new definition, or tells that of a known one, so that its secret can be
    /// sealed for its row.
    async fn definition_no(
        &self,
        app: AppNo,
        kind: DefinitionKind,
        name: String,
    ) -> Result<DefinitionNo>;
    /// Makes or changes a definition. The version rises; of kinds that keep them, the replaced version
    /// can still be read. Two that make one name at once have two numbers: the later one's counts, and
    /// what hung on the other's is gone.
    #[expect(
        clippy::too_many_arguments,
        reason = "a row's columns; a struct would only repeat Definition"
    )]
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
    ) -> Result<Definition>;
    /// Stores another body of a definition, as [`Self::put_definition`] does; but only if it is as it was
    /// read. `None`: it was changed or deleted meanwhile, and nothing was stored.
    async fn change_definition(
        &self,
        read: Definition,
        body: String,
        secret: NewSecret,
        now: UnixMs,
        by: Actor,
    ) -> Result<Option<Definition>>;
    /// Deletes one; its versions stay as [`Self::put_definition`] says. `false`: there is none.
    async fn delete_definition(
        &self,
        app: AppNo,
        kind: DefinitionKind,
        name: String,
        now: UnixMs,
        by: Actor,
    ) -> Result<bool>;
    /// The body of a definition at a version, current or replaced. Replaced ones are kept as long as
    /// records are.
    async fn definition_version(&self, no: DefinitionNo, version: u32) -> Result<Option<String>>;

    /// The sealed provider token of a signing key (named by team and key id).
    async fn provider_token(&self, name: String) -> Result<Option<Sealed>>;
    /// Stores it.
    async fn put_provider_token(&self, name: String, sealed: Sealed, now: UnixMs) -> Result<()>;
    /// Stores it unless there is one of this name. Returns the one that is there then.
    async fn first_provider_token(
        &self,
        name: String,
        sealed: Sealed,
        now: UnixMs,
    ) -> Result<Sealed>;
    /// Replaces every sealed secret (rotation of the master key) in one transaction: the function gets
    /// (table, column, row, sealed) and returns the newly sealed one, or an error sentence that stops it.
    async fn reseal(&self, with: Resealer, now: UnixMs, by: Actor) -> Result<u64>;

    /// Stores an API key.
    async fn put_api_key(&self, key: ApiKey, by: Actor) -> Result<ApiKey>;
    /// Revokes one by its public id. `false`: there is none.
    async fn revoke_api_key(&self, id: String, now: UnixMs, by: Actor) -> Result<bool>;
    /// All of them, revoked ones included.
    async fn api_keys(&self) -> Result<Vec<ApiKey>>;

    /// Registers devices: one transaction for all. A push token that another device of the App has
    /// moves to the new one; another App may have the same one. Registering the same address again
    /// raises its generation and revives it.
    ///
    /// A registration without an id is about the device that has one of the addresses it replaces; then,
    /// if it replaces any, about the device that has one of its push tokens, else about such a device
    /// that has no id of the caller's; else about a new one.
    ///
    /// A user who has more devices now than the App allows loses those that were not seen for longest:
    /// they are deleted, each with an event `device.evicted`.
    async fn register_devices(
        &self,
        app: AppNo,
        devices: Vec<DeviceRegistration>,
        now: UnixMs,
    ) -> Result<Vec<Registered>>;
    /// Registers a device on its own behalf. Tags and attributes stay as the App's back end said them.
    /// `None`: there is a device of this id, and this is not it; nothing was changed.
    async fn register_own_device(
        &self,
        app: AppNo,
        own: OwnRegistration,
        now: UnixMs,
    ) -> Result<Option<OwnRegistered>>;
    /// SHA-256 of a device's own secret; `None`: it has none, or is gone.
    async fn device_secret(&self, device: DeviceNo) -> Result<Option<[u8; 32]>>;
    /// One device by its public id.
    async fn device(&self, app: AppNo, id: String) -> Result<Option<Device>>;
    /// Devices, ascending by number.
    async fn devices(&self, app: AppNo, filter: DeviceFilter) -> Result<Vec<Device>>;
    /// How many devices an App has.
    async fn device_count(&self, app: AppNo) -> Result<u64>;
    /// The devices of an App, counted; stale are those last seen before the given instant.
    async fn device_stats(&self, app: AppNo, stale_before: UnixMs) -> Result<DeviceStats>;
    /// Asks a sample of an App's devices, with push tokens or without.
    async fn sample_segment(
        &self,
        app: AppNo,
        filter: SegmentFilter,
        sampling: Sampling,
    ) -> Result<SegmentSample>;
    /// Counts the devices of an App for which the filter holds, among the next `scan` after `after`.
    async fn count_segment(
        &self,
        app: AppNo,
        filter: SegmentFilter,
        after: DeviceNo,
        scan: u32,
    ) -> Result<SegmentSlice>;
    /// The names of attributes that a sample of an App's devices has, ascending, at most `limit`.
    async fn attribute_names(
        &self,
        app: AppNo,
        sampling: Sampling,
        limit: u32,
    ) -> Result<Vec<String>>;
    /// Deletes a device and its push tokens. `false`: there is none.
    async fn delete_device(&self, app: AppNo, id: String, now: UnixMs, by: Actor) -> Result<bool>;
    /// Deletes a device on its own behalf, which shows its secret (SHA-256), or only its push token of one
    /// kind. No entry in the audit log: nobody of the App's people did it.
    async fn delete_own_device(
        &self,
        app: AppNo,
        id: String,
        only: Option<TokenKind>,
        shown: [u8; 32],
    ) -> Result<OwnDeletion>;
    /// Deletes one push token of a device. `None`: there is no such device; `false`: it has none of this
    /// kind.
    async fn delete_push_token(
        &self,
        app: AppNo,
        id: String,
        kind: TokenKind,
        now: UnixMs,
        by: Actor,
    ) -> Result<Option<bool>>;
    /// Stores what a user wants, in place of what he wanted before.
    async fn put_preferences(
        &self,
        app: AppNo,
        user_id: String,
        preferences: Preferences,
        now: UnixMs,
    ) -> Result<PreferencesPut>;
    /// What a user wants; `None`: he said nothing.
    async fn preferences(&self, app: AppNo, user_id: String) -> Result<Option<StoredPreferences>>;
    /// Forgets what a user wants. `false`: he said nothing.
    async fn delete_preferences(&self, app: AppNo, user_id: String) -> Result<bool>;
    /// A user's badge counter; 0 for one who never got any.
    async fn badge(&self, app: AppNo, user_id: String) -> Result<u32>;
    /// Sets it. What was accepted before keeps the number that it has.
    async fn set_badge(&self, app: AppNo, user_id: String, badge: u32, now: UnixMs) -> Result<()>;
    /// Erases a user: devices, push tokens, preferences, counters, and the content of notifications that
    /// went to nobody else.
    /// Returns how many devices and notifications were touched.
    async fn erase_user(
        &self,
        app: AppNo,
        user_id: String,
        now: UnixMs,
        by: Actor,
    ) -> Result<(u64, u64)>;

    /// Writes an entry of the audit log for an act that changes nothing here, e.g. `server.backup`.
    async fn note(
        &self,
        action: &'static str,
        subject: String,
        now: UnixMs,
        by: Actor,
    ) -> Result<()>;
    /// The audit log, newest first, before `before`.
    async fn audit(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>>;
}

/// See [`Registry::reseal`]: (table, column, row, sealed) to the newly sealed secret.
pub type Resealer =
    Box<dyn Fn(&str, &str, &str, &Sealed) -> std::result::Result<Sealed, String> + Send>;
