//! The same suites on MariaDB. `cargo xtask test` starts a server for them, and `STORE_TEST_MARIADB` says where one
//! is: `mariadb://USER@HOST:PORT/`, of a user who may make databases.

use carillon_ports::conformance::Subject;
use carillon_ports::receipt::ReceiptStore;
use carillon_ports::registry::Registry;
use carillon_ports::store::HotStore;
use carillon_ports::webhook::WebhookStore;
use carillon_store_sql::{Host, ServerConfig, SqlStore, StoreUrl, TlsMode};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const VARIABLE: &str = "STORE_TEST_MARIADB";

/// A database of the test's own. Goes with it.
pub(crate) struct Database {
    pub(crate) config: ServerConfig,
}

impl Database {
    /// `None`, and a word about it: there is no server.
    pub(crate) fn make(test: &str) -> Option<Self> {
        let Some(url) = std::env::var(VARIABLE).ok().filter(|url| !url.is_empty()) else {
            skipped(test);
            return None;
        };
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("carillon_{}_{count}", std::process::id());
        let StoreUrl::Server(url) = StoreUrl::parse(&format!("{url}{name}")).unwrap() else {
            panic!("{VARIABLE} is {url}");
        };
        let mut config = ServerConfig::new(url);
        config.tls.mode = TlsMode::Off;
        config.readers = 2;
        let database = Self { config };
        database.ask(&format!("CREATE DATABASE {name}"));
        Some(database)
    }

    pub(crate) fn open(&self) -> SqlStore {
        SqlStore::open(self.config.clone()).unwrap()
    }

    /// Runs a statement as somebody else does, and gives the first column of its rows. On a thread of its own, since
    /// this one may be inside a runtime.
    pub(crate) fn ask(&self, sql: &str) -> Vec<String> {
        let Host::Tcp { host, port } = self.config.url.hosts[0].clone() else {
            panic!("a socket");
        };
        let options = OptsBuilder::default()
            .ip_or_hostname(host)
            .tcp_port(port)
            .user(Some(self.config.url.user.clone()))
            .prefer_socket(false);
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let mut conn = Conn::new(options).await.unwrap();
                    let rows = conn.query(sql).await.unwrap();
                    conn.disconnect().await.unwrap();
                    rows
                })
            });
            asking.join().unwrap()
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.ask(&format!("DROP DATABASE {}", self.config.url.database));
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

struct Mariadb {
    store: SqlStore,
    database: Database,
}

fn fresh() -> Option<Mariadb> {
    let database = Database::make("the suite on MariaDB")?;
    Some(Mariadb {
        store: database.open(),
        database,
    })
}

#[async_trait::async_trait]
impl Subject for Mariadb {
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
        self.store = self.database.open();
    }
}

carillon_ports::store_suite!(maybe: fresh);

mod sharing {
    use super::{Arc, Database};
    use carillon_ports::conformance::{Process, Shared};

    #[async_trait::async_trait]
    impl Shared for Database {
        async fn process(&self) -> Process {
            let store = self.open();
            Process {
                hot: Arc::new(store.clone()),
                registry: Arc::new(store.clone()),
                instances: Arc::new(store),
            }
        }
    }

    carillon_ports::shared_store_suite!(|| Database::make("several processes on MariaDB"));
}
