//! `carillon keys create|list|revoke|rotate-master|recover-admin`.

use crate::client::{ApiClient, ServerOptions, escape};
use crate::clock::ServerClock;
use crate::config::{self, Sources};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use crate::{store, wire};
use secrecy::ExposeSecret as _;
use serde_json::json;
use std::path::{Path, PathBuf};

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
    /// Make an API key; it is shown once
    Create {
        /// A name for people
        name: String,
        /// Only for this App; without it for all
        #[arg(long)]
        app: Option<String>,
        /// What it may do (repeat); register stands alone, for a publishable key that is shipped with an app
        #[arg(long = "scope", required = true, value_parser = ["admin", "send", "devices", "read", "register"])]
        scopes: Vec<String>,
    },
    /// All API keys, never the keys themselves
    List,
    /// Revoke one, at once
    Revoke {
        /// Its id: key_…
        id: String,
    },
    /// Make a new master key and seal every secret with it
    RotateMaster,
    /// Make a new admin key here, while no server runs: for when the only one was lost
    RecoverAdmin {
        /// Configuration that names the store; without it carillon.toml, if there is one
        #[arg(long, short, env = "CARILLON_CONFIG", value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    if let Command::RecoverAdmin { config } = &args.command {
        return recover_admin(config.as_deref(), output).await;
    }
    let client = ApiClient::new(&args.server)?;
    match args.command {
        Command::RecoverAdmin { .. } => {}
        Command::Create { name, app, scopes } => {
            let mut body = json!({ "name": name, "scopes": scopes });
            if let Some(app) = app {
                body["app"] = json!(app);
            }
            let answer = client.post("/v1/api-keys", &body).await?.body;
            if output.is_json() {
                output.json(&answer);
            }
            output.line(format!(
                "API key (shown only this once): {}",
                shown(&answer, "/secret")
            ));
            output.facts(&[
                ("id", shown(&answer, "/id")),
                ("name", shown(&answer, "/name")),
                ("app", shown(&answer, "/app")),
                ("scopes", shown(&answer, "/scopes")),
            ]);
        }
        Command::List => {
            let all = client.list("/v1/api-keys", usize::MAX).await?;
            if output.is_json() {
                output.json(&json!({ "data": all }));
            }
            let rows = all.iter().map(|key| {
                [
                    "/id",
                    "/hint",
                    "/name",
                    "/app",
                    "/scopes",
                    "/created_at",
                    "/revoked_at",
                ]
                .map(|pointer| shown(key, pointer))
                .to_vec()
            });
            output.table(
                &["id", "begins", "name", "app", "scopes", "made", "revoked"],
                rows.collect(),
            );
        }
        Command::Revoke { id } => {
            client
                .delete(&format!("/v1/api-keys/{}", escape(&id)))
                .await?;
            output.line(format!("{id} is revoked"));
            if output.is_json() {
                output.json(&json!({ "revoked": id }));
            }
        }
        Command::RotateMaster => {
            let answer = client
                .call(reqwest::Method::POST, "/v1/server/rotate-master-key", None)
                .await?
                .body;
            if output.is_json() {
                output.json(&answer);
            }
            output.line(format!(
                "{} secrets are sealed with master key {} now",
                shown(&answer, "/resealed"),
                shown(&answer, "/master_key_id"),
            ));
            output.note("keep a copy of the new key file; the old one no longer opens new backups");
        }
    }
    Ok(())
}

/// Whoever may write the store's file may do everything anyway, so this gives nothing away.
async fn recover_admin(config: Option<&Path>, output: Output) -> anyhow::Result<()> {
    let config = config::load(&Sources::of_process(config))?;
    if let Some(file) = config.store.file().filter(|file| !file.exists()) {
        return Err(Failure::new(Exit::NoInput, format!("there is no store at {}", file.display()))
            .mend("name its configuration with --config; a fresh store makes its admin key at the first start")
            .into());
    }
    let store = tokio::task::spawn_blocking(move || store::open(&config.store)).await??;
    let made = wire::make_admin_key(&store, &ServerClock::system(), "recovered", None).await;
    store.close().await;
    let made = made?;
    output.line(format!(
        "admin API key (shown only this once): {}",
        made.expose_secret()
    ));
    if output.is_json() {
        output.json(&json!({ "secret": made.expose_secret() }));
    }
    Ok(())
}
