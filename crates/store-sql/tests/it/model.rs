//! Random histories on SQLite and on the store in memory, which must answer alike to the end.

use crate::support::{APP, open, place};
use bytes::Bytes;
use carillon_model::batch::BatchDevices;
use carillon_model::body::BadgeChange;
use carillon_model::delivery::{FINAL_STATES, FinalState};
use carillon_model::device::DeviceRegistration;
use carillon_model::frequency::FrequencyCap;
use carillon_model::id::{DeliveryId, DeviceNo, NotificationNo};
use carillon_model::lane::{Class, Gateway};
use carillon_model::positions::Positions;
use carillon_model::preferences::Preferences;
use carillon_model::push_type::OnUnknown;
use carillon_ports::conformance::{T0, lane, options, registration};
use carillon_ports::memory::MemoryStore;
use carillon_ports::preferences::Reservation;
use carillon_ports::registry::Registry;
use carillon_ports::store::{
    BatchSettlement, ClaimedWork, DeliveryFilter, Failure, FanoutPage, HotStore, NewBatch,
    NewNotification, Settlement, Work, WorkId,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn why(position: u16) -> Failure {
    Failure {
        position,
        gateway: Gateway::Apns,
        reason: format!("reason {}", position % 3),
    }
}

/// Events without their numbers.
async fn told(store: &dyn HotStore) -> Vec<(i64, String, String, String)> {
    let events = store.events(APP, 0, 10_000).await.unwrap();
    let told = events
        .into_iter()
        .map(|e| (e.at, e.kind, e.subject, e.data));
    told.collect()
}

#[derive(Clone, Debug)]
enum Step {
    Accept {
        sizes: Vec<usize>,
        hot: bool,
        drop: bool,
        fanout: bool,
        badge: Option<BadgeChange>,
    },
    Page {
        size: usize,
        finished: bool,
    },
    Claim {
        batches: u32,
        deliveries: u32,
    },
    Settle {
        work: usize,
        learn: Vec<(u16, usize)>,
        done: bool,
        retry: Option<i64>,
        in_doubt: bool,
    },
    Release {
        work: usize,
    },
    Watermark {
        work: usize,
        mark: u16,
    },
    Cancel {
        notification: usize,
    },
    Reserve {
        wanted: Vec<(u8, i64, u8)>,
    },
    SetBadge {
        user: u8,
        badge: u32,
    },
    Prefer {
        user: u8,
        is_on: Option<bool>,
    },
    Restart,
    Rescue {
        limit: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![Just(1usize), Just(2), Just(16), Just(17), Just(40)];
    let learn = proptest::collection::vec((0u16..42, 0..FINAL_STATES.len()), 0..50);
    let badge = proptest::option::of(prop_oneof![
        (0u32..9).prop_map(BadgeChange::Increment),
        (0u32..9).prop_map(BadgeChange::Set),
    ]);
    prop_oneof![
        4 => (proptest::collection::vec(size.clone(), 0..4), any::<bool>(), any::<bool>(), proptest::bool::weighted(0.2), badge)
            .prop_map(|(sizes, hot, drop, fanout, badge)| Step::Accept { sizes, hot, drop, fanout, badge }),
        1 => (size, any::<bool>()).prop_map(|(size, finished)| Step::Page { size, finished }),
        4 => (1u32..5, 1u32..60).prop_map(|(batches, deliveries)| Step::Claim { batches, deliveries }),
        6 => (any::<usize>(), learn, any::<bool>(), proptest::option::of(0i64..50), any::<bool>())
            .prop_map(|(work, learn, done, retry, in_doubt)| Step::Settle { work, learn, done, retry, in_doubt }),
        1 => any::<usize>().prop_map(|work| Step::Release { work }),
        2 => (any::<usize>(), 0u16..45).prop_map(|(work, mark)| Step::Watermark { work, mark }),
        1 => any::<usize>().prop_map(|notification| Step::Cancel { notification }),
        3 => proptest::collection::vec((0u8..3, 1i64..12, 0u8..3), 1..6)
            .prop_map(|wanted| Step::Reserve { wanted }),
        1 => (0u8..3, 0u32..9).prop_map(|(user, badge)| Step::SetBadge { user, badge }),
        1 => (0u8..3, any::<Option<bool>>()).prop_map(|(user, is_on)| Step::Prefer { user, is_on }),
        1 => Just(Step::Restart),
        2 => (1u32..4).prop_map(|limit| Step::Rescue { limit }),
    ]
}

/// What of a claim can be compared.
fn facts(claimed: &ClaimedWork) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        claimed.work.clone(),
        claimed.devices.clone(),
        claimed.verdicts.clone(),
        claimed.notification.no,
    )
}

/// Of user, notification and category. The windows are short beside a history: they slide.
fn reservation((user, notification, category): (u8, i64, u8)) -> Reservation {
    let cap = |max, per, categories: &[&str]| FrequencyCap {
        max,
        per,
        categories: categories.iter().map(|name| (*name).to_owned()).collect(),
    };
    Reservation {
        app: APP,
        user_id: format!("u{user}"),
        notification: NotificationNo(notification),
        category: [None, Some("a"), Some("b")][usize::from(category)].map(str::to_owned),
        caps: vec![cap(2, 60, &[]), cap(1, 30, &["a"])].into(),
    }
}

/// Both stores, and what the history needs to know.
struct Pair {
    sqlite: carillon_store_sql::SqlStore,
    path: std::path::PathBuf,
    _directory: tempfile::TempDir,
    memory: MemoryStore,
    notifications: Vec<NotificationNo>,
    /// Works that somebody was given: sometimes settled late, or twice.
    works: BTreeMap<WorkId, Work>,
    now: i64,
    seq: i64,
}

impl Pair {
    fn new() -> Self {
        let (directory, path) = place();
        Self {
            sqlite: open(&path),
            path,
            _directory: directory,
            memory: MemoryStore::new(),
            notifications: Vec::new(),
            works: BTreeMap::new(),
            now: T0,
            seq: 1 << 50,
        }
    }

    fn work(&self, pick: usize) -> Option<Work> {
        let place = pick.checked_rem(self.works.len())?;
        self.works.values().nth(place).cloned()
    }

    async fn run(&mut self, step: &Step) {
        self.now += 7;
        let now = self.now;
        match step {
            Step::Accept {
                sizes,
                hot,
                drop,
                fanout,
                badge,
            } => self.accept(sizes, *hot, *drop, *fanout, *badge).await,
            Step::Reserve { wanted } => {
                let wanted: Vec<_> = wanted.iter().map(|one| reservation(*one)).collect();
                assert_eq!(
                    self.sqlite.reserve(wanted.clone(), now).await.unwrap(),
                    self.memory.reserve(wanted, now).await.unwrap()
                );
            }
            Step::SetBadge { user, badge } => {
                let user = format!("u{user}");
                let set = self.sqlite.set_badge(APP, user.clone(), *badge, now);
                set.await.unwrap();
                self.memory.set_badge(APP, user, *badge, now).await.unwrap();
            }
            Step::Prefer { user, is_on } => self.prefer(format!("u{user}"), *is_on).await,
            Step::Page { size, finished } => self.page(*size, *finished).await,
            Step::Claim {
                batches,
                deliveries,
            } => {
                let (a, b) = (
                    self.sqlite
                        .claim(lane(APP), Class::Normal, now, *batches, *deliveries)
                        .await,
                    self.memory
                        .claim(lane(APP), Class::Normal, now, *batches, *deliveries)
                        .await,
                );
                let (a, b) = (a.unwrap(), b.unwrap());
                assert_eq!(
                    a.iter().map(facts).collect::<Vec<_>>(),
                    b.iter().map(facts).collect::<Vec<_>>()
                );
                for claimed in a {
                    self.works.insert(claimed.work.id, claimed.work);
                }
            }
            Step::Settle {
                work,
                learn,
                done,
                retry,
                in_doubt,
            } => {
                let Some(work) = self.work(*work) else { return };
                self.settle(&work, learn, *done, *retry, *in_doubt).await;
            }
            Step::Release { work } => {
                let Some(work) = self.work(*work) else { return };
                let works = vec![(work.id, now + 3)];
                self.sqlite.release(works.clone()).await.unwrap();
                self.memory.release(works).await.unwrap();
            }
            Step::Watermark { work, mark } => {
                let Some(work) = self.work(*work) else { return };
                let marks = vec![(work.id, *mark)];
                self.sqlite.watermark(marks.clone()).await.unwrap();
                self.memory.watermark(marks).await.unwrap();
            }
            Step::Cancel { notification } => {
                let Some(place) = notification.checked_rem(self.notifications.len()) else {
                    return;
                };
                let no = self.notifications[place];
                assert_eq!(
                    self.sqlite.cancel(APP, no, now).await.unwrap(),
                    self.memory.cancel(APP, no, now).await.unwrap()
                );
            }
            Step::Restart => {
                self.sqlite.close().await;
                self.sqlite = open(&self.path);
                self.memory.restart();
            }
            Step::Rescue { limit } => {
                for store in [&self.sqlite as &dyn HotStore, &self.memory] {
                    let mut after = None;
                    loop {
                        after = store.rescue(after, *limit, now).await.unwrap();
                        if after.is_none() {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn batch(&self, no: NotificationNo, place: u32, size: usize, hot: bool) -> NewBatch {
        let devices = (0..size as i64).map(|n| DeviceNo(i64::from(place) * 100 + n + 1));
        NewBatch {
            no: no.batch(place),
            devices: BatchDevices::new(devices.collect()),
            lane: lane(APP),
            class: Class::Normal,
            hot,
        }
    }

    async fn prefer(&self, user: String, is_on: Option<bool>) {
        let now = self.now;
        let Some(is_on) = is_on else {
            assert_eq!(
                self.sqlite
                    .delete_preferences(APP, user.clone())
                    .await
                    .unwrap(),
                self.memory.delete_preferences(APP, user).await.unwrap()
            );
            return;
        };
        let wanted = Preferences {
            categories: [("c".to_owned(), is_on)].into(),
            ..Preferences::default()
        };
        let a = self
            .sqlite
            .put_preferences(APP, user.clone(), wanted.clone(), now);
        let b = self.memory.put_preferences(APP, user, wanted, now);
        // Only the file knows of the App: that they are the first is told by the conformance suite.
        assert_eq!(a.await.unwrap().created, b.await.unwrap().created);
    }

    /// Devices 1 to 140, some of the same user, some of nobody.
    async fn devices(&self) {
        let registrations: Vec<_> = (1..141u64)
            .map(|number| {
                let user = number % 4;
                let registration = registration(&format!("d{number}"), &format!("u{user}"), number);
                DeviceRegistration {
                    user_id: registration.user_id.filter(|_| user < 3),
                    ..registration
                }
            })
            .collect();
        for store in [&self.sqlite as &dyn Registry, &self.memory] {
            let registered = store.register_devices(APP, registrations.clone(), T0).await;
            let numbers: Vec<_> = registered.unwrap().iter().map(|one| one.no.0).collect();
            assert_eq!(numbers, (1..141).collect::<Vec<_>>());
        }
    }

    async fn accept(
        &mut self,
        sizes: &[usize],
        hot: bool,
        drop: bool,
        fanout: bool,
        badge: Option<BadgeChange>,
    ) {
        let no = NotificationNo(self.notifications.len() as i64 + 1);
        let on_unknown = if drop {
            OnUnknown::Drop
        } else {
            OnUnknown::Resend
        };
        let item = NewNotification {
            no,
            app: APP,
            accepted_at: self.now,
            when: carillon_ports::timer::When::AtOnce,
            expires_at: None,
            options: options(on_unknown),
            payload: Bytes::from_static(b"{}"),
            batches: (0..)
                .zip(sizes)
                .map(|(place, size)| self.batch(no, place, *size, hot))
                .collect(),
            badge,
            fanout: fanout.then(carillon_ports::conformance::everybody),
            idempotency: None,
            throttle: None,
            consumes: None,
            turn: None,
            campaign: None,
            activity: None,
        };
        for batch in item.batches.iter().filter(|batch| batch.hot) {
            let id = WorkId {
                batch: batch.no,
                seq: 0,
            };
            self.works.insert(
                id,
                Work {
                    id,
                    lane: batch.lane,
                    class: batch.class,
                    attempt: 0,
                    positions: None,
                    due_at: None,
                    watermark: 0,
                    in_doubt: false,
                },
            );
        }
        self.sqlite.accept(vec![item.clone()]).await.unwrap();
        self.memory.accept(vec![item]).await.unwrap();
        self.notifications.push(no);
    }

    async fn page(&mut self, size: usize, finished: bool) {
        let running = self.sqlite.fanouts(i64::MAX, 100).await.unwrap().due;
        let same = self.memory.fanouts(i64::MAX, 100).await.unwrap().due;
        let of = |all: &[carillon_ports::store::Fanout]| -> Vec<_> {
            all.iter()
                .map(|f| (f.notification.no, f.after, f.next_place))
                .collect()
        };
        assert_eq!(of(&running), of(&same));
        let Some(fanout) = running.first() else {
            return;
        };
        let no = fanout.notification.no;
        let page = FanoutPage {
            notification: no,
            badge: Some(BadgeChange::Increment(1)),
            batches: vec![self.batch(no, fanout.next_place, size, false)],
            after: DeviceNo(fanout.after.0 + 10),
            finished,
            campaign: None,
            now: T0 + 9,
        };
        assert_eq!(
            self.sqlite.store_fanout_page(page.clone()).await.unwrap(),
            self.memory.store_fanout_page(page).await.unwrap()
        );
    }

    async fn settle(
        &mut self,
        work: &Work,
        learn: &[(u16, usize)],
        done: bool,
        retry: Option<i64>,
        in_doubt: bool,
    ) {
        self.seq += 1;
        let verdicts: Vec<(u16, FinalState)> = learn
            .iter()
            .map(|(position, state)| (*position, FINAL_STATES[*state]))
            .collect();
        let follow_up = retry.map(|wait| Work {
            id: WorkId {
                batch: work.id.batch,
                seq: self.seq,
            },
            attempt: work.attempt + 1,
            positions: Some(Positions::new(vec![0, (self.seq % 40) as u16])),
            due_at: (wait > 5).then_some(self.now + wait),
            watermark: 0,
            in_doubt,
            ..work.clone()
        });
        let settlement = Settlement {
            batches: vec![BatchSettlement {
                batch: work.id.batch,
                failures: verdicts
                    .iter()
                    .map(|(position, _)| why(*position))
                    .collect(),
                verdicts,
                attempts: vec![],
                done: if done { vec![work.id] } else { vec![] },
                follow_ups: follow_up.iter().cloned().collect(),
            }],
            now: self.now,
            ..Settlement::default()
        };
        assert_eq!(
            self.sqlite.settle(settlement.clone()).await.unwrap(),
            self.memory.settle(settlement).await.unwrap()
        );
        self.works.extend(follow_up.map(|work| (work.id, work)));
    }

    /// Everything that can be seen of both.
    async fn compare(&self) {
        assert_eq!(
            self.sqlite.waiting_lanes().await.unwrap(),
            self.memory.waiting_lanes().await.unwrap()
        );
        assert_eq!(
            self.sqlite.backlog(1_000).await.unwrap(),
            self.memory.backlog(1_000).await.unwrap()
        );
        assert_eq!(
            self.sqlite.counts(APP, 0).await.unwrap(),
            self.memory.counts(APP, 0).await.unwrap()
        );
        assert_eq!(told(&self.sqlite).await, told(&self.memory).await);
        for user in ["u0", "u1", "u2"] {
            assert_eq!(
                self.sqlite.badge(APP, user.into()).await.unwrap(),
                self.memory.badge(APP, user.into()).await.unwrap(),
                "{user}"
            );
        }
        let devices: Vec<_> = (1..10).map(DeviceNo).collect();
        assert_eq!(
            self.sqlite
                .device_preferences(devices.clone())
                .await
                .unwrap(),
            self.memory.device_preferences(devices).await.unwrap()
        );
        for no in &self.notifications {
            let view = async |store: &dyn HotStore| {
                let view = store.notification(APP, *no).await.unwrap().unwrap();
                let facts = (
                    view.fanout_finished,
                    view.deliveries,
                    view.open,
                    view.states,
                );
                (facts, view.completed_at, view.head.cancelled)
            };
            assert_eq!(view(&self.sqlite).await, view(&self.memory).await, "{no}");
            let deliveries = self
                .sqlite
                .deliveries(APP, *no, None, DeliveryFilter::All, 1_000)
                .await
                .unwrap();
            assert_eq!(
                deliveries,
                self.memory
                    .deliveries(APP, *no, None, DeliveryFilter::All, 1_000)
                    .await
                    .unwrap()
            );
            let mut batches: Vec<_> = deliveries.iter().map(|view| view.id.batch).collect();
            batches.dedup();
            assert_eq!(
                self.sqlite.badges(batches.clone()).await.unwrap(),
                self.memory.badges(batches).await.unwrap()
            );
            for id in deliveries.iter().map(|view| view.id).step_by(7) {
                assert_eq!(
                    self.tries(&self.sqlite, id).await,
                    self.tries(&self.memory, id).await
                );
            }
        }
    }

    async fn tries(
        &self,
        store: &dyn HotStore,
        id: DeliveryId,
    ) -> Vec<carillon_ports::store::Attempt> {
        store.delivery(APP, id).await.unwrap().unwrap().1
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn both_stores_tell_the_same_story(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new();
            pair.devices().await;
            for step in &steps {
                pair.run(step).await;
            }
            pair.compare().await;
            pair.sqlite.close().await;
        });
    }
}
