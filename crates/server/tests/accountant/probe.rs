//! A notification sent to see whether a lane works: how long until the gateway has it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep};

use crate::books::accepted::{Audience, Gateway, Kind, OnUnknown};
use crate::books::{Micros, Probe};
use crate::caller::Question;
use crate::instant::now;
use crate::scene::{Scene, Wanted};

/// How often the simulator is asked at first. It answers nobody else meanwhile, so that it is asked less often the longer
/// it takes.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// The share of the time that has passed by which the next question waits.
const PATIENCE: u32 = 8;
/// The longest that a lane may take: longer than any pause the program makes (a minute, where Google refused two access tokens
/// one after the other), on a busy machine.
const DEADLINE: Duration = Duration::from_secs(75);
/// From when on it is told what is on record about it.
const SLOW: Duration = Duration::from_secs(10);

/// Sends one alert to the App's first device of a gateway; `from` is when the clock begins to run.
pub(crate) async fn probe(
    scene: &Arc<Scene>,
    (app, gateway): (u32, Gateway),
    fault: &'static str,
    from: Micros,
) -> Result<Probe> {
    let (device, push_token) = {
        let books = scene.books.lock();
        let device = books.first_device(app, gateway);
        let device = device.context("nobody has such a device")?;
        let address = books.devices[device as usize].addresses[0];
        (device, books.addresses[address as usize].text.clone())
    };
    let after = scene.gateway.last_seq();
    let entered = scene.enter(Wanted {
        app,
        kind: Kind::Alert,
        on_unknown: OnUnknown::Resend,
        audience: Audience::Devices(vec![device]),
        expires_at: None,
        due: None,
    })?;
    let number = entered.number;
    let id = scene.send_surely(entered).await?;
    let began = Instant::now();
    let accepted = now() - from;
    let mut took = None;
    let mut record = None;
    while took.is_none() && began.elapsed() < DEADLINE {
        sleep(LOOK_INTERVAL.max(began.elapsed() / PATIENCE)).await;
        if record.is_none() && began.elapsed() > SLOW {
            record = Some(on_record(scene, app, id.as_deref()).await?);
        }
        took = scene
            .gateway
            .taken_at(gateway, &push_token, number, after)
            .map(|at| at - from);
    }
    if let Some(record) = record {
        let last = on_record(scene, app, id.as_deref()).await?;
        println!(
            "         slow: notification {number} of App {app} was accepted {} ms after {fault}; on record then: {record}; at last: {last}",
            accepted / 1_000
        );
    }
    Ok(Probe {
        fault,
        app: app as usize,
        gateway,
        took,
        is_alone: false,
    })
}

/// What the API knows of the only delivery.
async fn on_record(scene: &Scene, app: u32, id: Option<&str>) -> Result<String> {
    let Some(id) = id else {
        return Ok("it was refused".to_owned());
    };
    let path = format!("{}/notifications/{id}/deliveries", scene.app_path(app));
    let said = scene.caller.ask(&Question::get(path)).await?.success()?;
    Ok(said["data"].to_string())
}
