//! All credentials with their secrets opened: what pools and doctor's probes are opened with.

use crate::directory::Directory;
use crate::hub::Hub;
use crate::vault::{Vault, vault_name};
use carillon_model::credential::{CredentialFacts, CredentialSecret};
use carillon_model::environment::Environment;
use carillon_model::id::{AppNo, CredentialNo};
use carillon_ports::gateway::{PoolId, PoolSpec, ProviderTokenVault};
use carillon_ports::secret::Place;
use std::collections::HashMap;
use std::sync::Arc;

/// What a credential's pools are opened with.
struct Keyed {
    version: u32,
    app: AppNo,
    name: String,
    facts: Arc<CredentialFacts>,
    /// The secret, or why it cannot be opened.
    secret: Result<Arc<CredentialSecret>, String>,
    vault: Option<Arc<Vault>>,
}

/// All credentials, opened; shared by pools and doctor.
#[derive(Default)]
pub(crate) struct KeyRing {
    keyed: HashMap<CredentialNo, Keyed>,
    vaults: HashMap<String, Arc<Vault>>,
}

impl KeyRing {
    /// Opens what is new or changed, forgets what is gone.
    pub(crate) async fn read(hub: &Arc<Hub>, directory: &Directory, former: &Self) -> Self {
        let mut ring = Self::default();
        for (credential, sealed) in directory.all_credentials() {
            let vault = match vault_name(&credential.facts) {
                None => None,
                Some(name) => {
                    if !ring.vaults.contains_key(&name) {
                        let vault = match former.vaults.get(&name) {
                            Some(vault) => vault.clone(),
                            None => Arc::new(Vault::open(hub, name.clone()).await),
                        };
                        ring.vaults.insert(name.clone(), vault);
                    }
                    ring.vaults.get(&name).cloned()
                }
            };
            let row = credential.no.to_string();
            let secret = match former.keyed.get(&credential.no) {
                Some(keyed) if keyed.version == credential.version && keyed.secret.is_ok() => {
                    keyed.secret.clone()
                }
                _ => hub
                    .parts
                    .secrets
                    .open(Place::credential(&row), sealed)
                    .and_then(|plain| {
                        CredentialSecret::decode(&plain).map_err(|error| error.to_string())
                    })
                    .map(Arc::new),
            };
            if let Err(problem) = &secret {
                tracing::error!(credential = credential.name, app = %credential.app, problem, "credential {} of App {} cannot be opened", credential.name, credential.app);
            }
            let keyed = Keyed {
                version: credential.version,
                app: credential.app,
                name: credential.name.clone(),
                facts: Arc::new(credential.facts.clone()),
                secret,
                vault,
            };
            ring.keyed.insert(credential.no, keyed);
        }
        ring
    }

    pub(crate) fn app(&self, no: CredentialNo) -> AppNo {
        self.keyed.get(&no).map_or(AppNo(0), |keyed| keyed.app)
    }

    pub(crate) fn name(&self, no: CredentialNo) -> &str {
        self.keyed.get(&no).map_or("", |keyed| &keyed.name)
    }

    /// What a pool is opened with, or the sentence why it cannot be.
    pub(crate) fn spec(
        &self,
        no: CredentialNo,
        environment: Environment,
        probing: bool,
    ) -> Result<PoolSpec, String> {
        let keyed = self
            .keyed
            .get(&no)
            .ok_or("the credential was deleted: set one again")?;
        Ok(PoolSpec {
            id: PoolId {
                credential: no,
                version: keyed.version,
                environment,
                probing,
            },
            secret: keyed.secret.clone()?,
            facts: keyed.facts.clone(),
            provider_tokens: keyed
                .vault
                .clone()
                .map(|vault| vault as Arc<dyn ProviderTokenVault>),
        })
    }

    /// Why a credential cannot be used.
    pub(crate) fn problem(&self, no: CredentialNo) -> Option<String> {
        self.keyed.get(&no)?.secret.as_ref().err().cloned()
    }

    pub(crate) fn find(&self, app: AppNo, name: &str) -> Option<CredentialNo> {
        self.keyed
            .iter()
            .find(|(_, keyed)| keyed.app == app && keyed.name == name)
            .map(|(no, _)| *no)
    }

    pub(crate) fn version(&self, no: CredentialNo) -> Option<u32> {
        self.keyed.get(&no).map(|keyed| keyed.version)
    }
}
