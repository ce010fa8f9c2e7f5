//! `carillon simulate`: the gateways' side on this machine, for development without an account at any.
//!
//! With `--dir` it keeps its certificate authority, a signing key of Apple's and a service account of
//! Google's there, and writes a configuration with which `carillon serve` sends to it.

use crate::exit::{Exit, Failure};
use crate::lifecycle::Lifecycle;
use crate::output::Output;
use crate::{private_file, signing_key};
use push_sim::{Addresses, Config, Mode, NewServiceAccount, Ports, Settings, Simulator, TeamKey};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Team and key that the simulator knows from the start.
pub(crate) const TEAM_ID: &str = "SIMTEAM001";
pub(crate) const KEY_ID: &str = "SIMKEY0001";
/// Firebase project that the simulator knows from the start.
pub(crate) const PROJECT: &str = "sim-project";

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address and first of nine ports; port 0 takes free ones and prints them
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Keep the certificate authority and the keys of a sender here, and write carillon.toml for it
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Also accept what Apple is known to let through although its pages do not promise it
    #[arg(long)]
    lax: bool,
    /// Accept any well-formed provider token, and any app
    #[arg(long)]
    accept_any_key: bool,
    /// An app that Apple knows, by its bundle id (repeat); apps of made phones are known by themselves
    #[arg(long = "app", value_name = "BUNDLE_ID")]
    apps: Vec<String>,
    /// Check nothing and answer everything with success: for benchmarks
    #[arg(long, conflicts_with_all = ["lax", "accept_any_key", "dir", "apps"])]
    blind: bool,
    /// With --blind: answer so much later, e.g. 20ms
    #[arg(long, requires = "blind", value_parser = span, default_value = "0ms")]
    delay: std::time::Duration,
    /// With --blind: whose success
    #[arg(long, requires = "blind", value_enum, default_value_t)]
    answers: crate::bench::gateway::Answers,
}

/// Runs until a signal.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::new();
    lifecycle.follow_signals()?;
    if args.blind {
        let blind = crate::bench::gateway::InProcess::start(args.listen, args.delay, args.answers)?;
        output.line(format!(
            "blind gateway at {}, CA {}",
            blind.url(),
            blind.ca_file().display()
        ));
        if output.is_json() {
            output.json(&json!({ "apns_url": blind.url(), "ca_file": blind.ca_file() }));
        }
        lifecycle.asked().await;
        return Ok(());
    }
    let config = Config {
        bind: args.listen.ip(),
        ports: ports(args.listen)?,
        state_dir: args.dir.clone(),
        settings: Settings {
            mode: if args.lax { Mode::Lax } else { Mode::Strict },
            accept_any_key: args.accept_any_key,
            ..Settings::default()
        },
        ..Config::default()
    };
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir).map_err(|error| Failure::io("make", dir, &error))?;
    }
    let simulator = Simulator::start(config).map_err(|error| {
        Failure::new(Exit::Unavailable, error.to_string())
            .mend("choose other ports with --listen, e.g. 127.0.0.1:0 for free ones")
    })?;
    for app in &args.apps {
        simulator.set_app(app, push_sim::AppSettings::default());
    }
    let mut said = addresses(simulator.addresses());
    if let Some(dir) = &args.dir {
        let key_file = keep_key(&simulator, dir)?;
        let config_file = dir.join("carillon.toml");
        // Absolute, so that it means the same from every directory.
        let home = dir
            .canonicalize()
            .map_err(|error| Failure::io("find", dir, &error))?;
        let text = serve_config(&simulator, &home.join("ca.pem"), &home.join("carillon.db"));
        std::fs::write(&config_file, text)
            .map_err(|error| Failure::io("write", &config_file, &error))?;
        said["ca_file"] = json!(dir.join("ca.pem"));
        said["config_file"] = json!(config_file);
        said["signing_key_file"] = json!(key_file);
        said["service_account_file"] = json!(keep_service_account(&simulator, dir)?);
        said["project"] = json!(PROJECT);
        said["team_id"] = json!(TEAM_ID);
        said["key_id"] = json!(KEY_ID);
    }
    tell(&said, simulator.addresses(), output);
    lifecycle.asked().await;
    simulator.shutdown();
    Ok(())
}

fn span(text: &str) -> Result<std::time::Duration, String> {
    carillon_model::duration::parse_ms(text).map(|ms| std::time::Duration::from_millis(ms as u64))
}

/// Nine ports in a row, or any.
fn ports(first: SocketAddr) -> Result<Ports, Failure> {
    let base = first.port();
    if base == 0 {
        return Ok(Ports::default());
    }
    let port = |offset: u16| {
        base.checked_add(offset).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("--listen {first}: nine ports in a row are needed"),
            )
            .mend("give a first port below 65528")
        })
    };
    Ok(Ports {
        production_device: port(0)?,
        production_broadcast: port(1)?,
        production_management: port(2)?,
        sandbox_device: port(3)?,
        sandbox_broadcast: port(4)?,
        sandbox_management: port(5)?,
        admin: port(6)?,
        web_push: port(7)?,
        google: port(8)?,
    })
}

/// The signing key in the directory, made when it is not there, made known to the simulator.
fn keep_key(simulator: &Simulator, dir: &Path) -> Result<PathBuf, Failure> {
    let file = dir.join(format!("AuthKey_{KEY_ID}.p8"));
    let public_key_pem = if file.exists() {
        let private = std::fs::read_to_string(&file)
            .map(zeroize::Zeroizing::new)
            .map_err(|error| Failure::io("read", &file, &error))?;
        signing_key::public_pem(&private)?
    } else {
        let fresh = signing_key::fresh()?;
        private_file::write(&file, fresh.private_pem.trim_end())?;
        fresh.public_pem
    };
    simulator
        .add_key(TeamKey {
            team_id: TEAM_ID.to_owned(),
            key_id: KEY_ID.to_owned(),
            public_key_pem,
            topics: None,
            environment: None,
            related_key_id: None,
        })
        .map_err(|why| {
            Failure::new(
                Exit::Software,
                format!("the simulator refuses its own key: {why}"),
            )
        })?;
    Ok(file)
}

/// The service account in the directory, made when it is not there, made known to the simulator.
fn keep_service_account(simulator: &Simulator, dir: &Path) -> Result<PathBuf, Failure> {
    let refuses = |why: String| {
        Failure::new(
            Exit::Software,
            format!("the simulator refuses its own service account: {why}"),
        )
    };
    let file = dir.join("service-account.json");
    let account = |new: NewServiceAccount| simulator.add_service_account(new).map_err(refuses);
    if !file.exists() {
        let made = account(NewServiceAccount {
            project: PROJECT.to_owned(),
            ..NewServiceAccount::default()
        })?;
        let text = made.key_file.unwrap_or_default();
        private_file::write(&file, text.trim_end())?;
        return Ok(file);
    }
    let text = std::fs::read_to_string(&file)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| Failure::io("read", &file, &error))?;
    let kept: KeptAccount = serde_json::from_str(&text).map_err(|error| {
        Failure::new(
            Exit::Data,
            format!("{} is no service account: {error}", file.display()),
        )
        .mend("delete it: the simulator makes another")
    })?;
    account(NewServiceAccount {
        project: kept.project_id,
        client_email: Some(kept.client_email),
        private_key_id: Some(kept.private_key_id),
        public_key_pem: Some(signing_key::rsa_public_pem(&kept.private_key)?),
        ..NewServiceAccount::default()
    })?;
    Ok(file)
}

/// What is read back of a service account's file.
#[derive(serde::Deserialize)]
struct KeptAccount {
    project_id: String,
    client_email: String,
    private_key_id: String,
    private_key: String,
}

/// Everything it listens on, with the admin API as a URL.
fn addresses(addresses: &Addresses) -> Value {
    json!({
        "admin_url": format!("http://{}", local(addresses.admin)),
        "google_url": format!("https://{}", local(addresses.google)),
        "production": addresses.production,
        "sandbox": addresses.sandbox,
        "web_push": local(addresses.web_push),
    })
}

fn local(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::from([127, 0, 0, 1]), address.port())
    } else {
        address
    }
}

/// A configuration for `carillon serve` that sends to this simulator.
fn serve_config(simulator: &Simulator, ca: &Path, store: &Path) -> String {
    let mut out = String::from(
        "# Written by `carillon simulate`: Carillon sends to the simulator instead of to the gateways.\n\
         [server]\nmode = \"development\"\n\n",
    );
    out.push_str(&format!("[store]\npath = {}\n\n[apns]\n", toml_text(store)));
    for (key, value) in apns_settings(simulator.addresses()) {
        out.push_str(&format!("{key} = \"{value}\"\n"));
    }
    let ca_file = format!("ca_file = {}\n", toml_text(ca));
    out.push_str(&ca_file);
    out.push_str("\n[fcm]\n");
    for (key, value) in fcm_settings(simulator) {
        out.push_str(&format!("{key} = \"{value}\"\n"));
    }
    out.push_str(&ca_file);
    out.push_str("\n# Monitors may look at services on this machine, if they say so.\n");
    out.push_str("[monitors]\nallow_private = \"127.0.0.1\"\n");
    out.push_str(&format!(
        "\n[webpush]\ntrusted_origins = \"{}\"\n{ca_file}",
        web_push_host(simulator)
    ));
    out
}

/// `[apns]` keys and the simulator's addresses for them.
pub(crate) fn apns_settings(addresses: &Addresses) -> [(&'static str, String); 6] {
    let at = |address: SocketAddr| local(address).to_string();
    [
        ("production", at(addresses.production.device)),
        ("sandbox", at(addresses.sandbox.device)),
        ("production_broadcasts", at(addresses.production.broadcast)),
        ("sandbox_broadcasts", at(addresses.sandbox.broadcast)),
        ("production_channels", at(addresses.production.management)),
        ("sandbox_channels", at(addresses.sandbox.management)),
    ]
}

/// `[fcm]` keys and the simulator's addresses for them.
pub(crate) fn fcm_settings(simulator: &Simulator) -> [(&'static str, String); 2] {
    let url = simulator.google_url();
    let host = url.trim_start_matches("https://").to_owned();
    [("token_endpoint", host.clone()), ("endpoint", host)]
}

/// Where its browsers' endpoints lead: for `webpush.trusted_origins`.
pub(crate) fn web_push_host(simulator: &Simulator) -> String {
    let origin = simulator.web_push_origin();
    origin.trim_start_matches("https://").to_owned()
}

fn toml_text(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}

fn tell(said: &Value, addresses: &Addresses, output: Output) {
    if output.is_json() {
        output.json(said);
        return;
    }
    output.line("A simulator of Apple's, Google's and the browsers' gateways is running:");
    for (key, value) in apns_settings(addresses) {
        output.line(format!("  {key:21} {value}"));
    }
    output.line(format!("  {:21} {}", "web push", local(addresses.web_push)));
    output.line(format!(
        "  {:21} {}",
        "admin API",
        said["admin_url"].as_str().unwrap_or_default()
    ));
    for (name, key) in [
        ("Google's hosts", "google_url"),
        ("certificate authority", "ca_file"),
        ("signing key", "signing_key_file"),
        ("service account", "service_account_file"),
        ("configuration", "config_file"),
    ] {
        if let Some(path) = said[key].as_str() {
            output.line(format!("  {name:21} {path}"));
        }
    }
    if let Some(path) = said["config_file"].as_str() {
        output.line(format!("Send to it with: carillon serve --config {path}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_ports_in_a_row() {
        let ports = ports("127.0.0.1:9700".parse().unwrap()).unwrap();
        assert_eq!((ports.production_device, ports.google), (9700, 9708));
        assert!(super::ports("127.0.0.1:65528".parse().unwrap()).is_err());
        assert_eq!(
            super::ports("127.0.0.1:0".parse().unwrap()).unwrap(),
            Ports::default()
        );
    }

    #[test]
    fn the_written_configuration_is_one_that_we_read() {
        let simulator = Simulator::start(Config::default()).unwrap();
        let scratch = crate::scratch::Scratch::new("simulate").unwrap();
        let file = scratch.path().join("carillon.toml");
        let text = serve_config(
            &simulator,
            &scratch.path().join("ca.pem"),
            &scratch.path().join("a \"quoted\" name.db"),
        );
        std::fs::write(&file, text).unwrap();
        let config = crate::config::load(&crate::config::Sources {
            file: Some(file),
            ..crate::config::Sources::default()
        })
        .unwrap();
        assert_eq!(
            config.apns.sandbox.port,
            simulator.addresses().sandbox.device.port()
        );
        assert!(config.store.path.ends_with("a \"quoted\" name.db"));
        let (again, first) = (
            keep_key(&simulator, scratch.path()),
            keep_key(&simulator, scratch.path()),
        );
        assert_eq!(
            again.unwrap(),
            first.unwrap(),
            "the key is made once and kept"
        );
        let account = || {
            let file = keep_service_account(&simulator, scratch.path()).unwrap();
            std::fs::read_to_string(file).unwrap()
        };
        let first = account();
        assert!(first.contains(PROJECT));
        assert_eq!(account(), first, "so is the service account");
        assert_eq!(
            config.fcm.endpoint.port,
            simulator.addresses().google.port()
        );
    }
}
