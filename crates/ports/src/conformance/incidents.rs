//! Incidents: made of what happened to them, and listed.

use super::watching::{entry, fault, incident, listed, made, next, opened, paged, resolved, write};
use super::{Fixture, Subject, T0};
use crate::watch::{INCIDENT_ENTRIES, IncidentFilter, StoredIncident};
use carillon_model::id::AppNo;
use carillon_model::monitor::{PageHow, ResolvedBy, Told, What};

/// Each entry has its row, and the incident's own row is made of them; what is about none is not kept.
pub async fn incidents_are_made_of_their_entries(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let monitor = made(&f, "shop").await.monitor;
    assert_eq!(f.hot.incident(monitor, 1).await.unwrap(), None);
    let told = |device: Option<&str>| Told {
        user: "ann".into(),
        device: device.map(str::to_owned),
        how: Some(PageHow::Critical),
        instead: None,
        detour: None,
        notification: None,
    };
    let mut first = next(&f, monitor).await;
    first.entries = vec![
        entry(None, T0, What::Suspected(fault())),
        opened(1, T0 + 1),
        paged(1, T0 + 2),
    ];
    first.entries[2].told = vec![told(Some("phone")), told(None)];
    assert!(write(&f, first.clone()).await);
    let mut expected = StoredIncident {
        monitor,
        app: f.app,
        no: 1,
        opened_at: T0 + 1,
        fault: fault(),
        acknowledged: None,
        pages: 1,
        is_given_up: false,
        resolved: None,
    };
    assert_eq!(incident(&f, monitor, 1).await, expected);
    let mut second = next(&f, monitor).await;
    let acknowledged = What::Acknowledged { by: "ann".into() };
    second.entries = vec![
        paged(1, T0 + 3),
        entry(Some(1), T0 + 4, What::GivenUp),
        entry(Some(1), T0 + 5, acknowledged),
    ];
    assert!(write(&f, second).await);
    (expected.pages, expected.is_given_up) = (2, true);
    expected.acknowledged = Some(("ann".into(), T0 + 5));
    subject.restart().await;
    let f = f.again(subject);
    assert_eq!(incident(&f, monitor, 1).await, expected);
    let mut third = next(&f, monitor).await;
    third.entries = vec![
        entry(Some(1), T0 + 6, What::Unacknowledged { by: None }),
        resolved(1, T0 + 7),
        entry(None, T0 + 8, What::Released),
    ];
    assert!(write(&f, third).await);
    (expected.acknowledged, expected.is_given_up) = (None, false);
    expected.resolved = Some((ResolvedBy::Recovery, T0 + 7));
    assert_eq!(incident(&f, monitor, 1).await, expected);
    let all = f.hot.incident_entries(monitor, 1, 100).await.unwrap();
    assert_eq!(all.len(), 7);
    assert_eq!(
        all[..2].iter().map(|one| one.no).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(all[0].what, first.entries[1]);
    assert_eq!(all[1].what, first.entries[2]);
    assert_eq!(all[6].what, resolved(1, T0 + 7));
    let newest = f.hot.incident_entries(monitor, 1, 2).await.unwrap();
    assert_eq!(newest, all[5..]);
    assert_eq!(f.hot.incident_entries(monitor, 2, 2).await.unwrap(), []);
    // One that never ends keeps its newest.
    let mut long = next(&f, monitor).await;
    let many = (0..=INCIDENT_ENTRIES).map(|n| paged(2, T0 + 9 + i64::from(n)));
    long.entries = std::iter::once(opened(2, T0 + 8)).chain(many).collect();
    assert!(write(&f, long).await);
    let kept = f.hot.incident_entries(monitor, 2, u32::MAX).await.unwrap();
    assert_eq!(kept.len(), INCIDENT_ENTRIES as usize);
    assert_eq!(kept[0].no, 3, "the newest are kept");
    let pages = incident(&f, monitor, 2).await.pages;
    assert_eq!(pages, INCIDENT_ENTRIES + 1);
}

/// The latest opened first, page by page; of one monitor, open ones, closed ones, those since an instant.
pub async fn incidents_are_listed(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let (a, b) = (made(&f, "a").await.monitor, made(&f, "b").await.monitor);
    let mut first = next(&f, a).await;
    first.entries = vec![
        opened(1, T0 + 1),
        resolved(1, T0 + 2),
        opened(2, T0 + 5),
        resolved(2, T0 + 6),
        opened(3, T0 + 7),
    ];
    let mut second = next(&f, b).await;
    second.entries = vec![opened(1, T0 + 5)];
    let written = f.hot.step_watches(vec![first, second]).await.unwrap();
    assert_eq!(written, [true, true]);
    let all = [(a, 3), (b, 1), (a, 2), (a, 1)];
    assert_eq!(listed(&f, IncidentFilter::default()).await, all);
    let with = |monitor, is_open, since| IncidentFilter {
        monitor,
        is_open,
        since,
        ..IncidentFilter::default()
    };
    for (filter, expected) in [
        (with(Some(a), None, None), vec![(a, 3), (a, 2), (a, 1)]),
        (with(None, Some(true), None), vec![(a, 3), (b, 1)]),
        (with(None, Some(false), None), vec![(a, 2), (a, 1)]),
        (with(Some(b), Some(true), None), vec![(b, 1)]),
        (with(Some(b), Some(false), None), vec![]),
        (with(Some(a), Some(false), Some(T0 + 2)), vec![(a, 2)]),
        (with(None, None, Some(T0 + 5)), vec![(a, 3), (b, 1), (a, 2)]),
        (with(None, None, Some(T0 + 8)), vec![]),
    ] {
        let case = format!("{filter:?}");
        assert_eq!(listed(&f, filter).await, expected, "{case}");
    }
    let mut before = None;
    for expected in all {
        let filter = IncidentFilter {
            before,
            limit: 1,
            ..IncidentFilter::default()
        };
        assert_eq!(listed(&f, filter).await, [expected]);
        let last = incident(&f, expected.0, expected.1).await;
        before = Some((last.opened_at, last.monitor, last.no));
    }
    let other = AppNo(f.app.0 + 1);
    let filter = IncidentFilter {
        limit: 9,
        ..IncidentFilter::default()
    };
    assert_eq!(f.hot.incidents(other, filter).await.unwrap(), []);
}
