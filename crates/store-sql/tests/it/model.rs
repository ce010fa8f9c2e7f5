//! Random histories on SQLite and on the store in memory, which must answer alike to the end.

use crate::support::{APP, open, place};
use bytes::Bytes;
use carillon_model::batch::BatchDevices;
use carillon_model::delivery::{FINAL_STATES, FinalState};
use carillon_model::id::{DeliveryId, DeviceNo, NotificationNo};
use carillon_model::lane::Class;
use carillon_model::positions::Positions;
use carillon_model::push_type::OnUnknown;
use carillon_ports::conformance::{T0, lane, options};
use carillon_ports::memory::MemoryStore;
use carillon_ports::store::{
    BatchSettlement, ClaimedWork, DeliveryFilter, FanoutPage, HotStore, NewBatch, NewNotification,
    Settlement, Work, WorkId,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Accept {
        sizes: Vec<usize>,
        hot: bool,
        drop: bool,
        fanout: bool,
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
    Restart,
    Rescue {
        limit: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![Just(1usize), Just(2), Just(16), Just(17), Just(40)];
    let learn = proptest::collection::vec((0u16..42, 0..FINAL_STATES.len()), 0..50);
    prop_oneof![
        4 => (proptest::collection::vec(size.clone(), 0..4), any::<bool>(), any::<bool>(), proptest::bool::weighted(0.2))
            .prop_map(|(sizes, hot, drop, fanout)| Step::Accept { sizes, hot, drop, fanout }),
        1 => (size, any::<bool>()).prop_map(|(size, finished)| Step::Page { size, finished }),
        4 => (1u32..5, 1u32..60).prop_map(|(batches, deliveries)| Step::Claim { batches, deliveries }),
        6 => (any::<usize>(), learn, any::<bool>(), proptest::option::of(0i64..50), any::<bool>())
            .prop_map(|(work, learn, done, retry, in_doubt)| Step::Settle { work, learn, done, retry, in_doubt }),
        1 => any::<usize>().prop_map(|work| Step::Release { work }),
        2 => (any::<usize>(), 0u16..45).prop_map(|(work, mark)| Step::Watermark { work, mark }),
        1 => any::<usize>().prop_map(|notification| Step::Cancel { notification }),
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

/// Both stores, and what the history needs to know.
struct Pair {
    sqlite: carillon_store_sql::SqliteStore,
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
            } => self.accept(sizes, *hot, *drop, *fanout).await,
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

    async fn accept(&mut self, sizes: &[usize], hot: bool, drop: bool, fanout: bool) {
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
            expires_at: None,
            options: options(on_unknown),
            payload: Bytes::from_static(b"{}"),
            batches: (0..)
                .zip(sizes)
                .map(|(place, size)| self.batch(no, place, *size, hot))
                .collect(),
            badge: None,
            fanout: fanout.then(carillon_ports::conformance::everybody),
            idempotency: None,
            throttle: None,
            consumes: None,
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
        let running = self.sqlite.fanouts(100).await.unwrap();
        let same = self.memory.fanouts(100).await.unwrap();
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
            badge: None,
            batches: vec![self.batch(no, fanout.next_place, size, false)],
            after: DeviceNo(fanout.after.0 + 10),
            finished,
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
            for step in &steps {
                pair.run(step).await;
            }
            pair.compare().await;
            pair.sqlite.close().await;
        });
    }
}
