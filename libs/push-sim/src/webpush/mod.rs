//! Web Push from the receiving side: push services, and browsers that decrypt what reaches them.
//!
//! RFC 8030 (the protocol), 8188 and 8291 (encryption), 8292 (VAPID), read here a second time: no
//! line is shared with any sender. A request comes in as headers and bytes and goes out as an
//! answer; sockets and scripted faults are elsewhere ([`crate::stream`]).

pub(crate) mod admin;
mod browser;
pub(crate) mod browsers;
mod content;
pub(crate) mod exchange;
mod face;
pub(crate) mod http1;
mod judge;
mod notice;
mod order;
mod refusal;
mod rules;
mod service;
mod settings;
mod vapid;
mod view;
mod world;

pub use order::{BrowserPatch, MadeBrowser, NewBrowsers, Subscription, SubscriptionSecrets};
pub use rules::Urgency;
pub use service::WebPushService;
pub use settings::WebPushSettings;
pub use view::{BrowserView, NoticeView, WaitingView};
