//! Places for stores in tests of other crates, on the servers that `cargo xtask test` starts.

use crate::address::{ServerKind, StoreUrl};
use crate::db::driver::Role;
use crate::server;
use crate::server_config::ServerConfig;
use crate::tls::TlsMode;
use std::sync::atomic::{AtomicU32, Ordering};

/// A place of one test's own on a server, empty. Goes with it.
#[derive(Debug)]
pub struct Scratch {
    config: ServerConfig,
    name: String,
}

impl Scratch {
    /// On PostgreSQL; `None`, where `STORE_TEST_POSTGRES` does not say where one is.
    #[must_use]
    pub fn postgres() -> Option<Self> {
        Self::make("STORE_TEST_POSTGRES", "")
    }

    /// On MariaDB; `None`, where `STORE_TEST_MARIADB` does not say where one is.
    #[must_use]
    pub fn mariadb() -> Option<Self> {
        Self::make("STORE_TEST_MARIADB", "information_schema")
    }

    fn make(variable: &str, database: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var(variable).ok().filter(|url| !url.is_empty())?;
        let Ok(StoreUrl::Server(url)) = StoreUrl::parse(&format!("{url}{database}")) else {
            panic!("{variable} is {url}");
        };
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut config = ServerConfig::new(url);
        config.tls.mode = TlsMode::Off;
        let scratch = Self {
            config,
            name: format!("carillon_scratch_{}_{count}", std::process::id()),
        };
        scratch.run(&format!("CREATE {} {}", scratch.kind(), scratch.name));
        Some(scratch)
    }

    /// How a store is opened there.
    #[must_use]
    pub fn config(&self) -> ServerConfig {
        let mut config = self.config.clone();
        match config.url.kind {
            ServerKind::Postgres => config.schema = Some(self.name.clone()),
            ServerKind::Mysql => config.url.database = self.name.clone(),
        }
        config
    }

    /// The same as settings of a server's environment.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let config = self.config();
        let mut settings = vec![("CARILLON_STORE__URL".to_owned(), config.url.to_string())];
        if let Some(schema) = config.schema {
            settings.push(("CARILLON_STORE__SCHEMA".to_owned(), schema));
        }
        settings
    }

    fn kind(&self) -> &'static str {
        match self.config.url.kind {
            ServerKind::Postgres => "SCHEMA",
            ServerKind::Mysql => "DATABASE",
        }
    }

    /// Runs statements in that place, as another program does.
    pub fn script(&self, sql: &str) {
        run(&self.config(), sql);
    }

    fn run(&self, sql: &str) {
        run(&self.config, sql);
    }
}

/// On a thread of its own, since this one may be inside a runtime.
fn run(config: &ServerConfig, sql: &str) {
    let run = || {
        let server = server::server(config.clone()).unwrap();
        server.connect(Role::Writer).unwrap().script(sql).unwrap();
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap();
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let cascade = match self.config.url.kind {
            ServerKind::Postgres => " CASCADE",
            ServerKind::Mysql => "",
        };
        self.run(&format!("DROP {} {}{cascade}", self.kind(), self.name));
    }
}
