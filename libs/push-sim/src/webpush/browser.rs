//! One browser: its subscription, what it shows, and what waits for it while it is offline.

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::content::{POINT_BYTES, SubscriptionKeys, Unreadable};
use super::notice::{self, Notice};
use super::order::{Subscription, SubscriptionSecrets};
use super::rules::Urgency;
use super::service::WebPushService;
use super::view::{BrowserView, NoticeView, WaitingView};
use crate::phone::Effect;

/// A minute of the rate limit.
const MINUTE_MS: i64 = 60_000;

/// A message on its way to a browser.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) record: u64,
    pub(crate) ttl_secs: u32,
    pub(crate) urgency: Urgency,
    pub(crate) topic: Option<String>,
    /// What the browser reads in it.
    pub(crate) data: Result<Vec<u8>, Unreadable>,
}

#[derive(Debug)]
struct Waiting {
    message: Message,
    expires_at_ms: i64,
}

#[derive(Debug)]
struct Shown {
    record: u64,
    message_id: Uuid,
    at_ms: i64,
    effect: Effect,
    notice: Notice,
}

/// A browser.
#[derive(Debug)]
pub(crate) struct Browser {
    pub(crate) id: u32,
    pub(crate) service: WebPushService,
    pub(crate) subscription_id: String,
    pub(crate) keys: SubscriptionKeys,
    pub(crate) is_subscribed: bool,
    pub(crate) expiration_time: Option<i64>,
    pub(crate) application_server_key: Option<[u8; POINT_BYTES]>,
    pub(crate) user_visible_only: bool,
    pub(crate) knows_declarative: bool,
    pub(crate) online: bool,
    app_badge: u64,
    shown: VecDeque<Shown>,
    waiting: VecDeque<Waiting>,
    silent_pushes: u32,
    unreadable: Option<Unreadable>,
    effects: Vec<(Effect, u32)>,
    minute_from_ms: i64,
    in_minute: u32,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) effect: Effect,
    /// Older messages that were found to be lost on the way.
    pub(crate) missed: usize,
}

impl From<Effect> for Delivered {
    fn from(effect: Effect) -> Delivered {
        Delivered { effect, missed: 0 }
    }
}

/// What a browser needs to know about a delivery besides the message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) now_ms: i64,
    pub(crate) max_shown: usize,
    pub(crate) max_waiting: usize,
    pub(crate) silent_pushes_allowed: Option<u32>,
}

/// What a browser starts with.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) id: u32,
    pub(crate) service: WebPushService,
    pub(crate) subscription_id: String,
    pub(crate) keys: SubscriptionKeys,
    pub(crate) expiration_time: Option<i64>,
    pub(crate) application_server_key: Option<[u8; POINT_BYTES]>,
    pub(crate) user_visible_only: bool,
    pub(crate) knows_declarative: bool,
    pub(crate) online: bool,
}

impl Browser {
    pub(crate) fn new(from: Beginning) -> Browser {
        Browser {
            id: from.id,
            service: from.service,
            subscription_id: from.subscription_id,
            keys: from.keys,
            is_subscribed: true,
            expiration_time: from.expiration_time,
            application_server_key: from.application_server_key,
            user_visible_only: from.user_visible_only,
            knows_declarative: from.knows_declarative,
            online: from.online,
            app_badge: 0,
            shown: VecDeque::new(),
            waiting: VecDeque::new(),
            silent_pushes: 0,
            unreadable: None,
            effects: Vec::new(),
            minute_from_ms: i64::MIN,
            in_minute: 0,
        }
    }

    /// Whether its subscription still takes pushes.
    pub(crate) fn is_live(&self, now_ms: i64) -> bool {
        self.is_subscribed && self.expiration_time.is_none_or(|end| now_ms < end)
    }

    /// Counts a push against the limit; with too many, the seconds until the minute is over.
    pub(crate) fn take_turn(&mut self, now_ms: i64, per_minute: u32) -> Result<(), u64> {
        let since = now_ms.saturating_sub(self.minute_from_ms);
        if !(0..MINUTE_MS).contains(&since) {
            self.minute_from_ms = now_ms;
            self.in_minute = 0;
        }
        if self.in_minute >= per_minute {
            let left_ms = MINUTE_MS - (now_ms - self.minute_from_ms);
            return Err(left_ms.unsigned_abs().div_ceil(1000));
        }
        self.in_minute += 1;
        Ok(())
    }

    /// Takes a message: shown now, kept for later or lost.
    pub(crate) fn deliver(&mut self, message: Message, bounds: Bounds) -> Delivered {
        if self.online {
            return self.receive(message, bounds);
        }
        let delivered = self.keep(message, bounds);
        self.count(delivered.effect);
        delivered
    }

    fn keep(&mut self, message: Message, bounds: Bounds) -> Delivered {
        if message.ttl_secs == 0 || bounds.max_waiting == 0 {
            return Effect::Missed.into();
        }
        let mut missed = self.drop_expired(bounds.now_ms);
        let before = self.waiting.len();
        if message.topic.is_some() {
            self.waiting
                .retain(|older| older.message.topic != message.topic);
        }
        let effect = match self.waiting.len() < before {
            true => Effect::StoredOver,
            false => Effect::Stored,
        };
        if self.waiting.len() >= bounds.max_waiting && self.waiting.pop_front().is_some() {
            self.count(Effect::Missed);
            missed += 1;
        }
        let expires_at_ms = bounds.now_ms + i64::from(message.ttl_secs) * 1000;
        self.waiting.push_back(Waiting {
            message,
            expires_at_ms,
        });
        Delivered { effect, missed }
    }

    /// Comes online: whatever is not yet over is delivered, oldest first.
    pub(crate) fn come_online(&mut self, bounds: Bounds) -> Vec<Effect> {
        self.online = true;
        let mut effects = vec![Effect::Missed; self.drop_expired(bounds.now_ms)];
        while let Some(waiting) = self.waiting.pop_front() {
            let delivered = self.receive(waiting.message, bounds);
            effects.push(delivered.effect);
            effects.extend(std::iter::repeat_n(Effect::Missed, delivered.missed));
        }
        effects
    }

    /// Throws away what is over; how many that were.
    fn drop_expired(&mut self, now_ms: i64) -> usize {
        let before = self.waiting.len();
        self.waiting
            .retain(|waiting| now_ms < waiting.expires_at_ms);
        self.miss(before - self.waiting.len())
    }

    fn miss(&mut self, times: usize) -> usize {
        for _ in 0..times {
            self.count(Effect::Missed);
        }
        times
    }

    /// Takes back a message that waits; false if it does not wait any more.
    pub(crate) fn cancel(&mut self, message_id: Uuid, now_ms: i64) -> bool {
        let found = self
            .waiting
            .iter()
            .position(|waiting| waiting.message.id == message_id && now_ms < waiting.expires_at_ms);
        found.and_then(|at| self.waiting.remove(at)).is_some()
    }

    /// Ends the subscription; how many messages that waited for it are lost.
    pub(crate) fn unsubscribe(&mut self) -> usize {
        self.is_subscribed = false;
        let lost = self.waiting.len();
        self.waiting.clear();
        self.miss(lost)
    }

    fn receive(&mut self, message: Message, bounds: Bounds) -> Delivered {
        let delivered = match message.data {
            Err(unreadable) => {
                self.unreadable = Some(unreadable);
                Effect::Unreadable.into()
            }
            Ok(data) => match notice::read(&data, self.knows_declarative) {
                Some(notice) => self.show(message.id, message.record, notice, bounds).into(),
                None => self.stay_silent(bounds.silent_pushes_allowed),
            },
        };
        self.count(delivered.effect);
        delivered
    }

    fn show(&mut self, message_id: Uuid, record: u64, notice: Notice, bounds: Bounds) -> Effect {
        if let Some(number) = notice.app_badge {
            self.app_badge = number;
        }
        let older = notice.tag.as_ref().and_then(|tag| {
            self.shown
                .iter()
                .position(|shown| shown.notice.tag.as_ref() == Some(tag))
        });
        let effect = match older {
            Some(at) => {
                self.shown.remove(at);
                Effect::Replaced
            }
            None => Effect::Shown,
        };
        if bounds.max_shown > 0 {
            if self.shown.len() >= bounds.max_shown {
                self.shown.pop_front();
            }
            self.shown.push_back(Shown {
                record,
                message_id,
                at_ms: bounds.now_ms,
                effect,
                notice,
            });
        }
        effect
    }

    fn stay_silent(&mut self, allowed: Option<u32>) -> Delivered {
        self.silent_pushes += 1;
        let ends =
            self.user_visible_only && allowed.is_some_and(|allowed| self.silent_pushes >= allowed);
        Delivered {
            effect: Effect::Woken,
            missed: if ends { self.unsubscribe() } else { 0 },
        }
    }

    fn count(&mut self, effect: Effect) {
        match self.effects.iter_mut().find(|(known, _)| *known == effect) {
            Some((_, times)) => *times += 1,
            None => self.effects.push((effect, 1)),
        }
    }

    /// The subscription as the site sees it.
    pub(crate) fn subscription(&self, origin: &str) -> Subscription {
        let path = self.service.endpoint_path(&self.subscription_id);
        Subscription {
            endpoint: format!("{origin}{path}"),
            expiration_time: self.expiration_time,
            keys: SubscriptionSecrets {
                p256dh: self.keys.p256dh(),
                auth: self.keys.auth(),
            },
        }
    }

    pub(crate) fn view(&self, origin: &str, now_ms: i64) -> BrowserView {
        BrowserView {
            id: self.id,
            service: self.service,
            subscription: self.subscription(origin),
            push_token: self.subscription_id.clone(),
            subscribed: self.is_live(now_ms),
            application_server_key: self
                .application_server_key
                .map(|point| URL_SAFE_NO_PAD.encode(point)),
            user_visible_only: self.user_visible_only,
            declarative: self.knows_declarative,
            online: self.online,
            app_badge: self.app_badge,
            shown: self.shown.iter().map(Shown::view).collect(),
            waiting: self
                .waiting
                .iter()
                .filter(|waiting| now_ms < waiting.expires_at_ms)
                .map(Waiting::view)
                .collect(),
            silent_pushes: self.silent_pushes,
            unreadable: self.unreadable.map(|why| why.text().to_owned()),
            effects: self.effects.iter().copied().collect(),
        }
    }
}

impl Shown {
    fn view(&self) -> NoticeView {
        NoticeView {
            record: self.record,
            message_id: self.message_id,
            at_ms: self.at_ms,
            title: self.notice.title.clone(),
            body: self.notice.body.clone(),
            navigate: self.notice.navigate.clone(),
            tag: self.notice.tag.clone(),
            declarative: self.notice.is_declarative,
            mutable: self.notice.is_mutable,
            effect: self.effect,
            options: self.notice.options.clone(),
        }
    }
}

impl Waiting {
    fn view(&self) -> WaitingView {
        WaitingView {
            record: self.message.record,
            message_id: self.message.id,
            topic: self.message.topic.clone(),
            urgency: self.message.urgency,
            expires_at_ms: self.expires_at_ms,
        }
    }
}
