//! One app on one phone: what it makes of a notification that reaches it.
//!
//! Sources: "Sending notification requests to APNs" for what is visible, "Responding to VoIP
//! notifications from PushKit" for calls that must be reported.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Moment;
use super::answer::{AnswerView, Answers, DueAnswer, MAX_REMEMBERED};
use super::interruption::{Aps, CALL_SCREEN, Interruption};
use crate::apns::push_type::{PushTokenKind, PushType};
use crate::host::Environment;
use crate::live_activity::Activity;

/// VoIP pushes without a reported call after which the system stops starting the app.
const MAX_UNREPORTED_CALLS: u32 = 3;

/// A notification on its way to a phone.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    pub(crate) record: u64,
    pub(crate) apns_id: Uuid,
    pub(crate) push_type: PushType,
    pub(crate) expiration: Option<i64>,
    pub(crate) collapse_id: Option<Box<str>>,
    pub(crate) payload: Arc<[u8]>,
}

/// What became of an accepted notification at the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// On the screen, as a new entry.
    Shown,
    /// On the screen, in place of the entry with the same collapse id.
    Replaced,
    /// The app was woken without anything on the screen (background, location, widgets …).
    Woken,
    /// An incoming call was reported.
    Call,
    /// The app reported no call, or has no screen for one, and was killed.
    Killed,
    /// The app was not started: it failed to report calls too often.
    Muted,
    /// Kept for an offline phone; the slot was free.
    Stored,
    /// Kept for an offline phone in place of an older one.
    StoredOver,
    /// The phone was offline and the notification asked not to be kept.
    Missed,
    /// The user has switched notifications off.
    Suppressed,
    /// A Live Activity started.
    ActivityStarted,
    /// A Live Activity changed.
    ActivityUpdated,
    /// A Live Activity ended.
    ActivityEnded,
    /// The phone did nothing (old timestamp, ended activity, incomplete start …).
    Ignored,
    /// The payload was not a JSON object the phone understands.
    Unreadable,
    /// Kept for a dozing Android phone until it wakes.
    Held,
    /// Pushed out of an Android phone's store by another collapse key.
    Displaced,
    /// Came when too many were stored for an Android phone: all of them are lost.
    Discarded,
}

/// One entry of what an app has shown.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) record: u64,
    pub(super) apns_id: Uuid,
    pub(super) collapse_id: Option<Box<str>>,
    pub(super) at_ms: i64,
    pub(super) effect: Effect,
    pub(super) times: u32,
    pub(super) interruption: Option<Interruption>,
    pub(super) because: Option<&'static str>,
    pub(super) payload: Arc<[u8]>,
}

impl Shown {
    /// Whether it is an entry in the list of notifications: a call, and what only woke the app, is none.
    fn is_on_screen(&self) -> bool {
        matches!(self.effect, Effect::Shown | Effect::Replaced)
    }
}

/// What an app makes of a push, before it is remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    pub(super) effect: Effect,
    /// How far it interrupted the owner, where it did.
    interruption: Option<Interruption>,
    /// Why the app was killed.
    because: Option<&'static str>,
}

impl From<Effect> for Judged {
    fn from(effect: Effect) -> Judged {
        Judged {
            effect,
            interruption: None,
            because: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Installation {
    pub(super) bundle: Arc<str>,
    pub(super) environment: Environment,
    pub(super) installed: bool,
    pub(super) notifications: bool,
    pub(super) reports_calls: bool,
    /// What the app was built with.
    pub(super) capabilities: Arc<[String]>,
    pub(super) answers: Answers,
    pub(super) answered: VecDeque<AnswerView>,
    pub(super) tokens: Vec<(PushTokenKind, Box<[u8]>)>,
    pub(super) stored: Option<Box<(Push, PushTokenKind, u32)>>,
    pub(super) shown: VecDeque<Shown>,
    pub(super) effects: Vec<(Effect, u32)>,
    pub(super) unreported_calls: u32,
    pub(super) activities: Vec<Activity>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    aps: Option<Aps>,
}

impl Installation {
    pub(super) fn count(&mut self, effect: Effect) {
        match self.effects.iter_mut().find(|(known, _)| *known == effect) {
            Some((_, count)) => *count += 1,
            None => self.effects.push((effect, 1)),
        }
    }

    /// Everything but Live Activities. The second part is what is done about it, by the app and its owner.
    pub(super) fn take(
        &mut self,
        of: (u32, u16),
        push: Push,
        moment: Moment,
        max_shown: usize,
    ) -> (Effect, Vec<DueAnswer>) {
        let judged = self.judge(&push);
        self.count(judged.effect);
        match judged.effect {
            Effect::Shown | Effect::Replaced | Effect::Woken | Effect::Call | Effect::Killed => {
                self.remember(&push, judged, moment, max_shown);
            }
            _ => {}
        }
        let due = judged
            .interruption
            .map(|far| self.answers.due(of, &push, far));
        (judged.effect, due.unwrap_or_default())
    }

    /// What came of a request that it made.
    pub(super) fn note_answer(&mut self, answer: AnswerView) {
        if self.answered.len() >= MAX_REMEMBERED {
            self.answered.pop_front();
        }
        self.answered.push_back(answer);
    }

    fn judge_call(&mut self) -> Judged {
        if self.unreported_calls >= MAX_UNREPORTED_CALLS {
            return Effect::Muted.into();
        }
        let has_screen = self.capabilities.iter().any(|known| known == CALL_SCREEN);
        let because = match (has_screen, self.reports_calls) {
            (true, true) => {
                return Judged {
                    interruption: Some(Interruption::Call),
                    ..Effect::Call.into()
                };
            }
            (false, _) => "a VoIP push to an app without a call screen",
            (true, false) => "a VoIP push, and the app reported no call",
        };
        self.unreported_calls += 1;
        Judged {
            because: Some(because),
            ..Effect::Killed.into()
        }
    }

    fn judge(&mut self, push: &Push) -> Judged {
        if push.push_type == PushType::Voip {
            return self.judge_call();
        }
        let Ok(payload) = serde_json::from_slice::<Payload>(&push.payload) else {
            return Effect::Unreadable.into();
        };
        let aps = payload.aps.filter(Aps::is_visible);
        let (PushType::Alert, Some(aps)) = (push.push_type, aps) else {
            return Effect::Woken.into();
        };
        if !self.notifications {
            return Effect::Suppressed.into();
        }
        let replaces = push.collapse_id.is_some()
            && self
                .shown
                .iter()
                .any(|entry| entry.is_on_screen() && entry.collapse_id == push.collapse_id);
        let effect = if replaces {
            Effect::Replaced
        } else {
            Effect::Shown
        };
        Judged {
            interruption: Some(aps.interruption(&self.capabilities)),
            ..effect.into()
        }
    }

    pub(super) fn remember(
        &mut self,
        push: &Push,
        judged: Judged,
        moment: Moment,
        max_shown: usize,
    ) {
        let mut entry = Shown {
            record: push.record,
            apns_id: push.apns_id,
            collapse_id: push.collapse_id.clone(),
            at_ms: moment.now_ms,
            effect: judged.effect,
            times: 1,
            interruption: judged.interruption,
            because: judged.because,
            payload: Arc::clone(&push.payload),
        };
        if judged.effect == Effect::Replaced
            && let Some(at) = self
                .shown
                .iter()
                .position(|old| old.is_on_screen() && old.collapse_id == entry.collapse_id)
            && let Some(old) = self.shown.remove(at)
        {
            entry.times = old.times + 1;
        }
        if self.shown.len() >= max_shown {
            self.shown.pop_front();
        }
        if max_shown > 0 {
            self.shown.push_back(entry);
        }
    }
}
