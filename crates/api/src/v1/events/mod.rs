//! Two things that share an address: events that a back end reports (`POST`), and the App's log of what
//! happened in Carillon (`GET`). What is reported does not stand in the log; what comes of it does.

pub(crate) mod list;
pub(crate) mod many;
pub(crate) mod outcome;
pub(crate) mod report;
pub(crate) mod schema;
pub(crate) mod stream;
