//! `[Server]`, `[Database]` and `[SSL]` of an old INI file: they become the command that brings the users over.

use super::file::{Entry, IniFile, Section};
use super::plan::{Fate, Finding, unknown};
use crate::client::escape;

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
/// What O2's script asks for, and where it finds the push token.
const REST: &str = "--push-token-column 7 --map user_id=1";

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
                .map(|app| format!("carillon import users --from '{source}' --app {app} {REST}"))
                .collect(),
            None => Vec::new(),
        };
        (findings, commands)
    }

    /// The address of the database, without its password. TLS is on where the file says so.
    fn source(&self) -> Option<String> {
        let section = self.database?;
        let get = |key: &str| self.one_line(section, key);
        let host = get("host").unwrap_or("localhost");
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            escape(host)
        };
        let mut address = String::from("mysql://");
        if let Some(user) = get("user") {
            address.push_str(&escape(user));
            address.push('@');
        }
        let port = get("port").unwrap_or(MYSQL);
        let database = escape(get("database").unwrap_or_default());
        address.push_str(&format!("{host}:{}/{database}", escape(port)));
        let files: Vec<(&str, &str)> = [
            ("ssl-ca", "ca_file"),
            ("ssl-cert", "cert_file"),
            ("ssl-key", "key_file"),
        ]
        .into_iter()
        .filter_map(|(name, key)| {
            let of_ssl = self.ssl.and_then(|ssl| self.one_line(ssl, key));
            Some((name, get(key).or(of_ssl)?))
        })
        .collect();
        let is_https = self
            .server
            .and_then(|server| self.one_line(server, "protocol"))
            .is_some_and(|protocol| protocol.eq_ignore_ascii_case("https"));
        if is_https || !files.is_empty() {
            let has_ca = files.iter().any(|(name, _)| *name == "ssl-ca");
            // Without the authority there is nothing to check the server's name against.
            let mode = if has_ca {
                "VERIFY_IDENTITY"
            } else {
                "REQUIRED"
            };
            address.push_str(&format!("?ssl-mode={mode}"));
            for (name, file) in files {
                address.push_str(&format!("&{name}={}", escape(file)));
            }
        }
        Some(address)
    }

    fn one_line(&self, section: &'a Section, key: &str) -> Option<&'a str> {
        let value = self.file.get(section, key)?.value.as_str();
        (!value.is_empty() && !value.contains('\n')).then_some(value)
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
            "a secret, shown nowhere: it stays where it is".into(),
        ),
        "protocol" if entry.value.eq_ignore_ascii_case("https") => {
            (Fate::Taken, format!("TLS to the database, {command}"))
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
