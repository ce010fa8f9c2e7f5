//! Running totals since the start or the last reset.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::phone::Effect;

/// How often everything happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// TCP connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// Hand-shakes that failed (TLS or HTTP/2).
    pub failed_handshakes: u64,
    /// Requests received completely.
    pub requests: u64,
    /// Requests whose body never came in completely.
    pub incomplete_requests: u64,
    /// Streams refused because the sender exceeded the stream limit.
    pub streams_over_limit: u64,
    /// Streams refused by a script.
    pub streams_refused: u64,
    /// Streams above the last one of a GOAWAY; not processed.
    pub streams_after_goaway: u64,
    /// Answers handed to a connection, by HTTP status.
    pub answered: BTreeMap<u16, u64>,
    /// Reasons among them.
    pub reasons: BTreeMap<String, u64>,
    /// Answers a script held back.
    pub withheld: u64,
    /// Requests whose connection ended before the answer.
    pub cut: u64,
    /// Requests the sender reset before the answer.
    pub reset_by_sender: u64,
    /// What accepted notifications did at the phones, stored ones once more when they are shown.
    pub effects: BTreeMap<Effect, u64>,
    /// Requests that phones made by themselves, because something interrupted.
    pub answers: u64,
    /// Those that were not made, because too many waited.
    pub answers_lost: u64,
    /// Broadcasts accepted.
    pub broadcasts: u64,
    /// Access tokens that Google's token endpoint gave.
    pub access_tokens: u64,
    /// How often each kind of fault happened.
    pub faults: BTreeMap<String, u64>,
}

impl Counters {
    pub(crate) fn add_effects(&mut self, effects: &BTreeMap<Effect, u64>) {
        for (effect, times) in effects {
            *self.effects.entry(*effect).or_default() += times;
        }
    }

    /// Notifications that became visible on a phone: banners, calls and Live Activity changes.
    pub fn shown(&self) -> u64 {
        [
            Effect::Shown,
            Effect::Replaced,
            Effect::Call,
            Effect::ActivityStarted,
            Effect::ActivityUpdated,
            Effect::ActivityEnded,
        ]
        .iter()
        .filter_map(|effect| self.effects.get(effect))
        .sum()
    }
}
