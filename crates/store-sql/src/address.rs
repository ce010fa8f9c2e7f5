//! Where the store is: a URL that names a file, or a database on a server.
//!
//! It never has a password: URLs end up in logs and process lists.

use std::fmt;
use std::path::PathBuf;

/// A file, or a database on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A database on a server.
    Server(ServerUrl),
}

/// A database on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// What speaks there.
    pub kind: ServerKind,
    /// The database user.
    pub user: String,
    /// Where to look for it, in this order; several where another server takes over.
    pub hosts: Vec<Host>,
    /// The database.
    pub database: String,
}

/// What speaks at a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB: which of them is seen when it answers.
    Mysql,
}

/// One place where a server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or an address, and a port.
    Tcp {
        /// Name or address; an IPv6 address without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// PostgreSQL: the directory of its socket, and its port. MySQL and MariaDB: the socket itself.
    Socket {
        /// The directory or socket.
        path: PathBuf,
        /// Port, which for PostgreSQL is part of the socket's name.
        port: u16,
    },
}

const EXPECTED: &str = "sqlite:PATH, postgres://USER@HOST:PORT/DATABASE, mysql://USER@HOST:PORT/DATABASE or mariadb://USER@HOST:PORT/DATABASE";

// === impl StoreUrl ===

impl StoreUrl {
    /// Reads one: `sqlite:PATH`, or `postgres`, `mysql` or `mariadb` with `://USER@HOST:PORT/DATABASE`. Several
    /// hosts stand with commas between them; `?socket=PATH` takes the place of hosts. What is not plain in user
    /// or database is percent-encoded. The error is a sentence, without a password that may be in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            // The slashes of other programs' URLs: `sqlite:///srv/carillon.db` is an absolute path.
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err("expected sqlite:PATH, found no path".into()),
                path => Ok(Self::Sqlite(path.into())),
            };
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("expected {EXPECTED}"));
        };
        let kind = match scheme {
            "postgres" | "postgresql" => ServerKind::Postgres,
            "mysql" | "mariadb" => ServerKind::Mysql,
            other => return Err(format!("expected {EXPECTED}, found {other}://")),
        };
        ServerUrl::parse(kind, rest).map(Self::Server)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Server(url) => url.fmt(f),
        }
    }
}

// === impl ServerUrl ===

impl ServerUrl {
    fn parse(kind: ServerKind, rest: &str) -> Result<Self, String> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        // The last one: an `@` that is not encoded can only be in what stands before.
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        if user.contains(':') {
            return Err("expected no password in the URL: it has a place of its own, such as store.password, CARILLON_STORE__PASSWORD_FILE or, for an import, --database-password-file".into());
        }
        let user = decoded(user)?;
        if user.is_empty() {
            return Err("expected a user, as in postgres://USER@HOST/DATABASE".into());
        }
        let database = decoded(database)?;
        if database.is_empty() || database.contains('/') {
            return Err("expected one database, as in postgres://USER@HOST/DATABASE".into());
        }
        let mut found = hosts
            .split(',')
            .filter(|host| !host.is_empty())
            .map(|host| Host::parse(kind, host))
            .collect::<Result<Vec<_>, _>>()?;
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("socket", path)) if found.is_empty() => found.push(Host::Socket {
                    path: decoded(path)?.into(),
                    port: kind.port(),
                }),
                Some(("socket", _)) => {
                    return Err("expected either a host or ?socket=PATH, found both".into());
                }
                _ => {
                    let name = option.split('=').next().unwrap_or_default();
                    return Err(format!(
                        "expected no option but socket, found {name}: others are settings of their own, such as store.tls"
                    ));
                }
            }
        }
        if found.is_empty() {
            return Err("expected a host, as in postgres://USER@HOST/DATABASE".into());
        }
        Ok(Self {
            kind,
            user,
            hosts: found,
            database,
        })
    }

    /// Whether each host is this machine: nothing goes over a network.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.hosts.iter().all(Host::is_local)
    }
}

/// As it is written, for people.
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ServerKind::Postgres => "postgres",
            ServerKind::Mysql => "mysql",
        };
        write!(f, "{scheme}://{}@", encoded(&self.user))?;
        let mut socket = None;
        for (n, host) in self.hosts.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            match host {
                Host::Tcp { host, port } if host.contains(':') => {
                    write!(f, "{comma}[{host}]:{port}")?;
                }
                Host::Tcp { host, port } => write!(f, "{comma}{host}:{port}")?,
                Host::Socket { path, .. } => socket = Some(path),
            }
        }
        write!(f, "/{}", encoded(&self.database))?;
        match socket {
            Some(path) => write!(f, "?socket={}", path.display()),
            None => Ok(()),
        }
    }
}

// === impl ServerKind ===

impl ServerKind {
    /// Its port where none is named.
    fn port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Mysql => 3306,
        }
    }
}

// === impl Host ===

impl Host {
    fn parse(kind: ServerKind, text: &str) -> Result<Self, String> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest
                    .split_once(']')
                    .ok_or_else(|| format!("expected a `]` after {text}"))?;
                (host, rest.strip_prefix(':'))
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            None => kind.port(),
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| format!("expected a port from 1 to 65535, found {port:?}"))?,
        };
        if host.is_empty() {
            return Err(format!("expected a host before the port {port}"));
        }
        Ok(Self::Tcp {
            host: host.to_owned(),
            port,
        })
    }

    fn is_local(&self) -> bool {
        match self {
            Self::Socket { .. } => true,
            Self::Tcp { host, .. } => {
                host == "localhost"
                    || host
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

// === helpers ===

fn decoded(text: &str) -> Result<String, String> {
    let wrong = || format!("expected % and two hexadecimal digits, found {text:?}");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(rest.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push(high << 4 | low),
            _ => return Err(wrong()),
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> ServerUrl {
        match StoreUrl::parse(text).unwrap() {
            StoreUrl::Server(url) => url,
            StoreUrl::Sqlite(path) => panic!("{}", path.display()),
        }
    }

    #[test]
    fn what_is_read_is_written_again() {
        for text in [
            "sqlite:carillon-data/carillon.db",
            "postgres://carillon@db.example.com:5432/carillon",
            "mysql://carillon@127.0.0.1:3307/push",
            "postgres://carillon@one:5432,[::1]:5433/carillon",
            "mysql://a%40b@db:3306/push%20it",
            "mysql://carillon@/push?socket=/run/mysqld/mysqld.sock",
        ] {
            assert_eq!(StoreUrl::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn ports_and_names_have_defaults() {
        let url = server("postgresql://carillon@db/carillon");
        assert_eq!(url.to_string(), "postgres://carillon@db:5432/carillon");
        let url = server("mariadb://carillon@db/carillon");
        assert_eq!(url.to_string(), "mysql://carillon@db:3306/carillon");
        let file = StoreUrl::parse("sqlite:///srv/carillon.db").unwrap();
        assert_eq!(file, StoreUrl::Sqlite("/srv/carillon.db".into()));
    }

    #[test]
    fn this_machine_is_known() {
        for text in [
            "localhost",
            "127.0.0.2",
            "[::1]:5433",
            "localhost,127.0.0.1",
        ] {
            assert!(
                server(&format!("postgres://c@{text}/c")).is_local(),
                "{text}"
            );
        }
        for text in ["db", "10.0.0.1", "localhost,db"] {
            assert!(
                !server(&format!("postgres://c@{text}/c")).is_local(),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (text, says) in [
            ("", "expected sqlite:PATH"),
            ("carillon.db", "expected sqlite:PATH"),
            ("sqlite:", "no path"),
            ("oracle://c@db/c", "found oracle://"),
            ("postgres://c:secret@db/c", "expected no password"),
            ("postgres://db/c", "expected a user"),
            ("postgres://c@db", "expected one database"),
            ("postgres://c@db/", "expected one database"),
            ("postgres://c@/c", "expected a host"),
            ("postgres://c@:5432/c", "expected a host before"),
            ("postgres://c@db:0/c", "from 1 to 65535"),
            ("postgres://c@db:many/c", "from 1 to 65535"),
            ("postgres://c@[::1/c", "expected a `]`"),
            ("postgres://c%2@db/c", "two hexadecimal digits"),
            ("postgres://c@db/c?sslmode=require", "found sslmode"),
            ("mysql://c@db/c?socket=/run/m.sock", "found both"),
        ] {
            let error = StoreUrl::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
