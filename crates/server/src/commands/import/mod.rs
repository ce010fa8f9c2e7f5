//! `carillon import ini|users|onesignal`: what other push systems have, brought over.

mod ini;
mod users;

use crate::client::{ApiClient, ServerOptions};
use crate::output::Output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make the Apps and credentials of an old INI file, and say of each key what it became
    Ini(ini::Args),
    /// Register the devices of a users table: a CSV file, or a query on a SQLite database
    Users(Box<users::Args>),
    /// Register the devices of OneSignal's CSV export
    Onesignal(users::OneSignal),
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = || ApiClient::new(&args.server);
    match args.command {
        Command::Ini(ini) => ini::run(client, ini, output).await,
        Command::Users(users) => users::run(&client()?, *users, output).await,
        Command::Onesignal(export) => users::one_signal(&client()?, export, output).await,
    }
}
