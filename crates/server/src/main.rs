//! The binary `carillon`.
//!
//! `main` → runtime → `async_main`: errors come back here, are told to the person, and become the
//! exit code. What a command does is in `commands`; how the server is put together is in `wire`.

mod activity_sources;
mod apart;
mod bench;
mod checks;
mod cli;
mod client;
mod clock;
mod commands;
mod config;
mod connection;
mod credential_files;
mod exit;
#[cfg(feature = "faults")]
mod faults;
mod gateway;
mod gauges;
mod lifecycle;
mod listener;
mod memory;
mod open_files;
mod output;
mod prepared;
mod private_file;
mod scratch;
mod seal;
mod signing_key;
mod sources;
mod store;
mod supervisor;
mod telemetry;
mod wake;
mod webhooks;
mod wire;

use clap::Parser as _;
use cli::{Cli, Command};
use exit::Exit;
use output::Output;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // --help and --version come this way too, and are no mistake.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let output = Output::new(cli.json);
    #[expect(
        clippy::disallowed_methods,
        reason = "we are the process: whatever a dependency builds without being told gets the same provider"
    )]
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(installed.is_ok(), "nobody installs one before main");
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            exit::report(&anyhow::anyhow!("cannot start a runtime: {error}"));
            return Exit::Software.into();
        }
    };
    match runtime.block_on(async_main(cli, output)) {
        Ok(code) => code,
        Err(error) => {
            exit::report(&error);
            exit::code_of(&error).into()
        }
    }
}

async fn async_main(cli: Cli, output: Output) -> anyhow::Result<ExitCode> {
    #[cfg(feature = "faults")]
    faults::install()?;

    match cli.command {
        Command::Serve(args) => commands::serve::run(args, output).await?,
        Command::Demo(args) => commands::demo::run(args, output).await?,
        Command::Simulate(args) => commands::simulate::run(args, output).await?,
        Command::Send(args) => commands::send::run(*args, output).await?,
        Command::App(args) => commands::app::run(args, output).await?,
        Command::Credential(args) => commands::credential::run(args, output).await?,
        Command::Device(args) => commands::device::run(args, output).await?,
        Command::Import(args) => commands::import::run(args, output).await?,
        Command::User(args) => commands::user::run(args, output).await?,
        Command::Template(args) => commands::template::run(args, output).await?,
        Command::Segment(args) => commands::segment::run(args, output).await?,
        Command::List(args) => commands::list::run(args, output).await?,
        Command::Trigger(args) => commands::trigger::run(args, output).await?,
        Command::Activity(args) => commands::activity::run(args, output).await?,
        Command::ActivitySource(args) => commands::activity_source::run(args, output).await?,
        Command::Schedule(args) => commands::schedule::run(args, output).await?,
        Command::Monitor(args) => commands::monitor::run(args, output).await?,
        Command::Incident(args) => commands::incident::run(args, output).await?,
        Command::Rotation(args) => commands::rotation::run(args, output).await?,
        Command::Ladder(args) => commands::ladder::run(args, output).await?,
        Command::Callout(args) => commands::callout::run(args, output).await?,
        Command::Channel(args) => commands::channel::run(args, output).await?,
        Command::Campaign(args) => commands::campaign::run(args, output).await?,
        Command::Event(args) => commands::event::run(args, output).await?,
        Command::IdentityKey(args) => commands::identity_key::run(args, output).await?,
        Command::Notification(args) => commands::notification::run(args, output).await?,
        Command::Keys(args) => commands::keys::run(args, output).await?,
        Command::Webhook(args) => commands::webhook::run(args, output).await?,
        Command::Health(args) => commands::health::run(args, output).await?,
        Command::Doctor(args) => commands::doctor::run(args, output).await?,
        Command::Explain(args) => commands::explain::run(args, output).await?,
        Command::Config(args) => commands::config::run(&args, output)?,
        Command::Bench(args) => commands::bench::run(args, output).await?,
        Command::Backup(args) => commands::backup::run(args, output).await?,
        Command::Restore(args) => commands::restore::run(&args, output)?,
        Command::Migrate(args) => commands::migrate::run(args, output).await?,
        Command::Store(args) => commands::store::run(args, output).await?,
        Command::Resume(args) => commands::resume::run(args, output).await?,
        Command::Openapi(_) => commands::openapi::run(output),
        Command::Completions(args) => commands::completions::run(&args),
    }
    Ok(ExitCode::SUCCESS)
}
