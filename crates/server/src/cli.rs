//! The command line: names and arguments of every command. What they do is in [`crate::commands`].

use crate::commands::{completions, config};
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
    /// Print the commented default configuration, or check one
    Config(config::Args),
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
