//! One file for each command: its arguments and what it does.

pub(crate) mod completions;
pub(crate) mod config;
