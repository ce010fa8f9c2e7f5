//! Campaigns: stored with their notifications, moved on step by step, paused and brought back.

use super::{Fixture, Subject, T0, everybody, first, lane, retry, settlement};
use crate::campaign::{CampaignStep, Chunk, NewCampaign, TakenChunk};
use crate::store::{
    Acceptance, Failure, FanoutPage, NewEvent, NewNotification, Retention, Retirement,
};
use crate::timer::{NewTimer, When};
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::batch::BatchDevices;
use carillon_model::delivery::FinalState;
use carillon_model::id::{DeviceNo, NotificationNo};
use carillon_model::lane::Gateway;
use carillon_model::list::FrozenList;
use carillon_model::push_type::{Reach, TokenKind};
use carillon_model::target::{Audience, Target};
use carillon_model::timer::MissedRun;

fn campaign(f: &Fixture, name: &str) -> NewNotification {
    NewNotification {
        fanout: Some(everybody()),
        campaign: Some(NewCampaign {
            name: name.into(),
            plan: r#"{"a":1}"#.into(),
            state: "{}".into(),
        }),
        expires_at: None,
        ..f.notification(&[], 1, false)
    }
}

fn step(fence: i64, state: &str, due_at: UnixMs) -> CampaignStep {
    CampaignStep {
        fence,
        state: state.into(),
        due_at,
        chunks: Vec::new(),
        taken: Vec::new(),
        halt: None,
        audience: None,
    }
}

/// A page with one batch of these devices at a place.
fn page(
    f: &Fixture,
    no: NotificationNo,
    place: u32,
    devices: &[DeviceNo],
    step: CampaignStep,
) -> FanoutPage {
    let batch = (!devices.is_empty()).then(|| f.batch(no.batch(place), devices, false));
    FanoutPage {
        notification: no,
        badge: None,
        batches: batch.into_iter().collect(),
        after: devices.last().copied().unwrap_or(DeviceNo(0)),
        finished: false,
        campaign: Some(step),
        now: T0 + 9,
    }
}

async fn fence(f: &Fixture, no: NotificationNo) -> i64 {
    let found = f.hot.campaign(f.app, no).await.unwrap();
    found.unwrap().head.fence
}

/// Stores such a page.
async fn put(f: &Fixture, no: NotificationNo, place: u32, devices: &[DeviceNo]) {
    let step = step(fence(f, no).await, "{}", 0);
    let is_stored = f.hot.store_fanout_page(page(f, no, place, devices, step));
    assert!(is_stored.await.unwrap());
}

/// One of a name; found by name and number, newest first, over a restart.
pub async fn campaigns_have_names(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let no = f.accept(campaign(&f, "spring")).await;
    let again = f.hot.accept(vec![campaign(&f, "spring")]).await.unwrap();
    let taken = Acceptance::NameTaken {
        no,
        accepted_at: T0,
    };
    assert_eq!(again, [taken]);
    let later = NewNotification {
        fanout: None,
        when: When::Later(NewTimer {
            due_at: T0 + 5_000,
            missed: MissedRun::Fire,
            body: Bytes::from_static(b"{}"),
        }),
        ..campaign(&f, "summer")
    };
    let summer = f.accept(later).await;
    subject.restart().await;
    let f = f.again(subject);
    let list = f.hot.campaigns(f.app, None, 9).await.unwrap();
    let names: Vec<_> = list.iter().map(|view| &*view.head.name).collect();
    assert_eq!(names, ["summer", "spring"]);
    let list = f.hot.campaigns(f.app, Some(summer), 9).await.unwrap();
    assert_eq!(list.len(), 1);
    let view = f.hot.campaign(f.app, no).await.unwrap().unwrap();
    assert_eq!((&*view.head.plan, &*view.head.state), (r#"{"a":1}"#, "{}"));
    assert_eq!((view.next_step_at, view.retired), (Some(0), 0));
    assert!(view.notification.head.is_campaign && !view.notification.head.paused);
    let view = f.hot.campaign(f.app, summer).await.unwrap().unwrap();
    assert_eq!(view.next_step_at, None, "it has not begun");
    let named = async |name: &str| f.hot.campaign_named(f.app, name.into()).await.unwrap();
    assert_eq!(
        (named("summer").await, named("x").await),
        (Some(summer), None)
    );
    let stranger = carillon_model::id::AppNo(f.app.0 + 1);
    assert!(f.hot.campaign(stranger, no).await.unwrap().is_none());
    let waiting = f.hot.waiting_send(f.app, summer).await.unwrap();
    assert!(waiting.is_none(), "a campaign is not changed");
    let plain = f.single(1, false).await;
    assert!(f.hot.campaign(f.app, plain).await.unwrap().is_none());
}

/// A step is stored as the campaign was read, once; the next is due when it says.
pub async fn a_campaign_goes_step_by_step(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 6).await;
    let no = f.accept(campaign(&f, "spring")).await;
    let found = f.hot.fanouts(T0, 9).await.unwrap();
    let head = found.due[0].campaign.clone().unwrap();
    assert_eq!((&*head.name, &*head.state), ("spring", "{}"));
    let gather = CampaignStep {
        chunks: vec![
            chunk(0, 7, &devices[..2]),
            chunk(0, 3, &devices[2..4]),
            chunk(T0 + 50, 1, &devices[4..]),
        ],
        ..step(head.fence, "gathered", T0 + 50)
    };
    let gathered = page(&f, no, 0, &[], gather);
    assert!(f.hot.store_fanout_page(gathered.clone()).await.unwrap());
    assert!(!f.hot.store_fanout_page(gathered).await.unwrap(), "once");
    let found = f.hot.fanouts(T0 + 49, 9).await.unwrap();
    assert_eq!((found.due.len(), found.next), (0, Some(T0 + 50)));
    subject.restart().await;
    let f = f.again(subject);
    let found = f.hot.fanouts(T0 + 50, 9).await.unwrap();
    let head = found.due[0].campaign.clone().unwrap();
    assert_eq!((&*head.state, found.next), ("gathered", None));
    let of = async |wave| f.hot.campaign_chunks(no, wave, 9).await.unwrap();
    assert_eq!(
        of(0).await,
        [chunk(0, 3, &devices[2..4]), chunk(0, 7, &devices[..2])]
    );
    assert_eq!(f.hot.campaign_chunks(no, 0, 1).await.unwrap().len(), 1);
    let take = CampaignStep {
        taken: vec![
            TakenChunk {
                wave_at: 0,
                no: 3,
                left: None,
            },
            TakenChunk {
                wave_at: 0,
                no: 7,
                left: Some(BatchDevices::new(vec![devices[1]])),
            },
        ],
        ..step(head.fence, "sent", T0 + 60)
    };
    let sent = [devices[0], devices[2], devices[3]];
    assert!(
        f.hot
            .store_fanout_page(page(&f, no, 0, &sent, take))
            .await
            .unwrap()
    );
    assert_eq!(of(0).await, [chunk(0, 7, &devices[1..2])]);
    let view = f.hot.campaign(f.app, no).await.unwrap().unwrap();
    assert_eq!(
        (view.next_step_at, &*view.head.state),
        (Some(T0 + 60), "sent")
    );
    assert_eq!(view.notification.deliveries, 3);
    let works = f.claim(T0 + 8).await;
    assert!(
        works.is_empty(),
        "due since the slice was made, not since it began"
    );
    assert_eq!(f.claim(T0 + 9).await.len(), 1);
    f.hot.cancel(f.app, no, T0 + 9).await.unwrap().unwrap();
    assert!(of(0).await.is_empty() && of(T0 + 50).await.is_empty());
    assert!(f.hot.fanouts(T0 + 60, 9).await.unwrap().due.is_empty());
}

fn chunk(wave_at: UnixMs, no: u32, devices: &[DeviceNo]) -> Chunk {
    Chunk {
        wave_at,
        no,
        devices: BatchDevices::new(devices.to_vec()),
    }
}

/// Nothing of a campaign that rests is claimed, whenever it becomes due, and nothing waits behind it; all of
/// it comes back. Over restarts.
pub async fn what_rests_is_not_claimed(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 8).await;
    let no = f.accept(campaign(&f, "spring")).await;
    for (place, pair) in (0..).zip(devices.chunks(2)) {
        put(&f, no, place, pair).await;
    }
    let works = f.hot.claim(
        lane(f.app),
        carillon_model::lane::Class::Normal,
        T0 + 9,
        2,
        99,
    );
    let works = works.await.unwrap();
    assert_eq!(works.len(), 2);
    assert_eq!(f.hot.pause(f.app, no).await.unwrap(), Some(true));
    assert_eq!(f.hot.pause(f.app, no).await.unwrap(), Some(true), "again");
    // What was held comes back from memory, and as a retry.
    f.hot
        .release(vec![(works[0].work.id, T0 + 10)])
        .await
        .unwrap();
    let mut tried = settlement(
        works[1].work.id.batch,
        vec![(0, FinalState::Accepted)],
        T0 + 10,
    );
    tried.batches[0].done = vec![works[1].work.id];
    tried.batches[0].follow_ups = vec![retry(&works[1].work, f.hot.next_seq(), Some(T0 + 20))];
    f.hot.settle(tried).await.unwrap();
    let other = f.single(100, false).await;
    let claimed = f.claim(T0 + 30).await;
    let claimed: Vec<_> = claimed.iter().map(|work| work.notification.no).collect();
    assert_eq!(claimed, [other]);
    subject.restart().await;
    let f = f.again(subject);
    assert_eq!(f.claim(T0 + 99).await.len(), 0);
    let waiting = f.hot.waiting_lanes().await.unwrap();
    assert!(
        waiting.iter().all(|(_, _, due_at)| *due_at > T0 + 99),
        "{waiting:?}"
    );
    assert!(f.hot.backlog(9).await.unwrap().is_empty());
    assert!(f.hot.fanouts(T0 + 99, 9).await.unwrap().due.is_empty());
    let next = step(fence(&f, no).await, "{}", 0);
    let refused = page(&f, no, 9, &devices[..1], next);
    assert!(!f.hot.store_fanout_page(refused).await.unwrap());
    let view = f.hot.campaign(f.app, no).await.unwrap().unwrap();
    assert!(view.notification.head.paused);
    let open = f.deliveries(no).await;
    assert!(
        open.iter()
            .filter_map(|view| view.next_attempt_at)
            .all(|at| at <= T0 + 20)
    );
    let read = view.head.fence;
    assert!(
        !f.hot
            .resume(f.app, no, read - 1, "x".into(), T0 + 99)
            .await
            .unwrap()
    );
    assert!(
        f.hot
            .resume(f.app, no, read, "goes".into(), T0 + 99)
            .await
            .unwrap()
    );
    // Interrupted in the middle.
    f.hot.bring_back(1).await.unwrap();
    subject.restart().await;
    let f = f.again(subject);
    while f.hot.bring_back(1).await.unwrap() > 0 {}
    let view = f.hot.campaign(f.app, no).await.unwrap().unwrap();
    assert_eq!(
        (&*view.head.state, view.notification.head.paused),
        ("goes", false)
    );
    let mut places: Vec<_> = f
        .claim(T0 + 99)
        .await
        .iter()
        .map(|work| (work.work.id.batch.place(), work.work.attempt))
        .collect();
    places.sort_unstable();
    assert_eq!(places, [(0, 0), (1, 1), (2, 0), (3, 0)]);
    let fanouts = f.hot.fanouts(T0 + 99, 9).await.unwrap();
    assert_eq!(fanouts.due.len(), 1);
}

/// One that is over is not paused; one that rests can be cancelled.
pub async fn a_campaign_that_rests_can_be_cancelled(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 2).await;
    let no = f.accept(campaign(&f, "spring")).await;
    put(&f, no, 0, &devices).await;
    assert_eq!(f.hot.pause(f.app, no).await.unwrap(), Some(true));
    let mark = f.hot.cancel(f.app, no, T0 + 10).await.unwrap().unwrap();
    assert_eq!((mark.not_sent, mark.held), (2, false));
    assert!(f.view(no).await.completed_at.is_some());
    assert_eq!(f.hot.pause(f.app, no).await.unwrap(), Some(false));
    let read = fence(&f, no).await;
    assert!(!f.hot.resume(f.app, no, read, "x".into(), T0).await.unwrap());
    let plain = f.single(100, false).await;
    assert_eq!(f.hot.pause(f.app, plain).await.unwrap(), None);
    let retention = Retention {
        content_before: T0 + 20,
        records_before: T0 + 20,
        versions_before: 0,
        lists_before: 0,
        now: T0 + 20,
        slice: 100,
    };
    while f.hot.prune(retention).await.unwrap() > 0 {}
    assert!(f.hot.campaign(f.app, no).await.unwrap().is_none());
    f.accept(campaign(&f, "spring")).await;
}

/// A step may say whom it is for from now on, and the list of it is kept as long as it is read.
pub async fn a_step_may_find_its_audience(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 3).await;
    let mut new = campaign(&f, "spring");
    let audience = Audience {
        target: Target::Source("members".into()),
        except_users: vec!["u9".into()],
        segment: None,
        list: None,
        starts: None,
    };
    new.fanout = Some(audience.clone());
    let no = f.accept(new).await;
    let list = f.hot.begin_list(f.app, T0).await.unwrap();
    let chunks = vec![BatchDevices::new(devices[..2].to_vec())];
    assert!(f.hot.extend_list(list, chunks, T0).await.unwrap());
    let found = Audience {
        list: Some(FrozenList {
            version: 0,
            no: list,
        }),
        ..audience
    };
    let linked = CampaignStep {
        audience: Some(found.clone()),
        ..step(fence(&f, no).await, "linked", T0)
    };
    let linked = page(&f, no, 0, &[], linked);
    assert!(f.hot.store_fanout_page(linked).await.unwrap());
    subject.restart().await;
    let f = f.again(subject);
    let due = f.hot.fanouts(T0, 9).await.unwrap().due;
    assert_eq!(due[0].audience, found);
    let read = async || {
        let reach = Reach::only(TokenKind::Alert);
        let page = f.hot.list_devices(f.app, list, reach, DeviceNo(0), 9, 9);
        page.await.unwrap().recipients.len()
    };
    assert_eq!(read().await, 2);
    let retention = Retention {
        content_before: 0,
        records_before: 0,
        versions_before: 0,
        lists_before: T0 + 100,
        now: T0,
        slice: 9,
    };
    f.hot.prune(retention).await.unwrap();
    assert_eq!(read().await, 2, "it is being read");
}

/// A step may halt it: it rests from then on, and that is told.
pub async fn a_step_may_halt_a_campaign(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let no = f.accept(campaign(&f, "spring")).await;
    let halt = CampaignStep {
        halt: Some(NewEvent {
            app: f.app,
            kind: "campaign.halted",
            subject: "spring".into(),
            data: "{}".into(),
        }),
        ..step(fence(&f, no).await, "halted", 0)
    };
    assert!(
        f.hot
            .store_fanout_page(page(&f, no, 0, &[], halt))
            .await
            .unwrap()
    );
    let view = f.hot.campaign(f.app, no).await.unwrap().unwrap();
    assert!(view.notification.head.paused);
    let events = f.hot.events(f.app, 0, 9).await.unwrap();
    assert_eq!(
        (&*events[0].kind, &*events[0].subject),
        ("campaign.halted", "spring")
    );
    assert!(f.hot.fanouts(T0 + 9, 9).await.unwrap().due.is_empty());
}

/// Why deliveries reached nobody is counted, and the push tokens that died by it.
pub async fn failures_of_campaigns_are_counted(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 4).await;
    let no = f.accept(campaign(&f, "spring")).await;
    put(&f, no, 0, &devices).await;
    let batch = no.batch(0);
    let (tokens, _) = f
        .hot
        .read_push_tokens(TokenKind::Alert, devices.clone())
        .await
        .unwrap();
    let failure = |position, reason: &str| Failure {
        position,
        gateway: Gateway::Apns,
        reason: reason.into(),
    };
    for positions in [[0u16, 1], [2, 3]] {
        let verdicts = positions.map(|position| (position, FinalState::Rejected));
        let mut settled = settlement(batch, verdicts.to_vec(), T0 + 10);
        settled.batches[0].failures = vec![
            failure(positions[0], "Unregistered"),
            failure(positions[1], "BadTopic"),
        ];
        settled.retirements = vec![Retirement {
            app: f.app,
            delivery: carillon_model::id::DeliveryId {
                batch,
                position: positions[0],
            },
            device: devices[usize::from(positions[0])],
            kind: TokenKind::Alert,
            generation: tokens[usize::from(positions[0])].generation,
            since: None,
            reason: "Unregistered".into(),
        }];
        f.hot.settle(settled.clone()).await.unwrap();
        f.hot.settle(settled).await.unwrap();
    }
    let view = f.hot.campaign(f.app, no).await.unwrap().unwrap();
    assert_eq!(view.retired, 2);
    let mut counted: Vec<_> = view
        .failures
        .iter()
        .map(|one| (&*one.state, &*one.reason, one.count))
        .collect();
    counted.sort_unstable();
    assert_eq!(
        counted,
        [("rejected", "BadTopic", 2), ("rejected", "Unregistered", 2)]
    );
    // An ordinary one is counted nowhere.
    let plain = f.single(100, false).await;
    let verdicts = vec![(0, FinalState::Rejected)];
    let mut settled = settlement(plain.batch(0), verdicts, T0 + 10);
    settled.batches[0].failures = vec![failure(0, "BadTopic")];
    settled.batches[0].done = vec![first(plain.batch(0))];
    f.hot.settle(settled).await.unwrap();
}

/// What is asked of devices by number: who is the newest, how each is reached, where each is.
pub async fn devices_are_asked_by_number(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    assert_eq!(f.hot.last_device(f.app).await.unwrap(), DeviceNo(0));
    let mut seoul = super::registration("d1", "u1", 1);
    seoul.time_zone = Some("Asia/Seoul".into());
    let registered = f
        .registry
        .register_devices(f.app, vec![seoul, super::registration("d2", "u2", 2)], T0)
        .await
        .unwrap();
    let numbers: Vec<_> = registered.iter().map(|device| device.no).collect();
    let gone = DeviceNo(numbers[1].0 + 1_000);
    assert_eq!(f.hot.last_device(f.app).await.unwrap(), numbers[1]);
    let asked = vec![numbers[0], numbers[1], gone];
    let zones = f.hot.time_zones(asked.clone()).await.unwrap();
    assert_eq!(zones, [Some("Asia/Seoul".to_owned()), None, None]);
    let reach = Reach::only(TokenKind::Alert);
    let found = f.hot.recipients(asked.clone(), reach).await.unwrap();
    let found: Vec<_> = found.iter().map(|one| one.device).collect();
    assert_eq!(found, asked);
}
