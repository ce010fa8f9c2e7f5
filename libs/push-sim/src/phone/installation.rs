//! One app on one phone: what it makes of a notification that reaches it.
//!
//! Sources: "Sending notification requests to APNs" for what is visible, "Responding to VoIP
//! notifications from PushKit" for calls that must be reported.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Moment;
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
    /// The app reported no call and was killed.
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
    pub(super) payload: Arc<[u8]>,
}

#[derive(Debug)]
pub(super) struct Installation {
    pub(super) bundle: Arc<str>,
    pub(super) environment: Environment,
    pub(super) installed: bool,
    pub(super) notifications: bool,
    pub(super) reports_calls: bool,
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

#[derive(Deserialize)]
struct Aps {
    alert: Option<IgnoredAny>,
    badge: Option<IgnoredAny>,
    sound: Option<IgnoredAny>,
}

impl Installation {
    pub(super) fn count(&mut self, effect: Effect) {
        match self.effects.iter_mut().find(|(known, _)| *known == effect) {
            Some((_, count)) => *count += 1,
            None => self.effects.push((effect, 1)),
        }
    }

    /// Everything but Live Activities.
    pub(super) fn take(&mut self, push: Push, moment: Moment, max_shown: usize) -> Effect {
        let effect = self.judge(&push);
        self.count(effect);
        match effect {
            Effect::Shown | Effect::Replaced | Effect::Woken | Effect::Call | Effect::Killed => {
                self.remember(&push, effect, moment, max_shown);
            }
            _ => {}
        }
        effect
    }

    fn judge(&mut self, push: &Push) -> Effect {
        if push.push_type == PushType::Voip {
            if self.unreported_calls >= MAX_UNREPORTED_CALLS {
                return Effect::Muted;
            }
            if self.reports_calls {
                return Effect::Call;
            }
            self.unreported_calls += 1;
            return Effect::Killed;
        }
        let Ok(payload) = serde_json::from_slice::<Payload>(&push.payload) else {
            return Effect::Unreadable;
        };
        let visible = payload
            .aps
            .is_some_and(|aps| aps.alert.is_some() || aps.badge.is_some() || aps.sound.is_some());
        if push.push_type != PushType::Alert || !visible {
            return Effect::Woken;
        }
        if !self.notifications {
            return Effect::Suppressed;
        }
        let replaces = push.collapse_id.is_some()
            && self
                .shown
                .iter()
                .any(|entry| entry.collapse_id == push.collapse_id);
        if replaces {
            Effect::Replaced
        } else {
            Effect::Shown
        }
    }

    pub(super) fn remember(
        &mut self,
        push: &Push,
        effect: Effect,
        moment: Moment,
        max_shown: usize,
    ) {
        let mut entry = Shown {
            record: push.record,
            apns_id: push.apns_id,
            collapse_id: push.collapse_id.clone(),
            at_ms: moment.now_ms,
            effect,
            times: 1,
            payload: Arc::clone(&push.payload),
        };
        if effect == Effect::Replaced
            && let Some(at) = self
                .shown
                .iter()
                .position(|old| old.collapse_id == entry.collapse_id)
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
