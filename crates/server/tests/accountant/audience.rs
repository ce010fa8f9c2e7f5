//! Who is there: the Apps with their credentials, the phones, and the devices that are registered for them; and what
//! happens to them while everything else goes on.

use std::time::Duration;

use anyhow::{Context, Result};
use push_sim::{Environment, NewPhones, PhonePatch, PushTokenKind};
use serde_json::json;

use crate::books::SECOND;
use crate::books::accepted::{Address, AppEntry, Call, DeviceEntry, Kind};
use crate::caller::Question;
use crate::dice::Dice;
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
/// Devices of each App that something happens to, for each kind of thing.
const UNSTEADY: u32 = 4;
/// Every so many devices have a push token for calls.
const CALLS_EVERY: u32 = 3;
/// Every so many phones are switched off.
const OFF_EVERY: u32 = 20;
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

/// A phone that has an App of ours, before it is registered.
struct Installed {
    phone: u32,
    tokens: Vec<(Kind, String)>,
    environment: Environment,
}

/// Makes the Apps, sets their credentials, makes the phones and registers their devices.
pub(crate) async fn set_up(scene: &Scene, signing_keys: &[String], devices: u32) -> Result<Fates> {
    for (app, (id, bundle)) in APPS.iter().enumerate() {
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
        let key = scene.gateway.key(app);
        let body = json!({
            "gateway": "apns",
            "environments": ["production", "sandbox"],
            "topics": [bundle],
            "signing_key": { "pem": signing_keys[app], "key_id": key.key_id, "team_id": key.team_id },
        });
        let path = format!("/v1/apps/{id}/credentials/main");
        scene
            .caller
            .ask(&Question::put(path, &body))
            .await?
            .success()?;
    }
    let mut fates = Fates::default();
    let mut waiting = Vec::new();
    for app in 0..APPS.len() as u32 {
        let special = FATES.into_iter().flat_map(|fate| [fate; UNSTEADY as usize]);
        let all = (0..devices).map(|_| Fate::Steady).chain(special);
        for (place, fate) in (0u32..).zip(all) {
            let installed = install(scene, app, place, fate)?;
            let device = enter(scene, app, &installed, fate);
            if fate != Fate::Steady {
                fates.0.push((device, installed.phone, fate));
            }
            waiting.push(device);
        }
    }
    for group in waiting.chunks(AT_ONCE) {
        let calls = group.iter().map(|device| register(scene, *device));
        futures_util::future::try_join_all(calls).await?;
    }
    Ok(fates)
}

fn install(scene: &Scene, app: u32, place: u32, fate: Fate) -> Result<Installed> {
    let is_sandbox = match app {
        0 => false,
        _ => place % 2 == 1,
    };
    let environment = if is_sandbox {
        Environment::Sandbox
    } else {
        Environment::Production
    };
    let has_calls = fate == Fate::Steady && place.is_multiple_of(CALLS_EVERY);
    let mut new = NewPhones {
        app: APPS[app as usize].1.to_owned(),
        environment,
        online: place % OFF_EVERY != OFF_EVERY - 1,
        ..NewPhones::default()
    };
    if has_calls {
        new.kinds.push(PushTokenKind::Voip);
    }
    if fate == Fate::Ghost {
        new.installed = false;
        new.gone_at_ms = Some(business_ms(scene, long_ago_ms()));
    }
    let made = scene
        .gateway
        .make_phones(&new)?
        .pop()
        .context("no phone was made")?;
    let kinds = [Kind::Alert, Kind::Voip];
    Ok(Installed {
        phone: made.0,
        tokens: kinds.into_iter().zip(made.1).collect(),
        environment,
    })
}

fn long_ago_ms() -> i64 {
    (now() - 3600 * SECOND) / 1000
}

/// What the gateway, which lives in business time, calls this instant of the books.
fn business_ms(scene: &Scene, at_ms: i64) -> i64 {
    at_ms + scene.ahead.get() / 1000
}

/// Enters a device into the first book.
fn enter(scene: &Scene, app: u32, installed: &Installed, fate: Fate) -> u32 {
    let mut books = scene.books.lock();
    let device = books.devices.len() as u32;
    let addresses = installed.tokens.iter().map(|(kind, hex)| {
        let address = books.addresses.len() as u32;
        let dead_since_ms = (fate == Fate::Ghost).then(long_ago_ms);
        books.addresses.push(Address {
            device,
            kind: *kind,
            hex: hex.clone(),
            is_sandbox: installed.environment == Environment::Sandbox,
            dead_since_ms,
        });
        scene.addresses.lock().insert(hex.clone(), address);
        address
    });
    let addresses = addresses.collect();
    books.devices.push(DeviceEntry {
        app,
        id: format!("device-{device}"),
        addresses,
        registered: Vec::new(),
        deleted: None,
        is_steady: fate == Fate::Steady,
    });
    device
}

/// Registers a device with the push tokens that the first book has for it.
async fn register(scene: &Scene, device: u32) -> Result<()> {
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
                let kind = match address.kind {
                    Kind::Alert => "alert",
                    Kind::Voip => "voip",
                };
                json!({ "kind": kind, "token": address.hex, "environment": environment })
            })
            .collect();
        let app = &books.apps[entry.app as usize].id;
        let body = json!({ "user_id": format!("user-{}", device / 2), "push_tokens": push_tokens });
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
                    let (device, phone, fate) = fates.0.swap_remove(next);
                    befall(scene, device, phone, fate, &mut returning).await?;
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
                let installed = install(scene, app, place, fate)?;
                let device = enter(scene, app, &installed, fate);
                register(scene, device).await?;
                if fate != Fate::Steady {
                    fates.0.push((device, installed.phone, fate));
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
    phone: u32,
    fate: Fate,
    returning: &mut Vec<u32>,
) -> Result<()> {
    match fate {
        Fate::Steady | Fate::Ghost => {}
        Fate::Gone | Fate::Returner => {
            remove(scene, device, phone)?;
            if fate == Fate::Returner {
                returning.push(device);
            }
        }
        Fate::Mover => {
            remove(scene, device, phone)?;
            move_in(scene, device, phone)?;
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

/// The app is removed from its phone, now.
fn remove(scene: &Scene, device: u32, phone: u32) -> Result<()> {
    // The next millisecond: the gateway's time stamp is newer than the registration, without a doubt.
    let since_ms = now() / 1000 + 1;
    let mut books = scene.books.lock();
    let address = books.devices[device as usize].addresses[0];
    books.addresses[address as usize].dead_since_ms = Some(since_ms);
    drop(books);
    let patch = PhonePatch {
        installed: Some(false),
        gone_at_ms: Some(business_ms(scene, since_ms)),
        ..PhonePatch::default()
    };
    scene
        .gateway
        .simulator()
        .patch_phone(phone, &patch)
        .map_err(|error| anyhow::anyhow!(error))?;
    Ok(())
}

/// The app is installed again: the device has another push token from now on.
fn move_in(scene: &Scene, device: u32, phone: u32) -> Result<()> {
    let patch = PhonePatch {
        installed: Some(true),
        ..PhonePatch::default()
    };
    let view = scene
        .gateway
        .simulator()
        .patch_phone(phone, &patch)
        .map_err(|error| anyhow::anyhow!(error))?;
    let token = view
        .apps
        .iter()
        .find_map(|app| app.push_tokens.get(&PushTokenKind::Alert));
    let hex = token.context("a phone without a push token")?.clone();
    let mut books = scene.books.lock();
    let address = books.addresses.len() as u32;
    let before = books.devices[device as usize].addresses[0];
    let is_sandbox = books.addresses[before as usize].is_sandbox;
    books.addresses.push(Address {
        device,
        kind: Kind::Alert,
        hex: hex.clone(),
        is_sandbox,
        dead_since_ms: None,
    });
    books.devices[device as usize].addresses = vec![address];
    scene.addresses.lock().insert(hex, address);
    Ok(())
}
