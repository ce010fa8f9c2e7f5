//! How the server does.

pub(crate) mod get;
