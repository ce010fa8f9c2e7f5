//! Campaigns while everything goes wrong: frozen and live ones, paced, with canaries, some of them by local time. Many are
//! paused, let go on and cancelled on their way.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::audience::{APPS, TOPICS, ZONES};
use crate::audit::{self, counts};
use crate::books::accepted::{Audience, Cancelled, Kind, OnUnknown};
use crate::books::campaigns::{Answer, Campaign, CampaignCall, Canary, Seen, Switch, Wave};
use crate::books::{Books, Micros, SECOND};
use crate::caller::Question;
use crate::dice::Dice;
use crate::instant::{now, rfc3339};
use crate::scene::{Entered, Scene, Wanted};

/// The pause of each between two of them, in milliseconds.
const PAUSE_MS: (u64, u64) = (200, 2_500);
/// How long one goes before something is done to it, and how long it rests, in milliseconds.
const GOES_MS: (u64, u64) = (0, 1_500);
const RESTS_MS: (u64, u64) = (100, 4_000);
/// Most devices of a slice: several for each App.
const SLICE: (u64, u64) = (20, 120);
/// Deliveries that begin in a second, where there is a pace.
const PER_SECOND: (u64, u64) = (15, 100);
/// Devices that go first, where there is a canary.
const CANARY: (u64, u64) = (20, 60);
/// How long the others wait, in seconds.
const HOLD_SECS: (u64, u64) = (1, 3);
/// How far ahead a wave is, in seconds.
const WAVE_SECS: (u64, u64) = (2, 5);
/// How often it is looked how far those are that are not over.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// One caller: has campaigns until the run is over.
pub(crate) async fn call(scene: &Scene, mut dice: Dice) -> Result<()> {
    while !scene.is_over() {
        pass(&mut dice, PAUSE_MS).await;
        scene.until_let().await;
        let place = create(scene, &mut dice).await?;
        match dice.between(0, 9) {
            0..=3 => {}
            4..=7 => {
                for _ in 0..dice.between(1, 3) {
                    pass(&mut dice, GOES_MS).await;
                    switch(scene, place, Switch::Pause).await?;
                    pass(&mut dice, RESTS_MS).await;
                    switch(scene, place, Switch::Resume).await?;
                }
            }
            _ => {
                pass(&mut dice, GOES_MS).await;
                if dice.permille(500) {
                    switch(scene, place, Switch::Pause).await?;
                    pass(&mut dice, RESTS_MS).await;
                }
                cancel(scene, place).await?;
            }
        }
    }
    Ok(())
}

async fn pass(dice: &mut Dice, (least, most): (u64, u64)) {
    sleep(Duration::from_millis(dice.between(least, most))).await;
}

/// Starts one; its place in the book of campaigns.
async fn create(scene: &Scene, dice: &mut Dice) -> Result<usize> {
    let app = dice.index(APPS.len()) as u32;
    let mut entered = scene.enter(Wanted {
        app,
        kind: Kind::Alert,
        on_unknown: match dice.permille(100) {
            true => OnUnknown::Drop,
            false => OnUnknown::Resend,
        },
        audience: match dice.permille(800) {
            true => Audience::All,
            false => Audience::Topic(dice.index(TOPICS as usize) as u32),
        },
        expires_at: None,
        due: None,
    })?;
    let campaign = write(scene, &mut entered, dice)?;
    let place = {
        let mut books = scene.books.lock();
        books.campaigns.push(campaign);
        books.campaigns.len() - 1
    };
    let path = format!("{}/campaigns", scene.app_path(app));
    let key = format!("accountant-campaign-{}", entered.number);
    let question = Question::post(path, entered.body.to_string(), key);
    let said = scene.caller.ask(&question).await?;
    if said.status != 202 {
        bail!("a campaign was refused: {} {}", said.status, said.text);
    }
    let said = said.json()?;
    let word = |field: &str| said[field].as_str().map(str::to_owned);
    let notification = word("notification").context("a campaign without its notification")?;
    scene.note_accepted(&entered, notification);
    let mut books = scene.books.lock();
    books.campaigns[place].id = Some(word("id").context("a campaign without an id")?);
    Ok(place)
}

/// Makes a campaign of what was to be a notification.
fn write(scene: &Scene, entered: &mut Entered, dice: &mut Dice) -> Result<Campaign> {
    let mut campaign = Campaign {
        number: entered.number,
        id: None,
        is_frozen: dice.permille(500),
        slice: dice.between(SLICE.0, SLICE.1) as u32,
        per_second: None,
        canary: None,
        wave: None,
        calls: Vec::new(),
        halts: 0,
        seen: None,
    };
    let Value::Object(body) = &mut entered.body else {
        bail!("a notification that is no object");
    };
    let audience = body.remove("target").context("nobody is meant")?;
    body.insert("audience".into(), audience);
    body.insert("name".into(), json!(format!("campaign-{}", entered.number)));
    body.insert("slice_size".into(), json!(campaign.slice));
    if dice.permille(600) {
        let per_second = dice.between(PER_SECOND.0, PER_SECOND.1) as u32;
        campaign.per_second = Some(per_second);
        body.insert("pace".into(), json!({ "per_second": per_second }));
    }
    if campaign.is_frozen && dice.permille(700) {
        let (size, secs) = (
            dice.between(CANARY.0, CANARY.1) as u32,
            dice.between(HOLD_SECS.0, HOLD_SECS.1),
        );
        // Most of them halt at the first that reaches nobody: a short run has to meet some that nobody lets go on before.
        let most = if dice.permille(800) { 0.0 } else { 0.9 };
        campaign.canary = Some(Canary {
            size,
            hold: secs as Micros * SECOND,
        });
        let canary =
            json!({ "size": size, "hold": format!("{secs}s"), "halt_if": { "failed": most } });
        body.insert("canary".into(), canary);
    }
    if campaign.is_frozen && dice.permille(400) {
        // In the first zone it is that time in some seconds, in the others it was hours ago.
        let ahead = dice.between(WAVE_SECS.0, WAVE_SECS.1) as Micros * SECOND;
        let due = (now() + scene.ahead.get() + ahead).div_euclid(SECOND) * SECOND;
        campaign.wave = Some(Wave { zone: 0, due });
        let text = rfc3339(due)?;
        let local = json!({ "at": text.trim_end_matches('Z'), "default_time_zone": ZONES[0] });
        body.insert("local_time".into(), local);
        body.insert("if_past".into(), json!("send_now"));
    }
    let mode = if campaign.is_frozen { "frozen" } else { "live" };
    body.insert("audience_mode".into(), json!(mode));
    Ok(campaign)
}

/// The path of one, and its number in the first book.
fn path(books: &Books, place: usize) -> Option<(String, u32)> {
    let campaign = &books.campaigns[place];
    let app = books.asked[campaign.number as usize].app;
    let (app, id) = (&books.apps[app as usize].id, campaign.id.as_ref()?);
    Some((format!("/v1/apps/{app}/campaigns/{id}"), campaign.number))
}

async fn switch(scene: &Scene, place: usize, what: Switch) -> Result<()> {
    let (path, call) = {
        let mut books = scene.books.lock();
        let (path, _) = path(&books, place).context("it was not accepted")?;
        let calls = &mut books.campaigns[place].calls;
        calls.push(CampaignCall {
            what,
            sent: now(),
            answered: None,
        });
        (path, calls.len() - 1)
    };
    let verb = match what {
        Switch::Pause => "pause",
        Switch::Resume => "resume",
    };
    let question = Question {
        method: Method::POST,
        ..Question::get(format!("{path}/{verb}"))
    };
    let said = scene.caller.ask(&question).await?;
    let answer = match said.status {
        200 => Answer::Done {
            in_flight: said.json()?["in_flight"]
                .as_u64()
                .context("a pause without in_flight")?,
        },
        409 if said.codes() == "campaign.over" => Answer::Over,
        _ => bail!("{verb} of {path}: {} {}", said.status, said.text),
    };
    let mut books = scene.books.lock();
    books.campaigns[place].calls[call].answered = Some((now(), answer));
    Ok(())
}

/// Cancels one. As for any notification, only a 200 is an acknowledgement.
async fn cancel(scene: &Scene, place: usize) -> Result<()> {
    let (path, number) = path(&scene.books.lock(), place).context("it was not accepted")?;
    let question = Question {
        method: Method::POST,
        ..Question::get(format!("{path}/cancel"))
    };
    scene.books.lock().asked[number as usize].is_cancel_asked = true;
    let said = scene.caller.ask(&question).await?;
    match said.status {
        200 => {
            let not_sent = said.json()?["not_sent"].as_u64();
            let not_sent = not_sent.context("a cancel without not_sent")?;
            let cancelled = Cancelled {
                at: now(),
                not_sent,
            };
            scene.books.lock().asked[number as usize].cancelled = Some(cancelled);
            Ok(())
        }
        202 => Ok(()),
        // All of it had ended before.
        409 if said.codes() == "campaign.over" => Ok(()),
        _ => bail!("cancelling {path}: {} {}", said.status, said.text),
    }
}

/// Lets all go on that rest, and waits until none of them is on its way any more, or for so long nothing more of them ends.
pub(crate) async fn end(scene: &Scene, deadline: Duration) -> Result<()> {
    let began = Instant::now();
    let (mut ended, mut since) = (0, began);
    let mut open: Vec<usize> = (0..scene.books.lock().campaigns.len()).collect();
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    let is_late =
        |since: Instant| since.elapsed() >= deadline || began.elapsed() >= deadline * audit::PAUSES;
    while !open.is_empty() && !is_late(since) {
        ticks.tick().await;
        let mut still = Vec::new();
        let mut so_far = 0;
        for &place in &open {
            let Some(seen) = look(scene, place).await? else {
                continue;
            };
            if matches!(seen.status.as_str(), "paused" | "halted") {
                scene.books.lock().campaigns[place].halts += u32::from(seen.status == "halted");
                switch(scene, place, Switch::Resume).await?;
            }
            if !matches!(seen.status.as_str(), "completed" | "cancelled") {
                so_far += seen.counts.values().sum::<u64>();
                still.push(place);
            }
        }
        // What is over is not counted any more: then there are fewer.
        if so_far != ended || still.len() < open.len() {
            (ended, since) = (so_far, Instant::now());
        }
        open = still;
    }
    Ok(())
}

/// Reads what the API says of all of them when nothing happens any more.
pub(crate) async fn read(scene: &Scene) -> Result<()> {
    let count = scene.books.lock().campaigns.len();
    for place in 0..count {
        let seen = look(scene, place).await?;
        scene.books.lock().campaigns[place].seen = seen;
    }
    Ok(())
}

async fn look(scene: &Scene, place: usize) -> Result<Option<Seen>> {
    let Some((path, _)) = path(&scene.books.lock(), place) else {
        return Ok(None);
    };
    let said = scene.caller.ask(&Question::get(path)).await?.success()?;
    let progress = &said["progress"];
    let status = said["status"].as_str().context("no status")?;
    Ok(Some(Seen {
        status: status.to_owned(),
        audience: progress["audience"].as_u64(),
        left: progress["left"].as_u64(),
        counts: counts(&progress["deliveries"]),
    }))
}

/// What the law needs to have seen.
pub(crate) fn happened(books: &Books) -> [(&'static str, u64); 5] {
    let campaigns = &books.campaigns;
    let paused = |campaign: &&Campaign| {
        let mut calls = campaign.calls.iter();
        calls.any(|call| {
            let is_done = matches!(call.answered, Some((_, Answer::Done { .. })));
            call.what == Switch::Pause && is_done
        })
    };
    let is_cancelled = |campaign: &&Campaign| {
        let asked = &books.asked[campaign.number as usize];
        asked.cancelled.is_some()
    };
    let count = |is_it: &dyn Fn(&&Campaign) -> bool| campaigns.iter().filter(is_it).count() as u64;
    [
        ("a campaign", campaigns.len() as u64),
        ("a campaign was paused", count(&paused)),
        ("a campaign was cancelled", count(&is_cancelled)),
        (
            "a campaign halted after its canary",
            count(&|campaign: &&Campaign| campaign.halts > 0),
        ),
        (
            "a campaign waited for a zone",
            count(&|campaign: &&Campaign| campaign.wave.is_some()),
        ),
    ]
}
