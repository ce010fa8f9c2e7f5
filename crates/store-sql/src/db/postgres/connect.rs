//! Connecting to PostgreSQL.

use super::trouble::{failed, sorted};
use super::{Kept, Link};
use crate::address::Host;
use crate::db::driver::{Driver, Role, Server, ServerError, Trouble};
use crate::db::{Error, Result};
use crate::server_config::ServerConfig;
use crate::tls::TlsMode;
use rustls::ClientConfig;
use secrecy::ExposeSecret as _;
use std::collections::HashMap;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Beyond its own time-out a server is given so long to tell of it.
const GRACE_MS: u64 = 5_000;

/// After so long the server ends a session that does nothing in the middle of a turn.
const IDLE_IN_TURN_MS: u32 = 2_000;

/// A database on a PostgreSQL server.
pub(crate) struct Postgres {
    config: ServerConfig,
    tls: Option<ClientConfig>,
}

impl Postgres {
    /// Reads the files that TLS needs.
    pub(crate) fn new(config: ServerConfig) -> std::result::Result<Self, String> {
        let tls = match config.tls.mode {
            TlsMode::Off => None,
            TlsMode::VerifyCa | TlsMode::VerifyFull => Some(config.tls.client()?),
        };
        Ok(Self { config, tls })
    }

    /// A connection to the first host that answers, to read what another program keeps there. Lives as long as the
    /// runtime.
    pub(crate) fn connect_foreign(&self, runtime: &Runtime) -> Result<Client> {
        let config = &self.config;
        let mut wanted = self.wanted("carillon import");
        // One that only reads will do, and spares the other.
        wanted.target_session_attrs(TargetSessionAttrs::Any);
        let mut settings = format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; SET default_transaction_read_only = on;
             SET bytea_output = 'hex';",
            config.statement_timeout_ms, config.lock_timeout_ms
        );
        settings.push_str(&self.search_path());
        self.within(runtime, &wanted, &settings)
    }

    fn wanted(&self, name: &str) -> Config {
        let config = &self.config;
        let mut wanted = Config::new();
        wanted
            .user(&config.url.user)
            .dbname(&config.url.database)
            .application_name(name)
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms.into()))
            .tcp_user_timeout(Duration::from_millis(config.statement_timeout_ms.into()))
            .keepalives_idle(Duration::from_secs(10))
            .ssl_mode(if self.tls.is_some() {
                SslMode::Require
            } else {
                SslMode::Disable
            })
            // Of several hosts the one that may be written to, also for reading: what was just accepted is to be seen.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        for host in &config.url.hosts {
            match host {
                Host::Tcp { host, port } => wanted.host(host).port(*port),
                Host::Socket { path, port } => wanted.host_path(path).port(*port),
            };
        }
        if let Some(password) = &config.password {
            wanted.password(password.expose_secret());
        }
        wanted
    }

    /// What is set for the session.
    fn settings(&self, role: Role) -> String {
        let config = &self.config;
        let mut sql = format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; SET jit = off;
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';",
            config.statement_timeout_ms, config.lock_timeout_ms
        );
        sql.push_str(&self.search_path());
        if matches!(role, Role::Writer) {
            // Those that write take turns. One that hangs in its turn holds the others up until the server ends it.
            sql.push_str(&format!(
                " SET idle_in_transaction_session_timeout = {IDLE_IN_TURN_MS};"
            ));
        }
        sql.push_str(match role {
            // Its tables are small or looked into by a key. What PostgreSQL believes of a table that has just been
            // filled or emptied would now and then make it read all of it, for every group.
            Role::Writer => {
                " SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
                  SET enable_mergejoin = off; SET enable_bitmapscan = off;"
            }
            Role::Reader => " SET default_transaction_read_only = on;",
        });
        sql
    }

    fn search_path(&self) -> String {
        self.config.schema.as_ref().map_or(String::new(), |schema| {
            let schema = schema.replace('"', "\"\"");
            format!(" SET search_path TO \"{schema}\";")
        })
    }

    async fn client(
        &self,
        wanted: &Config,
        settings: &str,
    ) -> std::result::Result<Client, tokio_postgres::Error> {
        let client = match &self.tls {
            None => {
                let (client, connection) = wanted.connect(NoTls).await?;
                tokio::spawn(moved(connection));
                client
            }
            Some(tls) => {
                let tls = MakeRustlsConnect::new(tls.clone());
                let (client, connection) = wanted.connect(tls).await?;
                tokio::spawn(moved(connection));
                client
            }
        };
        client.batch_execute(settings).await?;
        Ok(client)
    }

    fn within(&self, runtime: &Runtime, wanted: &Config, settings: &str) -> Result<Client> {
        let hosts = self.config.url.hosts.len().max(1) as u64;
        let deadline =
            Duration::from_millis(u64::from(self.config.connect_timeout_ms) * hosts + GRACE_MS);
        let client = self.client(wanted, settings);
        let connected = runtime.block_on(async { tokio::time::timeout(deadline, client).await });
        match connected {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(lost(sorted(&error))),
            Err(_) => {
                let text = format!("no connection within {} ms", deadline.as_millis());
                Err(failed(Trouble::Lost, text))
            }
        }
    }
}

/// Moves what is sent and what comes until the connection ends; whoever waits for an answer then learns why.
async fn moved(connection: impl Future<Output = std::result::Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the database ended");
    }
}

impl Server for Postgres {
    fn connect(&self, role: Role) -> Result<Box<dyn Driver>> {
        let failure = |error: std::io::Error| failed(Trouble::Failed, error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failure)?;
        let wanted = self.wanted(match role {
            Role::Writer => "carillon writer",
            Role::Reader => "carillon reader",
        });
        let client = self.within(&runtime, &wanted, &self.settings(role))?;
        Ok(Box::new(Link {
            client,
            runtime,
            patience: Duration::from_millis(u64::from(self.config.statement_timeout_ms) + GRACE_MS),
            texts: Vec::new(),
            by_sql: HashMap::new(),
            kept: Kept::default(),
            ahead: HashMap::new(),
            has_begun: false,
            is_lost: false,
        }))
    }

    fn migrations(&self) -> &'static [(i64, &'static str)] {
        crate::migrate::POSTGRES
    }
}

/// Whatever kept it from connecting: there is no connection.
fn lost(error: Error) -> Error {
    match error {
        Error::Server(ServerError { text, .. }) => failed(Trouble::Lost, text),
        other => other,
    }
}
