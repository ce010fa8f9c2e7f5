//! A store in memory, for tests: both ports, exact in what it answers, careless about cost.
//!
//! It can be told to fail ([`MemoryStore::fail`]) and to restart ([`MemoryStore::restart`]), as if
//! the process that held its work had gone. Several processes are handles that
//! [`MemoryStore::another`] makes.

mod activity_sources;
mod callouts;
mod campaigns;
mod checker;
mod definitions;
mod devices;
mod gathering;
mod history;
mod hot;
mod instances;
mod lists;
mod live_activities;
mod preferences;
mod receipts;
mod registry;
mod rules;
mod schedules;
mod segments;
mod sources;
mod state;
mod timers;
mod watching;
mod webhooks;

pub use checker::FakeChecker;
pub use sources::FakeSources;
pub use webhooks::{FakeReceivers, answered};

use crate::store::{Result, StoreError};
use carillon_model::id::DefinitionNo;
use instances::Process;
use parking_lot::{Mutex, MutexGuard};
use state::State;
use std::sync::Arc;

/// The fake. Clones share it, as one process.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    process: Arc<Process>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    failure: Mutex<Option<StoreError>>,
    cancel_failure: Mutex<Option<StoreError>>,
    unreadable_user: Mutex<Option<String>>,
    failing_monitor: Mutex<Option<DefinitionNo>>,
    failing_activity: Mutex<Option<String>>,
    free_bytes: Mutex<Option<u64>>,
    is_shared: bool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::of(Shared::default())
    }
}

impl MemoryStore {
    /// An empty one, in its first epoch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one that several processes may use, in the first of them.
    #[must_use]
    pub fn shared() -> Self {
        Self::of(Shared {
            is_shared: true,
            ..Shared::default()
        })
    }

    fn of(shared: Shared) -> Self {
        Self::process_of(Arc::new(shared))
    }

    /// From now on every change fails with this; `None`: no more. Reads go on.
    pub fn fail(&self, with: Option<StoreError>) {
        *self.shared.failure.lock() = with;
    }

    /// From now on every cancel fails with this; `None`: no more. All else goes on.
    pub fn fail_cancels(&self, with: Option<StoreError>) {
        *self.shared.cancel_failure.lock() = with;
    }

    /// From now on the devices of this user cannot be read; `None`: all can.
    pub fn spoil_user(&self, user: Option<&str>) {
        *self.shared.unreadable_user.lock() = user.map(str::to_owned);
    }

    /// From now on no step of this monitor can be written, nor one that is written with it; `None`: all can.
    pub fn fail_monitor(&self, no: Option<DefinitionNo>) {
        *self.shared.failing_monitor.lock() = no;
    }

    /// From now on no push of this Live Activity can be stored, nor one that is stored with it; `None`: all can.
    pub fn fail_pushes_of(&self, activity: Option<&str>) {
        *self.shared.failing_activity.lock() = activity.map(str::to_owned);
    }

    fn readable(&self, users: &[String]) -> Result<()> {
        match self.shared.unreadable_user.lock().clone() {
            Some(user) if users.contains(&user) => {
                let what = format!("the devices of {user} are spoilt");
                Err(StoreError::Corrupt(what))
            }
            _ => Ok(()),
        }
    }

    /// From now on so many bytes are free on its disk; `None`: nobody can tell.
    pub fn set_free(&self, bytes: Option<u64>) {
        *self.shared.free_bytes.lock() = bytes;
    }

    /// A new epoch: what was held belongs to a process that is gone.
    pub fn restart(&self) {
        self.process.restart(&mut self.shared.state.lock());
    }

    /// As if it had been restored from a backup: nothing fires until it is resumed.
    pub fn pause_scheduler(&self) {
        self.shared.state.lock().is_scheduler_paused = true;
    }

    fn read(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }

    fn write(&self) -> Result<MutexGuard<'_, State>> {
        if let Some(error) = &*self.shared.failure.lock() {
            return Err(error.clone());
        }
        let mut state = self.shared.state.lock();
        self.process.enter(&mut state)?;
        Ok(state)
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

    mod sharing {
        use super::MemoryStore;
        use crate::conformance::{Process, Shared};
        use std::sync::Arc;

        #[async_trait::async_trait]
        impl Shared for MemoryStore {
            async fn process(&self) -> Process {
                let store = self.another();
                Process {
                    hot: Arc::new(store.clone()),
                    registry: Arc::new(store.clone()),
                    instances: Arc::new(store),
                }
            }
        }

        crate::shared_store_suite!(|| Some(MemoryStore::shared()));
    }

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
