//! Live Activities: what planning one costs, how late the phases are that come in one second, how fast their plans change, and
//! what memory they take.

use super::figures::Figures;
use super::gateway::OwnProcess;
use super::http::each;
use super::pipeline::blind;
use super::process::thread_cpu;
use super::server::{Home, MeasuredServer, push_token};
use super::timers::Lateness;
use crate::clock::machine_now;
use crate::exit::{Exit, Failure};
use carillon_model::UnixMs;
use carillon_model::live_activity::{ActivityRequest, Look, Rules, Run};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const APP: &str = "activities";
/// What the server calls these timers.
const KIND: &str = "live_activity";
/// Requests at once.
const CONNECTIONS: u64 = 32;
/// Activities that are planned without a server.
const PLANNED: u32 = 20_000;
/// Phases of each.
const PHASES: u64 = 4;
/// Seconds from the burst to its end, for each.
const LASTS: i64 = 6 * 3_600;
/// Pause between two looks at how many fired.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest time after the phases were due.
const DEADLINE: Duration = Duration::from_secs(120);

/// What is declared.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Load {
    /// Activities that are running, with four phases each
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Of these so many have a phase in the same second
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    burst: u64,
    /// So many then get another end, in requests of their own
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    replanned: u64,
    /// That second comes so many seconds after the declaring begins: long enough to declare them all
    #[arg(long, default_value_t = 120)]
    lead: i64,
}

/// Declares them, waits for the burst, changes plans.
pub(crate) async fn run(load: &Load, data: Option<&Path>) -> Result<Figures, Failure> {
    let planning_us = planning()?;
    let gateway = OwnProcess::start(Duration::ZERO).await?;
    let mut home = Home::new(data, &blind(&gateway)?)?;
    let server = home.start().await?;
    server.make_app(APP, None).await?;
    let begun_at = machine_now();
    let burst_at = begun_at + load.lead * 1_000;
    let burst = load.burst.min(load.count);
    each(&server, CONNECTIONS, load.count, move |number| {
        let soon = number < burst;
        let first_at = match soon {
            true => burst_at,
            // Spread over the hour after it.
            false => burst_at + 3_600_000 + (number % 3_600) as i64 * 1_000,
        };
        let body = declaration(number, begun_at, first_at, burst_at + LASTS * 1_000);
        ("PUT", path_of(number), body.to_string(), None)
    })
    .await?;
    let declared_at = machine_now();
    if declared_at >= burst_at {
        return Err(Failure::new(
            Exit::Software,
            format!("declaring took {} ms", declared_at - begun_at),
        )
        .mend("give a longer --lead"));
    }
    // Each shows its first state.
    server
        .until_accepted(&[APP.to_owned()], load.count, DEADLINE)
        .await?;
    let cpu_before = server.cpu_secs();
    let lateness = until_fired(&server, burst, burst_at).await?;
    server
        .until_accepted(&[APP.to_owned()], load.count + burst, DEADLINE)
        .await?;
    let cpu_secs = server.cpu_secs() - cpu_before;

    let replanned = load.replanned.min(load.count);
    let began = Instant::now();
    let later =
        Timestamp::from_millisecond(burst_at + (LASTS + 1_800) * 1_000).unwrap_or(Timestamp::MAX);
    each(&server, CONNECTIONS, replanned, move |number| {
        let body = json!({ "ends_at": later.to_string() });
        ("PATCH", path_of(number), body.to_string(), None)
    })
    .await?;
    let replanning = began.elapsed();

    let mut figures = Figures {
        n: burst,
        rate_per_sec: burst as f64 / (lateness.at_most_ms(1.0).unwrap_or(0.0) / 1_000.0).max(0.001),
        cpu_secs: Some(cpu_secs),
        p50_ms: lateness.at_most_ms(0.5),
        p99_ms: lateness.at_most_ms(0.99),
        each_us: Some(planning_us),
        peak_rss_bytes: server.peak_rss_bytes(),
        rest_rss_bytes: server.rss_bytes(),
        ..Figures::default()
    };
    let mut add = |name: &str, value| figures.more.insert(name.to_owned(), value);
    add(
        "latency_is",
        json!("due until committed; the upper bound of the histogram's bucket"),
    );
    add(
        "each_us_is",
        json!("CPU time of reading, checking and planning one"),
    );
    add("activities", json!(load.count));
    add("max_ms", json!(lateness.at_most_ms(1.0)));
    add(
        "declared_per_sec",
        json!((load.count as f64 * 1_000.0 / (declared_at - begun_at).max(1) as f64).round()),
    );
    add("replanned", json!(replanned));
    add(
        "replanning_secs",
        json!((replanning.as_secs_f64() * 1_000.0).round() / 1_000.0),
    );
    server.stop().await?;
    Ok(figures)
}

fn path_of(number: u64) -> String {
    format!("/v1/apps/{APP}/live-activities/lesson-{number}")
}

/// One that runs from `starts_at` on, with its first phase at an instant, and an update token of its own.
fn declaration(number: u64, starts_at: UnixMs, first_at: UnixMs, ends_at: UnixMs) -> Value {
    let instant = |ms| {
        Timestamp::from_millisecond(ms)
            .unwrap_or(Timestamp::MAX)
            .to_string()
    };
    let phases = (1..PHASES).map(|phase| {
        let at = match phase {
            1 => instant(first_at),
            phase => format!("phases.p1 + {phase}h"),
        };
        json!({ "name": format!("p{phase}"), "at": at, "content_state": { "status": format!("phase {phase}") } })
    });
    let last =
        json!({ "name": "ending", "at": "ends_at - 15m", "content_state": { "status": "ending" } });
    json!({
        "recipient": { "push_token": { "token": push_token(APP, number), "environment": "production" } },
        "start": "app",
        "attributes_type": "LessonAttributes",
        "attributes": { "childId": number.to_string(), "academyName": "Seoul Piano" },
        "content_state": { "status": "active", "scheduleTitle": "Piano", "endTime": { "$date": instant(ends_at) } },
        "starts_at": instant(starts_at),
        "ends_at": instant(ends_at),
        "stale_after": "5m",
        "phases": phases.chain([last]).collect::<Vec<_>>(),
        "end": { "content_state": { "status": "ended" }, "dismiss_after": "5m" },
    })
}

/// What planning one takes, in microseconds of CPU time: its JSON read and checked, its times worked out, the first step made.
fn planning() -> Result<f64, Failure> {
    let now = machine_now();
    let body = declaration(1, now, now + 3_600_000, now + LASTS * 1_000).to_string();
    let failed = |error: String| Failure::new(Exit::Software, error);
    let cpu_before = thread_cpu();
    for _ in 0..PLANNED {
        let request: ActivityRequest =
            serde_json::from_str(black_box(&body)).map_err(|error| failed(error.to_string()))?;
        let checked = request
            .plan(now)
            .map_err(|problems| failed(format!("{problems:?}")))?;
        let mut run = Run::new(now);
        run.tell_update_token(1, None, now);
        black_box(run.turn(&checked.plan, now, &Look::default(), &Rules::default()));
    }
    let cpu = thread_cpu().saturating_sub(cpu_before);
    Ok(cpu.as_secs_f64() * 1e6 / f64::from(PLANNED))
}

/// How late the burst was, when all of it has fired.
async fn until_fired(
    server: &MeasuredServer,
    burst: u64,
    burst_at: UnixMs,
) -> Result<Lateness, Failure> {
    loop {
        let lateness = Lateness::read(&server.client.get_text("/metrics").await?, KIND);
        if lateness.count() >= burst {
            return Ok(lateness);
        }
        if machine_now() > burst_at + DEADLINE.as_millis() as i64 {
            let what = format!("{} of {burst} fired", lateness.count());
            return Err(Failure::new(Exit::Software, what));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
