//! Events of the log that streams and webhooks read.

use carillon_model::UnixMs;
use carillon_model::event::{DeviceEvicted, EventKind};
use carillon_model::id::AppNo;

/// An event to append to the log that streams and webhooks read.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Whose.
    pub app: AppNo,
    /// One of [`carillon_model::event::EventKind`].
    pub kind: &'static str,
    /// Public id or name of what it is about.
    pub subject: String,
    /// Details: a JSON object.
    pub data: String,
}

impl NewEvent {
    /// A device was deleted because its user has more of them than the App allows. Names no user: an
    /// event outlives his erasure.
    #[must_use]
    pub fn device_evicted(app: AppNo, id: &str, by: &str, last_seen_at: UnixMs) -> Self {
        let data = DeviceEvicted {
            replaced_by: by.to_owned(),
            last_seen_at,
        };
        crate::news::event(app, EventKind::DeviceEvicted, id, &data)
    }
}

/// An event as read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Rising number.
    pub no: i64,
    /// When.
    pub at: UnixMs,
    /// Kind.
    pub kind: String,
    /// Subject.
    pub subject: String,
    /// Details: a JSON object.
    pub data: String,
}
