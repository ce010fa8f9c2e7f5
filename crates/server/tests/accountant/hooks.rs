//! The webhook endpoints of some Apps: made at the beginning, waited for and read at the end.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::books::webhooks::{Endpoint, Hooks, Logged, Temper};
use crate::caller::Question;
use crate::scene::Scene;

/// Apps that have webhook endpoints.
const APPS: [u32; 2] = [0, 1];
/// How often it is looked whether everything has been told.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// The least time that events get to be told: where the machine stalls, the second attempt may fail too, and the third is
/// due up to six minutes later. When all is well, nothing waits for so long.
const LEAST_DEADLINE: Duration = Duration::from_secs(400);
/// Events of one page.
const PAGE: usize = 1_000;

fn path(scene: &Scene, app: u32, temper: Temper) -> String {
    format!("{}/webhooks/{}", scene.app_path(app), temper.name())
}

/// Makes the endpoints.
pub(crate) async fn set_up(scene: &Scene) -> Result<()> {
    for app in APPS {
        for temper in Temper::ALL {
            let body = json!({ "url": scene.receivers.url(app, temper) });
            let question = Question::put(path(scene, app, temper), &body);
            let said = scene.caller.ask(&question).await?.success()?;
            let secret = said["secret"]
                .as_str()
                .context("a webhook without a secret")?;
            scene.receivers.know(app, temper, secret.to_owned());
        }
    }
    Ok(())
}

/// Waits until nothing waits for the living endpoints any more, or the deadline, at least [`LEAST_DEADLINE`], is
/// over: the law says what does.
pub(crate) async fn until_told(scene: &Scene, deadline: Duration) -> Result<()> {
    let deadline = deadline.max(LEAST_DEADLINE);
    let began = Instant::now();
    for app in APPS {
        while endpoint(scene, app, Temper::Living).await?.queued > 0 && began.elapsed() < deadline {
            sleep(LOOK_INTERVAL).await;
        }
    }
    Ok(())
}

async fn endpoint(scene: &Scene, app: u32, temper: Temper) -> Result<Endpoint> {
    let question = Question::get(path(scene, app, temper));
    let said = scene.caller.ask(&question).await?.success()?;
    Ok(Endpoint {
        app,
        temper,
        is_enabled: said["state"] == "enabled",
        queued: said["queued"]
            .as_u64()
            .context("an endpoint without a queue")?,
    })
}

/// Everything that was told, and the logs. Events that happen while this reads are told later, so that the logs are read
/// first and the calls last.
pub(crate) async fn read(scene: &Scene, deadline: Duration) -> Result<Hooks> {
    let mut hooks = Hooks::default();
    for app in APPS {
        hooks.log.extend(log(scene, app).await?);
    }
    until_told(scene, deadline).await?;
    for app in APPS {
        for temper in Temper::ALL {
            hooks.endpoints.push(endpoint(scene, app, temper).await?);
        }
    }
    (hooks.calls, hooks.failures) = scene.receivers.book();
    Ok(hooks)
}

async fn log(scene: &Scene, app: u32) -> Result<Vec<Logged>> {
    let path = format!("{}/events", scene.app_path(app));
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let question = Question::get(format!("{path}?after={after}&limit={PAGE}"));
        let page = scene.caller.ask(&question).await?.success()?;
        let events = page["data"].as_array().context("events without data")?;
        for event in events {
            found.push(Logged {
                app,
                no: event["no"].as_i64().context("an event without a number")?,
                completed: completed(event),
            });
        }
        let next = page["next"].as_i64().context("a page without next")?;
        if events.is_empty() || next == after {
            return Ok(found);
        }
        after = next;
    }
}

fn completed(event: &Value) -> Vec<String> {
    if event["kind"] != "notification.completed" {
        return Vec::new();
    }
    let ids = event["data"]["notifications"]
        .as_array()
        .into_iter()
        .flatten();
    ids.filter_map(Value::as_str).map(str::to_owned).collect()
}
