//! Pushes that surely reached no phone: a start that was refused, which may be pushed again, and an update token that
//! is dead.
//!
//! A start without an answer is none of them: the phone may show it.

use super::machine::Rules;
use super::run::{Notice, Phone, Record, RecordKind, Run, Turn};
use crate::UnixMs;
use serde::{Deserialize, Serialize};

/// A push to one phone that surely reached it not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedPush {
    /// The device that keeps the push token.
    pub push_token_of: i64,
    /// When it was pushed.
    pub pushed_at: UnixMs,
    /// Whether it was to start the activity. Else its update token is dead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_start: bool,
    /// The gateway's reason, or our word.
    pub reason: String,
}

impl Phone {
    /// A start that was refused is pushed again by itself then.
    fn again_at(&self) -> Option<UnixMs> {
        self.again_at.filter(|_| !self.has_token && !self.is_gone)
    }

    /// Whether it may be asked to start it: it surely does not show it.
    pub(super) fn is_startable(&self, now: UnixMs, rules: &Rules) -> bool {
        let is_time = !self.is_refused || self.again_at.is_some_and(|at| at <= now);
        self.asked_at.is_none()
            && !self.has_token
            && !self.is_gone
            && self.starts < rules.start_tries
            && is_time
    }
}

impl Run {
    /// The start was pushed to that phone by this push-to-start token.
    pub fn keep_start_token(&mut self, phone: i64, push_token_of: i64) {
        if let Some(phone) = self.phones.get_mut(&phone) {
            phone.asked_by = Some(push_token_of);
        }
    }

    /// A phone told by what it can be asked again.
    pub fn can_start(&mut self, phone: i64) {
        if let Some(phone) = self.phones.get_mut(&phone) {
            (phone.is_refused, phone.again_at) = (false, None);
        }
    }

    /// Whether phones that can start it are to be looked for: a start that was refused is to be pushed again.
    #[must_use]
    pub fn wants_start(&self, now: UnixMs) -> bool {
        let mut times = self.phones.values().filter_map(Phone::again_at);
        times.any(|at| at <= now)
    }

    /// When it next does, after `now`; with `is_due`, also what is due.
    pub(super) fn next_start(&self, now: UnixMs, is_due: bool) -> Option<UnixMs> {
        let times = self.phones.values().filter_map(Phone::again_at);
        times.filter(|at| is_due || *at > now).min()
    }

    /// Of those that were to be asked again, some cannot be any more: they told no other push-to-start token.
    pub(super) fn give_up_starts(&mut self, now: UnixMs) {
        for phone in self.phones.values_mut() {
            if phone.again_at.is_some_and(|at| at <= now) {
                phone.again_at = None;
            }
        }
    }

    /// Phones that could start it and show as many as they may: each is told of once.
    pub(super) fn no_room(&mut self, full: &[i64], now: UnixMs, rules: &Rules, turn: &mut Turn) {
        for no in full {
            let phone = self.phones.entry(*no).or_default();
            let is_new = !phone.has_no_room && phone.is_startable(now, rules);
            if is_new {
                phone.has_no_room = true;
                turn.records.push(Record {
                    phone: Some(*no),
                    reason: Some("no_room".to_owned()),
                    ..self.record(RecordKind::NoRoom, now, 0)
                });
            }
        }
    }

    pub(super) fn hear_refused(
        &mut self,
        refused: &[RefusedPush],
        now: UnixMs,
        rules: &Rules,
        turn: &mut Turn,
    ) {
        for one in refused {
            let heard = if one.is_start {
                self.start_refused(one, now, rules)
            } else {
                self.token_died(one)
            };
            let Some(phone) = heard else {
                continue;
            };
            let what = if one.is_start {
                RecordKind::StartRefused
            } else {
                turn.notices.push(Notice::TokenDead);
                RecordKind::TokenDead
            };
            turn.records.push(Record {
                phone: Some(phone),
                reason: Some(one.reason.clone()),
                ..self.record(what, now, 1)
            });
        }
    }

    /// Which phone's it was; `None`: it is not about the last start that was pushed to one, or it shows it all the same.
    fn start_refused(&mut self, refused: &RefusedPush, now: UnixMs, rules: &Rules) -> Option<i64> {
        let is_it = |(_, phone): &(&i64, &mut Phone)| {
            phone.asked_by == Some(refused.push_token_of)
                && phone.asked_at == Some(refused.pushed_at)
                && !phone.has_token
                && !phone.is_gone
        };
        let (no, phone) = self.phones.iter_mut().find(is_it)?;
        (phone.asked_at, phone.is_refused) = (None, true);
        phone.refused = phone.refused.saturating_add(1);
        let is_again = phone.refused <= rules.start_repeats && phone.starts < rules.start_tries;
        phone.again_at = is_again.then(|| now.saturating_add(rules.start_repeat_after_ms));
        Some(*no)
    }

    /// Which phone's it was; `None`: it is nobody's any more.
    fn token_died(&mut self, refused: &RefusedPush) -> Option<i64> {
        let dead = Some(refused.push_token_of);
        // An Android phone is told by its registration: the next one is told as well.
        let all = self
            .phones
            .iter_mut()
            .filter(|(_, phone)| !phone.is_android);
        for (no, phone) in all {
            if phone.push_token_of == dead && phone.has_token {
                (phone.push_token_of, phone.has_token) = (None, false);
                (phone.is_gone, phone.is_dead) = (true, true);
                // It got nothing of what was pushed there, and is not waited for.
                (phone.told, phone.asked_at) = (0, None);
                return Some(*no);
            }
            if phone.token_before == dead {
                // What was pushed while the token rotated is told by the new one.
                (phone.told, phone.token_before) = (0, None);
            }
        }
        None
    }
}
