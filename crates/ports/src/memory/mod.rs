//! A store in memory, for tests: both ports, exact in what it answers, careless about cost.
//!
//! It can be told to fail ([`MemoryStore::fail`]) and to restart ([`MemoryStore::restart`]), as if
//! the process that held its work had gone.

mod callouts;
mod campaigns;
mod definitions;
mod devices;
mod gathering;
mod history;
mod hot;
mod lists;
mod preferences;
mod receipts;
mod registry;
mod rules;
mod schedules;
mod segments;
mod state;
mod timers;
mod webhooks;

pub use webhooks::{FakeReceivers, answered};

use crate::store::{Result, StoreError};
use parking_lot::{Mutex, MutexGuard};
use state::State;
use std::sync::Arc;

/// The fake. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryStore(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    failure: Mutex<Option<StoreError>>,
    unreadable_user: Mutex<Option<String>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        let shared = Shared::default();
        shared.state.lock().restart();
        Self(Arc::new(shared))
    }
}

impl MemoryStore {
    /// An empty one, in its first epoch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every change fails with this; `None`: no more. Reads go on.
    pub fn fail(&self, with: Option<StoreError>) {
        *self.0.failure.lock() = with;
    }

    /// From now on the devices of this user cannot be read; `None`: all can.
    pub fn spoil_user(&self, user: Option<&str>) {
        *self.0.unreadable_user.lock() = user.map(str::to_owned);
    }

    /// A new epoch: what was held belongs to a process that is gone.
    pub fn restart(&self) {
        self.0.state.lock().restart();
    }

    /// As if it had been restored from a backup: nothing fires until it is resumed.
    pub fn pause_scheduler(&self) {
        self.0.state.lock().is_scheduler_paused = true;
    }

    fn read(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    fn write(&self) -> Result<MutexGuard<'_, State>> {
        match &*self.0.failure.lock() {
            Some(error) => Err(error.clone()),
            None => Ok(self.0.state.lock()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryStore;
    use crate::conformance::Subject;
    use crate::receipt::ReceiptStore;
    use crate::registry::Registry;
    use crate::store::HotStore;
    use crate::webhook::WebhookStore;
    use std::sync::Arc;

    #[async_trait::async_trait]
    impl Subject for MemoryStore {
        fn hot(&self) -> Arc<dyn HotStore> {
            Arc::new(self.clone())
        }

        fn registry(&self) -> Arc<dyn Registry> {
            Arc::new(self.clone())
        }

        fn webhooks(&self) -> Arc<dyn WebhookStore> {
            Arc::new(self.clone())
        }

        fn receipts(&self) -> Arc<dyn ReceiptStore> {
            Arc::new(self.clone())
        }

        async fn restart(&mut self) {
            Self::restart(self);
        }
    }

    crate::store_suite!(MemoryStore::new);

    #[tokio::test]
    async fn fails_on_demand() {
        let store = MemoryStore::new();
        store.fail(Some(crate::store::StoreError::DiskFull));
        assert!(store.accept(vec![]).await.is_err());
        assert!(store.waiting_lanes().await.is_ok(), "reads go on");
        store.fail(None);
        assert!(store.accept(vec![]).await.is_ok());
    }
}
