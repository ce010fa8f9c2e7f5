//! What is shown.

use super::{Fixture, Subject, T0, nobody};
use crate::store::DeliveryFilter;
use carillon_model::app::AppSettings;
use carillon_model::delivery::FinalState;
use carillon_model::id::{AppNo, BatchNo, DeliveryId};

/// Each App its own, newest first, page by page.
pub async fn lists_newest_first(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let (app, _) = f
        .registry
        .put_app(
            "other".into(),
            "Other".into(),
            AppSettings::default(),
            T0,
            nobody(),
        )
        .await
        .unwrap();
    let other = Fixture {
        app: app.no,
        hot: f.hot.clone(),
        registry: f.registry.clone(),
    };
    let mut mine = Vec::new();
    for n in 0..5 {
        mine.push(f.single(n, true).await);
        other.single(n, true).await;
    }
    mine.reverse();
    let page = async |before, limit| -> Vec<_> {
        let views = f.hot.notifications(f.app, before, limit).await.unwrap();
        views.into_iter().map(|view| view.head.no).collect()
    };
    assert_eq!(page(None, 3).await, mine[..3]);
    assert_eq!(page(Some(mine[2]), 3).await, mine[3..]);
    assert!(page(Some(mine[4]), 3).await.is_empty());
    let view = &f.hot.notifications(f.app, None, 1).await.unwrap()[0];
    assert_eq!((view.deliveries, view.open), (1, 1));
}

fn ended(states: &[FinalState]) -> DeliveryFilter {
    DeliveryFilter::Ended(states.to_vec())
}

/// In order, page by page, over batches, also of some states and of none.
pub async fn lists_deliveries(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 50).await;
    let no = f.accept(f.notification(&devices, 20, false)).await;
    f.settle(
        no.batch(1),
        vec![(3, FinalState::Rejected), (7, FinalState::Rejected)],
        T0,
    )
    .await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = f
            .hot
            .deliveries(f.app, no, after, DeliveryFilter::All, 7)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page);
    }
    assert_eq!(seen.len(), 50);
    assert!(seen.windows(2).all(|pair| pair[0].id < pair[1].id));
    for (n, (view, device)) in (1..).zip(seen.iter().zip(&devices)) {
        assert_eq!(view.device_no, *device);
        assert_eq!(view.device, Some(format!("d{n}")));
    }
    assert_eq!(seen[0].next_attempt_at, Some(T0));
    let rejected = f
        .hot
        .deliveries(f.app, no, None, ended(&[FinalState::Rejected]), 10)
        .await
        .unwrap();
    let positions: Vec<_> = rejected.iter().map(|view| view.id.position).collect();
    assert_eq!(positions, [3, 7]);
    let rest = f
        .hot
        .deliveries(
            f.app,
            no,
            Some(rejected[0].id),
            ended(&[FinalState::Rejected, FinalState::Failed]),
            10,
        )
        .await
        .unwrap();
    assert_eq!(rest, rejected[1..]);
    let open = f
        .hot
        .deliveries(f.app, no, None, DeliveryFilter::Open, 100)
        .await
        .unwrap();
    assert_eq!(open.len(), 48);
    assert!(open.iter().all(|view| view.state.is_none()));
    let none = f
        .hot
        .deliveries(f.app, no, None, ended(&[]), 100)
        .await
        .unwrap();
    assert_eq!(none, []);

    f.registry
        .delete_device(f.app, "d1".into(), T0, nobody())
        .await
        .unwrap();
    assert_eq!(f.deliveries(no).await[0].device, None);
}

/// One of another App, or one that never was, is not there.
pub async fn deliveries_belong_to_an_app(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let no = f.single(1, true).await;
    let id = DeliveryId {
        batch: no.batch(0),
        position: 0,
    };
    let other = AppNo(f.app.0 + 1);
    assert!(f.hot.delivery(f.app, id).await.unwrap().is_some());
    assert!(f.hot.delivery(other, id).await.unwrap().is_none());
    assert!(
        f.hot
            .deliveries(other, no, None, DeliveryFilter::All, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        f.hot
            .notifications(other, None, 9)
            .await
            .unwrap()
            .is_empty()
    );
    for wrong in [
        DeliveryId { position: 1, ..id },
        DeliveryId {
            batch: no.batch(1),
            ..id
        },
        DeliveryId {
            batch: BatchNo(i64::MAX),
            ..id
        },
    ] {
        assert!(
            f.hot.delivery(f.app, wrong).await.unwrap().is_none(),
            "{wrong}"
        );
    }
}

/// Small and large batches, indexed or not, newest first, page by page.
pub async fn finds_the_deliveries_of_a_device(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 120).await;
    let device = devices[60];
    let mut expected = Vec::new();
    let mut f = f;
    for round in 0..3u64 {
        // Large, of several batches; small; one; and one to others only.
        let no = f.accept(f.notification(&devices, 50, true)).await;
        expected.push(DeliveryId {
            batch: no.batch(1),
            position: 10,
        });
        let no = f.accept(f.notification(&devices[58..63], 16, true)).await;
        expected.push(DeliveryId {
            batch: no.batch(0),
            position: 2,
        });
        let no = f.accept(f.notification(&[device], 1, true)).await;
        expected.push(DeliveryId {
            batch: no.batch(0),
            position: 0,
        });
        f.accept(f.notification(&devices[..60], 10, true)).await;
        if round < 2 {
            let mut slices = 0;
            while f.hot.index_devices(3).await.unwrap() > 0 {
                slices += 1;
                assert!(slices < 100, "it ends");
            }
        }
        subject.restart().await;
        f = f.again(subject);
        // A number from before, accepted after the index went past it.
        let late = f.notification(&[device], 1, true);
        f.accept(f.notification(&devices[..1], 1, true)).await;
        while f.hot.index_devices(3).await.unwrap() > 0 {
            if round == 2 {
                break;
            }
        }
        let no = f.accept(late).await;
        expected.push(DeliveryId {
            batch: no.batch(0),
            position: 0,
        });
    }
    expected.sort_unstable_by(|a, b| b.cmp(a));
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let page = f
            .hot
            .device_deliveries(f.app, device, before, 4)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        assert!(page.iter().all(|view| view.device_no == device));
        found.extend(page.into_iter().map(|view| view.id));
    }
    assert_eq!(found, expected);
}
