//! A thousand monitors while everything goes wrong: most of their services stay well, some fail again and again, and then
//! somebody is paged, who answers now and then. What was sent of it stands in the first book from then on, so that every law
//! holds for it, too.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::audience::{APPS, Fate, STEADFAST, USERS, register, user_id};
use crate::audit::{AT_ONCE, Accepted, list, micros};
use crate::books::accepted::{self, Audience, Gateway, Kind, OnUnknown};
use crate::books::monitors::{Answered, Entry, Incident, Monitor, What};
use crate::books::received::Receipt;
use crate::books::stored::KeptNotification;
use crate::books::{Books, Micros};
use crate::caller::Question;
use crate::dice::Dice;
use crate::handset::{enter as enter_phone, install};
use crate::instant::now;
use crate::scene::Scene;

/// How many there are, and how many of them fail.
const MONITORS: usize = 1_000;
const TROUBLED: usize = 60;
/// The first of those who are on call, beyond all others of the App.
const ON_CALL: u32 = 50_000;
/// Callers that let services fail.
pub(crate) const CALLERS: u64 = 4;
/// How long a service fails, and the pause of each caller between two of them, in milliseconds.
const FAILS_MS: (u64, u64) = (3_000, 12_000);
const PAUSE_MS: (u64, u64) = (200, 2_000);
/// Of a thousand: somebody acknowledges, and then gives it back; somebody closes it.
const ACKNOWLEDGED: u64 = 500;
const GIVEN_BACK: u64 = 200;
const CLOSED: u64 = 100;
/// How often it is looked whether there is an incident, and for how long.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
const LOOKS: u32 = 20;
/// The longest that all may take to be well again at the end, and then to rest.
const END_DEADLINE: Duration = Duration::from_secs(120);
/// Entries of a page of incidents, or of monitors.
const PAGE: usize = 100;
/// Most bytes of a request's head.
const MAX_HEAD: usize = 4_096;
/// By what a push says that it is about an incident.
pub(crate) const MARK: &str = "carillon_incident";

/// The services that are watched.
#[derive(Debug)]
pub(crate) struct Services {
    address: SocketAddr,
    all: Arc<Vec<Service>>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Service {
    is_well: AtomicBool,
    answers: Mutex<Vec<Answered>>,
}

impl Drop for Services {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Services {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let service = || Service {
            is_well: AtomicBool::new(true),
            answers: Mutex::default(),
        };
        let all: Arc<Vec<Service>> = Arc::new((0..MONITORS).map(|_| service()).collect());
        let serving = tokio::spawn(serve(listener, Arc::clone(&all)));
        Ok(Self {
            address,
            all,
            serving,
        })
    }

    fn set(&self, number: usize, is_well: bool) {
        self.all[number].is_well.store(is_well, Ordering::Relaxed);
    }
}

async fn serve(listener: TcpListener, all: Arc<Vec<Service>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, Arc::clone(&all)));
    }
}

/// Answers one request; whoever breaks off needs no answer.
async fn answer(mut stream: TcpStream, all: Arc<Vec<Service>>) {
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(read) if read > 0 && head.len() < MAX_HEAD => {}
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&head);
    let path = text.split(' ').nth(1).unwrap_or_default();
    let number: Option<usize> = path.strip_prefix('/').and_then(|text| text.parse().ok());
    let Some(service) = number.and_then(|number| all.get(number)) else {
        return;
    };
    let is_well = service.is_well.load(Ordering::Relaxed);
    // Before it is sent: what follows from it comes later.
    service.answers.lock().push(Answered { at: now(), is_well });
    let answer: &[u8] = match is_well {
        true => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        false => {
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        }
    };
    let _ = stream.write_all(answer).await;
}

fn name_of(number: usize) -> String {
    format!("service-{number}")
}

fn app_path() -> String {
    format!("/v1/apps/{}", APPS[STEADFAST].0)
}

fn path_of(number: usize) -> String {
    format!("{}/monitors/{}", app_path(), name_of(number))
}

/// Defines them, with a ladder that pages one person and then another, who have an iPhone each: a push by another gateway
/// says by its tag which incident it replaces, and not which delivery it is.
pub(crate) async fn set_up(scene: &Scene) -> Result<()> {
    let app = STEADFAST as u32;
    let number = |place: u32| app * USERS + ON_CALL + place;
    let user = |place: u32| user_id(number(place));
    for place in 0..2 {
        let installed = install(scene, app, Gateway::Apns, place, Fate::Steady)?;
        let device = enter_phone(scene, app, &installed, Fate::Steady, number(place));
        register(scene, device).await?;
    }
    let ladder = json!({
        "steps": [
            { "whom": { "users": [user(0)] } },
            { "after": "2s", "whom": { "users": [user(1)] }, "how": "critical" },
        ],
        "rounds": 2,
        "pause": "30s",
    });
    let path = format!("{}/ladders/duty", app_path());
    scene
        .caller
        .ask(&Question::put(path, &ladder))
        .await?
        .success()?;
    define_all(scene, false).await?;
    let monitor = |number| Monitor {
        name: name_of(number),
        answers: Vec::new(),
        incidents: Vec::new(),
    };
    scene.books.lock().monitors = (0..MONITORS).map(monitor).collect();
    Ok(())
}

async fn define_all(scene: &Scene, is_paused: bool) -> Result<()> {
    let numbers: Vec<usize> = (0..MONITORS).collect();
    for group in numbers.chunks(AT_ONCE) {
        let calls = group.iter().map(|number| define(scene, *number, is_paused));
        futures_util::future::try_join_all(calls).await?;
    }
    Ok(())
}

async fn define(scene: &Scene, number: usize, is_paused: bool) -> Result<()> {
    let url = format!("http://{}/{number}", scene.services.address);
    let interval = if number < TROUBLED { "2s" } else { "30s" };
    let body = json!({
        "check": { "http": { "url": url } },
        "interval": interval,
        "retries": 0,
        "failures": 1,
        "recoveries": 1,
        "flapping": { "changes": 0, "within": "1h" },
        "private_target": true,
        "ladder": "duty",
        "paused": is_paused,
    });
    let question = Question::put(path_of(number), &body);
    scene.caller.ask(&question).await?.success()?;
    Ok(())
}

/// One caller: lets services fail, one after the other, until the run is over.
pub(crate) async fn call(scene: &Scene, caller: u64, mut dice: Dice) -> Result<()> {
    while !scene.is_over() {
        pass(&mut dice, PAUSE_MS).await;
        // Each has its own: nobody lets one be well that another lets fail.
        let each = TROUBLED / CALLERS as usize;
        let number = caller as usize * each + dice.index(each);
        scene.services.set(number, false);
        let roll = dice.between(0, 999);
        if roll < ACKNOWLEDGED + CLOSED {
            say(scene, number, roll).await?;
        }
        pass(&mut dice, FAILS_MS).await;
        scene.services.set(number, true);
    }
    Ok(())
}

async fn pass(dice: &mut Dice, (least, most): (u64, u64)) {
    sleep(Duration::from_millis(dice.between(least, most))).await;
}

/// Somebody says something to the incident of a service, when there is one.
async fn say(scene: &Scene, number: usize, roll: u64) -> Result<()> {
    for _ in 0..LOOKS {
        if scene.is_over() {
            return Ok(());
        }
        let view = scene.caller.ask(&Question::get(path_of(number))).await?;
        let view = view.success()?;
        let Some(no) = view["incident"]["no"].as_u64() else {
            sleep(LOOK_INTERVAL).await;
            continue;
        };
        let moves: &[&str] = match roll {
            roll if roll < GIVEN_BACK => &["acknowledge", "unacknowledge"],
            roll if roll < ACKNOWLEDGED => &["acknowledge"],
            _ => &["resolve"],
        };
        for one in moves {
            let path = format!("{}/incidents/{}/{no}/{one}", app_path(), name_of(number));
            let body = json!({ "by": "accountant" });
            let question = Question {
                idempotency: None,
                ..Question::post(path, body.to_string(), String::new())
            };
            let said = scene.caller.ask(&question).await?;
            // It may be over, or said already: the answer to the first try was lost.
            if !matches!(said.status, 200..=299 | 409) {
                bail!(
                    "{one} of incident {no} of {}: {} {}",
                    name_of(number),
                    said.status,
                    said.text
                );
            }
        }
        return Ok(());
    }
    Ok(())
}

/// Lets all be well, waits until no incident is open, and lets all monitors rest: from then on nothing new is sent. While
/// they go on, a machine that stands still for a moment lets a check fail of a service that is well.
pub(crate) async fn end(scene: &Scene) -> Result<()> {
    for number in 0..MONITORS {
        scene.services.set(number, true);
    }
    // By recovery: whatever is open when its monitor is paused is closed by that.
    until_each(scene, |monitor| monitor["incident"].is_null()).await?;
    define_all(scene, true).await?;
    // What is stored counts once its record says so, which an answer that was lost does not tell.
    until_each(scene, |monitor| {
        monitor["incident"].is_null() && monitor["next_check_at"].is_null()
    })
    .await
}

/// Waits until each monitor is as it is to be.
async fn until_each(scene: &Scene, is_done: fn(&Value) -> bool) -> Result<()> {
    let path = format!("{}/monitors", app_path());
    let began = Instant::now();
    loop {
        let all = list(&scene.caller, &path, PAGE).await?;
        let Some(left) = all.iter().find(|monitor| !is_done(monitor)) else {
            return Ok(());
        };
        if began.elapsed() > END_DEADLINE {
            let secs = END_DEADLINE.as_secs();
            bail!(
                "all services are well, and after {secs} s a monitor has an incident or goes on: {left}"
            );
        }
        sleep(LOOK_INTERVAL).await;
    }
}

/// Reads what came of them, and enters what was sent of it into the first book. `kept` are the notifications of the store
/// that no request asked for, by their ids: those of incidents are taken out.
pub(crate) async fn enter(
    scene: &Scene,
    books: &mut Books,
    paged: Vec<Receipt>,
    owners: &HashMap<u128, String>,
    kept: &mut HashMap<String, KeptNotification>,
    accepted: &Accepted,
) -> Result<()> {
    for (monitor, service) in books.monitors.iter_mut().zip(scene.services.all.iter()) {
        monitor.answers = std::mem::take(&mut *service.answers.lock());
    }
    let places: HashMap<String, usize> = (0..)
        .zip(&books.monitors)
        .map(|(place, monitor)| (monitor.name.clone(), place))
        .collect();
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let all = list(&scene.caller, &format!("{}/incidents", app_path()), PAGE).await?;
    for item in all {
        let monitor = item["monitor"].as_str().unwrap_or_default();
        let no = item["no"]
            .as_u64()
            .context("an incident without its number")?;
        let path = format!("{}/incidents/{monitor}/{no}", app_path());
        let view = scene.caller.ask(&Question::get(path)).await?.success()?;
        let mut entries = Vec::new();
        for item in view["entries"].as_array().into_iter().flatten() {
            let mut sent = BTreeSet::new();
            for told in item["told"].as_array().into_iter().flatten() {
                let Some(id) = told["notification"].as_str() else {
                    continue;
                };
                sent.insert(id.to_owned());
                let Some((id, notification)) = kept.remove_entry(id) else {
                    continue;
                };
                let number = u32::try_from(books.asked.len()).context("too many notifications")?;
                let (_, instant) = accepted.get(&id).context("a notification without an App")?;
                let devices = notification.deliveries.iter();
                let devices = devices.filter_map(|delivery| delivery.device).collect();
                books.asked.push(of_page(&id, micros(instant)?, devices));
                books.kept.push(Some(notification));
                numbers.insert(id, number);
            }
            let is_there = sent.iter().filter(|id| numbers.contains_key(*id)).count();
            if is_there < sent.len() {
                books.strangers.push(format!(
                    "no notification that incident {no} of {monitor} says was sent: {sent:?}"
                ));
            }
            entries.push(entry(item, is_there)?);
        }
        let place = places.get(monitor);
        let place =
            place.with_context(|| format!("an incident of {monitor}, which there is not"))?;
        books.monitors[*place].incidents.push(Incident {
            no,
            fault: view["fault"]["kind"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            is_open: view["resolved"].is_null(),
            entries,
        });
    }
    for monitor in &mut books.monitors {
        monitor.incidents.sort_by_key(|incident| incident.no);
    }
    for mut receipt in paged {
        let owner = receipt.own_id.and_then(|id| owners.get(&id));
        let Some(asked) = owner.and_then(|id| numbers.get(id)) else {
            books.strangers.push(format!(
                "no incident that sent push {} ({owner:?})",
                receipt.seq
            ));
            continue;
        };
        receipt.asked = *asked;
        let device = books.device_of(&receipt);
        // One that was deleted since is known by where it went.
        if let Audience::Devices(devices) = &mut books.asked[*asked as usize].audience
            && !devices.contains(&device)
        {
            devices.push(device);
        }
        books.receipts.push(receipt);
    }
    Ok(())
}

/// What a page is, as if it had been asked for.
fn of_page(id: &str, accepted_at: Micros, devices: Vec<u32>) -> accepted::Asked {
    accepted::Asked {
        app: STEADFAST as u32,
        kind: Kind::Alert,
        on_unknown: OnUnknown::Resend,
        audience: Audience::Devices(devices),
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

fn entry(item: &Value, sent: usize) -> Result<Entry> {
    let at = item["at"].as_str();
    let at = micros(at.with_context(|| format!("an entry without its time: {item}"))?)?;
    let number = |field: &str| {
        let number = item["page"][field].as_u64();
        number.with_context(|| format!("a page without {field}: {item}"))
    };
    let what = match item["what"].as_str().unwrap_or_default() {
        "opened" => What::Opened,
        "paged" => What::Paged {
            run: number("run")?,
            round: number("round")?,
            step: number("step")?,
            sent,
        },
        "acknowledged" => What::Acknowledged,
        "unacknowledged" => What::Unacknowledged,
        "given_up" => What::GivenUp,
        "resolved" => What::Resolved,
        other => What::Other(other.to_owned()),
    };
    Ok(Entry { at, what })
}
