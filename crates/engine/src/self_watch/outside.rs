//! The outside dead man's switch: the leading worker posts to a URL as long as the server is well. Whoever listens
//! there notices that nothing comes any more, which the server itself could not tell anybody.
//!
//! Well means: the store takes writes, some process leads the role `scheduler`, and timers are in time. A post that
//! fails is not tried again before the next one is due.

use crate::service::Shared;
use carillon_model::duration;
use carillon_model::monitor::{MonitorDefinition, MonitorPlan, ServerPart, TimersFact, Verdict};
use carillon_model::role::Role;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Longest time that the store may take to say that it takes writes.
const STORE_PATIENCE: Duration = Duration::from_secs(10);

/// What came of a turn.
enum Turn {
    Posted,
    /// The server is not well.
    Withheld(String),
    /// It could not be posted, or was not taken.
    Failed(String),
}

/// A post to that URL, as one attempt of a check by HTTP: within its time, past the guard that checks have, and judged
/// by the status.
///
/// # Errors
/// A sentence that says what is wrong with the URL.
pub fn outside_plan(url: &str) -> Result<MonitorPlan, String> {
    let written = json!({
        "check": { "http": { "url": url, "method": "POST" } },
        // Where the configuration lets checks through, the configuration's own URL may lead.
        "private_target": true,
    });
    let definition: MonitorDefinition =
        serde_json::from_value(written).map_err(|error| error.to_string())?;
    definition.plan().map_err(|problems| {
        let first = problems.into_iter().next();
        first.map_or_else(String::new, |problem| problem.message)
    })
}

/// Runs in the leading worker, until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let hub = &shared.hub;
    let wanted = &hub.parts.config.self_watch;
    let plan = match outside_plan(&wanted.outside_url) {
        Ok(plan) => plan,
        Err(why) => {
            tracing::error!("monitors.heartbeat_url: {why}");
            return;
        }
    };
    let mut tick = interval(wanted.outside_every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_posted = true;
    loop {
        tick.tick().await;
        if hub.is_stopping() {
            return;
        }
        let turn = turn(&shared, &plan).await;
        let (is_posted, result) = match &turn {
            Turn::Posted => (true, "posted"),
            Turn::Withheld(_) => (false, "withheld"),
            Turn::Failed(_) => (false, "failed"),
        };
        hub.meters.outside_beat(result);
        // Once for each change, not for each minute.
        if is_posted != was_posted {
            match turn {
                Turn::Posted => tracing::info!("heartbeats are posted again"),
                Turn::Withheld(why) => {
                    tracing::error!("no heartbeat is posted to monitors.heartbeat_url: {why}");
                }
                Turn::Failed(why) => {
                    tracing::error!("a heartbeat to monitors.heartbeat_url was not taken: {why}");
                }
            }
        }
        was_posted = is_posted;
    }
}

async fn turn(shared: &Arc<Shared>, plan: &MonitorPlan) -> Turn {
    let hub = &shared.hub;
    let asked = timeout(STORE_PATIENCE, unwell(shared)).await;
    let unwell = asked.unwrap_or_else(|_| Some("the store gives no answer".to_owned()));
    if let Some(why) = unwell {
        return Turn::Withheld(why);
    }
    let clock = &hub.parts.clock;
    let result = hub
        .parts
        .checker
        .probe(plan, clock.now(), clock.random())
        .await;
    match (result.verdict, result.fault) {
        (Verdict::Up, _) => Turn::Posted,
        (_, fault) => Turn::Failed(fault.map_or_else(String::new, |fault| fault.message)),
    }
}

/// Why the server is not well.
async fn unwell(shared: &Arc<Shared>) -> Option<String> {
    let hub = &shared.hub;
    if !hub.is_counted_on(Instant::now()) {
        return Some("this process has not shown the others for too long that it lives".to_owned());
    }
    match shared.store_problem().await {
        Ok(None) => {}
        Ok(Some(problem)) => return Some(format!("the store takes no writes: {problem}")),
        Err(error) => return Some(error.to_string()),
    }
    if hub.peers.borrow().leader(Role::Scheduler).is_none() {
        return Some("no process has the role scheduler".to_owned());
    }
    let limit = ServerPart::SchedulerLag.usual_limit();
    let limit_ms = duration::parse_ms(limit).unwrap_or(60_000);
    match shared.timers_fact(limit_ms, hub.parts.clock.now()).await {
        Ok(TimersFact::InTime) => None,
        Ok(TimersFact::Late { .. }) => Some(format!("timers are more than {limit} late")),
        Ok(TimersFact::Paused) => Some(
            "the store was restored from a backup, and timers wait for `carillon resume`"
                .to_owned(),
        ),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::outside_plan;

    #[test]
    fn the_url_is_judged_before_anything_is_posted() {
        assert!(outside_plan("https://hc.example.net/ping/abc").is_ok());
        assert!(outside_plan("http://127.0.0.1:8080/v1/heartbeats/x").is_ok());
        for (bad, part) in [
            ("", "1 to 2048 bytes"),
            ("hc.example.net", "https://"),
            ("ftp://hc.example.net/", "https://"),
        ] {
            let why = outside_plan(bad).unwrap_err();
            assert!(why.contains(part), "{bad}: {why}");
        }
    }
}
