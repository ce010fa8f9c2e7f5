//! Counters of an App.

pub(crate) mod get;
