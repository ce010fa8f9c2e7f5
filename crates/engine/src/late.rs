//! What is said to each device apart is written here, when its batch is sent: outside the core's lock,
//! between reading the push tokens and handing over to the pools.
//!
//! What cannot be written for one device fails that delivery and no other, with the reason.

use crate::hub::Hub;
use crate::job::{JobKey, Note, Says};
use carillon_model::UnixMs;
use carillon_model::body::LateSource;
use carillon_model::content::Content;
use carillon_model::id::DeviceNo;
use carillon_model::lane::Gateway;
use carillon_model::problem::FieldProblem;
use carillon_ports::gateway::Message;
use carillon_ports::store::{Person, StoreError};
use std::collections::HashMap;
use std::sync::Arc;

/// A push that is still to be written.
pub(crate) struct Unwritten {
    pub(crate) job: JobKey,
    pub(crate) position: u16,
    pub(crate) device: DeviceNo,
    pub(crate) gateway: Gateway,
    pub(crate) note: Arc<Note>,
}

/// Why nothing can be written for a device.
#[derive(Clone, Debug)]
pub(crate) struct Unwritable {
    /// Stable word: a variable's name, or the code of the rule that is broken.
    pub(crate) reason: String,
    /// For people.
    pub(crate) sentence: String,
}

/// What was written, by job and position.
pub(crate) type Written = HashMap<(JobKey, u16), Result<Arc<Message>, Unwritable>>;

/// Writes what is said to each of these.
pub(crate) async fn write(
    hub: &Hub,
    unwritten: Vec<Unwritten>,
    now: UnixMs,
) -> Result<Written, StoreError> {
    let mut written = Written::with_capacity(unwritten.len());
    if unwritten.is_empty() {
        return Ok(written);
    }
    let mut devices: Vec<DeviceNo> = unwritten.iter().map(|push| push.device).collect();
    devices.sort_unstable();
    devices.dedup();
    let people = hub.parts.store.people(devices).await?;
    for push in unwritten {
        // A device that is gone has no push token either, and ends by that.
        if let Ok(at) = people.binary_search_by_key(&push.device, |person| person.device) {
            let message = message(hub, &push, &people[at], now);
            written.insert((push.job, push.position), message);
        }
    }
    Ok(written)
}

/// The message for one device.
fn message(
    hub: &Hub,
    push: &Unwritten,
    person: &Person,
    now: UnixMs,
) -> Result<Arc<Message>, Unwritable> {
    let note = &push.note;
    let late = match &note.says {
        Says::Ready(_) => return Err(unwritable("body", "it is written already")),
        Says::Unreadable(why) => return Err(unwritable("body", why)),
        Says::Late(late) => late,
    };
    let gateway = hub
        .parts
        .gateways
        .get(push.gateway)
        .ok_or_else(|| unwritable("gateway", "this process was started without its gateway"))?;
    let content = content(&late.source, person)?;
    let payload = gateway
        .render(content, &note.options, now)
        .map_err(|problems| broken(&problems))?;
    Ok(Arc::new(note.message(payload)))
}

/// What it says to one device, before any gateway's rules.
fn content<'s>(source: &'s LateSource, _person: &Person) -> Result<&'s Content, Unwritable> {
    let content = source.content.as_ref();
    content.ok_or_else(|| unwritable("body", "it has no content"))
}

fn broken(problems: &[FieldProblem]) -> Unwritable {
    let Some(first) = problems.first() else {
        return unwritable("content", "the gateway's rules do not allow it");
    };
    Unwritable {
        reason: first.code.to_owned(),
        sentence: format!("{}: {}", first.pointer, first.message),
    }
}

pub(crate) fn unwritable(reason: &str, sentence: &str) -> Unwritable {
    Unwritable {
        reason: reason.to_owned(),
        sentence: sentence.to_owned(),
    }
}
