//! The suites that every store must pass.

use carillon_ports::conformance::Subject;
use carillon_ports::receipt::ReceiptStore;
use carillon_ports::registry::Registry;
use carillon_ports::store::HotStore;
use carillon_ports::webhook::WebhookStore;
use carillon_store_sql::{SqlStore, SqliteConfig};
use std::sync::Arc;
use tempfile::TempDir;

struct Sqlite {
    directory: TempDir,
    store: SqlStore,
}

fn fresh() -> Sqlite {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    Sqlite { directory, store }
}

fn open(directory: &TempDir) -> SqlStore {
    SqlStore::open(SqliteConfig::new(directory.path().join("carillon.db"))).unwrap()
}

#[async_trait::async_trait]
impl Subject for Sqlite {
    fn hot(&self) -> Arc<dyn HotStore> {
        Arc::new(self.store.clone())
    }

    fn registry(&self) -> Arc<dyn Registry> {
        Arc::new(self.store.clone())
    }

    fn receipts(&self) -> Arc<dyn ReceiptStore> {
        Arc::new(self.store.clone())
    }

    fn webhooks(&self) -> Arc<dyn WebhookStore> {
        Arc::new(self.store.clone())
    }

    async fn restart(&mut self) {
        self.store.close().await;
        self.store = open(&self.directory);
    }
}

carillon_ports::store_suite!(fresh);
