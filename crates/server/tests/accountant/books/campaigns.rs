//! Campaigns: how each was to go, what was asked of it while it went, and what the API says of it at the end. What it sent
//! is the business of the notification that it is.

use std::collections::BTreeMap;

use super::Micros;

/// A campaign. It is one notification of the first book.
#[derive(Clone, Debug)]
pub(crate) struct Campaign {
    /// Its notification: the place in [`super::Books::asked`].
    pub(crate) number: u32,
    /// Its id at the API; `None`: it was never accepted.
    pub(crate) id: Option<String>,
    /// Whether its audience is written down when it begins.
    pub(crate) is_frozen: bool,
    /// Most devices of a slice.
    pub(crate) slice: u32,
    /// How many deliveries begin in a second at most.
    pub(crate) per_second: Option<u32>,
    pub(crate) canary: Option<Canary>,
    pub(crate) wave: Option<Wave>,
    /// What was asked of it, oldest first, one after the other.
    pub(crate) calls: Vec<CampaignCall>,
    /// How often it was seen halted by itself.
    pub(crate) halts: u32,
    /// What the API says of it at the end.
    pub(crate) seen: Option<Seen>,
}

/// Who goes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canary {
    pub(crate) size: u32,
    /// How long the others wait.
    pub(crate) hold: Micros,
}

/// Devices whose clocks show the time of the campaign only later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wave {
    /// Their zone, a number.
    pub(crate) zone: u32,
    /// When their clocks show it, in business time.
    pub(crate) due: Micros,
}

/// A pause or a resumption.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CampaignCall {
    pub(crate) what: Switch,
    /// Before it was first sent.
    pub(crate) sent: Micros,
    /// When its answer had been read, and what that was; `None`: there never was one.
    pub(crate) answered: Option<(Micros, Answer)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    Pause,
    Resume,
}

/// What the API says to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done. After a pause a gateway has so many deliveries, or is about to have them.
    Done { in_flight: u64 },
    /// Nothing more comes of the campaign anyway.
    Over,
}

/// A campaign as the API shows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) status: String,
    /// Devices that were written down; `None`: none were, or not yet.
    pub(crate) audience: Option<u64>,
    /// How many of them had no turn.
    pub(crate) left: Option<u64>,
    /// Deliveries in each state, by the API's words.
    pub(crate) counts: BTreeMap<String, u64>,
}
