//! A gateway's adapter with its pool, alone, against a blind gateway: what it costs to dress, send and judge a push, for
//! each gateway by the same hands. Notifications are prepared before anything is measured.

use super::faces;
use super::figures::{Figures, Latencies};
use super::gateway::{Answers, OwnProcess, PlaceOfTokens};
use super::process::{own_cpu_secs, thread_cpu};
use crate::clock::{ServerClock, fill_random};
use crate::exit::{Exit, Failure};
use crate::memory::UPKEEP;
use crate::{config, signing_key};
use carillon_gateways::Host;
use carillon_gateways::apns::{ApnsConfig, ApnsGateway};
use carillon_gateways::fcm::{FcmConfig, FcmGateway};
use carillon_gateways::webpush::{WebPushConfig, WebPushGateway, generate_vapid};
use carillon_model::content::Content;
use carillon_model::credential::CredentialSecret;
use carillon_model::environment::Environment;
use carillon_model::id::CredentialNo;
use carillon_model::notification::RequestOptions;
use carillon_model::outcome::Verdict;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::target::Target;
use carillon_ports::clock::Clock;
use carillon_ports::gateway::{
    ClaimedFacts, Gateway, Message, PoolId, PoolSpec, Prepared, Push, PushOutcome,
};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Different push tokens in a run. Each is a key pair where browsers are concerned.
const PUSH_TOKENS: usize = 1_000;
/// A registration token of FCM has about so many characters.
const REGISTRATION_BYTES: usize = 152;
/// Preparations that are timed.
const PREPARED: u32 = 5_000;
/// Longest time of a run.
const DEADLINE: Duration = Duration::from_secs(300);

/// What is sent.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "pools")]
pub(crate) struct Load {
    /// Whose pool
    #[arg(long, value_enum, default_value_t)]
    gateway: Answers,
    /// Pushes of one notification that follow each other
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Characters of FCM's access token, which goes with every push: Google's have about a thousand
    #[arg(long, default_value_t = 1_012, value_parser = clap::value_parser!(u16).range(20..=4_096))]
    access_token_length: u16,
    #[command(flatten)]
    load: faces::Load,
}

/// An adapter that knows its way to the blind gateway, with what it takes to send.
struct Rig {
    adapter: Arc<dyn Gateway>,
    secret: CredentialSecret,
    push_tokens: Vec<PushTokenBytes>,
    _tokens: Option<PlaceOfTokens>,
}

/// What outcomes come through.
#[derive(Default)]
struct Tray {
    outcomes: Mutex<Vec<PushOutcome>>,
    bell: Notify,
}

/// Sends, and counts what came of it.
pub(crate) async fn run(load: &Load) -> Result<Figures, Failure> {
    let mut started = None;
    let (url, ca_file) = match (&load.load.url, &load.load.ca) {
        (Some(url), Some(ca)) => (url.clone(), ca.clone()),
        _ => {
            let gateway = started.insert(OwnProcess::answering(load.gateway).await?);
            (gateway.url.clone(), gateway.ca_file.clone())
        }
    };
    let ca_pem =
        std::fs::read(&ca_file).map_err(|error| Failure::io("read --ca,", &ca_file, &error))?;
    let address: config::Endpoint = url
        .trim_start_matches("https://")
        .trim_end_matches('/')
        .parse()
        .map_err(|why| Failure::new(Exit::Usage, format!("--url: {why}")))?;
    let host = Host {
        host: address.host,
        port: address.port,
    };
    let clock: Arc<dyn Clock> = Arc::new(ServerClock::system());
    let rig = match load.gateway {
        Answers::Apns => apple(host, ca_pem, clock.clone())?,
        Answers::Fcm => google(host, ca_pem, load.access_token_length, clock.clone())?,
        Answers::Webpush => browsers(host, ca_pem, clock.clone())?,
    };
    let content = content(load.load.body as usize);
    let prepared = prepared(&rig, &content, clock.now())?;
    let prepare_us = prepare_us(&rig, &content, clock.now())?;
    let sent = tokio::time::timeout(DEADLINE, send(load, &rig, &prepared, &*clock));
    let mut figures = sent.await.map_err(|_| broken("the run took too long"))??;
    let more = ("prepare_us".to_owned(), json!(prepare_us));
    figures.more.extend([more]);
    Ok(figures)
}

/// What preparing the notification costs, which is intake's to pay and not the pool's.
fn prepare_us(rig: &Rig, content: &Content, now: i64) -> Result<f64, Failure> {
    let before = thread_cpu();
    for _ in 0..PREPARED {
        std::hint::black_box(prepared(rig, content, now)?);
    }
    let spent = thread_cpu().saturating_sub(before).as_nanos() as f64;
    Ok((spent / f64::from(PREPARED) / 10.0).round() / 100.0)
}

async fn send(
    load: &Load,
    rig: &Rig,
    prepared: &Prepared,
    clock: &dyn Clock,
) -> Result<Figures, Failure> {
    let (in_flight, requests) = (load.load.in_flight as usize, load.load.requests);
    let (began, cpu_before) = (Instant::now(), own_cpu_secs());
    let tray = Arc::new(Tray::default());
    let sink = {
        let tray = tray.clone();
        Arc::new(move |_, mut outcomes: Vec<PushOutcome>| {
            tray.outcomes.lock().append(&mut outcomes);
            tray.bell.notify_one();
        })
    };
    let spec = spec(rig, clock)?;
    let pool = rig.adapter.open_pool(spec, sink);
    let mut begun_at = vec![began; in_flight];
    let mut free: Vec<usize> = (0..in_flight).collect();
    let mut outcomes = Vec::with_capacity(in_flight);
    let mut latencies = Latencies::default();
    let (mut sent, mut answered) = (0u64, 0u64);
    let mut message = Arc::new(message(prepared));
    while answered < requests {
        let now = Instant::now();
        let mut pushes = Vec::with_capacity(free.len());
        while sent < requests {
            let Some(slot) = free.pop() else { break };
            begun_at[slot] = now;
            if sent.is_multiple_of(load.batch.into()) {
                message = Arc::new(self::message(prepared));
            }
            pushes.push(Push {
                tag: slot as u64,
                push_token: rig.push_tokens[sent as usize % PUSH_TOKENS].clone(),
                gateway_id: uuid::Uuid::from_u64_pair(
                    0x0192_0000_0000_7000 | sent >> 32,
                    0x8000_0000_0000_0000 | sent,
                ),
                message: message.clone(),
            });
            sent += 1;
        }
        pool.submit(pushes);
        tray.bell.notified().await;
        std::mem::swap(&mut *tray.outcomes.lock(), &mut outcomes);
        let now = Instant::now();
        for PushOutcome { tag, outcome } in outcomes.drain(..) {
            if outcome.verdict != Verdict::Accepted {
                return Err(broken(format!("a push came back as {outcome:?}")));
            }
            let slot = tag as usize;
            latencies.add(now - begun_at[slot]);
            free.push(slot);
            answered += 1;
        }
    }
    let cpu_secs = own_cpu_secs() - cpu_before;
    let mut figures = Figures {
        n: requests,
        rate_per_sec: requests as f64 / began.elapsed().as_secs_f64(),
        cpu_secs: Some(cpu_secs),
        p50_ms: latencies.percentile_ms(0.5),
        p99_ms: latencies.percentile_ms(0.99),
        peak_rss_bytes: crate::telemetry::resident_bytes("VmHWM:"),
        ..Figures::default()
    };
    let more = [
        ("payload_bytes", json!(prepared.payload.len())),
        ("connections", json!(pool.status().connections)),
    ];
    let more = more.map(|(name, value)| (name.to_owned(), value));
    figures.more.extend(more);
    pool.close(0);
    Ok(figures)
}

/// One notification's own, as the engine makes it.
fn message(prepared: &Prepared) -> Message {
    Message {
        options: prepared.options.clone(),
        payload: prepared.payload.clone(),
        expires_at: None,
        cancelled: Arc::default(),
    }
}

/// As intake prepares it.
fn prepared(rig: &Rig, content: &Content, now: i64) -> Result<Prepared, Failure> {
    let target = Target::Devices(vec!["d".to_owned()]);
    rig.adapter
        .prepare(&target, content, &RequestOptions::default(), now)
        .map_err(|problems| broken(format!("the notification is refused: {problems:?}")))
}

/// A title and a text that make a payload of exactly so many bytes for Apple; what others make of the same is theirs.
fn content(bytes: usize) -> Content {
    let around = r#"{"aps":{"alert":{"title":"","body":""},"sound":"default"}}"#;
    let title = "Message";
    let fill = bytes.saturating_sub(around.len() + title.len());
    Content {
        title: Some(title.to_owned()),
        body: Some("x".repeat(fill)),
        sound: Some("default".to_owned()),
        ..Content::default()
    }
}

fn spec(rig: &Rig, clock: &dyn Clock) -> Result<PoolSpec, Failure> {
    let claimed = match rig.secret {
        CredentialSecret::SigningKey { .. } => ClaimedFacts {
            topics: vec!["com.example.bench".to_owned()],
            team_id: Some("BENCHTEAM1".to_owned()),
            key_id: Some("BENCHKEY01".to_owned()),
            ..ClaimedFacts::default()
        },
        _ => ClaimedFacts::default(),
    };
    let facts = rig
        .adapter
        .inspect(&rig.secret, &claimed, clock.now())
        .map_err(|problems| broken(format!("the credential is refused: {problems:?}")))?;
    Ok(PoolSpec {
        id: PoolId {
            credential: CredentialNo(1),
            version: 1,
            environment: Environment::Production,
            probing: false,
        },
        secret: Arc::new(rig.secret.clone()),
        facts: Arc::new(facts),
        provider_tokens: None,
    })
}

// === the three gateways ===

fn apple(host: Host, ca_pem: Vec<u8>, clock: Arc<dyn Clock>) -> Result<Rig, Failure> {
    let config = ApnsConfig {
        production: host,
        extra_ca_pem: Some(ca_pem),
        ..ApnsConfig::default()
    };
    let adapter = ApnsGateway::new(config, clock, UPKEEP).map_err(broken)?;
    let pem = signing_key::fresh()?.private_pem;
    let push_token = || Ok(crate::seal::hex(&random::<32>()));
    Rig::new(
        Arc::new(adapter),
        CredentialSecret::SigningKey { pem },
        push_token,
    )
}

fn google(
    host: Host,
    mut ca_pem: Vec<u8>,
    access_token_length: u16,
    clock: Arc<dyn Clock>,
) -> Result<Rig, Failure> {
    let tokens = PlaceOfTokens::start(access_token_length)?;
    ca_pem.extend_from_slice(tokens.ca_pem().as_bytes());
    let config = FcmConfig {
        endpoint: host,
        token_endpoint: Some(Host {
            host: tokens.address().ip().to_string(),
            port: tokens.address().port(),
        }),
        extra_ca_pem: Some(ca_pem),
        // The project's share of FCM is not what is measured.
        quota_per_minute: u32::MAX,
        quota_ramp: Duration::ZERO,
        ..FcmConfig::default()
    };
    let adapter = FcmGateway::new(config, clock, UPKEEP).map_err(broken)?;
    let uri = format!("https://{}/token", tokens.address());
    let json = push_sim::service_account_json("carillon-bench", &uri).map_err(broken)?;
    let push_token = || {
        let mut text = crate::seal::hex(&random::<11>());
        text.push_str(":APA91b");
        while text.len() < REGISTRATION_BYTES {
            text.push_str(&crate::seal::hex(&random::<8>()));
        }
        Ok(text)
    };
    let mut rig = Rig::new(
        Arc::new(adapter),
        CredentialSecret::ServiceAccount { json },
        push_token,
    )?;
    rig._tokens = Some(tokens);
    Ok(rig)
}

fn browsers(host: Host, ca_pem: Vec<u8>, clock: Arc<dyn Clock>) -> Result<Rig, Failure> {
    let place = format!("https://{}:{}", host.host, host.port);
    let config = WebPushConfig {
        trusted_origins: vec![host],
        extra_ca_pem: Some(ca_pem),
        ..WebPushConfig::default()
    };
    let adapter = WebPushGateway::new(config, clock, UPKEEP).map_err(broken)?;
    let secret = generate_vapid("mailto:bench@example.com", fill_random).map_err(broken)?;
    Rig::new(Arc::new(adapter), secret, || {
        super::sealing::subscription(&place)
    })
}

impl Rig {
    fn new(
        adapter: Arc<dyn Gateway>,
        secret: CredentialSecret,
        push_token: impl Fn() -> Result<String, Failure>,
    ) -> Result<Self, Failure> {
        let push_tokens = (0..PUSH_TOKENS)
            .map(|_| adapter.read_push_token(&push_token()?).map_err(broken))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            adapter,
            secret,
            push_tokens,
            _tokens: None,
        })
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill_random(&mut bytes);
    bytes
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Software, error.to_string())
}
