//! What a connection does because time passes: keep-alive, deadlines, draining, replacement at its age.

use std::task::{Context, Poll};
use std::time::Duration;

use h2::Ping;
use tokio::time::Instant;

use super::Driver;
use crate::observer::{CloseCause, Event};
use crate::ping::Action;
use crate::pool::Phase;
use crate::protocol::Protocol;

impl<P: Protocol> Driver<P> {
    /// Keep-alive, deadlines, and the timer for the next look. Words if the connection is to be given up.
    pub(super) fn watch(&mut self, now: Instant, cx: &mut Context<'_>) -> Option<String> {
        let shared = self.shared.clone();
        let config = &shared.config;
        let mut next = now + Duration::from_secs(3600);
        if self.link.phase.get() == Phase::Starting {
            if now >= self.ready_by {
                return Some(format!(
                    "no SETTINGS frame within {:?}",
                    config.connect_timeout
                ));
            }
            next = next.min(self.ready_by);
        } else if let Some(dead) = self.watch_ping(now, cx, &mut next) {
            return Some(dead);
        }
        if self.link.phase.get() == Phase::Draining {
            let by = *self.drain_by.get_or_insert(now + config.drain_timeout);
            let by = self.close_by.map_or(by, |close_by| close_by.min(by));
            if now >= by {
                self.cause = if self.close_by.is_some() {
                    CloseCause::Ours
                } else {
                    CloseCause::DrainTimeout
                };
                return Some("it did not finish draining in time".to_owned());
            }
            next = next.min(by);
        } else if now >= self.retire_at {
            if self.link.phase.get() == Phase::Ready {
                self.link.phase.set(Phase::Aging);
                self.shared.ring();
            }
        } else {
            next = next.min(self.retire_at);
        }
        if !self.flights.is_empty() {
            if now >= self.sweep_at {
                self.sweep(now);
                self.sweep_at = now + config.sweep_interval.max(Duration::from_millis(1));
            }
            next = next.min(self.sweep_at);
        }
        // Re-arming on every turn would cost more than the timer is worth: only an earlier moment counts.
        if self.sleep.deadline() > next || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(next);
        }
        if self.sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        None
    }

    fn watch_ping(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        next: &mut Instant,
    ) -> Option<String> {
        let ping = self.ping.as_mut()?;
        if self.keep_alive.is_waiting() {
            match ping.poll_pong(cx) {
                Poll::Ready(Ok(_)) => self.keep_alive.answered(),
                Poll::Ready(Err(_)) | Poll::Pending => {}
            }
        }
        match self.keep_alive.action(now, !self.flights.is_empty()) {
            Action::Wait(until) => *next = (*next).min(until),
            Action::Send => {
                // It is written at the next turn, which this wakes.
                if ping.send_ping(Ping::opaque()).is_ok() {
                    self.keep_alive.sent(now);
                    *next = (*next).min(now + self.shared.config.ping_timeout);
                    let _ = ping.poll_pong(cx);
                    cx.waker().wake_by_ref();
                }
            }
            Action::Dead => {
                let in_flight = self.flights.len();
                self.shared.observer.observe(&Event::PingTimedOut {
                    connection: self.link.id,
                    in_flight,
                });
                self.cause = CloseCause::Ping;
                return Some(format!(
                    "PING unanswered for {:?}",
                    self.shared.config.ping_timeout
                ));
            }
        }
        None
    }
}
