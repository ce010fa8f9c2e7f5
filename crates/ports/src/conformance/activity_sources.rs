//! Tables that Live Activities follow: rows that were seen, and reports.

use super::{Fixture, Subject, T0, nobody};
use crate::activity_source::{SeenRow, SourceNote};
use crate::store::{NewEvent, Retention};

fn note(f: &Fixture, source: &str, seen: &[(&str, i64)], gone: &[&str]) -> SourceNote {
    SourceNote {
        app: f.app,
        source: source.into(),
        seen: rows(seen),
        gone: gone.iter().map(|id| (*id).to_owned()).collect(),
        report: None,
        events: Vec::new(),
        now: T0,
    }
}

fn rows(seen: &[(&str, i64)]) -> Vec<SeenRow> {
    let row = |(id, hash): &(&str, i64)| SeenRow {
        id: (*id).to_owned(),
        hash: *hash,
    };
    seen.iter().map(row).collect()
}

async fn seen(f: &Fixture, source: &str) -> Vec<SeenRow> {
    f.hot.seen_rows(f.app, source.into()).await.unwrap()
}

/// The newest of a row counts; sources are apart; over restarts.
pub async fn rows_of_a_source_are_noted(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let write = async |note| f.hot.note_source(note).await.unwrap();
    write(note(&f, "a", &[("é", 0), ("b", -7), ("B", i64::MAX)], &[])).await;
    write(note(&f, "a", &[("é", 5)], &["b", "nobody"])).await;
    write(note(&f, "b", &[("b", 1)], &[])).await;
    let reported = SourceNote {
        report: Some(r#"{"rows":2}"#.into()),
        events: vec![NewEvent {
            app: f.app,
            kind: "live_activity.source_failed",
            subject: "b".into(),
            data: "{}".into(),
        }],
        ..note(&f, "b", &[], &[])
    };
    write(reported).await;
    let again = SourceNote {
        report: Some(r#"{"rows":3}"#.into()),
        ..note(&f, "a", &[], &[])
    };
    write(again.clone()).await;
    write(again).await;
    subject.restart().await;
    let f = f.again(subject);
    assert_eq!(seen(&f, "a").await, rows(&[("B", i64::MAX), ("é", 5)]));
    assert_eq!(seen(&f, "b").await, rows(&[("b", 1)]));
    assert_eq!(seen(&f, "c").await, []);
    let reports = f.hot.source_reports(f.app).await.unwrap();
    assert_eq!(
        reports,
        [
            ("a".to_owned(), r#"{"rows":3}"#.to_owned()),
            ("b".to_owned(), r#"{"rows":2}"#.to_owned())
        ]
    );
    let told = f.hot.events(f.app, 0, 10).await.unwrap();
    assert_eq!((told.len(), &*told[0].subject), (1, "b"));
}

/// Nothing is left of them when their App is gone.
pub async fn sources_go_with_their_app(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let reported = SourceNote {
        report: Some("{}".into()),
        ..note(&f, "a", &[("1", 1), ("2", 2), ("3", 3)], &[])
    };
    f.hot.note_source(reported).await.unwrap();
    assert!(f.registry.delete_app(f.app, T0, nobody()).await.unwrap());
    let retention = Retention {
        content_before: T0,
        records_before: T0,
        versions_before: T0,
        lists_before: T0,
        now: T0,
        slice: 2,
    };
    while f.hot.prune(retention).await.unwrap() > 0 {}
    assert_eq!(seen(&f, "a").await, []);
    assert_eq!(f.hot.source_reports(f.app).await.unwrap(), []);
}
