//! When to send a keep-alive PING, and when its silence means death: a value, with time as an argument.
//!
//! Any byte from the peer counts as a sign of life, so a busy connection sends no PINGs, and a PONG stuck behind a long
//! answer kills nobody.

use std::time::Duration;

use tokio::time::Instant;

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Wait, at most until then.
    Wait(Instant),
    /// Send a PING, then say so with [`KeepAlive::sent`].
    Send,
    /// Give the peer up.
    Dead,
}

#[derive(Debug)]
pub(crate) struct KeepAlive {
    busy: Duration,
    idle: Duration,
    timeout: Duration,
    heard_at: Instant,
    sent_at: Option<Instant>,
}

impl KeepAlive {
    pub(crate) fn new(busy: Duration, idle: Duration, timeout: Duration, now: Instant) -> Self {
        Self {
            busy,
            idle,
            timeout,
            heard_at: now,
            sent_at: None,
        }
    }

    /// Bytes arrived.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.sent_at = Some(now);
    }

    /// The PONG arrived.
    pub(crate) fn answered(&mut self) {
        self.sent_at = None;
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.sent_at.is_some()
    }

    pub(crate) fn action(&self, now: Instant, is_busy: bool) -> Action {
        if let Some(sent_at) = self.sent_at {
            let dead_at = sent_at.max(self.heard_at) + self.timeout;
            return if now >= dead_at {
                Action::Dead
            } else {
                Action::Wait(dead_at)
            };
        }
        let due_at = self.heard_at + if is_busy { self.busy } else { self.idle };
        if now >= due_at {
            Action::Send
        } else {
            Action::Wait(due_at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn keep_alive(now: Instant) -> KeepAlive {
        KeepAlive::new(15 * SECOND, 60 * SECOND, 10 * SECOND, now)
    }

    #[test]
    fn silence_brings_a_ping_sooner_when_busy() {
        let start = Instant::now();
        let keep_alive = keep_alive(start);
        assert_eq!(keep_alive.action(start + 15 * SECOND, true), Action::Send);
        assert_eq!(
            keep_alive.action(start + 15 * SECOND, false),
            Action::Wait(start + 60 * SECOND)
        );
        assert_eq!(keep_alive.action(start + 60 * SECOND, false), Action::Send);
    }

    #[test]
    fn an_unanswered_ping_means_death_unless_something_else_is_heard() {
        let start = Instant::now();
        let mut keep_alive = keep_alive(start);
        keep_alive.sent(start + 15 * SECOND);
        assert_eq!(
            keep_alive.action(start + 20 * SECOND, true),
            Action::Wait(start + 25 * SECOND)
        );
        assert_eq!(keep_alive.action(start + 25 * SECOND, true), Action::Dead);
        keep_alive.heard(start + 24 * SECOND);
        assert_eq!(
            keep_alive.action(start + 25 * SECOND, true),
            Action::Wait(start + 34 * SECOND)
        );
        assert_eq!(keep_alive.action(start + 34 * SECOND, true), Action::Dead);
    }

    #[test]
    fn a_pong_clears_the_account() {
        let start = Instant::now();
        let mut keep_alive = keep_alive(start);
        keep_alive.sent(start + 15 * SECOND);
        assert!(keep_alive.is_waiting());
        keep_alive.heard(start + 16 * SECOND);
        keep_alive.answered();
        assert_eq!(
            keep_alive.action(start + 30 * SECOND, true),
            Action::Wait(start + 31 * SECOND)
        );
    }
}
