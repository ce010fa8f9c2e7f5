//! Events: each becomes one notification by one trigger and a template with five variables, is on disk before it is
//! answered, and is sent. The server has a core for itself; the gateway and the load generator share another.

use super::cores;
use super::figures::{Figures, Latencies};
use super::gateway::OwnProcess;
use super::http::{HttpConnection, post_head};
use super::pipeline::blind;
use super::rendering;
use super::server::{Home, MeasuredServer, push_token};
use crate::exit::{Exit, Failure};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const APP: &str = "events";
/// Longest time until everything is settled.
const DEADLINE: Duration = Duration::from_secs(300);

/// What is sent.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Load {
    /// Events a second; without it as many as the server takes
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: Option<u64>,
    /// Events in one POST; above 1 as NDJSON
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    batch: u64,
    /// Events in all
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    requests: u64,
    /// Users, each with one device
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    users: u64,
    /// HTTP connections of the load generator
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    connections: u64,
    /// Let the system choose the cores
    #[arg(long)]
    any_core: bool,
}

/// Sets up, tells, waits until everything is settled.
pub(crate) async fn run(load: &Load, data: Option<&Path>) -> Result<Figures, Failure> {
    let requests = load.requests.next_multiple_of(load.batch);
    let pinned = if load.any_core {
        None
    } else {
        Some(cores::pair()?)
    };
    if let Some((_, others)) = pinned {
        others.take_this_process()?;
    }
    let gateway = OwnProcess::start(Duration::ZERO).await?;
    let mut home = Home::new(data, &blind(&gateway)?)?;
    let server = match pinned {
        Some((core, _)) => home.start_on(core).await?,
        None => home.start().await?,
    };
    server.make_app(APP, None).await?;
    server
        .make_users(APP, load.users, |number| push_token(APP, number))
        .await?;
    let path = |kind, name| format!("/v1/apps/{APP}/{kind}/{name}");
    let (template, trigger) = (path("templates", "comment"), path("triggers", "comment"));
    server.client.put(&template, &rendering::template()).await?;
    let definition = json!({ "event": "comment.created", "template": "comment" });
    server.client.put(&trigger, &definition).await?;

    let (cpu_before, gateway_before) = (server.cpu_secs(), gateway.cpu_secs());
    let began = Instant::now();
    let mut latencies = tell(&server, load, requests).await?;
    let told_in = began.elapsed();
    server
        .until_accepted(&[APP.to_owned()], requests, DEADLINE)
        .await?;
    let took = began.elapsed();

    let cpu_secs = server.cpu_secs() - cpu_before;
    let mut figures = Figures {
        n: requests,
        rate_per_sec: requests as f64 / took.as_secs_f64(),
        cpu_secs: Some(cpu_secs),
        p50_ms: latencies.percentile_ms(0.5),
        p99_ms: latencies.percentile_ms(0.99),
        peak_rss_bytes: server.peak_rss_bytes(),
        each_us: Some(cpu_secs / requests as f64 * 1e6),
        ..Figures::default()
    };
    let latency_is = if load.rate.is_some() {
        "due until answer"
    } else {
        "POST until answer"
    };
    let told_per_sec = (requests as f64 / told_in.as_secs_f64()).round();
    let more = [
        ("accepted_rate_per_sec", json!(told_per_sec)),
        (
            "gateway_cpu_secs",
            json!(gateway.cpu_secs() - gateway_before),
        ),
        ("max_ms", json!(latencies.percentile_ms(1.0))),
        ("latency_is", json!(latency_is)),
    ];
    figures
        .more
        .extend(more.map(|(name, value)| (name.to_owned(), value)));
    server.stop().await?;
    Ok(figures)
}

/// Tells everything over keep-alive connections: how late the answers were. At a rate, a POST is due at an instant of
/// its own and late from then on, whoever was slow.
async fn tell(server: &MeasuredServer, load: &Load, requests: u64) -> Result<Latencies, Failure> {
    let kind = if load.batch > 1 {
        "application/x-ndjson"
    } else {
        "application/json"
    };
    let head: Arc<str> = post_head(&format!("/v1/apps/{APP}/events"), &server.api_key, kind).into();
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        connections.push(HttpConnection::open(&server.address).await?);
    }
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for mut connection in connections {
        let (next, head, load) = (next.clone(), head.clone(), load.clone());
        tasks.spawn(async move {
            let mut latencies = Latencies::default();
            let (mut request, mut body) = (Vec::new(), Vec::new());
            loop {
                let first = next.fetch_add(load.batch, Ordering::Relaxed);
                if first >= requests {
                    return Ok::<_, Failure>(latencies);
                }
                body.clear();
                for number in first..first + load.batch {
                    write_event(&mut body, number % load.users, number);
                }
                request.clear();
                request.extend_from_slice(head.as_bytes());
                request.extend_from_slice(body.len().to_string().as_bytes());
                request.extend_from_slice(b"\r\n\r\n");
                request.extend_from_slice(&body);
                let due = match load.rate {
                    None => Instant::now(),
                    Some(rate) => {
                        let due = began + Duration::from_secs_f64(first as f64 / rate as f64);
                        tokio::time::sleep_until(due).await;
                        due
                    }
                };
                let answer = connection.call(&request).await?;
                latencies.add(due.elapsed());
                check(&answer, load.batch > 1)?;
            }
        });
    }
    let mut latencies = Latencies::default();
    while let Some(done) = tasks.join_next().await {
        let done = done.map_err(|error| Failure::new(Exit::Software, error.to_string()))?;
        latencies.extend(done?);
    }
    Ok(latencies)
}

fn check(answer: &super::http::HttpAnswer, is_batch: bool) -> Result<(), Failure> {
    let expected = if is_batch { 200 } else { 202 };
    let text = String::from_utf8_lossy(&answer.body);
    if answer.status == expected && !(is_batch && text.contains("\"problem\"")) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Software,
        format!("the server answered {}: {text}", answer.status),
    ))
}

/// One event, with data that no other has, about one user.
fn write_event(into: &mut Vec<u8>, user: u64, number: u64) {
    use std::io::Write as _;
    let data = rendering::variables(number);
    // Writing into memory cannot fail.
    let _ = writeln!(
        into,
        "{{\"name\":\"comment.created\",\"subject\":\"post_{number}\",\"actor\":\"writer\",\"recipients\":[\"u{user}\"],\"data\":{data}}}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lines_of_json_that_all_differ() {
        let mut text = Vec::new();
        write_event(&mut text, 7, 1);
        write_event(&mut text, 7, 2);
        let lines: Vec<serde_json::Value> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(lines[0]["recipients"], json!(["u7"]));
        assert_ne!(lines[0]["data"], lines[1]["data"]);
        assert_eq!(lines[0]["data"].as_object().map(|data| data.len()), Some(5));
    }
}
