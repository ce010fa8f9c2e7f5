//! Who shares a store: processes, each known by its epoch while its heartbeat comes.
//!
//! A process joins with its roles, shows every now and then that it lives, and leaves. Whoever does not show
//! it for long enough is given up by any other: from then on the store refuses everything that it would
//! write, so its work can be taken over. Those who live stand in the order in which they joined, and the
//! first of a role leads it; so nobody leads before the store refuses whoever led before.

use crate::store::Result;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::NotificationNo;
use carillon_model::role::Roles;

/// What a process says of itself when it joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Its name, for people.
    pub name: String,
    /// What it does.
    pub roles: Roles,
    /// Where its API is, for people; empty for none.
    pub address: String,
    /// Where it is woken by others, host and port; empty: nowhere.
    pub wake_address: String,
    /// Its version.
    pub version: String,
}

impl Presence {
    /// A process that does everything.
    #[must_use]
    pub fn alone(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            roles: Roles::ALL,
            address: String::new(),
            wake_address: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// A process that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// By what the store knows it.
    pub epoch: i64,
    /// What it said of itself.
    pub presence: Presence,
    /// When it joined, by the store's clock.
    pub started_at: UnixMs,
    /// How long ago its last heartbeat was, by the store's clock, in milliseconds.
    pub age_ms: i64,
}

/// What one process wants to know of the others, often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Who lives, in the order in which they joined; this process is among them.
    pub instances: Vec<Instance>,
    /// Rises with every change of what [`crate::registry::Directory`] holds.
    pub directory: i64,
    /// Rises with every transaction of anybody.
    pub commits: i64,
    /// Whether nothing fires since a restore: [`crate::timer::TimerStore::is_scheduler_paused`].
    pub is_scheduler_paused: bool,
    /// What became of notifications of late while others held work of them, by their numbers.
    pub notices: Vec<Notice>,
}

/// What whoever holds work of a notification must hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Notice {
    /// The notification.
    pub no: NotificationNo,
    /// What became of it: of several things the last.
    pub what: NoticeKind,
    /// When, by the store's clock.
    pub at: UnixMs,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoticeKind {
    /// It was cancelled.
    Cancelled,
    /// It is a campaign, and rests.
    Paused,
    /// It is a campaign, and goes on.
    Resumed,
}

impl NoticeKind {
    /// The number by which it is stored.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Cancelled => 1,
            Self::Paused => 2,
            Self::Resumed => 3,
        }
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Cancelled, Self::Paused, Self::Resumed]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// The part of a store that knows who shares it.
#[async_trait]
pub trait InstanceStore: Send + Sync + 'static {
    /// Whether other processes may use the store at the same time. If not, nobody need beat or look.
    fn is_shared(&self) -> bool;
    /// Joins, as the last in order. From now on what this process writes is refused once it was given up.
    async fn join(&self, presence: Presence) -> Result<()>;
    /// Shows that this process lives, with what it [reports](Self::reports). Gives up whoever did not for `give_up_after_ms`; `None`: nobody,
    /// because this process itself was not heard of for a while, as after an outage of the store. Where its own last
    /// heartbeat is more than half as old when this one is written, nobody is given up either: what held it up, held all up.
    async fn heartbeat(&self, give_up_after_ms: Option<u32>, report: String) -> Result<()>;
    /// How the others are.
    async fn pulse(&self) -> Result<Pulse>;
    /// [`Pulse::directory`] alone.
    async fn directory_no(&self) -> Result<i64>;
    /// What each of the others said with its last heartbeat, unless that was nothing.
    async fn reports(&self) -> Result<Vec<String>>;
    /// Gives all its roles to the others, and goes on with what it holds: it is about to stop.
    async fn resign(&self) -> Result<()>;
    /// Leaves: what it still held can be rescued. Afterwards only reads make sense.
    async fn leave(&self) -> Result<()>;
    /// How many deliveries of a notification other processes hold.
    async fn held_elsewhere(&self, no: NotificationNo) -> Result<u64>;
}
