//! How fast a full store starts: `cargo run --release -p carillon-store-sql --example bench_start [directory]`.
//!
//! Registers 1,000,000 devices, accepts 100,000 singles that stay held, then opens the files again as a
//! process after a crash would, rescues, and sends one fan-out's worth of reads; prints times and memory.
#![expect(clippy::print_stdout, reason = "a program that prints its findings")]

use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::lane::Class;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::{OnUnknown, Reach, TokenKind};
use carillon_ports::conformance::{T0, lane, options};
use carillon_ports::registry::Registry;
use carillon_ports::store::{HotStore, NewBatch, NewNotification};
use carillon_store_sql::{SqlStore, SqliteConfig};
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;

const APP: AppNo = AppNo(1);

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> Outcome {
    let base = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let directory = tempfile::tempdir_in(base)?;
    let path = directory.path().join("bench.db");
    let store = SqlStore::open(SqliteConfig::new(&path))?;
    report("opened an empty store", 0.0);

    let start = millis();
    for page in 0..1_000u64 {
        let devices = (0..1_000).map(|n| registration(page * 1_000 + n)).collect();
        store.register_devices(APP, devices, T0).await?;
    }
    report("registered 1,000,000 devices", start);

    let start = millis();
    for _ in 0..200 {
        let items = (0..500).map(|_| single(&store)).collect();
        store.accept(items).await?;
    }
    report("accepted 100,000 singles", start);

    // What a crash leaves: the files as they are now.
    let crashed = directory.path().join("crashed.db");
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", path.display());
        if Path::new(&from).exists() {
            std::fs::copy(from, format!("{}{suffix}", crashed.display()))?;
        }
    }
    store.close().await;
    drop(store);

    let start = millis();
    let store = SqlStore::open(SqliteConfig::new(&crashed))?;
    report("opened it after a crash", start);
    let start = millis();
    let lanes = store.waiting_lanes().await?.len();
    report(&format!("asked for waiting lanes ({lanes})"), start);
    let start = millis();
    let mut after = store.rescue(None, 100, T0).await?;
    report("rescued the first 100", start);
    let start = millis();
    while after.is_some() {
        after = store.rescue(after, 500, T0).await?;
    }
    report("rescued the others", start);
    let start = millis();
    let mut claimed = 0;
    loop {
        let works = store.claim(lane(APP), Class::Normal, T0, 500, 500).await?;
        if works.is_empty() {
            break;
        }
        claimed += works.len();
    }
    report(&format!("claimed {claimed}"), start);
    let start = millis();
    let (mut after, mut read) = (DeviceNo(0), 0);
    loop {
        let page = store
            .fanout_devices(APP, None, Reach::only(TokenKind::Alert), after, 1_000)
            .await?;
        let Some(last) = page.last() else { break };
        after = last.device;
        read += page.len();
        let devices = page.iter().map(|recipient| recipient.device).collect();
        store.read_push_tokens(TokenKind::Alert, devices).await?;
    }
    report(&format!("read {read} devices and push tokens"), start);
    store.close().await;
    Ok(())
}

fn registration(n: u64) -> DeviceRegistration {
    // Spread, as real push tokens are.
    let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    DeviceRegistration {
        id: Some(format!("device-{n}")),
        user_id: Some(format!("user-{n}")),
        push_tokens: vec![PushTokenRegistration::new(
            TokenKind::Alert,
            PushTokenBytes(spread.repeat(4).into()),
            TokenEnvironment::Production,
        )],
        ..DeviceRegistration::default()
    }
}

fn single(store: &SqlStore) -> NewNotification {
    let no = store.next_notification();
    let device = DeviceNo(1 + no.0 * 7_919 % 1_000_000);
    NewNotification {
        no,
        app: APP,
        accepted_at: T0,
        when: carillon_ports::timer::When::AtOnce,
        expires_at: None,
        options: options(OnUnknown::Resend),
        payload: vec![b'x'; 600].into(),
        batches: vec![NewBatch {
            no: no.batch(0),
            devices: carillon_model::batch::BatchDevices::new(vec![device]),
            lane: lane(APP),
            class: Class::Normal,
            hot: true,
        }],
        badge: None,
        fanout: None,
        idempotency: None,
        throttle: None,
        consumes: None,
        turn: None,
        campaign: None,
        activity: None,
    }
}

fn report(what: &str, start: f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes =
            line.and_then(|line| line.trim_matches([' ', ':', '\t', 'k', 'B']).parse().ok());
        kilobytes.unwrap_or(0.0) / 1_024.0
    };
    let took = if start > 0.0 { millis() - start } else { 0.0 };
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = cpu.tv_sec as f64 * 1e3 + cpu.tv_nsec as f64 / 1e6;
    println!(
        "{what:45} {took:9.1} ms, CPU so far {cpu:9.1} ms, memory {:6.1} MB, peak {:6.1} MB",
        field("VmRSS"),
        field("VmHWM")
    );
}

fn millis() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
