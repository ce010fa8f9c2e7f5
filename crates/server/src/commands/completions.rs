//! `carillon completions SHELL`.

use crate::cli::Cli;
use clap::CommandFactory as _;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    shell: clap_complete::Shell,
}

/// Prints the script.
pub(crate) fn run(args: &Args) {
    clap_complete::generate(
        args.shell,
        &mut Cli::command(),
        "carillon",
        &mut std::io::stdout().lock(),
    );
}
