//! `carillon template list|show|put|delete|preview|dry-run`.

use super::definition::Definitions;
use super::json_file;
use crate::client::{ApiClient, ServerOptions};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// The App
    #[arg(long, global = true, default_value = "")]
    app: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The templates of an App
    List,
    /// Print one as it was stored: JSON
    Show {
        /// Its name
        name: String,
        /// An older version
        #[arg(long)]
        version: Option<u32>,
    },
    /// Make one, or change it
    Put {
        /// A file with its definition (JSON), or - for stdin
        file: PathBuf,
        /// Its name; without, the file's
        #[arg(long)]
        name: Option<String>,
    },
    /// Delete one
    Delete {
        /// Its name
        name: String,
    },
    /// Show what it says, and what each gateway would be sent; nothing is sent
    Preview(Preview),
    /// Find out for whom among real devices it cannot be rendered; nothing is sent
    DryRun(DryRun),
}

#[derive(Debug, clap::Args)]
struct Preview {
    /// Its name
    name: String,
    /// Values of its variables: a JSON object
    #[arg(long, value_name = "JSON")]
    variables: Option<String>,
    /// In this locale (repeat); without, each that it is written in
    #[arg(long = "locale", value_name = "LOCALE")]
    locales: Vec<String>,
    /// For the person of this device
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Only at this gateway
    #[arg(long, value_parser = ["apns", "fcm", "webpush"])]
    gateway: Option<String>,
}

#[derive(Debug, clap::Args)]
struct DryRun {
    /// Its name
    name: String,
    /// Values of its variables: a JSON object
    #[arg(long, value_name = "JSON")]
    variables: Option<String>,
    /// To all devices of these users (repeat); without any target, to everybody
    #[arg(long = "user", group = "target", value_name = "ID")]
    users: Vec<String>,
    /// To everybody subscribed to this topic
    #[arg(long, group = "target")]
    topic: Option<String>,
    /// To devices for which this expression holds, e.g. "tags contains 'vip'"
    #[arg(long, group = "target", value_name = "EXPRESSION")]
    tags: Option<String>,
    /// How many devices to try: 1 to 1000
    #[arg(long, default_value_t = 200)]
    sample: u32,
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let templates = Definitions {
        client: &client,
        app,
        noun: "templates",
        output,
    };
    match args.command {
        Command::List => list(&templates).await?,
        Command::Show { name, version } => {
            let query = version.map_or(String::new(), |no| format!("?version={no}"));
            templates.show(&name, &query).await?;
        }
        Command::Put { file, name } => {
            let (name, _) = templates.put_file(name, &file).await?;
            output.note(format!(
                "see what it says with: carillon template preview --app {app} {name} --variables '{{…}}'"
            ));
        }
        Command::Delete { name } => templates.delete(&name).await?,
        Command::Preview(asked) => preview(&templates, &asked).await?,
        Command::DryRun(asked) => dry_run(&templates, &asked).await?,
    }
    Ok(())
}

async fn list(templates: &Definitions<'_>) -> Result<(), Failure> {
    let columns = [
        "/name",
        "/version",
        "/locales",
        "/variables",
        "/category",
        "/updated_at",
    ];
    let heads = [
        "name",
        "version",
        "locales",
        "variables",
        "category",
        "changed",
    ];
    let row = |template: &Value| columns.map(|at| shown(template, at)).to_vec();
    templates.list(&heads, row).await
}

async fn preview(templates: &Definitions<'_>, asked: &Preview) -> anyhow::Result<()> {
    let output = templates.output;
    let mut body = json!({ "locales": asked.locales });
    if let Some(variables) = json_file::object("--variables", asked.variables.as_deref())? {
        body["variables"] = variables;
    }
    if let Some(device) = &asked.device {
        body["device"] = json!(device);
    }
    if let Some(gateway) = &asked.gateway {
        body["options"] = json!({ "gateway": gateway });
    }
    let path = format!("{}/preview", templates.one(&asked.name));
    let report = templates.client.post(&path, &body).await?.body;
    if output.is_json() {
        output.json(&report);
    }
    let previews = report["previews"].as_array().into_iter().flatten();
    let mut failed = 0;
    for (at, preview) in previews.enumerate() {
        if at > 0 {
            output.line("");
        }
        failed += u32::from(!tell(preview, output));
    }
    if failed > 0 {
        let message = format!("{} cannot be said everywhere", asked.name);
        return Err(Failure::new(Exit::Trouble, message).into());
    }
    Ok(())
}

/// What one locale gets. `false`: something is wrong with it.
fn tell(preview: &Value, output: Output) -> bool {
    let variant = shown(preview, "/variant");
    output.line(match shown(preview, "/requested") {
        asked if asked.is_empty() || asked == variant => variant,
        asked => format!("{asked} (gets {variant})"),
    });
    if !preview["failure"].is_null() {
        output.line(format!(
            "  {}: {}",
            shown(preview, "/failure/pointer"),
            shown(preview, "/failure/message")
        ));
        return false;
    }
    for (field, _) in preview["content"].as_object().into_iter().flatten() {
        output.line(format!(
            "  {field:9} {}",
            shown(&preview["content"], &format!("/{field}"))
        ));
    }
    let mut is_good = true;
    for gateway in preview["gateways"].as_array().into_iter().flatten() {
        let name = shown(gateway, "/gateway");
        match gateway["bytes"].as_u64() {
            Some(bytes) => output.line(format!("  {name:9} {bytes} bytes")),
            None => is_good = false,
        }
        for problem in gateway["problems"].as_array().into_iter().flatten() {
            output.line(format!(
                "  {name:9} {}: {}",
                shown(problem, "/pointer"),
                shown(problem, "/message")
            ));
        }
    }
    is_good
}

async fn dry_run(templates: &Definitions<'_>, asked: &DryRun) -> anyhow::Result<()> {
    let output = templates.output;
    let target = match (&asked.topic, &asked.tags) {
        (Some(topic), _) => json!({ "topic": topic }),
        (_, Some(tags)) => json!({ "tags": tags }),
        _ if !asked.users.is_empty() => json!({ "users": asked.users }),
        _ => json!({ "all": true }),
    };
    let mut body = json!({ "target": target, "sample": asked.sample });
    if let Some(variables) = json_file::object("--variables", asked.variables.as_deref())? {
        body["variables"] = variables;
    }
    let path = format!("{}/dry-run", templates.one(&asked.name));
    let report = templates.client.post(&path, &body).await?.body;
    if output.is_json() {
        output.json(&report);
    }
    findings(&report, output);
    if report["failures"]
        .as_array()
        .is_some_and(|failures| !failures.is_empty())
    {
        let message = format!("{} cannot be rendered for everybody", asked.name);
        return Err(Failure::new(Exit::Trouble, message).into());
    }
    Ok(())
}

/// What a dry run or a trial found out, for people.
pub(super) fn findings(report: &Value, output: Output) {
    output.line(format!(
        "tried {} devices: {} can be written to",
        shown(report, "/sampled"),
        shown(report, "/renderable")
    ));
    for unreachable in report["unreachable"].as_array().into_iter().flatten() {
        let rule = shown(unreachable, "/rule");
        let why = match &*rule {
            "push_token_retired" => "the push token is retired until the app registers it again",
            "no_push_token" => "there is no push token of the kind that this needs",
            _ => "nothing is sent to them",
        };
        output.line(format!(
            "  {} of them get nothing, {rule}: {why}\n    e.g. {}",
            shown(unreachable, "/devices"),
            shown(unreachable, "/examples")
        ));
    }
    for failure in report["failures"].as_array().into_iter().flatten() {
        output.line(format!(
            "  {} devices, {}: {}\n    e.g. {}",
            shown(failure, "/devices"),
            shown(failure, "/pointer"),
            shown(failure, "/message"),
            shown(failure, "/examples")
        ));
    }
    for sample in report["samples"].as_array().into_iter().flatten() {
        let texts = ["/content/title", "/content/body"].map(|at| shown(sample, at));
        output.line(format!(
            "  {} by {}: {}",
            shown(sample, "/device"),
            shown(sample, "/gateway"),
            texts.join(" | ")
        ));
    }
}
