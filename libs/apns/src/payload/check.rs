//! The rules a body must keep to be shown on a device, applied to raw JSON in one reading.
//!
//! Values that are not looked into (a `content-state`, your own keys) are skipped over, never built up. Keys in `aps` that
//! Apple may add some day are let through; those that are well-known keys misspelt are not.

use serde_json::value::RawValue;

use super::json::{Entries, is_object, join, kind_of, read_object};
use super::problem::Problem;
use crate::push_type::PushType;

/// Checks a body against the rules of a push type: size, shape, and every key of Apple's with its type and range.
///
/// Returns every broken rule with a JSON pointer to it, so that a server can report them all at once. An empty list
/// means that neither APNs nor the device has a documented reason to refuse it.
///
/// ```
/// use apns::PushType;
/// use apns::payload::check;
///
/// let body = br#"{"aps":{"event":"start","timestamp":1700000100,"content-state":{},
///                 "attributes-type":"IncidentAttributes","attributes":{}}}"#;
/// let problems = check(PushType::LiveActivity, body);
/// assert_eq!(problems.len(), 1);
/// assert_eq!((&*problems[0].pointer, problems[0].rule), ("/aps/alert", "required"));
/// ```
pub fn check(push_type: PushType, body: &[u8]) -> Vec<Problem> {
    run(push_type, body, push_type.max_body_bytes(), Address::Device)
}

/// Checks the body of a broadcast: as [`check`] for a Live Activity, but 5120 bytes are allowed and `start` is not.
pub fn check_broadcast(body: &[u8]) -> Vec<Problem> {
    run(
        PushType::LiveActivity,
        body,
        PushType::BROADCAST_MAX_BODY_BYTES,
        Address::Channel,
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Address {
    Device,
    Channel,
}

pub(crate) fn size_problem(bytes: usize, limit: usize) -> Option<Problem> {
    if bytes == 0 {
        return Some(problem(
            "",
            "empty",
            "the body is empty; send a JSON object",
        ));
    }
    (bytes > limit).then(|| {
        problem(
            "",
            "too_large",
            format!(
                "the body is {bytes} bytes, {} more than the {limit} this push type allows; shorten it (bytes count, \
                 not characters)",
                bytes - limit
            ),
        )
    })
}

fn problem(
    pointer: impl Into<Box<str>>,
    rule: &'static str,
    message: impl Into<Box<str>>,
) -> Problem {
    Problem {
        pointer: pointer.into(),
        rule,
        message: message.into(),
    }
}

fn run(push_type: PushType, body: &[u8], limit: usize, address: Address) -> Vec<Problem> {
    let mut lint = Lint {
        problems: Vec::new(),
    };
    lint.problems.extend(size_problem(body.len(), limit));
    if body.is_empty() {
        return lint.problems;
    }
    match read_object(body) {
        Ok(top) => lint.top(push_type, &top, address),
        Err(message) => lint.add("", "not_an_object", message),
    }
    lint.problems
}

// === impl Lint ===

/// What was found so far. The rules of single keys are in `keys.rs`.
pub(super) struct Lint {
    problems: Vec<Problem>,
}

impl Lint {
    pub(super) fn add(
        &mut self,
        pointer: impl Into<Box<str>>,
        rule: &'static str,
        message: impl Into<Box<str>>,
    ) {
        self.problems.push(problem(pointer, rule, message));
    }

    fn top(&mut self, push_type: PushType, top: &Entries<'_>, address: Address) {
        self.duplicates("", top);
        match push_type {
            PushType::Mdm => return self.mdm(top),
            PushType::FileProvider => self.file_provider(top),
            _ => {}
        }
        let aps = top
            .iter()
            .find(|(key, _)| key == "aps")
            .map(|(_, raw)| *raw);
        let Some(aps) = aps else {
            match push_type {
                PushType::Alert => self.add(
                    "/aps",
                    "required",
                    "an alert push needs aps with alert, badge or sound",
                ),
                PushType::Background => {
                    self.add(
                        "/aps",
                        "required",
                        "a background push needs aps with content-available 1",
                    );
                }
                PushType::LiveActivity => {
                    self.add(
                        "/aps",
                        "required",
                        "a Live Activity push needs aps with timestamp, event and content-state",
                    );
                }
                PushType::Controls | PushType::Widgets => {
                    self.add(
                        "/aps",
                        "required",
                        "this push type needs aps with content-changed true",
                    );
                }
                PushType::Location
                | PushType::Voip
                | PushType::Complication
                | PushType::FileProvider
                | PushType::Mdm
                | PushType::PushToTalk => {}
            }
            return;
        };
        let Some(aps) = is_object(aps)
            .then(|| read_object(aps.get().as_bytes()).ok())
            .flatten()
        else {
            let found = kind_of(aps.get().as_bytes());
            self.add(
                "/aps",
                "wrong_type",
                format!("must be an object, found {found}"),
            );
            return;
        };
        self.duplicates("/aps", &aps);
        for (key, raw) in &aps {
            self.aps_key(push_type, key, raw);
        }
        let aps = Aps(&aps);
        match push_type {
            PushType::Alert => self.alert_push(&aps),
            PushType::Background => self.background(&aps),
            PushType::LiveActivity => self.live_activity(&aps, address),
            PushType::Controls | PushType::Widgets => {
                if aps
                    .get("content-changed")
                    .is_none_or(|raw| raw.get() != "true")
                {
                    self.add(
                        "/aps/content-changed",
                        "required",
                        "must be true for this push type",
                    );
                }
            }
            PushType::Location
            | PushType::Voip
            | PushType::Complication
            | PushType::FileProvider
            | PushType::Mdm
            | PushType::PushToTalk => {}
        }
    }

    /// JSON leaves open which of two equal keys counts; a device may take the other one.
    pub(super) fn duplicates(&mut self, pointer: &str, entries: &Entries<'_>) {
        for (at, (key, _)) in entries.iter().enumerate() {
            if entries[..at].iter().any(|(earlier, _)| earlier == key) {
                self.add(
                    join(pointer, key),
                    "duplicate_key",
                    "stands here twice; leave one out",
                );
            }
        }
    }

    fn mdm(&mut self, top: &Entries<'_>) {
        match top.iter().find(|(key, _)| key == "mdm") {
            None => self.add(
                "/mdm",
                "required",
                "an MDM push needs mdm, the PushMagic of the device",
            ),
            Some((_, raw)) => self.string("/mdm", raw),
        }
        for (key, _) in top.iter().filter(|(key, _)| key != "mdm") {
            self.add(
                join("", key),
                "not_allowed",
                "an MDM push holds mdm and nothing else; leave it out",
            );
        }
    }

    fn file_provider(&mut self, top: &Entries<'_>) {
        match top.iter().find(|(key, _)| key == "container-identifier") {
            None => self.add(
                "/container-identifier",
                "required",
                "a file provider push needs container-identifier, the container that changed",
            ),
            Some((_, raw)) => self.string("/container-identifier", raw),
        }
        if let Some((_, raw)) = top.iter().find(|(key, _)| key == "domain") {
            self.string("/domain", raw);
        }
    }

    fn alert_push(&mut self, aps: &Aps<'_>) {
        if !["alert", "badge", "sound"].iter().any(|key| aps.has(key)) {
            self.add(
                "/aps",
                "nothing_to_show",
                "an alert push needs alert, badge or sound; to wake the app silently send push type background",
            );
        }
        if aps.has("mutable-content") && !aps.has("alert") {
            self.add(
                "/aps/mutable-content",
                "needs_alert",
                "a service extension runs only for a notification with an alert; add alert or leave this out",
            );
        }
        self.only_live(aps);
    }

    /// Keys that a Live Activity has and an alert has not: the push type is likely wrong.
    fn only_live(&mut self, aps: &Aps<'_>) {
        for key in ["event", "content-state", "attributes", "attributes-type"] {
            if aps.has(key) {
                self.add(
                    join("/aps", key),
                    "not_allowed",
                    "belongs to a Live Activity; send push type liveactivity",
                );
            }
        }
    }

    fn background(&mut self, aps: &Aps<'_>) {
        match aps.get("content-available") {
            Some(raw) if raw.get() == "1" => {}
            _ => self.add(
                "/aps/content-available",
                "required",
                "a background push needs content-available 1",
            ),
        }
        for (key, _) in aps.0.iter().filter(|(key, _)| key != "content-available") {
            self.add(
                join("/aps", key),
                "not_allowed",
                "aps of a background push holds content-available and nothing else; put your own keys beside aps, or \
                 send push type alert",
            );
        }
    }

    fn live_activity(&mut self, aps: &Aps<'_>, address: Address) {
        let Some(event) = aps.get("event") else {
            return self.add(
                "/aps/event",
                "required",
                "a Live Activity push needs event: start, update or end",
            );
        };
        let event = event.get().trim_matches('"');
        let mut required: Vec<&str> = vec!["timestamp"];
        match event {
            "start" => required.extend(["content-state", "attributes-type", "attributes", "alert"]),
            "update" => required.push("content-state"),
            _ => {}
        }
        for key in required {
            if !aps.has(key) {
                let message = match key {
                    "alert" => {
                        "a start without alert starts nothing, though APNs answers 200; add title and body"
                    }
                    "timestamp" => {
                        "needed on every event, in Unix seconds: the device shows the newest"
                    }
                    _ => "needed for this event",
                };
                self.add(join("/aps", key), "required", message);
            }
        }
        if event != "start" {
            for key in [
                "attributes",
                "attributes-type",
                "input-push-token",
                "input-push-channel",
            ] {
                if aps.has(key) {
                    self.add(
                        join("/aps", key),
                        "not_allowed",
                        "belongs to event start only; leave it out",
                    );
                }
            }
        }
        if event != "end" && aps.has("dismissal-date") {
            self.add(
                "/aps/dismissal-date",
                "not_allowed",
                "belongs to event end only; use stale-date or leave it out",
            );
        }
        if aps.has("input-push-token") && aps.has("input-push-channel") {
            self.add(
                "/aps/input-push-token",
                "conflict",
                "ask for an update token or name a channel, not both",
            );
        }
        if address == Address::Channel && event == "start" {
            self.add(
                "/aps/event",
                "not_allowed",
                "a broadcast cannot start an activity; send start to a push-to-start token",
            );
        }
    }
}

/// The entries of `aps`, to be asked.
struct Aps<'a>(&'a Entries<'a>);

impl<'a> Aps<'a> {
    fn get(&self, wanted: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .find(|(key, _)| key == wanted)
            .map(|(_, raw)| *raw)
    }

    fn has(&self, wanted: &str) -> bool {
        self.get(wanted).is_some()
    }
}
