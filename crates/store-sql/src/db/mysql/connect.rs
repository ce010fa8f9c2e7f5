//! Connecting to MySQL and MariaDB: which host, under which protection, and how the session is set up.

use super::Link;
use super::trouble::{failed, of, of_connecting};
use crate::address::{Host, ServerUrl};
use crate::db::Result;
use crate::db::driver::{Driver, Role, Server, Trouble};
use crate::server_config::ServerConfig;
use crate::tls::TlsMode;
use mysql_async::prelude::Queryable as _;
use mysql_async::{ClientIdentity, Conn, OptsBuilder, SslOpts};
use secrecy::ExposeSecret as _;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// The oldest that have what the texts and the schema need.
const OLDEST_MYSQL: (u16, u16, u16) = (8, 0, 16);
const OLDEST_MARIADB: (u16, u16, u16) = (10, 11, 0);

/// How long after its own time-out a statement's answer is waited for.
const GRACE: Duration = Duration::from_secs(5);
/// After so long the server ends a session that does nothing in the middle of a turn, in seconds.
const IDLE_IN_TURN_SECS: u32 = 2;
/// The same on MySQL, where it also ends one between turns; that is renewed when it is needed.
const IDLE_MYSQL_SECS: u32 = 15;
/// Longest first packet of a server that is read, in bytes.
const GREETING: usize = 256;

/// A database on MySQL or MariaDB.
#[derive(Clone, Debug)]
pub(crate) struct Mysql {
    config: ServerConfig,
}

impl Mysql {
    /// Looks at the files that TLS needs, so that what is wrong with them is said by their names.
    pub(crate) fn new(config: ServerConfig) -> std::result::Result<Self, String> {
        match config.tls.mode {
            TlsMode::Off => {}
            TlsMode::VerifyFull => drop(config.tls.client()?),
            TlsMode::VerifyCa => {
                return Err("verify-ca is for PostgreSQL only: the certificate of MySQL or MariaDB must have the host's name, which verify-full checks".into());
            }
        }
        Ok(Self { config })
    }

    fn url(&self) -> &ServerUrl {
        &self.config.url
    }

    fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.config.connect_timeout_ms.into())
    }

    /// How one of the hosts is reached.
    fn options(&self, host: &Host) -> OptsBuilder {
        let config = &self.config;
        let password = config
            .password
            .as_ref()
            .map(|password| password.expose_secret().to_owned());
        let options = OptsBuilder::default()
            .user(Some(self.url().user.clone()))
            .pass(password)
            .db_name(Some(self.url().database.clone()))
            // An update counts the rows that its condition meets, as on SQLite.
            .client_found_rows(true)
            .prefer_socket(false)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(Duration::from_secs(60)))
            // Ours are kept by their text.
            .stmt_cache_size(0_usize);
        match host {
            Host::Tcp { host, port } => options
                .ip_or_hostname(host.clone())
                .tcp_port(*port)
                .ssl_opts(self.tls()),
            Host::Socket { path, .. } => options.socket(Some(path.display().to_string())),
        }
    }

    fn tls(&self) -> Option<SslOpts> {
        let tls = &self.config.tls;
        if tls.mode == TlsMode::Off {
            return None;
        }
        let mut options = SslOpts::default();
        if let Some(file) = &tls.ca_file {
            options = options
                .with_root_certs(vec![file.clone().into()])
                .with_disable_built_in_roots(true);
        }
        if let (Some(certificate), Some(key)) = (&tls.certificate_file, &tls.key_file) {
            let identity = ClientIdentity::new(certificate.clone().into(), key.clone().into());
            options = options.with_client_identity(Some(identity));
        }
        Some(options)
    }

    /// A connection to the first host that answers, to read what another program keeps there.
    pub(crate) async fn connect_foreign(&self) -> Result<Conn> {
        self.first(None).await
    }

    /// A connection to the first host that can be written to; without a role, that answers.
    async fn first(&self, role: Option<Role>) -> Result<Conn> {
        let mut last = failed(Trouble::Lost, "no host");
        for host in &self.url().hosts {
            let found = tokio::time::timeout(self.connect_timeout(), self.one(host, role)).await;
            match found {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(error)) => last = error,
                Err(_) => {
                    let limit = self.config.connect_timeout_ms;
                    last = failed(Trouble::Lost, format!("no answer within {limit} ms"));
                }
            }
        }
        Err(last)
    }

    async fn one(&self, host: &Host, role: Option<Role>) -> Result<Conn> {
        if let Host::Tcp { host, port } = host
            && self.config.tls.mode == TlsMode::Off
            && self.config.password.is_some()
        {
            refuse_bare_passwords(host, *port).await?;
        }
        let mut conn = Conn::new(self.options(host))
            .await
            .map_err(|error| of_connecting(&error))?;
        if let Some(role) = role {
            self.set_up(&mut conn, role).await?;
        }
        Ok(conn)
    }

    async fn set_up(&self, conn: &mut Conn, role: Role) -> Result<()> {
        let asked = "SELECT VERSION(), @@read_only";
        let found: Option<(String, i64)> =
            conn.query_first(asked).await.map_err(|error| of(&error))?;
        let (version, is_read_only) = found.ok_or_else(|| failed(Trouble::Lost, "no version"))?;
        let is_mariadb = version.contains("MariaDB");
        let (oldest, name) = if is_mariadb {
            (OLDEST_MARIADB, "MariaDB")
        } else {
            (OLDEST_MYSQL, "MySQL")
        };
        if numbers(&version) < oldest {
            let (major, minor, patch) = oldest;
            return Err(failed(
                Trouble::Lost,
                format!("{name} {version} is too old: {major}.{minor}.{patch} or newer is needed"),
            ));
        }
        if is_read_only != 0 {
            return Err(failed(
                Trouble::Lost,
                "the server takes no writes (read_only): another one leads",
            ));
        }
        for statement in self.session(is_mariadb, role) {
            conn.query_drop(statement)
                .await
                .map_err(|error| of(&error))?;
        }
        Ok(())
    }

    /// What a session is set to.
    fn session(&self, is_mariadb: bool, role: Role) -> Vec<String> {
        let config = &self.config;
        let collation = if is_mariadb {
            "utf8mb4_nopad_bin"
        } else {
            "utf8mb4_0900_bin"
        };
        let seconds = config.lock_timeout_ms.div_ceil(1_000).max(1);
        let statement_timeout = if is_mariadb {
            let seconds = f64::from(config.statement_timeout_ms) / 1_000.0;
            format!("SET SESSION max_statement_time = {seconds}")
        } else {
            format!(
                "SET SESSION max_execution_time = {}",
                config.statement_timeout_ms
            )
        };
        let mut statements = vec![
            format!("SET NAMES utf8mb4 COLLATE {collation}"),
            // Nothing is cut to fit, a backslash is one, || joins texts.
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION,NO_UNSIGNED_SUBTRACTION'".into(),
            format!("SET SESSION innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}"),
            statement_timeout,
        ];
        match role {
            // Those that write take turns, so none needs a snapshot, and no gaps are locked this way. One that hangs in
            // its turn holds the others up until the server ends it. MySQL cannot tell a turn from a pause between two.
            Role::Writer => {
                let idle = if is_mariadb {
                    format!("SET SESSION idle_transaction_timeout = {IDLE_IN_TURN_SECS}")
                } else {
                    format!("SET SESSION wait_timeout = {IDLE_MYSQL_SECS}")
                };
                statements.push(idle);
                statements.push("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED".into());
            }
            // Who reads gets one state for all statements of a transaction.
            Role::Reader => statements
                .push("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY".into()),
        }
        statements
    }
}

impl Server for Mysql {
    fn connect(&self, role: Role) -> Result<Box<dyn Driver>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(Trouble::Failed, format!("no runtime: {error}")))?;
        let conn = runtime.block_on(self.first(Some(role)))?;
        let patience = Duration::from_millis(self.config.statement_timeout_ms.into()) + GRACE;
        Ok(Box::new(Link::new(runtime, conn, patience)))
    }

    fn migrations(&self) -> &'static [(i64, &'static str)] {
        crate::migrate::MYSQL
    }
}

/// MySQL's own method (`caching_sha2_password`) sends the password itself, under a key that whoever answers may have made.
/// So no password goes to a MySQL over plain TCP. MariaDB's method sends none.
async fn refuse_bare_passwords(host: &str, port: u16) -> Result<()> {
    let lost = |error: std::io::Error| failed(Trouble::Lost, error.to_string());
    let mut stream = tokio::net::TcpStream::connect((host, port))
        .await
        .map_err(lost)?;
    let mut greeting = [0; GREETING];
    let mut length = 0;
    // Its length, its number, the protocol, and the version up to a zero.
    while length < GREETING && !greeting[..length].get(5..).unwrap_or_default().contains(&0) {
        match stream.read(&mut greeting[length..]).await.map_err(lost)? {
            0 => break,
            more => length += more,
        }
    }
    let version = greeting[..length]
        .get(5..)
        .unwrap_or_default()
        .split(|byte| *byte == 0)
        .next();
    let version = String::from_utf8_lossy(version.unwrap_or_default()).into_owned();
    // An error packet has no version: connecting says what it is about.
    if greeting.get(4) == Some(&0xff) || version.contains("MariaDB") {
        return Ok(());
    }
    Err(failed(
        Trouble::Lost,
        format!(
            "{host}:{port} is MySQL {version}, to which a password goes under TLS or over a socket only: set its TLS (store.tls, --database-tls), or ?socket=PATH in its URL"
        ),
    ))
}

fn numbers(version: &str) -> (u16, u16, u16) {
    let mut parts = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}
