//! What became of a Live Activity so far: all that the state machine remembers, as it is stored.

use super::channel::Channel;
use super::merge::{compose, merge};
use super::plan::{End, MAX_PHASES, Phase, Plan};
use super::push::ActivityPush;
use crate::UnixMs;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Most updates that are remembered one by one; beyond it the oldest two are one.
const MAX_UPDATES: usize = 16;

/// Where an activity is. See the chart of [`super`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityState {
    /// Its time has not come.
    #[default]
    Planned,
    /// It is started, and no phone has told an update token yet.
    Starting,
    /// At least one phone shows it, or it goes to a channel.
    Active,
    /// It is over.
    Ended,
    /// It was ended before it started.
    Cancelled,
}

impl ActivityState {
    /// All, in the order of [`Self::code`].
    pub const ALL: [Self; 5] = [
        Self::Planned,
        Self::Starting,
        Self::Active,
        Self::Ended,
        Self::Cancelled,
    ];

    /// The number that stands for it in the store: from 0.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The word used in JSON and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Starting => "starting",
            Self::Active => "active",
            Self::Ended => "ended",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Cancelled)
    }
}

/// Why an activity ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// Its plan said so.
    Planned,
    /// Somebody asked for it.
    Asked,
    /// Nobody said anything about it for as long as its plan allows.
    Silence,
    /// Before the system ends it by itself.
    Limit,
    /// Its time had passed before it could start.
    Missed,
}

impl EndCause {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Asked => "asked",
            Self::Silence => "silence",
            Self::Limit => "limit",
            Self::Missed => "missed",
        }
    }
}

/// A change of the state that somebody sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Update {
    pub(super) at: UnixMs,
    pub(super) patch: Value,
}

/// A phase that was shown, or passed over for what came after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Applied {
    /// Its time by the plan.
    pub(super) at: UnixMs,
    /// When it was done.
    pub(super) done_at: UnixMs,
    /// The plan moved it to a later time since: it will be shown again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_left: bool,
}

/// One phone on which it is, or is to be, shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phone {
    /// When a start was last pushed to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<UnixMs>,
    /// The device that keeps the push-to-start token by which it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<i64>,
    /// How often it was.
    #[serde(default)]
    pub starts: u16,
    /// How many of those starts were refused.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused: u16,
    /// The last one was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_refused: bool,
    /// When it is pushed again because of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_at: Option<UnixMs>,
    /// The device that keeps its update token, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_token_of: Option<i64>,
    /// The one before it, while it rotates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_before: Option<i64>,
    /// Whether its update token is known.
    #[serde(default)]
    pub has_token: bool,
    /// Whether the person lets the app update often, as far as the phone says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequent: Option<bool>,
    /// Its budget was spent when the state changed: it gets that by the next push.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_owed: bool,
    /// The number of the state that it was told last.
    #[serde(default)]
    pub told: u32,
    /// Whether it was said that no token came.
    #[serde(default)]
    pub is_reported: bool,
    /// It shows it no more, or never will.
    #[serde(default)]
    pub is_gone: bool,
    /// That is because its update token died.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_dead: bool,
    /// It was not asked to start it: it shows as many as it may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_no_room: bool,
    /// It was told the end.
    #[serde(default)]
    pub is_ended: bool,
    /// It is told by FCM, at its own push token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_android: bool,
    /// An iPhone whose update token is reached through FCM.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_through_fcm: bool,
}

impl Phone {
    fn is_told(&self, seq: u32) -> bool {
        self.told >= seq
    }

    /// Whether a push reaches it.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.has_token && !self.is_gone && !self.is_ended
    }

    pub(super) fn is_behind(&self, seq: u32) -> bool {
        self.is_reachable() && !self.is_told(seq)
    }
}

fn is_zero(number: &u16) -> bool {
    *number == 0
}

/// What became of an activity so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Where it is.
    pub state: ActivityState,
    /// When it was started, or the app told of it.
    pub started_at: Option<UnixMs>,
    /// When it ended, and why.
    pub ended: Option<(UnixMs, EndCause)>,
    /// Rises with each state that is shown.
    pub seq: u32,
    /// The state of that number.
    pub shown: Option<Value>,
    /// The phones, by their devices' numbers.
    pub phones: BTreeMap<i64, Phone>,
    pub(super) updates: Vec<Update>,
    /// The alert of an update that has not been pushed.
    pub(super) alert: Option<super::request::ActivityAlert>,
    pub(super) applied: BTreeMap<String, Applied>,
    pub(super) timestamp: i64,
    pub(super) pushed_at: Option<UnixMs>,
    pub(super) heard_at: UnixMs,
    /// When the last pushes at once to a channel were, for the hour's budget. Phones are counted over all that they show.
    pub(super) urgent: Vec<UnixMs>,
    /// How many pushes at once each phone got within the hour, of all its activities: of this turn.
    #[serde(skip)]
    pub(super) spent: BTreeMap<i64, u32>,
    /// The alert that phones are owed which were beyond their budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owed_alert: Option<super::request::ActivityAlert>,
    pub(super) is_warned: bool,
    pub(super) asked_end: Option<AskedEnd>,
    /// The channel that is made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
}

/// The end that somebody asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct AskedEnd {
    content_state: Option<Value>,
    dismiss_after_ms: Option<i64>,
    alert: Option<super::request::ActivityAlert>,
}

/// What is written down of a turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What happened.
    pub what: RecordKind,
    /// The phase, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// When it was due by the plan.
    pub due_at: UnixMs,
    /// How many phones were told by push.
    pub phones: u32,
    /// How many are told when their token comes.
    pub waiting: u32,
    /// The phone, by its device's number, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<i64>,
    /// Why, where something was refused or is less than it was meant to be: the gateway's reason, or our word. `budget`: it
    /// was pushed when it suits the phone, because the hour's budget of pushes at once is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What happened in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// Phones were asked to start it.
    Started,
    /// A phase was shown.
    Phase,
    /// A phase was shown late, without its alert.
    LatePhase,
    /// A phase's time passed, and what was shown was the state after a later one.
    PassedOver,
    /// The state changed by an update or a change of plan.
    Updated,
    /// Phones that had missed it were told the present state.
    CaughtUp,
    /// A start was refused: that phone surely does not show it.
    StartRefused,
    /// A phone was not asked to start it: it shows as many as it may.
    NoRoom,
    /// A phone's update token died: it is told nothing more until it tells another one.
    TokenDead,
    /// It ended.
    Ended,
    /// It was cancelled before its start.
    Cancelled,
}

/// What people are to be told of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It started, with so many phones asked.
    Started,
    /// No phone of its recipient has a push-to-start token for it.
    TokenMissing,
    /// A phone was asked to start it and told no token in time.
    StartUnanswered(i64),
    /// A phone's update token died.
    TokenDead,
    /// The system would end it in half an hour, and so it will be ended.
    EndsSoon,
    /// It ended.
    Ended(EndCause),
    /// Its channel is made.
    ChannelMade,
    /// Its channel could not be made or deleted, or may be there twice; what the channel's `error` says.
    ChannelTrouble,
    /// The app has so many channels in this environment, and soon no room for another one.
    ChannelsNearlyFull(u32),
}

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// What is pushed; at most one, so that it is one notification.
    pub push: Option<ActivityPush>,
    /// What is written down.
    pub records: Vec<Record>,
    /// What people are told.
    pub notices: Vec<Notice>,
    /// When to look again.
    pub next_at: Option<UnixMs>,
}

impl Run {
    /// The run of an activity that was declared at `now`.
    #[must_use]
    pub fn new(now: UnixMs) -> Self {
        Self {
            heard_at: now,
            ..Self::default()
        }
    }

    /// The state by the plan and by what was said, at `now`: the first state, then phases that have come and updates,
    /// in order of time. What was shown once stays, even where the clock was set back.
    #[must_use]
    pub fn state_at(&self, plan: &Plan, now: UnixMs) -> Value {
        let phases = plan
            .phases
            .iter()
            .filter_map(|phase| match self.done(phase) {
                Some(done_at) => Some((phase.at.min(done_at), phase)),
                None => (phase.at <= now).then_some((phase.at, phase)),
            });
        let phases = phases.map(|(at, phase)| (at, &phase.content_state, phase.replace));
        let updates = self
            .updates
            .iter()
            .map(|update| (update.at, &update.patch, false));
        let mut changes: Vec<_> = phases.chain(updates).collect();
        changes.sort_by_key(|(at, ..)| *at);
        let mut state = plan.content_state.clone();
        for (_, change, is_whole) in changes {
            if is_whole {
                state = change.clone();
            } else {
                merge(&mut state, change);
            }
        }
        state
    }

    /// Somebody said something about it.
    pub fn heard(&mut self, now: UnixMs) {
        self.heard_at = self.heard_at.max(now);
    }

    /// The state changes now.
    pub fn update(
        &mut self,
        patch: Value,
        alert: Option<super::request::ActivityAlert>,
        now: UnixMs,
    ) {
        self.heard(now);
        let at = self.updates.last().map_or(now, |last| now.max(last.at));
        self.updates.push(Update { at, patch });
        if self.updates.len() > MAX_UPDATES {
            let oldest = self.updates.remove(0);
            let second = &mut self.updates[0];
            let mut both = oldest.patch;
            compose(&mut both, &second.patch);
            second.patch = both;
        }
        if alert.is_some() {
            self.alert = alert;
        }
    }

    /// The plan is another now: a phase that was shown and comes later now will be shown again; what was shown and
    /// stays in the past is not repeated.
    pub fn replan(&mut self, old: &Plan, new: &Plan, now: UnixMs) {
        self.heard(now);
        if old.content_state != new.content_state {
            // The declaration itself says what is shown now.
            self.updates.clear();
        }
        for phase in &new.phases {
            if let Some(applied) = self.applied.get_mut(&phase.name) {
                let is_moved = phase.at != applied.at && phase.at > now;
                applied.is_left = phase.at > applied.done_at && (applied.is_left || is_moved);
                applied.at = phase.at;
            }
        }
        // What is taken out of the plan is remembered, in case it comes back; but not without end.
        if self.applied.len() > 2 * MAX_PHASES {
            let is_there = |name: &String| new.phases.iter().any(|phase| phase.name == *name);
            self.applied.retain(|name, _| is_there(name));
        }
    }

    /// When a phase was shown or passed over; `None`: it is still to come, or to come again.
    pub(super) fn done(&self, phase: &Phase) -> Option<UnixMs> {
        let applied = self.applied.get(&phase.name)?;
        (!applied.is_left).then_some(applied.done_at)
    }

    /// It is to end now.
    pub fn ask_end(&mut self, end: End, now: UnixMs) {
        self.heard(now);
        self.asked_end.get_or_insert(AskedEnd {
            content_state: end.content_state,
            dismiss_after_ms: end.dismiss_after_ms,
            alert: end.alert,
        });
    }

    /// A phone told its update token, for the first time or a new one, and what it shows, if it says so. `false`: the
    /// activity is over, and this phone has nothing to wait for.
    pub fn tell_update_token(&mut self, phone: i64, shows: Option<&Value>, now: UnixMs) -> bool {
        let is_waiting = |phone: &Phone| phone.asked_at.is_some() && !phone.is_ended;
        if self.state.is_over() && !self.phones.get(&phone).is_some_and(is_waiting) {
            return false;
        }
        if self.shown.is_none()
            && let Some(shows) = shows
        {
            // The app started it: what it shows is where the timeline begins.
            (self.seq, self.shown) = (self.seq + 1, Some(shows.clone()));
        }
        let seq = self.seq;
        let is_shown = shows.is_some() && shows == self.shown.as_ref();
        let phone = self.phones.entry(phone).or_default();
        phone.has_token = true;
        // One that tells a token shows it, whatever was heard before.
        (phone.is_gone, phone.is_dead, phone.is_refused) = (false, false, false);
        (phone.again_at, phone.has_no_room) = (None, false);
        if is_shown {
            phone.told = seq;
        }
        if !self.state.is_over() {
            self.started_at.get_or_insert(now);
            self.state = ActivityState::Active;
        }
        true
    }

    /// Its update token is kept at this device from now on, and reached there directly or through FCM.
    pub fn keep_push_token(&mut self, phone: i64, push_token_of: i64, is_through_fcm: bool) {
        if let Some(phone) = self.phones.get_mut(&phone)
            && phone.push_token_of != Some(push_token_of)
        {
            phone.token_before = phone.push_token_of.replace(push_token_of);
            // Whatever it was taken for: it told a token of Apple's.
            (phone.is_android, phone.is_through_fcm) = (false, is_through_fcm);
        }
    }

    /// A phone shows it no more: it said so.
    pub fn gone(&mut self, phone: i64) {
        if let Some(phone) = self.phones.get_mut(&phone) {
            (phone.is_gone, phone.is_dead) = (true, false);
        }
    }

    /// Whether no phone shows it any more.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        self.phones.values().all(|phone| phone.is_gone)
    }

    /// A phone did not start it: the app says that none runs. It may be asked again.
    pub fn not_started(&mut self, phone: i64) {
        if let Some(phone) = self.phones.get_mut(&phone)
            && !phone.has_token
        {
            phone.asked_at = None;
            (phone.is_refused, phone.again_at) = (false, None);
            if phone.is_dead {
                (phone.is_gone, phone.is_dead) = (false, false);
            }
        }
    }

    pub(super) fn last_end(&self, plan: &Plan) -> End {
        match &self.asked_end {
            Some(asked) => End {
                content_state: asked
                    .content_state
                    .clone()
                    .or_else(|| plan.end.content_state.clone()),
                dismiss_after_ms: asked.dismiss_after_ms.or(plan.end.dismiss_after_ms),
                alert: asked.alert.clone(),
            },
            None => plan.end.clone(),
        }
    }
}
