//! Work from the store: looking where some is due, and claiming it page by page while there is room
//! in memory.

use crate::core::Core;
use crate::dispatch::pause_ms;
use crate::hub::Vital;
use crate::job::Incoming;
use crate::moment::{Moment, ms};
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::lane::{Class, Lane};
use carillon_model::role::Role;
use carillon_ports::store::ClaimedWork;
use std::sync::Arc;
use std::time::Duration;

/// A claim to make.
pub(crate) struct Order {
    index: usize,
    lane: Lane,
    class: Class,
    now: UnixMs,
    batches: u32,
    deliveries: u32,
    /// What the gauge said of stored work when the claim was planned.
    seen: u32,
}

/// Who is asked for next: a class after the other, and in each of them a lane after the other. So nobody waits for more than
/// the others' turns, and what is urgent in one lane not for all that others have stored.
#[derive(Debug, Default)]
pub(crate) struct ClaimTurns {
    class: usize,
    /// By class.
    lanes: [usize; 3],
}

impl Core {
    pub(crate) fn wants_poll(&mut self, moment: Moment) -> bool {
        let is_sender = self.hub.has(Role::Sender);
        if !is_sender || self.is_polling || moment.at < self.poll_at {
            return false;
        }
        self.is_polling = true;
        self.poll_at = moment.at + ms(self.hub.parts.config.poll_interval_ms);
        true
    }

    /// Learns where work is due.
    fn note_waiting(&mut self, waiting: Vec<(Lane, Class, UnixMs)>, moment: Moment) {
        for (lane, class, due_at) in waiting {
            if !self.hub.owns(lane) {
                continue;
            }
            let index = self.lane_index(lane, moment.at);
            let state = &mut self.lanes.all[index];
            state.note_due(class, due_at);
            if due_at <= moment.now {
                state.gauge.mark_stored(class);
            }
        }
    }

    fn wants_backlog(&mut self, moment: Moment) -> bool {
        let is_time = moment.at >= self.backlog_at;
        if is_time {
            self.backlog_at = moment.at + ms(self.hub.parts.config.backlog_interval_ms);
        }
        is_time
    }

    fn note_backlog(&mut self, backlog: &[(Lane, u32, UnixMs)]) {
        for state in &mut self.lanes.all {
            let found = backlog.iter().find(|(lane, ..)| *lane == state.lane);
            state.oldest_stored = found.map(|(_, _, oldest)| *oldest);
        }
    }

    /// Claims for lanes with due work and room, in turns.
    pub(crate) fn plan_claims(&mut self, moment: Moment) -> Vec<Order> {
        let mut next_due: Option<UnixMs> = None;
        for state in &mut self.lanes.all {
            if !self.hub.owns(state.lane) {
                state.disown();
            }
            let later = state.due.iter().flatten().filter(|due| **due > moment.now);
            next_due = later.copied().chain(next_due).min();
        }
        if let Some(due_at) = next_due {
            let wait = (due_at - moment.now).clamp(1, 60_000) as u64;
            let at = moment.at + Duration::from_millis(wait);
            self.wake_at = Some(self.wake_at.map_or(at, |wake| wake.min(at)));
        }
        let config = &self.hub.parts.config;
        let (max_claims, max_unsettled) = (config.max_claims, config.max_unsettled);
        let mut orders = Vec::new();
        if self.unsettled() >= max_unsettled as usize {
            return orders;
        }
        let mut without = 0;
        while self.claims < max_claims && without < Class::ALL.len() {
            let class = Class::ALL[self.claim_turns.class];
            self.claim_turns.class = (self.claim_turns.class + 1) % Class::ALL.len();
            let order = self.next_claim(class, moment);
            without = if order.is_none() { without + 1 } else { 0 };
            self.claims += u32::from(order.is_some());
            orders.extend(order);
        }
        orders
    }

    /// The next lane's claim of a class.
    fn next_claim(&mut self, class: Class, moment: Moment) -> Option<Order> {
        let config = &self.hub.parts.config;
        let at = usize::from(class.code());
        let (lanes, first) = (self.lanes.all.len(), self.claim_turns.lanes[at]);
        for index in (first..lanes).chain(0..first) {
            let state = &mut self.lanes.all[index];
            let is_due = state.due[at].is_some_and(|due_at| due_at <= moment.now);
            if !is_due || state.is_claiming[at] {
                continue;
            }
            let most = config.claim_deliveries;
            let deliveries = self.hub.gauges.reserve_claim(&state.gauge, class, most);
            if deliveries == 0 {
                continue;
            }
            state.is_claiming[at] = true;
            self.claim_turns.lanes[at] = index + 1;
            return Some(Order {
                index,
                lane: state.lane,
                class,
                now: moment.now,
                batches: config.claim_batches.min(deliveries),
                deliveries,
                seen: state.gauge.stored(class),
            });
        }
        None
    }

    fn claimed(&mut self, order: &Order, works: Vec<ClaimedWork>, moment: Moment) {
        let class = order.class;
        let rows = works.len() as u32;
        let mut deliveries = 0;
        for claimed in works {
            let positions = to_send(&claimed);
            deliveries += positions
                .as_ref()
                .map_or(u32::from(claimed.devices.count()), |list| list.len() as u32);
            let incoming = Incoming {
                note: self.note(claimed.notification),
                work: claimed.work,
                devices: claimed.devices,
                positions,
                room: None,
            };
            self.adopt(incoming, moment);
        }
        let state = &mut self.lanes.all[order.index];
        self.hub
            .gauges
            .free(&state.gauge, class, order.deliveries, 0);
        if rows < order.batches && deliveries < order.deliveries {
            state.claimed_all(class, order.seen);
        }
    }
}

/// The positions of claimed work that have no final state; `None`: all of the batch.
fn to_send(claimed: &ClaimedWork) -> Option<Vec<u16>> {
    let verdicts = &claimed.verdicts;
    match &claimed.work.positions {
        None if verdicts.still_open() == claimed.devices.count() => None,
        None => Some(verdicts.open_positions().collect()),
        Some(positions) => Some(
            positions
                .as_slice()
                .iter()
                .copied()
                .filter(|position| verdicts.get(*position).is_none())
                .filter(|position| *position < claimed.devices.count())
                .collect(),
        ),
    }
}

/// Accepted work is in the store, in these lanes, for which there was no room, or which others send from.
pub(crate) fn note_spilled(shared: &Shared, mut lanes: Vec<(Lane, Class)>) {
    let hub = &shared.hub;
    lanes.sort_unstable();
    lanes.dedup();
    let moment = hub.moment();
    let mut core = shared.core.lock();
    for (lane, class) in lanes {
        if !hub.owns(lane) {
            hub.wake_others();
            continue;
        }
        let index = core.lane_index(lane, moment.at);
        let state = &mut core.lanes.all[index];
        state.gauge.mark_spilled(class, 1);
        state.note_due(class, moment.now);
    }
    drop(core);
    hub.bells.dispatch.notify_one();
}

/// Asks the store where work is due.
pub(crate) async fn poll(shared: Arc<Shared>) {
    let _vital = Vital {
        hub: shared.hub.clone(),
        part: "dispatch",
    };
    let store = &shared.hub.parts.store;
    let waiting = store.waiting_lanes().await;
    let wants_backlog = shared.core.lock().wants_backlog(shared.hub.moment());
    if wants_backlog && waiting.is_ok() {
        // Only for figures: a refusal shows in what else is asked.
        let backlog = store.backlog(1).await.unwrap_or_default();
        shared.core.lock().note_backlog(&backlog);
    }
    let moment = shared.hub.moment();
    let mut core = shared.core.lock();
    core.is_polling = false;
    match waiting {
        Ok(waiting) => {
            let has_due = waiting.iter().any(|(_, _, due_at)| *due_at <= moment.now);
            core.note_waiting(waiting, moment);
            drop(core);
            if has_due {
                shared.hub.bells.dispatch.notify_one();
            }
        }
        Err(error) => core.store_refused("looking for due work", &error, moment),
    }
}

/// Work of an App that is not known here is that of one that is gone, or that another process has just made: which, must
/// be known before it is judged.
async fn know_apps(shared: &Shared, works: &[ClaimedWork]) {
    let hub = &shared.hub;
    let is_known = |work: &ClaimedWork| {
        let directory = hub.directory.load();
        directory.app_by_no(work.notification.app).is_some()
    };
    if works.iter().all(is_known) {
        return;
    }
    let mut refusals = 0;
    while let Err(error) = shared.be_current().await {
        if !hub.store_refused("reading the directory", &error) {
            return;
        }
        refusals += 1;
        let pause = pause_ms(hub.parts.config.store_retry_max_ms, refusals);
        tokio::time::sleep(ms(pause)).await;
    }
}

/// Claims work.
pub(crate) async fn claim(shared: Arc<Shared>, order: Order) {
    let _vital = Vital {
        hub: shared.hub.clone(),
        part: "dispatch",
    };
    let store = &shared.hub.parts.store;
    let works = store
        .claim(
            order.lane,
            order.class,
            order.now,
            order.batches,
            order.deliveries,
        )
        .await;
    if let Ok(works) = &works {
        know_apps(&shared, works).await;
    }
    let moment = shared.hub.moment();
    let mut core = shared.core.lock();
    core.claims -= 1;
    let at = usize::from(order.class.code());
    core.lanes.all[order.index].is_claiming[at] = false;
    match works {
        Ok(works) => {
            if works.is_empty() {
                // It was due: cancelled, and settled so.
                shared.hub.tell();
            }
            core.claimed(&order, works, moment);
            core.store_answered();
        }
        Err(error) => {
            let gauge = &core.lanes.all[order.index].gauge;
            shared
                .hub
                .gauges
                .free(gauge, order.class, order.deliveries, 0);
            core.store_refused("claiming work", &error, moment);
        }
    }
    drop(core);
    shared.hub.bells.dispatch.notify_one();
    shared.hub.bells.room.notify_waiters();
}
