//! Settle: writes what happened, in one transaction at a time with whatever is there.
//!
//! A refusal that passes (disk full, database locked) keeps the settlement and tries it again, longer
//! and longer apart; dispatch stops by itself when too much is unsettled. Any other failure of a commit
//! ends the process.

use crate::dispatch::pause_ms;
use crate::hub::Vital;
use crate::ledger::{Bundle, Release};
use crate::moment::ms;
use crate::service::Shared;
use carillon_model::id::NotificationNo;
use carillon_ports::fault;
use carillon_ports::store::Settlement;
use std::sync::Arc;
use tokio::time::Instant;

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let _vital = Vital {
        hub: shared.hub.clone(),
        part: "settle",
    };
    loop {
        let most = shared.hub.parts.config.settle_deliveries as usize;
        let bundle = {
            let mut core = shared.core.lock();
            let bundle = core.ledger.take(shared.hub.parts.clock.now(), most);
            if let Some(bundle) = &bundle {
                core.settling = bundle.deliveries;
                core.settling_notes = bundle.notes.clone();
            }
            bundle
        };
        match bundle {
            None => shared.hub.bells.settle.notified().await,
            Some(bundle) => {
                if !write(&shared, bundle).await {
                    return;
                }
            }
        }
    }
}

/// `false`: the store cannot be written any more.
async fn write(shared: &Shared, bundle: Bundle) -> bool {
    let Bundle {
        settlement,
        deliveries: _,
        notes: _,
        due,
        releases,
    } = bundle;
    let is_news = tells(&settlement);
    let moves_activities = moves_activities(&settlement);
    let now = settlement.now;
    let Some(completed) = settle(shared, settlement).await else {
        return false;
    };
    if is_news || !completed.is_empty() {
        shared.hub.tell();
    }
    if moves_activities {
        shared.hub.timer_set(now);
    }
    fault::stage("settle.committed");
    if !release(shared, &releases).await {
        return false;
    }
    let moment = shared.hub.moment();
    let mut core = shared.core.lock();
    core.settling = 0;
    core.settling_notes = Arc::default();
    for (lane, class, due_at) in due {
        let index = core.lane_index(lane, moment.at);
        core.lanes.all[index].note_due(class, due_at);
    }
    for released in &releases {
        let index = core.lane_index(released.lane, moment.at);
        let state = &mut core.lanes.all[index];
        state.gauge.mark_stored(released.class);
        state.note_due(released.class, released.due_at);
    }
    drop(core);
    shared.hub.bells.dispatch.notify_one();
    shared.hub.bells.moved.notify_waiters();
    shared.hub.bells.room.notify_waiters();
    true
}

/// Tries until it is on disk.
async fn settle(shared: &Shared, settlement: Settlement) -> Option<Vec<NotificationNo>> {
    if settlement_is_empty(&settlement) {
        return Some(Vec::new());
    }
    for count in &settlement.counts {
        let directory = shared.hub.directory.load();
        let app = directory.app_by_no(count.app).map_or("", |app| &app.id);
        let meters = &shared.hub.meters;
        // A meter never goes back: what is taken back stays in it.
        let count_of = u64::try_from(count.count).unwrap_or(0);
        meters.ended(app, count.gateway, count.state, &count.reason, count_of);
    }
    let mut refusals = 0;
    loop {
        let began = Instant::now();
        match shared.hub.parts.store.settle(settlement.clone()).await {
            Ok(completed) => {
                let took = Instant::now().saturating_duration_since(began);
                shared.hub.meters.settled(took.as_secs_f64());
                if refusals > 0 {
                    shared.core.lock().store_answered();
                }
                return Some(completed);
            }
            Err(error) => {
                if !shared.hub.store_refused("settling outcomes", &error) {
                    return None;
                }
                refusals += 1;
                tracing::warn!(%error, refusals, "outcomes are kept in memory, the store refuses: {error}");
                shared.core.lock().store_problem = Some(error.to_string());
                pause(shared, refusals).await;
            }
        }
    }
}

async fn release(shared: &Shared, releases: &[Release]) -> bool {
    if releases.is_empty() {
        return true;
    }
    let works: Vec<_> = releases
        .iter()
        .map(|release| (release.work, release.due_at))
        .collect();
    let mut refusals = 0;
    loop {
        match shared.hub.parts.store.release(works.clone()).await {
            Ok(()) => return true,
            Err(error) => {
                if !shared.hub.store_refused("giving work back", &error) {
                    return false;
                }
                refusals += 1;
                pause(shared, refusals).await;
            }
        }
    }
}

async fn pause(shared: &Shared, refusals: u32) {
    let longest = shared.hub.parts.config.store_retry_max_ms;
    tokio::time::sleep(ms(pause_ms(longest, refusals))).await;
}

/// Whether it may make a step of a Live Activity due.
fn moves_activities(settlement: &Settlement) -> bool {
    let mut dead = settlement.retirements.iter();
    !settlement.refused.is_empty() || dead.any(|dead| dead.kind.updates_activity())
}

/// Whether it may write events, besides those of what it completes.
fn tells(settlement: &Settlement) -> bool {
    !settlement.events.is_empty()
        || !settlement.retirements.is_empty()
        || settlement.batches.iter().any(|b| !b.failures.is_empty())
}

fn settlement_is_empty(settlement: &Settlement) -> bool {
    let Settlement {
        batches,
        retirements,
        refused,
        repairs,
        counts,
        events,
        now: _,
    } = settlement;
    batches.is_empty()
        && retirements.is_empty()
        && refused.is_empty()
        && repairs.is_empty()
        && counts.is_empty()
        && events.is_empty()
}
