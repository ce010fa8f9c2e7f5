//! One file for each command: its arguments and what it does.

pub(crate) mod activity;
pub(crate) mod activity_source;
pub(crate) mod app;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod callout;
pub(crate) mod campaign;
pub(crate) mod channel;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod credential;
mod definition;
pub(crate) mod demo;
pub(crate) mod device;
pub(crate) mod doctor;
pub(crate) mod event;
pub(crate) mod explain;
pub(crate) mod health;
pub(crate) mod identity_key;
pub(crate) mod import;
pub(crate) mod incident;
mod json_file;
pub(crate) mod keys;
pub(crate) mod ladder;
pub(crate) mod list;
pub(crate) mod migrate;
pub(crate) mod monitor;
mod monitor_change;
pub(crate) mod notification;
pub(crate) mod openapi;
pub(crate) mod restore;
pub(crate) mod resume;
pub(crate) mod rotation;
pub(crate) mod schedule;
pub(crate) mod segment;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod simulate;
mod sparkline;
pub(crate) mod store;
pub(crate) mod template;
pub(crate) mod trigger;
mod upload;
pub(crate) mod user;
pub(crate) mod webhook;
mod when;

use crate::exit::{Exit, Failure};

/// `--app`, where the command cannot do without. (A global flag of clap cannot be required.)
fn required_app(app: &str) -> Result<&str, Failure> {
    if app.is_empty() {
        Err(Failure::new(Exit::Usage, "--app is missing")
            .mend("say which App, e.g. --app shop; `carillon app list` shows them"))
    } else {
        Ok(app)
    }
}
