//! Tests of the configuration: the table, the layers, the messages.

use super::settings::{env_name, settings};
use super::*;
use crate::scratch::Scratch;
use carillon_store_sql::{StoreConfig, TlsMode};
use secrecy::ExposeSecret as _;
use std::path::Path;

fn with_file(text: &str) -> Result<Config, Failure> {
    let scratch = Scratch::new("config").unwrap();
    let file = scratch.path().join("carillon.toml");
    std::fs::write(&file, text).unwrap();
    load(&Sources {
        file: Some(file),
        ..Sources::default()
    })
}

fn with_env(pairs: &[(&str, &str)]) -> Result<Config, Failure> {
    load(&Sources {
        env: pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Sources::default()
    })
}

fn refused(result: Result<Config, Failure>) -> String {
    let failure = result.expect_err("it must be refused");
    assert_eq!(failure.exit, Exit::Usage, "{failure:?}");
    format!(
        "{failure} -> {}",
        failure.mend.as_deref().unwrap_or_default()
    )
}

#[test]
fn the_committed_example_is_what_is_printed_and_covers_every_key() {
    let committed = include_str!("../../../../config.example.toml");
    assert_eq!(
        committed,
        example(),
        "write it again with: carillon config > config.example.toml"
    );
    let table: toml::Table = committed.parse().unwrap();
    for setting in settings() {
        let (section, name) = setting.key.split_once('.').unwrap();
        assert!(
            table[section].get(name).is_some(),
            "{} is not printed",
            setting.key
        );
        assert!(
            setting.about.lines().all(|line| line.len() <= 95),
            "{}: a line is too long",
            setting.key
        );
    }
    let config = with_file(committed).unwrap();
    assert_eq!(config.server.listen, "127.0.0.1:8600".parse().unwrap());
    assert_eq!(config.server.mode, Mode::Production);
    assert!(
        config.secrets.master_key.is_none(),
        "an empty text is not set"
    );
}

#[test]
fn the_committed_table_is_what_is_printed() {
    let committed = include_str!("../../../../docs/configuration.md");
    assert_eq!(
        committed,
        markdown(),
        "write it again with: carillon config --markdown > docs/configuration.md"
    );
}

/// Each key is really read, from the file and from the environment: nonsense in it is refused by name.
#[test]
fn every_key_is_read_from_file_and_environment() {
    for setting in settings() {
        let (section, name) = setting.key.split_once('.').unwrap();
        let said = refused(with_file(&format!("[{section}]\n{name} = [1979-05-27]\n")));
        assert!(said.contains(setting.key), "{said}");
        let plain = setting.default.trim_matches('"');
        let set = with_env(&[(&env_name(setting.key), plain)]);
        assert!(set.is_ok(), "{}: {set:?}", setting.key);
    }
}

/// The engine's own defaults and ours are the same, and no setting of it is forgotten.
#[test]
fn the_engine_gets_its_defaults() {
    let config = load(&Sources::default()).unwrap();
    assert_eq!(config.engine, EngineConfig::default());
    let table: toml::Table = "no_such_key = 1".parse().unwrap();
    let said = EngineConfig::deserialize(table).unwrap_err().to_string();
    let fields: Vec<&str> = said.split('`').skip(3).step_by(2).collect();
    assert!(fields.len() > 20, "{said}");
    for field in fields {
        let key = format!("engine.{}", field.trim_end_matches("_ms"));
        let elsewhere = [
            "content_retention_ms",
            "record_retention_ms",
            "send_ahead_max_ms",
            "live_activities",
            "monitors",
        ]
        .contains(&field)
            || field.starts_with("timer_");
        assert!(
            elsewhere || settings().any(|setting| setting.key == key),
            "{key} cannot be set"
        );
    }
}

#[test]
fn the_other_parts_get_their_defaults() {
    let config = load(&Sources::default()).unwrap();
    assert_eq!(config.api.limits(), carillon_api::Limits::default());
    let ours = crate::gateway::settings(&config.apns).unwrap();
    let theirs = carillon_gateways::apns::ApnsConfig::default();
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    let ours = crate::gateway::fcm_settings(&config.fcm).unwrap();
    let theirs = carillon_gateways::fcm::FcmConfig::default();
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    let ours = crate::gateway::webpush_settings(&config.webpush).unwrap();
    let theirs = carillon_gateways::webpush::WebPushConfig::default();
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    let ours = crate::store::settings(&config.store);
    let theirs = carillon_store_sql::SqliteConfig::new(&config.store.path);
    let theirs = carillon_store_sql::StoreConfig::from(theirs);
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    let config = with_env(&[("CARILLON_STORE__URL", "postgres://c@localhost/c")]).unwrap();
    let ours = crate::store::settings(&config.store);
    let url = config.store.server().unwrap().clone();
    let mut theirs = carillon_store_sql::ServerConfig::new(url);
    // Not to a server of this machine.
    theirs.tls.mode = TlsMode::Off;
    theirs.readers = config.store.readers;
    let theirs = carillon_store_sql::StoreConfig::from(theirs);
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
}

#[test]
fn a_store_on_a_server_is_told_how_to_get_there() {
    let settings = |more: &[(&str, &str)]| {
        let mut env = vec![(
            "CARILLON_STORE__URL",
            "mysql://carillon@db.example.com/push",
        )];
        env.extend(more);
        let config = with_env(&env).unwrap();
        match crate::store::settings(&config.store) {
            StoreConfig::Server(server) => (server, config.store.place()),
            other => panic!("{other:?}"),
        }
    };
    let (server, place) = settings(&[]);
    assert_eq!(server.tls.mode, TlsMode::VerifyFull);
    assert_eq!(place, "mysql://carillon@db.example.com:3306/push");
    let (server, _) = settings(&[
        ("CARILLON_STORE__TLS", "off"),
        ("CARILLON_STORE__PASSWORD", "open sesame"),
        ("CARILLON_STORE__STATEMENT_TIMEOUT", "90s"),
        ("CARILLON_STORE__MIGRATE", "false"),
    ]);
    assert_eq!(server.tls.mode, TlsMode::Off);
    assert_eq!(server.statement_timeout_ms, 90_000);
    assert!(!server.migrate);
    assert_eq!(server.password.unwrap().expose_secret(), "open sesame");
    // Processes can share it, each with some of the roles.
    let config = with_env(&[
        ("CARILLON_STORE__URL", "postgres://c@db/c"),
        ("CARILLON_SERVER__ROLES", "worker, api"),
    ]);
    assert_eq!(config.unwrap().server.roles.to_string(), "api,worker");
    // A file by a URL is a file.
    let config = with_env(&[("CARILLON_STORE__URL", "sqlite:/srv/carillon/push.db")]).unwrap();
    assert_eq!(
        config.store.file().unwrap(),
        Path::new("/srv/carillon/push.db")
    );
    assert_eq!(
        config.master_key_file(),
        Path::new("/srv/carillon/master.key")
    );
}

#[test]
fn a_store_that_makes_no_sense_is_refused() {
    for (env, says) in [
        (
            &[("CARILLON_STORE__URL", "postgres://c:secret@db/c")][..],
            "expected no password",
        ),
        (
            &[("CARILLON_STORE__URL", "oracle://c@db/c")],
            "found oracle://",
        ),
        (&[("CARILLON_STORE__PASSWORD", "x")], "store.password"),
        (
            &[
                ("CARILLON_STORE__URL", "postgres://c@db/c"),
                ("CARILLON_STORE__TLS", "require"),
            ],
            "expected \"off\", \"verify-ca\" or \"verify-full\"",
        ),
        (
            &[
                ("CARILLON_STORE__URL", "postgres://c@db/c"),
                ("CARILLON_STORE__KEY_FILE", "k.pem"),
            ],
            "belong together",
        ),
    ] {
        let said = refused(with_env(env));
        assert!(said.contains(says) && said.contains("store."), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let scratch = Scratch::new("config").unwrap();
    let file = scratch.path().join("c.toml");
    std::fs::write(&file, "[server]\nlisten = \"127.0.0.1:1\"\nthreads = 3\n").unwrap();
    let config = load(&Sources {
        file: Some(file),
        env: vec![("CARILLON_SERVER__LISTEN".into(), "127.0.0.1:2".into())],
        fixed: vec![("log.level", toml::Value::String("warn".into()))],
    })
    .unwrap();
    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.server.threads, 3);
    assert_eq!(config.log.level, "warn");
}

#[test]
fn unknown_keys_are_named_with_what_was_meant() {
    for (text, named, meant) in [
        ("[server]\nlisen = \"x\"", "server.lisen", "server.listen"),
        ("[sever]\nlisten = \"x\"", "sever.listen", "server.listen"),
        ("listen = \"x\"", "listen", ""),
        ("[colours]", "colours", ""),
    ] {
        let said = refused(with_file(text));
        assert!(said.contains(named) && said.contains(meant), "{said}");
    }
    let said = refused(with_env(&[("CARILLON_SERVER__LISTN", "x")]));
    assert!(
        said.contains("CARILLON_SERVER__LISTN") && said.contains("CARILLON_SERVER__LISTEN"),
        "{said}"
    );
}

#[test]
fn what_kubernetes_sets_for_a_service_is_told_from_a_slip_of_the_pen() {
    for name in [
        "CARILLON_SERVICE_HOST",
        "CARILLON_PORT",
        "CARILLON_API_PORT_8600_TCP_ADDR",
    ] {
        let said = refused(with_env(&[(name, "tcp://10.0.0.1:8600")]));
        assert!(
            said.contains(name) && said.contains("enableServiceLinks: false"),
            "{said}"
        );
    }
    let said = refused(with_env(&[("CARILLON_SERVER__PORT", "8600")]));
    assert!(!said.contains("Kubernetes"), "{said}");
}

#[test]
fn wrong_values_name_key_source_and_default() {
    for (text, parts) in [
        ("[server]\nlisten = 5", ["server.listen", "whole number"]),
        (
            "[server]\nlisten = \"nowhere\"",
            ["server.listen", "127.0.0.1:8600"],
        ),
        (
            "[server]\nstop_deadline = \"soon\"",
            ["server.stop_deadline", "duration"],
        ),
        (
            "[server]\nstop_deadline = \"0s\"",
            ["server.stop_deadline", "above zero"],
        ),
        (
            "[server]\nstop_delay = \"13s\"",
            ["server.stop_delay", "half of server.stop_deadline"],
        ),
        ("[server]\nmode = \"test\"", ["server.mode", "development"]),
        (
            "[server]\nroles = \"api,sendr\"",
            ["server.roles", "scheduler"],
        ),
        (
            "[server]\nroles = \"api,sender\"",
            ["server.roles", "SQLite"],
        ),
        (
            "[server]\ntls_certificate_file = \"a\"",
            ["server.tls_certificate_file", "both"],
        ),
        ("[clock]\nspeed = 2", ["clock.speed: ", "production"]),
        ("[clock]\noffset = \"1h\"", ["clock.offset: ", "production"]),
        (
            "[clock]\nat = \"2026-12-01T16:00:00Z\"",
            ["clock.at: ", "production"],
        ),
        ("[log]\nlevel = \"a=b=c\"", ["log.level", "filter"]),
        (
            "[retention]\nrecords = \"1h\"",
            ["retention.records", "retention.content"],
        ),
        ("[apns]\nsandbox = \"x\"", ["apns.sandbox", "host:port"]),
        ("[engine]\nquantum = 0", ["engine.quantum", "at least 1"]),
        ("[engine]\ndrain = \"soon\"", ["engine.drain", "duration"]),
        (
            "[engine]\nmax_not_sent = 1000",
            ["engine.max_not_sent", "default is 16"],
        ),
        ("[server\n", ["line 1", "TOML"]),
    ] {
        let said = refused(with_file(text));
        for part in parts {
            assert!(said.contains(part), "{text}: {said}");
        }
    }
    let said = refused(with_env(&[("CARILLON_SERVER__THREADS", "many")]));
    assert!(
        said.contains("CARILLON_SERVER__THREADS") && said.contains("many"),
        "{said}"
    );
}

#[test]
fn a_development_configuration_may_move_the_clock() {
    let config =
        with_file("[server]\nmode = \"development\"\n[clock]\noffset = \"-30d\"\nspeed = 60\n")
            .unwrap();
    assert!(config.is_clock_moved());
    assert_eq!(config.clock.offset.ms(), -30 * 86_400_000);
    let at = |at: &str| {
        with_file(&format!(
            "[server]\nmode = \"development\"\n[clock]\nat = {at:?}\n"
        ))
    };
    let config = at("2026-12-01T16:00:00+09:00").unwrap();
    assert!(config.is_clock_moved());
    assert_eq!(config.clock.at, Some(1_796_108_400_000));
    assert!(!at("").unwrap().is_clock_moved());
    let said = refused(at("at four"));
    assert!(
        said.contains("clock.at") && said.contains("at four"),
        "{said}"
    );
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let scratch = Scratch::new("config").unwrap();
    let file = scratch.path().join("password");
    std::fs::write(&file, "open sesame\n").unwrap();
    let path = file.to_str().unwrap();
    let config = with_env(&[
        ("CARILLON_APNS__PROXY", "proxy:3128"),
        ("CARILLON_APNS__PROXY_PASSWORD_FILE", path),
        ("CARILLON_MASTER_KEY", "not shown"),
    ])
    .unwrap();
    let password = config.apns.proxy_password.as_ref().unwrap();
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(password),
        "open sesame"
    );
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("sesame") && !shown.contains("not shown"),
        "{shown}"
    );

    let both = with_env(&[
        ("CARILLON_APNS__PROXY", "proxy:3128"),
        ("CARILLON_APNS__PROXY_PASSWORD_FILE", path),
        ("CARILLON_APNS__PROXY_PASSWORD", "x"),
    ]);
    assert!(refused(both).contains("keep one"));
    let missing = with_env(&[("CARILLON_APNS__PROXY_PASSWORD_FILE", "/nowhere/at/all")]);
    assert_eq!(missing.unwrap_err().exit, Exit::NoInput);
}
