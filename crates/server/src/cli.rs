//! The command line: names and arguments of every command. What they do is in [`crate::commands`].

use crate::commands::{
    app, backup, bench, completions, config, credential, demo, device, doctor, explain, keys,
    notification, openapi, restore, send, serve, simulate,
};
use clap::{Parser, Subcommand};

/// Carillon: a push-notification server. Ask once, and know what became of every single push.
#[derive(Debug, Parser)]
#[command(name = "carillon", version, about, max_term_width = 100)]
#[command(
    after_help = "Start with `carillon demo`: everything simulated, no Apple account needed.\nExit codes: docs/guide/exit-codes.md"
)]
pub(crate) struct Cli {
    /// Print JSON for programs instead of tables for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    Serve(serve::Args),
    /// Run server, simulator and a thousand phones on this machine, and compare their books
    Demo(demo::Args),
    /// Run a simulator of Apple's gateway
    Simulate(simulate::Args),
    /// Send a notification
    Send(Box<send::Args>),
    /// Make, change and look at Apps
    App(app::Args),
    /// Set, look at and probe what lets an App speak to its gateway
    Credential(credential::Args),
    /// Register, import and look at devices
    Device(device::Args),
    /// Look at and cancel notifications
    Notification(notification::Args),
    /// Make and revoke API keys; rotate the master key
    Keys(keys::Args),
    /// Check everything, and say what to mend
    Doctor(doctor::Args),
    /// Tell the whole story of one delivery
    Explain(explain::Args),
    /// Print the commented default configuration, or check one
    Config(config::Args),
    /// Measure on this machine
    Bench(bench::Args),
    /// Write a consistent copy of the store while the server runs
    Backup(backup::Args),
    /// Put a backup in place of the store; the server must be stopped
    Restore(restore::Args),
    /// Print the API's OpenAPI document
    Openapi(openapi::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
