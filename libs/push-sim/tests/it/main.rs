//! The simulator held against a plain `h2` client that knows nothing of Apple.

mod activities;
mod admin;
mod answers;
mod blind;
mod browser_clients;
mod certificates;
mod clients;
mod device;
mod faults;
mod google;
mod phones;
mod support;
mod tools;
mod web_push;
