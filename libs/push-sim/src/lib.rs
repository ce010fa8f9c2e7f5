//! Apple's side of the Apple Push Notification service, Google's side of Firebase Cloud Messaging,
//! and the push services of browsers, on your own machine.
//!
//! A [`Simulator`] listens with real TLS and HTTP/2 on the device host, the broadcast host and the
//! channel-management host of both environments, verifies provider tokens and certificates,
//! checks requests like Apple does and answers with Apple's statuses and reasons. Behind it are
//! simulated phones that store, show and ignore what they get. One more listener stands for
//! Google's token endpoint, `messages:send` and topics, with Android phones behind it; another
//! plays the push services of browsers (RFC 8030, 8291, 8292), behind which are browsers that
//! decrypt what they are sent. An admin HTTP API makes phones and browsers, scripts faults, moves
//! the clock and reads back what arrived.
//!
//! It shares no code with any client library, on purpose: two readings of the gateways' pages and
//! of the RFCs, so that a shared mistake cannot hide. It decides nothing about how a client should
//! behave.

mod action;
mod admin;
mod apns;
mod apps;
mod blind;
mod clock;
mod config;
mod connection;
mod counters;
mod fcm;
mod host;
mod keys;
mod link;
mod listener;
mod live_activity;
mod lock_screen;
mod people;
mod phone;
mod recorder;
mod respond;
mod script;
mod simulator;
mod stream;
mod tls;
mod webpush;
mod wire;
mod world;

pub use action::{Action, ActionReport, ConnectionView};
pub use apns::auth::TeamKey;
pub use apns::push_type::PushTokenKind;
pub use apps::AppSettings;
pub use blind::{BlindAnswer, BlindConfig, BlindServer};
pub use clock::Clock;
pub use config::{Config, Mode, Ports, Settings};
pub use counters::Counters;
pub use fcm::account::{NewServiceAccount, ServiceAccount, service_account_json};
pub use fcm::phones::{
    FcmPhonePatch, FcmPhoneView, FcmShownView, MadeFcmPhone, NewFcmPhones, Platform, StoredView,
};
pub use fcm::project::{ApnsCredentials, IosDeath, ProjectSettings};
pub use fcm::settings::FcmSettings;
pub use host::{Addresses, Environment, Gateway, Host, HostAddresses};
pub use keys::{AddedKey, NewKey};
pub use live_activity::{ActivityChange, ActivityState, NewActivity};
pub use lock_screen::{LockScreen, LockScreenActivity, LockScreenChange};
pub use phone::{
    ActivityView, AnswerView, AppView, Effect, Interruption, MadePhone, NewPhones, PhoneAnswer,
    PhonePatch, PhoneView, ShownView,
};
pub use recorder::{AnswerFate, Received, ReceivedFilter, ReceivedPage};
pub use script::{AfterGoaway, Fault, FaultFilter, FaultKind, FaultReport, GoawayDebug};
pub use simulator::{Simulator, StartError};
pub use tls::Authority;
pub use webpush::{
    BrowserPatch, BrowserView, MadeBrowser, NewBrowsers, NoticeView, Subscription,
    SubscriptionSecrets, Urgency, WaitingView, WebPushService, WebPushSettings,
};
pub use world::World;

/// Runs the README's Rust example with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
