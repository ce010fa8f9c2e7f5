//! The state machine: what a Live Activity is to do at an instant, and when to look again. See the chart of [`super`].

use super::plan::{LONGEST_MS, Phase, Plan};
use super::push::{ActivityPush, PushKind};
use super::refused::RefusedPush;
use super::request::{ActivityAlert, PhasePriority, StartBy};
use super::run::{ActivityState, Applied, Notice, Record, RecordKind, Run, Turn};
use crate::UnixMs;
use crate::notification::Priority;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// An hour, over which pushes at once are counted: milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// What holds for every activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Updates within so many milliseconds after a push become one.
    pub coalesce_ms: i64,
    /// A phase that is late by more than so many milliseconds is shown without its alert.
    pub alert_grace_ms: i64,
    /// A start that brought no token after so many milliseconds is reported.
    pub start_deadline_ms: i64,
    /// How often one phone is asked to start it, at most.
    pub start_tries: u16,
    /// How often a start that was refused is pushed again by itself.
    pub start_repeats: u16,
    /// How long after the refusal: milliseconds.
    pub start_repeat_after_ms: i64,
    /// Pushes at once (APNs 10) in an hour to one phone, by all that it shows; beyond it they are pushed when it suits the
    /// phone.
    pub urgent_per_hour: u16,
    /// The same where the person lets the app update often.
    pub urgent_per_hour_frequent: u16,
    /// How many activities one phone shows at most; no more are started there, or adopted.
    pub most_on_a_phone: u16,
    /// It is ended so many milliseconds after its start, before the system does (8 hours).
    pub longest_ms: i64,
    /// So long before that it is told: milliseconds.
    pub warn_before_ms: i64,
    /// How often Apple is asked to make a channel, and to delete it.
    pub channel_tries: u16,
    /// The first pause between two of these; each is twice as long as the one before, up to an hour: milliseconds.
    pub channel_pause_ms: i64,
    /// A channel is deleted so many milliseconds after its activity left the lock screens.
    pub channel_delete_after_ms: i64,
    /// With so many channels of an app in one environment it is told that they run out (Apple: 10,000).
    pub channels_warn_at: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            coalesce_ms: 1_000,
            alert_grace_ms: 60_000,
            start_deadline_ms: 120_000,
            start_tries: 3,
            start_repeats: 1,
            start_repeat_after_ms: 10_000,
            urgent_per_hour: 12,
            urgent_per_hour_frequent: 60,
            most_on_a_phone: 5,
            longest_ms: LONGEST_MS,
            warn_before_ms: HOUR_MS / 2,
            channel_tries: 12,
            channel_pause_ms: 5_000,
            channel_delete_after_ms: 600_000,
            channels_warn_at: 9_000,
        }
    }
}

/// What was found out for a turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Phones of its recipient with a push-to-start token for its type; they matter only where Carillon starts it.
    pub startable: Vec<i64>,
    /// Phones that could start it and show as many as they may.
    pub full: Vec<i64>,
    /// Pushes that surely reached nobody, since the last turn.
    pub refused: Vec<RefusedPush>,
    /// How many pushes at once phones got within the hour, by all that they show; none: not here.
    pub spent: BTreeMap<i64, u32>,
}

impl Look {
    /// Of phones that can start it, and nothing else.
    #[must_use]
    pub fn startable(phones: &[i64]) -> Self {
        Self {
            startable: phones.to_vec(),
            ..Self::default()
        }
    }
}

impl Run {
    /// What is to be done at `now`.
    pub fn turn(&mut self, plan: &Plan, now: UnixMs, look: &Look, rules: &Rules) -> Turn {
        let startable = &look.startable[..];
        self.spent.clone_from(&look.spent);
        let mut turn = Turn::default();
        if self.state.is_over() {
            self.late_end(plan, now, &mut turn);
            return turn;
        }
        self.hear_refused(&look.refused, now, rules, &mut turn);
        self.no_room(&look.full, now, rules, &mut turn);
        if let Some((cause, due_at)) = self.why_end(plan, now, rules) {
            self.end(plan, now, cause, due_at, &mut turn);
            return turn;
        }
        match self.state {
            ActivityState::Planned if now < plan.starts_at || self.lacks_channel(plan) => {}
            ActivityState::Planned => self.begin(plan, now, startable, rules, &mut turn),
            _ => self.run_on(plan, now, startable, rules, &mut turn),
        }
        if self.state != ActivityState::Planned {
            self.watch(plan, now, rules, &mut turn);
        }
        let is_resting = turn.next_at.is_some();
        let next_at = self.next_at(plan, now, startable, is_resting, rules);
        turn.next_at = turn.next_at.into_iter().chain(next_at).min();
        turn
    }

    fn begin(
        &mut self,
        plan: &Plan,
        now: UnixMs,
        startable: &[i64],
        rules: &Rules,
        turn: &mut Turn,
    ) {
        self.started_at = Some(now);
        let newly = self.newly(plan, now);
        self.pass(&newly, now, turn);
        self.shows(self.state_at(plan, now));
        self.alert = None;
        turn.notices.push(Notice::Started);
        if plan.is_broadcast() {
            self.begin_broadcast(plan, now, startable, rules, turn);
            return;
        }
        self.state = ActivityState::Starting;
        let is_pushed = plan.start == StartBy::Push;
        // Where the app starts it, who told a token already made it active.
        let mut phones = if is_pushed {
            self.startable(startable, now, rules)
        } else {
            Vec::new()
        };
        phones.extend(self.fresh_androids());
        if phones.is_empty() {
            let has_room = !self.phones.values().any(|phone| phone.has_no_room);
            turn.notices
                .extend((is_pushed && has_room).then_some(Notice::TokenMissing));
            return;
        }
        self.start(plan, now, phones, rules, turn);
    }

    fn start(
        &mut self,
        plan: &Plan,
        now: UnixMs,
        phones: Vec<i64>,
        rules: &Rules,
        turn: &mut Turn,
    ) {
        for phone in &phones {
            let seq = self.seq;
            let phone = self.phones.entry(*phone).or_default();
            (phone.asked_at, phone.told) = (Some(now), seq);
            (phone.is_reported, phone.is_refused) = (false, false);
            (phone.again_at, phone.has_no_room) = (None, false);
            phone.starts = phone.starts.saturating_add(1);
            if phone.is_android {
                // It has nothing to tell: it shows it.
                self.state = ActivityState::Active;
            }
        }
        let alert = plan.alert.clone();
        let push = self.push(PushKind::Start, phones, plan, alert, true, now, rules);
        let what = RecordKind::Started;
        turn.records
            .push(self.told(what, None, plan.starts_at, Some(&push)));
        turn.push = Some(push);
    }

    /// Phones that are to be asked to start it: those that were not, or definitely did not.
    fn startable(&self, startable: &[i64], now: UnixMs, rules: &Rules) -> Vec<i64> {
        let is_open = |phone: &&i64| match self.phones.get(phone) {
            None => true,
            Some(known) => known.is_startable(now, rules),
        };
        startable.iter().filter(is_open).copied().collect()
    }

    fn run_on(
        &mut self,
        plan: &Plan,
        now: UnixMs,
        startable: &[i64],
        rules: &Rules,
        turn: &mut Turn,
    ) {
        let newly = self.newly(plan, now);
        let wanted = self.state_at(plan, now);
        let is_changed = self.shown.as_ref() != Some(&wanted);
        if !newly.is_empty() {
            self.phases(plan, &newly, wanted, is_changed, now, rules, turn);
            return;
        }
        if is_changed || self.alert.is_some() {
            if let Some(at) = self.rests_until(now, rules) {
                turn.next_at = Some(at);
                return;
            }
            let alert = self.alert.take();
            let is_urgent = alert.is_some();
            let push = self.change(plan, wanted, alert, is_urgent, now, rules);
            turn.records
                .push(self.told(RecordKind::Updated, None, now, push.as_ref()));
            turn.push = push;
            return;
        }
        let behind: Vec<i64> = self.behind();
        if !behind.is_empty() {
            let (behind, alert, is_owed) = self.owed(behind);
            for phone in &behind {
                if let Some(phone) = self.phones.get_mut(phone) {
                    phone.told = self.seq;
                }
            }
            let kind = PushKind::Update;
            let push = self.push(kind, behind, plan, alert, is_owed, now, rules);
            let what = RecordKind::CaughtUp;
            turn.records.push(self.told(what, None, now, Some(&push)));
            turn.push = Some(push);
            return;
        }
        if plan.start == StartBy::Push && !plan.is_broadcast() {
            let phones = self.startable(startable, now, rules);
            if !phones.is_empty() {
                self.start(plan, now, phones, rules, turn);
            }
            self.give_up_starts(now);
        }
    }

    /// Updates shortly after a push wait until so much time has passed. Never longer than that, whatever the clock does.
    fn rests_until(&self, now: UnixMs, rules: &Rules) -> Option<UnixMs> {
        let pushed_at = self.pushed_at?;
        let until = pushed_at.saturating_add(rules.coalesce_ms);
        (pushed_at <= now && now < until).then_some(until)
    }

    /// Phases that have come and were not shown, in order of time.
    pub(super) fn newly(&self, plan: &Plan, now: UnixMs) -> Vec<Phase> {
        let is_new = |phase: &&Phase| phase.at <= now && self.done(phase).is_none();
        plan.phases.iter().filter(is_new).cloned().collect()
    }

    fn apply(&mut self, phases: &[Phase], now: UnixMs) {
        for phase in phases {
            let applied = Applied {
                at: phase.at,
                done_at: now,
                is_left: false,
            };
            self.applied.insert(phase.name.clone(), applied);
        }
    }

    /// Phases whose time passed without being shown: a later one is, or the end, or the start came after them.
    pub(super) fn pass(&mut self, phases: &[Phase], now: UnixMs, turn: &mut Turn) {
        self.apply(phases, now);
        turn.records.extend(phases.iter().map(|phase| Record {
            what: RecordKind::PassedOver,
            phase: Some(phase.name.clone()),
            due_at: phase.at,
            phones: 0,
            waiting: 0,
            phone: None,
            reason: None,
        }));
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one call, of what its caller has worked out"
    )]
    fn phases(
        &mut self,
        plan: &Plan,
        newly: &[Phase],
        wanted: Value,
        is_changed: bool,
        now: UnixMs,
        rules: &Rules,
        turn: &mut Turn,
    ) {
        let Some((last, passed)) = newly.split_last() else {
            return;
        };
        self.apply(std::slice::from_ref(last), now);
        self.pass(passed, now, turn);
        let is_late = |phase: &Phase| now.saturating_sub(phase.at) > rules.alert_grace_ms;
        let on_time = newly.iter().rev().filter(|phase| !is_late(phase));
        let alert = on_time.filter_map(|phase| phase.alert.clone()).next();
        let alert = alert.or_else(|| self.alert.take());
        self.alert = None;
        let is_urgent = alert.is_some()
            || newly
                .iter()
                .any(|phase| phase.priority != PhasePriority::Low);
        let push = if is_changed || alert.is_some() {
            self.change(plan, wanted, alert, is_urgent, now, rules)
        } else {
            None
        };
        let what = if is_late(last) {
            RecordKind::LatePhase
        } else {
            RecordKind::Phase
        };
        turn.records
            .push(self.told(what, Some(last), last.at, push.as_ref()));
        turn.push = push;
    }

    pub(super) fn shows(&mut self, state: Value) {
        self.seq += 1;
        self.shown = Some(state);
    }

    pub(super) fn behind(&self) -> Vec<i64> {
        let behind = self
            .phones
            .iter()
            .filter(|(_, phone)| phone.is_behind(self.seq));
        behind.map(|(no, _)| *no).collect()
    }

    /// Shows another state, and tells it to the phones that can be told.
    fn change(
        &mut self,
        plan: &Plan,
        state: Value,
        alert: Option<ActivityAlert>,
        is_urgent: bool,
        now: UnixMs,
        rules: &Rules,
    ) -> Option<ActivityPush> {
        self.shows(state);
        self.forget_owed();
        let mut phones = self.behind();
        if phones.is_empty() && !plan.is_broadcast() {
            return None;
        }
        if is_urgent {
            phones = self.at_once(phones, alert.as_ref(), plan, rules);
        }
        for phone in &phones {
            if let Some(phone) = self.phones.get_mut(phone) {
                phone.told = self.seq;
            }
        }
        Some(self.push(PushKind::Update, phones, plan, alert, is_urgent, now, rules))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each caller has them at hand, and a struct for them would be used here alone"
    )]
    pub(super) fn push(
        &mut self,
        kind: PushKind,
        phones: Vec<i64>,
        plan: &Plan,
        alert: Option<ActivityAlert>,
        is_urgent: bool,
        now: UnixMs,
        rules: &Rules,
    ) -> ActivityPush {
        let is_beyond_budget = is_urgent && self.is_beyond_budget(&phones, plan, now, rules);
        let is_urgent = is_urgent && !is_beyond_budget;
        if is_urgent && plan.is_broadcast() {
            self.urgent.push(now);
        }
        self.pushed_at = Some(now);
        let stale_at = plan
            .stale_after_ms
            .map(|ms| plan.ends_at.unwrap_or(now).saturating_add(ms));
        let channel = self.channel_id(plan).filter(|_| kind == PushKind::Start);
        let channel = channel.map(str::to_owned);
        ActivityPush {
            kind,
            phones,
            channel,
            content_state: self.shown.clone().unwrap_or_default(),
            alert,
            priority: if is_urgent {
                Priority::High
            } else {
                Priority::Normal
            },
            is_beyond_budget,
            timestamp: self.stamp(now),
            stale_date: stale_at.map(|at| at.div_euclid(1_000)),
            dismissal_date: None,
        }
    }

    /// Whether the budget of one of these phones, or of the channel, is spent.
    fn is_beyond_budget(
        &mut self,
        phones: &[i64],
        plan: &Plan,
        now: UnixMs,
        rules: &Rules,
    ) -> bool {
        if !plan.is_broadcast() {
            let (_, beyond) = self.by_budget(phones.to_vec(), plan, rules);
            return !beyond.is_empty();
        }
        // What a clock that was set back has before it does not count either.
        self.urgent.retain(|at| (now - HOUR_MS..=now).contains(at));
        let budget = if plan.frequent {
            rules.urgent_per_hour_frequent
        } else {
            rules.urgent_per_hour
        };
        self.urgent.len() >= usize::from(budget)
    }

    /// The time of a push in Unix seconds: later than that of the one before, whatever the clock says.
    pub(super) fn stamp(&mut self, now: UnixMs) -> i64 {
        self.timestamp = now.div_euclid(1_000).max(self.timestamp + 1);
        self.timestamp
    }

    fn watch(&mut self, plan: &Plan, now: UnixMs, rules: &Rules, turn: &mut Turn) {
        for (no, phone) in &mut self.phones {
            let is_unanswered = !phone.has_token
                && !phone.is_reported
                && phone
                    .asked_at
                    .is_some_and(|at| now >= at.saturating_add(rules.start_deadline_ms));
            if is_unanswered {
                phone.is_reported = true;
                turn.notices.push(Notice::StartUnanswered(*no));
            }
        }
        if let Some(at) = self.warns_at(plan, rules)
            && at <= now
        {
            self.is_warned = true;
            turn.notices.push(Notice::EndsSoon);
        }
    }

    /// When it is told that it will be ended before the system does; never where it ends before by its plan.
    fn warns_at(&self, plan: &Plan, rules: &Rules) -> Option<UnixMs> {
        let limit = self.started_at?.saturating_add(rules.longest_ms);
        let is_needed = !self.is_warned && plan.ends_at.is_none_or(|at| at > limit);
        is_needed.then(|| limit.saturating_sub(rules.warn_before_ms))
    }

    fn next_at(
        &self,
        plan: &Plan,
        now: UnixMs,
        startable: &[i64],
        is_resting: bool,
        rules: &Rules,
    ) -> Option<UnixMs> {
        if self.state.is_over() {
            return None;
        }
        let mut times = vec![plan.ends_at];
        if self.state == ActivityState::Planned {
            // Without its channel it does not start, and with it it is looked at again.
            times.push((!self.lacks_channel(plan)).then_some(plan.starts_at));
        } else {
            let is_open = |phase: &&Phase| self.done(phase).is_none();
            let phase = plan.phases.iter().find(is_open);
            times.push(phase.map(|phase| phase.at));
            times.push(self.silence_at(plan));
            times.push(self.warns_at(plan, rules));
            times.push(
                self.started_at
                    .map(|at| at.saturating_add(rules.longest_ms)),
            );
            let waiting = self
                .phones
                .values()
                .filter(|phone| !phone.has_token && !phone.is_reported);
            let deadlines = waiting.filter_map(|phone| phone.asked_at);
            times.push(
                deadlines
                    .min()
                    .map(|at| at.saturating_add(rules.start_deadline_ms)),
            );
            let starts = plan.start == StartBy::Push
                && !plan.is_broadcast()
                && !self.startable(startable, now, rules).is_empty();
            times.push(self.next_start(now, !is_resting));
            if !is_resting && (starts || !self.behind().is_empty()) {
                times.push(Some(now));
            }
        }
        times.into_iter().flatten().min()
    }

    pub(super) fn record(&self, what: RecordKind, due_at: UnixMs, phones: usize) -> Record {
        Record {
            what,
            phase: None,
            due_at,
            phones: u32::try_from(phones).unwrap_or(u32::MAX),
            waiting: self.waiting(),
            phone: None,
            reason: None,
        }
    }

    pub(super) fn told(
        &self,
        what: RecordKind,
        phase: Option<&Phase>,
        due_at: UnixMs,
        push: Option<&ActivityPush>,
    ) -> Record {
        Record {
            phase: phase.map(|phase| phase.name.clone()),
            reason: push
                .filter(|push| push.is_beyond_budget)
                .map(|_| "budget".to_owned()),
            ..self.record(what, due_at, push.map_or(0, |push| push.phones.len()))
        }
    }

    /// Phones that are told when their token comes.
    fn waiting(&self) -> u32 {
        let waiting = self
            .phones
            .values()
            .filter(|phone| !phone.has_token && !phone.is_gone && !phone.has_no_room);
        u32::try_from(waiting.count()).unwrap_or(u32::MAX)
    }
}
