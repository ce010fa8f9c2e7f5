//! What the store costs: `cargo run --release -p carillon-store-sql --example bench_store [directory or URL [part of a name]]`.
//!
//! With a URL (`postgres://user@host:port/database`) it is measured on that server, without TLS, in a database that should
//! be empty.
//! Prints CPU (of the whole process, this program's own part included) and wall time for each push or
//! delivery that is accepted and settled. Numbers of different machines do not compare.
#![expect(clippy::print_stdout, reason = "a program that prints its findings")]

use bytes::Bytes;
use carillon_model::app::AppSettings;
use carillon_model::batch::BatchDevices;
use carillon_model::definition::DefinitionKind;
use carillon_model::delivery::FinalState;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, BatchNo, DeviceNo};
use carillon_model::lane::{Class, Gateway, Lane};
use carillon_model::monitor::WatchState;
use carillon_model::notification::{Priority, SendOptions};
use carillon_model::push_type::{OnUnknown, PushType, TokenKind};
use carillon_ports::registry::{Actor, Registry as _};
use carillon_ports::store::{
    BatchSettlement, HotStore, NewBatch, NewNotification, Settlement, WorkId,
};
use carillon_ports::watch::{WatchClaim, WatchStep, WatchStore as _};
use carillon_store_sql::{ServerConfig, SqlStore, SqliteConfig, StoreUrl, TlsMode};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;

const T0: i64 = 1_800_000_000_000;
/// Devices that pushes go to, so that their numbers are not in order.
const DEVICES: i64 = 1_000_000;

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
    if let Ok(StoreUrl::Server(url)) = StoreUrl::parse(&base) {
        let mut config = ServerConfig::new(url);
        config.tls.mode = TlsMode::Off;
        return measure(SqlStore::open(config)?).await;
    }
    let directory = tempfile::tempdir_in(base)?;
    measure(SqlStore::open(SqliteConfig::new(
        directory.path().join("bench.db"),
    ))?)
    .await
}

async fn measure(store: SqlStore) -> Outcome {
    let store = Arc::new(store);
    let only = std::env::args().nth(2).unwrap_or_default();
    let wanted = |name: &str| name.contains(&only);

    for (name, group, rounds) in [
        ("warm-up, 500 a call", 500, 40),
        ("singles, 500 a call", 500, 200),
        ("singles, 50 a call", 50, 200),
        ("singles, 1 a call, 1 at a time", 1, 2_000),
    ] {
        if !wanted(name) {
            continue;
        }
        let meter = Meter::start();
        for round in 0..rounds {
            let items = singles(&store, group, round);
            let batches = items.iter().map(|item| item.batches[0].no).collect();
            store.accept(items).await?;
            store.settle(accepted(batches, 1)).await?;
        }
        meter.report(name, group * rounds);
    }

    let meter = Meter::start();
    let group = 500;
    let name = "singles, 1 a call, 500 at once";
    let rounds = if wanted(name) { 100 } else { 0 };
    for round in 0..rounds {
        let items = singles(&store, group, round);
        let batches = items.iter().map(|item| item.batches[0].no).collect();
        let mut calls = tokio::task::JoinSet::new();
        for item in items {
            let store = store.clone();
            calls.spawn(async move { store.accept(vec![item]).await });
        }
        while let Some(call) = calls.join_next().await {
            call??;
        }
        store.settle(accepted(batches, 1)).await?;
    }
    meter.report(name, group * rounds);

    let meter = Meter::start();
    let name = "singles through stored backlog (claim 500)";
    let rounds = if wanted(name) { 100 } else { 0 };
    for round in 0..rounds {
        let mut items = singles(&store, group, round);
        for item in &mut items {
            item.batches[0].hot = false;
        }
        store.accept(items).await?;
        let works = store.claim(lane(), Class::Normal, T0, 500, 1_000).await?;
        let batches = works.iter().map(|work| work.work.id.batch).collect();
        store.settle(accepted(batches, 1)).await?;
    }
    meter.report(name, group * rounds);

    let meter = Meter::start();
    let name = "deliveries in batches of 1,000, 4 flushes each";
    let batches = if wanted(name) { 500 } else { 0 };
    for round in 0..batches {
        let no = store.next_notification();
        let first = i64::from(round) * 1_000 % DEVICES + 1;
        let devices = (first..first + 1_000).map(DeviceNo).collect();
        let item = notification(no.batch(0), devices);
        store.accept(vec![item]).await?;
        for quarter in 0..4u16 {
            let mut settlement = accepted(vec![no.batch(0)], 0);
            settlement.batches[0].verdicts = (quarter * 250..(quarter + 1) * 250)
                .map(|position| (position, FinalState::Accepted))
                .collect();
            if quarter < 3 {
                settlement.batches[0].done.clear();
            }
            store.settle(settlement).await?;
        }
    }
    meter.report(name, batches as usize * 1_000);

    for slice in [5_000, 500] {
        let (meter, slices) = (Meter::start(), 20);
        for _ in 0..slices {
            store.index_devices(slice).await?;
        }
        meter.report(&format!("device index, a slice of {slice}"), slices);
    }
    let meter = Meter::start();
    let mut indexed = 0;
    loop {
        let rows = store.index_devices(20_000).await?;
        if rows == 0 {
            break;
        }
        indexed += rows;
    }
    meter.report("device index, 20,000 a slice", indexed as usize);
    if wanted("steps of monitors") {
        monitors(&store).await?;
    }
    store.close().await;
    Ok(())
}

/// Checks that were good, of monitors that are up; and beats, which move a timer too.
async fn monitors(store: &SqlStore) -> Outcome {
    let (all, rounds) = (2_000, 20);
    let by = || Actor {
        api_key: None,
        request_id: None,
    };
    let (app, settings) = ("bench".to_owned(), AppSettings::default());
    let (app, _) = store.put_app(app.clone(), app, settings, T0, by()).await?;
    let mut monitors = Vec::with_capacity(all);
    for n in 0..all {
        let (kind, name) = (DefinitionKind::Monitor, format!("m{n}"));
        let no = store.definition_no(app.no, kind, name.clone()).await?;
        let body = "{}".to_owned();
        store
            .put_definition(no, app.no, kind, name, body, None, T0, by())
            .await?;
        monitors.push(no);
    }
    let step = |monitor, claim, round: i64| WatchStep {
        monitor,
        app: app.no,
        claim,
        state: WatchState::Ok,
        record: format!(r#"{{"state":"ok","last":{{"at":{round},"verdict":"up"}}}}"#),
        version: 1,
        check_at: Some(T0 + round * 10_000),
        look_at: None,
        entries: vec![],
        events: vec![],
        rings: vec![],
        pages: vec![],
        now: T0 + round,
    };
    let new = monitors.iter().map(|no| step(*no, WatchClaim::New, 0));
    store.step_watches(new.collect()).await?;
    for (name, group, has_timer) in [
        ("steps of monitors, 500 a call", 500, false),
        ("steps of monitors with a timer, 500 a call", 500, true),
        ("steps of monitors with a timer, 50 a call", 50, true),
    ] {
        let meter = Meter::start();
        for round in 1..=rounds {
            for some in monitors.chunks(group) {
                let known = store.watches(some.to_vec()).await?;
                let steps = known
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|watch| WatchStep {
                        look_at: has_timer.then_some(T0 + round * 60_000),
                        ..step(watch.monitor, WatchClaim::Known(watch.fence), round)
                    });
                let written = store.step_watches(steps.collect()).await?;
                assert!(written.iter().all(|is| *is), "a step was not written");
            }
        }
        meter.report(name, all * rounds as usize);
    }
    Ok(())
}

fn lane() -> Lane {
    Lane {
        app: AppNo(1),
        gateway: Gateway::Apns,
        environment: TokenEnvironment::Production,
    }
}

fn singles(store: &SqlStore, count: usize, round: usize) -> Vec<NewNotification> {
    (0..count)
        .map(|n| {
            let device = ((round * count + n) as i64).wrapping_mul(0x9e37_79b9_7f4a) % DEVICES;
            let batch = store.next_notification().batch(0);
            notification(batch, vec![DeviceNo(device.abs() + 1)])
        })
        .collect()
}

fn notification(batch: BatchNo, devices: Vec<DeviceNo>) -> NewNotification {
    NewNotification {
        no: batch.notification(),
        app: AppNo(1 + batch.notification().0 % 4),
        accepted_at: T0,
        when: carillon_ports::timer::When::AtOnce,
        expires_at: Some(T0 + 3_600_000),
        options: SendOptions {
            push_type: PushType::Alert,
            token_kind: TokenKind::Alert,
            priority: Priority::High,
            store_offline: true,
            on_unknown: OnUnknown::Resend,
            class: Class::Normal,
            collapse_id: None,
            apns_topic: None,
            channel: None,
            category: None,
            is_critical: false,
        },
        payload: Bytes::from(vec![b'x'; 600]),
        batches: vec![NewBatch {
            no: batch,
            devices: BatchDevices::new(devices),
            lane: lane(),
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

/// Everything accepted, first works done.
fn accepted(batches: Vec<BatchNo>, count: u16) -> Settlement {
    Settlement {
        batches: batches
            .into_iter()
            .map(|batch| BatchSettlement {
                batch,
                verdicts: (0..count).map(|p| (p, FinalState::Accepted)).collect(),
                failures: vec![],
                attempts: vec![],
                done: vec![WorkId { batch, seq: 0 }],
                follow_ups: vec![],
            })
            .collect(),
        now: T0 + 1,
        ..Settlement::default()
    }
}

struct Meter {
    cpu: f64,
    wall: f64,
}

impl Meter {
    fn start() -> Self {
        Self {
            cpu: micros(ClockId::ProcessCPUTime),
            wall: micros(ClockId::Monotonic),
        }
    }

    fn report(&self, name: &str, count: usize) {
        if count == 0 {
            return;
        }
        let each = |now: f64, then: f64| (now - then) / count as f64;
        println!(
            "{name:50} {:8.2} µs CPU {:9.2} µs wall each, {count} in all",
            each(micros(ClockId::ProcessCPUTime), self.cpu),
            each(micros(ClockId::Monotonic), self.wall),
        );
    }
}

fn micros(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
