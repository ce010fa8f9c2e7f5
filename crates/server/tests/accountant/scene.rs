//! What every part of a run shares: the gateway, the caller, the books being written, and when to end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::audience::{topic_id, user_id};
use crate::books::accepted::{Asked, Audience, Cancelled, Gateway, Kind, OnUnknown};
use crate::books::later::{Planned, UNCHANGED};
use crate::books::{Books, Micros};
use crate::caller::{Caller, Question};
use crate::gateway;
use crate::instant::{Ahead, now, rfc3339};
use crate::monitors::Services;
use crate::receiver::Receivers;

/// How often it is looked whether callers are held back still.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A run in progress.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) gateway: gateway::Gateway,
    pub(crate) caller: Caller,
    pub(crate) books: Mutex<Books>,
    /// Every push token that was registered, by its hexadecimal form.
    pub(crate) addresses: Mutex<HashMap<String, u32>>,
    /// How far business time is ahead of the books' time.
    pub(crate) ahead: Arc<Ahead>,
    pub(crate) receivers: Receivers,
    pub(crate) services: Services,
    /// Deliveries of everything that was accepted.
    pub(crate) accepted: AtomicU64,
    /// How long callers were held back because enough waited already, in milliseconds.
    pub(crate) held_ms: AtomicU64,
    /// Questions that go on being asked when whoever asked them was stopped: each must get its answer.
    pub(crate) errands: TaskTracker,
    /// Nothing new is asked any more.
    pub(crate) is_over: AtomicBool,
    /// Enough waits already: callers are held back.
    pub(crate) is_held: AtomicBool,
    /// Whom callers send to just now, and nobody else; `None`: everybody.
    pub(crate) only: Mutex<Option<Only>>,
}

/// A part of those who are sent to: the one that is in trouble while its neighbours are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Only {
    App(u32),
    Gateway(Gateway),
}

/// As long as it is there, callers send to that part only.
pub(crate) struct Restraint<'s>(&'s Scene);

impl Drop for Restraint<'_> {
    fn drop(&mut self) {
        *self.0.only.lock() = None;
    }
}

/// A notification to ask for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) app: u32,
    pub(crate) kind: Kind,
    pub(crate) on_unknown: OnUnknown,
    pub(crate) audience: Audience,
    pub(crate) expires_at: Option<Micros>,
    /// When it is to be sent, by business time; `None`: at once.
    pub(crate) due: Option<Micros>,
}

/// A notification that stands in the first book and may be sent to the API.
#[derive(Clone, Debug)]
pub(crate) struct Entered {
    pub(crate) number: u32,
    pub(crate) app: u32,
    pub(crate) body: Value,
    /// How many deliveries it will have; for a fan-out as many as it has at least.
    pub(crate) deliveries: u64,
}

impl Scene {
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Waits as long as callers are held back, or send to a part only.
    pub(crate) async fn until_let(&self) {
        while !self.is_over()
            && (self.is_held.load(Ordering::Relaxed) || self.only.lock().is_some())
        {
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Has callers send to that part only, until what is returned is dropped.
    pub(crate) fn restrain(&self, only: Only) -> Restraint<'_> {
        *self.only.lock() = Some(only);
        Restraint(self)
    }

    /// Whether callers send this just now.
    pub(crate) fn lets_ask(&self, app: u32, audience: &Audience) -> bool {
        let only = *self.only.lock();
        match only {
            None => true,
            Some(Only::App(only)) => app == only,
            Some(Only::Gateway(only)) => match audience {
                Audience::Devices(devices) => {
                    let books = self.books.lock();
                    let mut all = devices
                        .iter()
                        .map(|device| &books.devices[*device as usize]);
                    all.all(|device| {
                        let mut addresses = device.addresses.iter();
                        addresses.all(|at| books.addresses[*at as usize].gateway == only)
                    })
                }
                Audience::Users(_) | Audience::Topic(_) | Audience::All => false,
            },
        }
    }

    pub(crate) fn app_path(&self, app: u32) -> String {
        format!("/v1/apps/{}", self.books.lock().apps[app as usize].id)
    }

    /// Enters a notification into the first book, not yet accepted.
    pub(crate) fn enter(&self, wanted: Wanted) -> Result<Entered> {
        let ahead = self.ahead.get();
        let expires_at = wanted
            .expires_at
            .map(|at| rfc3339(at + ahead))
            .transpose()?;
        let mut books = self.books.lock();
        let number = u32::try_from(books.asked.len()).context("too many notifications")?;
        let (target, deliveries) = match &wanted.audience {
            Audience::All | Audience::Topic(_) => {
                let target = match &wanted.audience {
                    Audience::Topic(topic) => json!({ "topic": topic_id(*topic) }),
                    _ => json!({ "all": true }),
                };
                let reached = books.devices.iter().filter(|device| {
                    device.is_steady
                        && device.app == wanted.app
                        && wanted.audience.has(device)
                        && device
                            .addresses
                            .iter()
                            .any(|address| books.addresses[*address as usize].kind == wanted.kind)
                });
                (target, reached.count() as u64)
            }
            Audience::Devices(devices) => {
                let ids: Vec<&str> = devices
                    .iter()
                    .map(|device| books.devices[*device as usize].id.as_str())
                    .collect();
                (json!({ "devices": ids }), devices.len() as u64)
            }
            Audience::Users(users) => {
                let ids: Vec<String> = users.iter().copied().map(user_id).collect();
                let reached = books.devices.iter().filter(|device| {
                    let is_meant = users.binary_search(&device.user).is_ok();
                    is_meant && device.is_steady && device.app == wanted.app
                });
                (json!({ "users": ids }), reached.count() as u64)
            }
        };
        let push_type = match wanted.kind {
            Kind::Alert => "alert",
            Kind::Voip => "voip",
            Kind::Activity => "liveactivity",
        };
        // Said only where it differs from the default of the push type.
        let on_unknown = match (wanted.kind, wanted.on_unknown) {
            (Kind::Alert, OnUnknown::Drop) => Some("drop"),
            (Kind::Voip, OnUnknown::Resend) => Some("resend"),
            _ => None,
        };
        let text = wanted.due.map(|_| UNCHANGED);
        let mut body = json!({
            "target": target,
            "content": content(number, wanted.kind, text),
            "options": { "push_type": push_type },
        });
        if let Some(on_unknown) = on_unknown {
            body["options"]["on_unknown"] = json!(on_unknown);
        }
        if let Some(expires_at) = expires_at {
            body["expires_at"] = json!(expires_at);
        }
        if let Some(due) = wanted.due {
            body["send_at"] = json!(rfc3339(due)?);
            // An answer that was lost may be asked for again after it.
            body["if_past"] = json!("send_now");
        }
        books.asked.push(Asked {
            app: wanted.app,
            kind: wanted.kind,
            on_unknown: wanted.on_unknown,
            audience: wanted.audience,
            expires_at: wanted.expires_at.map(|at| at.div_euclid(1000) * 1000),
            planned: wanted.due.map(|due| Planned { due, change: None }),
            ahead,
            sent: now(),
            accepted: None,
            refused: None,
            is_cancel_asked: false,
            cancelled: None,
            sightings: Vec::new(),
        });
        Ok(Entered {
            number,
            app: wanted.app,
            body,
            deliveries,
        })
    }

    /// Asks for one notification until it is answered. The id, or `None` for a refusal.
    pub(crate) async fn send(&self, entered: &Entered) -> Result<Option<String>> {
        let path = format!("{}/notifications", self.app_path(entered.app));
        let key = format!("accountant-{}", entered.number);
        let said = self
            .caller
            .ask(&Question::post(path, entered.body.to_string(), key))
            .await?;
        match said.status {
            202 => {
                let id = said.json()?["id"]
                    .as_str()
                    .context("a 202 without an id")?
                    .to_owned();
                self.note_accepted(entered, id.clone());
                Ok(Some(id))
            }
            _ => self
                .note_refused(entered, &said.codes(), &said.text)
                .map(|()| None),
        }
    }

    /// The same, and goes on until it is answered even when nobody waits for it any more.
    pub(crate) async fn send_surely(self: &Arc<Self>, entered: Entered) -> Result<Option<String>> {
        let scene = Arc::clone(self);
        let sending = self
            .errands
            .spawn(async move { scene.send(&entered).await });
        sending.await.context("a question was dropped")?
    }

    pub(crate) fn note_accepted(&self, entered: &Entered, id: String) {
        let mut books = self.books.lock();
        books.asked[entered.number as usize].accepted = Some((id, now()));
        drop(books);
        self.accepted
            .fetch_add(entered.deliveries, Ordering::Relaxed);
    }

    /// A refusal is right in one case: the notification had expired before it was accepted, or none of its devices is
    /// there any more. Everything else is a mistake of ours or of the program, and ends the run.
    pub(crate) fn note_refused(&self, entered: &Entered, code: &str, text: &str) -> Result<()> {
        let mut books = self.books.lock();
        books.asked[entered.number as usize].refused = Some(code.to_owned());
        let asked = &books.asked[entered.number as usize];
        let business = now() + self.ahead.get();
        let has_expired = asked
            .expires_at
            .is_some_and(|at| at + asked.ahead < business);
        let is_deleted = match &asked.audience {
            Audience::Devices(devices) => devices
                .iter()
                .any(|device| books.devices[*device as usize].deleted.is_some()),
            Audience::Users(_) | Audience::Topic(_) | Audience::All => false,
        };
        if !has_expired && !is_deleted {
            bail!(
                "notification {} was refused ({code}): {text}",
                entered.number
            );
        }
        Ok(())
    }

    /// Cancels a notification. Only a 200 is an acknowledgement.
    pub(crate) async fn cancel(&self, number: u32, app: u32, id: &str) -> Result<()> {
        let path = format!("{}/notifications/{id}/cancel", self.app_path(app));
        let question = Question {
            method: reqwest::Method::POST,
            ..Question::get(path)
        };
        self.books.lock().asked[number as usize].is_cancel_asked = true;
        let said = self.caller.ask(&question).await?;
        if said.status == 200 {
            let not_sent = said.json()?["not_sent"]
                .as_u64()
                .context("a cancel without not_sent")?;
            self.books.lock().asked[number as usize].cancelled = Some(Cancelled {
                at: now(),
                not_sent,
            });
        } else if said.status != 202 {
            bail!("cancelling {id}: {} {}", said.status, said.text);
        }
        Ok(())
    }
}

/// What a notification says: its number, by which it is known, and which of its texts this is, where it has several.
pub(crate) fn content(number: u32, kind: Kind, text: Option<u32>) -> Value {
    let mut content = json!({ "data": { "n": number } });
    if let Some(text) = text {
        content["data"]["v"] = json!(text.to_string());
    }
    if kind == Kind::Alert {
        content["title"] = json!("Accountant");
        content["body"] = json!(format!("Notification {number}"));
    }
    content
}
