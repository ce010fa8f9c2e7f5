//! Group commit: one command's failure is its own, and every queue has its bound.

use crate::support::{APP, accepted, open, place, single, stored};
use carillon_model::definition::DefinitionKind;
use carillon_model::id::NotificationNo;
use carillon_model::monitor::WatchState;
use carillon_model::timer::{MissedRun, TimerKind};
use carillon_ports::conformance::T0;
use carillon_ports::registry::{Actor, Registry};
use carillon_ports::store::{Acceptance, HotStore, Result, StoreError};
use carillon_ports::timer::{DueAsk, NewTimer, TimerStore as _, When};
use carillon_ports::watch::{ReadWatch, WatchClaim, WatchStep, WatchStore as _};
use carillon_store_sql::{SqlStore, SqliteConfig};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Another program that holds the file locked until it is dropped.
struct Stranger(Connection);

impl Stranger {
    fn locks(path: &Path) -> Self {
        let conn = Connection::open(path).unwrap();
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(conn)
    }

    fn goes(self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

type Accepting = JoinHandle<Result<Vec<Acceptance>>>;

/// Spawned in order; each has taken its place in the queue when this returns.
async fn queue(store: &Arc<SqlStore>, numbers: &[i64]) -> Vec<Accepting> {
    let mut calls = Vec::new();
    for no in numbers {
        let (store, item) = (store.clone(), single(NotificationNo(*no)));
        calls.push(tokio::spawn(async move { store.accept(vec![item]).await }));
        // On one thread a spawned task runs up to its first wait when we yield.
        tokio::task::yield_now().await;
    }
    calls
}

#[tokio::test]
async fn a_failing_command_does_not_fail_its_group() {
    let (_directory, path) = place();
    let store = Arc::new(open(&path));
    let stranger = Stranger::locks(&path);
    // The first waits for the stranger, the others become one group behind it.
    let calls = queue(&store, &[1, 2, 3, 2, 4, 3, 5]).await;
    stranger.goes();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    let fine: Vec<_> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(fine, [true, true, true, false, true, false, true]);
    assert!(matches!(&answers[3], Err(StoreError::Failed(text)) if text.contains("UNIQUE")));
    let numbers: Vec<_> = (1..=5).map(NotificationNo).collect();
    assert_eq!(stored(&store, &numbers).await, [true; 5]);
    store.close().await;
}

#[tokio::test]
async fn an_unreadable_row_is_named_and_stops_nobody_else() {
    let (_directory, path) = place();
    let store = Arc::new(open(&path));
    let numbers: Vec<_> = (1..=3).map(NotificationNo).collect();
    store
        .accept(numbers.iter().map(|no| single(*no)).collect())
        .await
        .unwrap();
    store.settle(accepted(numbers[1].batch(0))).await.unwrap();
    Connection::open(&path)
        .unwrap()
        .execute(
            "UPDATE batches SET verdicts = x'ff' WHERE batch_no = ?1",
            [numbers[1].batch(0).0],
        )
        .unwrap();
    let stranger = Stranger::locks(&path);
    let mut calls = Vec::new();
    for no in [numbers[0], numbers[1], numbers[2], numbers[1]] {
        let store = store.clone();
        calls.push(tokio::spawn(async move {
            store.settle(accepted(no.batch(0))).await
        }));
        tokio::task::yield_now().await;
    }
    stranger.goes();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert_eq!(answers[0].as_ref().unwrap(), &[numbers[0]]);
    assert_eq!(answers[2].as_ref().unwrap(), &[numbers[2]]);
    let Err(StoreError::Corrupt(text)) = &answers[1] else {
        panic!("{:?}", answers[1]);
    };
    let row = numbers[1].batch(0).to_string();
    for word in ["batches", "verdicts", &row] {
        assert!(text.contains(word), "{text} names {word}");
    }
    assert!(answers[3].is_err());
    store.close().await;
}

#[tokio::test]
async fn unreadable_work_is_set_aside() {
    let (_directory, path) = place();
    let store = open(&path);
    let numbers: Vec<_> = (1..=3).map(NotificationNo).collect();
    let mut items: Vec<_> = numbers.iter().map(|no| single(*no)).collect();
    for item in &mut items {
        item.batches[0].hot = false;
    }
    store.accept(items).await.unwrap();
    Connection::open(&path)
        .unwrap()
        .execute(
            "UPDATE batches SET devices = x'00' WHERE batch_no = ?1",
            [numbers[0].batch(0).0],
        )
        .unwrap();
    let lane = carillon_ports::conformance::lane(APP);
    let class = carillon_model::lane::Class::Normal;
    let works = store.claim(lane, class, T0, 10, 10).await.unwrap();
    let claimed: Vec<_> = works.iter().map(|work| work.notification.no).collect();
    assert_eq!(claimed, numbers[1..]);
    let waiting = store.waiting_lanes().await.unwrap();
    assert!(waiting[0].2 > T0, "it comes again later");
    store.close().await;
}

#[tokio::test]
async fn a_locked_file_is_busy_and_then_not() {
    let (_directory, path) = place();
    let config = SqliteConfig {
        busy_timeout_ms: 30,
        ..SqliteConfig::new(&path)
    };
    let store = SqlStore::open(config).unwrap();
    let no = NotificationNo(1);
    let stranger = Stranger::locks(&path);
    let busy = store.accept(vec![single(no)]).await;
    assert!(matches!(busy, Err(StoreError::Busy)), "{busy:?}");
    assert_eq!(stored(&store, &[no]).await, [false], "reads go on");
    stranger.goes();
    assert!(store.accept(vec![single(no)]).await.is_ok());
    store.close().await;
}

#[tokio::test]
async fn queues_have_bounds() {
    let (_directory, path) = place();
    let config = SqliteConfig {
        queue_items: 4,
        queue_wait_ms: 20,
        ..SqliteConfig::new(&path)
    };
    let store = Arc::new(SqlStore::open(config).unwrap());
    let stranger = Stranger::locks(&path);
    let calls = queue(&store, &[1, 2, 3, 4]).await;
    let refused = store.accept(vec![single(NotificationNo(5))]).await;
    assert!(
        matches!(refused, Err(StoreError::Overloaded)),
        "{refused:?}"
    );
    let mut others = Vec::new();
    for _ in 0..4 {
        let store = store.clone();
        others.push(tokio::spawn(async move { store.ping().await }));
        tokio::task::yield_now().await;
    }
    let waited = store.ping().await;
    assert!(matches!(waited, Err(StoreError::Busy)), "{waited:?}");
    stranger.goes();
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    for other in others {
        assert!(other.await.unwrap().is_ok());
    }
    assert!(store.accept(vec![single(NotificationNo(5))]).await.is_ok());
    // One that is larger than the queue goes in when nothing else does.
    let many = (10..30).map(|no| single(NotificationNo(no))).collect();
    assert_eq!(store.accept(many).await.unwrap().len(), 20);
    store.close().await;
}

#[tokio::test]
async fn closing_finishes_what_waits_and_takes_no_more() {
    let (_directory, path) = place();
    let store = Arc::new(open(&path));
    let stranger = Stranger::locks(&path);
    let calls = queue(&store, &[1, 2, 3]).await;
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    tokio::task::yield_now().await;
    let late = store.accept(vec![single(NotificationNo(9))]).await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    stranger.goes();
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    closing.await.unwrap();
    let read = store.notification(APP, NotificationNo(1)).await;
    assert!(matches!(read, Err(StoreError::Closed)), "{read:?}");
    let wal = crate::support::beside(&path, "-wal");
    assert!(!wal.exists(), "everything is in the database");
    let again = open(&path);
    let numbers: Vec<_> = [1, 2, 3, 9].map(NotificationNo).to_vec();
    assert_eq!(stored(&again, &numbers).await, [true, true, true, false]);
    again.close().await;
}

#[tokio::test]
async fn a_panicking_command_fails_alone() {
    let (_directory, path) = place();
    let store = open(&path);
    store
        .put_provider_token("t/k".into(), carillon_ports::registry::Sealed(vec![1]), T0)
        .await
        .unwrap();
    let by = Actor {
        api_key: None,
        request_id: None,
    };
    let failed = store
        .reseal(Box::new(|_, _, _, _| panic!("a bug in a resealer")), T0, by)
        .await;
    assert!(matches!(failed, Err(StoreError::Failed(_))), "{failed:?}");
    assert!(store.accept(vec![single(NotificationNo(1))]).await.is_ok());
    store.close().await;
}

/// A number range that a failing command reserved is not reserved: the next one must do it again.
#[tokio::test]
async fn a_reservation_goes_back_with_its_command() {
    let (_directory, path) = place();
    let store = Arc::new(open(&path));
    let far = |n: i64| NotificationNo((1 << 30) + n);
    let stranger = Stranger::locks(&path);
    let first = queue(&store, &[1]).await;
    let failing = tokio::spawn({
        let store = store.clone();
        async move { store.accept(vec![single(far(0)), single(far(0))]).await }
    });
    tokio::task::yield_now().await;
    let fine = queue(&store, &[far(1).0]).await;
    stranger.goes();
    for call in first.into_iter().chain(fine) {
        assert!(call.await.unwrap().is_ok());
    }
    assert!(failing.await.unwrap().is_err());
    store.close().await;
    let store = open(&path);
    assert_eq!(stored(&store, &[far(0), far(1)]).await, [false, true]);
    assert!(store.next_notification() > far(1));
    store.close().await;
}

/// A timer whose row, or whose notification's, cannot be read is handed out as that, with the others.
#[tokio::test]
async fn an_unreadable_timer_fails_alone() {
    let (_directory, path) = place();
    let store = open(&path);
    let nobody = Actor {
        api_key: None,
        request_id: None,
    };
    let settings = carillon_model::app::AppSettings::default();
    let (app, _) = store
        .put_app("shop".into(), "Shop".into(), settings, T0, nobody)
        .await
        .unwrap();
    assert_eq!(app.no, APP);
    let mut items: Vec<_> = (1..=3).map(|no| single(NotificationNo(no))).collect();
    for item in &mut items {
        item.batches.clear();
        item.when = When::Later(NewTimer {
            due_at: T0 + item.no.0,
            missed: MissedRun::Fire,
            body: bytes::Bytes::new(),
        });
    }
    store.accept(items).await.unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "UPDATE notifications SET options = x'00' WHERE notification_no = 1;
             UPDATE timers SET missed = -7 WHERE subject = 2",
        )
        .unwrap();
    let ask = DueAsk {
        now: T0 + 10,
        after: None,
        each: 10,
        most: 10,
        most_bytes: u64::MAX,
    };
    let due = store.due_timers(ask).await.unwrap().timers;
    let words: Vec<_> = due
        .iter()
        .map(|timer| timer.subject.as_ref().err().cloned().unwrap_or_default())
        .collect();
    assert!(words[0].contains("column options"), "{words:?}");
    assert!(words[1].contains("column missed"), "{words:?}");
    assert_eq!(words[2], "");
    let kinds: Vec<_> = due.iter().map(|timer| timer.kind).collect();
    assert_eq!(kinds, [Some(TimerKind::Send); 3], "what it is for is known");
    store.close().await;
}

/// A monitor whose row cannot be read is handed out as that, with the others, in its place.
#[tokio::test]
async fn an_unreadable_monitor_fails_alone() {
    let (_directory, path) = place();
    let store = open(&path);
    let nobody = || Actor {
        api_key: None,
        request_id: None,
    };
    let settings = carillon_model::app::AppSettings::default();
    let put = store.put_app("shop".into(), "Shop".into(), settings, T0, nobody());
    let app = put.await.unwrap().0.no;
    let mut monitors = Vec::new();
    for n in 1..=4 {
        let (kind, name) = (DefinitionKind::Monitor, format!("m{n}"));
        let no = store.definition_no(app, kind, name.clone()).await.unwrap();
        let put = store.put_definition(no, app, kind, name, "{}".into(), None, T0, nobody());
        put.await.unwrap();
        let step = WatchStep {
            monitor: no,
            app,
            claim: WatchClaim::New,
            state: WatchState::Ok,
            record: "{}".into(),
            version: 1,
            check_at: Some(T0 + n),
            look_at: None,
            entries: Vec::new(),
            events: Vec::new(),
            rings: Vec::new(),
            pages: Vec::new(),
            now: T0,
        };
        assert_eq!(store.step_watches(vec![step]).await.unwrap(), [true]);
        monitors.push(no);
    }
    let spoilt = [
        (monitors[0], "state = 99", "column state"),
        (monitors[1], "version = -1", "-1"),
        (monitors[3], "record = CAST(x'ff' AS TEXT)", ""),
    ];
    for (no, set, _) in spoilt {
        let sql = format!("UPDATE watches SET {set} WHERE monitor_no = ?1");
        let conn = Connection::open(&path).unwrap();
        assert_eq!(conn.execute(&sql, [no.0]).unwrap(), 1);
    }
    let known: Vec<_> = monitors
        .iter()
        .map(|no| match spoilt.iter().find(|(spoilt, ..)| spoilt == no) {
            Some((_, _, word)) => Err((*no, *word)),
            None => Ok(*no),
        })
        .collect();
    let is_known = |found: &[ReadWatch]| {
        assert_eq!(found.len(), known.len());
        for (found, known) in found.iter().zip(&known) {
            match (found, known) {
                (Ok(stored), Ok(no)) => assert_eq!(stored.monitor, *no),
                (Err(found), Err((no, word))) => {
                    assert_eq!(found.monitor, *no);
                    let named = format!("monitor {no} cannot be read");
                    let why = &found.why;
                    assert!(why.contains(&named) && why.contains(word), "{why}");
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let found = store.watches(monitors.clone()).await.unwrap();
    is_known(&found.into_iter().map(Option::unwrap).collect::<Vec<_>>());
    let first = store.due_checks(T0 + 9, None, 3).await.unwrap();
    assert_eq!(first.next, Some((T0 + 3, monitors[2])));
    let second = store.due_checks(T0 + 9, first.next, 3).await.unwrap();
    assert_eq!(second.next, None);
    is_known(&[first.checks, second.checks].concat());
    store.close().await;
}
