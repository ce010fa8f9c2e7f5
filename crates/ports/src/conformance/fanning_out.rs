//! Fan-out.

use super::{Fixture, Subject, T0, everybody, registration, some_delivery};
use crate::store::{FanoutPage, NewNotification, Retirement, Settlement};
use carillon_model::delivery::FinalState;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::DeviceNo;
use carillon_model::push_type::{Reach, TokenKind};

fn to_all(f: &Fixture) -> NewNotification {
    NewNotification {
        fanout: Some(everybody()),
        ..f.notification(&[], 1, false)
    }
}

/// Page by page, over a restart, to the end.
pub async fn fans_out_page_by_page(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 25).await;
    let no = f.accept(to_all(&f)).await;
    let mut pages = 0;
    let mut f = f;
    loop {
        let fanouts = f.hot.fanouts(T0, 10).await.unwrap().due;
        let Some(fanout) = fanouts.first() else { break };
        assert_eq!(fanout.notification.no, no);
        assert_eq!(fanout.audience, everybody());
        assert_eq!(fanout.next_place, pages);
        let found = f
            .hot
            .fanout_devices(f.app, None, Reach::only(TokenKind::Alert), fanout.after, 10)
            .await
            .unwrap();
        let numbers: Vec<_> = found.iter().map(|recipient| recipient.device).collect();
        let page = FanoutPage {
            notification: no,
            badge: None,
            after: numbers.last().copied().unwrap_or(fanout.after),
            finished: numbers.len() < 10,
            campaign: None,
            now: T0 + 9,
            batches: vec![f.batch(no.batch(fanout.next_place), &numbers, false)],
        };
        assert!(f.hot.store_fanout_page(page).await.unwrap());
        pages += 1;
        subject.restart().await;
        f = f.again(subject);
    }
    assert_eq!(pages, 3);
    let view = f.view(no).await;
    assert!(view.fanout_finished);
    assert_eq!((view.deliveries, view.open), (25, 25));
    let sent: Vec<_> = f
        .deliveries(no)
        .await
        .iter()
        .map(|view| view.device_no)
        .collect();
    assert_eq!(sent, devices);
    let works = f.claim(T0).await;
    assert_eq!(works.len(), 3, "due since the notification was accepted");
    for work in works {
        let all = (0..work.devices.count())
            .map(|p| (p, FinalState::Accepted))
            .collect();
        let done = f.settle(work.work.id.batch, all, T0 + 1).await;
        assert_eq!(done.len(), usize::from(work.work.id.batch.place() == 2));
    }
    assert_eq!(f.view(no).await.completed_at, Some(T0 + 1));
}

/// No page is stored after the cancel.
pub async fn a_cancel_stops_a_fan_out(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 4).await;
    let no = f.accept(to_all(&f)).await;
    let page = |place, devices: &[DeviceNo]| FanoutPage {
        notification: no,
        badge: None,
        batches: vec![f.batch(no.batch(place), devices, false)],
        after: devices[devices.len() - 1],
        finished: false,
        campaign: None,
        now: T0 + 9,
    };
    assert!(
        f.hot
            .store_fanout_page(page(0, &devices[..2]))
            .await
            .unwrap()
    );
    let mark = f.hot.cancel(f.app, no, T0 + 1).await.unwrap().unwrap();
    assert_eq!((mark.not_sent, mark.held), (2, false));
    assert!(
        !f.hot
            .store_fanout_page(page(1, &devices[2..]))
            .await
            .unwrap()
    );
    assert!(f.hot.fanouts(T0, 10).await.unwrap().due.is_empty());
    let view = f.view(no).await;
    assert_eq!((view.deliveries, view.open), (2, 0));
    assert!(view.fanout_finished);
    assert_eq!(view.completed_at, Some(T0 + 1));
    assert_eq!(f.claim(T0 + 1).await.len(), 0);
}

/// Deliveries that are all final do not complete an audience that is not.
pub async fn an_audience_may_end_after_its_deliveries(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 2).await;
    let no = f.accept(to_all(&f)).await;
    let page = FanoutPage {
        notification: no,
        badge: None,
        batches: vec![f.batch(no.batch(0), &devices, true)],
        after: devices[1],
        finished: false,
        campaign: None,
        now: T0 + 9,
    };
    assert!(f.hot.store_fanout_page(page).await.unwrap());
    let all = vec![(0, FinalState::Accepted), (1, FinalState::Accepted)];
    assert_eq!(f.settle(no.batch(0), all, T0 + 1).await, []);
    assert_eq!(f.view(no).await.completed_at, None);
    let last = FanoutPage {
        notification: no,
        badge: None,
        batches: vec![],
        after: devices[1],
        finished: true,
        campaign: None,
        now: T0 + 9,
    };
    assert!(f.hot.store_fanout_page(last.clone()).await.unwrap());
    let view = f.view(no).await;
    assert!(view.completed_at.is_some() && view.fanout_finished);
    assert!(
        !f.hot.store_fanout_page(last).await.unwrap(),
        "there is no fan-out any more"
    );
}

/// Ascending, of this App and kind, not retired.
pub async fn fan_out_reads_living_push_tokens(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 6).await;
    let mut voip = registration("d7", "u7", 7);
    voip.push_tokens[0].kind = TokenKind::Voip;
    voip.push_tokens[0].environment = TokenEnvironment::Sandbox;
    f.registry
        .register_devices(f.app, vec![voip], T0)
        .await
        .unwrap();
    let (found, _) = f
        .hot
        .read_push_tokens(TokenKind::Alert, vec![devices[2]])
        .await
        .unwrap();
    let settlement = Settlement {
        retirements: vec![Retirement {
            app: f.app,
            delivery: some_delivery(),
            device: devices[2],
            kind: TokenKind::Alert,
            generation: found[0].generation,
            since: None,
            reason: "Unregistered".into(),
        }],
        now: T0,
        ..Settlement::default()
    };
    f.hot.settle(settlement).await.unwrap();
    let read = async |kind, after, limit| -> Vec<_> {
        let found = f
            .hot
            .fanout_devices(f.app, None, Reach::only(kind), after, limit)
            .await
            .unwrap();
        found
            .into_iter()
            .map(|r| (r.device, r.environment))
            .collect()
    };
    let production = |device| (device, TokenEnvironment::Production);
    assert_eq!(
        read(TokenKind::Alert, DeviceNo(0), 3).await,
        [devices[0], devices[1], devices[3]].map(production)
    );
    assert_eq!(
        read(TokenKind::Alert, devices[3], 99).await,
        [devices[4], devices[5]].map(production)
    );
    let voip = read(TokenKind::Voip, DeviceNo(0), 99).await;
    assert_eq!(voip.len(), 1);
    assert_eq!(voip[0].1, TokenEnvironment::Sandbox);
    let other = carillon_model::id::AppNo(f.app.0 + 1);
    let none = f
        .hot
        .fanout_devices(other, None, Reach::only(TokenKind::Alert), DeviceNo(0), 9)
        .await
        .unwrap();
    assert!(none.is_empty());
}
