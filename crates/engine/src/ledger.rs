//! What is to be settled: collected here from all sides, taken out as one settlement at a time.
//!
//! Merges what concerns one batch, sums counters, groups events. Does not talk to the store.

use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use carillon_model::event::{EnvironmentRepaired, EventKind, RepairedEnvironment};
use carillon_model::id::{AppNo, BatchNo, NotificationNo};
use carillon_model::lane::{Class, Gateway, Lane};
use carillon_ports::news::event;
use carillon_ports::store::{
    BatchSettlement, CountDelta, EnvironmentRepair, NewEvent, RefusedDelivery, Retirement,
    Settlement, Work, WorkId,
};
use std::collections::{BTreeMap, HashMap};

/// How many deliveries of whom ended how.
type Counts = HashMap<(AppNo, Gateway, FinalState, String, Option<UnixMs>), i64>;

/// Notifications with what their public ids are made of, and whose they are.
pub(crate) type Notes = HashMap<NotificationNo, (AppNo, UnixMs)>;

/// See the module's words.
#[derive(Default)]
pub(crate) struct Ledger {
    batches: Vec<Entry>,
    index: HashMap<BatchNo, usize>,
    deliveries: usize,
    retirements: Vec<Retirement>,
    refused: Vec<RefusedDelivery>,
    repairs: Vec<EnvironmentRepair>,
    events: Vec<NewEvent>,
    repaired: BTreeMap<AppNo, Vec<RepairedEnvironment>>,
    notes: Notes,
    due: Vec<(Lane, Class, UnixMs)>,
    releases: Vec<Release>,
}

/// What is collected for one batch.
struct Entry {
    settlement: BatchSettlement,
    /// Goes with the verdicts that it counts, in one transaction: after a crash a delivery whose verdict is not on disk is
    /// sent again, and must not have been counted yet.
    counts: Vec<CountDelta>,
}

/// Work that goes back to the store unsent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    pub(crate) work: WorkId,
    pub(crate) due_at: UnixMs,
    pub(crate) lane: Lane,
    pub(crate) class: Class,
}

/// A settlement on its way, and what must be known when it is on disk.
pub(crate) struct Bundle {
    pub(crate) settlement: Settlement,
    /// How many deliveries it concerns.
    pub(crate) deliveries: usize,
    pub(crate) notes: std::sync::Arc<Notes>,
    /// Work that it puts into the store.
    pub(crate) due: Vec<(Lane, Class, UnixMs)>,
    /// To be released after it.
    pub(crate) releases: Vec<Release>,
}

impl Ledger {
    /// What is collected for a batch. The caller adds to it and tells by [`Self::add`] how many
    /// deliveries that concerns.
    pub(crate) fn batch(&mut self, no: BatchNo, note: (AppNo, UnixMs)) -> &mut BatchSettlement {
        self.notes.entry(no.notification()).or_insert(note);
        let at = *self.index.entry(no).or_insert_with(|| {
            self.batches.push(Entry {
                settlement: BatchSettlement {
                    batch: no,
                    verdicts: Vec::new(),
                    failures: Vec::new(),
                    attempts: Vec::new(),
                    done: Vec::new(),
                    follow_ups: Vec::new(),
                },
                counts: Vec::new(),
            });
            self.batches.len() - 1
        });
        &mut self.batches[at].settlement
    }

    /// Counts with what is collected for a batch, which must have been asked for by [`Self::batch`].
    pub(crate) fn count(&mut self, no: BatchNo, counts: impl IntoIterator<Item = CountDelta>) {
        if let Some(at) = self.index.get(&no) {
            self.batches[*at].counts.extend(counts);
        }
    }

    pub(crate) fn add(&mut self, deliveries: usize) {
        self.deliveries += deliveries;
    }

    /// New work of a batch that waits in the store.
    pub(crate) fn due(&mut self, lane: Lane, class: Class, at: UnixMs) {
        self.due.push((lane, class, at));
    }

    pub(crate) fn retire(&mut self, retirement: Retirement) {
        self.retirements.push(retirement);
    }

    /// A push of a Live Activity surely reached nobody.
    pub(crate) fn refuse(&mut self, refused: Option<RefusedDelivery>) {
        self.refused.extend(refused);
    }

    pub(crate) fn repair(&mut self, repair: EnvironmentRepair) {
        self.repairs.push(repair);
    }

    /// To be told of a repair, together with others.
    pub(crate) fn repaired(&mut self, app: AppNo, entry: RepairedEnvironment) {
        self.repaired.entry(app).or_default().push(entry);
    }

    pub(crate) fn event(&mut self, event: NewEvent) {
        self.events.push(event);
    }

    pub(crate) fn release(&mut self, release: Release) {
        self.releases.push(release);
    }

    pub(crate) fn deliveries(&self) -> usize {
        self.deliveries
    }

    /// Whether something of this notification is to be settled.
    pub(crate) fn mentions(&self, no: NotificationNo) -> bool {
        self.notes.contains_key(&no)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
            && self.retirements.is_empty()
            && self.refused.is_empty()
            && self.repairs.is_empty()
            && self.events.is_empty()
            && self.repaired.is_empty()
            && self.releases.is_empty()
    }

    /// Takes out what one transaction should write: about `most` deliveries.
    pub(crate) fn take(&mut self, now: UnixMs, most: usize) -> Option<Bundle> {
        if self.is_empty() {
            return None;
        }
        let mut deliveries = 0;
        let mut cut = self.batches.len();
        for (at, batch) in self.batches.iter().enumerate() {
            if deliveries >= most {
                cut = at;
                break;
            }
            deliveries += batch.settlement.weight();
        }
        let is_all = cut == self.batches.len();
        let entries = if is_all {
            self.index.clear();
            std::mem::take(&mut self.batches)
        } else {
            let rest = self.batches.split_off(cut);
            let entries = std::mem::replace(&mut self.batches, rest);
            self.index = (0..)
                .zip(&self.batches)
                .map(|(at, b)| (b.settlement.batch, at))
                .collect();
            entries
        };
        let taken = if is_all {
            self.deliveries
        } else {
            deliveries.min(self.deliveries)
        };
        self.deliveries -= taken;
        let mut events = std::mem::take(&mut self.events);
        let kind = EventKind::EnvironmentRepaired;
        for (app, entries) in std::mem::take(&mut self.repaired) {
            for group in entries.chunks(kind.max_entries().unwrap_or(usize::MAX)) {
                let entries = group.to_vec();
                events.push(event(app, kind, "", &EnvironmentRepaired { entries }));
            }
        }
        let mut counts = Counts::new();
        let mut batches = Vec::with_capacity(entries.len());
        for Entry {
            settlement,
            counts: of_batch,
        } in entries
        {
            batches.push(settlement);
            for delta in of_batch {
                let key = (
                    delta.app,
                    delta.gateway,
                    delta.state,
                    delta.reason,
                    delta.at,
                );
                *counts.entry(key).or_default() += delta.count;
            }
        }
        let counts = counts
            .into_iter()
            .map(|((app, gateway, state, reason, at), count)| CountDelta {
                app,
                gateway,
                state,
                reason,
                count,
                at,
            });
        // What follows the batches may not go before them.
        let releases = if is_all {
            std::mem::take(&mut self.releases)
        } else {
            Vec::new()
        };
        let due = if is_all {
            std::mem::take(&mut self.due)
        } else {
            self.due.clone()
        };
        let notes = if is_all {
            std::mem::take(&mut self.notes)
        } else {
            self.notes.clone()
        };
        Some(Bundle {
            settlement: Settlement {
                batches,
                retirements: std::mem::take(&mut self.retirements),
                refused: std::mem::take(&mut self.refused),
                repairs: std::mem::take(&mut self.repairs),
                counts: counts.collect(),
                events,
                now,
            },
            deliveries: taken,
            notes: notes.into(),
            due,
            releases,
        })
    }

    /// Gives memory back after a peak.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

trait Weigh {
    fn weight(&self) -> usize;
}

impl Weigh for BatchSettlement {
    /// About how many deliveries it concerns.
    fn weight(&self) -> usize {
        let moved = self.follow_ups.iter().filter(|work| work.due_at.is_some());
        let moved: usize = moved
            .map(|work| work.positions.as_ref().map_or(1, |p| p.as_slice().len()))
            .sum();
        self.verdicts.len() + moved
    }
}

/// Replaces a work row in what is collected for its batch. A row that was only to be added in the same
/// settlement was never there: it is forgotten instead of deleted.
pub(crate) fn replace_work(batch: &mut BatchSettlement, old: WorkId, new: Vec<Work>) {
    let before = batch.follow_ups.len();
    batch.follow_ups.retain(|work| work.id != old);
    if batch.follow_ups.len() == before {
        batch.done.push(old);
    }
    batch.follow_ups.extend(new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::environment::TokenEnvironment;

    fn work(batch: i64, seq: i64) -> Work {
        Work {
            id: WorkId {
                batch: BatchNo(batch),
                seq,
            },
            lane: Lane {
                app: AppNo(1),
                gateway: Gateway::Apns,
                environment: TokenEnvironment::Production,
            },
            class: Class::Normal,
            attempt: 0,
            positions: None,
            due_at: None,
            watermark: 0,
            in_doubt: false,
        }
    }

    #[test]
    fn a_row_added_and_done_in_one_settlement_is_neither() {
        let mut ledger = Ledger::default();
        let batch = ledger.batch(BatchNo(7), (AppNo(1), 0));
        replace_work(batch, work(7, 0).id, vec![work(7, 1)]);
        replace_work(batch, work(7, 1).id, vec![work(7, 2)]);
        assert_eq!(batch.done, [work(7, 0).id]);
        assert_eq!(batch.follow_ups, [work(7, 2)]);
    }

    #[test]
    fn large_settlements_are_cut_and_releases_wait_for_the_end() {
        let mut ledger = Ledger::default();
        for no in 0..10 {
            let batch = ledger.batch(BatchNo(no), (AppNo(1), 0));
            batch.verdicts = (0..100).map(|p| (p, FinalState::Accepted)).collect();
            ledger.add(100);
            let (app, gateway) = (AppNo(1), Gateway::Apns);
            ledger.count(
                BatchNo(no),
                [CountDelta {
                    app,
                    gateway,
                    state: FinalState::Accepted,
                    reason: String::new(),
                    count: 100,
                    at: None,
                }],
            );
        }
        ledger.release(Release {
            work: work(1, 0).id,
            due_at: 0,
            lane: work(1, 0).lane,
            class: Class::Normal,
        });
        let first = ledger.take(1, 250).unwrap();
        assert_eq!((first.settlement.batches.len(), first.deliveries), (3, 300));
        assert!(first.releases.is_empty());
        let counted = |bundle: &Bundle| bundle.settlement.counts[0].count;
        assert_eq!(counted(&first), 300, "what is cut off is not counted yet");
        let batch = ledger.batch(BatchNo(9), (AppNo(1), 0));
        assert_eq!(batch.verdicts.len(), 100, "still found by its number");
        let second = ledger.take(1, 10_000).unwrap();
        assert_eq!(
            (second.settlement.batches.len(), second.deliveries),
            (7, 700)
        );
        assert_eq!(counted(&second), 700);
        assert_eq!(second.releases.len(), 1);
        assert!(ledger.take(1, 10).is_none());
        assert_eq!(ledger.deliveries(), 0);
    }
}
