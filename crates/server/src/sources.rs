//! `sources.file`: the databases that campaigns may read their audiences from, and tables that Live Activities follow. Read
//! once, at the start.

use crate::activity_sources::{self, Followed};
use crate::config::Span;
use crate::exit::{Exit, Failure};
use carillon_model::nearest::did_you_mean;
use carillon_model::push_type::TokenKind;
use carillon_model::target::is_source_name;
use carillon_ports::source::{NamedBy, Sources};
use carillon_store_sql::{
    ForeignPlace, LinkedSource, LinkedSources, LinkedTable, ServerConfig, StoreUrl, TlsConfig,
    TlsMode,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the names of a source are, as the file says it.
const NAMED_BY: [&str; 3] = ["user", "device", "push_token"];

/// A source, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: String,
    password_file: Option<PathBuf>,
    tls: Option<String>,
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    schema: Option<String>,
    query: String,
    column: Option<String>,
    by: Option<String>,
    kind: Option<String>,
    apps: Vec<String>,
    timeout: Option<Span>,
    read_timeout: Option<Span>,
    max_rows: Option<u64>,
    live_activities: Option<Followed>,
}

/// The sources of a file; without one there are none.
pub(crate) fn open(file: Option<&Path>) -> Result<Arc<dyn Sources>, Failure> {
    let Some(file) = file else {
        return Ok(Arc::new(LinkedSources::default()));
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::io("read sources.file,", file, &error))?;
    let wrong = |what: String| {
        Failure::new(Exit::Usage, format!("{}: {what}", file.display()))
            .mend("docs/guide/sources.md shows a file of sources")
    };
    let table: BTreeMap<String, toml::Table> = toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        wrong(format!("line {line}: {}", error.message()))
    })?;
    let directory = file.parent().unwrap_or(Path::new(""));
    let (mut audiences, mut tables) = (BTreeMap::new(), BTreeMap::new());
    for (name, written) in table {
        if !is_source_name(&name) {
            return Err(wrong(format!(
                "[{name}]: expected a name of 1 to 64 characters of a-z 0-9 _"
            )));
        }
        let source = Written::deserialize(written)
            .map_err(|error| error.message().trim_end().to_owned())
            .and_then(|written| source(&name, written, directory))
            .map_err(|why| wrong(format!("[{name}]: {why}")))?;
        match source {
            Source::Audience(source) => drop(audiences.insert(name, source)),
            Source::Table(table) => drop(tables.insert(name, table)),
        }
    }
    Ok(Arc::new(LinkedSources::new(audiences, tables)))
}

/// What a section is.
enum Source {
    Audience(LinkedSource),
    Table(LinkedTable),
}

/// The error is a sentence with the key.
fn source(name: &str, mut written: Written, directory: &Path) -> Result<Source, String> {
    if written.query.trim().is_empty() {
        return Err("query: expected a SELECT, found nothing".into());
    }
    if written.apps.is_empty() {
        return Err("apps: expected ids of Apps, or \"*\" for all".into());
    }
    if written.max_rows == Some(0) {
        return Err("max_rows: expected more than 0".into());
    }
    let millis = |key: &str, span: Option<Span>, usual: u32| match span.map(Span::ms) {
        None => Ok(usual),
        Some(ms) => u32::try_from(ms)
            .ok()
            .filter(|ms| *ms > 0)
            .ok_or_else(|| format!("{key}: expected a duration above zero, below 50 days")),
    };
    let timeout_ms = millis("timeout", written.timeout, 30_000)?;
    let place = place(&written, directory, timeout_ms)?;
    if let Some(followed) = written.live_activities.take() {
        for (key, is_there) in [
            ("by", written.by.is_some()),
            ("kind", written.kind.is_some()),
            ("column", written.column.is_some()),
        ] {
            if is_there {
                return Err(format!(
                    "{key}: a table of Live Activities names its columns under live_activities.columns"
                ));
            }
        }
        return Ok(Source::Table(LinkedTable {
            place,
            max_rows: activity_sources::max_rows(written.max_rows)?,
            read_timeout_ms: millis("read_timeout", written.read_timeout, 60_000)?,
            query: written.query,
            reading: Arc::default(),
            table: Arc::new(activity_sources::table(name, &written.apps, followed)?),
        }));
    }
    Ok(Source::Audience(LinkedSource {
        max_rows: written.max_rows.unwrap_or(1_000_000),
        by: named_by(written.by.as_deref(), written.kind.as_deref())?,
        apps: (!written.apps.iter().any(|app| app == "*")).then_some(written.apps),
        read_timeout_ms: millis("read_timeout", written.read_timeout, 600_000)?,
        query: written.query,
        column: written.column.unwrap_or_else(|| "1".to_owned()),
        place,
    }))
}

fn named_by(by: Option<&str>, kind: Option<&str>) -> Result<NamedBy, String> {
    match (by, kind) {
        (None, _) => Err(format!(
            "by: expected one of {}, found nothing",
            NAMED_BY.join(", ")
        )),
        (Some("push_token"), kind) => {
            let kind = token_kind(kind.unwrap_or("alert"))?;
            Ok(NamedBy::PushToken(kind))
        }
        (_, Some(_)) => Err("kind: it goes with by = \"push_token\" only".into()),
        (Some("user"), None) => Ok(NamedBy::User),
        (Some("device"), None) => Ok(NamedBy::Device),
        (Some(other), None) => Err(format!(
            "by: expected one of {}, found {other:?}{}",
            NAMED_BY.join(", "),
            did_you_mean(other, NAMED_BY)
        )),
    }
}

fn token_kind(word: &str) -> Result<TokenKind, String> {
    TokenKind::from_word(word).ok_or_else(|| {
        let known = TokenKind::ALL.map(TokenKind::as_str);
        format!("kind: expected one of {}, found {word:?}", known.join(", "))
    })
}

/// Relative paths begin where the file is.
fn place(written: &Written, directory: &Path, timeout_ms: u32) -> Result<ForeignPlace, String> {
    let beside = |file: &Option<PathBuf>| file.as_ref().map(|file| directory.join(file));
    let url = match StoreUrl::parse(&written.url).map_err(|why| format!("url: {why}"))? {
        StoreUrl::Sqlite(file) => return Ok(ForeignPlace::Sqlite(directory.join(file))),
        StoreUrl::Server(url) => url,
    };
    let mode = match written.tls.as_deref() {
        None => TlsMode::usual(&url),
        Some("off") => TlsMode::Off,
        Some("verify-ca") => TlsMode::VerifyCa,
        Some("verify-full") => TlsMode::VerifyFull,
        Some(other) => {
            return Err(format!(
                "tls: expected \"off\", \"verify-ca\" or \"verify-full\", found {other:?}"
            ));
        }
    };
    let password = match beside(&written.password_file) {
        None => None,
        Some(file) => {
            let text = std::fs::read_to_string(&file)
                .map_err(|error| format!("password_file: {}: {error}", file.display()))?;
            Some(text.trim_end_matches(['\r', '\n']).into())
        }
    };
    Ok(ForeignPlace::Server(Box::new(ServerConfig {
        password,
        tls: TlsConfig {
            mode,
            ca_file: beside(&written.ca_file),
            certificate_file: beside(&written.certificate_file),
            key_file: beside(&written.key_file),
        },
        schema: written.schema.clone(),
        connect_timeout_ms: timeout_ms,
        statement_timeout_ms: timeout_ms,
        lock_timeout_ms: timeout_ms,
        ..ServerConfig::new(url)
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: &str = "[members]\nurl = \"sqlite:members.db\"\nquery = \"SELECT id FROM members\"\nby = \"user\"\n";

    fn read(text: &str) -> Result<Arc<dyn Sources>, Failure> {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("sources.toml");
        std::fs::write(&file, text).unwrap();
        std::fs::write(home.path().join("password"), "secret\n").unwrap();
        open(Some(&file))
    }

    #[test]
    fn a_file_of_sources_is_read() {
        let text = format!(
            "{MEMBERS}apps = [\"shop\"]\n[old_tokens]\nurl = \"mysql://push@db/push\"\npassword_file = \"password\"\n\
             query = \"SELECT * FROM users\"\ncolumn = \"7\"\nby = \"push_token\"\nkind = \"fcm\"\napps = [\"*\"]\n\
             tls = \"off\"\ntimeout = \"5s\"\nread_timeout = \"1h\"\nmax_rows = 7\n"
        );
        let sources = read(&text).unwrap();
        let names = |app: &str| -> Vec<String> {
            let all = sources.of_app(app).into_iter();
            all.map(|source| source.name).collect()
        };
        assert_eq!(names("shop"), ["members", "old_tokens"]);
        assert_eq!(names("other"), ["old_tokens"]);
        let old = &sources.of_app("other")[0];
        assert_eq!(old.by, NamedBy::PushToken(TokenKind::Fcm));
        assert_eq!(old.max_rows, 7);
        assert!(open(None).unwrap().of_app("shop").is_empty());
        assert!(open(Some(Path::new("no such file"))).is_err());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_source() {
        let with = |more: &str| format!("{MEMBERS}{more}\n");
        for (text, part) in [
            (with("apps = []"), "[members]: apps"),
            (with(""), "[members]: missing field `apps`"),
            (with("apps = [\"*\"]\nqery = 1"), "unknown field `qery`"),
            (with("apps = [\"*\"]\nkind = \"fcm\""), "kind"),
            (with("apps = [\"*\"]\nmax_rows = 0"), "max_rows"),
            (with("apps = [\"*\"]\ntimeout = \"0s\""), "timeout"),
            (with("apps = ["), "line 5"),
            (
                MEMBERS.replace("user", "usr") + "apps = [\"*\"]",
                "did you mean `user`",
            ),
            (
                MEMBERS.replace("members]", "Members]") + "apps = [\"*\"]",
                "[Members]",
            ),
            (
                MEMBERS.replace("sqlite:members.db", "mysql://a:secret@b/c") + "apps = [\"*\"]",
                "url: expected no password",
            ),
            (
                MEMBERS.replace("sqlite:members.db", "mysql://a@b/c")
                    + "apps = [\"*\"]\npassword_file = \"none\"",
                "password_file",
            ),
        ] {
            let error = read(&text).unwrap_err();
            assert_eq!(error.exit, Exit::Usage, "{error}");
            assert!(error.message.contains(part), "{part}: {error}");
            assert!(!error.message.contains("secret"), "{error}");
        }
    }
}
