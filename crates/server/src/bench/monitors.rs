//! Monitors: what checking many costs, how long it takes from a failing answer to the page at the gateway, and what being
//! heard of by many jobs costs.
//!
//! The services that are watched are answered by a thread of this process, so that their CPU time is not the server's. The
//! gateway is a simulator that records when each page arrived.

use super::figures::{Figures, Latencies};
use super::http::each;
use super::latency::{SimulatedApple, wall_us};
use super::server::{Home, MeasuredServer, topic};
use crate::exit::{Exit, Failure};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const APP: &str = "monitors";
/// Requests at once.
const CONNECTIONS: u64 = 64;
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest time until the pages are there, and until the first checks are made.
const DEADLINE: Duration = Duration::from_secs(120);
/// Most bytes of a request's head.
const MAX_HEAD: usize = 4_096;

/// What is watched.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Load {
    /// HTTP monitors, each checked once a minute
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// For so many seconds, after each was checked once
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Then so many services fail, which are checked each second and page somebody each
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    failing: u64,
    /// Then heartbeats are told so many times a second
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    beats: u64,
    /// For so many seconds
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    beat_seconds: u64,
}

/// Watches, lets services fail, and lets jobs tell that they ran.
pub(crate) async fn run(load: &Load, data: Option<&Path>) -> Result<Figures, Failure> {
    let apple = SimulatedApple::start().await?;
    let mut home = Home::new(data, &apple.gateways().await?)?;
    home.set("MONITORS__ALLOW_PRIVATE", "127.0.0.1");
    let server = home.start().await?;
    server.make_app(APP, None).await?;
    let push_tokens = apple.make_phones(&topic(APP), load.failing).await?;
    server
        .make_users(APP, load.failing, |number| {
            push_tokens[number as usize].clone()
        })
        .await?;
    let services = Services::start()?;
    let rest_cpu = server.cpu_secs();

    let place = services.address;
    put(&server, load.count, move |number| {
        (
            format!("monitors/m{number}"),
            json!({
                "check": { "http": { "url": format!("http://{place}/m/{number}") } },
                "interval": "1m",
                "private_target": true,
            }),
        )
    })
    .await?;
    let setup_cpu = server.cpu_secs() - rest_cpu;
    services.until_asked(load.count).await?;
    let (asked, cpu, began) = (services.asked(), server.cpu_secs(), Instant::now());
    tokio::time::sleep(Duration::from_secs(load.seconds)).await;
    let checks = services.asked() - asked;
    let (cpu_secs, took) = (server.cpu_secs() - cpu, began.elapsed());
    let (checking_rss, checking_peak) = (server.rss_bytes(), server.peak_rss_bytes());

    put(&server, load.failing, |number| {
        let steps = json!([{ "whom": { "users": [format!("u{number}")] } }]);
        (format!("ladders/l{number}"), json!({ "steps": steps }))
    })
    .await?;
    put(&server, load.failing, move |number| {
        (
            format!("monitors/p{number}"),
            json!({
                "check": { "http": { "url": format!("http://{place}/p/{number}") } },
                "interval": "1s",
                "retries": 0,
                "failures": 1,
                "private_target": true,
                "ladder": format!("l{number}"),
            }),
        )
    })
    .await?;
    let asked = services.asked();
    services.until_asked(asked + load.failing * 3).await?;
    let mut latencies = paged(&apple, &services, &push_tokens).await?;

    put(&server, CONNECTIONS, |number| {
        let check = json!({ "heartbeat": { "period": "1d" } });
        (format!("monitors/h{number}"), json!({ "check": check }))
    })
    .await?;
    let beats = beats(&server, load).await?;

    let mut figures = Figures {
        n: checks,
        rate_per_sec: checks as f64 / took.as_secs_f64(),
        cpu_secs: Some(cpu_secs),
        p50_ms: latencies.percentile_ms(0.5),
        p99_ms: latencies.percentile_ms(0.99),
        peak_rss_bytes: checking_peak,
        rest_rss_bytes: checking_rss,
        ..Figures::default()
    };
    let mut add = |name: &str, value| figures.more.insert(name.to_owned(), value);
    let tenths = |value: f64| json!((value * 10.0).round() / 10.0);
    add("monitors", json!(load.count));
    add("defining_cpu_secs", tenths(setup_cpu));
    add(
        "checks_per_minute",
        json!((checks as f64 * 60.0 / took.as_secs_f64()).round()),
    );
    add(
        "core_percent_of_checks",
        tenths(cpu_secs * 100.0 / took.as_secs_f64()),
    );
    add(
        "latency_is",
        json!("failing answer until the page was at the gateway"),
    );
    add("pages", json!(latencies.len()));
    add("max_ms", json!(latencies.percentile_ms(1.0)));
    add("beats_per_sec", tenths(beats.per_sec));
    add("core_percent_of_beats", tenths(beats.core_percent));
    server.stop().await?;
    Ok(figures)
}

/// A definition for each number, many at once.
async fn put(
    server: &MeasuredServer,
    count: u64,
    definition: impl Fn(u64) -> (String, Value) + Clone + Send + 'static,
) -> Result<(), Failure> {
    each(server, CONNECTIONS, count, move |number| {
        let (path, body) = definition(number);
        (
            "PUT",
            format!("/v1/apps/{APP}/{path}"),
            body.to_string(),
            None,
        )
    })
    .await
}

/// Lets the services fail that page somebody, and waits for all pages: from each failing answer to its page.
async fn paged(
    apple: &SimulatedApple,
    services: &Services,
    push_tokens: &[String],
) -> Result<Latencies, Failure> {
    services.failing.is_on.store(true, Relaxed);
    let began = Instant::now();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let failed_at = services.failing.first_us();
        let due_at: HashMap<String, i64> = failed_at
            .iter()
            .filter_map(|(number, at)| Some((push_tokens.get(*number as usize)?.clone(), *at)))
            .collect();
        let latencies = apple.read_back(&due_at).await?;
        if latencies.len() == push_tokens.len() {
            return Ok(latencies);
        }
        if began.elapsed() > DEADLINE {
            let what = format!("{} of {} pages came", latencies.len(), push_tokens.len());
            return Err(Failure::new(Exit::Software, what));
        }
    }
}

/// What being heard of came to.
struct Beats {
    per_sec: f64,
    core_percent: f64,
}

/// Jobs tell that they ran, at a steady rate.
async fn beats(server: &MeasuredServer, load: &Load) -> Result<Beats, Failure> {
    let mut paths = Vec::new();
    for number in 0..CONNECTIONS {
        let view = server
            .client
            .get(&format!("/v1/apps/{APP}/monitors/h{number}"))
            .await?;
        let path = view["heartbeat_url"].as_str().unwrap_or_default();
        // With a public address of the server's it is a whole URL.
        let at = path.find("/v1/").unwrap_or_default();
        paths.push(path[at..].to_owned());
    }
    let (count, rate) = (load.beats * load.beat_seconds, load.beats);
    let (cpu, began) = (server.cpu_secs(), Instant::now());
    each(server, CONNECTIONS, count, move |number| {
        let path = paths[(number % CONNECTIONS) as usize].clone();
        let due = Duration::from_micros(number * 1_000_000 / rate);
        ("POST", path, String::new(), Some(due))
    })
    .await?;
    let took = began.elapsed().as_secs_f64();
    Ok(Beats {
        per_sec: count as f64 / took,
        core_percent: (server.cpu_secs() - cpu) * 100.0 / took,
    })
}

/// Services that are watched.
struct Services {
    address: SocketAddr,
    failing: Arc<Failing>,
    /// Ends the thread when it is dropped.
    _stop: tokio::sync::oneshot::Sender<()>,
}

/// Those of them that fail, when they are told to.
#[derive(Default)]
struct Failing {
    is_on: AtomicBool,
    asked: AtomicU64,
    /// When each failed first: microseconds since 1970.
    first: Mutex<HashMap<u64, i64>>,
}

impl Failing {
    fn first_us(&self) -> HashMap<u64, i64> {
        let first = self.first.lock();
        first.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a service is well now; its first failure is remembered.
    fn is_well(&self, path: &str) -> bool {
        self.asked.fetch_add(1, Relaxed);
        let number = path.strip_prefix("/p/").and_then(|text| text.parse().ok());
        let Some(number) = number.filter(|_| self.is_on.load(Relaxed)) else {
            return true;
        };
        let first = self.first.lock();
        let mut first = first.unwrap_or_else(PoisonError::into_inner);
        first.entry(number).or_insert_with(wall_us);
        false
    }
}

impl Services {
    fn start() -> Result<Self, Failure> {
        let broken = |error: std::io::Error| Failure::new(Exit::Unavailable, error.to_string());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(broken)?;
        listener.set_nonblocking(true).map_err(broken)?;
        let address = listener.local_addr().map_err(broken)?;
        let failing = Arc::new(Failing::default());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let known = failing.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(broken)?;
        std::thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listener, known) => {}
                }
            });
        });
        Ok(Self {
            address,
            failing,
            _stop: stop,
        })
    }

    fn asked(&self) -> u64 {
        self.failing.asked.load(Relaxed)
    }

    async fn until_asked(&self, times: u64) -> Result<(), Failure> {
        let began = Instant::now();
        while self.asked() < times {
            if began.elapsed() > DEADLINE {
                let what = format!("{} of {times} checks came", self.asked());
                return Err(Failure::new(Exit::Software, what));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

async fn serve(listener: std::net::TcpListener, failing: Arc<Failing>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, failing.clone()));
    }
}

/// Answers the requests of a connection; whoever breaks off needs no answer.
async fn answer(mut stream: TcpStream, failing: Arc<Failing>) {
    let mut head = Vec::with_capacity(512);
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_buf(&mut head).await {
                Ok(read) if read > 0 && head.len() < MAX_HEAD => {}
                _ => return,
            }
        }
        let text = String::from_utf8_lossy(&head);
        let path = text.split(' ').nth(1).unwrap_or_default();
        let answer: &[u8] = match failing.is_well(path) {
            true => b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n",
            false => b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 5\r\n\r\nbad!\n",
        };
        if stream.write_all(answer).await.is_err() {
            return;
        }
        head.clear();
    }
}
