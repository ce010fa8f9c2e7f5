//! What segments cost: `cargo run --release -p carillon-store-sql --example bench_segments [directory or URL] [devices]`.
//!
//! With a URL (`postgres://user@host:port/database`) it is measured on that server, without TLS, in a database that should
//! be empty.
//! Prints, at a million devices, how long an estimate, an exact count and pages of a fan-out take, and how
//! far estimates are from the truth. Numbers of different machines do not compare.
#![expect(clippy::print_stdout, reason = "a program that prints its findings")]

use bytes::Bytes;
use carillon_model::app::AppSettings;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::expression::{Expression, Vocabulary};
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::{Reach, TokenKind};
use carillon_model::segment::{Estimate, Sampling};
use carillon_ports::registry::{Actor, Registry};
use carillon_ports::segment::SegmentFilter;
use carillon_ports::store::HotStore;
use carillon_store_sql::{ServerConfig, SqlStore, SqliteConfig, StoreUrl, TlsMode};
use rustix::time::{ClockId, clock_gettime};

const T0: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;
/// As `engine.segment_sample`, `segment_places`, `fanout_scan` and `segment_slice` are by default.
const SAMPLE: u32 = 20_000;
const PLACES: u32 = 2_000;
const SCAN: u32 = 5_000;
const SLICE: u32 = 20_000;
/// Comparisons of attributes in the longest expression.
const MANY: usize = 125;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> Outcome {
    let mut args = std::env::args().skip(1);
    let base = args.next().unwrap_or_else(|| ".".into());
    let count: u64 = args.next().map_or(Ok(1_000_000), |count| count.parse())?;
    if let Ok(StoreUrl::Server(url)) = StoreUrl::parse(&base) {
        let mut config = ServerConfig::new(url);
        config.tls.mode = TlsMode::Off;
        return measure_all(SqlStore::open(config)?, count).await;
    }
    let directory = tempfile::tempdir_in(base)?;
    let store = SqlStore::open(SqliteConfig::new(directory.path().join("bench.db")))?;
    measure_all(store, count).await
}

async fn measure_all(store: SqlStore, count: u64) -> Outcome {
    let by = Actor {
        api_key: None,
        request_id: None,
    };
    let (app, _) = store
        .put_app(
            "bench".into(),
            "Bench".into(),
            AppSettings::default(),
            T0,
            by,
        )
        .await?;
    let begin = now();
    for first in (0..count).step_by(1_000) {
        let devices = (first..(first + 1_000).min(count)).map(device).collect();
        let at = T0 + (first % 90) as i64 * DAY;
        store.register_devices(app.no, devices, at).await?;
    }
    println!(
        "{count} devices registered in {:.0} s",
        (now() - begin) / 1e3
    );
    for text in [
        "tags contains 'vip'",
        "tags contains 'rare'",
        "platform == 'ios' and language == 'ko'",
        "last_seen > ago('30d')",
        "attributes.plan == 'pro' and not tags contains 'beta'",
        "attributes.age >= 30 and attributes.cities contains 'Seoul'",
        "version(app_version) >= version('2.10')",
        "platform == 'ios' and version(app_version) >= version('2.10') and tags contains 'vip'",
    ] {
        measure(&store, app.no, text).await?;
    }
    // As long as an expression may be.
    let many: Vec<String> = (0..MANY)
        .map(|n| format!("attributes.a{n} == 'x'"))
        .collect();
    measure(&store, app.no, &many.join(" or ")).await?;
    store.close().await;
    Ok(())
}

async fn measure(store: &SqlStore, app: AppNo, text: &str) -> Outcome {
    let expression = Expression::parse_typed(text, &Vocabulary::SEGMENT)?;
    let filter = SegmentFilter::new(expression, T0 + 90 * DAY);
    println!("\n{text}");

    let begin = now();
    let (mut after, mut truth, mut slices) = (DeviceNo(0), 0, Vec::new());
    loop {
        let at = now();
        let slice = store
            .count_segment(app, filter.clone(), after, SLICE)
            .await?;
        slices.push(now() - at);
        after = slice.looked_to;
        truth += slice.matched;
        if slice.finished {
            break;
        }
    }
    println!(
        "  count      {truth} in {:.0} ms, slices of {SLICE}: {}",
        now() - begin,
        spread(&mut slices)
    );

    let (mut times, mut right, mut width) = (Vec::new(), 0, 0.0);
    let tries = 20;
    for random in 0..tries {
        let sampling = Sampling {
            ranges: PLACES,
            devices: SAMPLE,
            random,
        };
        let at = now();
        let estimate = Estimate::of(&store.sample_segment(app, filter.clone(), sampling).await?);
        times.push(now() - at);
        right += u64::from((estimate.low..=estimate.high).contains(&truth));
        width += (estimate.high - estimate.low) as f64 / 2.0;
    }
    println!(
        "  estimate   {}, right {right} of {tries}, +-{:.0} devices",
        spread(&mut times),
        width / tries as f64
    );

    let reach = Reach::only(TokenKind::Alert);
    let (mut after, mut scans, mut pages) = (DeviceNo(0), Vec::new(), Vec::new());
    let (mut gathered, mut spent, mut found) = (0, 0.0, 0);
    loop {
        let at = now();
        let page = store
            .segment_devices(app, filter.clone(), reach, after, 1_000 - gathered, SCAN)
            .await?;
        let took = now() - at;
        scans.push(took);
        spent += took;
        gathered += page.recipients.len() as u32;
        found += page.recipients.len();
        after = page.looked_to;
        if gathered == 1_000 {
            pages.push(spent);
            (gathered, spent) = (0, 0.0);
        }
        if page.finished {
            break;
        }
    }
    println!(
        "  scans      {}; whole pages of 1000: {}; {found} devices",
        spread(&mut scans),
        spread(&mut pages)
    );
    Ok(())
}

/// Median and 99th percentile, in milliseconds.
fn spread(times: &mut [f64]) -> String {
    times.sort_by(f64::total_cmp);
    match times.len() {
        0 => "none".to_owned(),
        n => format!(
            "p50 {:.1} ms, p99 {:.1} ms ({n})",
            times[n / 2],
            times[n * 99 / 100]
        ),
    }
}

/// Milliseconds of a clock that only goes on.
fn now() -> f64 {
    let at = clock_gettime(ClockId::Monotonic);
    at.tv_sec as f64 * 1e3 + at.tv_nsec as f64 / 1e6
}

/// A device that is told from others by its number, with what an App usually knows.
fn device(n: u64) -> DeviceRegistration {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let one_of = |of: u64| mixed.is_multiple_of(of);
    let pick = |from: &[&str]| Some(from[(mixed % from.len() as u64) as usize].to_owned());
    let mut tags = vec!["all".to_owned(), format!("cohort-{}", mixed % 50)];
    for (tag, is_on) in [
        ("vip", one_of(20)),
        ("beta", one_of(33)),
        ("rare", one_of(10_007)),
    ] {
        tags.extend(is_on.then(|| tag.to_owned()));
    }
    let mut bytes = [7u8; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    DeviceRegistration {
        id: Some(format!("device-{n}")),
        user_id: Some(format!("user-{}", n / 2)),
        locale: pick(&["ko-KR", "en-US", "ja-JP", "de", "pt-BR", "ko", "en-GB"]),
        time_zone: pick(&["Asia/Seoul", "America/New_York", "Europe/Berlin"]),
        platform: pick(&["ios", "android", "ios", "web"]),
        app_version: Some(format!("2.{}.{}", mixed % 14, mixed % 5)),
        tags,
        attributes: Some(format!(
            r#"{{"plan":"{}","age":{},"cities":["{}","Busan"],"score":{}.5}}"#,
            ["free", "free", "pro", "team"][(mixed % 4) as usize],
            mixed % 80,
            ["Seoul", "Berlin", "Tokyo"][(mixed % 3) as usize],
            mixed % 1_000
        )),
        push_tokens: vec![PushTokenRegistration::new(
            TokenKind::Alert,
            PushTokenBytes(Bytes::copy_from_slice(&bytes)),
            TokenEnvironment::Production,
        )],
        ..DeviceRegistration::default()
    }
}
