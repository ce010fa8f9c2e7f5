//! What was told to webhook endpoints, and what the event log says.

use std::collections::BTreeMap;

/// What a receiver does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Temper {
    /// It takes everything, now and then only at the second attempt.
    Living,
    /// It takes nothing.
    Dead,
    /// It says that it is gone for good.
    Gone,
}

impl Temper {
    pub(crate) const ALL: [Self; 3] = [Self::Living, Self::Dead, Self::Gone];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Living => "living",
            Self::Dead => "dead",
            Self::Gone => "gone",
        }
    }
}

/// A call that arrived completely at a receiver.
#[derive(Clone, Debug)]
pub(crate) struct HookCall {
    pub(crate) app: u32,
    pub(crate) temper: Temper,
    /// `webhook-id`
    pub(crate) id: String,
    /// The event's number in its App's log.
    pub(crate) no: i64,
    /// Whether its signature fits, by the secret that the endpoint was made with.
    pub(crate) is_signed: bool,
    /// Whether it was answered with 2xx.
    pub(crate) is_taken: bool,
}

/// An event of an App's log.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) app: u32,
    pub(crate) no: i64,
    /// The notifications that it says are completed.
    pub(crate) completed: Vec<String>,
}

/// What the API says of an endpoint at the end.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) app: u32,
    pub(crate) temper: Temper,
    pub(crate) is_enabled: bool,
    /// Events that wait for it.
    pub(crate) queued: u64,
}

/// Webhooks of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hooks {
    /// In order of arrival.
    pub(crate) calls: Vec<HookCall>,
    /// The whole logs of the Apps that have endpoints.
    pub(crate) log: Vec<Logged>,
    pub(crate) endpoints: Vec<Endpoint>,
    /// How often receivers failed, by what they did.
    pub(crate) failures: BTreeMap<&'static str, u64>,
}
