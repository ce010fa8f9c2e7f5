//! Live Activities while everything goes wrong: half of them are started by push on a phone that tells its update token as an
//! app does, half by the app itself. Many get a later end on their way, some are asked to end. What they pushed stands in the
//! first book from then on, so that every law holds for it, too.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use push_sim::{Environment, NewPhones, PushTokenKind};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::audience::{APPS, STEADFAST, TROUBLED};
use crate::audit::{Accepted, list_of, micros};
use crate::books::accepted::{self, Address, Audience, DeviceEntry, Gateway, Kind, OnUnknown};
use crate::books::activities::{Activity, Does, FIRST, KeptActivity, LAST, Plan, Pushed, Record};
use crate::books::received::Receipt;
use crate::books::stored::KeptNotification;
use crate::books::{Books, Micros, SECOND};
use crate::caller::{Question, Said};
use crate::dice::Dice;
use crate::instant::{now, rfc3339};
use crate::scene::Scene;

/// The app's type of all of them.
const ATTRIBUTES_TYPE: &str = "AccountantAttributes";
/// The pause of each between two of them, in milliseconds.
const PAUSE_MS: (u64, u64) = (100, 1_500);
/// How far ahead one starts, and how long it lasts, in milliseconds.
const AHEAD_MS: (u64, u64) = (300, 3_000);
const LASTS_MS: (u64, u64) = (8_000, 16_000);
/// How much later it ends by a change, from now or from its end before, in milliseconds.
const LATER_MS: (u64, u64) = (4_000, 8_000);
/// Of a thousand: changed, asked to end.
const CHANGED_SHARE: u64 = 500;
const ENDED_SHARE: u64 = 200;
/// The longest that a phone is looked at for an activity that it was asked to start, beyond its time.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked, at a phone or at an activity.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// The longest that the store may take to say that one is over after it was asked to end.
const END_DEADLINE: Duration = Duration::from_secs(60);

/// What a push says of an activity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says {
    pub(crate) does: Does,
    pub(crate) timestamp: i64,
    pub(crate) plan: u32,
    pub(crate) shows: u32,
}

/// A push of an activity, and whose it says that it is.
pub(crate) type Shown = (Receipt, u32, Says);

/// The phone of one.
struct Phone {
    /// Its number at the simulator.
    machine: u32,
    environment: Environment,
    /// Its device at the API, where it is registered.
    device: Option<String>,
    /// Its first push token: by which it is started, or updated.
    push_token: String,
}

/// One caller: has activities until the run is over.
pub(crate) async fn call(scene: &Scene, mut dice: Dice) -> Result<()> {
    while !scene.is_over() {
        pass(&mut dice, PAUSE_MS).await;
        let app = dice.index(TROUBLED as usize) as u32;
        let is_pushed = dice.permille(500);
        let phone = phone(scene, app, is_pushed, &mut dice).await?;
        let number = declare(scene, app, &phone, &mut dice).await?;
        if !is_there(scene, number) {
            continue;
        }
        if is_pushed {
            tell_token(scene, number, &phone).await?;
        }
        let roll = dice.between(0, 999);
        if roll < CHANGED_SHARE + ENDED_SHARE {
            pass(&mut dice, (0, LASTS_MS.1)).await;
        }
        match roll {
            roll if roll < CHANGED_SHARE => change(scene, number, &mut dice).await?,
            roll if roll < CHANGED_SHARE + ENDED_SHARE => end_one(scene, number).await?,
            _ => {}
        }
    }
    Ok(())
}

async fn pass(dice: &mut Dice, (least, most): (u64, u64)) {
    sleep(Duration::from_millis(dice.between(least, most))).await;
}

/// Business time, in whole milliseconds as the API has it.
fn business(scene: &Scene) -> Micros {
    (now() + scene.ahead.get()).div_euclid(1000) * 1000
}

/// A new phone: one that can be asked to start activities is registered, and tells the push token for that.
async fn phone(scene: &Scene, app: u32, is_pushed: bool, dice: &mut Dice) -> Result<Phone> {
    let is_sandbox = app != STEADFAST as u32 && dice.permille(500);
    let environment = match is_sandbox {
        true => Environment::Sandbox,
        false => Environment::Production,
    };
    let kind = match is_pushed {
        true => PushTokenKind::LiveActivityStart,
        false => PushTokenKind::LiveActivityUpdate,
    };
    let new = NewPhones {
        app: APPS[app as usize].1.to_owned(),
        environment,
        kinds: vec![kind],
        ..NewPhones::default()
    };
    let made = scene.gateway.make_phones(&new)?.pop();
    let (machine, tokens) = made.context("no phone was made")?;
    let push_token = tokens
        .into_iter()
        .next()
        .context("a phone without its push token")?;
    let keeper = enter_token(scene, app, &push_token, is_sandbox);
    let mut phone = Phone {
        machine,
        environment,
        device: None,
        push_token,
    };
    if is_pushed {
        let id = format!("keeper-{keeper}");
        let path = format!("{}/devices/{id}", scene.app_path(app));
        scene
            .caller
            .ask(&Question::put(path.clone(), &json!({ "push_tokens": [] })))
            .await?
            .success()?;
        let path = format!("{path}/push-to-start-tokens/{ATTRIBUTES_TYPE}");
        let said = scene
            .caller
            .ask(&Question::put(path, &phone.token_body()))
            .await?;
        said.no_content("telling a push-to-start token")?;
        phone.device = Some(id);
    }
    Ok(phone)
}

/// Enters a push token into the first book, with a device that only keeps it.
fn enter_token(scene: &Scene, app: u32, push_token: &str, is_sandbox: bool) -> u32 {
    let mut books = scene.books.lock();
    let (device, address) = (books.devices.len() as u32, books.addresses.len() as u32);
    books.addresses.push(Address {
        device,
        gateway: Gateway::Apns,
        kind: Kind::Activity,
        text: push_token.to_owned(),
        subscription: None,
        is_sandbox,
        dead_since_ms: None,
    });
    books.devices.push(DeviceEntry {
        app,
        id: format!("keeper-{device}"),
        user: u32::MAX,
        topic: u32::MAX,
        zone: 0,
        addresses: vec![address],
        registered: Vec::new(),
        deleted: None,
        is_steady: false,
        is_nameless: true,
    });
    scene
        .addresses
        .lock()
        .insert(push_token.to_owned(), address);
    device
}

/// Declares one; its number.
async fn declare(scene: &Scene, app: u32, phone: &Phone, dice: &mut Dice) -> Result<u32> {
    let (ahead, lasts) = (
        dice.between(AHEAD_MS.0, AHEAD_MS.1),
        dice.between(LASTS_MS.0, LASTS_MS.1),
    );
    let sent = now() + scene.ahead.get();
    let starts_at = business(scene) + ahead as Micros * 1000;
    let ends_at = starts_at + lasts as Micros * 1000;
    let number = {
        let mut books = scene.books.lock();
        let number = u32::try_from(books.activities.len()).context("too many activities")?;
        books.activities.push(Activity {
            app,
            name: format!("lesson-{number}"),
            starts_at,
            is_pushed: phone.device.is_some(),
            plans: vec![Plan {
                ends_at,
                sent,
                answered: None,
            }],
            end_asked: None,
            pushes: Vec::new(),
            kept: None,
        });
        number
    };
    let (recipient, start) = match &phone.device {
        Some(device) => (json!({ "device": device }), "push"),
        None => (json!({ "push_token": phone.token_body() }), "app"),
    };
    let body = json!({
        "recipient": recipient,
        "start": start,
        "attributes_type": ATTRIBUTES_TYPE,
        "content_state": { "activity": number.to_string(), "plan": "1", "shows": FIRST.to_string() },
        "alert": { "title": "Accountant", "body": "It begins" },
        "starts_at": rfc3339(starts_at)?,
        "ends_at": rfc3339(ends_at)?,
        "phases": [
            { "name": "one", "at": "starts_at + 3s", "content_state": { "shows": "1" } },
            { "name": "two", "at": "ends_at - 3s", "content_state": { "shows": "2" } },
        ],
        "end": { "content_state": { "shows": LAST.to_string() }, "dismiss_after": "5m" },
    });
    let said = scene
        .caller
        .ask(&Question::put(path_of(scene, number), &body))
        .await?;
    note_plan(scene, number, 0, &said)?;
    Ok(number)
}

fn path_of(scene: &Scene, number: u32) -> String {
    let (app, name) = {
        let books = scene.books.lock();
        let activity = &books.activities[number as usize];
        (activity.app, activity.name.clone())
    };
    format!("{}/live-activities/{name}", scene.app_path(app))
}

/// Notes the answer to a plan. That it is over, or that its end has passed, may be the answer to a plan that counted: the
/// answer before was lost.
fn note_plan(scene: &Scene, number: u32, plan: usize, said: &Said) -> Result<()> {
    let answered = now() + scene.ahead.get();
    let mut books = scene.books.lock();
    let entry = &mut books.activities[number as usize].plans[plan];
    match said.status {
        200 | 201 => entry.answered = Some(answered),
        409 if said.codes().contains("live_activity.ended") => {}
        422 if entry.ends_at < answered && said.text.contains("/ends_at") => {}
        _ => bail!(
            "plan {plan} of activity {number}: {} {}",
            said.status,
            said.text
        ),
    }
    Ok(())
}

/// Whether the API said that it is declared.
fn is_there(scene: &Scene, number: u32) -> bool {
    let books = scene.books.lock();
    let plans = &books.activities[number as usize].plans;
    plans.iter().any(|plan| plan.answered.is_some())
}

/// What the app does when the phone has started one: tells its update token, and what it shows.
async fn tell_token(scene: &Scene, number: u32, phone: &Phone) -> Result<()> {
    let began = Instant::now();
    let device = phone
        .device
        .as_deref()
        .context("a phone that is not registered")?;
    loop {
        let seen = scene.gateway.simulator().phone(phone.machine);
        let shown = seen
            .iter()
            .flat_map(|phone| &phone.apps)
            .flat_map(|app| &app.activities)
            .next();
        let started =
            shown.and_then(|one| Some((one.update_token.clone()?, one.content_state.clone())));
        if let Some((push_token, content_state)) = started {
            let is_sandbox = phone.environment == Environment::Sandbox;
            let app = {
                let books = scene.books.lock();
                books.activities[number as usize].app
            };
            enter_token(scene, app, &push_token, is_sandbox);
            let mut body = token_body(&push_token, phone.environment);
            body["attributes_type"] = json!(ATTRIBUTES_TYPE);
            body["content_state"] = content_state;
            let path = format!("{}/tokens/{device}", path_of(scene, number));
            let said = scene.caller.ask(&Question::put(path, &body)).await?;
            // It may be over by then.
            return match said.status {
                409 if said.codes().contains("live_activity.ended") => Ok(()),
                _ => said.no_content("telling an update token"),
            };
        }
        // A start that is in doubt is not sent again.
        if scene.is_over() || began.elapsed() > START_PATIENCE {
            return Ok(());
        }
        sleep(LOOK_INTERVAL).await;
    }
}

/// A later end, and another number to show.
async fn change(scene: &Scene, number: u32, dice: &mut Dice) -> Result<()> {
    let later = dice.between(LATER_MS.0, LATER_MS.1) as Micros * 1000;
    let (plan, body) = {
        let sent = now() + scene.ahead.get();
        let business = business(scene);
        let mut books = scene.books.lock();
        let plans = &mut books.activities[number as usize].plans;
        let before = plans.last().map_or(business, |plan| plan.ends_at);
        let ends_at = before.max(business) + later;
        plans.push(Plan {
            ends_at,
            sent,
            answered: None,
        });
        let body = json!({ "ends_at": rfc3339(ends_at)?, "content_state": { "plan": plans.len().to_string() } });
        (plans.len() - 1, body)
    };
    let question = Question {
        method: reqwest::Method::PATCH,
        ..Question::put(path_of(scene, number), &body)
    };
    let said = scene.caller.ask(&question).await?;
    note_plan(scene, number, plan, &said)
}

/// Asks it to end now; it may be over already.
async fn end_one(scene: &Scene, number: u32) -> Result<()> {
    {
        let mut books = scene.books.lock();
        books.activities[number as usize]
            .end_asked
            .get_or_insert(now() + scene.ahead.get());
    }
    let question = Question {
        idempotency: None,
        ..Question::post(
            format!("{}/end", path_of(scene, number)),
            "{}".to_owned(),
            String::new(),
        )
    };
    let said = scene.caller.ask(&question).await?;
    match said.status {
        200 => Ok(()),
        409 if said.codes().contains("live_activity.ended") => Ok(()),
        _ => bail!("ending activity {number}: {} {}", said.status, said.text),
    }
}

/// Ends those that are not over, and waits for it: from then on nothing new is sent.
pub(crate) async fn end(scene: &Scene) -> Result<()> {
    let count = scene.books.lock().activities.len() as u32;
    for number in 0..count {
        let began = Instant::now();
        let mut is_asked = false;
        while !is_over(scene, number).await? {
            if began.elapsed() > END_DEADLINE {
                bail!(
                    "activity {number} was asked to end, and is not over after {} s",
                    END_DEADLINE.as_secs()
                );
            }
            if !is_asked {
                end_one(scene, number).await?;
                is_asked = true;
            }
            sleep(LOOK_INTERVAL).await;
        }
    }
    Ok(())
}

async fn is_over(scene: &Scene, number: u32) -> Result<bool> {
    let view = scene
        .caller
        .ask(&Question::get(path_of(scene, number)))
        .await?;
    // Refused, because its end had passed.
    if view.status == 404 && !is_there(scene, number) {
        return Ok(true);
    }
    let view = view.success()?;
    Ok(matches!(
        view["state"].as_str(),
        Some("ended" | "cancelled")
    ))
}

/// Reads what came of them, and enters what they pushed into the first book. `kept` are the notifications of the store that
/// no request asked for, by their ids: those of activities are taken out.
pub(crate) async fn enter(
    scene: &Scene,
    books: &mut Books,
    shown: Vec<Shown>,
    owners: &HashMap<u128, String>,
    kept: &mut HashMap<String, KeptNotification>,
    accepted: &Accepted,
) -> Result<()> {
    let mut numbers: HashMap<String, u32> = HashMap::new();
    for place in 0..books.activities.len() {
        let activity = &books.activities[place];
        let path = format!(
            "/v1/apps/{}/live-activities/{}",
            books.apps[activity.app as usize].id, activity.name
        );
        let view = scene.caller.ask(&Question::get(path.clone())).await?;
        if view.status == 404 {
            continue;
        }
        let view = view.success()?;
        let items = list_of(&scene.caller, &format!("{path}/phases")).await?;
        let mut records = Vec::with_capacity(items.len());
        for item in &items {
            let record = record(item)?;
            if let Some((id, notification)) = item["notification"]
                .as_str()
                .and_then(|id| kept.remove_entry(id))
            {
                let number = u32::try_from(books.asked.len()).context("too many notifications")?;
                let (_, instant) = accepted.get(&id).context("a notification without an App")?;
                let app = books.activities[place].app;
                books
                    .asked
                    .push(of_activity(app, &id, micros(instant)?, &record));
                books.kept.push(Some(notification));
                numbers.insert(id, number);
            }
            records.push(record);
        }
        let word = |field: &str| view[field].as_str().unwrap_or_default().to_owned();
        books.activities[place].kept = Some(KeptActivity {
            state: word("state"),
            ended_by: word("ended_by"),
            records,
        });
    }
    let mut keepers: HashMap<u32, BTreeSet<u32>> = HashMap::new();
    for (mut receipt, number, says) in shown {
        let owner = receipt.own_id.and_then(|id| owners.get(&id));
        let asked = owner.and_then(|id| numbers.get(id));
        let activity = books.activities.get(number as usize);
        let (Some(asked), Some(_)) = (asked, activity) else {
            books.strangers.push(format!(
                "no activity {number} that sent push {} ({owner:?})",
                receipt.seq
            ));
            continue;
        };
        let pushed = Pushed {
            does: says.does,
            own_id: receipt.own_id,
            at: books.business(receipt.at),
            timestamp: says.timestamp,
            plan: says.plan,
            shows: says.shows,
            meaning: receipt.meaning(),
        };
        books.activities[number as usize].pushes.push(pushed);
        receipt.asked = *asked;
        keepers
            .entry(*asked)
            .or_default()
            .insert(books.device_of(&receipt));
        books.receipts.push(receipt);
    }
    // Whom it was for is known by where it went; what never went anywhere has nobody to be held against.
    for (asked, keepers) in keepers {
        books.asked[asked as usize].audience = Audience::Devices(keepers.into_iter().collect());
    }
    Ok(())
}

/// What a record's push is, as if it had been asked for.
fn of_activity(app: u32, id: &str, accepted_at: Micros, record: &Record) -> accepted::Asked {
    accepted::Asked {
        app,
        kind: Kind::Activity,
        on_unknown: match record.what.as_str() {
            "started" => OnUnknown::Drop,
            _ => OnUnknown::Resend,
        },
        audience: Audience::Devices(Vec::new()),
        expires_at: None,
        planned: None,
        ahead: 0,
        sent: accepted_at,
        accepted: Some((id.to_owned(), accepted_at)),
        refused: None,
        is_cancel_asked: false,
        cancelled: None,
        sightings: Vec::new(),
    }
}

fn record(item: &Value) -> Result<Record> {
    let instant = |field: &str| {
        let text = item[field].as_str();
        micros(text.with_context(|| format!("a record without {field}: {item}"))?)
    };
    Ok(Record {
        what: item["what"].as_str().unwrap_or_default().to_owned(),
        phase: item["phase"].as_str().map(str::to_owned),
        due: instant("due_at")?,
        at: instant("at")?,
    })
}

impl Phone {
    fn token_body(&self) -> Value {
        token_body(&self.push_token, self.environment)
    }
}

fn token_body(push_token: &str, environment: Environment) -> Value {
    let environment = match environment {
        Environment::Sandbox => "sandbox",
        Environment::Production => "production",
    };
    json!({ "token": push_token, "environment": environment })
}

impl Said {
    /// A success that says nothing.
    fn no_content(&self, what: &str) -> Result<()> {
        match self.status {
            200..=299 => Ok(()),
            _ => bail!("{what}: {} {}", self.status, self.text),
        }
    }
}

const _: () = assert!(
    LATER_MS.0 as i64 * 1000 > 3 * SECOND,
    "phase `two` moves into the future"
);
