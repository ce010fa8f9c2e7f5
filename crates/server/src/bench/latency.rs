//! From a POST to the gateway, at a steady rate: each notification is due at an instant of its own,
//! and is late from then on, whatever the generator does. The gateway is a simulator that checks and
//! records; a fan-out of another App meanwhile goes to a blind one.

use super::figures::{Figures, Latencies};
use super::gateway::OwnProcess;
use super::http::{HttpConnection, post_head};
use super::pipeline::write_notification;
use super::process::Process;
use super::server::{Gateways, Home, MeasuredServer, push_token, topic};
use crate::client::ApiClient;
use crate::exit::{Exit, Failure};
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// The App whose latency is measured, and the one that is busy.
const APP: &str = "latency";
const BUSY_APP: &str = "busy";
/// Phones made at once.
const MADE_AT_ONCE: u64 = 10_000;
/// Connections of the load generator.
const CONNECTIONS: usize = 64;
/// Records read at once.
const PAGE: u64 = 10_000;
/// How long the simulator may take until it listens.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Longest time until everything is settled.
const DEADLINE: Duration = Duration::from_secs(300);

/// What is sent.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Load {
    /// Single POSTs a second
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=50_000))]
    rate: u64,
    /// For so many seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Meanwhile another App sends one notification to so many devices
    #[arg(long)]
    fan_out: Option<u64>,
}

/// By push token, when it was due by the machine's clock, in microseconds.
type DueAt = HashMap<String, i64>;

/// Sets up, sends at the rate, and reads back when each arrived.
pub(crate) async fn run(load: &Load, data: Option<&Path>) -> Result<Figures, Failure> {
    let apple = SimulatedApple::start().await?;
    let blind = OwnProcess::start(Duration::ZERO).await?;
    let mut gateways = apple.gateways().await?;
    blind.address().clone_into(&mut gateways.sandbox);
    gateways.ca_pem.extend(
        std::fs::read(&blind.ca_file)
            .map_err(|error| Failure::io("read", &blind.ca_file, &error))?,
    );
    let mut home = Home::new(data, &gateways)?;
    let server = home.start().await?;

    let count = load.rate * load.seconds;
    let push_tokens = apple.make_phones(&topic(APP), count).await?;
    server.make_app(APP, None).await?;
    server
        .make_devices(APP, "production", count, |number| {
            push_tokens[number as usize].clone()
        })
        .await?;
    if let Some(devices) = load.fan_out {
        server.make_app(BUSY_APP, None).await?;
        server
            .make_devices(BUSY_APP, "sandbox", devices, |number| {
                push_token(BUSY_APP, number)
            })
            .await?;
    }

    let cpu_before = server.cpu_secs();
    if load.fan_out.is_some() {
        let body = json!({ "target": { "all": true }, "content": { "title": "To everybody", "body": "at once" } });
        server
            .client
            .post(&format!("/v1/apps/{BUSY_APP}/notifications"), &body)
            .await?;
    }
    let began = Instant::now();
    let due_at = generate(&server, load, &push_tokens).await?;
    let took = began.elapsed();
    let still_busy = match load.fan_out {
        Some(devices) => {
            server.totals(BUSY_APP).await?["accepted"]
                .as_u64()
                .unwrap_or(0)
                < devices
        }
        None => false,
    };
    server
        .until_accepted(&[APP.to_owned()], count, DEADLINE)
        .await?;
    let mut latencies = apple.read_back(&due_at).await?;
    if latencies.len() as u64 != count {
        return Err(Failure::new(
            Exit::Software,
            format!("{} of {count} arrived", latencies.len()),
        ));
    }

    let mut figures = Figures {
        n: count,
        rate_per_sec: count as f64 / took.as_secs_f64(),
        cpu_secs: Some(server.cpu_secs() - cpu_before),
        p50_ms: latencies.percentile_ms(0.5),
        p99_ms: latencies.percentile_ms(0.99),
        peak_rss_bytes: server.peak_rss_bytes(),
        ..Figures::default()
    };
    figures.more.insert(
        "latency_is".into(),
        json!("due until received by the gateway"),
    );
    figures
        .more
        .insert("max_ms".into(), json!(latencies.percentile_ms(1.0)));
    if let Some(devices) = load.fan_out {
        figures
            .more
            .insert("fan_out_devices".into(), json!(devices));
        figures
            .more
            .insert("fan_out_outlasted_the_run".into(), json!(still_busy));
        server
            .until_accepted(&[BUSY_APP.to_owned()], devices, DEADLINE)
            .await?;
    }
    server.stop().await?;
    Ok(figures)
}

/// One notification to each device, each at its instant; returns when each was due.
async fn generate(
    server: &MeasuredServer,
    load: &Load,
    push_tokens: &[String],
) -> Result<DueAt, Failure> {
    let (idle, mut free) = mpsc::channel::<HttpConnection>(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        // There is room for all of them.
        let _ = idle.try_send(HttpConnection::open(&server.address).await?);
    }
    let head = post_head(
        &format!("/v1/apps/{APP}/notifications"),
        &server.api_key,
        "application/json",
    );
    let began = tokio::time::Instant::now();
    let began_at = wall_us();
    let mut due_at = HashMap::with_capacity(push_tokens.len());
    let mut tasks = tokio::task::JoinSet::new();
    for (number, push_token) in (0u64..).zip(push_tokens) {
        let due_us = number * 1_000_000 / load.rate;
        due_at.insert(push_token.clone(), began_at + due_us as i64);
        tokio::time::sleep_until(began + Duration::from_micros(due_us)).await;
        let mut body = Vec::new();
        write_notification(&mut body, number, number);
        let mut request = format!("{head}{}\r\n\r\n", body.len()).into_bytes();
        request.extend_from_slice(&body);
        let connection = free.recv().await;
        let mut connection =
            connection.ok_or_else(|| Failure::new(Exit::Software, "no connection is left"))?;
        let idle = idle.clone();
        tasks.spawn(async move {
            let answer = connection.call(&request).await?;
            if answer.status != 202 {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                return Err(Failure::new(
                    Exit::Software,
                    format!("the server answered {}: {text}", answer.status),
                ));
            }
            // The generator may have ended: then nobody needs the connection.
            let _ = idle.send(connection).await;
            Ok(())
        });
        while let Some(done) = tasks.try_join_next() {
            done.map_err(|error| Failure::new(Exit::Software, error.to_string()))??;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|error| Failure::new(Exit::Software, error.to_string()))??;
    }
    Ok(due_at)
}

/// Microseconds since 1970, by the machine's clock.
pub(super) fn wall_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_micros() as i64
}

/// A simulator of Apple's side in a process of its own, which records when each push arrived.
pub(super) struct SimulatedApple {
    /// Ends with it.
    _process: Process,
    client: ApiClient,
    production: String,
    sandbox: String,
}

impl SimulatedApple {
    /// Starts it; it takes any key.
    pub(super) async fn start() -> Result<Self, Failure> {
        let process = Process::start(
            &["simulate", "--listen", "127.0.0.1:0", "--accept-any-key"],
            &[],
            READY_WITHIN,
        )
        .await?;
        let text = |pointer: &str| {
            let said = process.said.pointer(pointer).and_then(|v| v.as_str());
            said.unwrap_or_default().to_owned()
        };
        Ok(Self {
            client: ApiClient::open(&text("/admin_url"))?,
            production: text("/production/device"),
            sandbox: text("/sandbox/device"),
            _process: process,
        })
    }

    /// Where it is, with the certificate authority to trust.
    pub(super) async fn gateways(&self) -> Result<Gateways, Failure> {
        Ok(Gateways {
            production: self.production.clone(),
            sandbox: self.sandbox.clone(),
            ca_pem: self.client.get_text("/v1/ca.pem").await?.into_bytes(),
        })
    }

    /// Phones with an app: the push token for alerts of each.
    pub(super) async fn make_phones(&self, app: &str, count: u64) -> Result<Vec<String>, Failure> {
        let mut push_tokens = Vec::with_capacity(count as usize);
        while (push_tokens.len() as u64) < count {
            let some = (count - push_tokens.len() as u64).min(MADE_AT_ONCE);
            let body = json!({ "count": some, "app": app });
            let made = self.client.post("/v1/phones", &body).await?;
            let phones = made.body["phones"].as_array().into_iter().flatten();
            push_tokens.extend(phones.map(|phone| {
                let token = phone["push_tokens"]["alert"].as_str();
                token.unwrap_or_default().to_owned()
            }));
        }
        Ok(push_tokens)
    }

    /// How late each push was that is known by its push token, when it arrived.
    pub(super) async fn read_back(&self, due_at: &DueAt) -> Result<Latencies, Failure> {
        let mut latencies = Latencies::default();
        let mut after = 0;
        loop {
            let page = self
                .client
                .get(&format!("/v1/received?after_seq={after}&limit={PAGE}"))
                .await?;
            for record in page["received"].as_array().into_iter().flatten() {
                let push_token = record["push_token"].as_str().unwrap_or_default();
                if let (Some(due), Some(at)) = (due_at.get(push_token), record["wall_us"].as_i64())
                {
                    latencies.add(Duration::from_micros((at - due).max(0) as u64));
                }
            }
            match page["next_after_seq"].as_u64() {
                Some(next) => after = next,
                None => return Ok(latencies),
            }
        }
    }
}
