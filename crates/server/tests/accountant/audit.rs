//! Reads the second book: what the store says at the end, through the API, page by page.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::Value;
use tokio::time::Instant;

use crate::books::accepted::{Asked, Audience, DeviceEntry, Kind};
use crate::books::received::Meaning;
use crate::books::stored::{Heard, KeptDelivery, KeptNotification, KeptToken, State};
use crate::books::{Books, Micros};
use crate::caller::{Caller, Question};
use crate::scene::Scene;
use crate::{activities, monitors, schedules, telling};

/// Questions at once.
pub(crate) const AT_ONCE: usize = 16;
/// How often it is asked whether everything is drained.
const DRAIN_INTERVAL: Duration = Duration::from_millis(500);
/// How ids begin that the API made up for devices that have none.
const UNNAMED: &str = "dev_";
/// Entries of a page of notifications.
const NOTIFICATIONS: usize = 100;
/// Entries of a page of deliveries.
const DELIVERIES: usize = 1000;

/// Deliveries in each state, from what the API says of a notification.
pub(crate) fn counts(deliveries: &Value) -> BTreeMap<String, u64> {
    let of = |state: State| {
        Some((
            state.as_str().to_owned(),
            deliveries[state.as_str()].as_u64()?,
        ))
    };
    State::ALL
        .into_iter()
        .filter_map(of)
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// So many times the longest pause in which nothing ends may draining take in all.
pub(crate) const PAUSES: u32 = 5;

/// Waits until nothing is open any more, or nothing more ends for so long, or a multiple of that is over; how many deliveries
/// are open then.
pub(crate) async fn drain(scene: &Scene, deadline: Duration) -> Result<u64> {
    let began = Instant::now();
    let (mut fewest, mut since) = (u64::MAX, began);
    let mut ticks = tokio::time::interval(DRAIN_INTERVAL);
    let mut suspects: Option<Vec<String>> = None;
    loop {
        ticks.tick().await;
        let (open, still) = match suspects.take() {
            None => open_notifications(scene).await?,
            Some(paths) => look_again(scene, paths).await?,
        };
        if open < fewest {
            (fewest, since) = (open, Instant::now());
        }
        let is_late = since.elapsed() >= deadline || began.elapsed() >= deadline * PAUSES;
        if still.is_empty() || is_late {
            return Ok(open);
        }
        suspects = Some(still);
    }
}

async fn open_notifications(scene: &Scene) -> Result<(u64, Vec<String>)> {
    let (mut open, mut paths) = (0, Vec::new());
    for app in app_paths(scene) {
        for item in list(
            &scene.caller,
            &format!("{app}/notifications"),
            NOTIFICATIONS,
        )
        .await?
        {
            if let Some(count) = open_in(&item) {
                open += count;
                let id = item["id"]
                    .as_str()
                    .context("a notification without an id")?;
                paths.push(format!("{app}/notifications/{id}"));
            }
        }
    }
    Ok((open, paths))
}

async fn look_again(scene: &Scene, paths: Vec<String>) -> Result<(u64, Vec<String>)> {
    let answers = stream::iter(paths)
        .map(|path| async move {
            let item = scene
                .caller
                .ask(&Question::get(path.clone()))
                .await?
                .success()?;
            Ok::<_, anyhow::Error>(open_in(&item).map(|open| (open, path)))
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let still: Vec<_> = answers
        .into_iter()
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    Ok((
        still.iter().map(|(open, _)| open).sum(),
        still.into_iter().map(|(_, path)| path).collect(),
    ))
}

/// How many deliveries are open, if the notification is not finished.
fn open_in(item: &Value) -> Option<u64> {
    let deliveries = &item["deliveries"];
    let open = deliveries["open"].as_u64().unwrap_or(1);
    (open > 0 || deliveries["complete"] != true).then_some(open)
}

fn app_paths(scene: &Scene) -> Vec<String> {
    scene
        .books
        .lock()
        .apps
        .iter()
        .map(|app| format!("/v1/apps/{}", app.id))
        .collect()
}

/// Every entry of a paged list.
pub(crate) async fn list(caller: &Caller, path: &str, limit: usize) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = caller
            .ask(&Question::get(format!("{path}?limit={limit}{cursor}")))
            .await?;
        let mut page = page.success().with_context(|| format!("listing {path}"))?;
        let data = page["data"].take();
        let Value::Array(data) = data else {
            anyhow::bail!("{path}: a page without data")
        };
        found.extend(data);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
}

/// Every entry of a list that has one page.
pub(crate) async fn list_of(caller: &Caller, path: &str) -> Result<Vec<Value>> {
    let mut page = caller.ask(&Question::get(path)).await?.success()?;
    match page["data"].take() {
        Value::Array(data) => Ok(data),
        _ => anyhow::bail!("{path}: a list without data"),
    }
}

/// Reads everything that the laws want to know, and the third book with it.
pub(crate) async fn read(scene: &Scene) -> Result<Books> {
    let mut kept: HashMap<String, KeptNotification> = HashMap::new();
    let mut paths = Vec::new();
    let mut accepted = Accepted::new();
    for app in app_paths(scene) {
        for item in list(
            &scene.caller,
            &format!("{app}/notifications"),
            NOTIFICATIONS,
        )
        .await?
        {
            let id = item["id"]
                .as_str()
                .context("a notification without an id")?
                .to_owned();
            let deliveries = &item["deliveries"];
            let open = open_in(&item).unwrap_or(0);
            paths.push((format!("{app}/notifications/{id}/deliveries"), id.clone()));
            let accepted_at = item["accepted_at"].as_str().context("no accepted_at")?;
            accepted.insert(id.clone(), (app.clone(), accepted_at.to_owned()));
            kept.insert(
                id,
                KeptNotification {
                    counts: counts(deliveries),
                    open,
                    deliveries: Vec::new(),
                },
            );
        }
    }
    let ids: HashMap<String, u32> = {
        let books = scene.books.lock();
        (0u32..)
            .zip(&books.devices)
            .map(|(place, device)| (device.id.clone(), place))
            .collect()
    };
    let mut lists = stream::iter(paths)
        .map(|(path, id)| async move {
            Ok::<_, anyhow::Error>((id, list(&scene.caller, &path, DELIVERIES).await?))
        })
        .buffer_unordered(AT_ONCE);
    while let Some(next) = lists.next().await {
        let (id, items) = next?;
        let notification = kept
            .get_mut(&id)
            .context("a notification that was not listed")?;
        for item in items {
            notification.deliveries.push(delivery(&item, &ids)?);
        }
    }
    drop(lists);
    let tokens = push_tokens(scene, &ids).await?;
    let book = scene.gateway.read_book(&scene.addresses.lock())?;
    let mut books = std::mem::take(&mut *scene.books.lock());
    books.receipts = book.receipts;
    books.tokens = tokens;
    books.kept = books
        .asked
        .iter()
        .map(|asked| kept.remove(&asked.accepted.as_ref()?.0))
        .collect();
    let owners = telling::owners(scene, &kept, &accepted).await?;
    let (left, sent) = (&mut kept, book.scheduled);
    schedules::enter(scene, &mut books, sent, &owners, left, &accepted).await?;
    let (left, shown) = (&mut kept, book.shown);
    activities::enter(scene, &mut books, shown, &owners, left, &accepted).await?;
    let (left, paged) = (&mut kept, book.paged);
    monitors::enter(scene, &mut books, paged, &owners, left, &accepted).await?;
    telling::enter(&mut books, book.told, kept, &owners, &accepted)?;
    books.close();
    let details = read_details(&scene.caller, &books).await?;
    enter_details(&mut books, details);
    books.close();
    Ok(books)
}

fn delivery(item: &Value, ids: &HashMap<String, u32>) -> Result<KeptDelivery> {
    Ok(KeptDelivery {
        id: item["id"]
            .as_str()
            .context("a delivery without an id")?
            .to_owned(),
        device: item["device_id"]
            .as_str()
            .and_then(|id| ids.get(id).copied()),
        state: item["state"].as_str().and_then(State::from_word),
        doubts: 0,
        gateway_id: None,
        heard: None,
    })
}

/// Where a notification was accepted, and when: the path of its App and the API's instant.
pub(crate) type Accepted = HashMap<String, (String, String)>;

/// An instant of the API.
pub(crate) fn micros(instant: &str) -> Result<Micros> {
    let instant: jiff::Timestamp = instant.parse()?;
    Ok(instant.as_microsecond())
}

/// All push tokens of the devices that were registered and not deleted.
async fn push_tokens(scene: &Scene, ids: &HashMap<String, u32>) -> Result<Vec<KeptToken>> {
    let mut tokens = Vec::new();
    for app in app_paths(scene) {
        for item in list(&scene.caller, &format!("{app}/devices"), DELIVERIES).await? {
            let id = item["id"].as_str().context("a device without an id")?;
            let device = match ids.get(id) {
                Some(device) => *device,
                // It keeps a push token that came without a device.
                None if id.starts_with(UNNAMED) => continue,
                None => anyhow::bail!("device {id} was never registered"),
            };
            for token in item["push_tokens"].as_array().into_iter().flatten() {
                let kind = match token["kind"].as_str() {
                    Some("voip") => Kind::Voip,
                    // Also the only one of a device of another gateway.
                    _ => Kind::Alert,
                };
                tokens.push(KeptToken {
                    device,
                    kind,
                    is_retired: !token["retired_at"].is_null(),
                });
            }
        }
    }
    Ok(tokens)
}

/// What a delivery's own page says.
struct Detail {
    notification: usize,
    place: usize,
    gateway_id: u128,
    doubts: u32,
    heard: Option<Heard>,
}

/// Reads the pages of those deliveries whose story needs them: whatever is not a plain acceptance.
async fn read_details(caller: &Caller, books: &Books) -> Result<Vec<Detail>> {
    let mut wanted = Vec::new();
    for (number, asked, kept) in books.notifications() {
        for (place, delivery) in kept.deliveries.iter().enumerate() {
            let is_plain = delivery.state == Some(State::Accepted)
                && delivery
                    .device
                    .is_some_and(|device| books.receipts_of(number, device).len() == 1);
            if !is_plain {
                let app = &books.apps[asked.app as usize].id;
                let path = format!("/v1/apps/{app}/deliveries/{}", delivery.id);
                wanted.push((number as usize, place, path));
            }
        }
    }
    stream::iter(wanted)
        .map(|(notification, place, path)| async move {
            let page = caller.ask(&Question::get(path)).await?.success()?;
            let attempts = page["attempts"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let is_doubt = |attempt: &&Value| {
                matches!(
                    attempt["result"].as_str(),
                    Some("in_doubt" | "rescued_in_doubt")
                )
            };
            Ok(Detail {
                notification,
                place,
                gateway_id: gateway_id(&page)?,
                doubts: attempts.iter().filter(is_doubt).count() as u32,
                heard: attempts.iter().filter_map(Heard::of).max(),
            })
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect()
}

/// The id that a delivery has at every gateway.
pub(crate) fn gateway_id(page: &Value) -> Result<u128> {
    let text = page["gateway_id"].as_str();
    let text = text.context("a delivery without its gateway id")?;
    Ok(uuid::Uuid::parse_str(text)?.as_u128())
}

fn enter_details(books: &mut Books, details: Vec<Detail>) {
    for detail in details {
        if let Some(kept) = &mut books.kept[detail.notification] {
            let delivery = &mut kept.deliveries[detail.place];
            delivery.doubts = detail.doubts;
            delivery.heard = detail.heard;
            delivery.gateway_id = Some(detail.gateway_id);
        }
    }
    name_deleted_devices(books);
}

/// The store does not name devices that were deleted, nor those that keep a Live Activity's push token. They are known by what was sent to them, and otherwise by being
/// the ones that are missing.
fn name_deleted_devices(books: &mut Books) {
    let by_id: HashMap<u128, u32> = books
        .receipts
        .iter()
        .filter_map(|receipt| Some((receipt.own_id?, books.device_of(receipt))))
        .collect();
    let is_deleted: BTreeSet<u32> = (0u32..)
        .zip(&books.devices)
        .filter(|(_, device)| device.deleted.is_some() || device.is_nameless)
        .map(|(place, _)| place)
        .collect();
    let mut surest: HashMap<(u32, u32), u8> = HashMap::new();
    for receipt in &books.receipts {
        let meaning = match receipt.meaning() {
            Meaning::Taken => 0,
            Meaning::Refused => 1,
            Meaning::Silent | Meaning::TryAgain => 2,
        };
        let place = (receipt.asked, books.device_of(receipt));
        let known = surest.entry(place).or_insert(meaning);
        *known = meaning.min(*known);
    }
    let both = books.asked.iter().zip(&mut books.kept);
    for (number, (asked, kept)) in (0u32..).zip(both) {
        let Some(kept) = kept else { continue };
        let there: BTreeSet<u32> = kept
            .deliveries
            .iter()
            .filter_map(|delivery| delivery.device)
            .collect();
        let nameless = kept
            .deliveries
            .iter_mut()
            .filter(|delivery| delivery.device.is_none());
        let mut missing: Vec<u32> = match &asked.audience {
            Audience::Devices(devices) => devices
                .iter()
                .copied()
                .filter(|device| !there.contains(device))
                .collect(),
            Audience::Users(_) | Audience::Topic(_) | Audience::All => is_deleted
                .iter()
                .copied()
                .filter(|device| is_meant(&books.devices[*device as usize], asked))
                .collect(),
        };
        missing.retain(|device| is_deleted.contains(device));
        let mut left = Vec::new();
        for delivery in nameless {
            let sent_to = delivery.gateway_id.and_then(|id| by_id.get(&id).copied());
            match sent_to.and_then(|device| missing.iter().position(|other| *other == device)) {
                Some(at) => delivery.device = Some(missing.swap_remove(at)),
                None => left.push(delivery),
            }
        }
        // What carries no id of its own is known by how it ended: the surest first.
        left.sort_by_key(|delivery| delivery.state);
        missing.sort_by_key(|device| surest.get(&(number, *device)).copied().unwrap_or(3));
        for (delivery, device) in left.into_iter().zip(missing) {
            delivery.device = Some(device);
        }
    }
}

/// Whether a device belongs to whom a notification is for.
fn is_meant(device: &DeviceEntry, asked: &Asked) -> bool {
    asked.audience.has(device) && device.app == asked.app && !device.is_nameless
}
