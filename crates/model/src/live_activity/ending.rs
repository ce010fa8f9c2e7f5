//! How a Live Activity ends: why and when, and what its phones are told then.

use super::machine::Rules;
use super::merge::merge;
use super::plan::Plan;
use super::push::{ActivityPush, PushKind};
use super::run::{ActivityState, EndCause, Notice, Phone, RecordKind, Run, Turn};
use crate::UnixMs;
use crate::notification::Priority;

impl Run {
    /// Why it is over at `now`, and since when.
    pub(super) fn why_end(
        &self,
        plan: &Plan,
        now: UnixMs,
        rules: &Rules,
    ) -> Option<(EndCause, UnixMs)> {
        if self.asked_end.is_some() {
            return Some((EndCause::Asked, now));
        }
        let silence = self.silence_at(plan).map(|at| (EndCause::Silence, at));
        let limit = self
            .started_at
            .map(|at| (EndCause::Limit, at.saturating_add(rules.longest_ms)));
        let planned = plan.ends_at.map(|at| (EndCause::Planned, at));
        // Of several, the one that came first.
        let reasons = [planned, limit, silence].into_iter().flatten();
        let passed = reasons.filter(|(_, at)| *at <= now);
        passed.min_by_key(|(_, at)| *at)
    }

    pub(super) fn silence_at(&self, plan: &Plan) -> Option<UnixMs> {
        let started_at = self.started_at?;
        Some(
            self.heard_at
                .max(started_at)
                .saturating_add(plan.on_silence_ms?),
        )
    }

    pub(super) fn end(
        &mut self,
        plan: &Plan,
        now: UnixMs,
        cause: EndCause,
        due_at: UnixMs,
        turn: &mut Turn,
    ) {
        if self.state == ActivityState::Planned {
            let is_asked = cause == EndCause::Asked;
            self.state = if is_asked {
                ActivityState::Cancelled
            } else {
                ActivityState::Ended
            };
            let cause = if is_asked { cause } else { EndCause::Missed };
            self.ended = Some((now, cause));
            let what = if is_asked {
                RecordKind::Cancelled
            } else {
                RecordKind::Ended
            };
            turn.records.push(self.record(what, due_at, 0));
            turn.notices.push(Notice::Ended(cause));
            return;
        }
        // Not what the plan has for later than its end.
        let newly = self.newly(plan, now.min(due_at));
        self.pass(&newly, now, turn);
        let last = self.last_end(plan);
        let mut state = self.state_at(plan, now.min(due_at));
        if let Some(change) = &last.content_state {
            merge(&mut state, change);
        }
        self.state = ActivityState::Ended;
        self.ended = Some((due_at, cause));
        self.shows(state);
        turn.push = self.end_push(plan, true, now);
        turn.records
            .push(self.told(RecordKind::Ended, None, due_at, turn.push.as_ref()));
        turn.notices.push(Notice::Ended(cause));
    }

    /// A phone that was asked to start it and told its token only after the end.
    pub(super) fn late_end(&mut self, plan: &Plan, now: UnixMs, turn: &mut Turn) {
        if plan.is_broadcast() || self.behind().is_empty() {
            return;
        }
        turn.push = self.end_push(plan, false, now);
        turn.records
            .push(self.told(RecordKind::CaughtUp, None, now, turn.push.as_ref()));
    }

    fn end_push(&mut self, plan: &Plan, with_alert: bool, now: UnixMs) -> Option<ActivityPush> {
        // An Android phone that was told nothing shows nothing.
        let shows_none = |phone: &&mut Phone| phone.is_android && phone.told == 0;
        for phone in self.phones.values_mut().filter(shows_none) {
            phone.is_gone = true;
        }
        let phones = self.behind();
        if phones.is_empty() && !plan.is_broadcast() {
            return None;
        }
        for phone in &phones {
            if let Some(phone) = self.phones.get_mut(phone) {
                (phone.told, phone.is_ended) = (self.seq, true);
            }
        }
        let last = self.last_end(plan);
        let ended_at = self.ended.map_or(now, |(at, _)| at);
        Some(ActivityPush {
            kind: PushKind::End,
            phones,
            channel: None,
            content_state: self.shown.clone().unwrap_or_default(),
            alert: last.alert.filter(|_| with_alert),
            // The end is the one push that must not wait for the phone's pleasure.
            priority: Priority::High,
            is_beyond_budget: false,
            timestamp: self.stamp(now),
            stale_date: None,
            dismissal_date: last
                .dismiss_after_ms
                .map(|ms| ended_at.saturating_add(ms).div_euclid(1_000)),
        })
    }
}
