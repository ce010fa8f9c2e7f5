//! Version 1 of the API: one folder for each noun, one file for each thing that can be done with it.

pub(crate) mod api_keys;
pub(crate) mod apps;
pub(crate) mod audit;
pub(crate) mod badges;
pub(crate) mod campaigns;
pub(crate) mod channels;
pub(crate) mod credentials;
pub(crate) mod definitions;
pub(crate) mod deliveries;
pub(crate) mod devices;
pub(crate) mod events;
pub(crate) mod identity_keys;
pub(crate) mod lists;
pub(crate) mod notifications;
pub(crate) mod preferences;
pub(crate) mod receipts;
pub(crate) mod scheduler;
pub(crate) mod schedules;
pub(crate) mod segments;
pub(crate) mod server;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod templates;
pub(crate) mod triggers;
pub(crate) mod users;
pub(crate) mod webhooks;
