//! The two faces of `libs/apns` alone, against a blind gateway: the connection that the engine uses,
//! and the client for everybody.

use super::figures::{Figures, Latencies};
use super::gateway::OwnProcess;
use super::process::cpu_secs_of;
use crate::exit::{Exit, Failure};
use crate::signing_key;
use apns::{
    ApnsTopic, Client, Connection, ConnectionConfig, Endpoint, KeyId, Payload, Priority,
    ProviderTokens, Push, PushToken, PushType, Request, SigningKey, TeamId, Template,
};
use bytes::Bytes;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Different push tokens in a run.
const PUSH_TOKENS: usize = 10_000;
/// Longest time of a run.
const DEADLINE: Duration = Duration::from_secs(300);

/// What is sent.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Load {
    /// A gateway that runs already; without it one is started
    #[arg(long, requires = "ca")]
    pub(super) url: Option<String>,
    /// Its certificate authority
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// Bytes of each payload
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(40..=4_096))]
    pub(super) body: u32,
    /// Pushes in flight
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) in_flight: u32,
    /// Pushes in all
    #[arg(long, default_value_t = 200_000)]
    pub(super) requests: u64,
}

/// What both faces need.
struct Material {
    endpoint: Endpoint,
    tokens: ProviderTokens,
    topic: ApnsTopic,
    payload: Bytes,
    push_tokens: Vec<PushToken>,
    in_flight: usize,
    requests: u64,
    _gateway: Option<OwnProcess>,
}

impl Material {
    async fn of(load: &Load) -> Result<Self, Failure> {
        let mut gateway = None;
        let (url, ca) = match (&load.url, &load.ca) {
            (Some(url), Some(ca)) => (url.clone(), ca.clone()),
            _ => {
                let started = gateway.insert(OwnProcess::start(Duration::ZERO).await?);
                (started.url.clone(), started.ca_file.clone())
            }
        };
        let pem = std::fs::read(&ca).map_err(|error| Failure::io("read --ca,", &ca, &error))?;
        let address: crate::config::Endpoint = url
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .parse()
            .map_err(|why| Failure::new(Exit::Usage, format!("--url: {why}")))?;
        let key = signing_key::fresh()?;
        let key = SigningKey::from_p8(
            key.private_pem.as_bytes(),
            KeyId::new("BENCHKEY01").map_err(broken)?,
            TeamId::new("BENCHTEAM1").map_err(broken)?,
        )
        .map_err(broken)?;
        let push_tokens = (0..PUSH_TOKENS)
            .map(|_| {
                let mut bytes = [0; 32];
                crate::clock::fill_random(&mut bytes);
                PushToken::from_bytes(bytes.to_vec())
            })
            .collect::<Result<_, _>>()
            .map_err(broken)?;
        Ok(Self {
            endpoint: Endpoint::new(address.host.as_str(), address.port).extra_ca_pem(&pem),
            tokens: ProviderTokens::new(key),
            topic: ApnsTopic::new("com.example.bench").map_err(broken)?,
            payload: payload(load.body as usize),
            push_tokens,
            in_flight: load.in_flight as usize,
            requests: load.requests,
            _gateway: gateway,
        })
    }
}

/// `{"aps":{"alert":"…"}}` of exactly this many bytes.
fn payload(bytes: usize) -> Bytes {
    let (head, tail) = ("{\"aps\":{\"alert\":\"", "\"}}");
    let fill = bytes.saturating_sub(head.len() + tail.len());
    format!("{head}{}{tail}", "x".repeat(fill)).into()
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Software, error.to_string())
}

/// The engine's face: one connection object on one thread.
pub(crate) async fn sender(load: &Load) -> Result<Figures, Failure> {
    let material = Material::of(load).await?;
    let local = tokio::task::LocalSet::new();
    let run = local.run_until(async { sender_run(&material).await });
    tokio::time::timeout(DEADLINE, run)
        .await
        .map_err(|_| broken("the run took too long"))?
}

async fn sender_run(material: &Material) -> Result<Figures, Failure> {
    let connection = Connection::open(
        &material.endpoint,
        &material.tokens.clone().into(),
        ConnectionConfig::default(),
        Rc::new(apns::pool::NoObserver),
    )
    .map_err(broken)?;
    let template = Template::new(&material.topic, PushType::Alert, Priority::Immediate);
    let mut begun_at = vec![Instant::now(); material.in_flight];
    let mut free: Vec<usize> = (0..material.in_flight).collect();
    let mut batch = VecDeque::with_capacity(material.in_flight);
    let mut finished = Vec::with_capacity(material.in_flight);
    let mut latencies = Latencies::default();
    let (mut sent, mut answered) = (0u64, 0u64);
    let (began, cpu_before) = (Instant::now(), cpu_secs_of("self"));
    while answered < material.requests {
        let now = Instant::now();
        while sent < material.requests {
            let Some(slot) = free.pop() else { break };
            begun_at[slot] = now;
            batch.push_back(Push {
                tag: slot as u64,
                template: template.clone(),
                push_token: material.push_tokens[sent as usize % PUSH_TOKENS].clone(),
                apns_id: uuid::Uuid::from_u64_pair(
                    0x0192_0000_0000_7000 | sent >> 32,
                    0x8000_0000_0000_0000 | sent,
                ),
                expiration: None,
                collapse_id: None,
                payload: material.payload.clone(),
                write_by: None,
            });
            sent += 1;
        }
        connection.submit(&mut batch);
        connection.outcomes(&mut finished).await;
        let now = Instant::now();
        for push in finished.drain(..) {
            match push.result {
                Ok(apns::Response::Accepted(_)) => {}
                Ok(apns::Response::Rejected(rejected)) => return Err(broken(rejected.reason)),
                Err(error) => return Err(broken(error)),
            }
            let slot = push.tag as usize;
            latencies.add(now - begun_at[slot]);
            free.push(slot);
            answered += 1;
        }
    }
    Ok(figures(material.requests, began, cpu_before, latencies))
}

/// The client for everybody: as many tasks as pushes in flight, each one push at a time.
pub(crate) async fn client(load: &Load) -> Result<Figures, Failure> {
    let material = Rc::new(Material::of(load).await?);
    let client = Client::builder(material.tokens.clone())
        .endpoint(material.endpoint.clone())
        .build()
        .map_err(broken)?;
    let payload = Payload::raw(PushType::Alert, material.payload.clone()).map_err(broken)?;
    let next = Rc::new(std::cell::Cell::new(0u64));
    let (began, cpu_before) = (Instant::now(), cpu_secs_of("self"));
    let local = tokio::task::LocalSet::new();
    let mut tasks = Vec::new();
    for _ in 0..material.in_flight {
        let (client, material, payload, next) = (
            client.clone(),
            Rc::clone(&material),
            payload.clone(),
            Rc::clone(&next),
        );
        tasks.push(local.spawn_local(async move {
            let mut latencies = Latencies::default();
            while next.get() < material.requests {
                let number = next.replace(next.get() + 1);
                let push_token = material.push_tokens[number as usize % PUSH_TOKENS].clone();
                let request = Request::builder(push_token, material.topic.clone(), payload.clone())
                    .build()
                    .map_err(broken)?;
                let begun = Instant::now();
                match client.send(request).await.map_err(broken)? {
                    apns::Response::Accepted(_) => latencies.add(begun.elapsed()),
                    apns::Response::Rejected(rejected) => return Err(broken(rejected.reason)),
                }
            }
            Ok(latencies)
        }));
    }
    let all = local.run_until(async {
        let mut latencies = Latencies::default();
        for task in tasks {
            latencies.extend(task.await.map_err(broken)??);
        }
        Ok(latencies)
    });
    let latencies = tokio::time::timeout(DEADLINE, all)
        .await
        .map_err(|_| broken("the run took too long"))??;
    Ok(figures(material.requests, began, cpu_before, latencies))
}

fn figures(n: u64, began: Instant, cpu_before: f64, mut latencies: Latencies) -> Figures {
    Figures {
        n,
        rate_per_sec: n as f64 / began.elapsed().as_secs_f64(),
        cpu_secs: Some(cpu_secs_of("self") - cpu_before),
        p50_ms: latencies.percentile_ms(0.5),
        p99_ms: latencies.percentile_ms(0.99),
        peak_rss_bytes: crate::telemetry::resident_bytes("VmHWM:"),
        ..Figures::default()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn payloads_have_the_size_that_was_asked_for() {
        for bytes in [40, 200, 600, 4_096] {
            let payload = super::payload(bytes);
            assert_eq!(payload.len(), bytes);
            assert!(serde_json::from_slice::<serde_json::Value>(&payload).is_ok());
        }
    }
}
