//! The engine's face: what api and server hold.

use crate::config::EngineConfig;
use crate::directory::Directory;
use crate::request::{Accepted, CancelAnswer, Refusal, SendItem};
use crate::status::{EngineStatus, StopReport};
use arc_swap::ArcSwap;
use carillon_model::credential::CredentialSecret;
use carillon_model::environment::Environment;
use carillon_model::id::{AppNo, CredentialNo, NotificationNo};
use carillon_ports::clock::Clock;
use carillon_ports::gateway::{Gateway, PoolSpec};
use carillon_ports::registry::{Registry, Sealed};
use carillon_ports::secret::{Place, SecretBox};
use carillon_ports::store::{HotStore, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// What the engine is made of.
pub struct Parts {
    /// The hot store.
    pub store: Arc<dyn HotStore>,
    /// The registry.
    pub registry: Arc<dyn Registry>,
    /// The adapter to Apple.
    pub apns: Arc<dyn Gateway>,
    /// Business time.
    pub clock: Arc<dyn Clock>,
    /// Opens credentials.
    pub secrets: Arc<dyn SecretBox>,
    /// Bounds and deadlines.
    pub config: EngineConfig,
}

/// A running engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    parts: Arc<Parts>,
    directory: Arc<ArcSwap<Directory>>,
}

impl Engine {
    /// Loads the directory and starts the engine's own thread. What a former process held is rescued
    /// in the background, in slices.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn start(parts: Parts) -> Result<Self, StoreError> {
        let read = parts.registry.directory().await?;
        Ok(Self {
            parts: Arc::new(parts),
            directory: Arc::new(ArcSwap::from_pointee(Directory::new(read))),
        })
    }

    /// The current snapshot of Apps, API keys and credentials.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        self.directory.load_full()
    }

    /// Call it after any change of Apps, credentials or API keys: reads them again, drains the pools
    /// of changed credentials and arms their breakers anew.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let read = self.parts.registry.directory().await?;
        self.directory.store(Arc::new(Directory::new(read)));
        Ok(())
    }

    /// Accepts notifications: each accepted one is on disk when this returns. Answers in the same
    /// order. All of them in one transaction.
    pub async fn send(
        &self,
        app: AppNo,
        items: Vec<SendItem>,
    ) -> Result<Vec<Result<Accepted, Refusal>>, StoreError> {
        let _ = (app, items);
        Err(StoreError::Closed)
    }

    /// Cancels a notification. `None`: the App has no such notification.
    pub async fn cancel(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<CancelAnswer>, StoreError> {
        let _ = (app, no);
        Err(StoreError::Closed)
    }

    /// Stops: claims nothing more, lets what is in flight finish until the deadline, gives the rest
    /// back without charging an attempt.
    pub async fn stop(&self, deadline: Duration) -> StopReport {
        let _ = deadline;
        StopReport::default()
    }

    /// Resolves when the engine cannot go on (the store failed on a commit, or a part that holds work
    /// panicked), with a sentence for the log. The process should stop then: the next start rescues.
    pub async fn failed(&self) -> String {
        std::future::pending().await
    }

    /// State of lanes and pools.
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        EngineStatus::default()
    }

    /// Seals a credential's secret for its row: what `Registry::put_credential` takes.
    #[must_use]
    pub fn seal_credential(&self, no: CredentialNo, secret: &CredentialSecret) -> Sealed {
        let row = no.to_string();
        self.parts
            .secrets
            .seal(Place::credential(&row), &secret.encode())
    }

    /// What a pool for this credential and environment would be opened with: for doctor's probes and
    /// for channel calls. `None`: no such credential, or its secret cannot be opened.
    #[must_use]
    pub fn pool_spec(
        &self,
        app: AppNo,
        credential: &str,
        environment: Environment,
    ) -> Option<PoolSpec> {
        let _ = (app, credential, environment);
        None
    }

    /// The hot store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn HotStore> {
        &self.parts.store
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.parts.registry
    }

    /// The adapter to Apple.
    #[must_use]
    pub fn apns(&self) -> &Arc<dyn Gateway> {
        &self.parts.apns
    }

    /// Business time.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.parts.clock
    }

    /// Seals and opens secrets.
    #[must_use]
    pub fn secrets(&self) -> &Arc<dyn SecretBox> {
        &self.parts.secrets
    }
}
