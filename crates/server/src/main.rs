//! The binary `carillon`.
//!
//! `main` → runtime → `async_main`: errors come back here, are told to the person, and become the
//! exit code. What a command does is in `commands`; how the server is put together is in `wire`.

mod cli;
mod client;
mod clock;
mod commands;
mod config;
mod exit;
mod lifecycle;
mod listener;
mod output;
mod scratch;
mod seal;
mod telemetry;

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
    match cli.command {
        Command::Config(args) => commands::config::run(&args, output)?,
        Command::Completions(args) => commands::completions::run(&args),
    }
    Ok(ExitCode::SUCCESS)
}
