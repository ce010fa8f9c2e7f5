//! `carillon demo`: server, simulator, a thousand iPhones, and some hundred Android phones and browsers
//! on this machine, with throw-away data; then our books are held against the simulator's. At last, on clocks that run
//! fast, a shop that is watched stops at night and people are woken, and a lesson lives on lock screens from its beginning to its end.
//!
//! It does what a user would do, by the same doors: everything on our side goes through the HTTP API,
//! everything on the gateways' side through the simulator's admin API.

mod books;
mod incident;
mod lesson;
mod phones;
mod readers;
mod receiver;
mod stage;

use crate::client::ApiClient;
use crate::config::{self, Config, Sources};
use crate::exit::{Exit, Failure};
use crate::lifecycle::{Lifecycle, Stop};
use crate::output::{Output, shown};
use crate::scratch::Scratch;
use crate::signing_key::{self, FreshSigningKey};
use crate::telemetry;
use crate::wire::{self, Running};
use books::{Books, Result as Compared};
use phones::{Phone, Plan};
use push_sim::Simulator;
use readers::Readers;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::path::Path;

/// The demo's App, and the bundle id that its phones have.
const APP: &str = "demo";
const BUNDLE_ID: &str = "com.example.demo";
const TEAM_ID: &str = "DEMOTEAM01";
const KEY_ID: &str = "DEMOKEY001";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End when the books are compared, instead of going on serving
    #[arg(long)]
    exit: bool,
    /// How many iPhones, 20 to 100000; Android phones and browsers are a fifth as many, at most 500 each
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    phones: u32,
    /// How long the lesson on lock screens, of 85 minutes, takes here: 10 to 600 seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 45, value_parser = clap::value_parser!(u32).range(10..=600))]
    lesson_seconds: u32,
}

/// Runs it.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let scratch = Scratch::new("demo")
        .map_err(|error| Failure::io("make a directory in", &std::env::temp_dir(), &error))?;
    let lifecycle = Lifecycle::new();
    lifecycle.follow_signals()?;

    let simulator = Simulator::start(push_sim::Config::default())
        .map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))?;
    let config = configure(&simulator, scratch.path(), [])?;
    telemetry::start_logs(&config.log);
    telemetry::watch_panics();
    let running = wire::start(&config, &lifecycle, None).await?;
    let admin_key = running
        .admin_key()
        .cloned()
        .ok_or_else(|| Failure::new(Exit::Software, "a fresh store made no admin key"))?;
    let ours = ApiClient::with_key(running.url(), &admin_key)?;
    let apple = ApiClient::open(&format!("http://{}", simulator.addresses().admin))?;
    output.line(format!("Carillon serves on {}", running.url()));
    output.line(format!(
        "Apple, Google and browsers are simulated; their admin API is {}",
        apple.base()
    ));

    let acted = tokio::select! {
        acted = act(&ours, &apple, &args, output) => acted,
        () = lifecycle.asked() => Err(Failure::new(Exit::TempFail, "stopped before the books were compared")),
    };
    let compared = match acted {
        Ok(compared) => compared,
        Err(failure) => {
            lifecycle.stop();
            running.until_stopped().await;
            return Err(failure.into());
        }
    };
    if output.is_json() {
        output.json(&compared.line());
    }
    tell(&compared, output);
    if !args.exit {
        tell_what_next(&ours, &apple, &admin_key, output).await?;
        return end(running, compared).await;
    }
    lifecycle.stop();
    end(running, compared).await
}

async fn end(running: Running, compared: Compared) -> anyhow::Result<()> {
    let stop = running.until_stopped().await;
    if !compared.books_agree() {
        return Err(Failure::new(Exit::Trouble, "the books disagree: see above").into());
    }
    match stop {
        Stop::Failed(exit, reason) => Err(Failure::new(exit, reason).into()),
        Stop::Clean | Stop::Cut => Ok(()),
    }
}

/// A throw-away configuration that sends to the simulator, and `more` settings. Only the log follows the environment.
fn configure(
    simulator: &Simulator,
    dir: &Path,
    more: impl IntoIterator<Item = (&'static str, toml::Value)>,
) -> Result<Config, Failure> {
    let text = |path: &Path| toml::Value::String(path.display().to_string());
    let ca_file = dir.join("ca.pem");
    std::fs::write(&ca_file, simulator.ca_pem())
        .map_err(|error| Failure::io("write", &ca_file, &error))?;
    let mut fixed = vec![
        ("server.mode", toml::Value::from("development")),
        ("server.listen", toml::Value::from("127.0.0.1:0")),
        ("store.path", text(&dir.join("carillon.db"))),
        ("apns.ca_file", text(&ca_file)),
        ("fcm.ca_file", text(&ca_file)),
        ("webpush.ca_file", text(&ca_file)),
        (
            "webpush.trusted_origins",
            super::simulate::web_push_host(simulator).into(),
        ),
        // The demo's own receiver of webhooks.
        ("webhooks.allow_private", "127.0.0.1".into()),
    ];
    fixed.extend(more);
    let apns = super::simulate::apns_settings(simulator.addresses());
    let apns = apns.into_iter().map(|setting| ("apns", setting));
    let fcm = super::simulate::fcm_settings(simulator);
    let fcm = fcm.into_iter().map(|setting| ("fcm", setting));
    for (section, (name, address)) in apns.chain(fcm) {
        let key = config::key_of(section, name).ok_or_else(|| {
            let why = format!("there is no setting {section}.{name}");
            Failure::new(Exit::Software, why)
        })?;
        fixed.push((key, toml::Value::String(address)));
    }
    let mut env: Vec<(String, String)> = vec![("CARILLON_LOG__LEVEL".into(), "warn".into())];
    for name in ["CARILLON_LOG__LEVEL", "CARILLON_LOG__FORMAT"] {
        if let Ok(value) = std::env::var(name) {
            env.retain(|(other, _)| other != name);
            env.push((name.to_owned(), value));
        }
    }
    config::load(&Sources {
        file: None,
        env,
        fixed,
    })
}

/// An App with a signing key that the simulator knows.
async fn set_up(ours: &ApiClient, apple: &ApiClient, key: &FreshSigningKey) -> Result<(), Failure> {
    apple
        .post(
            "/v1/keys",
            &json!({ "team_id": TEAM_ID, "key_id": KEY_ID, "public_key_pem": key.public_pem }),
        )
        .await?;
    ours.put(&format!("/v1/apps/{APP}"), &json!({ "name": "Demo" }))
        .await?;
    ours.put(
        &format!("/v1/apps/{APP}/credentials/apple"),
        &json!({
            "gateway": "apns",
            "topics": [BUNDLE_ID],
            "signing_key": { "pem": key.private_pem, "key_id": KEY_ID, "team_id": TEAM_ID },
        }),
    )
    .await?;
    Ok(())
}

/// The story: an App with a fresh key, phones, two notifications, phones that come back; then people
/// with other devices, and an event; then an incident, and a lesson on lock screens.
async fn act(
    ours: &ApiClient,
    apple: &ApiClient,
    args: &Args,
    output: Output,
) -> Result<Compared, Failure> {
    let count = args.phones;
    set_up(ours, apple, &signing_key::fresh()?).await?;
    output.line("An App with a fresh signing key is set up.");

    let plan = Plan::of(count);
    let phones = phones::make(apple, BUNDLE_ID, &plan).await?;
    phones::register(ours, APP, &phones, output).await?;
    phones::uninstall(apple, &phones).await?;
    output.line(format!("{count} phones are registered: {plan}."));

    let everybody = send(
        ours,
        &json!({ "target": { "all": true }, "content": { "title": "Carillon", "body": "One keyboard, many bells." } }),
    )
    .await?;
    let callers: Vec<String> = phones
        .iter()
        .filter(|p| p.has_voip())
        .map(Phone::device_id)
        .collect();
    let calls = send(
        ours,
        &json!({
            "target": { "devices": callers },
            "content": { "data": { "caller": "Carillon" } },
            "options": { "push_type": "voip" },
        }),
    )
    .await?;
    let mut notifications = Vec::new();
    for id in [&everybody, &calls] {
        notifications.push(super::notification::wait(ours, APP, id, output).await?);
    }
    output.line("Every delivery is final; the phones that were offline come back now.");
    phones::bring_online(apple, &phones).await?;

    let mut compared = Books::read(ours, apple, APP, &phones, notifications)
        .await?
        .compare()?;

    let readers = Readers::of(count);
    readers.set_up(ours, apple, APP).await?;
    output.line(format!("{readers} are registered too."));
    compared.add(readers.tell(ours, apple, APP, output).await?);
    compared.add(incident::happen(output).await?);
    compared.add(lesson::live(args.lesson_seconds, output).await?);
    Ok(compared)
}

async fn send(ours: &ApiClient, body: &Value) -> Result<String, Failure> {
    let answer = ours
        .post(&format!("/v1/apps/{APP}/notifications"), body)
        .await?;
    Ok(shown(&answer.body, "/id"))
}

fn tell(compared: &Compared, output: Output) {
    output.line("");
    let line = compared.line();
    for (name, value) in line.as_object().into_iter().flatten() {
        output.line(format!("  {:22} {value}", name.replace('_', " ")));
    }
    for disagreement in compared.disagreements() {
        output.note(format!("  ! {disagreement}"));
    }
    if !output.is_json() || compared.books_agree() {
        return;
    }
    // With --json the reasons still belong to the person who looks at stderr.
    for disagreement in compared.disagreements() {
        tracing::error!("the books disagree: {disagreement}");
    }
}

/// Lines that work when they are pasted into another terminal.
async fn tell_what_next(
    ours: &ApiClient,
    apple: &ApiClient,
    admin_key: &SecretString,
    output: Output,
) -> Result<(), Failure> {
    let program = std::env::current_exe().map_or_else(
        |_| "carillon".to_owned(),
        |path| quoted(&path.display().to_string()),
    );
    let key = admin_key.expose_secret();
    let url = ours.base();
    let auth = format!("-H 'Authorization: Bearer {key}'");
    let rejected = ours
        .list(&format!("/v1/apps/{APP}/notifications"), 3)
        .await?;
    let mut delivery = None;
    // The first notification's, of Apple's, rather than the event's.
    for notification in rejected.iter().rev() {
        let list = format!(
            "/v1/apps/{APP}/notifications/{}/deliveries?state=rejected",
            shown(notification, "/id")
        );
        delivery = delivery.or(ours.list(&list, 1).await?.first().map(|d| shown(d, "/id")));
    }
    output.line("\nIt goes on serving. Try in another terminal:\n");
    for line in [
        format!(
            "curl -sS {auth} -H 'Content-Type: application/json' {url}/v1/apps/{APP}/notifications -d '{{\"target\":{{\"devices\":[\"phone-1\"]}},\"content\":{{\"title\":\"Hello\",\"body\":\"from curl\"}}}}'"
        ),
        format!("curl -sS {auth} '{url}/v1/apps/{APP}/notifications?limit=1'"),
        format!("curl -sS {}/v1/phones/1", apple.base()),
        format!(
            "curl -sS {auth} -H 'Content-Type: application/json' {url}/v1/apps/{APP}/events -d '{{\"name\":\"comment.created\",\"actor\":\"reader-1\",\"recipients\":[\"reader-2\"],\"data\":{{\"writer\":\"지수\",\"comment\":\"from curl\"}}}}'"
        ),
        format!("curl -sS {}/v1/fcm/phones/2", apple.base()),
        format!("curl -sS {}/v1/browsers/2", apple.base()),
        format!("{program} doctor --url {url} --api-key {key}"),
        format!("{program} device show phone-1 --app {APP} --url {url} --api-key {key}"),
    ] {
        output.line(format!("  {line}"));
    }
    if let Some(delivery) = delivery {
        output.line(format!(
            "  {program} explain {delivery} --url {url} --api-key {key}"
        ));
    }
    output.line("\nCtrl-C ends it, and nothing is left behind.");
    Ok(())
}

/// As the shell reads it as one word.
fn quoted(path: &str) -> String {
    let plain = path
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(&b));
    if plain {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}
