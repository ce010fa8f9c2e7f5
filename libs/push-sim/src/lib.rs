//! Apple's side of the Apple Push Notification service, on your own machine.
//!
//! A [`Simulator`] listens with real TLS and HTTP/2 on the device host, the broadcast host and the
//! channel-management host of both environments, verifies provider tokens and certificates,
//! checks requests like Apple does and answers with Apple's statuses and reasons. Behind it are
//! simulated phones that store, show and ignore what they get. An admin HTTP API makes phones,
//! scripts faults, moves the clock and reads back what arrived.
//!
//! It shares no code with any client library, on purpose: two readings of Apple's pages, so that a
//! shared mistake cannot hide. It decides nothing about how a client should behave.

mod action;
mod admin;
mod apns;
mod apps;
mod blind;
mod clock;
mod config;
mod connection;
mod counters;
mod host;
mod keys;
mod link;
mod listener;
mod live_activity;
mod phone;
mod recorder;
mod script;
mod simulator;
mod stream;
mod tls;
mod wire;
mod world;

pub use action::{Action, ActionReport, ConnectionView};
pub use apns::auth::TeamKey;
pub use apns::push_type::PushTokenKind;
pub use apps::AppSettings;
pub use blind::{BlindConfig, BlindServer};
pub use clock::Clock;
pub use config::{Config, Mode, Ports, Settings};
pub use counters::Counters;
pub use host::{Addresses, Environment, Host, HostAddresses};
pub use keys::{AddedKey, NewKey};
pub use live_activity::ActivityState;
pub use phone::{
    ActivityView, AppView, Effect, MadePhone, NewPhones, PhonePatch, PhoneView, ShownView,
};
pub use recorder::{AnswerFate, Received, ReceivedFilter, ReceivedPage};
pub use script::{AfterGoaway, Fault, FaultFilter, FaultKind, FaultReport, GoawayDebug};
pub use simulator::{Simulator, StartError};
pub use tls::Authority;
pub use world::World;

/// Runs the README's Rust example with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
