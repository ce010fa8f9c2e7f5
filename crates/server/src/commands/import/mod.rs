//! `carillon import ini|users|onesignal|rpush|gorush-log`: what other push systems have, brought over.

mod apply;
mod database;
mod dead_file;
mod gorush;
mod ini;
mod rows;
mod rpush;
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
    /// Register the devices of a users table: a CSV file, or a query on a MySQL, MariaDB, PostgreSQL or SQLite database
    Users(Box<users::Args>),
    /// Register the devices of OneSignal's CSV export
    Onesignal(users::OneSignal),
    /// Make the Apps and credentials of an rpush database; say what waits in it, and which push tokens are dead
    Rpush(rpush::Args),
    /// Say what a gorush log tells of pushes and of dead push tokens
    GorushLog(gorush::Args),
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = || ApiClient::new(&args.server);
    match args.command {
        Command::Ini(ini) => ini::run(client, ini, output).await,
        Command::Users(users) => users::run(&client()?, *users, output).await,
        Command::Rpush(rpush) => rpush::run(client, rpush, output).await,
        Command::GorushLog(log) => gorush::run(&log, output),
        Command::Onesignal(export) => users::one_signal(&client()?, export, output).await,
    }
}
