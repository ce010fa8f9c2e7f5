//! A pool as the engine holds it: hands pushes over to the I/O thread where its connections live.

use super::driver::first_window;
use super::gauge::Gauge;
use super::inbox::Inbox;
use super::io::IoThreads;
use super::outcome;
use carillon_model::outcome::{Outcome, Verdict};
use carillon_ports::gateway::{OutcomeSink, Pool, PoolId, PoolStatus, Push, PushOutcome};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// See [`Pool`]. How much it holds is bounded by its window, which the engine keeps.
pub(crate) struct PoolHandle {
    id: PoolId,
    inbox: Arc<Inbox>,
    gauge: Arc<Gauge>,
    sink: OutcomeSink,
}

/// What the task behind a [`PoolHandle`] works with.
pub(crate) struct Ends {
    /// Where its pushes come from.
    pub(crate) inbox: Arc<Inbox>,
    /// Where it shows what it does.
    pub(crate) gauge: Arc<Gauge>,
    /// Where its outcomes go.
    pub(crate) sink: OutcomeSink,
}

impl PoolHandle {
    /// Starts the task of a pool, on the I/O thread that belongs to its credential.
    pub(crate) fn start<F: Future<Output = ()> + 'static>(
        threads: &IoThreads,
        id: PoolId,
        sink: OutcomeSink,
        task: impl FnOnce(Ends) -> F + Send + 'static,
    ) -> Arc<dyn Pool> {
        let inbox = Arc::new(Inbox::default());
        let gauge = Arc::new(Gauge::new(first_window(id)));
        let pool = Arc::new(Self {
            id,
            inbox: inbox.clone(),
            gauge: gauge.clone(),
            sink: sink.clone(),
        });
        let owner = id.credential.0;
        let ends = Ends { inbox, gauge, sink };
        if !threads.spawn(owner, move || task(ends)) {
            tracing::error!(
                credential = owner,
                "an I/O thread is gone: its pool takes nothing"
            );
            pool.inbox.close(Duration::ZERO);
        }
        pool
    }
}

impl Pool for PoolHandle {
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

impl Drop for PoolHandle {
    /// A pool nobody holds is closed; outcomes still reach the sink.
    fn drop(&mut self) {
        self.inbox.close(Duration::from_secs(10));
    }
}

/// Sends one push through a pool of its own. The error: no answer came in time, and why no connection did.
pub(crate) async fn probe(
    open: impl FnOnce(OutcomeSink) -> Arc<dyn Pool>,
    push: Push,
    within: Duration,
) -> Result<Outcome, Option<String>> {
    let (answer, answered) = oneshot::channel();
    let answer = Mutex::new(Some(answer));
    let sink: OutcomeSink = Arc::new(move |_, outcomes| {
        if let (Some(answer), Some(first)) = (answer.lock().take(), outcomes.into_iter().next()) {
            // Nobody waiting any more is the caller's choice.
            let _ = answer.send(first.outcome);
        }
    });
    let pool = open(sink);
    pool.submit(vec![push]);
    let outcome = tokio::time::timeout(within, answered).await;
    let connect_error = pool.status().connect_error;
    pool.close(0);
    match outcome {
        Ok(Ok(outcome)) => Ok(outcome),
        _ => Err(connect_error),
    }
}
