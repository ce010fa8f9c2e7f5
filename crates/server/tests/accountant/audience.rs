//! Who is there: the Apps with their credentials, the people with their phones and browsers, and the devices that are
//! registered for them; and what happens to them while everything else goes on.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::books::accepted::{AppEntry, Call, Gateway, Kind};
use crate::caller::Question;
use crate::dice::Dice;
use crate::handset::{enter, install, move_in, remove};
use crate::instant::now;
use crate::scene::Scene;

/// Id and bundle of each App. The third gives up early, the fourth does not know its environments, the last one is the
/// troubled one.
pub(crate) const APPS: [(&str, &str); 5] = [
    ("alpha", "net.example.alpha"),
    ("beta", "net.example.beta"),
    ("gamma", "net.example.gamma"),
    ("delta", "net.example.delta"),
    ("troubled", "net.example.troubled"),
];
/// The App whose devices are all of one environment, which they say.
pub(crate) const STEADFAST: usize = 0;
/// The App that gives up early.
const HASTY: u32 = 2;
/// The App whose devices do not say their environment.
const VAGUE: u32 = 3;
/// The App whose signing key is revoked for a while.
pub(crate) const TROUBLED: u32 = 4;
/// iPhones of each App that something happens to, for each kind of thing; half as many Android phones and browsers.
const UNSTEADY: u32 = 4;
/// There are so many times as many iPhones as Android phones, and as browsers.
const APPLES_SHARE: u32 = 4;
/// Topics of each App: each device is subscribed to one.
pub(crate) const TOPICS: u32 = 3;
/// Time zones in which devices are: each user lives in one.
pub(crate) const ZONES: [&str; 3] = ["UTC", "Asia/Tokyo", "Asia/Kathmandu"];
/// Users of one App are numbered from a multiple of this.
pub(crate) const USERS: u32 = 100_000;
/// How often something happens to a device.
const REGISTRATION_INTERVAL: Duration = Duration::from_millis(120);
/// Registrations at once while the run is set up.
const AT_ONCE: usize = 16;

/// What is special about a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing: it stays.
    Steady,
    /// The app is removed after it was registered.
    Gone,
    /// The gateway calls its push token dead since long before it was registered.
    Ghost,
    /// The app is removed, and registered again with the same push token later.
    Returner,
    /// The app is removed and installed again, with another push token.
    Mover,
    /// The backend deletes the device.
    Deleted,
}

const FATES: [Fate; 5] = [
    Fate::Gone,
    Fate::Ghost,
    Fate::Returner,
    Fate::Mover,
    Fate::Deleted,
];

/// Devices to which something will still happen.
#[derive(Debug, Default)]
pub(crate) struct Fates(Vec<(u32, u32, Fate)>);

/// How the books call a topic at the API.
pub(crate) fn topic_id(topic: u32) -> String {
    format!("topic-{topic}")
}

/// How the books call a user at the API.
pub(crate) fn user_id(user: u32) -> String {
    format!("user-{user}")
}

/// Makes the Apps, sets their credentials, makes the phones and browsers and registers their devices.
pub(crate) async fn set_up(scene: &Scene, signing_keys: &[String], devices: u32) -> Result<Fates> {
    for (app, (id, _)) in APPS.iter().enumerate() {
        scene.books.lock().apps.push(AppEntry {
            id: (*id).to_owned(),
        });
        let attempts = if app as u32 == HASTY { 3 } else { 8 };
        let body = json!({ "settings": { "max_attempts": attempts, "max_age": "10m" } });
        scene
            .caller
            .ask(&Question::put(format!("/v1/apps/{id}"), &body))
            .await?
            .success()?;
        set_credentials(scene, app, &signing_keys[app]).await?;
    }
    let mut fates = Fates::default();
    let mut waiting = Vec::new();
    for app in 0..APPS.len() as u32 {
        for side in Gateway::ALL {
            let (steady, unsteady) = match side {
                Gateway::Apns => (devices, UNSTEADY),
                Gateway::Fcm | Gateway::WebPush => (devices / APPLES_SHARE, UNSTEADY / 2),
            };
            let special = FATES
                .into_iter()
                .flat_map(|fate| [fate].repeat(unsteady as usize));
            let all = (0..steady).map(|_| Fate::Steady).chain(special);
            for (place, fate) in (0u32..).zip(all) {
                let installed = install(scene, app, side, place, fate)?;
                // The first of each gateway belong to the same people.
                let device = enter(scene, app, &installed, fate, app * USERS + place);
                if fate != Fate::Steady {
                    fates.0.push((device, installed.machine, fate));
                }
                waiting.push(device);
            }
        }
    }
    for group in waiting.chunks(AT_ONCE) {
        let calls = group.iter().map(|device| register(scene, *device));
        futures_util::future::try_join_all(calls).await?;
    }
    Ok(fates)
}

/// A credential for each gateway.
async fn set_credentials(scene: &Scene, app: usize, signing_key: &str) -> Result<()> {
    let (id, bundle) = APPS[app];
    let key = scene.gateway.key(app);
    let apns = json!({
        "gateway": "apns",
        "environments": ["production", "sandbox"],
        "topics": [bundle],
        "signing_key": { "pem": signing_key, "key_id": key.key_id, "team_id": key.team_id },
    });
    let fcm =
        json!({ "gateway": "fcm", "service_account": scene.gateway.service_account(bundle)? });
    let contact = "mailto:push@accountant.example";
    let webpush = json!({ "gateway": "webpush", "vapid_keys": { "contact": contact } });
    for (name, body) in [("main", apns), ("google", fcm), ("browsers", webpush)] {
        let path = format!("/v1/apps/{id}/credentials/{name}");
        scene
            .caller
            .ask(&Question::put(path, &body))
            .await?
            .success()
            .with_context(|| format!("setting the credential {name}"))?;
    }
    Ok(())
}

/// Registers a device with the push tokens that the first book has for it.
pub(crate) async fn register(scene: &Scene, device: u32) -> Result<()> {
    let (path, body) = {
        let books = scene.books.lock();
        let entry = &books.devices[device as usize];
        let push_tokens: Vec<_> = entry
            .addresses
            .iter()
            .map(|address| {
                let address = &books.addresses[*address as usize];
                let environment = match (entry.app, address.is_sandbox) {
                    (VAGUE, _) => "auto",
                    (_, true) => "sandbox",
                    (_, false) => "production",
                };
                let kind = match (address.gateway, address.kind) {
                    (Gateway::Apns, Kind::Alert) => "alert",
                    (Gateway::Apns, Kind::Voip) => "voip",
                    // Told of by calls of their own.
                    (Gateway::Apns, Kind::Activity) => "liveactivity",
                    (Gateway::Fcm, _) => "fcm",
                    (Gateway::WebPush, _) => "webpush",
                };
                let mut token = match &address.subscription {
                    Some(subscription) => json!({ "kind": kind, "subscription": subscription }),
                    None => json!({ "kind": kind, "token": address.text }),
                };
                if address.gateway == Gateway::Apns {
                    token["environment"] = json!(environment);
                }
                token
            })
            .collect();
        let app = &books.apps[entry.app as usize].id;
        let body = json!({
            "user_id": user_id(entry.user),
            "topics": [topic_id(entry.topic)],
            "time_zone": ZONES[entry.zone as usize],
            "push_tokens": push_tokens,
        });
        (format!("/v1/apps/{app}/devices/{}", entry.id), body)
    };
    let sent = now();
    scene
        .caller
        .ask(&Question::put(path, &body))
        .await?
        .success()?;
    let mut books = scene.books.lock();
    books.devices[device as usize].registered.push(Call {
        sent,
        answered: now(),
    });
    Ok(())
}

/// Lets things happen to devices, one after the other, until the run is over.
pub(crate) async fn live(scene: &Scene, mut fates: Fates, mut dice: Dice) -> Result<()> {
    let mut returning = Vec::new();
    let mut ticks = tokio::time::interval(REGISTRATION_INTERVAL);
    while !scene.is_over() {
        ticks.tick().await;
        match dice.index(4) {
            0 => {
                if !fates.0.is_empty() {
                    let next = dice.index(fates.0.len());
                    let (device, machine, fate) = fates.0.swap_remove(next);
                    befall(scene, device, machine, fate, &mut returning).await?;
                }
            }
            1 if !returning.is_empty() => {
                let device = returning.swap_remove(dice.index(returning.len()));
                register(scene, device).await?;
            }
            2 => {
                let app = dice.index(APPS.len()) as u32;
                let place = dice.between(0, 1000) as u32;
                let fate = match dice.permille(500) {
                    true => Fate::Steady,
                    false => FATES[dice.index(FATES.len())],
                };
                let side = Gateway::ALL[dice.index(Gateway::ALL.len())];
                let user = app * USERS + dice.between(0, 1000) as u32;
                let installed = install(scene, app, side, place, fate)?;
                let device = enter(scene, app, &installed, fate, user);
                register(scene, device).await?;
                if fate != Fate::Steady {
                    fates.0.push((device, installed.machine, fate));
                }
            }
            _ => {
                let device = {
                    let books = scene.books.lock();
                    let device = dice.index(books.devices.len());
                    books.devices[device].is_steady.then_some(device as u32)
                };
                if let Some(device) = device {
                    register(scene, device).await?;
                }
            }
        }
    }
    Ok(())
}

async fn befall(
    scene: &Scene,
    device: u32,
    machine: u32,
    fate: Fate,
    returning: &mut Vec<u32>,
) -> Result<()> {
    match fate {
        Fate::Steady | Fate::Ghost => {}
        Fate::Gone | Fate::Returner => {
            remove(scene, device, machine)?;
            if fate == Fate::Returner {
                returning.push(device);
            }
        }
        Fate::Mover => {
            remove(scene, device, machine)?;
            move_in(scene, device, machine)?;
            register(scene, device).await?;
        }
        Fate::Deleted => {
            let path = {
                let books = scene.books.lock();
                let entry = &books.devices[device as usize];
                format!(
                    "/v1/apps/{}/devices/{}",
                    books.apps[entry.app as usize].id, entry.id
                )
            };
            let sent = now();
            // From here on it may be gone: whoever is asked for it may be refused.
            scene.books.lock().devices[device as usize].deleted = Some(Call {
                sent,
                answered: i64::MAX,
            });
            let question = Question {
                method: reqwest::Method::DELETE,
                ..Question::get(path)
            };
            let said = scene.caller.ask(&question).await?;
            // 404: the first try took effect, and its answer was lost.
            anyhow::ensure!(
                matches!(said.status, 200..=299 | 404),
                "deleting a device: {}",
                said.text
            );
            scene.books.lock().devices[device as usize].deleted = Some(Call {
                sent,
                answered: now(),
            });
        }
    }
    Ok(())
}
