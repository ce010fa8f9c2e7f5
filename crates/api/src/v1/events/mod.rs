//! The event log of an App.

pub(crate) mod list;
