//! What is remembered of a monitor: where it is, what was seen, and its incident while one is open.

use super::heartbeat::{Beat, Pulse};
use super::incident::{Entry, Hold, Incident};
use super::page::PageNo;
use super::result::CheckResult;
use crate::UnixMs;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a monitor is. See the chart of [`super`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum WatchState {
    /// Nothing is known yet.
    #[default]
    Waiting,
    /// It is up.
    Ok,
    /// A check failed, and it is not sure yet, or nobody is to be paged for it.
    Suspected,
    /// An incident is open, and nobody has it in hand.
    Firing,
    /// An incident is open, and somebody has it in hand.
    Acknowledged,
}

impl WatchState {
    /// All, in the order of [`Self::code`].
    pub const ALL: [Self; 5] = [
        Self::Waiting,
        Self::Ok,
        Self::Suspected,
        Self::Firing,
        Self::Acknowledged,
    ];

    /// The number that stands for it in the store: from 0.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The word used in JSON and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ok => "ok",
            Self::Suspected => "suspected",
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
        }
    }

    /// Whether nobody is paged for a monitor that depends on one in this state.
    #[must_use]
    pub fn holds_dependents(self) -> bool {
        !matches!(self, Self::Waiting | Self::Ok)
    }
}

/// What is remembered of a monitor: all that the state machine needs, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// Where it is.
    pub state: WatchState,
    /// Since when; `None`: nobody has looked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<UnixMs>,
    /// When it is checked next, unless it is a heartbeat or rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_at: Option<UnixMs>,
    /// What the last attempt came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastCheck>,
    /// Why nobody is paged for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Whether it goes up and down too often.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_flapping: bool,
    /// How many incidents there were.
    #[serde(default)]
    pub incidents: u32,
    /// The one that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Incident>,
    /// Failed checks in a row.
    #[serde(default)]
    pub(super) failures: u16,
    /// Good checks in a row.
    #[serde(default)]
    pub(super) good: u16,
    /// Failed attempts of the present check.
    #[serde(default)]
    pub(super) tries: u16,
    /// What the last check that counted said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) was_up: Option<bool>,
    /// When it last went up or down, as far as that counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) changes: Vec<UnixMs>,
    /// Of a heartbeat.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pulse: Pulse,
}

fn is_default(pulse: &Pulse) -> bool {
    *pulse == Pulse::default()
}

impl Watch {
    /// What its time counts as in a [`Tally`](super::Tally): as where it is, but that of what fails while something holds it
    /// back is not known. No incident may be opened then, however long it lasts.
    #[must_use]
    pub fn counts_as(&self) -> WatchState {
        match (self.state, &self.hold) {
            (WatchState::Suspected, Some(_)) => WatchState::Waiting,
            (state, _) => state,
        }
    }
}

/// What the last attempt came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCheck {
    /// When.
    pub at: UnixMs,
    /// What.
    #[serde(flatten)]
    pub result: CheckResult,
}

/// Something that a monitor is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchEvent {
    /// Time has passed, or what it depends on has changed.
    Look,
    /// One attempt to check it came to this.
    Checked(CheckResult),
    /// A job was heard of.
    Beat(Beat),
    /// Somebody has an incident in hand.
    Acknowledge {
        /// Which.
        incident: u32,
        /// Who.
        by: String,
    },
    /// Nobody has it in hand any more.
    Unacknowledge {
        /// Which.
        incident: u32,
        /// Who says so.
        by: String,
    },
    /// The next page is put off.
    Snooze {
        /// Which.
        incident: u32,
        /// Who says so.
        by: String,
        /// For how long: milliseconds, 1 min to 1 day.
        for_ms: i64,
    },
    /// It is over.
    Resolve {
        /// Which.
        incident: u32,
        /// Who says so.
        by: String,
    },
    /// A page found nobody, or nobody with a device: the next step is due at once.
    ReachedNobody {
        /// Which.
        incident: u32,
        /// Its page.
        page: PageNo,
    },
}

/// What a person does with an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentMove {
    /// They take it in hand.
    Acknowledge,
    /// They give it back.
    Unacknowledge,
    /// They put its next page off.
    Snooze {
        /// For how long: milliseconds, 1 min to 1 day.
        for_ms: i64,
    },
    /// They close it.
    Resolve,
}

impl IncidentMove {
    /// What the incident's monitor is told when this person does it.
    #[must_use]
    pub fn event(self, incident: u32, by: String) -> WatchEvent {
        match self {
            Self::Acknowledge => WatchEvent::Acknowledge { incident, by },
            Self::Unacknowledge => WatchEvent::Unacknowledge { incident, by },
            Self::Snooze { for_ms } => WatchEvent::Snooze {
                incident,
                by,
                for_ms,
            },
            Self::Resolve => WatchEvent::Resolve { incident, by },
        }
    }

    /// The word used in the audit log.
    #[must_use]
    pub fn audit_word(self) -> &'static str {
        match self {
            Self::Acknowledge => "incident.acknowledge",
            Self::Unacknowledge => "incident.unacknowledge",
            Self::Snooze { .. } => "incident.snooze",
            Self::Resolve => "incident.resolve",
        }
    }
}

/// Why a move is not possible. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such incident.
    #[error("expected an incident that there is, found number {0}")]
    NoIncident(u32),
    /// It is closed.
    #[error("incident {0} is over")]
    Over(u32),
    /// Somebody else has it in hand.
    #[error("incident {no} was acknowledged already, by {by}")]
    Acknowledged {
        /// Which.
        no: u32,
        /// Who.
        by: String,
    },
    /// Nobody has it in hand.
    #[error("nobody has acknowledged incident {0}")]
    NotAcknowledged(u32),
    /// No page is to come.
    #[error("no page is to come for incident {0}")]
    NotPaging(u32),
    /// A time that is too short or too long.
    #[error("expected 1m to 1d, found {}", crate::duration::format_ms(*.0))]
    Snooze(i64),
    /// Only heartbeats are heard of.
    #[error("this monitor is no heartbeat: it is checked, and hears nothing")]
    NoHeartbeat,
    /// A heartbeat is never checked, and what rests is not either.
    #[error("this monitor is not checked")]
    NotChecked,
}

/// What a turn of the machine comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// What happened, in order: to be written down and acted upon, in the transaction that stores the record.
    pub entries: Vec<Entry>,
    /// Why what was asked for is not possible.
    pub refused: Option<Refused>,
    /// When it is to be looked at next, besides its checks.
    pub look_at: Option<UnixMs>,
}

impl fmt::Display for WatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
