//! What is asked to happen later: notifications that wait a few seconds for their time, many of which are changed or
//! cancelled meanwhile, before, at and after it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::time::sleep;

use crate::audience::{TOPICS, TROUBLED};
use crate::books::Micros;
use crate::books::accepted::{Audience, DeviceEntry, Kind, OnUnknown};
use crate::books::later::{CHANGED, Change, Outcome, Planned};
use crate::caller::Question;
use crate::dice::Dice;
use crate::instant::{now, rfc3339};
use crate::scene::{Entered, Scene, Wanted, content};

/// The longest pause of each between two notifications, in milliseconds.
const PAUSE_MS: u64 = 500;
/// How far ahead they are planned, in milliseconds.
const AHEAD_MS: (u64, u64) = (700, 5_000);
/// How much later, or sooner, they are after a change.
const MOVED_MS: (u64, u64) = (600, 4_000);
/// Of a thousand: changed, cancelled.
const CHANGED_SHARE: u64 = 300;
const CANCELLED_SHARE: u64 = 200;
/// Most people, and most devices, of one of them.
const MOST: u64 = 12;

/// One caller: plans until the run is over.
pub(crate) async fn call(scene: &Scene, mut dice: Dice) -> Result<()> {
    while !scene.is_over() {
        sleep(Duration::from_millis(dice.between(1, PAUSE_MS))).await;
        scene.until_let().await;
        let app = dice.index(TROUBLED as usize) as u32;
        let Some(audience) = audience(scene, app, &mut dice) else {
            continue;
        };
        let wait = dice.between(AHEAD_MS.0, AHEAD_MS.1);
        let entered = scene.enter(Wanted {
            app,
            kind: Kind::Alert,
            on_unknown: match dice.permille(100) {
                true => OnUnknown::Drop,
                false => OnUnknown::Resend,
            },
            audience,
            expires_at: None,
            due: Some(business(scene) + wait as Micros * 1000),
        })?;
        let Some(id) = scene.send(&entered).await? else {
            bail!("a notification for later was refused");
        };
        let roll = dice.between(0, 999);
        if roll < CHANGED_SHARE + CANCELLED_SHARE {
            // Before its time, at it, or a little after.
            sleep(Duration::from_millis(dice.between(0, wait + 300))).await;
        }
        match roll {
            roll if roll < CHANGED_SHARE => change(scene, &entered, &id, &mut dice).await?,
            roll if roll < CHANGED_SHARE + CANCELLED_SHARE => {
                scene.cancel(entered.number, app, &id).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Business time, in whole milliseconds as the API has it.
fn business(scene: &Scene) -> Micros {
    (now() + scene.ahead.get()).div_euclid(1000) * 1000
}

/// Whom it is for: devices and people that stay, a topic, or everybody. Who that is, is found out when it is sent.
fn audience(scene: &Scene, app: u32, dice: &mut Dice) -> Option<Audience> {
    match dice.between(0, 99) {
        0..=2 => return Some(Audience::All),
        3..=5 => return Some(Audience::Topic(dice.index(TOPICS as usize) as u32)),
        _ => {}
    }
    let is_for_people = dice.permille(500);
    let books = scene.books.lock();
    let stays = |device: &DeviceEntry| {
        let mut addresses = device.addresses.iter();
        device.app == app
            && device.is_steady
            && !device.registered.is_empty()
            && addresses.any(|address| books.addresses[*address as usize].kind == Kind::Alert)
    };
    let there = (0u32..).zip(&books.devices);
    let mut there: Vec<u32> = there
        .filter(|(_, device)| stays(device))
        .map(|(place, device)| match is_for_people {
            true => device.user,
            false => place,
        })
        .collect();
    drop(books);
    there.sort_unstable();
    there.dedup();
    dice.shuffle(&mut there);
    there.truncate(dice.between(1, MOST) as usize);
    there.sort_unstable();
    (!there.is_empty()).then_some(match is_for_people {
        true => Audience::Users(there),
        false => Audience::Devices(there),
    })
}

/// Another text at another time. An answer that was lost is asked for again: by then it may have been sent.
async fn change(scene: &Scene, entered: &Entered, id: &str, dice: &mut Dice) -> Result<()> {
    let due = business(scene) + dice.between(MOVED_MS.0, MOVED_MS.1) as Micros * 1000;
    let body = json!({
        "content": content(entered.number, Kind::Alert, Some(CHANGED)),
        "send_at": rfc3339(due)?,
        "if_past": "send_now",
    });
    note(scene, entered, |planned| {
        planned.change = Some(Change { due, outcome: None });
    })?;
    let path = format!("{}/notifications/{id}", scene.app_path(entered.app));
    let question = Question {
        method: reqwest::Method::PATCH,
        ..Question::put(path, &body)
    };
    let said = scene.caller.ask(&question).await?;
    let outcome = match said.status {
        200 => Outcome::Done,
        409 if said.codes().contains("notification.not_waiting") => Outcome::TooLate,
        _ => bail!("changing {id}: {} {}", said.status, said.text),
    };
    note(scene, entered, |planned| {
        if let Some(change) = &mut planned.change {
            change.outcome = Some(outcome);
        }
    })
}

fn note(scene: &Scene, entered: &Entered, what: impl FnOnce(&mut Planned)) -> Result<()> {
    let mut books = scene.books.lock();
    let planned = &mut books.asked[entered.number as usize].planned;
    what(planned.as_mut().context("it was not planned")?);
    Ok(())
}
