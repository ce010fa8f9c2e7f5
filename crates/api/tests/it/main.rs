//! The API from outside: requests by `oneshot` against a whole Carillon in memory.

mod apps;
mod auth;
mod bodies;
mod catalogue;
mod channels;
mod credentials;
mod deliveries;
mod devices;
mod documents;
mod faulty;
mod gateway;
mod identity;
mod keys;
mod many;
mod notifications;
mod operations;
mod own_devices;
mod people;
mod preferences;
mod schema;
mod server;
mod sweep;
mod templates;
mod triggers;
mod wire;
mod world;
