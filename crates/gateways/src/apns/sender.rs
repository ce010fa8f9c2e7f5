//! A pool as the engine holds it: hands pushes over to the I/O thread where its connections live.

use super::driver::{Driver, Opened};
use super::gauge::Gauge;
use super::{Shared, outcome, words};
use carillon_model::outcome::{Outcome, Verdict};
use carillon_ports::gateway::{OutcomeSink, Pool, PoolId, PoolSpec, PoolStatus, Push, PushOutcome};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Pushes on their way to the I/O thread, and the word that there will be no more.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<InboxState>,
    pub(super) bell: Notify,
}

#[derive(Default)]
struct InboxState {
    pushes: Vec<Push>,
    /// No more are taken; what is in flight may take so long.
    close_within: Option<Duration>,
}

impl Inbox {
    /// Appends what was handed over to `pushes`. `Some`: the pool is closing.
    pub(super) fn take(&self, pushes: &mut Vec<Push>) -> Option<Duration> {
        let mut state = self.state.lock();
        if pushes.is_empty() {
            std::mem::swap(pushes, &mut state.pushes);
        } else {
            pushes.append(&mut state.pushes);
        }
        state.close_within
    }

    /// Gives them back if the pool is closing.
    pub(super) fn put(&self, mut pushes: Vec<Push>) -> Result<(), Vec<Push>> {
        let mut state = self.state.lock();
        if state.close_within.is_some() {
            return Err(pushes);
        }
        if state.pushes.is_empty() {
            state.pushes = pushes;
        } else {
            state.pushes.append(&mut pushes);
        }
        drop(state);
        self.bell.notify_one();
        Ok(())
    }

    pub(super) fn close(&self, within: Duration) {
        let mut state = self.state.lock();
        let sooner = state.close_within.map_or(within, |set| set.min(within));
        state.close_within = Some(sooner);
        drop(state);
        self.bell.notify_one();
    }
}

/// See [`Pool`]. How much it holds is bounded by its window, which the engine keeps.
pub(super) struct ApnsPool {
    id: PoolId,
    inbox: Arc<Inbox>,
    gauge: Arc<Gauge>,
    sink: OutcomeSink,
}

impl ApnsPool {
    pub(super) fn open(shared: &Arc<Shared>, spec: PoolSpec, sink: OutcomeSink) -> Arc<dyn Pool> {
        let id = spec.id;
        let inbox = Arc::new(Inbox::default());
        let gauge = Arc::new(Gauge::new(super::driver::first_window(id)));
        let pool = Arc::new(Self {
            id,
            inbox: inbox.clone(),
            gauge: gauge.clone(),
            sink: sink.clone(),
        });
        let owner = id.credential.0;
        let gateway = shared.clone();
        let started = shared.threads.spawn(owner, move || {
            let opened = Opened::new(&gateway, spec, gauge);
            Driver::new(gateway, opened, inbox, sink).run()
        });
        if !started {
            tracing::error!(
                credential = owner,
                "an I/O thread is gone: its pool takes nothing"
            );
            pool.inbox.close(Duration::ZERO);
        }
        pool
    }
}

impl Pool for ApnsPool {
    fn window(&self) -> usize {
        self.gauge.window()
    }

    fn submit(&self, pushes: Vec<Push>) {
        if pushes.is_empty() {
            return;
        }
        if let Err(pushes) = self.inbox.put(pushes) {
            let not_sent = |push: Push| PushOutcome {
                tag: push.tag,
                outcome: outcome::unsent(Verdict::NotSent),
            };
            (self.sink)(self.id, pushes.into_iter().map(not_sent).collect());
        }
    }

    fn close(&self, within_ms: u32) {
        self.inbox.close(Duration::from_millis(within_ms.into()));
    }

    fn status(&self) -> PoolStatus {
        self.gauge.status()
    }
}

impl Drop for ApnsPool {
    /// A pool nobody holds is closed; outcomes still reach the sink.
    fn drop(&mut self) {
        self.inbox.close(Duration::from_secs(10));
    }
}

/// See [`carillon_ports::gateway::Gateway::probe`]. A pool for one push.
pub(super) async fn probe(shared: &Arc<Shared>, mut spec: PoolSpec, push: Push) -> Outcome {
    spec.id.probing = true;
    let within = shared.config.probe_timeout;
    let environment = words::environment(spec.id.environment);
    let (answer, answered) = oneshot::channel();
    let answer = Mutex::new(Some(answer));
    let sink: OutcomeSink = Arc::new(move |_, outcomes| {
        if let (Some(answer), Some(first)) = (answer.lock().take(), outcomes.into_iter().next()) {
            // Nobody waiting any more is the caller's choice.
            let _ = answer.send(first.outcome);
        }
    });
    let pool = ApnsPool::open(shared, spec, sink);
    pool.submit(vec![push]);
    let outcome = tokio::time::timeout(within, answered).await;
    let connect_error = pool.status().connect_error;
    pool.close(0);
    match outcome {
        Ok(Ok(outcome)) => outcome,
        _ => outcome::unreachable(environment, within, connect_error),
    }
}
