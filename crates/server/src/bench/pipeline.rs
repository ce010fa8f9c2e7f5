//! The whole path: JSON over HTTP, commit, TLS to the gateway, settled. Four Apps, 100,000 devices,
//! every notification different, 600 bytes of payload.

use super::figures::{Figures, Latencies};
use super::gateway::OwnProcess;
use super::http::{HttpConnection, post_head};
use super::server::{Gateways, Home, MeasuredServer, push_token};
use crate::exit::{Exit, Failure};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Apps that share the load.
const APPS: u64 = 4;
/// Bytes of the rendered payload, about.
const PAYLOAD_BYTES: usize = 600;
/// Longest time until everything is settled.
const DEADLINE: Duration = Duration::from_secs(300);

/// What is sent.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Load {
    /// Notifications in one POST; above 1 as NDJSON
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    batch: u64,
    /// How long the gateway takes to answer, e.g. 20ms
    #[arg(long, default_value = "0ms", value_parser = super::span)]
    delay: Duration,
    /// Notifications in all; default 400,000 in batches, 100,000 one by one
    #[arg(long)]
    requests: Option<u64>,
    /// Devices over all Apps
    #[arg(long, default_value_t = 100_000)]
    devices: u64,
    /// HTTP connections of the load generator; default 8 for batches, 128 one by one
    #[arg(long)]
    connections: Option<u64>,
}

/// Sets up, sends, waits until everything is settled.
pub(crate) async fn run(load: &Load, data: Option<&Path>) -> Result<Figures, Failure> {
    let requests = load
        .requests
        .unwrap_or(if load.batch > 1 { 400_000 } else { 100_000 });
    let requests = requests.next_multiple_of(load.batch);
    let gateway = OwnProcess::start(load.delay).await?;
    let mut home = Home::new(data, &blind(&gateway)?)?;
    let server = home.start().await?;
    let apps = make_apps(&server, load.devices).await?;

    let plan = Plan {
        devices: (load.devices / APPS).max(1),
        batch: load.batch,
        requests,
    };
    let (cpu_before, gateway_before) = (server.cpu_secs(), gateway.cpu_secs());
    let began = Instant::now();
    let connections = load
        .connections
        .unwrap_or(if load.batch > 1 { 8 } else { 128 });
    let mut latencies = generate(&server, &apps, &plan, connections).await?;
    let accepted_in = began.elapsed();
    server.until_accepted(&apps, requests, DEADLINE).await?;
    let took = began.elapsed();

    let mut figures = Figures {
        n: requests,
        rate_per_sec: requests as f64 / took.as_secs_f64(),
        cpu_secs: Some(server.cpu_secs() - cpu_before),
        p50_ms: latencies.percentile_ms(0.5),
        p99_ms: latencies.percentile_ms(0.99),
        peak_rss_bytes: server.peak_rss_bytes(),
        ..Figures::default()
    };
    figures.more.insert(
        "accepted_rate_per_sec".into(),
        json!((requests as f64 / accepted_in.as_secs_f64()).round()),
    );
    figures.more.insert(
        "gateway_cpu_secs".into(),
        json!(gateway.cpu_secs() - gateway_before),
    );
    figures
        .more
        .insert("payload_bytes".into(), json!(PAYLOAD_BYTES));
    figures
        .more
        .insert("latency_is".into(), json!("POST until answer"));
    server.stop().await?;
    Ok(figures)
}

/// Both environments at the blind gateway.
pub(super) fn blind(gateway: &OwnProcess) -> Result<Gateways, Failure> {
    let ca_pem = std::fs::read(&gateway.ca_file)
        .map_err(|error| Failure::io("read", &gateway.ca_file, &error))?;
    Ok(Gateways {
        production: gateway.address().to_owned(),
        sandbox: gateway.address().to_owned(),
        ca_pem,
    })
}

/// The Apps and their devices.
pub(super) async fn make_apps(
    server: &MeasuredServer,
    devices: u64,
) -> Result<Vec<String>, Failure> {
    let mut apps = Vec::new();
    for number in 0..APPS {
        let app = format!("bench{number}");
        server.make_app(&app, None).await?;
        server
            .make_devices(&app, "production", (devices / APPS).max(1), |device| {
                push_token(&app, device)
            })
            .await?;
        apps.push(app);
    }
    Ok(apps)
}

/// What the generator sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Devices of each App.
    pub(super) devices: u64,
    /// Notifications in a POST.
    pub(super) batch: u64,
    /// Notifications in all.
    pub(super) requests: u64,
}

/// Sends everything over keep-alive connections, on a thread of its own: latencies of the POSTs.
pub(super) async fn generate(
    server: &MeasuredServer,
    apps: &[String],
    plan: &Plan,
    connections: u64,
) -> Result<Latencies, Failure> {
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for number in 0..connections {
        let app = apps[(number % apps.len() as u64) as usize].clone();
        let kind = if plan.batch > 1 {
            "application/x-ndjson"
        } else {
            "application/json"
        };
        let head = post_head(
            &format!("/v1/apps/{app}/notifications"),
            &server.api_key,
            kind,
        );
        let mut connection = HttpConnection::open(&server.address).await?;
        let (next, plan) = (Arc::clone(&next), *plan);
        tasks.push(tokio::spawn(async move {
            let mut latencies = Latencies::default();
            let mut request = Vec::new();
            let mut body = Vec::new();
            loop {
                let first = next.fetch_add(plan.batch, Ordering::Relaxed);
                if first >= plan.requests {
                    return Ok::<_, Failure>(latencies);
                }
                body.clear();
                for number in first..first + plan.batch {
                    write_notification(&mut body, number % plan.devices, number);
                }
                request.clear();
                request.extend_from_slice(head.as_bytes());
                request.extend_from_slice(body.len().to_string().as_bytes());
                request.extend_from_slice(b"\r\n\r\n");
                request.extend_from_slice(&body);
                let begun = Instant::now();
                let answer = connection.call(&request).await?;
                latencies.add(begun.elapsed());
                check(&answer, &plan)?;
            }
        }));
    }
    let mut latencies = Latencies::default();
    for task in tasks {
        let done = task
            .await
            .map_err(|error| Failure::new(Exit::Software, error.to_string()))?;
        latencies.extend(done?);
    }
    Ok(latencies)
}

fn check(answer: &super::http::HttpAnswer, plan: &Plan) -> Result<(), Failure> {
    let expected = if plan.batch > 1 { 200 } else { 202 };
    let is_refused = plan.batch > 1
        && answer
            .body
            .windows(9)
            .any(|window| window == b"\"problem\"");
    if answer.status == expected && !is_refused {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&answer.body);
    let line = text
        .lines()
        .find(|line| line.contains("problem"))
        .unwrap_or(&text);
    Err(Failure::new(
        Exit::Software,
        format!("the server answered {}: {line}", answer.status),
    ))
}

/// One notification: a title and a body that no other has, about 600 bytes as a payload.
pub(super) fn write_notification(into: &mut Vec<u8>, device: u64, number: u64) {
    use std::io::Write as _;
    const FILL: &str = "All bells ring at once, and every single one of them is heard by somebody who was waiting for it. ";
    // Writing into memory cannot fail.
    let _ = write!(
        into,
        "{{\"target\":{{\"devices\":[\"d{device}\"]}},\"content\":{{\"title\":\"Message {number:010}\",\"body\":\""
    );
    let mut left = PAYLOAD_BYTES - 64;
    while left > 0 {
        let part = &FILL.as_bytes()[..left.min(FILL.len())];
        into.extend_from_slice(part);
        left -= part.len();
    }
    let _ = writeln!(into, "\"}}}}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_are_lines_of_json_that_all_differ() {
        let mut text = Vec::new();
        write_notification(&mut text, 7, 1);
        write_notification(&mut text, 7, 2);
        let lines: Vec<serde_json::Value> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["target"]["devices"][0], json!("d7"));
        assert_ne!(lines[0]["content"], lines[1]["content"]);
        let body = lines[0]["content"]["body"].as_str().unwrap().len();
        let title = lines[0]["content"]["title"].as_str().unwrap().len();
        let payload = r#"{"aps":{"alert":{"title":"","body":""}}}"#.len() + title + body;
        assert!((560..=640).contains(&payload), "{payload}");
    }
}
