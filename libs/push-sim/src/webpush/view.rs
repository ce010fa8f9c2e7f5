//! What a browser's owner sees, for reading.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::order::Subscription;
use super::rules::Urgency;
use super::service::WebPushService;
use crate::phone::Effect;

/// A browser as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BrowserView {
    /// Number of the browser.
    pub id: u32,
    /// Whose push service it uses.
    pub service: WebPushService,
    /// Its current subscription, or the last one.
    pub subscription: Subscription,
    /// The last part of the endpoint: what faults and records know the subscription by.
    pub push_token: String,
    /// The subscription is alive.
    pub subscribed: bool,
    /// The VAPID public key it is bound to, in base64url.
    pub application_server_key: Option<String>,
    /// The site promised that every push shows something.
    pub user_visible_only: bool,
    /// It reads Declarative Web Push itself.
    pub declarative: bool,
    /// Reachable.
    pub online: bool,
    /// The number on the app's icon; 0 is none.
    pub app_badge: u64,
    /// Newest entries of what it showed, oldest first.
    pub shown: Vec<NoticeView>,
    /// Messages kept for it while it is offline, oldest first.
    pub waiting: Vec<WaitingView>,
    /// Pushes that reached it and showed nothing.
    pub silent_pushes: u32,
    /// Why the last body that it could not read was unreadable.
    pub unreadable: Option<String>,
    /// How often each effect happened, since the browser was made.
    pub effects: BTreeMap<Effect, u32>,
}

/// One notification on the screen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NoticeView {
    /// Sequence number of the received request.
    pub record: u64,
    /// The message's id: the end of its `Location`.
    pub message_id: Uuid,
    /// When it appeared by the simulator's clock, Unix milliseconds.
    pub at_ms: i64,
    /// Title.
    pub title: String,
    /// Text below it.
    pub body: Option<String>,
    /// Where a tap leads.
    pub navigate: Option<String>,
    /// What it is replaced by.
    pub tag: Option<String>,
    /// Shown by the browser itself, without a service worker.
    pub declarative: bool,
    /// A service worker might still have changed it.
    pub mutable: bool,
    /// [`Effect::Shown`] or [`Effect::Replaced`].
    pub effect: Effect,
    /// Everything that was said about the notification.
    pub options: Map<String, Value>,
}

/// A message that waits for its browser.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaitingView {
    /// Sequence number of the received request.
    pub record: u64,
    /// Its id: the end of its `Location`.
    pub message_id: Uuid,
    /// `Topic`.
    pub topic: Option<String>,
    /// `Urgency`.
    pub urgency: Urgency,
    /// When it is thrown away, Unix milliseconds.
    pub expires_at_ms: i64,
}
