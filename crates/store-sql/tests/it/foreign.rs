//! Databases of other programs on real servers: read whole, and nothing written there.

use crate::mariadb::Database;
use crate::postgres::Schema;
use crate::proxy::{Mode, Proxy};
use carillon_store_sql::{
    ForeignError, ForeignPlace, ForeignRow, Host, ServerConfig, TlsConfig, TlsMode, read_foreign,
};
use std::ops::ControlFlow;

type Table = (Vec<String>, Vec<ForeignRow>);

fn read(config: &ServerConfig, query: &str) -> Result<Table, ForeignError> {
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    let columns = |found| {
        names = found;
        ControlFlow::Continue(())
    };
    read_foreign(&place(config), query, columns, |row| {
        rows.push(row);
        ControlFlow::Continue(())
    })?;
    Ok((names, rows))
}

fn place(config: &ServerConfig) -> ForeignPlace {
    ForeignPlace::Server(Box::new(config.clone()))
}

/// Queries that would write, each refused as such; and the table is as it was.
fn writes_nothing(config: &ServerConfig, more: &[&str]) {
    let own = [
        "DELETE FROM users",
        "UPDATE users SET name = 'x'",
        "DROP TABLE users",
        "CREATE TABLE other (id INTEGER)",
        "SELECT * FROM users FOR UPDATE",
        "COMMIT",
    ];
    for query in own.iter().chain(more) {
        let error = read(config, query).unwrap_err();
        assert!(
            matches!(error, ForeignError::Writes(_)),
            "{query}: {error:?}"
        );
    }
    for query in [
        "SELECT 1; DELETE FROM users",
        "SELECT 1; COMMIT; DELETE FROM users",
        "SELECT nobody FROM users",
        "SELECT * FROM nowhere",
        "SELECT FROM WHERE",
        "",
    ] {
        let error = read(config, query).unwrap_err();
        assert!(
            matches!(error, ForeignError::Query(_) | ForeignError::Writes(_)),
            "{query}: {error:?}"
        );
    }
    let (_, rows) = read(config, "SELECT name FROM users ORDER BY id").unwrap();
    assert_eq!(rows[0], [Some("Ann".to_owned())]);
    assert_eq!(rows.len(), 3);
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn mariadb_is_read_and_not_written() {
    let Some(database) = Database::make("another program's MariaDB") else {
        return;
    };
    let name = &database.config.url.database;
    database.ask(&format!(
        "CREATE TABLE {name}.users (id INTEGER, name TEXT, token VARBINARY(8), hex CHAR(4), at DATETIME, on_day DATE,
            amount DECIMAL(8, 2), is_on BOOLEAN, ratio DOUBLE, huge BIGINT UNSIGNED)"
    ));
    database.ask(&format!(
        "INSERT INTO {name}.users VALUES
            (1, 'Ann', x'00ff', '00ff', '2026-08-01 12:00:01', '2026-08-01', 7.50, true, 1.5, 18446744073709551615),
            (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (3, 'Bö\\'b', '', '', NULL, NULL, -1, false, 0, 0)"
    ));
    let (names, rows) = read(&database.config, "SELECT * FROM users ORDER BY id").unwrap();
    assert_eq!(names[..3], ["id", "name", "token"]);
    let first = [
        "1",
        "Ann",
        "00ff",
        "00ff",
        "2026-08-01 12:00:01",
        "2026-08-01",
        "7.50",
        "1",
        "1.5",
    ];
    assert_eq!(rows[0][..9], first.map(some));
    assert_eq!(rows[0][9], some("18446744073709551615"));
    assert!(rows[1][1..].iter().all(Option::is_none), "{:?}", rows[1]);
    assert_eq!(rows[2][1..3], [some("Bö'b"), some("")]);
    writes_nothing(
        &database.config,
        &[
            "INSERT INTO users (id) VALUES (4) RETURNING id",
            "SELECT * FROM users INTO OUTFILE '/tmp/carillon-never'",
            "SELECT name INTO @name FROM users LIMIT 1",
            "SELECT 1 /*! FOR UPDATE */",
            "CALL something()",
            "SET GLOBAL max_connections = 1",
        ],
    );
    database.ask(&format!("CREATE SEQUENCE {name}.numbers"));
    let error = read(&database.config, "SELECT NEXTVAL(numbers)").unwrap_err();
    assert!(matches!(error, ForeignError::Writes(_)), "{error:?}");
}

#[test]
fn postgres_is_read_and_not_written() {
    let Some(schema) = Schema::make("another program's PostgreSQL") else {
        return;
    };
    schema.script(
        "CREATE TABLE users (id INTEGER, name TEXT, token BYTEA, at TIMESTAMPTZ, on_day DATE, amount NUMERIC, is_on BOOLEAN,
            tags TEXT[], more JSONB, who UUID);
         INSERT INTO users VALUES
            (1, 'Ann', '\\x00ff', '2026-08-01 12:00:01Z', '2026-08-01', 7.50, true, '{a,b}', '{\"a\": 1}',
                '00000000-0000-0000-0000-000000000007'),
            (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (3, 'Bö''b', '', NULL, NULL, -1, false, NULL, NULL, NULL);
         CREATE SEQUENCE numbers;
         CREATE FUNCTION remove() RETURNS INTEGER LANGUAGE sql AS 'DELETE FROM users; SELECT 1'",
    );
    let (names, rows) = read(&schema.config, "SELECT * FROM users ORDER BY id -- all").unwrap();
    assert_eq!(names[..3], ["id", "name", "token"]);
    assert_eq!(rows[0][..3], ["1", "Ann", "00ff"].map(some));
    assert!(rows[0][3].as_deref().unwrap().starts_with("2026-08-01"));
    let rest = ["2026-08-01", "7.50", "t", "{a,b}", "{\"a\": 1}"];
    assert_eq!(rows[0][4..9], rest.map(some));
    assert!(rows[1][1..].iter().all(Option::is_none), "{:?}", rows[1]);
    assert_eq!(rows[2][1..3], [some("Bö'b"), some("")]);
    writes_nothing(
        &schema.config,
        &[
            "INSERT INTO users (id) VALUES (4) RETURNING id",
            "WITH gone AS (DELETE FROM users RETURNING id) SELECT * FROM gone",
            "SELECT * INTO other FROM users",
            "SELECT remove()",
            "SELECT nextval('numbers')",
            "SELECT set_config('transaction_read_only', 'off', false), remove()",
        ],
    );
    let error = read(&schema.config, "SELECT $1::text").unwrap_err();
    assert!(matches!(error, ForeignError::Query(_)), "{error:?}");
}

/// Longest wait for a query that was ended.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
/// Rows of a table that is too large for what lies between the two programs.
const MANY: usize = 20_000;

/// A database that goes away in the middle: said, with how many rows came; and what is left is there afterwards.
fn goes_away(config: &ServerConfig) {
    let Some(Host::Tcp { port, .. }) = config.url.hosts.first().cloned() else {
        panic!("{:?}", config.url);
    };
    let proxy = Proxy::to(port);
    let mut config = config.clone();
    config.url.hosts = vec![Host::Tcp {
        host: "127.0.0.1".into(),
        port: proxy.port,
    }];
    let query = "SELECT id, filler FROM many ORDER BY id";
    let mut seen = 0;
    let go = |_| ControlFlow::Continue(());
    let error = read_foreign(&place(&config), query, go, |_| {
        seen += 1;
        if seen == 700 {
            proxy.set(Mode::Shut);
            proxy.cut();
        }
        ControlFlow::Continue(())
    })
    .unwrap_err();
    let ForeignError::Read { after, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(after, seen);
    assert!((700..MANY as u64).contains(&after), "{after}");
    let error = read(&config, query).unwrap_err();
    assert!(matches!(error, ForeignError::Connect(_)), "{error:?}");
    assert!(error.is_temporary());
    proxy.set(Mode::Open);
    let (_, rows) = read(&config, query).unwrap();
    assert_eq!(rows.len(), MANY);
    assert!(
        (1..)
            .zip(&rows)
            .all(|(id, row)| row[0] == Some(format!("{id}")))
    );
    // Whoever has seen enough is not made to read the rest.
    let mut seen = 0;
    read_foreign(&place(&config), query, go, |_| {
        seen += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(seen, 1);
}

/// A query that takes longer than it may is ended, also at the server.
fn takes_too_long(config: &ServerConfig, query: &str) -> ForeignError {
    let config = ServerConfig {
        statement_timeout_ms: 200,
        ..config.clone()
    };
    let error = read(&config, query).unwrap_err();
    assert!(
        matches!(error, ForeignError::Read { after: 0, .. }),
        "{error:?}"
    );
    assert!(error.is_temporary());
    error
}

#[test]
fn a_mariadb_that_goes_away_or_is_slow_is_named() {
    let Some(database) = Database::make("another program's MariaDB that goes away") else {
        return;
    };
    let name = &database.config.url.database;
    database.ask(&format!(
        "CREATE TABLE {name}.many (id INTEGER PRIMARY KEY, filler TEXT)"
    ));
    database.ask(&format!(
        "INSERT INTO {name}.many SELECT seq, REPEAT('x', 1000) FROM {name}.seq_1_to_{MANY}"
    ));
    goes_away(&database.config);
    let error = takes_too_long(&database.config, "SELECT SLEEP(60)");
    assert!(error.to_string().contains("200 ms"), "{error}");
    let running =
        "SELECT count(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(60)'";
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while database.ask(running) != ["0"] {
        assert!(tokio::time::Instant::now() < deadline, "it still runs");
    }
}

#[test]
fn a_postgres_that_goes_away_or_is_slow_is_named() {
    let Some(schema) = Schema::make("another program's PostgreSQL that goes away") else {
        return;
    };
    schema.script(&format!(
        "CREATE TABLE many AS SELECT id, repeat('x', 1000) AS filler FROM generate_series(1, {MANY}) id"
    ));
    goes_away(&schema.config);
    let error = takes_too_long(&schema.config, "SELECT pg_sleep(60)");
    assert!(error.to_string().contains("200 ms"), "{error}");
}

/// Over TLS: by the authority that signed, and refused without it.
fn is_protected(config: &ServerConfig) {
    let folder = std::path::PathBuf::from(std::env::var("STORE_TEST_CERTIFICATES").unwrap());
    let with = |ca_file| ServerConfig {
        tls: TlsConfig {
            mode: TlsMode::VerifyFull,
            ca_file,
            ..TlsConfig::default()
        },
        ..config.clone()
    };
    let (_, rows) = read(&with(Some(folder.join("ca.pem"))), "SELECT 7").unwrap();
    assert_eq!(rows, [[some("7")]]);
    let error = read(&with(None), "SELECT 7").unwrap_err();
    assert!(matches!(error, ForeignError::Connect(_)), "{error:?}");
    let error = read(&with(Some("no such file".into())), "SELECT 7").unwrap_err();
    assert!(error.to_string().contains("no such file"), "{error}");
}

#[test]
fn mariadb_is_read_over_tls() {
    if let Some(database) = Database::make("another program's MariaDB over TLS") {
        is_protected(&database.config);
    }
}

#[test]
fn postgres_is_read_over_tls() {
    if let Some(schema) = Schema::make("another program's PostgreSQL over TLS") {
        is_protected(&schema.config);
    }
}
