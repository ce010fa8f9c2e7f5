//! Plain types and pure rules of Carillon: what a notification, a device and a delivery are, which
//! states a delivery may go through, when to try again, how the compact records are encoded.
//!
//! No tokio, no IO, no clock and no randomness live here: time is an argument (Unix milliseconds,
//! `i64`), and so is every random number.

pub mod app;
pub mod backoff;
pub mod badges;
pub mod batch;
pub mod body;
pub mod callout;
pub mod campaign;
pub mod codec;
pub mod content;
pub mod credential;
mod daily_window;
pub mod definition;
pub mod delivery;
pub mod device;
pub mod digest;
pub mod duration;
pub mod environment;
pub mod event;
pub mod expression;
pub mod facts;
pub mod frequency;
pub mod id;
pub mod lane;
pub mod list;
pub mod live_activity;
pub mod locale;
pub mod monitor;
pub mod nearest;
pub mod notification;
pub mod outcome;
pub mod positions;
pub mod preferences;
pub mod problem;
pub mod push_token;
pub mod push_type;
pub mod quiet_hours;
pub mod rate;
pub mod receipts;
pub mod role;
pub mod schedule;
pub mod segment;
pub mod send_at;
pub mod size;
pub mod target;
pub mod template;
pub mod throttle;
pub mod time_zone;
pub mod timer;
pub mod trigger;
pub mod verdicts;
pub mod webhook;
pub mod when_text;

/// Unix time in milliseconds, UTC.
pub type UnixMs = i64;
