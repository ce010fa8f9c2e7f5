//! Pages for people without an API key: an incident by its signed link, and the status page of an App.
//!
//! Small, whole in themselves and without scripts; what comes from elsewhere is escaped. They are read on phones, at night
//! too, so they are dark where the phone is.

pub(crate) mod html;
pub(crate) mod incident;
pub(crate) mod status;
pub(crate) mod status_pages;
