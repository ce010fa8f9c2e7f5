//! Schedules that are due at every full minute: some are left alone, the others are stored anew with another text, paused,
//! resumed and run by hand all the time. What came of them is read at the end, and what they sent stands in the first book
//! from then on, so that every law holds for it, too.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::audience::{USERS, user_id};
use crate::audit::{Accepted, list, micros};
use crate::books::accepted::{self, Audience, Kind, OnUnknown};
use crate::books::later::{Asked, Missed, Run, RunResult, Schedule, ScheduleCall};
use crate::books::received::Receipt;
use crate::books::stored::KeptNotification;
use crate::books::{Books, Micros};
use crate::caller::Question;
use crate::dice::Dice;
use crate::instant::now;
use crate::scene::Scene;

/// Apps that have schedules: patient ones, and none that is in trouble.
const PUNCTUAL: [u32; 3] = [0, 1, 3];
/// Schedules of each that nothing happens to, for each rule for missed times.
const LEFT_ALONE: usize = 2;
/// Schedules of each that something happens to.
const CHANGED: usize = 2;
/// People whom one is for: they have a phone of each kind and a browser.
const PEOPLE: u32 = 2;
/// The pauses between two changes, in milliseconds.
const PAUSE_MS: (u64, u64) = (200, 2_000);
/// Entries of a page of runs.
const RUNS: usize = 100;

/// A push that a schedule sent, and whose schedule it says that is.
pub(crate) type Sent = (Receipt, u32);

/// Stores the schedules.
pub(crate) async fn set_up(scene: &Scene) -> Result<()> {
    for app in PUNCTUAL {
        let rules = [Missed::Fire, Missed::Skip];
        let left_alone = rules.into_iter().flat_map(|rule| [rule; LEFT_ALONE]);
        for missed in left_alone.chain([Missed::Fire; CHANGED]) {
            let number = {
                let mut books = scene.books.lock();
                let number = books.schedules.len() as u32;
                let first = app * USERS + number % (2 * PEOPLE);
                books.schedules.push(Schedule {
                    app,
                    name: format!("minutely-{number}"),
                    users: (first..first + PEOPLE).collect(),
                    missed,
                    calls: Vec::new(),
                    runs: Vec::new(),
                });
                number
            };
            ask(scene, number, Asked::Put(1)).await?;
        }
    }
    Ok(())
}

/// Does things to those schedules that are not left alone, until the run is over.
pub(crate) async fn call(scene: &Scene, mut dice: Dice) -> Result<()> {
    let each = 2 * LEFT_ALONE + CHANGED;
    while !scene.is_over() {
        sleep(Duration::from_millis(dice.between(PAUSE_MS.0, PAUSE_MS.1))).await;
        let place = dice.index(PUNCTUAL.len()) * each + 2 * LEFT_ALONE + dice.index(CHANGED);
        let what = match dice.between(0, 9) {
            0..=2 => Asked::Put(next_text(&scene.books.lock().schedules[place])),
            3..=4 => Asked::Pause,
            5..=7 => Asked::Resume,
            _ => Asked::Run(None),
        };
        ask(scene, place as u32, what).await?;
    }
    Ok(())
}

fn next_text(schedule: &Schedule) -> u32 {
    let puts = schedule
        .calls
        .iter()
        .filter(|call| matches!(call.what, Asked::Put(_)));
    puts.count() as u32 + 1
}

/// Asks one thing of a schedule, and notes down when.
async fn ask(scene: &Scene, number: u32, what: Asked) -> Result<()> {
    let (path, body) = {
        let books = scene.books.lock();
        let schedule = &books.schedules[number as usize];
        let app = &books.apps[schedule.app as usize].id;
        let text = match what {
            Asked::Put(text) => text,
            _ => 0,
        };
        (
            format!("/v1/apps/{app}/schedules/{}", schedule.name),
            definition(number, schedule, text),
        )
    };
    let post = |verb: &str, key: String| Question::post(format!("{path}/{verb}"), "{}".into(), key);
    let question = match &what {
        Asked::Put(_) => Question::put(path.clone(), &body),
        Asked::Pause | Asked::Resume => Question {
            body: None,
            idempotency: None,
            ..post(
                if what == Asked::Pause {
                    "pause"
                } else {
                    "resume"
                },
                String::new(),
            )
        },
        Asked::Run(_) => {
            let place = scene.books.lock().schedules[number as usize].calls.len();
            Question {
                body: None,
                ..post("run", format!("accountant-run-{number}-{place}"))
            }
        }
    };
    let place = {
        let mut books = scene.books.lock();
        let calls = &mut books.schedules[number as usize].calls;
        calls.push(ScheduleCall {
            what,
            sent: now() + scene.ahead.get(),
            answered: None,
        });
        calls.len() - 1
    };
    let said = scene.caller.ask(&question).await?;
    let answer = said
        .success()
        .with_context(|| format!("{} {}", question.method, question.path))?;
    let mut books = scene.books.lock();
    let call = &mut books.schedules[number as usize].calls[place];
    call.answered = Some(now() + scene.ahead.get());
    if let Asked::Run(id) = &mut call.what {
        *id = Some(
            answer["id"]
                .as_str()
                .context("a run without an id")?
                .to_owned(),
        );
    }
    Ok(())
}

fn definition(number: u32, schedule: &Schedule, text: u32) -> Value {
    let users: Vec<String> = schedule.users.iter().copied().map(user_id).collect();
    json!({
        "cron": "* * * * *",
        "time_zone": "UTC",
        "missed": match schedule.missed {
            Missed::Fire => "fire",
            Missed::Skip => "skip",
        },
        "notification": {
            "target": { "users": users },
            "content": {
                "title": "Accountant",
                "body": format!("Schedule {number}, text {text}"),
                "data": { "schedule": number.to_string(), "v": text.to_string() },
            },
        },
    })
}

/// Lets all of them rest: from then on nothing new is sent.
pub(crate) async fn end(scene: &Scene) -> Result<()> {
    let count = scene.books.lock().schedules.len() as u32;
    for number in 0..count {
        ask(scene, number, Asked::Pause).await?;
    }
    Ok(())
}

/// Reads what came of them, and enters what they sent into the first book. `kept` are the notifications of the store that
/// no request asked for, by their ids: those of schedules are taken out.
pub(crate) async fn enter(
    scene: &Scene,
    books: &mut Books,
    sent: Vec<Sent>,
    owners: &HashMap<u128, String>,
    kept: &mut HashMap<String, KeptNotification>,
    accepted: &Accepted,
) -> Result<()> {
    let mut numbers: HashMap<String, u32> = HashMap::new();
    for place in 0..books.schedules.len() {
        let schedule = &books.schedules[place];
        let app = &books.apps[schedule.app as usize].id;
        let path = format!("/v1/apps/{app}/schedules/{}/runs", schedule.name);
        let items = list(&scene.caller, &path, RUNS).await?;
        let mut runs = Vec::with_capacity(items.len());
        for item in items.into_iter().rev() {
            let mut run = run(&item)?;
            if let Some((id, notification)) = run.id.as_deref().and_then(|id| kept.remove_entry(id))
            {
                let number = u32::try_from(books.asked.len()).context("too many notifications")?;
                let (_, instant) = accepted.get(&id).context("a notification without an App")?;
                books
                    .asked
                    .push(of_schedule(&books.schedules[place], &id, micros(instant)?));
                books.kept.push(Some(notification));
                numbers.insert(id, number);
                run.number = Some(number);
            }
            runs.push(run);
        }
        books.schedules[place].runs = runs;
    }
    for (mut receipt, number) in sent {
        let owner = receipt.own_id.and_then(|id| owners.get(&id));
        match owner.and_then(|id| numbers.get(id)) {
            Some(number) => {
                receipt.asked = *number;
                books.receipts.push(receipt);
            }
            None => books.strangers.push(format!(
                "no run of schedule {number} that sent push {} ({owner:?})",
                receipt.seq
            )),
        }
    }
    Ok(())
}

/// What a run sent, as if it had been asked for.
fn of_schedule(schedule: &Schedule, id: &str, accepted_at: Micros) -> accepted::Asked {
    // No device is missed that was there before the schedule was.
    let sent = schedule.calls.first().map_or(accepted_at, |call| call.sent);
    accepted::Asked {
        app: schedule.app,
        kind: Kind::Alert,
        on_unknown: OnUnknown::Resend,
        audience: Audience::Users(schedule.users.clone()),
        expires_at: None,
        planned: None,
        ahead: 0,
        sent,
        accepted: Some((id.to_owned(), accepted_at)),
        refused: None,
        is_cancel_asked: false,
        cancelled: None,
        sightings: Vec::new(),
    }
}

fn run(item: &Value) -> Result<Run> {
    let instant = |field: &str| {
        let text = item[field].as_str();
        micros(text.with_context(|| format!("a run without {field}: {item}"))?)
    };
    let word = |field: &str| item[field].as_str().unwrap_or_default();
    ensure!(
        matches!(word("cause"), "due" | "asked"),
        "a run of another cause: {item}"
    );
    Ok(Run {
        due: instant("due_at")?,
        last_due: instant("last_due_at")?,
        fired: instant("fired_at")?,
        is_asked: word("cause") == "asked",
        result: match word("result") {
            "sent" => RunResult::Sent,
            "skipped" => RunResult::Skipped,
            "failed" => RunResult::Failed,
            other => bail!("a run ended {other:?}: {item}"),
        },
        id: item["notification"].as_str().map(str::to_owned),
        number: None,
    })
}
