//! The same suites on PostgreSQL. `cargo xtask test` starts a server for them, and `STORE_TEST_POSTGRES` says where
//! one is: `postgres://USER@HOST:PORT/DATABASE`, of a user who may make schemas there.

use carillon_ports::conformance::Subject;
use carillon_ports::receipt::ReceiptStore;
use carillon_ports::registry::Registry;
use carillon_ports::store::HotStore;
use carillon_ports::webhook::WebhookStore;
use carillon_store_sql::{ServerConfig, SqlStore, StoreUrl, TlsMode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_postgres::NoTls;

const VARIABLE: &str = "STORE_TEST_POSTGRES";

/// A schema of the test's own. Goes with it.
pub(crate) struct Schema {
    pub(crate) config: ServerConfig,
}

impl Schema {
    /// `None`, and a word about it: there is no server.
    pub(crate) fn make(test: &str) -> Option<Self> {
        let Some(url) = std::env::var(VARIABLE).ok().filter(|url| !url.is_empty()) else {
            skipped(test);
            return None;
        };
        let StoreUrl::Server(url) = StoreUrl::parse(&url).unwrap() else {
            panic!("{VARIABLE} is {url}");
        };
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut config = ServerConfig::new(url);
        config.tls.mode = TlsMode::Off;
        config.readers = 2;
        let name = format!("carillon_{}_{count}", std::process::id());
        let schema = Self {
            config: ServerConfig {
                schema: Some(name.clone()),
                ..config
            },
        };
        schema.script(&format!(
            "DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"
        ));
        Some(schema)
    }

    pub(crate) fn open(&self) -> SqlStore {
        SqlStore::open(self.config.clone()).unwrap()
    }

    /// Runs statements as somebody else does. On a thread of its own, since this one may be inside a runtime.
    pub(crate) fn script(&self, sql: &str) {
        self.ask(sql);
    }

    /// The same, and the last statement's rows, a column each.
    pub(crate) fn ask(&self, sql: &str) -> Vec<String> {
        let url = self.config.url.to_string();
        let schema = self.config.schema.clone().unwrap();
        let asked = std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
                    let moving = tokio::spawn(connection);
                    client
                        .batch_execute(&format!("SET search_path TO {schema}"))
                        .await
                        .unwrap();
                    let said = client.simple_query(sql).await.unwrap();
                    drop(client);
                    moving.await.unwrap().unwrap();
                    said
                })
            });
            asking.join().unwrap()
        });
        asked
            .into_iter()
            .filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0)?.to_owned()),
                _ => None,
            })
            .collect()
    }
}

/// A connection that has the lock of those who open.
pub(crate) struct Opening {
    client: tokio_postgres::Client,
    moving: tokio::task::JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Opening {
    pub(crate) async fn end(self) {
        drop(self.client);
        self.moving.await.unwrap().unwrap();
    }
}

impl Schema {
    /// Somebody opens it, and does not come to an end.
    pub(crate) async fn hold_lock(&self) -> Opening {
        let url = self.config.url.to_string();
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        let moving = tokio::spawn(connection);
        let schema = self.config.schema.clone().unwrap();
        let lock = format!("SELECT pg_advisory_lock(hashtextextended('carillon {schema}', 0))");
        client.batch_execute(&lock).await.unwrap();
        Opening { client, moving }
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let name = self.config.schema.clone().unwrap();
        self.script(&format!("DROP SCHEMA {name} CASCADE"));
    }
}

/// Says that a test did not run; in CI that is a failure.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn skipped(test: &str) {
    eprintln!("SKIPPED: {test}: set {VARIABLE}, or let `cargo xtask test --setup` do it");
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{test} must not be skipped in CI"
    );
}

struct Postgres {
    store: SqlStore,
    schema: Schema,
}

fn fresh() -> Option<Postgres> {
    let schema = Schema::make("the suite on PostgreSQL")?;
    Some(Postgres {
        store: schema.open(),
        schema,
    })
}

#[async_trait::async_trait]
impl Subject for Postgres {
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
        self.store = self.schema.open();
    }
}

carillon_ports::store_suite!(maybe: fresh);

mod sharing {
    use super::{Arc, Schema};
    use carillon_ports::conformance::{Process, Shared};

    #[async_trait::async_trait]
    impl Shared for Schema {
        async fn process(&self) -> Process {
            let store = self.open();
            Process {
                hot: Arc::new(store.clone()),
                registry: Arc::new(store.clone()),
                instances: Arc::new(store),
            }
        }
    }

    carillon_ports::shared_store_suite!(|| Schema::make("several processes on PostgreSQL"));
}
