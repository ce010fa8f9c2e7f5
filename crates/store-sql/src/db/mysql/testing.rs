//! What the driver's tests share.

use super::Mysql;
use crate::address::{Host, StoreUrl};
use crate::db::driver::{Driver, Role, Server as _};
use crate::server_config::ServerConfig;
use crate::tls::TlsMode;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A database of one test, dropped with it.
pub(super) struct Database {
    config: ServerConfig,
}

impl Database {
    pub(super) fn config(&self) -> ServerConfig {
        self.config.clone()
    }

    pub(super) fn server(&self) -> Mysql {
        Mysql::new(self.config()).unwrap()
    }

    pub(super) fn link(&self, role: Role) -> Box<dyn Driver> {
        self.server().connect(role).unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = &self.config.url.database;
        let _ = self
            .link(Role::Writer)
            .script(&format!("DROP DATABASE {name}"));
    }
}

/// A new database on the MariaDB of the tests; `None` where there is none, which is told loudly.
pub(super) fn database() -> Option<Database> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let url = variable("STORE_TEST_MARIADB", "the driver for MariaDB")?;
    let name = format!(
        "carillon_driver_{}_{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    );
    let mut config = server(&format!("{url}information_schema"));
    let mut link = Mysql::new(config.clone())
        .unwrap()
        .connect(Role::Writer)
        .unwrap();
    link.script(&format!("CREATE DATABASE {name}")).unwrap();
    config.url.database = name;
    Some(Database { config })
}

/// Where certificates of the tests are.
pub(super) fn certificates() -> Option<PathBuf> {
    variable("STORE_TEST_CERTIFICATES", "TLS to MariaDB").map(Into::into)
}

fn variable(name: &str, what: &str) -> Option<String> {
    if let Ok(value) = std::env::var(name) {
        return Some(value);
    }
    if let Some(file) = std::env::var_os("PUSH_TEST_SKIPS") {
        let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
        writeln!(
            file,
            "{what} ({name} is not set; get it by `cargo xtask test --setup`)"
        )
        .unwrap();
    }
    None
}

/// Settings for a URL, over plain TCP.
pub(super) fn server(url: &str) -> ServerConfig {
    let StoreUrl::Server(url) = StoreUrl::parse(url).unwrap() else {
        panic!("{url} is no server's");
    };
    let mut config = ServerConfig::new(url);
    config.tls.mode = TlsMode::Off;
    config
}

/// A detour that ends with the test: the server under an address that its certificate does not have.
pub(super) fn forward(config: &mut ServerConfig) -> tokio::runtime::Runtime {
    let Host::Tcp { host, port } = config.url.hosts[0].clone() else {
        panic!("a socket");
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.2:0"))
        .unwrap();
    let detour = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let mut to = tokio::net::TcpStream::connect((host.as_str(), port))
                .await
                .unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
        }
    });
    config.url.hosts = vec![Host::Tcp {
        host: detour.ip().to_string(),
        port: detour.port(),
    }];
    runtime
}
