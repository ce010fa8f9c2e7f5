//! `[Server]`, `[Database]` and `[SSL]` of an old INI file: they become the command that brings the users over.

use super::file::{Entry, IniFile, Section};
use super::plan::{Fate, Finding, unknown};
use crate::client::escape;
use crate::commands::import::database::Connection;
use crate::exit::{Exit, Failure};
use carillon_store_sql::ForeignPlace;
use secrecy::SecretString;
use std::path::Path;

/// The keys of these sections.
pub(super) const KEYS: &[&str] = &[
    "host",
    "port",
    "user",
    "password",
    "database",
    "ca_file",
    "cert_file",
    "key_file",
    "protocol",
    "batch_size",
];
const OF_SERVER: &[&str] = &["protocol", "host", "port", "batch_size"];
const OF_DATABASE: &[&str] = &[
    "host",
    "port",
    "user",
    "password",
    "database",
    "ca_file",
    "cert_file",
    "key_file",
    "batch_size",
];
const OF_SSL: &[&str] = &["ca_file", "cert_file", "key_file"];
/// The port of MySQL.
const MYSQL: &str = "3306";
/// Who stands in the command for a user that the file does not name.
const NOBODY: &str = "USER";
/// Longest wait for the database.
const TIMEOUT: &str = "30s";
/// Where such servers have the push token in a row of users.
pub(super) const PUSH_TOKEN_COLUMN: &str = "7";
/// And who it is.
pub(super) const MAP: &str = "user_id=1";

/// The sections that are there.
pub(super) struct Old<'a> {
    /// The whole file.
    pub(super) file: &'a IniFile,
    /// `[Server]`.
    pub(super) server: Option<&'a Section>,
    /// `[Database]`.
    pub(super) database: Option<&'a Section>,
    /// `[SSL]`.
    pub(super) ssl: Option<&'a Section>,
    /// Where relative paths begin.
    pub(super) directory: &'a Path,
}

impl<'a> Old<'a> {
    /// What became of their keys, and the command for each App.
    pub(super) fn read(&self, apps: &[String]) -> (Vec<Finding>, Vec<String>) {
        let mut findings = Vec::new();
        for (section, known) in [
            (self.server, OF_SERVER),
            (self.database, OF_DATABASE),
            (self.ssl, OF_SSL),
        ] {
            let Some(section) = section else { continue };
            let is_server = self.server.is_some_and(|it| std::ptr::eq(it, section));
            for entry in &section.entries {
                let (fate, what) = if !known.contains(&entry.key.as_str()) {
                    (Fate::LeftOut, unknown(&entry.key, known))
                } else if self.database.is_none() && !is_server {
                    (Fate::LeftOut, "there is no [Database] to use it for".into())
                } else {
                    fate_of(entry, is_server)
                };
                findings.push(Finding {
                    section: section.name.clone(),
                    key: entry.key.clone(),
                    line: entry.line,
                    fate,
                    what,
                });
            }
        }
        let commands = match self.source() {
            Some(source) => apps
                .iter()
                .filter(|app| !app.is_empty())
                .map(|app| source.command(app))
                .collect(),
            None => Vec::new(),
        };
        (findings, commands)
    }

    /// Where its database is. TLS is on where the file says so.
    pub(super) fn source(&self) -> Option<OldDatabase> {
        let section = self.database?;
        let get = |key: &str| self.one_line(section, key);
        let host = get("host").unwrap_or("localhost");
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            escape(host)
        };
        let port = escape(get("port").unwrap_or(MYSQL));
        let database = escape(get("database").unwrap_or_default());
        let user = escape(get("user").unwrap_or(NOBODY));
        let file = |key: &str| {
            let of_ssl = self.ssl.and_then(|ssl| self.one_line(ssl, key));
            let written = get(key).or(of_ssl)?;
            Some(self.directory.join(written))
        };
        let mut connection = Connection {
            database_ca_file: file("ca_file"),
            database_certificate_file: file("cert_file"),
            database_key_file: file("key_file"),
            database_timeout: TIMEOUT.to_owned(),
            ..Connection::default()
        };
        let is_https = self
            .server
            .and_then(|server| self.one_line(server, "protocol"))
            .is_some_and(|protocol| protocol.eq_ignore_ascii_case("https"));
        let has_file = connection.database_ca_file.is_some()
            || connection.database_certificate_file.is_some()
            || connection.database_key_file.is_some();
        let mode = if is_https || has_file {
            "verify-full"
        } else {
            "off"
        };
        connection.database_tls = Some(mode.to_owned());
        Some(OldDatabase {
            url: format!("mysql://{user}@{host}:{port}/{database}"),
            connection,
            password: get("password").map(Into::into),
            has_user: get("user").is_some(),
        })
    }

    fn one_line(&self, section: &'a Section, key: &str) -> Option<&'a str> {
        let value = self.file.get(section, key)?.value.as_str();
        (!value.is_empty() && !value.contains('\n')).then_some(value)
    }
}

/// The old server's database.
pub(super) struct OldDatabase {
    /// Its address, without a password.
    url: String,
    /// How it is protected.
    connection: Connection,
    password: Option<SecretString>,
    has_user: bool,
}

impl OldDatabase {
    /// As it is read.
    pub(super) fn place(&self) -> Result<ForeignPlace, Failure> {
        if !self.has_user {
            let message = "[Database] has no user, so nobody can be asked for the users table";
            return Err(Failure::new(Exit::Data, message).mend("add user = NAME to it"));
        }
        self.connection.place(&self.url, self.password.clone())
    }

    /// The command that brings the users of an App over. The password is not in it.
    fn command(&self, app: &str) -> String {
        let connection = &self.connection;
        let mut command = format!("carillon import users --from '{}'", self.url);
        if self.password.is_some() {
            command.push_str(" --database-password-file FILE");
        }
        if let Some(mode) = &connection.database_tls {
            command.push_str(&format!(" --database-tls {mode}"));
        }
        for (option, file) in [
            ("ca", &connection.database_ca_file),
            ("certificate", &connection.database_certificate_file),
            ("key", &connection.database_key_file),
        ] {
            if let Some(file) = file {
                command.push_str(&format!(" --database-{option}-file '{}'", file.display()));
            }
        }
        command.push_str(&format!(
            " --app {app} --push-token-column {PUSH_TOKEN_COLUMN} --map {MAP}"
        ));
        command
    }
}

fn fate_of(entry: &Entry, is_server: bool) -> (Fate, String) {
    let command = "in the command that brings the users over";
    if entry.value.contains('\n') {
        let what = format!(
            "expected a value on one line, found {} to {}: lines that are indented deeper than their key go on with its \
             value",
            entry.line, entry.last_line
        );
        return (Fate::Error, what);
    }
    match entry.key.as_str() {
        "batch_size" => (
            Fate::LeftOut,
            "the slice size of campaigns; a notification to many is cut into batches by itself"
                .into(),
        ),
        "password" => (
            Fate::LeftOut,
            "a secret, shown nowhere: --users takes it from here, the command from a file of yours"
                .into(),
        ),
        "protocol" if entry.value.eq_ignore_ascii_case("https") => {
            let what = format!(
                "TLS to the database, {command}: where no ca_file is set, a public authority must have signed its \
                 certificate"
            );
            (Fate::Taken, what)
        }
        "protocol" => (Fate::LeftOut, "no TLS to the database".into()),
        "host" | "port" if is_server => (
            Fate::LeftOut,
            "where the old server listened; Carillon's is server.listen in its configuration"
                .into(),
        ),
        "ca_file" | "cert_file" | "key_file" => {
            (Fate::Taken, format!("TLS to the database, {command}"))
        }
        _ => (Fate::Taken, command.into()),
    }
}
