//! Everything small that is asked for with every request, in memory: Apps, API keys, credentials.
//!
//! A snapshot, replaced as a whole by `Engine::refresh`. It holds no secret in the clear.

use carillon_model::app::App;
use carillon_model::credential::Credential;
use carillon_model::id::AppNo;
use carillon_ports::registry::{self, ApiKey, Sealed};
use std::collections::HashMap;

/// A snapshot of what the registry holds.
#[derive(Debug, Default)]
pub struct Directory {
    apps: HashMap<AppNo, App>,
    app_ids: HashMap<String, AppNo>,
    api_keys: HashMap<[u8; 32], ApiKey>,
    credentials: HashMap<AppNo, Vec<Credential>>,
    sealed: HashMap<carillon_model::id::CredentialNo, Sealed>,
}

impl Directory {
    /// Sorts what the registry read.
    #[must_use]
    pub fn new(read: registry::Directory) -> Self {
        let mut directory = Self::default();
        for app in read.apps {
            directory.app_ids.insert(app.id.clone(), app.no);
            directory.apps.insert(app.no, app);
        }
        for key in read.api_keys {
            directory.api_keys.insert(key.hash, key);
        }
        for (credential, sealed) in read.credentials {
            directory.sealed.insert(credential.no, sealed);
            let of_app = directory.credentials.entry(credential.app).or_default();
            of_app.push(credential);
        }
        for of_app in directory.credentials.values_mut() {
            of_app.sort_by_key(|credential| credential.no);
        }
        directory
    }

    /// An App by its id.
    #[must_use]
    pub fn app(&self, id: &str) -> Option<&App> {
        self.apps.get(self.app_ids.get(id)?)
    }

    /// An App by its number.
    #[must_use]
    pub fn app_by_no(&self, no: AppNo) -> Option<&App> {
        self.apps.get(&no)
    }

    /// All Apps, in no order.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }

    /// An API key that is not revoked, by the hash of the whole key.
    #[must_use]
    pub fn api_key_by_hash(&self, hash: &[u8; 32]) -> Option<&ApiKey> {
        self.api_keys.get(hash)
    }

    /// The credentials of an App, oldest first.
    #[must_use]
    pub fn credentials(&self, app: AppNo) -> &[Credential] {
        self.credentials.get(&app).map_or(&[], Vec::as_slice)
    }

    /// All credentials with their sealed secrets.
    pub(crate) fn all_credentials(&self) -> impl Iterator<Item = (&Credential, &Sealed)> {
        let all = self.credentials.values().flatten();
        all.filter_map(|credential| Some((credential, self.sealed.get(&credential.no)?)))
    }
}
