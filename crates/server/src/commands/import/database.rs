//! The database of another program, as options name it.

use crate::exit::{Exit, Failure};
use carillon_model::duration::parse_ms;
use carillon_store_sql::{ForeignPlace, ServerConfig, ServerUrl, StoreUrl, TlsConfig, TlsMode};
use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// How a database on a server is reached.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Connection {
    /// File with the database user's password
    #[arg(long, value_name = "FILE")]
    pub(super) database_password_file: Option<PathBuf>,
    /// How the way to the database is protected: off, verify-ca (a trusted certificate for any name; PostgreSQL only) or
    /// verify-full; without it off to this machine, otherwise verify-full
    #[arg(long, value_name = "MODE", value_parser = ["off", "verify-ca", "verify-full"])]
    pub(super) database_tls: Option<String>,
    /// PEM file with the certificate authorities to trust for it; without it the public ones
    #[arg(long, value_name = "FILE")]
    pub(super) database_ca_file: Option<PathBuf>,
    /// PEM chain that is shown to the database, where it wants one
    #[arg(long, value_name = "FILE", requires = "database_key_file")]
    pub(super) database_certificate_file: Option<PathBuf>,
    /// PEM private key of that certificate
    #[arg(long, value_name = "FILE", requires = "database_certificate_file")]
    pub(super) database_key_file: Option<PathBuf>,
    /// PostgreSQL: the schema that has the tables; without it as the database says
    #[arg(long, value_name = "SCHEMA")]
    pub(super) database_schema: Option<String>,
    /// Longest wait for the database: for a connection, and for the next rows
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub(super) database_timeout: String,
}

impl Connection {
    /// What `from` and the options name: `sqlite:FILE`, or a server's URL. The password is `password`, or in the file.
    pub(super) fn place(
        &self,
        from: &str,
        password: Option<SecretString>,
    ) -> Result<ForeignPlace, Failure> {
        let usage = |message: String| Failure::new(Exit::Usage, message);
        let url = StoreUrl::parse(from).map_err(|why| usage(format!("--from: {why}")))?;
        let url = match url {
            StoreUrl::Server(url) => url,
            StoreUrl::Sqlite(file) if self.is_of_a_server() => {
                let message = format!(
                    "--database-… goes with a database on a server, and {} is a file",
                    file.display()
                );
                return Err(usage(message).mend("leave these options out"));
            }
            StoreUrl::Sqlite(file) => return Ok(ForeignPlace::Sqlite(file)),
        };
        let password = match (password, &self.database_password_file) {
            (None, Some(file)) => Some(read_password(file)?),
            (given, _) => given,
        };
        let timeout_ms = parse_ms(&self.database_timeout)
            .map_err(|why| usage(format!("--database-timeout: {why}")))?;
        let timeout_ms = u32::try_from(timeout_ms).ok().filter(|ms| *ms > 0);
        let timeout_ms = timeout_ms.ok_or_else(|| {
            usage("--database-timeout: expected more than nothing and less than 50 days".into())
        })?;
        Ok(ForeignPlace::Server(Box::new(ServerConfig {
            password,
            tls: TlsConfig {
                mode: self.mode(&url),
                ca_file: self.database_ca_file.clone(),
                certificate_file: self.database_certificate_file.clone(),
                key_file: self.database_key_file.clone(),
            },
            schema: self.database_schema.clone(),
            connect_timeout_ms: timeout_ms,
            statement_timeout_ms: timeout_ms,
            lock_timeout_ms: timeout_ms,
            ..ServerConfig::new(url)
        })))
    }

    fn mode(&self, url: &ServerUrl) -> TlsMode {
        match self.database_tls.as_deref() {
            Some("off") => TlsMode::Off,
            Some("verify-ca") => TlsMode::VerifyCa,
            Some(_) => TlsMode::VerifyFull,
            None => TlsMode::usual(url),
        }
    }

    fn is_of_a_server(&self) -> bool {
        self.database_password_file.is_some()
            || self.database_tls.is_some()
            || self.database_ca_file.is_some()
            || self.database_certificate_file.is_some()
            || self.database_schema.is_some()
    }
}

fn read_password(file: &Path) -> Result<SecretString, Failure> {
    let failed = |error| {
        Failure::io(
            "read the password of --database-password-file,",
            file,
            &error,
        )
    };
    let text = std::fs::read_to_string(file).map_err(failed)?;
    Ok(text.trim_end_matches(['\r', '\n']).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn connection() -> Connection {
        Connection {
            database_timeout: "30s".into(),
            ..Connection::default()
        }
    }

    fn server(connection: &Connection, from: &str) -> ServerConfig {
        match connection.place(from, None).unwrap() {
            ForeignPlace::Server(config) => *config,
            ForeignPlace::Sqlite(file) => panic!("{}", file.display()),
        }
    }

    #[test]
    fn a_server_is_reached_as_the_options_say() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("password");
        std::fs::write(&file, "pass word\n").unwrap();
        let config = server(&connection(), "mysql://push@db.example.com/push");
        assert_eq!(config.tls.mode, TlsMode::VerifyFull, "over a network");
        assert_eq!(config.statement_timeout_ms, 30_000);
        let near = server(&connection(), "postgres://push@127.0.0.1/push");
        assert_eq!(near.tls.mode, TlsMode::Off);
        let all = Connection {
            database_password_file: Some(file),
            database_tls: Some("verify-ca".into()),
            database_timeout: "1m".into(),
            ..connection()
        };
        let config = server(&all, "postgres://push@db/push");
        assert_eq!(config.password.unwrap().expose_secret(), "pass word");
        assert_eq!(config.tls.mode, TlsMode::VerifyCa);
        assert_eq!(config.connect_timeout_ms, 60_000);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let of = |connection: Connection, from: &str| {
            let error = connection.place(from, None).unwrap_err();
            assert!(matches!(error.exit, Exit::Usage | Exit::NoInput), "{error}");
            error.message
        };
        let off = Connection {
            database_tls: Some("off".into()),
            ..connection()
        };
        assert!(of(off, "sqlite:users.db").contains("is a file"));
        assert!(of(connection(), "mysql://a:b@c/d").contains("no password"));
        assert!(of(connection(), "oracle://a@c/d").contains("oracle"));
        for timeout in ["0s", "soon"] {
            let never = Connection {
                database_timeout: timeout.into(),
                ..connection()
            };
            assert!(of(never, "mysql://a@b/c").contains("--database-timeout"));
        }
        let nowhere = Connection {
            database_password_file: Some("no such file".into()),
            ..connection()
        };
        assert!(of(nowhere, "mysql://a@b/c").contains("no such file"));
    }
}
