//! Who shares the store with this process, and what follows from it: who leads a role, whose a lane is.
//!
//! Two loops, in a store that is shared. One beats: the store refuses whatever a process writes that it has
//! given up, and such a process stops. Until then it might still send what it holds, so nothing is begun
//! any more once the last heartbeat is as old as to be in doubt. The other looks at the others' pulse: it
//! reads the directory again when it has changed, ends what was cancelled elsewhere, and rings here for
//! what happened there. A look that comes late costs latency only.
//!
//! The parts of a role that must run once run in its leader: whoever joined first of those that live. A
//! leader leads until it has left or was given up, so nobody ever has to give a lead back.

use crate::hub::Hub;
use crate::moment::ms;
use crate::service::Shared;
use crate::status::InstanceReport;
use crate::trouble;
use crate::wake::WakeUp;
use carillon_model::UnixMs;
use carillon_model::id::DefinitionNo;
use carillon_model::lane::Lane;
use carillon_model::role::Role;
use carillon_ports::instance::{Instance, InstanceStore, Notice, NoticeKind, Presence, Pulse};
use carillon_ports::store::StoreError;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::time::Instant;

/// What sharing a store stands on.
#[derive(Clone)]
pub struct Instances {
    /// Who lives.
    pub store: Arc<dyn InstanceStore>,
    /// What this process says of itself.
    pub presence: Presence,
    /// Wakes others. `None`: they find out by themselves.
    pub wake_up: Option<WakeUp>,
}

/// Who lives, in the order in which they joined.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    own_epoch: i64,
    instances: Vec<Instance>,
    /// Where lanes are sent from.
    senders: Vec<i64>,
    /// Where monitors are checked from.
    workers: Vec<i64>,
}

impl Peers {
    pub(crate) fn new(own_epoch: i64, instances: Vec<Instance>) -> Self {
        let of_role = |role| -> Vec<i64> {
            let all = instances.iter();
            let all = all.filter(|instance| instance.presence.roles.has(role));
            all.map(|instance| instance.epoch).collect()
        };
        Self {
            own_epoch,
            senders: of_role(Role::Sender),
            workers: of_role(Role::Worker),
            instances,
        }
    }

    /// The epoch of whoever leads a role.
    pub(crate) fn leader(&self, role: Role) -> Option<i64> {
        let mut of_role = self
            .instances
            .iter()
            .filter(|instance| instance.presence.roles.has(role));
        of_role.next().map(|first| first.epoch)
    }

    pub(crate) fn leads(&self, role: Role) -> bool {
        self.leader(role) == Some(self.own_epoch)
    }

    /// Whether what has this key is sent from here: each from one process, and with one more or less of them only
    /// what that one has moves.
    fn owns(&self, key: impl FnOnce() -> i64) -> bool {
        owner(&self.senders, key) == Some(self.own_epoch)
    }

    /// The same of monitors.
    fn checks(&self, monitor: DefinitionNo) -> bool {
        owner(&self.workers, || monitor.0) == Some(self.own_epoch)
    }

    /// How many processes check monitors.
    pub(crate) fn workers(&self) -> usize {
        self.workers.len().max(1)
    }

    /// When the oldest of those joined that hear jobs, besides this process.
    pub(crate) fn others_listen_since(&self) -> Option<UnixMs> {
        let listening = self.instances.iter().filter(|instance| {
            instance.epoch != self.own_epoch && instance.presence.roles.has(Role::Api)
        });
        listening.map(|instance| instance.started_at).min()
    }

    /// Where the others are woken.
    pub(crate) fn wake_addresses(&self) -> Vec<String> {
        let others = self.instances.iter().filter(|instance| {
            instance.epoch != self.own_epoch && !instance.presence.wake_address.is_empty()
        });
        others
            .map(|instance| instance.presence.wake_address.clone())
            .collect()
    }

    /// Those of the others who live no more.
    fn lost(&self, now: &Self) -> usize {
        let is_there = |epoch| now.instances.iter().any(|other| other.epoch == epoch);
        self.instances
            .iter()
            .filter(|instance| !is_there(instance.epoch))
            .count()
    }

    fn differs(&self, now: &Self) -> bool {
        let epochs = |peers: &Self| -> Vec<i64> {
            let all = peers.instances.iter().map(|instance| instance.epoch);
            all.collect()
        };
        epochs(self) != epochs(now)
    }
}

/// Which of some processes what has this key is left to.
fn owner(epochs: &[i64], key: impl FnOnce() -> i64) -> Option<i64> {
    match epochs {
        [] => None,
        [only] => Some(*only),
        many => {
            let key = key();
            let all = many.iter().copied();
            all.max_by_key(|epoch| rank(key, *epoch))
        }
    }
}

/// How much a process wants what has this key.
fn rank(key: i64, epoch: i64) -> u64 {
    // Two rounds of the finaliser of SplitMix64: near numbers are not near any more.
    let mix = |n: u64| {
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    };
    let step = 0x9e37_79b9_7f4a_7c15_u64;
    mix(mix(step.wrapping_mul(epoch as u64 + 1)) ^ step.wrapping_mul(key as u64))
}

impl Hub {
    pub(crate) fn has(&self, role: Role) -> bool {
        self.parts.instances.presence.roles.has(role)
    }

    /// Whether a monitor is checked from this process.
    pub(crate) fn checks(&self, monitor: DefinitionNo) -> bool {
        self.peers.borrow().checks(monitor)
    }

    /// Whether a lane is sent from this process. All lanes of an App that has rates are sent from one, where
    /// they are counted together.
    pub(crate) fn owns(&self, lane: Lane) -> bool {
        self.peers.borrow().owns(|| {
            let directory = self.directory.load();
            let app = directory.app_by_no(lane.app);
            match app.is_some_and(|app| !app.settings.rates().are_none()) {
                true => lane.app.0,
                false => lane.code(),
            }
        })
    }

    /// Resolves when this process leads a role, which it does to its end then.
    pub(crate) async fn until_leading(&self, role: Role) {
        let mut peers = self.peers.subscribe();
        if peers.wait_for(|peers| peers.leads(role)).await.is_err() {
            // The hub is gone: nobody leads anything any more.
            std::future::pending().await
        }
    }

    /// Whether the others surely still count on this process. If not, it begins to send nothing.
    pub(crate) fn is_counted_on(&self, at: Instant) -> bool {
        !self.parts.instances.store.is_shared() || at < *self.counted_until.lock()
    }

    /// Who shares the store.
    pub(crate) fn instances(&self) -> Vec<InstanceReport> {
        let peers = self.peers.borrow();
        let report = |instance: &Instance| {
            let leads = |role: &Role| peers.leader(*role) == Some(instance.epoch);
            let roles = [Role::Scheduler, Role::Worker].into_iter();
            InstanceReport {
                leads: roles.filter(leads).collect(),
                is_own: instance.epoch == peers.own_epoch,
                instance: instance.clone(),
            }
        };
        peers.instances.iter().map(report).collect()
    }

    fn was_heard_of(&self, asked_at: Instant) {
        let config = &self.parts.config;
        // A third is left for what is on its way to a gateway.
        let sure = ms(config.instance_timeout_ms) * 2 / 3;
        *self.counted_until.lock() = asked_at + sure;
    }
}

/// Joins. What the others know of this process from here on is true.
pub(crate) async fn join(hub: &Hub) -> Result<(), StoreError> {
    let instances = &hub.parts.instances;
    let asked_at = Instant::now();
    instances.store.join(instances.presence.clone()).await?;
    hub.was_heard_of(asked_at);
    let pulse = instances.store.pulse().await?;
    // Before anything is heard: after a restore nobody is paged.
    hub.is_scheduler_paused
        .store(pulse.is_scheduler_paused, Relaxed);
    hub.peers
        .send_replace(Peers::new(hub.parts.store.epoch(), pulse.instances));
    Ok(())
}

/// Shows that this process lives, until it has left.
pub(crate) async fn beat(shared: Arc<Shared>) {
    let hub = &shared.hub;
    let config = &hub.parts.config;
    let mut steady_since = None;
    let mut asked_at = Instant::now();
    loop {
        // However long the last one waited for its turn.
        tokio::time::sleep_until(asked_at + ms(config.heartbeat_ms)).await;
        if hub.has_left.load(Relaxed) {
            return;
        }
        asked_at = Instant::now();
        let timeout = ms(config.instance_timeout_ms);
        // Who was not heard of himself does not know why the others were not.
        let is_steady = steady_since.is_some_and(|since| since + timeout <= asked_at);
        let give_up = is_steady.then_some(config.instance_timeout_ms);
        let store = &hub.parts.instances.store;
        match store.heartbeat(give_up, shared.trouble()).await {
            Ok(()) => {
                // What held it up for so long may hold the others up a little longer.
                if asked_at.elapsed() * 2 > timeout {
                    steady_since = None;
                }
                steady_since.get_or_insert_with(Instant::now);
                hub.was_heard_of(asked_at);
            }
            Err(_) if hub.has_left.load(Relaxed) => return,
            Err(error) => {
                steady_since = None;
                hub.refused(&error);
                tracing::warn!(%error, "a heartbeat was not written: {error}");
                if !hub.store_refused("showing that this process lives", &error) {
                    return;
                }
            }
        }
    }
}

/// Looks at the others.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let hub = &shared.hub;
    let mut seen = Seen::default();
    let mut reports_at = Instant::now();
    loop {
        tokio::select! {
            () = hub.bells.look.notified() => {}
            () = tokio::time::sleep(ms(hub.parts.config.poll_interval_ms)) => {}
        }
        if hub.has_left.load(Relaxed) {
            return;
        }
        match hub.parts.instances.store.pulse().await {
            Ok(pulse) => look(&shared, pulse, &mut seen).await,
            Err(error) => {
                hub.refused(&error);
                if !hub.store_refused("looking at other processes", &error) {
                    return;
                }
            }
        }
        // They do not change more often.
        // Who only sends tells nobody of it.
        let wants_reports = [Role::Api, Role::Worker, Role::Scheduler];
        if wants_reports.into_iter().any(|role| hub.has(role)) && Instant::now() >= reports_at {
            reports_at = Instant::now() + ms(hub.parts.config.heartbeat_ms);
            match hub.parts.instances.store.reports().await {
                Ok(reports) => *hub.elsewhere.lock() = trouble::read(&reports),
                Err(error) => drop(hub.store_refused("reading what others report", &error)),
            }
        }
        // However often others ring.
        tokio::time::sleep(ms(hub.parts.config.wake_pause_ms)).await;
    }
}

/// What the last look saw.
#[derive(Default)]
struct Seen {
    commits: i64,
    notices: HashSet<Notice>,
}

async fn look(shared: &Arc<Shared>, pulse: Pulse, seen: &mut Seen) {
    let hub = &shared.hub;
    let peers = Peers::new(hub.parts.store.epoch(), pulse.instances);
    let (has_changed, lost) = {
        let known = hub.peers.borrow();
        (known.differs(&peers), known.lost(&peers))
    };
    hub.peers.send_replace(peers);
    if has_changed {
        tracing::info!(lost, "the processes that share the store have changed");
        // Lanes have come here or gone.
        hub.bells.dispatch.notify_one();
    }
    if lost > 0 {
        hub.bells.rescue.notify_one();
    }
    for notice in &pulse.notices {
        if !seen.notices.contains(notice) {
            heed(shared, *notice);
        }
    }
    seen.notices = pulse.notices.into_iter().collect();
    if hub.directory_no.load(Relaxed) != pulse.directory
        && let Err(error) = shared.refresh().await
    {
        hub.store_refused("reading the directory", &error);
    }
    hub.is_scheduler_paused
        .store(pulse.is_scheduler_paused, Relaxed);
    if seen.commits != pulse.commits {
        seen.commits = pulse.commits;
        let bells = &hub.bells;
        // Work may be due in lanes that are sent from here.
        shared.core.lock().poll_at = Instant::now();
        for bell in [
            &bells.dispatch,
            &bells.fanout,
            &bells.errands,
            &bells.channels,
            &bells.digests,
            &bells.timers,
        ] {
            bell.notify_one();
        }
        hub.tell();
    }
}

/// Something became of a notification of which this process may have work.
fn heed(shared: &Shared, notice: Notice) {
    let moment = shared.hub.moment();
    let mut core = shared.core.lock();
    match notice.what {
        NoticeKind::Cancelled => core.cancel(notice.no, moment),
        NoticeKind::Paused => core.pause(notice.no, moment),
        NoticeKind::Resumed => drop(core.paused.remove(&notice.no)),
    }
    drop(core);
    shared.hub.bells.dispatch.notify_one();
    shared.hub.bells.settle.notify_one();
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::environment::TokenEnvironment;
    use carillon_model::id::AppNo;
    use carillon_model::lane::Gateway;
    use carillon_model::role::Roles;

    fn instance(epoch: i64, roles: &str) -> Instance {
        Instance {
            epoch,
            presence: Presence {
                roles: Roles::parse(roles).unwrap(),
                ..Presence::alone("test")
            },
            started_at: 0,
            age_ms: 0,
        }
    }

    fn lanes() -> impl Iterator<Item = Lane> {
        (1..=1_000).map(|app| Lane {
            app: AppNo(app),
            gateway: Gateway::Apns,
            environment: TokenEnvironment::Production,
        })
    }

    /// By which of some senders each lane is sent.
    fn owners(epochs: &[i64]) -> Vec<i64> {
        let all: Vec<Instance> = epochs.iter().map(|at| instance(*at, "sender")).collect();
        let of = |lane: Lane| {
            let mut owning = epochs
                .iter()
                .filter(|epoch| Peers::new(**epoch, all.clone()).owns(|| lane.code()));
            let owner = *owning.next().unwrap();
            assert_eq!(owning.next(), None, "one owner");
            owner
        };
        lanes().map(of).collect()
    }

    #[test]
    fn the_first_of_a_role_leads_it() {
        let all = vec![
            instance(5, "api,sender"),
            instance(7, "scheduler,worker"),
            instance(6, "scheduler"),
        ];
        let leads = |epoch, role| Peers::new(epoch, all.clone()).leads(role);
        assert!(leads(7, Role::Scheduler), "it joined first");
        assert!(!leads(6, Role::Scheduler));
        assert!(leads(7, Role::Worker) && leads(5, Role::Api));
        assert!(!leads(5, Role::Worker), "it is not its role");
        assert_eq!(Peers::new(1, Vec::new()).leader(Role::Api), None);
    }

    #[test]
    fn a_lane_has_one_owner_and_moves_only_with_it() {
        let three = owners(&[4, 5, 9]);
        for epoch in [4, 5, 9] {
            let share = three.iter().filter(|owner| **owner == epoch).count();
            assert!((200..470).contains(&share), "{epoch} has {share} of 1,000");
        }
        for (before, after) in three.iter().zip(owners(&[4, 9])) {
            assert!(*before == 5 || *before == after, "it had no reason to move");
        }
    }

    #[test]
    fn only_senders_own_lanes() {
        let all = vec![instance(1, "api"), instance(2, "sender,worker")];
        let lane = lanes().next().unwrap();
        let lane = || lane.code();
        assert!(!Peers::new(1, all.clone()).owns(lane));
        assert!(Peers::new(2, all).owns(lane));
        let none = vec![instance(1, "api,scheduler,worker")];
        assert!(!Peers::new(1, none).owns(lane));
    }
}
