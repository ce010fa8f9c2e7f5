//! What encrypting one push to a browser costs: a fresh key pair, the agreement with the browser's key, key derivation
//! and AES, all of RFC 8291. Processor's time of one thread; nothing that a network adds.

use super::figures::Figures;
use super::process::thread_cpu;
use crate::clock::fill_random;
use crate::exit::{Exit, Failure};
use std::time::Instant;
use webpush::{AuthSecret, PushEndpoint, ReceiverKey, Request, Subscription, Ttl};

/// Browsers that take turns.
const BROWSERS: usize = 100;

/// What is encrypted.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Load {
    /// Bytes of each message
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=3_993))]
    body: u32,
    /// Messages in all
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
}

/// Encrypts, and counts.
pub(crate) fn run(load: &Load) -> Result<Figures, Failure> {
    let requests = (0..BROWSERS)
        .map(|_| {
            let json = subscription("https://push.example.net")?;
            let subscription = Subscription::from_json(json.as_bytes()).map_err(broken)?;
            Request::builder(subscription, Ttl::secs(3_600))
                .message(vec![b'x'; load.body as usize])
                .build()
                .map_err(broken)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let (began, cpu_before) = (Instant::now(), thread_cpu());
    for request in requests.iter().cycle().take(load.requests as usize) {
        std::hint::black_box(request.seal_fresh().map_err(broken)?);
    }
    let cpu = thread_cpu().saturating_sub(cpu_before);
    Ok(Figures {
        n: load.requests.into(),
        rate_per_sec: f64::from(load.requests) / began.elapsed().as_secs_f64(),
        cpu_secs: Some(cpu.as_secs_f64()),
        each_us: Some(cpu.as_secs_f64() * 1e6 / f64::from(load.requests)),
        ..Figures::default()
    })
}

/// What a browser gives that subscribed at the push service at `place`; its own half of the keys is thrown away.
pub(super) fn subscription(place: &str) -> Result<String, Failure> {
    let key = ReceiverKey::generate().map_err(broken)?;
    let mut secret = [0; 32];
    fill_random(&mut secret);
    let endpoint = format!("{place}/push/{}", crate::seal::hex(&secret));
    let endpoint = PushEndpoint::parse(&endpoint).map_err(broken)?;
    let auth = AuthSecret::new(&secret[..16]).map_err(broken)?;
    Ok(Subscription::new(endpoint, *key.public_key(), auth).to_json())
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Software, error.to_string())
}
