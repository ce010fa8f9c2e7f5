//! What is kept of monitors goes with the file: to another one by a backup, to a server by a copy.

use super::mariadb::Database;
use super::postgres::Schema;
use carillon_model::app::AppSettings;
use carillon_model::definition::DefinitionKind;
use carillon_model::id::{AppNo, DefinitionNo};
use carillon_model::monitor::{
    CALL_SCREEN, Entry, Fault, FaultKind, PageHow, PhoneFacts, RingRules, Rings, Tally, Told,
    WatchState, What,
};
use carillon_ports::conformance::{T0, nobody, registration};
use carillon_ports::registry::Registry as _;
use carillon_ports::store::HotStore as _;
use carillon_ports::timer::{DueAsk, TimerStore as _};
use carillon_ports::watch::{
    HourTally, IncidentFilter, RingChange, WatchClaim, WatchEntry, WatchStep, WatchStore as _,
};
use carillon_store_sql::{CopiedTable, ServerConfig, SqlStore, SqliteConfig, copy};
use std::path::Path;
use std::time::Duration;

/// A monitor with an incident, an hour, a timer, and a device that was rung.
async fn fill(store: &SqlStore) -> (AppNo, DefinitionNo) {
    let name = || "shop".to_owned();
    let app = store.put_app(name(), name(), AppSettings::default(), T0, nobody());
    let app = app.await.unwrap().0.no;
    let kind = DefinitionKind::Monitor;
    let no = store.definition_no(app, kind, name()).await.unwrap();
    let body = "{}".to_owned();
    let put = store.put_definition(no, app, kind, name(), body, None, T0, nobody());
    put.await.unwrap();
    let mut phone = registration("phone", "ann", 1);
    phone.capabilities = vec![CALL_SCREEN.to_owned()];
    let registered = store.register_devices(app, vec![phone], T0).await.unwrap();
    let mut now = Rings::default();
    let facts = PhoneFacts {
        has_call_screen: true,
        has_voip_token: true,
        has_alert_token: true,
    };
    now.page(PageHow::Ring, facts, &RingRules::default(), T0);
    let fault = Fault::new(FaultKind::Status, "shop.example answered 503");
    let told = Told {
        user: "ann".into(),
        device: Some("phone".into()),
        how: Some(PageHow::Ring),
        instead: None,
        detour: None,
        notification: None,
    };
    let step = WatchStep {
        monitor: no,
        app,
        claim: WatchClaim::New,
        state: WatchState::Firing,
        record: r#"{"a":"é"}"#.into(),
        version: 1,
        check_at: Some(T0 + 7),
        look_at: Some(T0 + 5),
        entries: vec![WatchEntry {
            entry: Entry {
                at: T0,
                incident: Some(1),
                what: What::Opened(fault),
            },
            told: vec![told],
        }],
        events: vec![],
        rings: vec![RingChange {
            device: registered[0].no,
            was: Rings::default(),
            now,
        }],
        pages: vec![],
        now: T0,
    };
    assert_eq!(store.step_watches(vec![step]).await.unwrap(), [true]);
    let mut tally = Tally::default();
    tally.spent(WatchState::Ok, 9);
    let hour = HourTally {
        monitor: no,
        hour: 1,
        tally,
    };
    store.add_tallies(vec![hour]).await.unwrap();
    (app, no)
}

/// All that is told of it, in words.
async fn told(store: &SqlStore, (app, no): (AppNo, DefinitionNo)) -> Vec<String> {
    let filter = IncidentFilter {
        limit: 9,
        ..IncidentFilter::default()
    };
    let users = vec!["ann".to_owned()];
    let ask = DueAsk {
        now: T0 + 5,
        after: None,
        each: 9,
        most: 9,
        most_bytes: u64::MAX,
    };
    let due = store.due_timers(ask).await.unwrap().timers;
    let due = due.iter().map(|timer| (timer.claim, &timer.subject));
    vec![
        format!("{:?}", store.watches(vec![no]).await.unwrap()),
        format!("{:?}", store.incidents(app, filter).await.unwrap()),
        format!("{:?}", store.incident_entries(no, 1, 9).await.unwrap()),
        format!("{:?}", store.page_phones(app, users, 9).await.unwrap()),
        format!("{:?}", store.tallies(vec![no], 0, 9).await.unwrap()),
        format!("{:?}", due.collect::<Vec<_>>()),
    ]
}

fn open(path: &Path) -> SqlStore {
    SqlStore::open(SqliteConfig::new(path.to_owned())).unwrap()
}

#[tokio::test]
async fn a_backup_has_what_is_kept_of_monitors() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("carillon.db"));
    let of = fill(&store).await;
    let copied = directory.path().join("copy.db");
    store.backup(copied.clone()).await.unwrap();
    let before = told(&store, of).await;
    assert!(before[5].contains("Watch"), "{before:?}");
    assert_eq!(told(&open(&copied), of).await, before);
    store.close().await;
}

async fn moves(to: &ServerConfig) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("carillon.db");
    let store = open(&path);
    let of = fill(&store).await;
    let before = told(&store, of).await;
    store.close().await;
    drop(store);
    let patience = Duration::from_secs(20);
    let copied = copy(&SqliteConfig::new(path), to, patience, &mut |_| {}).unwrap();
    let rows = |name: &str| {
        let mut all = copied.iter();
        all.find(|table: &&CopiedTable| table.name == name)
            .map(|table| table.rows)
    };
    for table in [
        "watches",
        "incidents",
        "incident_entries",
        "rings",
        "monitor_tallies",
        "timers",
    ] {
        assert_eq!(rows(table), Some(1), "{table}");
    }
    let there = SqlStore::open(to.clone()).unwrap();
    assert_eq!(told(&there, of).await, before);
    there.close().await;
}

#[tokio::test]
async fn what_is_kept_of_monitors_moves_to_postgres() {
    if let Some(schema) = Schema::make("what_is_kept_of_monitors_moves_to_postgres") {
        moves(&schema.config).await;
    }
}

#[tokio::test]
async fn what_is_kept_of_monitors_moves_to_mariadb() {
    if let Some(database) = Database::make("what_is_kept_of_monitors_moves_to_mariadb") {
        moves(&database.config).await;
    }
}
