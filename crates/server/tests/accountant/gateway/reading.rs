//! Reads the third book: what the simulator received, gateway by gateway.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use anyhow::{Context, Result, anyhow};
use push_sim::{AnswerFate, Effect, Host, Received, ReceivedFilter};

use super::Gateway;
use crate::activities::{Says, Shown};
use crate::books::accepted::Gateway as Side;
use crate::books::activities::Does;
use crate::books::received::{Answer, Receipt};
use crate::monitors;
use crate::schedules::Sent;

/// Stands for the number of what no request asked for.
pub(crate) const UNNUMBERED: u32 = u32::MAX;

/// A push that tells events: how many it counts, and their numbers.
pub(crate) type Told = (Receipt, u64, Vec<u32>);
/// The third book, by what made a push.
pub(crate) struct Book {
    /// What was asked for.
    pub(crate) receipts: Vec<Receipt>,
    /// What triggers made.
    pub(crate) told: Vec<Told>,
    /// What schedules sent.
    pub(crate) scheduled: Vec<Sent>,
    /// What Live Activities showed.
    pub(crate) shown: Vec<Shown>,
    /// What was sent of incidents.
    pub(crate) paged: Vec<Receipt>,
}

/// The simulator's word for a gateway.
pub(super) fn gateway_of(side: Side) -> push_sim::Gateway {
    match side {
        Side::Apns => push_sim::Gateway::Apns,
        Side::Fcm => push_sim::Gateway::Fcm,
        Side::WebPush => push_sim::Gateway::WebPush,
    }
}

fn side_of(gateway: push_sim::Gateway) -> Side {
    match gateway {
        push_sim::Gateway::Apns => Side::Apns,
        push_sim::Gateway::Fcm => Side::Fcm,
        push_sim::Gateway::WebPush => Side::WebPush,
    }
}

impl Gateway {
    /// The whole third book. `addresses` says which push token is which.
    pub(crate) fn read_book(&self, addresses: &HashMap<String, u32>) -> Result<Book> {
        let mut book = Book {
            receipts: Vec::with_capacity(self.simulator.received_count()),
            told: Vec::new(),
            scheduled: Vec::new(),
            shown: Vec::new(),
            paged: Vec::new(),
        };
        let mut filter = ReceivedFilter {
            limit: 10_000,
            ..ReceivedFilter::default()
        };
        loop {
            let page = self.simulator.received(&filter);
            if page.dropped > 0 {
                return Err(anyhow!("the simulator dropped {} records", page.dropped));
            }
            for received in page.received {
                if !is_push(received.host) {
                    continue;
                }
                let payload = received.payload.as_deref().unwrap_or_default();
                if let Some((activity, push)) = shown_in(payload) {
                    let receipt = self.receipt(received, addresses, false)?;
                    book.shown.push((receipt, activity, push));
                    continue;
                }
                if payload.contains(monitors::MARK) {
                    let receipt = self.receipt(received, addresses, false)?;
                    book.paged.push(receipt);
                    continue;
                }
                let (events, schedule) = (events_in(payload), schedule_in(payload));
                let has_number = events.is_none() && schedule.is_none();
                let receipt = self.receipt(received, addresses, has_number)?;
                match (events, schedule) {
                    (Some((count, events)), _) => book.told.push((receipt, count, events)),
                    (None, Some(schedule)) => book.scheduled.push((receipt, schedule)),
                    (None, None) => book.receipts.push(receipt),
                }
            }
            match page.next_after_seq {
                Some(after) => filter.after_seq = after,
                None => return Ok(book),
            }
        }
    }

    /// The numbers of the events in what arrived after a record, which moves on.
    pub(crate) fn events_received(&self, after_seq: &mut u64) -> Vec<u32> {
        let mut found = Vec::new();
        loop {
            let page = self.simulator.received(&ReceivedFilter {
                after_seq: *after_seq,
                limit: 10_000,
                ..ReceivedFilter::default()
            });
            for received in &page.received {
                *after_seq = received.seq;
                let events = received.payload.as_deref().and_then(events_in);
                found.extend(events.into_iter().flat_map(|(_, events)| events));
            }
            if page.next_after_seq.is_none() {
                return found;
            }
        }
    }

    fn receipt(
        &self,
        received: Received,
        addresses: &HashMap<String, u32>,
        has_number: bool,
    ) -> Result<Receipt> {
        let gateway = side_of(received.gateway);
        let payload = received.payload.as_deref().unwrap_or_default();
        let asked = match has_number {
            // It is found out by the delivery's own id, later.
            false => UNNUMBERED,
            true => {
                number_in(payload).with_context(|| format!("a push without a number: {payload}"))?
            }
        };
        let address = addresses.get(&received.push_token);
        let address = address
            .with_context(|| format!("push {asked} went to a push token that nobody registered"))?;
        let tag = text_in(payload, "tag");
        let collapse = match gateway {
            Side::Apns | Side::WebPush => received.collapse_id.as_deref(),
            Side::Fcm => tag,
        };
        let is_half = |fault| self.half_answers.lock().contains(&fault);
        Ok(Receipt {
            seq: received.seq,
            at: received.wall_us,
            asked,
            text: text_in(payload, "v").and_then(|text| text.parse().ok()),
            address: *address,
            gateway,
            own_id: match gateway {
                Side::Apns => received.apns_id.map(|id| id.as_u128()),
                Side::Fcm | Side::WebPush => tag.and_then(own_id),
            },
            collapse: collapse.map(|id| {
                let mut hasher = DefaultHasher::new();
                id.hash(&mut hasher);
                hasher.finish()
            }),
            is_shown: matches!(
                received.effect,
                Some(Effect::Shown | Effect::Replaced | Effect::Call)
            ),
            ttl_secs: match gateway {
                Side::Apns => None,
                Side::Fcm => {
                    text_in(payload, "ttl").and_then(|ttl| ttl.strip_suffix('s')?.parse().ok())
                }
                Side::WebPush => received.expiration,
            },
            expiration: received.expiration.filter(|_| gateway == Side::Apns),
            status: received.status,
            reason: received.reason.unwrap_or_default(),
            answer: match received.answer {
                AnswerFate::Answered => Answer::Given,
                AnswerFate::Cut if received.fault.is_some_and(is_half) => Answer::Begun,
                _ => Answer::Withheld,
            },
        })
    }
}

/// Whether pushes come to this kind of host, and not something else.
fn is_push(host: Host) -> bool {
    matches!(host, Host::Device | Host::WebPush | Host::Fcm)
}

/// The number of the notification in a payload: `"n":123`; Google takes texts only: `"n":"123"`.
pub(super) fn number_in(payload: &str) -> Option<u32> {
    let (_, rest) = payload.split_once("\"n\":")?;
    let rest = rest.trim_start_matches('"');
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// What a payload says of events: how many there are, and the numbers of them.
fn events_in(payload: &str) -> Option<(u64, Vec<u32>)> {
    let count = text_in(payload, "c")?.parse().ok()?;
    let numbers = text_in(payload, "e")?.split_whitespace();
    let events: Result<Vec<u32>, _> = numbers.map(str::parse).collect();
    Some((count, events.ok()?))
}

/// The schedule by which a push says that it was sent.
fn schedule_in(payload: &str) -> Option<u32> {
    text_in(payload, "schedule")?.parse().ok()
}

/// What a push shows of a Live Activity: its number, and what, at which time of the push.
fn shown_in(payload: &str) -> Option<(u32, Says)> {
    let number = |key| text_in(payload, key)?.parse::<u32>().ok();
    let activity = number("activity")?;
    let (_, timestamp) = payload.split_once("\"timestamp\":")?;
    let ends = timestamp.find(|c: char| !c.is_ascii_digit())?;
    Some((
        activity,
        Says {
            does: match text_in(payload, "event")? {
                "start" => Does::Start,
                "end" => Does::End,
                _ => Does::Update,
            },
            timestamp: timestamp[..ends].parse().ok()?,
            plan: number("plan")?,
            shows: number("shows")?,
        },
    ))
}

/// The first text under a key in a payload, which may end anywhere.
fn text_in<'a>(payload: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = payload.split_once(&format!("\"{key}\":\""))?;
    rest.split_once('"').map(|(text, _)| text)
}

/// The id of a delivery, where a tag is one.
fn own_id(tag: &str) -> Option<u128> {
    (tag.len() == 32)
        .then(|| u128::from_str_radix(tag, 16).ok())
        .flatten()
}
