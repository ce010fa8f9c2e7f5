//! Type and range of each key that Apple documents, wherever it stands.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::check::Lint;
use super::json::{is_object, join, kind_of, parse, read_object};
use crate::push_type::PushType;

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
    /// Type and range of one key in `aps`, whatever the push type (except where the ranges differ).
    pub(super) fn aps_key(&mut self, push_type: PushType, key: &str, raw: &RawValue) {
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

    pub(super) fn string(&mut self, pointer: &str, raw: &RawValue) {
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
