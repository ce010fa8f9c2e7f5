//! `carillon channel list|create|delete`: broadcast channels, which Apple keeps, by hand. Those of Live Activities come and go
//! by themselves.

use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::Failure;
use crate::output::{Output, shown};
use serde_json::{Value, json};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// The App
    #[arg(long, global = true, default_value = "")]
    app: String,
    /// Where the channels are
    #[arg(long, global = true, default_value = "production", value_parser = ["production", "sandbox"])]
    environment: String,
    /// Bundle id; without, the credential's first topic
    #[arg(long, global = true, value_name = "BUNDLE_ID")]
    topic: Option<String>,
    /// The credential to use; without, the first one for the environment
    #[arg(long, global = true, value_name = "NAME")]
    credential: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// All channels of the topic in the environment
    List,
    /// Make one
    Create {
        /// Apple keeps the newest push for phones that are offline, and takes fewer pushes in return
        #[arg(long)]
        store: bool,
    },
    /// Delete one; whoever subscribed gets nothing more
    Delete {
        /// Its id, as Apple issued it
        id: String,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let path = format!("/v1/apps/{}/channels", escape(app));
    match &args.command {
        Command::List => list(&client, &format!("{path}?{}", place(&args)), output).await?,
        Command::Create { store } => {
            let mut body = json!({"environment": args.environment, "store": store});
            for (field, value) in [("topic", &args.topic), ("credential", &args.credential)] {
                if let Some(value) = value {
                    body[field] = json!(value);
                }
            }
            let made = client.post(&path, &body).await?.body;
            if output.is_json() {
                output.json(&made);
            }
            output.line(shown(&made, "/id"));
            output.note("let the app subscribe to it, and declare a Live Activity for it: docs/guide/live-activities.md");
        }
        Command::Delete { id } => {
            let path = format!("{path}/{}?{}", escape(id), place(&args));
            client.delete(&path).await?;
            output.line(format!("{id} is deleted"));
            if output.is_json() {
                output.json(&json!({ "deleted": id }));
            }
        }
    }
    Ok(())
}

/// Where they are, as a query.
fn place(args: &Args) -> String {
    let said = [
        ("environment", Some(&args.environment)),
        ("topic", args.topic.as_ref()),
        ("credential", args.credential.as_ref()),
    ];
    let said = said.into_iter();
    let said = said.filter_map(|(key, value)| Some(format!("{key}={}", escape(value?))));
    said.collect::<Vec<_>>().join("&")
}

async fn list(client: &ApiClient, path: &str, output: Output) -> Result<(), Failure> {
    let page = client.get(path).await?;
    if output.is_json() {
        output.json(&page);
    }
    let all = page["data"].as_array().map(Vec::as_slice).unwrap_or(&[]);
    let row = |channel: &Value| {
        let columns = ["/id", "/environment", "/topic"];
        columns.map(|pointer| shown(channel, pointer)).to_vec()
    };
    output.table(
        &["id", "environment", "topic"],
        all.iter().map(row).collect(),
    );
    output.note(format!("{} of 10,000 that Apple allows", all.len()));
    Ok(())
}
