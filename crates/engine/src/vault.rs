//! Keeps provider tokens over restarts: sealed in the registry, one for each signing key.

use crate::hub::Hub;
use carillon_model::UnixMs;
use carillon_model::credential::{CredentialFacts, CredentialKind};
use carillon_ports::gateway::ProviderTokenVault;
use carillon_ports::secret::Place;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// The vault of one signing key.
pub(crate) struct Vault {
    name: String,
    current: Mutex<Option<(String, UnixMs)>>,
    hub: Weak<Hub>,
}

/// The name under which the registry keeps a signing key's provider token.
pub(crate) fn vault_name(facts: &CredentialFacts) -> Option<String> {
    if facts.kind != CredentialKind::SigningKey {
        return None;
    }
    let (team, key) = (facts.team_id.as_deref()?, facts.key_id.as_deref()?);
    Some(format!("{team}/{key}"))
}

impl Vault {
    /// Reads the stored provider token. One that cannot be read is as good as none: a new one is
    /// signed.
    pub(crate) async fn open(hub: &Arc<Hub>, name: String) -> Self {
        let stored = match hub.parts.registry.provider_token(name.clone()).await {
            Ok(Some(sealed)) => hub
                .parts
                .secrets
                .open(Place::provider_token(&name), &sealed)
                .inspect_err(|problem| {
                    tracing::warn!(
                        signing_key = name,
                        problem,
                        "stored provider token of {name} cannot be opened: a new one will be signed"
                    );
                })
                .ok()
                .and_then(|plain| decode(&plain)),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(signing_key = name, %error, "stored provider token of {name} cannot be read: a new one will be signed");
                None
            }
        };
        Self {
            name,
            current: Mutex::new(stored),
            hub: Arc::downgrade(hub),
        }
    }
}

impl ProviderTokenVault for Vault {
    fn load(&self) -> Option<(String, UnixMs)> {
        self.current.lock().clone()
    }

    fn store(&self, jwt: &str, issued_at: UnixMs) {
        *self.current.lock() = Some((jwt.to_owned(), issued_at));
        let Some(hub) = self.hub.upgrade() else {
            return;
        };
        let plain = format!("{issued_at}\n{jwt}").into_bytes();
        let place = Place::provider_token(&self.name);
        let sealed = hub.parts.secrets.seal(place, &plain);
        let name = self.name.clone();
        hub.runtime.clone().spawn(async move {
            let now = hub.parts.clock.now();
            let stored = hub.parts.registry.put_provider_token(name.clone(), sealed, now);
            if let Err(error) = stored.await {
                tracing::warn!(signing_key = name, %error, "provider token of {name} was not stored: a restart signs a new one");
            }
        });
    }
}

/// `issued_at`, a line feed, the JWT.
fn decode(plain: &[u8]) -> Option<(String, UnixMs)> {
    let (issued_at, jwt) = std::str::from_utf8(plain).ok()?.split_once('\n')?;
    Some((jwt.to_owned(), issued_at.parse().ok()?))
}
