//! One app on one phone: what it makes of a message that Google has taken.
//!
//! Sources: "About FCM messages" and "Receive messages in an Android app" (foreground and
//! background, data and notification), "Set and manage message priority" (Doze).

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::content::Push;
use super::order::Platform;
use super::store::{Kept, Store};
use crate::fcm::quota::Bucket;
use crate::phone::Effect;

/// One entry of what an app has shown or been handed.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) push: Push,
    pub(super) shown_at_ms: i64,
    pub(super) effect: Effect,
    pub(super) times: u32,
}

/// An app on a phone, and the phone around it.
#[derive(Debug)]
pub(super) struct Installation {
    pub(super) project: Arc<str>,
    pub(super) app: Arc<str>,
    pub(super) platform: Platform,
    pub(super) registration_token: Arc<str>,
    pub(super) fid: Arc<str>,
    pub(super) online: bool,
    pub(super) doze: bool,
    pub(super) foreground: bool,
    pub(super) force_stopped: bool,
    pub(super) installed: bool,
    pub(super) expired: bool,
    pub(super) notifications: bool,
    pub(super) topics: BTreeSet<String>,
    pub(super) store: Store,
    pub(super) shown: VecDeque<Shown>,
    pub(super) effects: Vec<(Effect, u32)>,
    pub(super) deleted_messages: u32,
    pub(super) quota: Bucket,
}

impl Installation {
    fn note(&mut self, effect: Effect, happened: &mut Vec<Effect>) -> Effect {
        match self.effects.iter_mut().find(|(known, _)| *known == effect) {
            Some((_, count)) => *count += 1,
            None => self.effects.push((effect, 1)),
        }
        happened.push(effect);
        effect
    }

    fn must_wait(&self, push: &Push) -> bool {
        !self.online || (self.doze && !push.content.is_high)
    }

    /// Takes an accepted message to the app, or keeps it. `happened` gets everything that did.
    pub(super) fn deliver(
        &mut self,
        push: Push,
        now_ms: i64,
        max_shown: usize,
        happened: &mut Vec<Effect>,
    ) -> Effect {
        if !self.must_wait(&push) {
            return self.show(push, now_ms, max_shown, happened);
        }
        if push.content.ttl_ms <= 0 {
            return self.note(Effect::Missed, happened);
        }
        let sleeps = self.online;
        match self.store.keep(push) {
            Kept::Replaced => self.note(Effect::StoredOver, happened),
            Kept::DiscardedAll => self.note(Effect::Discarded, happened),
            kept => {
                if kept == Kept::Displaced {
                    self.note(Effect::Displaced, happened);
                }
                let effect = if sleeps { Effect::Held } else { Effect::Stored };
                self.note(effect, happened)
            }
        }
    }

    /// Gets what was kept, as far as it may now.
    pub(super) fn catch_up(&mut self, now_ms: i64, max_shown: usize, happened: &mut Vec<Effect>) {
        if !self.online {
            return;
        }
        let (waiting, deleted) = self.store.take();
        for push in waiting {
            if push.at_ms + push.content.ttl_ms <= now_ms {
                self.note(Effect::Missed, happened);
            } else if self.must_wait(&push) {
                self.store.keep(push);
            } else {
                self.show(push, now_ms, max_shown, happened);
            }
        }
        if deleted && self.doze {
            self.store.deleted = true;
        } else if deleted {
            self.deleted_messages += 1;
        }
    }

    fn show(
        &mut self,
        push: Push,
        now_ms: i64,
        max_shown: usize,
        happened: &mut Vec<Effect>,
    ) -> Effect {
        let is_visible = push.content.notification.is_some();
        let effect = if self.force_stopped {
            Effect::Ignored
        } else if !is_visible || self.foreground {
            Effect::Woken
        } else if !self.notifications {
            Effect::Suppressed
        } else if self.place_of(&push).is_some() {
            Effect::Replaced
        } else {
            Effect::Shown
        };
        if matches!(effect, Effect::Shown | Effect::Replaced | Effect::Woken) {
            self.remember(push, effect, now_ms, max_shown);
        }
        self.note(effect, happened)
    }

    /// Where the notification stands that this one replaces.
    fn place_of(&self, push: &Push) -> Option<usize> {
        let tag = push.content.tag.as_ref()?;
        self.shown.iter().position(|old| {
            matches!(old.effect, Effect::Shown | Effect::Replaced)
                && old.push.content.tag.as_ref() == Some(tag)
        })
    }

    fn remember(&mut self, push: Push, effect: Effect, now_ms: i64, max_shown: usize) {
        let mut times = 1;
        if effect == Effect::Replaced
            && let Some(at) = self.place_of(&push)
            && let Some(old) = self.shown.remove(at)
        {
            times = old.times + 1;
        }
        if self.shown.len() >= max_shown {
            self.shown.pop_front();
        }
        if max_shown > 0 {
            self.shown.push_back(Shown {
                push,
                shown_at_ms: now_ms,
                effect,
                times,
            });
        }
    }
}
