//! Starting, supervising and stopping the parts.
//!
//! Parts that hold work (dispatch, settle) tell the process when they panic: what they left behind
//! cannot be trusted, and the next start rescues. Parts that only walk over the store (fan-out,
//! rescuer, pruner) are started again.

use crate::asking::Asking;
use crate::clerk::Counter;
use crate::core::Core;
use crate::directory::Directory;
use crate::engine::Parts;
use crate::gauge::Gauges;
use crate::hub::{Bells, Hub, Inbox};
use crate::key_ring::KeyRing;
use crate::live_activity::follower;
use crate::metrics::Meters;
use crate::moment::ms;
use crate::peers::{self, Peers};
use crate::source::Readings;
use crate::status::StopReport;
use crate::watch::{self as watching, Watching};
use crate::{
    callout, clerk, digester, dispatch, fanout, live_activity, pruner, rescuer, scheduler,
    self_watch, settle, teller, wake,
};
use arc_swap::ArcSwap;
use carillon_model::role::Role;
use carillon_ports::gateway::{OutcomeSink, PoolId, PushOutcome};
use carillon_ports::store::StoreError;
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Of a stop's time: kept for writing what came in.
const SETTLE_SHARE: u32 = 5;

/// What the parts work on.
pub(crate) struct Shared {
    pub(crate) hub: Arc<Hub>,
    pub(crate) core: Mutex<Core>,
    refreshing: Refreshing,
}

/// Readings of the directory. Whoever waits for one is served by any that begins after it asked, so that many changes at
/// once cost few readings.
#[derive(Default)]
struct Refreshing {
    /// How many have asked.
    wanted: AtomicU64,
    /// Those up to this one have been served.
    served: tokio::sync::Mutex<u64>,
}

/// Starts all parts on a runtime.
pub(crate) async fn start(
    parts: Parts,
    runtime: Handle,
) -> Result<(Arc<Shared>, Vec<AbortHandle>), StoreError> {
    let read = parts.registry.directory().await?;
    let hub = Arc::new(Hub {
        seed: parts.store.installation_seed(),
        watching: Watching::new(&parts.receipts.receipt_key),
        gauges: Arc::new(Gauges::new(&parts.config)),
        parts,
        runtime: runtime.clone(),
        directory: ArcSwap::from_pointee(Directory::new(read, &Directory::default())),
        directory_no: AtomicI64::new(-1),
        inbox: Inbox::default(),
        bells: Bells::default(),
        meters: Meters::new(),
        peers: watch::Sender::new(Peers::default()),
        elsewhere: Mutex::default(),
        credential_problems: Mutex::default(),
        counted_until: Mutex::new(Instant::now()),
        has_left: AtomicBool::new(false),
        is_stopping: AtomicBool::new(false),
        is_rescued: AtomicBool::new(false),
        older_templates: parking_lot::Mutex::default(),
        fanouts: AtomicU32::new(0),
        timers_sleep_until: AtomicI64::new(i64::MAX),
        is_scheduler_paused: AtomicBool::new(false),
        failed: watch::Sender::new(None),
        asking: Asking::default(),
        errands: parking_lot::Mutex::default(),
        readings: Readings::default(),
        receipts: Counter::default(),
        told: watch::Sender::new(0),
    });
    peers::join(&hub).await?;
    hub.wake_others();
    let directory = hub.directory.load_full();
    let ring = Arc::new(KeyRing::read(&hub, &directory, &KeyRing::default()).await);
    let sink: OutcomeSink = {
        let hub = hub.clone();
        Arc::new(move |pool: PoolId, outcomes: Vec<PushOutcome>| {
            hub.inbox.outcomes.lock().push((pool, outcomes));
            hub.bells.dispatch.notify_one();
        })
    };
    let core = {
        // The core reads the monotonic clock of the runtime that it will run on.
        let _entered = runtime.enter();
        Core::new(hub.clone(), sink, ring)
    };
    let shared = Arc::new(Shared {
        hub,
        core: Mutex::new(core),
        refreshing: Refreshing::default(),
    });
    let runs = Runs {
        runtime: &runtime,
        shared: &shared,
    };
    let mut tasks = vec![
        runtime.spawn(dispatch::run(shared.clone())).abort_handle(),
        runtime.spawn(settle::run(shared.clone())).abort_handle(),
        runs.always("clerk", clerk::run),
        runs.always("tallies", watching::run_tallies),
        runs.always("incidents", watching::run_shown),
        runs.always("listening", watching::run_listening),
    ];
    if shared.hub.has(Role::Api) {
        tasks.push(runs.always("beats", watching::run_beats));
    }
    if shared.hub.has(Role::Scheduler) {
        tasks.extend([
            runs.leading(Role::Scheduler, "digester", digester::run),
            runs.leading(Role::Scheduler, "scheduler", scheduler::run),
        ]);
    }
    if shared.hub.has(Role::Worker) {
        tasks.extend([
            runs.leading(Role::Worker, "fanout", fanout::run),
            runs.leading(Role::Worker, "follower", follower::run),
            runs.leading(Role::Worker, "asker", callout::run),
            runs.leading(Role::Worker, "channels", live_activity::channels::run),
            runs.leading(Role::Worker, "rescuer", rescuer::run),
            runs.leading(Role::Worker, "pruner", pruner::run),
            runs.leading(Role::Worker, "indexer", pruner::index),
            runs.leading(Role::Worker, "teller", teller::run),
            runs.leading(Role::Worker, "monitors", watching::run_reconcile),
            runs.always("checks", watching::run_checks),
        ]);
        let wanted = &shared.hub.parts.config.self_watch;
        if !wanted.app.is_empty() {
            let run = self_watch::make_monitors;
            tasks.push(runs.leading(Role::Worker, "own monitors", run));
        }
        if !wanted.outside_url.is_empty() {
            let run = self_watch::beat_outside;
            tasks.push(runs.leading(Role::Worker, "outside heartbeat", run));
        }
    }
    if shared.hub.parts.instances.store.is_shared() {
        tasks.extend([
            runs.always("heartbeat", peers::beat),
            runs.always("watch", peers::watch),
            runs.always("waker", wake::run),
        ]);
    }
    Ok((shared, tasks))
}

/// Starts parts.
struct Runs<'a> {
    runtime: &'a Handle,
    shared: &'a Arc<Shared>,
}

impl Runs<'_> {
    /// A part that runs in every process that has it.
    fn always<F>(
        &self,
        part: &'static str,
        run: impl Fn(Arc<Shared>) -> F + Send + 'static,
    ) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        supervise(self.runtime, self.shared, part, run)
    }

    /// A part that runs in the process that leads a role, from when it does.
    fn leading<F>(
        &self,
        role: Role,
        part: &'static str,
        run: impl Fn(Arc<Shared>) -> F + Send + Sync + 'static,
    ) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let run = Arc::new(run);
        self.always(part, move |shared| {
            let run = run.clone();
            async move {
                shared.hub.until_leading(role).await;
                run(shared).await;
            }
        })
    }
}

/// Starts a part, and starts it again after a panic.
fn supervise<F>(
    runtime: &Handle,
    shared: &Arc<Shared>,
    part: &'static str,
    run: impl Fn(Arc<Shared>) -> F + Send + 'static,
) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    let shared = shared.clone();
    let supervised = async move {
        loop {
            let ended = AbortOnDrop(tokio::spawn(run(shared.clone()))).join().await;
            let Err(error) = ended else {
                return;
            };
            if !error.is_panic() {
                return;
            }
            shared.hub.meters.part_panicked(part);
            tracing::error!(part, "{part} panicked and is started again: {error}");
            tokio::time::sleep(ms(shared.hub.parts.config.restart_delay_ms)).await;
        }
    };
    runtime.spawn(supervised).abort_handle()
}

/// A task that does not outlive its supervisor.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl AbortOnDrop {
    async fn join(mut self) -> Result<(), tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Shared {
    /// Waits until something is so, at most until `deadline`. Looks again after every step of
    /// dispatch and settle. Returns whether it is so.
    pub(crate) async fn until(&self, deadline: Instant, is_so: impl Fn(&Core) -> bool) -> bool {
        loop {
            let moved = self.hub.bells.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if is_so(&self.core.lock()) {
                return true;
            }
            if tokio::time::timeout_at(deadline, moved).await.is_err() {
                return is_so(&self.core.lock());
            }
        }
    }

    /// Reads the directory again: see `Engine::refresh`.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        let wanted = self.refreshing.wanted.fetch_add(1, AcqRel) + 1;
        // One after the other: an older reading must not replace a newer one.
        let mut served = self.refreshing.served.lock().await;
        if *served >= wanted {
            // Somebody's reading began after whatever this one is to show was written.
            return Ok(());
        }
        let serves = self.refreshing.wanted.load(Acquire);
        let hub = &self.hub;
        let instances = &hub.parts.instances.store;
        let no = match instances.is_shared() {
            true => instances.directory_no().await?,
            false => -1,
        };
        let read = hub.parts.registry.directory().await?;
        let directory = Arc::new(Directory::new(read, &hub.directory.load()));
        let former = self.core.lock().routes.ring.clone();
        let ring = KeyRing::read(hub, &directory, &former).await;
        hub.directory.store(directory);
        hub.directory_no.store(no, Relaxed);
        let moment = hub.moment();
        self.core.lock().replace_credentials(Arc::new(ring), moment);
        hub.bells.dispatch.notify_one();
        // A schedule may be due earlier than anything was.
        hub.bells.timers.notify_one();
        hub.tell();
        *served = serves;
        Ok(())
    }

    /// What was read of the store up to now is met by a directory that is at least as new: another process may have made
    /// an App, or changed a definition, a moment ago.
    pub(crate) async fn be_current(&self) -> Result<(), StoreError> {
        let instances = &self.hub.parts.instances.store;
        if instances.is_shared()
            && instances.directory_no().await? != self.hub.directory_no.load(Relaxed)
        {
            self.refresh().await?;
        }
        Ok(())
    }

    /// Others lead from here on what this process led, and send from its lanes; it ends what it has begun.
    async fn resign(&self) {
        let store = &self.hub.parts.instances.store;
        if !store.is_shared() {
            return;
        }
        match store.resign().await {
            Ok(()) => self.hub.wake_others(),
            // They take over when it has left.
            Err(error) => tracing::debug!(%error, "the other processes were not told of the stop"),
        }
    }

    /// The others need not wait for this process any more, and may take over what it held.
    pub(crate) async fn leave(&self) -> Result<(), StoreError> {
        self.hub.has_left.store(true, Relaxed);
        self.hub.parts.instances.store.leave().await
    }

    /// Stops claiming; lets what is in flight finish; gives the rest back without charging an attempt.
    pub(crate) async fn stop(&self, within: Duration) -> StopReport {
        let deadline = Instant::now() + within;
        let answers_by = Instant::now() + within - within / SETTLE_SHARE;
        self.hub.is_stopping.store(true, Relaxed);
        self.hub.gauges.shut();
        let bells = &self.hub.bells;
        for bell in [
            &bells.dispatch,
            &bells.fanout,
            &bells.prune,
            &bells.rescue,
            &bells.digests,
            &bells.channels,
            &bells.timers,
            &bells.checks,
            &bells.others,
        ] {
            bell.notify_one();
        }
        bells.room.notify_waiters();
        self.hub.tell();
        self.resign().await;
        // Reads and claims under way come to their end first: their work is given back too.
        self.until(answers_by, |core| core.loads == 0 && core.claims == 0)
            .await;
        let left = answers_by.saturating_duration_since(Instant::now());
        let pools: Vec<_> = {
            let core = self.core.lock();
            core.routes
                .pools()
                .map(|(_, open)| open.pool.clone())
                .collect()
        };
        for pool in pools {
            pool.close(left.as_millis().min(u128::from(u32::MAX)) as u32);
        }
        self.until(answers_by, |core| {
            core.jobs.iter().all(|(_, job)| job.busy == 0)
        })
        .await;
        let mut report = StopReport::default();
        {
            let moment = self.hub.moment();
            let mut core = self.core.lock();
            for key in core.jobs.keys(|_| true) {
                let Some(job) = core.jobs.get(key) else {
                    continue;
                };
                report.unanswered += u64::from(job.busy);
                if job.busy > 0 {
                    core.flush(key);
                } else {
                    report.given_back += u64::from(job.open);
                    core.give_back(key, moment.now);
                }
            }
        }
        bells.settle.notify_one();
        let is_settled = |core: &Core| core.unsettled() == 0 && core.ledger.is_empty();
        self.until(deadline, is_settled).await;
        if let Err(error) = watching::flush_tallies(&self.hub).await {
            tracing::debug!(%error, "how monitors did of late is not counted");
        }
        report.unsettled = self.core.lock().unsettled() as u64;
        report
    }
}
