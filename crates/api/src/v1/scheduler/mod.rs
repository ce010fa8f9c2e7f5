//! The Scheduler, which fires timers: paused after a restore, until somebody says that it may go on.

pub(crate) mod resume;
