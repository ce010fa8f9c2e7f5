//! The audit log: every administrative act.

pub(crate) mod list;
