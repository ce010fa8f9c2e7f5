//! Events that were told to the API, and the notifications that its triggers made of them.

use super::Micros;

/// What is to become of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It is gathered with others and told as one.
    Gathered,
    /// It is told at once, unless its recipient was told enough.
    AtOnce,
}

/// An event that was told to the API. Its place in the book is the number in its data.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) app: u32,
    pub(crate) manner: Manner,
    /// The users whom it concerns, ascending.
    pub(crate) recipients: Vec<u32>,
    /// What digests are kept apart by.
    pub(crate) post: u32,
    /// Before it was first sent.
    pub(crate) sent: Micros,
    /// The 202. `None`: there never was one.
    pub(crate) acknowledged: Option<Acknowledged>,
}

/// What the API said of an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acknowledged {
    /// The notifications that it was told by at once.
    pub(crate) notifications: Vec<String>,
    /// Recipients who were told enough already.
    pub(crate) throttled: u32,
}

/// A notification that a trigger made.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    /// The place in the first book, where it stands as if it had been asked for.
    pub(crate) number: u32,
    /// Its id at the API.
    pub(crate) id: String,
    /// The user whom it is for.
    pub(crate) user: u32,
    /// When it was accepted, by business time.
    pub(crate) accepted_at: Micros,
    /// How many events it says that it tells.
    pub(crate) count: u64,
    /// Those events.
    pub(crate) events: Vec<u32>,
    /// Whether two pushes of it say different things.
    pub(crate) is_contradictory: bool,
}
