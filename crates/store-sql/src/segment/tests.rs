//! SQL and the evaluator say the same, of any expression and any device.

use super::compile::{Plan, compile};
use super::{Asked, sql::Param};
use crate::db::driver::Role;
use crate::db::{Connection, Dialect, Error, Session, params, params_from_iter};
use crate::hot::{PERSON, person};
use crate::testing::Scratch;
use carillon_model::expression::{
    Comparison, Condition, Expression, Literal, Moment, Operand, Path, Step, Vocabulary,
};
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::receipts::ReceiptKind;
use carillon_ports::segment::SegmentFilter;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;

/// What is stored of a device.
#[derive(Clone, Debug)]
struct Row {
    id: Option<String>,
    user_id: Option<String>,
    locale: Option<String>,
    platform: Option<String>,
    app_version: Option<String>,
    tags: Vec<String>,
    topics: Vec<String>,
    attributes: Option<Value>,
    created_at: i64,
    last_seen_at: i64,
    /// What it told of the campaigns `a` and `b`: 0 nothing.
    told: [u8; 2],
}

fn sqlite() -> Connection {
    let conn = rusqlite::Connection::open_in_memory().unwrap();
    crate::migrate::migrate(&conn, 0).unwrap();
    Connection::Sqlite(conn)
}

/// Nothing but the tables that segments ask, at a place on a server that goes with it.
struct OnServer {
    conn: Connection,
    _place: Scratch,
}

/// `None`, and a word about it: there is no server.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn on(place: Option<Scratch>, name: &str) -> Option<OnServer> {
    let Some(place) = place else {
        eprintln!(
            "SKIPPED: segments on {name}: set STORE_TEST_POSTGRES and STORE_TEST_MARIADB, or let `cargo xtask test --setup` do it"
        );
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "this must not be skipped in CI"
        );
        return None;
    };
    let server = crate::server::server(place.config()).unwrap();
    let session = Session::open(server.as_ref(), Role::Writer).unwrap();
    let schema: Vec<&str> = server.migrations().iter().map(|(_, sql)| *sql).collect();
    let schema = schema.concat().replace("TABLE IF NOT EXISTS", "TABLE");
    for table in ["devices", "activity"] {
        let made = format!("CREATE TABLE {table} (");
        let table = &schema[schema.find(&made).unwrap()..];
        let table = &table[..table.find(';').unwrap()];
        session.with(|driver| driver.script(table)).unwrap();
    }
    Some(OnServer {
        conn: Connection::Server(session),
        _place: place,
    })
}

fn postgres() -> Option<OnServer> {
    on(Scratch::postgres(), "PostgreSQL")
}

fn mariadb() -> Option<OnServer> {
    on(Scratch::mariadb(), "MariaDB")
}

/// The filter of an expression, about the campaigns `a` and `b`; of others nothing is known.
fn filter(expression: Expression) -> SegmentFilter {
    let known = [("a", 1), ("b", 2)].map(|(name, no)| (name.to_owned(), NotificationNo(no)));
    SegmentFilter::new(expression, NOW).about(known.into())
}

/// These are the devices, and no others.
fn fill(conn: &Connection, rows: &[Row]) {
    for table in ["devices", "activity"] {
        let sql = format!("DELETE FROM {table}");
        conn.prepare(&sql).unwrap().execute([]).unwrap();
    }
    // As registrations are written: an empty list is none.
    let list = |texts: &[String]| (!texts.is_empty()).then(|| Value::from(texts).to_string());
    for (at, row) in rows.iter().enumerate() {
        conn.prepare(
            "INSERT INTO devices (device_no, app_no, generation, created_at, last_seen_at, id, user_id, locale,
             app_version, platform, tags, topics, attributes) VALUES (?1, 1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )
        .unwrap()
        .execute(
            params![
                at as i64 + 1,
                row.created_at,
                row.last_seen_at,
                // No two devices of an App have one id.
                row.id.as_ref().filter(|id| rows[..at].iter().all(|r| r.id.as_ref() != Some(*id))),
                row.user_id,
                row.locale,
                row.app_version,
                row.platform,
                list(&row.tags),
                list(&row.topics),
                row.attributes.as_ref().map(Value::to_string),
            ],
        )
        .unwrap();
        for (no, told) in (1..).zip(row.told).filter(|(_, told)| *told > 0) {
            let sql = "INSERT INTO activity (notification_no, device_no, told) VALUES (?1, ?2, ?3)";
            let row: [i64; 3] = [no, at as i64 + 1, told.into()];
            conn.prepare(sql).unwrap().execute(row).unwrap();
        }
    }
}

/// Devices for which a piece of SQL is true; it is never NULL.
fn true_for(conn: &Connection, piece: &super::sql::Sql) -> Result<Vec<i64>, TestCaseError> {
    let sql = format!(
        "SELECT d.device_no, {} FROM devices d ORDER BY d.device_no",
        piece.text
    );
    let mut statement = conn.prepare(&sql).map_err(|error| failed(&error, &sql))?;
    let mut rows = statement
        .query(params_from_iter(&piece.params))
        .map_err(|error| failed(&error, &sql))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(|error| failed(&error, &sql))? {
        let holds: i64 = row.get(1).map_err(|error| failed(&error, &sql))?;
        if holds == 1 {
            found.push(row.get(0).unwrap());
        }
    }
    Ok(found)
}

fn failed(error: &Error, sql: &str) -> TestCaseError {
    TestCaseError::fail(format!("{error}: {sql}"))
}

fn check(conn: &Connection, rows: &[Row], conditions: &[Condition]) -> Result<(), TestCaseError> {
    fill(conn, rows);
    let mut people = Vec::new();
    let sql = format!("SELECT {PERSON} FROM devices d ORDER BY 1");
    let mut statement = conn.prepare(&sql).unwrap();
    let mut found = statement.query([]).unwrap();
    while let Some(row) = found.next().unwrap() {
        people.push(person(row).unwrap());
    }
    for condition in conditions {
        let text = condition.to_string();
        let expression = Expression::parse(&text)
            .map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let filter = filter(expression);
        let told = |device: DeviceNo, no: NotificationNo, kind: ReceiptKind| {
            let row = &rows[device.0 as usize - 1];
            row.told[no.0 as usize - 1] >= kind.code()
        };
        let meant = people
            .iter()
            .filter(|person| filter.holds(person, |no, kind| told(person.device, no, kind)));
        let meant: Vec<i64> = meant.map(|person| person.device.0).collect();
        let plan = compile(&filter, conn.dialect());
        let over = true_for(conn, &plan.bounds.over)?;
        let under = true_for(conn, &plan.bounds.under)?;
        let why = format!("{text}\n{plan:#?}");
        prop_assert!(
            meant.iter().all(|no| over.contains(no)),
            "too few: {meant:?} {over:?} {why}"
        );
        prop_assert!(
            under.iter().all(|no| meant.contains(no)),
            "too many: {meant:?} {under:?} {why}"
        );
        if plan.is_exact() {
            prop_assert_eq!(&over, &meant, "{}", why);
        }
        let mut asked = Asked::new(conn, &filter, AppNo(1)).unwrap();
        let (all, matched) = asked.count(DeviceNo(0), DeviceNo(1_000)).unwrap();
        prop_assert_eq!(
            (all as usize, matched as usize),
            (people.len(), meant.len()),
            "{}",
            why
        );
    }
    Ok(())
}

// === what is generated ===

const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "A",
    "ab",
    "it's",
    "\"",
    "a\"b",
    "a\\",
    "\\u0041",
    ",",
    "a,b",
    "%",
    "_",
    "?",
    "1",
    "1.5",
    "true",
    "null",
    "ß",
    "İ",
    "i",
    "ｶ",
    "부산",
    "👩‍👩‍👧",
    "e\u{301}",
    "é",
    "\u{7f}",
    "\n",
    "\t",
    "2.10",
    "v2",
    "ios",
    "a\0b",
    "\0",
    "ko-KR",
    "ko_KR",
    "ko",
    "-",
    "en",
    "\u{ffff}",
    "\u{10ffff}",
    "[\"a\"]",
    "{}",
];

const NAMES: &[&str] = &[
    "a", "b", "A", "a b", "a.b", "a[0]", "0", "부산", "$", "#", "'", "a\"b", "a\\b", "\n", "ß",
];

/// Few, so that what is asked is often there.
const CORE: &[&str] = &["a", "b", ",", "\"", "a,b", "a\"b", "1", "", "ko-KR", "A"];

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(CORE).prop_map(str::to_owned),
        4 => prop::sample::select(TEXTS).prop_map(str::to_owned),
        1 => "\\PC{0,5}",
    ]
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("a".to_owned()),
        2 => Just("b".to_owned()),
        2 => prop::sample::select(NAMES).prop_map(str::to_owned),
        1 => "\\PC{1,4}",
    ]
}

fn integers() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -3i64..4,
        1 => prop::sample::select(vec![i64::MAX, i64::MIN, 1 << 53, (1 << 53) + 1, -(1 << 53) - 1]),
        1 => any::<i64>(),
    ]
}

fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => prop::sample::select(vec![0.0, -0.0, 1.0, 1.5, -2.0, 0.1, 0.3, 1e18, 9.3e18, 1.8e19, 1e300, 5e-324, 9_007_199_254_740_993.0]),
        1 => -3.0..3.0,
        1 => prop::num::f64::NORMAL,
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let usual = [
        json!(true),
        json!(1),
        json!(1.5),
        json!(0.1),
        json!("1"),
        json!("a"),
        json!(null),
    ];
    let leaves = prop_oneof![
        9 => prop::sample::select(usual.to_vec()),
        1 => Just(json!(null)),
        2 => any::<bool>().prop_map(Value::from),
        3 => integers().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        2 => floats().prop_map(Value::from),
        4 => texts().prop_map(Value::from),
    ];
    leaves.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names(), inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

fn rows() -> impl Strategy<Value = Row> {
    let text = || prop::option::weighted(0.7, texts());
    let list = || prop::collection::vec(texts(), 0..4);
    let attributes =
        prop::collection::btree_map(names(), values(), 0..4).prop_map(|map| json!(map));
    let times = || (0i64..20).prop_map(|days| NOW - days * DAY);
    (
        (text(), text(), text(), text()),
        (
            text(),
            list(),
            list(),
            prop::option::weighted(0.8, attributes),
        ),
        (times(), times(), [0u8..3, 0u8..3]),
    )
        .prop_map(
            |(
                (user_id, locale, platform, app_version),
                (id, tags, topics, attributes),
                (a, b, told),
            )| {
                Row {
                    id: id.filter(|id| !id.is_empty()),
                    user_id,
                    locale,
                    platform,
                    app_version,
                    tags,
                    topics,
                    attributes,
                    created_at: a,
                    last_seen_at: b,
                    told,
                }
            },
        )
}

fn literals() -> impl Strategy<Value = Literal> {
    let usual = [
        Literal::Boolean(true),
        Literal::Integer(1),
        Literal::Float(1.5),
        Literal::Float(0.1),
        Literal::Float(1.0),
        Literal::Text("1".into()),
        Literal::Text("a".into()),
        Literal::Null,
    ];
    prop_oneof![
        9 => prop::sample::select(usual.to_vec()),
        1 => Just(Literal::Null),
        1 => any::<bool>().prop_map(Literal::Boolean),
        3 => integers().prop_map(Literal::Integer),
        2 => floats().prop_map(Literal::Float),
        5 => texts().prop_map(Literal::Text),
    ]
}

fn paths() -> impl Strategy<Value = Path> {
    let steps = || {
        let step =
            prop_oneof![3 => names().prop_map(Step::Field), 1 => (0u32..3).prop_map(Step::Index)];
        prop::collection::vec(step, 0..2)
    };
    let path = |root: &str, steps| Path {
        root: root.to_owned(),
        steps,
    };
    prop_oneof![
        6 => (names(), steps()).prop_map(move |(name, mut more)| {
            more.insert(0, Step::Field(name));
            path("attributes", more)
        }),
        2 => (prop::sample::select(vec!["tags", "topics"]), prop::option::of(0u32..3))
            .prop_map(move |(root, at)| path(root, at.map(Step::Index).into_iter().collect())),
        5 => prop::sample::select(vec!["user_id", "locale", "language", "platform", "app_version", "time_zone", "id"])
            .prop_map(move |root| path(root, Vec::new())),
        1 => prop::sample::select(vec!["last_seen", "registered"]).prop_map(move |root| path(root, Vec::new())),
        2 => (prop::sample::select(vec!["opened", "delivered"]), prop::sample::select(vec!["a", "b", "c"]))
            .prop_map(move |(root, name)| path(root, vec![Step::Field(name.to_owned())])),
        1 => (prop::sample::select(vec!["nobody", "platform", "tags", "last_seen", "attributes"]), steps())
            .prop_map(move |(root, steps)| path(root, steps)),
    ]
}

fn compare((left, comparison, right): (Operand, Comparison, Operand)) -> Condition {
    Condition::Compare {
        left,
        comparison,
        right,
    }
}

fn comparisons() -> impl Strategy<Value = Condition> {
    use Comparison::*;
    let path = || paths().prop_map(Operand::Path);
    let literal = || literals().prop_map(Operand::Literal);
    let list = || prop::collection::vec(literals(), 0..4).prop_map(Operand::List);
    let side = || prop_oneof![5 => path(), 3 => literal(), 1 => list()];
    let plain = || {
        prop::sample::select(vec![
            Equal,
            NotEqual,
            Less,
            LessOrEqual,
            Greater,
            GreaterOrEqual,
        ])
    };
    let text = || texts().prop_map(|text| Operand::Literal(Literal::Text(text)));
    let moment = || {
        let at = prop_oneof![
            (0i64..20).prop_map(|days| Moment::Ago(days * DAY)),
            (0i64..20).prop_map(|days| Moment::At(NOW - days * DAY)),
        ];
        at.prop_map(Operand::Moment)
    };
    let moments = || {
        prop::sample::select(vec!["last_seen", "registered"]).prop_map(|root| {
            Operand::Path(Path {
                root: root.to_owned(),
                steps: Vec::new(),
            })
        })
    };
    let version = || {
        prop_oneof![Just(Operand::Literal(Literal::Text("2.10".into()))), path(),]
            .prop_map(|inner| Operand::Version(Box::new(inner)))
    };
    let lists = || {
        prop::sample::select(vec!["tags", "topics"]).prop_map(|root| {
            Operand::Path(Path {
                root: root.to_owned(),
                steps: Vec::new(),
            })
        })
    };
    let attribute = || {
        prop::sample::select(vec!["a", "b"]).prop_map(|name| {
            let steps = vec![Step::Field(name.to_owned())];
            Operand::Path(Path {
                root: "attributes".to_owned(),
                steps,
            })
        })
    };
    let campaign = || {
        let roots = prop::sample::select(vec!["opened", "delivered"]);
        (roots, prop::sample::select(vec!["a", "b", "c"])).prop_map(|(root, name)| {
            Operand::Path(Path {
                root: root.to_owned(),
                steps: vec![Step::Field(name.to_owned())],
            })
        })
    };
    prop_oneof![
        3 => campaign().prop_map(Condition::Is),
        1 => (campaign(), plain(), side()).prop_map(compare),
        1 => path().prop_map(Condition::Is),
        1 => attribute().prop_map(Condition::Is),
        3 => (lists(), Just(Contains), text()).prop_map(compare),
        5 => (attribute(), plain(), literal()).prop_map(compare),
        2 => (attribute(), Just(Contains), literal()).prop_map(compare),
        2 => (attribute(), prop::sample::select(vec![In, NotIn]), list()).prop_map(compare),
        5 => (side(), plain(), side()).prop_map(compare),
        2 => (side(), prop::sample::select(vec![In, NotIn]), prop_oneof![list(), path()]).prop_map(compare),
        2 => (side(), Just(Contains), prop_oneof![path(), literal()]).prop_map(compare),
        1 => (side(), Just(StartsWith), prop_oneof![path(), text()]).prop_map(compare),
        2 => (moments(), plain(), prop_oneof![2 => moment(), 1 => moments()]).prop_map(compare),
        1 => (moment(), plain(), moments()).prop_map(compare),
        1 => (version(), plain(), version()).prop_map(compare),
    ]
}

fn conditions() -> impl Strategy<Value = Condition> {
    comparisons().prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::All),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::Any),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn sql_says_what_the_evaluator_says(
        rows in prop::collection::vec(rows(), 1..10),
        conditions in prop::collection::vec(conditions(), 1..12),
    ) {
        check(&sqlite(), &rows, &conditions)?;
    }
}

#[test]
fn postgres_says_what_the_evaluator_says() {
    let Some(on) = postgres() else { return };
    // Whatever has the character that no text there can have is only not to fail: see below.
    on_a_server(&on.conn, |text| {
        !text.contains("\\0") && !text.contains("\\u0000")
    });
}

#[test]
fn mariadb_says_what_the_evaluator_says() {
    let Some(on) = mariadb() else { return };
    on_a_server(&on.conn, |_| true);
}

/// `has` says which cases the server can have at all.
fn on_a_server(conn: &Connection, has: impl Fn(&str) -> bool) {
    let cases = (
        prop::collection::vec(rows(), 1..10),
        prop::collection::vec(conditions(), 1..12),
    );
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(200)
    };
    let ran = TestRunner::new(config).run(&cases, |(rows, conditions)| {
        if !has(&format!("{rows:?} {conditions:?}")) {
            return Ok(());
        }
        check(conn, &rows, &conditions)
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}

#[test]
fn no_character_makes_postgres_fail() {
    let Some(OnServer { conn, _place }) = postgres() else {
        return;
    };
    let row = Row {
        id: None,
        user_id: Some("a\0b".into()),
        locale: None,
        platform: None,
        app_version: None,
        tags: vec!["\0\0".into(), "\\u0000".into()],
        topics: Vec::new(),
        attributes: Some(json!({"a": "x\0", "b": "\\u0000"})),
        created_at: NOW,
        last_seen_at: NOW,
        told: [0, 0],
    };
    fill(&conn, &[row]);
    for (text, holds) in [
        ("user_id startswith 'a'", true),
        ("attributes.a startswith 'x'", true),
        (r"attributes.b == '\\u0000'", true),
        (r"tags contains '\\u0000'", true),
        ("tags contains 'y'", false),
    ] {
        let filter = filter(Expression::parse(text).unwrap());
        let mut asked = Asked::new(&conn, &filter, AppNo(1)).unwrap();
        let (all, matched) = asked.count(DeviceNo(0), DeviceNo(9)).unwrap();
        assert_eq!((all, matched), (1, u32::from(holds)), "{text}");
    }
}

// === what people ask ===

fn plan(text: &str) -> Plan {
    let expression = Expression::parse_typed(text, &Vocabulary::SEGMENT).unwrap();
    compile(&filter(expression), Dialect::Sqlite)
}

#[test]
fn usual_segments_are_decided_by_sql_alone() {
    for text in [
        "tags contains 'vip' and not tags contains 'beta'",
        "platform in ['ios', 'android'] and language == 'ko'",
        "last_seen > ago('30d') and registered <= ago('7d')",
        "attributes.plan == 'pro' or attributes.cities contains 'Seoul' or attributes.on",
        "user_id == null and time_zone startswith 'Asia/'",
        "tags == [] and topics contains 'news'",
        "delivered('a') and not opened('a')",
    ] {
        let plan = plan(text);
        assert_eq!(plan.residual, Vec::<String>::new(), "{text}");
        assert_eq!(plan.bounds.over, plan.bounds.under, "{text}");
    }
}

#[test]
fn what_sql_cannot_say_is_named() {
    for (text, residual) in [
        (
            "version(app_version) >= version('2.1')",
            "version(app_version) >= version('2.1')",
        ),
        (
            "platform == 'ios' and not id startswith 'x'",
            "id startswith 'x'",
        ),
        (
            "attributes.a == attributes.b",
            "attributes.a == attributes.b",
        ),
        ("attributes.age > 30", "attributes.age > 30"),
        ("attributes['a\"b'] == 'x'", "attributes['a\"b'] == 'x'"),
    ] {
        assert_eq!(plan(text).residual, [residual], "{text}");
    }
    // Whole numbers are decided all the same: only fractions close by go to the evaluator.
    let bounds = plan("attributes.age > 30").bounds;
    assert_ne!(bounds.under.text, "0");
    assert!(bounds.over.params.contains(&Param::Integer(30)));
}

#[test]
fn values_are_parameters_and_never_text() {
    let nasty = "'); DROP TABLE devices; --";
    let text = format!(
        "tags contains \"{nasty}\" or attributes[\"{nasty}\"] == \"{nasty}\" or platform in [\"{nasty}\"]"
    );
    let plan = plan(&text);
    assert!(!plan.bounds.over.text.contains("DROP"));
    assert!(plan.bounds.over.params.len() >= 5);
}
