//! The rules a body must keep to be shown on a device, applied to raw JSON in one reading.
//!
//! Values that are not looked into (a `content-state`, your own keys) are skipped over, never built up. Keys in `aps` that
//! Apple may add some day are let through; those that are well-known keys misspelt are not.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

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

// === Reading ===

type Entries<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// The keys of a JSON object with their values unread. The error says what it was instead.
fn read_object(json: &[u8]) -> Result<Entries<'_>, String> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Entries<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::with_capacity(8);
            while let Some(Key(key)) = map.next_key()? {
                entries.push((key, map.next_value()?));
            }
            Ok(entries)
        }
    }

    // serde's own `Cow<str>` never borrows.
    struct Key<'a>(Cow<'a, str>);
    impl<'de> serde::Deserialize<'de> for Key<'de> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Text;
            impl<'de> Visitor<'de> for Text {
                type Value = Key<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a key")
                }

                fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                    Ok(Key(Cow::Borrowed(text)))
                }

                fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                    Ok(Key(Cow::Owned(text.to_owned())))
                }
            }
            deserializer.deserialize_str(Text)
        }
    }

    let mut reader = serde_json::Deserializer::from_slice(json);
    let entries = reader
        .deserialize_map(Keys)
        .and_then(|entries| reader.end().map(|()| entries));
    entries.map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => {
                format!("the body must be a JSON object, found {}", kind_of(json))
            }
            _ => format!("the body is not JSON: {error}"),
        };
        format!("{what}; send one object in UTF-8, not compressed")
    })
}

/// What kind of JSON value begins here, in words.
fn kind_of(json: &[u8]) -> &'static str {
    match json.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => "something else",
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// Appends a key to a JSON pointer.
fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

// === impl Lint ===

struct Lint {
    problems: Vec<Problem>,
}

/// The keys of `aps` that Apple documents and every rule below knows.
const APS_KEYS: &[&str] = &[
    "alert",
    "attributes",
    "attributes-type",
    "badge",
    "category",
    "content-available",
    "content-changed",
    "content-state",
    "dismissal-date",
    "event",
    "filter-criteria",
    "input-push-channel",
    "input-push-token",
    "interruption-level",
    "mutable-content",
    "ptt-push-type",
    "relevance-score",
    "sound",
    "stale-date",
    "target-content-id",
    "thread-id",
    "timestamp",
    "url-args",
];

/// Keys that belong into `alert` and are often put one level too high.
const ALERT_KEYS: &[&str] = &[
    "title",
    "subtitle",
    "body",
    "launch-image",
    "title-loc-key",
    "title-loc-args",
    "subtitle-loc-key",
    "subtitle-loc-args",
    "loc-key",
    "loc-args",
];

/// A Unix time in seconds above this is one in milliseconds (the year 5138).
const LAST_SECOND: f64 = 1e11;

impl Lint {
    fn add(
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
    fn duplicates(&mut self, pointer: &str, entries: &Entries<'_>) {
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

    /// Type and range of one key in `aps`, whatever the push type (except where the ranges differ).
    fn aps_key(&mut self, push_type: PushType, key: &str, raw: &RawValue) {
        let live = push_type == PushType::LiveActivity;
        let pointer = || join("/aps", key);
        match key {
            "alert" => self.alert(raw, live),
            "badge" => {
                if parse::<u64>(raw).is_none() {
                    self.wrong(
                        pointer(),
                        raw,
                        "a whole number, 0 or more (0 removes the badge; leave it out to keep it)",
                    );
                }
            }
            "sound" => self.sound("/aps/sound", raw),
            "thread-id" | "category" | "target-content-id" | "filter-criteria"
            | "attributes-type" | "input-push-channel" | "ptt-push-type" => {
                self.string(&pointer(), raw)
            }
            "content-available" | "mutable-content" | "input-push-token" => {
                self.flag(&pointer(), raw)
            }
            "interruption-level" => {
                self.word(
                    &pointer(),
                    raw,
                    &["passive", "active", "time-sensitive", "critical"],
                );
            }
            "relevance-score" => match parse::<f64>(raw) {
                None => self.wrong(pointer(), raw, "a number"),
                Some(score) if !live && !(0.0..=1.0).contains(&score) => {
                    self.add(
                        pointer(),
                        "out_of_range",
                        "must lie between 0 and 1 (only a Live Activity may have others)",
                    );
                }
                Some(_) => {}
            },
            "timestamp" | "stale-date" | "dismissal-date" => self.unix_secs(&pointer(), raw),
            "event" => self.word(&pointer(), raw, &["start", "update", "end"]),
            "content-state" | "attributes" => {
                if !is_object(raw) {
                    self.wrong(pointer(), raw, "an object");
                }
            }
            "content-changed" => {
                if parse::<bool>(raw).is_none() {
                    self.wrong(pointer(), raw, "true");
                }
            }
            "url-args" => self.strings(&pointer(), raw),
            other => self.unknown(other),
        }
    }

    /// A key Apple does not document: let through, unless it is clearly meant to be another.
    fn unknown(&mut self, key: &str) {
        if ALERT_KEYS.contains(&key) {
            let message = format!("belongs into alert; write {{\"alert\":{{\"{key}\":…}}}}");
            return self.add(join("/aps", key), "misplaced", message);
        }
        let plain = |text: &str| -> String {
            text.chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect()
        };
        let wanted = plain(key);
        if let Some(known) = APS_KEYS.iter().find(|known| plain(known) == wanted) {
            let message = format!("Apple's key is written {known}; this one would be ignored");
            self.add(join("/aps", key), "misspelt", message);
        }
    }

    fn alert(&mut self, raw: &RawValue, live: bool) {
        let json = raw.get().as_bytes();
        if json.starts_with(b"\"") && !live {
            return;
        }
        let Some(alert) = is_object(raw).then(|| read_object(json).ok()).flatten() else {
            let expected = if live {
                "an object with title and body"
            } else {
                "a string or an object"
            };
            return self.wrong("/aps/alert", raw, expected);
        };
        self.duplicates("/aps/alert", &alert);
        let has = |wanted: &str| alert.iter().any(|(key, _)| key == wanted);
        for (key, raw) in &alert {
            let pointer = join("/aps/alert", key);
            match &**key {
                "title" | "body" if live && is_object(raw) => self.localised(&pointer, raw),
                "title" | "subtitle" | "body" | "launch-image" | "title-loc-key"
                | "subtitle-loc-key" | "loc-key" => {
                    self.string(&pointer, raw);
                }
                "title-loc-args" | "subtitle-loc-args" | "loc-args" => {
                    self.strings(&pointer, raw);
                    let owner = key.replace("args", "key");
                    if !has(&owner) {
                        self.add(
                            pointer,
                            "without_key",
                            format!("fills the text of {owner}, which is missing; add it"),
                        );
                    }
                }
                "sound" if live => self.sound(&pointer, raw),
                "sound" => self.add(
                    pointer,
                    "misplaced",
                    "belongs beside alert, in aps; write {\"aps\":{\"sound\":…}}",
                ),
                _ => {}
            }
        }
    }

    /// `{"loc-key":…,"loc-args":[…]}`: how a Live Activity's alert localises title and body.
    fn localised(&mut self, pointer: &str, raw: &RawValue) {
        let Ok(entries) = read_object(raw.get().as_bytes()) else {
            return;
        };
        match entries.iter().find(|(key, _)| key == "loc-key") {
            None => self.add(
                join(pointer, "loc-key"),
                "required",
                "a localised text needs loc-key",
            ),
            Some((_, raw)) => self.string(&join(pointer, "loc-key"), raw),
        }
        if let Some((_, raw)) = entries.iter().find(|(key, _)| key == "loc-args") {
            self.strings(&join(pointer, "loc-args"), raw);
        }
    }

    fn sound(&mut self, pointer: &str, raw: &RawValue) {
        if raw.get().starts_with('"') {
            return;
        }
        let Some(sound) = is_object(raw)
            .then(|| read_object(raw.get().as_bytes()).ok())
            .flatten()
        else {
            return self.wrong(
                pointer,
                raw,
                "the name of a sound, or an object with name, critical and volume",
            );
        };
        self.duplicates(pointer, &sound);
        if !sound.iter().any(|(key, _)| key == "name") {
            self.add(
                join(pointer, "name"),
                "required",
                "a sound object needs name; \"default\" is the system sound",
            );
        }
        for (key, raw) in &sound {
            let pointer = join(pointer, key);
            match &**key {
                "name" => self.string(&pointer, raw),
                "critical" => self.flag(&pointer, raw),
                "volume" => self.volume(&pointer, raw),
                _ => {}
            }
        }
    }

    fn volume(&mut self, pointer: &str, raw: &RawValue) {
        if !parse::<f64>(raw).is_some_and(|volume| (0.0..=1.0).contains(&volume)) {
            self.wrong(pointer, raw, "a number between 0 (silent) and 1 (full)");
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

    // === Values ===

    fn wrong(&mut self, pointer: impl Into<Box<str>>, raw: &RawValue, expected: &str) {
        let found = kind_of(raw.get().as_bytes());
        let rule = if expected.starts_with(found) {
            "out_of_range"
        } else {
            "wrong_type"
        };
        self.add(pointer, rule, format!("must be {expected}, found {found}"));
    }

    fn string(&mut self, pointer: &str, raw: &RawValue) {
        if !raw.get().starts_with('"') {
            self.wrong(pointer, raw, "a string");
        }
    }

    fn strings(&mut self, pointer: &str, raw: &RawValue) {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
                while let Some(text) = seq.next_element::<&RawValue>()? {
                    if !text.get().starts_with('"') {
                        return Err(serde::de::Error::custom("not a string"));
                    }
                }
                Ok(())
            }
        }
        if serde_json::Deserializer::from_str(raw.get())
            .deserialize_seq(Texts)
            .is_err()
        {
            let found = match kind_of(raw.get().as_bytes()) {
                "an array" => "other things in it",
                other => other,
            };
            self.add(
                pointer,
                "wrong_type",
                format!("must be an array of strings, found {found}"),
            );
        }
    }

    fn flag(&mut self, pointer: &str, raw: &RawValue) {
        if !matches!(raw.get(), "0" | "1") {
            self.wrong(pointer, raw, "the number 1 (or 0)");
        }
    }

    fn word(&mut self, pointer: &str, raw: &RawValue, words: &[&str]) {
        let is_known = parse::<Cow<'_, str>>(raw).is_some_and(|word| words.contains(&&*word));
        if !is_known {
            let rule = if raw.get().starts_with('"') {
                "out_of_range"
            } else {
                "wrong_type"
            };
            self.add(
                pointer,
                rule,
                format!("must be one of {}", words.join(", ")),
            );
        }
    }

    fn unix_secs(&mut self, pointer: &str, raw: &RawValue) {
        match parse::<f64>(raw) {
            None => self.wrong(pointer, raw, "a number of Unix seconds"),
            Some(secs) if secs < 0.0 => self.add(pointer, "out_of_range", "must not be negative"),
            Some(secs) if secs > LAST_SECOND => {
                self.add(
                    pointer,
                    "out_of_range",
                    "looks like milliseconds; send Unix seconds",
                );
            }
            Some(_) => {}
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
