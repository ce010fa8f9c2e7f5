//! Events that are told to the API while everything goes wrong, and the triggers that make something of them: digests whose
//! windows close during the run, also while the process is down, and notifications at once that a throttle keeps few.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::audience::{USERS, user_id};
use crate::audit;
use crate::books::events::{Acknowledged, Event, Manner};
use crate::caller::{Question, Said};
use crate::dice::Dice;
use crate::instant::now;
use crate::laws::digests::MAX_NAMED;
use crate::laws::throttles::{MAX as THROTTLE_MAX, PER as THROTTLE_PER};
use crate::scene::Scene;

/// Callers who tell events.
pub(crate) const CALLERS: usize = 2;
/// The longest pause of each between two events, in milliseconds.
const PAUSE_MS: u64 = 350;
/// Apps to which events are told: patient ones, and none that is in trouble.
const CHATTY: [u32; 3] = [0, 1, 3];
/// People in each of them whom events concern: they have a phone of each kind and a browser.
const PEOPLE: u64 = 3;
/// Posts that digests are kept apart by.
const POSTS: u64 = 2;
/// How long a digest gathers.
const WINDOW: &str = "2s";
/// Of a thousand events, those that are told once more although they were acknowledged.
const REPEATED: u64 = 100;
/// After so long every window has closed, and the program has looked.
const ALL_CLOSED: Duration = Duration::from_millis(3_500);
/// How often it is looked whether everything has been told.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Stores the template and the triggers.
pub(crate) async fn set_up(scene: &Scene) -> Result<()> {
    // Numbers of events, with spaces.
    let numbers = "{% for item in digest.items %}{{ item.number }} {% endfor %}";
    let template = json!({
        "default_locale": "en",
        "variables": { "number": { "type": "string" }, "post": { "type": "string" } },
        "content": { "en": {
            "title": "Accountant",
            "body": "{{ digest.count }} events of {{ post }}",
            "data": { "e": numbers, "c": "{{ digest.count }}" },
        } },
    });
    let gathered = json!({
        "event": name_of(Manner::Gathered),
        "template": "events",
        "digest": { "window": WINDOW, "max_items": MAX_NAMED },
        "digest_key": "data.post",
    });
    let per = format!("{}ms", THROTTLE_PER / 1000);
    let at_once = json!({
        "event": name_of(Manner::AtOnce),
        "template": "events",
        "throttle": { "max": THROTTLE_MAX, "per": per },
    });
    for app in CHATTY {
        let app = scene.app_path(app);
        for (path, body) in [
            ("templates/events", &template),
            ("triggers/gathered", &gathered),
            ("triggers/at-once", &at_once),
        ] {
            let question = Question::put(format!("{app}/{path}"), body);
            let said = scene.caller.ask(&question).await?;
            said.success().with_context(|| format!("storing {path}"))?;
        }
    }
    Ok(())
}

fn name_of(manner: Manner) -> &'static str {
    match manner {
        Manner::Gathered => "comment.created",
        Manner::AtOnce => "post.liked",
    }
}

/// One caller: tells events until the run is over.
pub(crate) async fn call(scene: &Scene, mut dice: Dice) -> Result<()> {
    while !scene.is_over() {
        sleep(Duration::from_millis(dice.between(1, PAUSE_MS))).await;
        let (number, question) = enter(scene, &mut dice)?;
        let said = scene.caller.ask(&question).await?;
        note(scene, number, &said)?;
        if dice.permille(REPEATED) {
            // Somebody who had not heard the answer would ask the same again.
            let again = scene.caller.ask(&question).await?;
            again.success().context("repeating an event")?;
        }
    }
    Ok(())
}

/// Enters an event into the first book, not yet acknowledged.
fn enter(scene: &Scene, dice: &mut Dice) -> Result<(u32, Question)> {
    let app = CHATTY[dice.index(CHATTY.len())];
    let manner = match dice.permille(700) {
        true => Manner::Gathered,
        false => Manner::AtOnce,
    };
    let mut recipients: Vec<u32> = (0..dice.between(1, 3))
        .map(|_| app * USERS + dice.between(0, PEOPLE - 1) as u32)
        .collect();
    recipients.sort_unstable();
    recipients.dedup();
    let post = dice.between(1, POSTS) as u32;
    let path = format!("{}/events", scene.app_path(app));
    let mut books = scene.books.lock();
    let number = u32::try_from(books.events.len()).context("too many events")?;
    let users: Vec<String> = recipients.iter().copied().map(user_id).collect();
    let body = json!({
        "name": name_of(manner),
        "recipients": users,
        "data": { "number": number.to_string(), "post": format!("post-{post}") },
    });
    books.events.push(Event {
        app,
        manner,
        recipients,
        post,
        sent: now(),
        acknowledged: None,
    });
    let key = format!("accountant-event-{number}");
    Ok((number, Question::post(path, body.to_string(), key)))
}

/// Notes down what came of an event. Every one of them has a trigger and concerns people with devices.
fn note(scene: &Scene, number: u32, said: &Said) -> Result<()> {
    let answer = said.success().context("telling an event")?;
    let outcome = &answer["triggers"][0];
    if said.status != 202
        || !matches!(
            outcome["result"].as_str(),
            Some("sent" | "gathered" | "throttled")
        )
    {
        bail!("event {number} was answered {}: {}", said.status, said.text);
    }
    let ids = outcome["notifications"].as_array().into_iter().flatten();
    let ids = ids.filter_map(Value::as_str).map(str::to_owned);
    let acknowledged = Acknowledged {
        notifications: ids.collect(),
        throttled: outcome["throttled"].as_u64().unwrap_or(0) as u32,
    };
    scene.books.lock().events[number as usize].acknowledged = Some(acknowledged);
    Ok(())
}

/// Waits until every acknowledged event that is gathered has arrived at the simulator, or for so long no other one does: the
/// law says which one has not.
pub(crate) async fn until_told(scene: &Scene, deadline: Duration) {
    sleep(ALL_CLOSED).await;
    let began = Instant::now();
    let mut since = began;
    let mut open: HashSet<u32> = {
        let books = scene.books.lock();
        let due = (0u32..)
            .zip(&books.events)
            .filter(|(_, event)| event.manner == Manner::Gathered && event.acknowledged.is_some());
        due.map(|(number, _)| number).collect()
    };
    let mut after_seq = 0;
    while !open.is_empty()
        && since.elapsed() < deadline
        && began.elapsed() < deadline * audit::PAUSES
    {
        sleep(LOOK_INTERVAL).await;
        for number in scene.gateway.events_received(&mut after_seq) {
            if open.remove(&number) {
                since = Instant::now();
            }
        }
    }
}
