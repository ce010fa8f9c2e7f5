//! `carillon serve`: the server, until a signal.

use crate::config::{self, Sources};
use crate::exit::{Exit, Failure};
use crate::lifecycle::{Lifecycle, Stop};
use crate::output::Output;
use crate::supervisor::Supervisor;
use crate::{credential_files, telemetry, wire};
use carillon_model::role::Roles;
use secrecy::ExposeSecret as _;
use serde_json::json;
use std::path::PathBuf;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration; without it carillon.toml, if there is one
    #[arg(long, short, env = "CARILLON_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// On the first start, write the admin API key to this file (mode 0600) instead of printing it
    #[arg(long, value_name = "FILE")]
    admin_key_file: Option<PathBuf>,
    /// What this process does, with commas between: api, scheduler, worker, sender; without it server.roles
    #[arg(long, value_name = "ROLES", value_parser = Roles::parse)]
    roles: Option<Roles>,
}

/// Runs until it is asked to stop.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let mut sources = Sources::of_process(args.config.as_deref());
    if let Some(roles) = args.roles {
        let value = toml::Value::String(roles.to_string());
        sources.fixed.push(("server.roles", value));
    }
    let config = config::load(&sources)?;
    telemetry::start_logs(&config.log);
    telemetry::watch_panics();
    let lifecycle = Lifecycle::new();
    lifecycle.follow_signals()?;
    let running = wire::start(&config, &lifecycle, args.admin_key_file.as_deref()).await?;

    let mut said = json!({ "url": running.url() });
    output.line(format!(
        "carillon {} listens on {}",
        env!("CARGO_PKG_VERSION"),
        running.url()
    ));
    if let Some(key) = running.admin_key() {
        match &args.admin_key_file {
            Some(path) => {
                output.line(format!("the admin API key is in {}", path.display()));
                said["admin_api_key_file"] = json!(path);
            }
            None => {
                output.line(format!(
                    "admin API key (shown only this once): {}",
                    key.expose_secret()
                ));
                said["admin_api_key"] = json!(key.expose_secret());
            }
        }
    }
    if output.is_json() {
        output.json(&said);
    }

    credential_files::follow(running.engine(), &config.credentials, lifecycle.reload());
    if let Some(supervisor) = Supervisor::of_process() {
        supervisor.serves(running.url());
        supervisor.watch(running.engine());
        let lifecycle = lifecycle.clone();
        tokio::spawn(async move {
            lifecycle.asked().await;
            supervisor.stops();
        });
    }

    match running.until_stopped().await {
        Stop::Clean => Ok(()),
        Stop::Cut => Err(Failure::new(
            Exit::TempFail,
            "stopped before everything was finished; what had no answer is recorded as in doubt by the next start",
        )
        .into()),
        Stop::Failed(exit, reason) => Err(Failure::new(exit, reason).into()),
    }
}
