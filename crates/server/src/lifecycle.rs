//! From the first signal to the exit: soft stop, deadline, second signal.
//!
//! The first SIGTERM or SIGINT cancels the soft token: take nothing new, finish what is begun, give
//! the rest back. When the deadline is over, or a second signal comes, the hard token is cancelled:
//! leave now; whatever was not answered is recorded as in doubt by the next start. A part that fails
//! calls [`Lifecycle::fail`], which is a soft stop with another exit code. SIGHUP has files looked at, and stops nothing.

use crate::exit::Exit;
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Shared by everything that must know about stopping.
#[derive(Clone, Debug)]
pub(crate) struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    reload: Arc<Notify>,
    failure: Arc<Mutex<Option<(Exit, String)>>>,
}

/// How the stop went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Everything that was begun was finished.
    Clean,
    /// The deadline was over, or a second signal came.
    Cut,
    /// A part of the process failed: the exit code that fits, and why.
    Failed(Exit, String),
}

impl Lifecycle {
    /// Not stopping.
    pub(crate) fn new() -> Self {
        Self {
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            reload: Arc::default(),
            failure: Arc::new(Mutex::new(None)),
        }
    }

    /// Follows the process' signals, from now until the hard stop.
    #[cfg(unix)]
    pub(crate) fn follow_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        // A file at its size limit is a full disk, which the store knows how to survive; the signal
        // that says the same would kill the process. Listening is enough, nobody needs to hear.
        let size_limit = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        let _ = signal(size_limit)?;
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                    _ = hangup.recv() => {
                        tracing::info!(signal = "SIGHUP", "SIGHUP: looking at credentials.file");
                        this.reload.notify_one();
                        continue;
                    }
                };
                this.signalled(name);
            }
        });
        Ok(())
    }

    /// Rings at each SIGHUP: files that are followed are to be looked at now.
    pub(crate) fn reload(&self) -> Arc<Notify> {
        self.reload.clone()
    }

    /// What a signal to stop does: the first one asks, the second one insists.
    fn signalled(&self, name: &str) {
        if self.soft.is_cancelled() {
            tracing::warn!(signal = name, "{name} again: stopping at once");
            self.hard.cancel();
        } else {
            tracing::info!(
                signal = name,
                "{name}: stopping; a second signal stops at once"
            );
            self.soft.cancel();
        }
    }

    /// Asks for a graceful stop.
    pub(crate) fn stop(&self) {
        self.soft.cancel();
    }

    /// A part failed: stop, and end with an error. The first reason wins.
    pub(crate) fn fail(&self, exit: Exit, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::error!("stopping, because {reason}");
        self.failure.lock().get_or_insert((exit, reason));
        self.soft.cancel();
    }

    /// A part failed in a way that forbids to go on, even to finish what is begun.
    pub(crate) fn abort(&self, exit: Exit, reason: impl Into<String>) {
        self.fail(exit, reason);
        self.hard.cancel();
    }

    /// Resolves when a stop was asked for.
    pub(crate) async fn asked(&self) {
        self.soft.cancelled().await;
    }

    /// Runs the steps of the stop under the deadline and the second signal.
    pub(crate) async fn wind_down(
        &self,
        deadline: Duration,
        steps: impl Future<Output = bool>,
    ) -> Stop {
        let finished = tokio::select! {
            clean = steps => clean,
            () = self.hard.cancelled() => false,
            () = tokio::time::sleep(deadline) => {
                tracing::warn!(deadline_ms = deadline.as_millis() as u64, "the stop took longer than its deadline");
                self.hard.cancel();
                false
            }
        };
        if let Some((exit, reason)) = self.failure.lock().clone() {
            return Stop::Failed(exit, reason);
        }
        if finished { Stop::Clean } else { Stop::Cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_stop_in_time_is_clean() {
        let lifecycle = Lifecycle::new();
        lifecycle.signalled("SIGTERM");
        lifecycle.asked().await;
        let steps = async {
            tokio::time::sleep(Duration::from_secs(29)).await;
            true
        };
        assert_eq!(lifecycle.wind_down(DEADLINE, steps).await, Stop::Clean);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_cuts() {
        let lifecycle = Lifecycle::new();
        lifecycle.stop();
        let stop = lifecycle.wind_down(DEADLINE, std::future::pending()).await;
        assert_eq!(stop, Stop::Cut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_cuts_at_once() {
        let lifecycle = Lifecycle::new();
        let begun = tokio::time::Instant::now();
        lifecycle.signalled("SIGINT");
        lifecycle.signalled("SIGINT");
        let stop = lifecycle.wind_down(DEADLINE, std::future::pending()).await;
        assert_eq!(stop, Stop::Cut);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_part_is_told_even_after_a_clean_stop() {
        let lifecycle = Lifecycle::new();
        lifecycle.fail(Exit::Io, "the disk is gone");
        lifecycle.fail(Exit::Software, "something later");
        lifecycle.asked().await;
        let stop = lifecycle.wind_down(DEADLINE, async { true }).await;
        assert_eq!(stop, Stop::Failed(Exit::Io, "the disk is gone".into()));
    }
}
