//! Processes that are gone in the middle: what was answered is there.

use crate::child::command;
use crate::support::{accepted, beside, check_integrity, open, place, single, stored};
use carillon_model::delivery::FinalState;
use carillon_model::id::NotificationNo;
use carillon_ports::conformance::T0;
use carillon_ports::store::HotStore;
use std::io::{BufRead, BufReader};

#[tokio::test]
async fn a_killed_process_loses_nothing_it_answered() {
    let (_directory, path) = place();
    let (mut accepted, mut settled) = (Vec::new(), Vec::new());
    for round in 1..=4usize {
        let mut child = command("accept", &path, None).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        for line in lines {
            let line = line.unwrap();
            if let Some(no) = line.strip_prefix("accepted ") {
                accepted.push(NotificationNo(no.parse().unwrap()));
                seen += 1;
            } else if let Some(no) = line.strip_prefix("settled ") {
                settled.push(NotificationNo(no.parse().unwrap()));
            }
            // Killed once, in the midst of what it does next; the rest of its lines count as well.
            if seen == 15 * round {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
    }
    let mut distinct = accepted.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), accepted.len(), "no number twice");

    let store = open(&path);
    assert!(
        stored(&store, &accepted)
            .await
            .into_iter()
            .all(|there| there)
    );
    for no in &settled {
        let view = store
            .notification(crate::support::APP, *no)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(view.states, [(FinalState::Accepted, 1)]);
    }
    let mut after = None;
    loop {
        after = store.rescue(after, 10, T0).await.unwrap();
        if after.is_none() {
            break;
        }
    }
    let lane = carillon_ports::conformance::lane(crate::support::APP);
    let class = carillon_model::lane::Class::Normal;
    let works = store.claim(lane, class, T0, 10_000, 10_000).await.unwrap();
    let again: Vec<_> = works.iter().map(|work| work.notification.no).collect();
    for no in &accepted {
        // Answered as settled: never again. Otherwise again, unless it was settled and not answered.
        if settled.contains(no) {
            assert!(!again.contains(no), "{no}");
        } else if no.0 % 2 == 1 {
            assert!(again.contains(no), "{no}");
        }
    }
    store.close().await;
    check_integrity(&path);
}

/// As a power cut may leave them: the log torn or garbled anywhere. What is lost is a suffix.
#[tokio::test]
async fn a_torn_log_loses_only_its_end() {
    let (directory, path) = place();
    let store = open(&path);
    let numbers: Vec<_> = (1..=30).map(NotificationNo).collect();
    for no in &numbers {
        store.accept(vec![single(*no)]).await.unwrap();
        store.settle(accepted(no.batch(0))).await.unwrap();
    }
    let (database, log) = (
        std::fs::read(&path).unwrap(),
        std::fs::read(beside(&path, "-wal")).unwrap(),
    );
    store.close().await;
    let copy = directory.path().join("copy.db");
    let mut kept = Vec::new();
    for part in 0..=20 {
        for garble in [false, true] {
            let at = log.len() * part / 20;
            let mut torn = log[..at].to_vec();
            if garble {
                let from = at.saturating_sub(2_000);
                torn[from..].fill(0x5a);
            }
            std::fs::write(&copy, &database).unwrap();
            std::fs::write(beside(&copy, "-wal"), &torn).unwrap();
            let _ = std::fs::remove_file(beside(&copy, "-shm"));
            // The log holds the schema too: without it the file is empty, and is made anew.
            let store = open(&copy);
            let there = stored(&store, &numbers).await;
            let count = there.iter().filter(|there| **there).count();
            assert!(
                there[..count].iter().all(|there| *there),
                "a prefix: {there:?}"
            );
            if !garble {
                kept.push(count);
            }
            store.close().await;
            check_integrity(&copy);
        }
    }
    assert!(kept.is_sorted() && kept[20] == numbers.len(), "{kept:?}");
}

#[tokio::test]
async fn a_store_that_is_dropped_loses_nothing() {
    let (_directory, path) = place();
    let numbers: Vec<_> = (1..=9).map(NotificationNo).collect();
    for (epoch, no) in (1..).zip(&numbers) {
        let store = loop {
            // The threads of the last one end by themselves, soon.
            match carillon_store_sql::SqlStore::open(carillon_store_sql::SqliteConfig::new(&path)) {
                Ok(store) => break store,
                Err(error) => assert_eq!(*error.kind(), carillon_store_sql::OpenErrorKind::Locked),
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(store.epoch(), epoch);
        store.accept(vec![single(*no)]).await.unwrap();
    }
}
