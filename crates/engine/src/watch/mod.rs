//! Monitors: what checks, beats, people and time tell them, each one step: read, worked out by the model's state machine,
//! and written with its pages in one transaction under the fence that was read.
//!
//! Whoever tells a monitor something comes through `Shared::tell_monitors`: the Scheduler when its timer is due, the worker
//! with the results of its checks, the gatherer of beats, and the doors. What follows for monitors that depend on it comes
//! after the transaction, and is made up for after a crash; so comes a Live Activity.

mod beats;
mod config;
mod doors;
mod due;
mod heard;
mod letters;
mod listening;
mod pages;
mod plans;
mod reconcile;
mod secrets;
mod shown;
mod tallies;
mod telling;
mod turning;
mod worker;

pub use config::WatchConfig;
pub use doors::{BeatRefusal, IncidentRefusal};
pub use heard::PagedUser;
pub use secrets::IncidentLink;
pub use tallies::{MonitorStatus, StatusWindow};

pub(crate) use beats::run as run_beats;
pub(crate) use heard::heard;
pub(crate) use listening::run as run_listening;
pub(crate) use plans::{Monitor, Plans};
pub(crate) use reconcile::run as run_reconcile;
pub(crate) use shown::run as run_shown;
pub(crate) use tallies::{flush as flush_tallies, run as run_tallies};
pub(crate) use worker::run as run_checks;

use crate::receipt::ReceiptKey;
use beats::Post;
use letters::Takers;
use listening::Listening;
use secrets::WatchKeys;
use shown::Screens;
use tallies::Tallies;

/// What the parts that watch share.
pub(crate) struct Watching {
    pub(crate) keys: WatchKeys,
    /// Where beats are brought to.
    post: Post,
    /// Since when beats are heard.
    listening: Listening,
    /// Where incidents are brought that lock screens show.
    screens: Screens,
    /// What is counted and not written yet.
    tallies: Tallies,
    /// How many pages are taken back at once.
    takers: Takers,
}

impl Watching {
    pub(crate) fn new(receipts: &ReceiptKey) -> Self {
        Self {
            keys: WatchKeys::new(receipts),
            post: Post::default(),
            listening: Listening::default(),
            screens: Screens::default(),
            tallies: Tallies::default(),
            takers: Takers::default(),
        }
    }
}
