//! What is asked of the API while everything goes wrong: single notifications, lists, people with all their devices,
//! fan-outs, files of many, calls and alerts, short and long lives, cancels. Chosen by the seed, sent as fast as the plan says.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::time::Instant;

use crate::audience::{APPS, TOPICS, TROUBLED};
use crate::books::SECOND;
use crate::books::accepted::{Audience, DeviceEntry, Gateway, Kind, OnUnknown, Sighting};
use crate::caller::Question;
use crate::dice::Dice;
use crate::instant::now;
use crate::plan::Load;
use crate::scene::{Entered, Only, Scene, Wanted};

/// How often a caller who is ahead of the plan looks again.
const PACE: Duration = Duration::from_millis(5);
/// Most deliveries asked for in a second once there are enough: what keeps the lanes warm for the last faults.
const TRICKLE_PER_SECOND: u64 = 300;
/// Most deliveries that wait in the lanes of Apps without trouble while callers ask for more. Machines differ in what an
/// unoptimised program carries on them; what waits behind its own App's work says nothing about neighbours.
const MAX_QUEUED: u64 = 2_000;
/// So many in a lane that rests: some wait for their next attempt.
const FEW: u64 = 20;
/// How long neighbours are waited for that are to rest.
const REST_DEADLINE: Duration = Duration::from_secs(60);
/// How often it is looked how many wait.
const QUEUE_INTERVAL: Duration = Duration::from_millis(250);
/// How often a notification is looked at.
const SIGHTING_INTERVAL: Duration = Duration::from_millis(60);
/// Most looks at one notification.
const MAX_SIGHTINGS: usize = 3;
/// Longest short life of a notification, in milliseconds.
const SHORT_MS: u64 = 3_000;
/// Of a thousand notifications, those that are sent without looking whether the devices have the push token for it.
const CARELESS: u64 = 30;
/// A long life.
const LONG: i64 = 600 * SECOND;

/// How far the load is.
#[derive(Debug)]
pub(crate) struct Pace {
    began: Instant,
    asked: AtomicU64,
    /// Of these, what nobody was to be asked for at the moment.
    skipped: AtomicU64,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            asked: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
        }
    }

    /// Waits until the plan allows to ask for more; false when the run is over.
    async fn allows(&self, scene: &Scene, load: &Load) -> bool {
        loop {
            if scene.is_over() {
                return false;
            }
            let held = scene.held_ms.load(Ordering::Relaxed);
            let so_far = (self.began.elapsed().as_millis() as u64).saturating_sub(held);
            let is_enough = scene.accepted.load(Ordering::Relaxed) >= load.deliveries;
            let allowed = match is_enough {
                false => so_far * load.per_second / 1000,
                true => {
                    let trickle = load.per_second.min(TRICKLE_PER_SECOND);
                    let skipped = self.skipped.load(Ordering::Relaxed);
                    load.deliveries + skipped + so_far * trickle / 1000
                }
            };
            let is_held = scene.is_held.load(Ordering::Relaxed);
            if !is_held && self.asked.load(Ordering::Relaxed) < allowed {
                return true;
            }
            tokio::time::sleep(PACE).await;
        }
    }

    fn asked(&self, deliveries: u64) {
        self.asked.fetch_add(deliveries, Ordering::Relaxed);
    }

    /// As if it had been asked for: nothing is made up for later.
    async fn skip(&self, audience: &Audience) {
        let deliveries = entries(audience);
        self.skipped.fetch_add(deliveries, Ordering::Relaxed);
        self.asked(deliveries);
        tokio::time::sleep(PACE).await;
    }
}

/// One caller: asks until the run is over.
pub(crate) async fn call(scene: &Scene, load: &Load, pace: &Pace, mut dice: Dice) -> Result<()> {
    let shares = &load.shares;
    while pace.allows(scene, load).await {
        let roll = dice.between(0, 999);
        if roll < shares.files {
            file(scene, load, pace, &mut dice).await?;
            continue;
        }
        let app = app(load, &mut dice);
        let mut kind = kind(load, &mut dice);
        let is_for_people =
            (shares.fanouts..shares.fanouts + shares.users).contains(&(roll - shares.files));
        if is_for_people {
            kind = Kind::Alert;
        }
        let audience = match roll - shares.files {
            roll if roll < shares.fanouts => Some(match dice.permille(500) {
                true => Audience::All,
                false => Audience::Topic(dice.index(TOPICS as usize) as u32),
            }),
            roll if roll < shares.fanouts + shares.users => {
                let count = dice.between(1, 12);
                users(scene, app, count, &mut dice)
            }
            roll if roll < shares.fanouts + shares.users + shares.lists => {
                let count = dice.between(2, 60);
                devices(scene, app, kind, count, &mut dice)
            }
            _ => devices(scene, app, kind, 1, &mut dice),
        };
        let Some(audience) = audience else { continue };
        if !scene.lets_ask(app, &audience) {
            pace.skip(&audience).await;
            continue;
        }
        let entered = scene.enter(wanted(load, app, kind, audience, &mut dice))?;
        pace.asked(entered.deliveries);
        if let Some(id) = scene.send(&entered).await?
            && dice.permille(shares.cancels)
        {
            if dice.permille(500) {
                tokio::time::sleep(Duration::from_millis(dice.between(1, 300))).await;
            }
            scene.cancel(entered.number, app, &id).await?;
        }
    }
    Ok(())
}

/// How many an audience names.
fn entries(audience: &Audience) -> u64 {
    match audience {
        Audience::Devices(list) | Audience::Users(list) => list.len() as u64,
        Audience::Topic(_) | Audience::All => 1,
    }
}

fn app(load: &Load, dice: &mut Dice) -> u32 {
    match dice.permille(load.shares.troubled) {
        true => TROUBLED,
        false => dice.index(APPS.len() - 1) as u32,
    }
}

/// Some devices of the App, ascending; `None`: just now there is none.
fn devices(scene: &Scene, app: u32, kind: Kind, count: u64, dice: &mut Dice) -> Option<Audience> {
    // Now and then also those that have no such push token.
    let is_careless = dice.permille(CARELESS);
    let books = scene.books.lock();
    let fits = |device: &DeviceEntry| {
        is_careless
            || device
                .addresses
                .iter()
                .any(|address| books.addresses[*address as usize].kind == kind)
    };
    let there = (0u32..).zip(&books.devices).filter(|(_, device)| {
        device.app == app
            && device.deleted.is_none()
            && !device.registered.is_empty()
            && fits(device)
    });
    let mut there: Vec<u32> = there.map(|(place, _)| place).collect();
    drop(books);
    if count == 1 && !there.is_empty() {
        return Some(Audience::Devices(vec![there[dice.index(there.len())]]));
    }
    dice.shuffle(&mut there);
    there.truncate(count as usize);
    there.sort_unstable();
    (!there.is_empty()).then_some(Audience::Devices(there))
}

/// Some people who have a device that stays, ascending.
fn users(scene: &Scene, app: u32, count: u64, dice: &mut Dice) -> Option<Audience> {
    let books = scene.books.lock();
    let there = books
        .devices
        .iter()
        .filter(|device| device.app == app && device.is_steady && !device.registered.is_empty());
    let mut there: Vec<u32> = there.map(|device| device.user).collect();
    drop(books);
    there.sort_unstable();
    there.dedup();
    dice.shuffle(&mut there);
    there.truncate(count as usize);
    there.sort_unstable();
    (!there.is_empty()).then_some(Audience::Users(there))
}

fn kind(load: &Load, dice: &mut Dice) -> Kind {
    match dice.permille(load.shares.calls) {
        true => Kind::Voip,
        false => Kind::Alert,
    }
}

fn wanted(load: &Load, app: u32, kind: Kind, audience: Audience, dice: &mut Dice) -> Wanted {
    let on_unknown = match kind {
        Kind::Voip => OnUnknown::Drop,
        Kind::Alert if dice.permille(load.shares.drops) => OnUnknown::Drop,
        Kind::Alert | Kind::Activity => OnUnknown::Resend,
    };
    let expires_at = match dice.between(0, 999) {
        roll if roll < load.shares.short => Some(now() + dice.between(200, SHORT_MS) as i64 * 1000),
        roll if roll < load.shares.short + 150 => Some(now() + LONG),
        _ => None,
    };
    Wanted {
        app,
        kind,
        on_unknown,
        audience,
        expires_at,
        due: None,
    }
}

/// Many notifications in one request; the whole file again until every line has its answer.
async fn file(scene: &Scene, load: &Load, pace: &Pace, dice: &mut Dice) -> Result<()> {
    let app = app(load, dice);
    let mut entered = Vec::new();
    for _ in 0..dice.between(20, 120) {
        let kind = kind(load, dice);
        let Some(audience) = devices(scene, app, kind, 1, dice) else {
            continue;
        };
        if !scene.lets_ask(app, &audience) {
            pace.skip(&audience).await;
            continue;
        }
        entered.push(scene.enter(wanted(load, app, kind, audience, dice))?);
    }
    let Some(first) = entered.first() else {
        return Ok(());
    };
    pace.asked(entered.iter().map(|entered| entered.deliveries).sum());
    let lines: Vec<String> = entered
        .iter()
        .map(|entered| entered.body.to_string())
        .collect();
    let path = format!("{}/notifications", scene.app_path(app));
    let key = format!("accountant-file-{}", first.number);
    let question = Question {
        content_type: "application/x-ndjson",
        ..Question::post(path, lines.join("\n") + "\n", key)
    };
    let mut open: Vec<Option<&Entered>> = entered.iter().map(Some).collect();
    // Each time some lines have their answer, or the caller's own deadline ends it.
    while open.iter().any(Option::is_some) {
        let said = scene.caller.ask(&question).await?;
        ensure!(
            said.status == 200,
            "a file was refused: {} {}",
            said.status,
            said.text
        );
        for result in said.text.lines() {
            let Ok(result) = serde_json::from_str::<Value>(result) else {
                continue;
            };
            let line = result["line"].as_u64().context("a result without a line")? as usize;
            let place = line
                .checked_sub(1)
                .and_then(|at| open.get_mut(at))
                .context("a line too many")?;
            let Some(entered) = *place else { continue };
            if let Some(id) = result["id"].as_str() {
                scene.note_accepted(entered, id.to_owned());
                *place = None;
            } else if !is_for_now(&result["problem"]) {
                let codes = crate::caller::codes(&result["problem"]);
                scene.note_refused(entered, &codes, &result.to_string())?;
                *place = None;
            }
        }
    }
    Ok(())
}

fn is_for_now(problem: &Value) -> bool {
    matches!(problem["status"].as_u64(), Some(408 | 409 | 429 | 500..))
}

/// Holds the callers back while enough waits already, as a backend does that watches what it asks for. Of processes that
/// share the work, those that answer have no lanes: there the plan's rate alone bounds what waits.
pub(crate) async fn hold_back(scene: &Scene, load: &Load) -> Result<()> {
    let mut looked = Instant::now();
    while !scene.is_over() {
        let status = scene.caller.ask(&Question::get("/v1/status")).await?;
        let (queued, has_more) = queued(&status.success()?)?;
        // Once there are enough nothing need pile up in the store.
        let is_enough = scene.accepted.load(Ordering::Relaxed) >= load.deliveries;
        let is_held = queued > MAX_QUEUED || (is_enough && has_more);
        let was_held = scene.is_held.swap(is_held, Ordering::Relaxed);
        let passed = std::mem::replace(&mut looked, Instant::now()).elapsed();
        if was_held {
            let passed = passed.as_millis() as u64;
            scene.held_ms.fetch_add(passed, Ordering::Relaxed);
        }
        tokio::time::sleep(QUEUE_INTERVAL).await;
    }
    Ok(())
}

/// How many deliveries wait in memory in lanes that have no trouble, of Apps that are not to have any; and whether more wait
/// in the store in any lane that has none.
fn queued(status: &Value) -> Result<(u64, bool)> {
    let well = lanes(status)?.iter();
    let (mut queued, mut has_more) = (0, false);
    for lane in well.filter(|lane| lane["breaker"] == "closed") {
        if lane["app"] != APPS[TROUBLED as usize].0 {
            queued += lane["queued"].as_u64().context("a lane without a queue")?;
        }
        has_more |= lane["backlog"] == true;
    }
    Ok((queued, has_more))
}

fn lanes(status: &Value) -> Result<&[Value]> {
    let lanes = status["lanes"].as_array();
    Ok(lanes.context("a status without lanes")?)
}

/// Waits until hardly anything waits in the lanes beside those of `only`, or the deadline is over: what new work of a
/// neighbour waits for then is not what was asked for before it.
pub(crate) async fn until_neighbours_rest(scene: &Scene, only: Only) -> Result<()> {
    let began = Instant::now();
    loop {
        let status = scene.caller.ask(&Question::get("/v1/status")).await?;
        let status = status.success()?;
        let mut neighbours = lanes(&status)?.iter().filter(|lane| {
            let is_of_it = match only {
                // The probes are for iPhones.
                Only::App(app) => {
                    lane["app"] == APPS[app as usize].0 || lane["gateway"] != Gateway::Apns.name()
                }
                Only::Gateway(gateway) => lane["gateway"] == gateway.name(),
            };
            !is_of_it && lane["breaker"] == "closed"
        });
        let is_busy = |lane: &Value| {
            lane["backlog"] == true || lane["queued"].as_u64().is_none_or(|queued| queued > FEW)
        };
        if !neighbours.any(is_busy) {
            return Ok(());
        }
        if began.elapsed() >= REST_DEADLINE {
            println!("         busy: neighbours of {only:?} did not rest");
            return Ok(());
        }
        tokio::time::sleep(QUEUE_INTERVAL).await;
    }
}

/// Looks at notifications, and notes those of which everything is final.
pub(crate) async fn watch(scene: &Scene, mut dice: Dice) -> Result<()> {
    let mut ticks = tokio::time::interval(SIGHTING_INTERVAL);
    while !scene.is_over() {
        ticks.tick().await;
        let Some((number, path)) = to_look_at(scene, &mut dice) else {
            continue;
        };
        let said = scene.caller.ask(&Question::get(path)).await?.success()?;
        let deliveries = &said["deliveries"];
        if deliveries["open"] == 0 && deliveries["complete"] == true {
            let counts = crate::audit::counts(deliveries);
            let mut books = scene.books.lock();
            books.asked[number]
                .sightings
                .push(Sighting { at: now(), counts });
        }
    }
    Ok(())
}

/// One of the newest notifications.
fn to_look_at(scene: &Scene, dice: &mut Dice) -> Option<(usize, String)> {
    let books = scene.books.lock();
    let newest = books.asked.len().min(3_000);
    let number = books
        .asked
        .len()
        .checked_sub(1 + dice.index(newest.max(1)))?;
    let asked = &books.asked[number];
    let (id, _) = asked.accepted.as_ref()?;
    let app = &books.apps[asked.app as usize].id;
    (asked.sightings.len() < MAX_SIGHTINGS)
        .then(|| (number, format!("/v1/apps/{app}/notifications/{id}")))
}
