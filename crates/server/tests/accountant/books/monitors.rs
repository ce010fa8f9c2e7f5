//! Monitors: which service each watches and what that answered, and what the store says of incidents at the end. Instants of
//! incidents are business time, those of answers this computer's.

use super::Micros;

/// A monitor, and the service that it watches.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    /// Its name at the API.
    pub(crate) name: String,
    /// What the service answered, oldest first.
    pub(crate) answers: Vec<Answered>,
    /// Its incidents, oldest first.
    pub(crate) incidents: Vec<Incident>,
}

/// An answer of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) at: Micros,
    pub(crate) is_well: bool,
}

/// An incident as the store keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Incident {
    pub(crate) no: u64,
    /// What was wrong, by the API's word.
    pub(crate) fault: String,
    /// Whether the store says that it is open.
    pub(crate) is_open: bool,
    /// What happened, oldest first.
    pub(crate) entries: Vec<Entry>,
}

/// An entry of its record.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: Micros,
    pub(crate) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Opened,
    /// A step of the ladder, with how many notifications it made that the store has.
    Paged {
        run: u64,
        round: u64,
        step: u64,
        sent: usize,
    },
    Acknowledged,
    Unacknowledged,
    GivenUp,
    Resolved,
    /// By the API's word.
    Other(String),
}

/// Steps of the ladder of all of them.
pub(crate) const STEPS: u64 = 2;
