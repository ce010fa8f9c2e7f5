//! Phones and browsers, gateway by gateway: how one is made, enters the books, loses its app and gets it again.

use anyhow::{Context, Result, anyhow};
use push_sim::{
    BrowserPatch, Environment, FcmPhonePatch, NewBrowsers, NewFcmPhones, NewPhones, PhonePatch,
    PushTokenKind, WebPushService,
};

use crate::audience::{APPS, Fate, TOPICS, ZONES};
use crate::books::SECOND;
use crate::books::accepted::{Address, DeviceEntry, Gateway, Kind};
use crate::gateway::project;
use crate::instant::now;
use crate::scene::Scene;

/// Every so many iPhones have a push token for calls.
const CALLS_EVERY: u32 = 3;
/// Every so many phones and browsers are switched off.
const OFF_EVERY: u32 = 20;
/// Characters of a subscription's id, at the end of its endpoint.
const SUBSCRIPTION_ID: usize = 64;

/// A phone or browser that has an App of ours, before it is registered.
pub(crate) struct Installed {
    /// Its number at the simulator, among those of its gateway.
    pub(crate) machine: u32,
    gateway: Gateway,
    addresses: Vec<Reached>,
    environment: Environment,
}

/// How it is reached.
struct Reached {
    kind: Kind,
    text: String,
    subscription: Option<serde_json::Value>,
}

pub(crate) fn install(
    scene: &Scene,
    app: u32,
    gateway: Gateway,
    place: u32,
    fate: Fate,
) -> Result<Installed> {
    let online = place % OFF_EVERY != OFF_EVERY - 1;
    match gateway {
        Gateway::Apns => iphone(scene, app, place, fate, online),
        Gateway::Fcm => android(scene, app, fate, online),
        Gateway::WebPush => browser(scene, place, fate, online),
    }
}

fn iphone(scene: &Scene, app: u32, place: u32, fate: Fate, online: bool) -> Result<Installed> {
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
        online,
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
    let reached = |(kind, text)| Reached {
        kind,
        text,
        subscription: None,
    };
    let kinds = [Kind::Alert, Kind::Voip];
    Ok(Installed {
        machine: made.0,
        gateway: Gateway::Apns,
        addresses: kinds.into_iter().zip(made.1).map(reached).collect(),
        environment,
    })
}

fn android(scene: &Scene, app: u32, fate: Fate, online: bool) -> Result<Installed> {
    let new = NewFcmPhones {
        project: project(APPS[app as usize].1),
        app: APPS[app as usize].1.to_owned(),
        online,
        installed: fate != Fate::Ghost,
        ..NewFcmPhones::default()
    };
    let made = scene.gateway.simulator().make_fcm_phones(&new);
    let made = made.map_err(|error| anyhow!(error))?.pop();
    let made = made.context("no Android phone was made")?;
    Ok(Installed {
        machine: made.id,
        gateway: Gateway::Fcm,
        addresses: vec![Reached {
            kind: Kind::Alert,
            text: made.registration_token,
            subscription: None,
        }],
        environment: Environment::Production,
    })
}

fn browser(scene: &Scene, place: u32, fate: Fate, online: bool) -> Result<Installed> {
    let simulator = scene.gateway.simulator();
    let new = NewBrowsers {
        service: WebPushService::ALL[place as usize % WebPushService::ALL.len()],
        online,
        ..NewBrowsers::default()
    };
    let made = simulator.make_browsers(&new);
    let made = made.map_err(|error| anyhow!(error))?.pop();
    let made = made.context("no browser was made")?;
    if fate == Fate::Ghost {
        end_subscription(scene, made.id)?;
    }
    Ok(Installed {
        machine: made.id,
        gateway: Gateway::WebPush,
        addresses: vec![subscribed(&made.subscription)?],
        environment: Environment::Production,
    })
}

fn subscribed(subscription: &push_sim::Subscription) -> Result<Reached> {
    let endpoint = &subscription.endpoint;
    let at = endpoint.len().checked_sub(SUBSCRIPTION_ID);
    let id = at.and_then(|at| endpoint.get(at..));
    Ok(Reached {
        kind: Kind::Alert,
        text: id.context("an endpoint without an id")?.to_owned(),
        subscription: Some(serde_json::to_value(subscription)?),
    })
}

/// Half of them answer 410 from now on, the others 404.
fn end_subscription(scene: &Scene, browser: u32) -> Result<()> {
    let patch = BrowserPatch {
        subscribed: Some(false),
        forget: browser % 2 == 1,
        ..BrowserPatch::default()
    };
    let done = scene.gateway.simulator().patch_browser(browser, &patch);
    done.map(drop).map_err(|error| anyhow!(error))
}

fn long_ago_ms() -> i64 {
    (now() - 3600 * SECOND) / 1000
}

/// What the gateway, which lives in business time, calls this instant of the books.
fn business_ms(scene: &Scene, at_ms: i64) -> i64 {
    at_ms + scene.ahead.get() / 1000
}

/// Enters a device into the first book.
pub(crate) fn enter(scene: &Scene, app: u32, installed: &Installed, fate: Fate, user: u32) -> u32 {
    let mut books = scene.books.lock();
    let device = books.devices.len() as u32;
    let addresses = installed.addresses.iter().map(|reached| {
        let address = books.addresses.len() as u32;
        let is_told_when = installed.gateway == Gateway::Apns && fate == Fate::Ghost;
        books.addresses.push(Address {
            device,
            gateway: installed.gateway,
            kind: reached.kind,
            text: reached.text.clone(),
            subscription: reached.subscription.clone(),
            is_sandbox: installed.environment == Environment::Sandbox,
            dead_since_ms: is_told_when.then(long_ago_ms),
        });
        scene.addresses.lock().insert(reached.text.clone(), address);
        address
    });
    let addresses = addresses.collect();
    books.devices.push(DeviceEntry {
        app,
        id: format!("device-{device}"),
        user,
        topic: device % TOPICS,
        zone: user % ZONES.len() as u32,
        addresses,
        registered: Vec::new(),
        deleted: None,
        is_steady: fate == Fate::Steady,
        is_nameless: false,
    });
    device
}

/// The app is removed from its phone, or the browser is unsubscribed, now.
pub(crate) fn remove(scene: &Scene, device: u32, machine: u32) -> Result<()> {
    // The next millisecond: the gateway's time stamp is newer than the registration, without a doubt.
    let since_ms = now() / 1000 + 1;
    let gateway = {
        let mut books = scene.books.lock();
        let address = books.devices[device as usize].addresses[0];
        let address = &mut books.addresses[address as usize];
        // Only Apple tells since when.
        address.dead_since_ms = (address.gateway == Gateway::Apns).then_some(since_ms);
        address.gateway
    };
    let simulator = scene.gateway.simulator();
    match gateway {
        Gateway::Apns => {
            let patch = PhonePatch {
                installed: Some(false),
                gone_at_ms: Some(business_ms(scene, since_ms)),
                ..PhonePatch::default()
            };
            let done = simulator.patch_phone(machine, &patch);
            done.map(drop).map_err(|error| anyhow!(error))
        }
        Gateway::Fcm => {
            let patch = FcmPhonePatch {
                installed: Some(false),
                ..FcmPhonePatch::default()
            };
            let done = simulator.patch_fcm_phone(machine, &patch);
            done.map(drop).map_err(|error| anyhow!(error))
        }
        Gateway::WebPush => end_subscription(scene, machine),
    }
}

/// The app is installed again: the device has another push token from now on.
pub(crate) fn move_in(scene: &Scene, device: u32, machine: u32) -> Result<()> {
    let (gateway, is_sandbox) = {
        let books = scene.books.lock();
        let before = books.devices[device as usize].addresses[0];
        let before = &books.addresses[before as usize];
        (before.gateway, before.is_sandbox)
    };
    let reached = again(scene, gateway, machine)?;
    let mut books = scene.books.lock();
    let address = books.addresses.len() as u32;
    books.addresses.push(Address {
        device,
        gateway,
        kind: Kind::Alert,
        text: reached.text.clone(),
        subscription: reached.subscription,
        is_sandbox,
        dead_since_ms: None,
    });
    books.devices[device as usize].addresses = vec![address];
    scene.addresses.lock().insert(reached.text, address);
    Ok(())
}

fn again(scene: &Scene, gateway: Gateway, machine: u32) -> Result<Reached> {
    let simulator = scene.gateway.simulator();
    let text = match gateway {
        Gateway::Apns => {
            let patch = PhonePatch {
                installed: Some(true),
                ..PhonePatch::default()
            };
            let view = simulator
                .patch_phone(machine, &patch)
                .map_err(|error| anyhow!(error))?;
            let token = view
                .apps
                .iter()
                .find_map(|app| app.push_tokens.get(&PushTokenKind::Alert));
            token.context("a phone without a push token")?.clone()
        }
        Gateway::Fcm => {
            let patch = FcmPhonePatch {
                installed: Some(true),
                ..FcmPhonePatch::default()
            };
            simulator
                .patch_fcm_phone(machine, &patch)
                .map_err(|error| anyhow!(error))?
                .registration_token
        }
        Gateway::WebPush => {
            let patch = BrowserPatch {
                subscribed: Some(true),
                ..BrowserPatch::default()
            };
            let view = simulator
                .patch_browser(machine, &patch)
                .map_err(|error| anyhow!(error))?;
            return subscribed(&view.subscription);
        }
    };
    Ok(Reached {
        kind: Kind::Alert,
        text,
        subscription: None,
    })
}
