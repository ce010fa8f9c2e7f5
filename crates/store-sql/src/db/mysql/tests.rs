//! The driver against a real MariaDB.

use super::testing::{Database, certificates, database, forward, server};
use super::*;
use crate::db::driver::{Role, Server as _};
use crate::tls::{TlsConfig, TlsMode};

fn run(link: &mut dyn Driver, sql: &str, values: Vec<Value>) -> usize {
    let handle = link.prepare(sql).unwrap();
    link.execute(handle, values).unwrap()
}

fn rows(link: &mut dyn Driver, sql: &str, values: Vec<Value>) -> Vec<Vec<Value>> {
    let handle = link.prepare(sql).unwrap();
    let rows = link.query(handle, values).unwrap();
    rows.into_iter().map(Vec::from).collect()
}

fn number(number: i64) -> Value {
    Value::Integer(number)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn trouble<T>(result: Result<T>) -> (Trouble, String) {
    match result {
        Err(Error::Server(error)) => (error.kind, error.text),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("no error"),
    }
}

/// A table of its own.
fn with_table() -> Option<(Database, Box<dyn Driver>)> {
    let database = database()?;
    let mut link = database.link(Role::Writer);
    link.script(
        "CREATE TABLE t (a BIGINT PRIMARY KEY, b BIGINT, c LONGTEXT, d LONGBLOB, e VARCHAR(8)) ENGINE=InnoDB
           DEFAULT CHARSET=utf8mb4 COLLATE /*M!100200 utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;
         CREATE TABLE u (a BIGINT PRIMARY KEY) ENGINE=InnoDB",
    )
    .unwrap();
    Some((database, link))
}

#[test]
fn values_come_back_as_they_were() {
    let Some((_database, mut link)) = with_table() else {
        return;
    };
    let all: Vec<u8> = (0..=255).collect();
    let stored = [
        vec![
            number(i64::MIN),
            Value::Null,
            text("ü \\ '€🔔"),
            Value::Blob(all),
        ],
        vec![number(i64::MAX), number(0), text(""), Value::Blob(vec![])],
    ];
    for row in &stored {
        run(
            &mut *link,
            "INSERT INTO t (a, b, c, d) VALUES (?1, ?2, ?3, ?4)",
            row.clone(),
        );
    }
    assert_eq!(
        rows(&mut *link, "SELECT a, b, c, d FROM t ORDER BY a", vec![]),
        stored
    );
    let computed = rows(
        &mut *link,
        "SELECT sum(b), count(*), a > ?1, b IS NULL, 0.5, 1 << 20, max(1, ?1), coalesce(c, ?2), x'00ff' FROM t WHERE a = ?3",
        vec![number(5), text("x"), number(i64::MAX)],
    );
    let expected = vec![
        number(0),
        number(1),
        number(1),
        number(0),
        Value::Real(0.5),
        number(1 << 20),
        number(5),
        text(""),
        Value::Blob(vec![0, 255]),
    ];
    assert_eq!(computed, [expected]);
}

#[test]
fn text_is_compared_by_its_bytes() {
    let Some((_database, mut link)) = with_table() else {
        return;
    };
    for (n, found) in ["b", "B", "b ", "ß", "a"].iter().enumerate() {
        run(
            &mut *link,
            "INSERT INTO t (a, e) VALUES (?1, ?2)",
            vec![number(n as i64), text(found)],
        );
    }
    let found = rows(&mut *link, "SELECT a FROM t WHERE e = ?1", vec![text("b")]);
    assert_eq!(found, [[number(0)]]);
    let sorted = rows(&mut *link, "SELECT e FROM t ORDER BY e", vec![]);
    assert_eq!(sorted.concat(), ["B", "a", "b", "b ", "ß"].map(text));
    let handle = link
        .prepare("INSERT INTO t (a, e) VALUES (?1, ?2)")
        .unwrap();
    let (kind, why) = trouble(link.execute(handle, vec![number(9), text("123456789")]));
    assert_eq!(kind, Trouble::Failed);
    assert!(why.contains("Data too long"), "{why}");
}

#[test]
fn rows_are_counted_as_on_sqlite() {
    let Some((_database, mut link)) = with_table() else {
        return;
    };
    let link = &mut *link;
    let insert = "INSERT INTO t (a, b) VALUES (?1, ?2) ON CONFLICT (a) DO NOTHING";
    assert_eq!(run(link, insert, vec![number(1), number(1)]), 1);
    assert_eq!(run(link, insert, vec![number(1), number(2)]), 0);
    let upsert =
        "INSERT INTO t (a, b) VALUES (?1, ?2) ON CONFLICT (a) DO UPDATE SET b = b + excluded.b";
    assert_eq!(run(link, upsert, vec![number(1), number(2)]), 1);
    assert_eq!(run(link, upsert, vec![number(1), number(0)]), 1);
    assert_eq!(
        run(
            link,
            "INSERT OR REPLACE INTO t (a, b) VALUES (?1, ?2)",
            vec![number(2), number(3)]
        ),
        1
    );
    assert_eq!(
        run(
            link,
            "INSERT OR REPLACE INTO t (a, b) VALUES (?1, ?2)",
            vec![number(2), number(3)]
        ),
        1
    );
    // Met, though nothing changes.
    assert_eq!(
        run(link, "UPDATE t SET b = 3 WHERE a <= ?1", vec![number(2)]),
        2
    );
    assert_eq!(
        run(link, "UPDATE t SET b = 3 WHERE a > ?1", vec![number(2)]),
        0
    );
    assert_eq!(
        run(
            link,
            "DELETE FROM t WHERE a IN (SELECT a FROM t ORDER BY a DESC LIMIT ?1)",
            vec![number(1)]
        ),
        1
    );
    assert_eq!(
        rows(link, "SELECT a, b FROM t", vec![]),
        [[number(1), number(3)]]
    );
}

#[test]
fn what_waits_is_sent_in_an_order_that_does_not_matter() {
    let Some((_database, mut link)) = with_table() else {
        return;
    };
    let link = &mut *link;
    link.step(Step::BeginWriting).unwrap();
    let insert = link
        .prepare("INSERT INTO t (a, b, c, d) VALUES (?1, ?2, ?3, ?4)")
        .unwrap();
    let ignore = link
        .prepare("INSERT OR IGNORE INTO u (a) VALUES (?1)")
        .unwrap();
    let update = link.prepare("UPDATE t SET b = ?2 WHERE a = ?1").unwrap();
    for n in 0..3_000 {
        let odd = n % 2 == 1;
        let b = if odd { Value::Null } else { number(n) };
        let c = if n % 3 == 0 { Value::Null } else { text("x") };
        let d = if odd {
            Value::Blob(vec![0xff; 300])
        } else {
            Value::Null
        };
        link.queue(insert, vec![number(n), b, c, d]).unwrap();
        link.queue(ignore, vec![number(n % 10)]).unwrap();
    }
    link.queue(update, vec![number(7), number(70)]).unwrap();
    link.queue(update, vec![number(7), number(71)]).unwrap();
    let found = rows(
        link,
        "SELECT count(*), sum(b IS NULL), sum(c IS NULL), sum(d IS NULL), (SELECT count(*) FROM u), (SELECT b FROM t WHERE a = 7) FROM t",
        vec![],
    );
    assert_eq!(found, [[3_000, 1_499, 1_000, 1_500, 10, 71].map(number)]);
    link.step(Step::Commit).unwrap();

    // An error comes with the next thing that is waited for, and no later.
    link.step(Step::BeginWriting).unwrap();
    link.queue(
        insert,
        vec![number(1), Value::Null, Value::Null, Value::Null],
    )
    .unwrap();
    let (kind, why) = trouble(link.step(Step::Commit));
    assert_eq!(kind, Trouble::Failed, "{why}");
    link.step(Step::Rollback).unwrap();
}

#[test]
fn many_rows_are_asked_and_changed_by_lists() {
    let Some((_database, mut link)) = with_table() else {
        return;
    };
    let link = &mut *link;
    link.step(Step::BeginWriting).unwrap();
    let insert = link
        .prepare("INSERT INTO t (a, b) VALUES (?1, ?2)")
        .unwrap();
    let update = link
        .prepare("UPDATE t SET b = b + ?2 WHERE a = ?1 AND b > ?3")
        .unwrap();
    let delete = link.prepare("DELETE FROM t WHERE a = ?1").unwrap();
    let select = link.prepare("SELECT b FROM t WHERE a = ?1").unwrap();
    for n in 0..700 {
        link.queue(insert, vec![number(n), number(n)]).unwrap();
    }
    for n in 0..700 {
        link.queue(update, vec![number(n), number(n % 2), number(9)])
            .unwrap();
    }
    for n in (0..700).step_by(10) {
        link.queue(delete, vec![number(n)]).unwrap();
    }
    let all = (0..710).map(|n| vec![number(n)]);
    link.ahead(select, all.collect()).unwrap();
    for n in 0..710 {
        let found = link.query(select, vec![number(n)]).unwrap();
        let found: Vec<_> = found.into_iter().map(Vec::from).collect();
        let b = if n > 9 { n + n % 2 } else { n };
        let there = n % 10 != 0 && n < 700;
        let expected = if there { vec![vec![number(b)]] } else { vec![] };
        assert_eq!(found, expected, "{n}");
    }
    // Each answer is for once, and is gone with the transaction.
    link.ahead(select, vec![vec![number(1)], vec![number(2)]])
        .unwrap();
    link.queue(delete, vec![number(1)]).unwrap();
    assert_eq!(link.query(select, vec![number(1)]).unwrap().len(), 1);
    assert!(link.query(select, vec![number(1)]).unwrap().is_empty());
    link.step(Step::Rollback).unwrap();
    assert!(link.query(select, vec![number(2)]).unwrap().is_empty());
}

#[test]
fn what_is_undone_is_undone() {
    let Some((_database, mut link)) = with_table() else {
        return;
    };
    let link = &mut *link;
    let insert = link.prepare("INSERT INTO u (a) VALUES (?1)").unwrap();
    assert!(link.is_autocommit());
    link.step(Step::BeginWriting).unwrap();
    assert!(!link.is_autocommit());
    link.queue(insert, vec![number(1)]).unwrap();
    link.step(Step::Savepoint).unwrap();
    link.queue(insert, vec![number(2)]).unwrap();
    link.step(Step::Undo).unwrap();
    link.step(Step::Savepoint).unwrap();
    link.queue(insert, vec![number(3)]).unwrap();
    link.step(Step::Release).unwrap();
    link.step(Step::Commit).unwrap();
    assert!(link.is_autocommit());
    link.step(Step::BeginWriting).unwrap();
    link.queue(insert, vec![number(4)]).unwrap();
    link.step(Step::Rollback).unwrap();
    assert_eq!(
        rows(link, "SELECT a FROM u ORDER BY a", vec![]),
        [[number(1)], [number(3)]]
    );
}

#[test]
fn a_reader_sees_one_state_and_writes_nothing() {
    let Some((database, mut writer)) = with_table() else {
        return;
    };
    let mut reader = database.link(Role::Reader);
    reader.step(Step::BeginReading).unwrap();
    run(
        &mut *writer,
        "INSERT INTO u (a) VALUES (?1)",
        vec![number(1)],
    );
    assert!(rows(&mut *reader, "SELECT a FROM u", vec![]).is_empty());
    reader.step(Step::Commit).unwrap();
    assert_eq!(rows(&mut *reader, "SELECT a FROM u", vec![]).len(), 1);
    let handle = reader.prepare("DELETE FROM u WHERE a = ?1").unwrap();
    let (_, why) = trouble(reader.execute(handle, vec![number(1)]));
    assert!(why.contains("READ ONLY"), "{why}");
}

#[test]
fn one_holds_the_lock_and_the_other_is_told_who() {
    let Some(database) = database() else {
        return;
    };
    let (mut one, mut other) = (database.link(Role::Writer), database.link(Role::Writer));
    assert_eq!(one.lock().unwrap(), None);
    let who = other.lock().unwrap().unwrap();
    assert!(
        who.contains("connection ") && who.contains("127.0.0.1"),
        "{who}"
    );
    // The server lets go of it a while after the connection has ended.
    drop(one);
    assert_eq!(other.lock().unwrap(), None);
}

#[test]
fn a_connection_that_is_cut_is_lost() {
    let Some((database, mut link)) = with_table() else {
        return;
    };
    let mut other = database.link(Role::Writer);
    let found = rows(&mut *link, "SELECT CONNECTION_ID()", vec![]);
    let Value::Integer(id) = found[0][0] else {
        panic!("{found:?}");
    };
    link.step(Step::BeginWriting).unwrap();
    other.script(&format!("KILL CONNECTION {id}")).unwrap();
    let (kind, why) = trouble(link.step(Step::Commit));
    assert_eq!(kind, Trouble::Lost, "{why}");
    assert!(!link.is_alive());
    assert!(link.is_autocommit());
    let handle = link.prepare("SELECT 1");
    let (kind, _) = trouble(handle.and_then(|handle| link.query(handle, vec![])));
    assert_eq!(kind, Trouble::Lost);
}

#[test]
fn waits_end() {
    let Some((database, mut one)) = with_table() else {
        return;
    };
    let mut config = database.config();
    config.lock_timeout_ms = 1_000;
    config.statement_timeout_ms = 200;
    let mut other = Mysql::new(config).unwrap().connect(Role::Writer).unwrap();
    run(&mut *one, "INSERT INTO u (a) VALUES (?1)", vec![number(1)]);
    one.step(Step::BeginWriting).unwrap();
    run(&mut *one, "DELETE FROM u WHERE a = ?1", vec![number(1)]);
    let handle = other.prepare("DELETE FROM u WHERE a = ?1").unwrap();
    let (kind, why) = trouble(other.execute(handle, vec![number(1)]));
    assert_eq!(kind, Trouble::Busy, "{why}");
    let handle = other.prepare("SELECT SLEEP(?1)").unwrap();
    let (kind, why) = trouble(other.query(handle, vec![number(600)]));
    assert_eq!(kind, Trouble::Busy, "{why}");
    assert!(other.is_alive());
}

#[test]
fn a_script_that_was_broken_off_goes_on() {
    let Some(database) = database() else {
        return;
    };
    let mut link = database.link(Role::Writer);
    let script = "-- A comment; with a semicolon.\nCREATE TABLE one (a BIGINT);\nALTER TABLE one ADD COLUMN b BIGINT;\nCREATE INDEX i ON one (b)";
    link.script("CREATE TABLE one (a BIGINT); ALTER TABLE one ADD COLUMN b BIGINT")
        .unwrap();
    link.script(script).unwrap();
    link.script(script).unwrap();
    assert_eq!(link.tables().unwrap(), ["one"]);
    let (kind, why) = trouble(link.script("CREATE TABLE two (a NONSENSE)"));
    assert_eq!(kind, Trouble::Failed, "{why}");
    assert_ne!(link.random().unwrap(), link.random().unwrap());
}

#[test]
fn who_the_server_is_is_checked() {
    let (Some(database), Some(folder)) = (database(), certificates()) else {
        return;
    };
    let connect = |mode, authority: &str, forwarded: bool| {
        let mut config = database.config();
        config.tls = TlsConfig {
            mode,
            ca_file: Some(folder.join(authority)),
            ..TlsConfig::default()
        };
        // By a name that its certificate does not have.
        let forwarded = forwarded.then(|| forward(&mut config));
        let found = Mysql::new(config).unwrap().connect(Role::Writer);
        drop(forwarded);
        found
    };
    let mut link = connect(TlsMode::VerifyFull, "ca.pem", false).unwrap();
    let cipher = rows(
        &mut *link,
        "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_version'",
        vec![],
    );
    assert_eq!(cipher, [[text("TLSv1.3")]]);
    let (_, why) = trouble(connect(TlsMode::VerifyFull, "stranger.pem", false));
    assert!(why.contains("UnknownIssuer"), "{why}");
    let (_, why) = trouble(connect(TlsMode::VerifyFull, "ca.pem", true));
    assert!(why.contains("not valid for name"), "{why}");
    let mut config = database.config();
    config.tls.mode = TlsMode::VerifyCa;
    assert!(Mysql::new(config).unwrap_err().contains("PostgreSQL only"));
}

#[test]
fn users_come_in_by_password_or_certificate() {
    let (Some(database), Some(folder)) = (database(), certificates()) else {
        return;
    };
    let connect = |user: &str, password: Option<&str>, tls: TlsConfig| {
        let mut config = database.config();
        config.url.user = user.into();
        config.password = password.map(Into::into);
        config.tls = tls;
        Mysql::new(config).unwrap().connect(Role::Writer)
    };
    let plain = TlsConfig {
        mode: TlsMode::Off,
        ..TlsConfig::default()
    };
    assert!(connect("carillon_password", Some("open sesame"), plain.clone()).is_ok());
    let (_, why) = trouble(connect("carillon_password", Some("open"), plain));
    assert!(why.contains("Access denied"), "{why}");
    let mut tls = TlsConfig {
        mode: TlsMode::VerifyFull,
        ca_file: Some(folder.join("ca.pem")),
        ..TlsConfig::default()
    };
    let (_, why) = trouble(connect("carillon_certificate", None, tls.clone()));
    assert!(why.contains("Access denied"), "{why}");
    tls.certificate_file = Some(folder.join("client.pem"));
    tls.key_file = Some(folder.join("client.key"));
    assert!(connect("carillon_certificate", None, tls).is_ok());
}

#[test]
fn no_password_goes_to_mysql_in_the_clear() {
    // A server that greets as MySQL 8 does, and counts what it is told.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let greeting = b"\x4a\0\0\0\x0a8.4.3\0\x08\0\0\0abcdefgh\0\xff\xff\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0abcdefghijkl\0caching_sha2_password\0";
        stream.write_all(greeting).unwrap();
        let mut told = Vec::new();
        stream.read_to_end(&mut told).unwrap();
        told
    });
    let mut config = server(&format!("mysql://carillon@127.0.0.1:{port}/carillon"));
    config.password = Some("open sesame".to_owned().into());
    let (_, why) = trouble(Mysql::new(config).unwrap().connect(Role::Writer));
    assert!(
        why.contains("MySQL 8.4.3") && why.contains("store.tls"),
        "{why}"
    );
    assert!(told.join().unwrap().is_empty());
}

#[test]
fn the_next_host_is_tried() {
    let Some(database) = database() else {
        return;
    };
    let mut config = database.config();
    // Nobody listens at a port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    config.url.hosts.insert(
        0,
        crate::address::Host::Tcp {
            host: "127.0.0.1".into(),
            port: free,
        },
    );
    let mut link = Mysql::new(config.clone())
        .unwrap()
        .connect(Role::Writer)
        .unwrap();
    assert_eq!(rows(&mut *link, "SELECT 1", vec![]), [[number(1)]]);
    config.url.hosts.truncate(1);
    let (kind, _) = trouble(Mysql::new(config).unwrap().connect(Role::Writer));
    assert_eq!(kind, Trouble::Lost);
}

#[test]
fn each_text_of_the_crate_is_understood() {
    let Some(database) = database() else {
        return;
    };
    let mut link = database.link(Role::Writer);
    for (_, sql) in database.server().migrations() {
        link.script(sql).unwrap();
    }
    for (place, sql) in super::texts::texts() {
        let translated = translate(&sql);
        for sql in [Some(translated.sql), translated.uncounted]
            .into_iter()
            .flatten()
        {
            let prepared = format!("PREPARE text FROM '{}'", sql.replace('\'', "''"));
            if let Err(error) = link.script(&prepared) {
                panic!("{place}: {sql}: {error}");
            }
        }
    }
}
