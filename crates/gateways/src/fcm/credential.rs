//! Service accounts: checked when they are set, and made into access tokens and a project's quota, which all pools of
//! the same account and project share.

use super::{FcmConfig, Shared};
use carillon_model::credential::{CredentialFacts, CredentialKind, CredentialSecret};
use carillon_model::environment::Environment;
use carillon_model::problem::FieldProblem;
use carillon_ports::gateway::{ClaimedFacts, PoolSpec};
use fcm::{
    AccessTokens, OAuth, ProjectId, Quota, ServiceAccount, ServiceAccountError, SharedQuota,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// Said of another gateway's credential.
const FOREIGN: &str = "FCM takes a service account key (the JSON file from the Firebase console, Project settings, Service accounts, Generate new private key): set it, or name the gateway that this credential is for";

/// See [`carillon_ports::gateway::Gateway::inspect`].
pub(super) fn inspect(
    config: &FcmConfig,
    secret: &CredentialSecret,
    claimed: &ClaimedFacts,
) -> Result<CredentialFacts, Vec<FieldProblem>> {
    let text = match secret {
        CredentialSecret::ServiceAccount { json } => json,
        // Somebody who pastes an old server key where a signing key goes learns what replaced it.
        CredentialSecret::SigningKey { pem } if fcm::legacy::is_server_key(pem) => {
            return Err(vec![FieldProblem::new(
                "/signing_key",
                "credential.service_account",
                fcm::legacy::REPLACED_BY,
            )]);
        }
        CredentialSecret::SigningKey { .. }
        | CredentialSecret::Certificate { .. }
        | CredentialSecret::VapidKeys { .. } => {
            return Err(vec![FieldProblem::new("", "credential.gateway", FOREIGN)]);
        }
    };
    let mut problems = Vec::new();
    if claimed.environments.contains(&Environment::Sandbox) {
        problems.push(FieldProblem::new(
            "/environments",
            "credential.environments",
            "FCM has no sandbox: leave environments out",
        ));
    }
    if !claimed.topics.is_empty() {
        problems.push(FieldProblem::new(
            "/topics",
            "credential.topics",
            "a service account sends to every app of its Firebase project: leave topics out",
        ));
    }
    let account = read(config, text).map_err(|error| {
        problems.push(FieldProblem::new(
            "/service_account",
            "credential.service_account",
            error.to_string(),
        ));
        std::mem::take(&mut problems)
    })?;
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(CredentialFacts {
        kind: CredentialKind::ServiceAccount,
        environments: vec![Environment::Production],
        topics: Vec::new(),
        team_id: None,
        key_id: Some(account.private_key_id().to_owned()),
        not_after: None,
        project_id: Some(account.project_id().as_str().to_owned()),
        contact: Some(account.client_email().to_owned()),
        public_keys: Vec::new(),
        fingerprint: account.signing_key().fingerprint(),
    })
}

/// A key file of a stranger could lead us anywhere by its `token_uri`; where that is a setting of ours it cannot.
fn read(config: &FcmConfig, json: &str) -> Result<ServiceAccount, ServiceAccountError> {
    match &config.token_endpoint {
        None => ServiceAccount::from_json(json),
        Some(_) => ServiceAccount::from_json_for_own_endpoint(json),
    }
}

// === Use ===

/// What a connection sends with.
pub(super) struct Access {
    pub(super) project_id: ProjectId,
    pub(super) tokens: Arc<AccessTokens>,
    pub(super) quota: SharedQuota,
}

/// Access tokens and quotas in use: Google counts by project, and hands out a token for each exchange.
#[derive(Default)]
pub(super) struct Books {
    tokens: Shelf<Name, AccessTokens>,
    quotas: Shelf<ProjectId, std::sync::Mutex<Quota>>,
}

/// Account, the name of its key, and the key: a file that was mended must not keep the wrong one.
type Name = (String, String, String);

impl Books {
    /// What a pool with this credential sends with; the error is a sentence.
    pub(super) fn access(
        &self,
        shared: &Shared,
        spec: &PoolSpec,
        now: Instant,
    ) -> Result<Access, String> {
        let CredentialSecret::ServiceAccount { json } = &*spec.secret else {
            return Err(FOREIGN.to_owned());
        };
        let account = read(&shared.config, json).map_err(|error| error.to_string())?;
        let project_id = account.project_id().clone();
        let name = (
            account.client_email().to_owned(),
            account.private_key_id().to_owned(),
            account.signing_key().fingerprint(),
        );
        let tokens = self.tokens.get(name, || {
            let endpoint = shared.config.tokens(account.token_uri());
            AccessTokens::new(OAuth::new(account).endpoint(endpoint))
        });
        let quota = self.quotas.get(project_id.clone(), || {
            std::sync::Mutex::new(Quota::new(shared.config.quota(), now))
        });
        Ok(Access {
            project_id,
            tokens,
            quota,
        })
    }
}

/// Things that live as long as somebody uses them.
struct Shelf<K, T>(Mutex<HashMap<K, Weak<T>>>);

impl<K: Eq + Hash, T> Shelf<K, T> {
    fn get(&self, name: K, make: impl FnOnce() -> T) -> Arc<T> {
        let mut shelf = self.0.lock();
        if let Some(known) = shelf.get(&name).and_then(Weak::upgrade) {
            return known;
        }
        shelf.retain(|_, thing| thing.strong_count() > 0);
        let made = Arc::new(make());
        shelf.insert(name, Arc::downgrade(&made));
        made
    }
}

impl<K, T> Default for Shelf<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
#[path = "credential_tests.rs"]
mod tests;
