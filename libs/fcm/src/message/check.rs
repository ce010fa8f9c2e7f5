//! The rules that a message must keep, applied to raw JSON in one reading.
//!
//! The form of each value comes from the [schema](super::schema); what several keys say together is here. What FCM does
//! not look into (`webpush.notification`, your own keys beside `aps`) is let through.

use super::json::{Node, join};
use super::problem::Problem;
use super::schema::{Field, Kind, MESSAGE, find, normalise};
use crate::ttl::{Ttl, parse_duration};

/// Checks a message (what stands under `message` in a request, without its target) against FCM's rules: shape, every key
/// with its type and range, reserved keys, and size.
///
/// Returns every broken rule with a JSON pointer to it, so that a server can report them all at once. An empty list means
/// that FCM has no documented reason to refuse it. Keys may be spelt either way that Google takes (`collapse_key`,
/// `collapseKey`); pointers have underscores.
///
/// ```
/// let problems = fcm::message::check(br#"{"data":{"from":"us","n":7},"android":{"ttl":3600}}"#);
/// let found: Vec<_> = problems.iter().map(|problem| (&*problem.pointer, problem.rule)).collect();
/// assert_eq!(found, [
///     ("/data/from", "reserved_key"),
///     ("/data/n", "wrong_type"),
///     ("/android/ttl", "wrong_type"),
/// ]);
/// ```
pub fn check(json: &[u8]) -> Vec<Problem> {
    match read(json) {
        Ok(node) => check_node(&node),
        Err(problem) => vec![problem],
    }
}

/// Reads a message and brings its keys into one spelling.
pub(super) fn read(json: &[u8]) -> Result<Node, Problem> {
    let refused = |message| Err(Problem::new("", "not_an_object", message));
    match serde_json::from_slice::<Node>(json) {
        Ok(mut node @ Node::Object(_)) => {
            normalise(&mut node, MESSAGE);
            Ok(node)
        }
        Ok(other) => refused(format!(
            "the message must be a JSON object, found {}",
            other.kind()
        )),
        Err(error) => refused(format!(
            "the message is not JSON: {error}; send one object in UTF-8"
        )),
    }
}

pub(super) fn check_node(message: &Node) -> Vec<Problem> {
    let mut lint = Lint::default();
    lint.object("", message, MESSAGE);
    lint.android(message);
    lint.apns(message);
    lint.problems.extend(super::size::problem(
        message,
        crate::Target::DEVICE_MAX_BYTES,
    ));
    lint.problems
}

/// What was found so far.
#[derive(Default)]
struct Lint {
    problems: Vec<Problem>,
}

impl Lint {
    fn add(
        &mut self,
        pointer: impl Into<Box<str>>,
        rule: &'static str,
        message: impl Into<Box<str>>,
    ) {
        self.problems.push(Problem::new(pointer, rule, message));
    }

    fn wrong_type(&mut self, pointer: &str, expected: &str, found: &Node) {
        let message = format!("must be {expected}, found {}", found.kind());
        self.add(pointer, "wrong_type", message);
    }

    fn object(&mut self, pointer: &str, node: &Node, fields: &'static [Field]) {
        if !matches!(node, Node::Object(_)) {
            return self.wrong_type(pointer, "an object", node);
        }
        self.duplicates(pointer, node);
        for (name, value) in node.entries() {
            let here = join(pointer, name);
            match find(fields, name) {
                Some(field) => self.value(&here, value, field.kind),
                None => self.unknown(here, pointer, name),
            }
        }
    }

    fn unknown(&mut self, here: String, pointer: &str, name: &str) {
        let (rule, message) = match (pointer, name) {
            ("", "token" | "fid" | "topic" | "condition") => (
                "target_in_message",
                "the target does not stand in the message; give it beside the message, as the request's target",
            ),
            ("", "name") => ("output_only", "FCM makes the name; leave it out"),
            ("", "android_v2") => (
                "preview",
                "is a preview whose keys may still change; use android",
            ),
            ("", "to" | "registration_ids" | "priority" | "time_to_live" | "collapse_key") => (
                "legacy_key",
                "belongs to the legacy API, which Google switched off in 2024; see android for priority, ttl and \
                 collapse_key",
            ),
            _ => (
                "unknown_key",
                "FCM does not know this key and refuses the message; leave it out, or put what is yours under data",
            ),
        };
        self.add(here, rule, message);
    }

    /// JSON leaves open which of two equal keys counts.
    fn duplicates(&mut self, pointer: &str, node: &Node) {
        let entries = node.entries();
        for (at, (name, _)) in entries.iter().enumerate() {
            if entries[..at].iter().any(|(earlier, _)| earlier == name) {
                self.add(
                    join(pointer, name),
                    "duplicate_key",
                    "stands here twice; leave one out",
                );
            }
        }
    }

    fn value(&mut self, pointer: &str, node: &Node, kind: Kind) {
        match kind {
            Kind::Object(fields) => self.object(pointer, node, fields),
            Kind::Data => self.data(pointer, node),
            Kind::Texts => self.texts(pointer, node),
            Kind::List(inner) => match node {
                Node::List(items) => {
                    for (at, item) in items.iter().enumerate() {
                        self.value(&format!("{pointer}/{at}"), item, *inner);
                    }
                }
                other => self.wrong_type(pointer, "an array", other),
            },
            Kind::Free => {
                if !matches!(node, Node::Object(_)) {
                    self.wrong_type(pointer, "an object", node);
                }
                self.duplicates(pointer, node);
            }
            Kind::Flag => {
                if !matches!(node, Node::Flag(_)) {
                    self.wrong_type(pointer, "true or false", node);
                }
            }
            Kind::Count | Kind::Share => self.number(pointer, node, kind),
            _ => match node {
                Node::Text(text) => self.text(pointer, text, kind),
                other => self.wrong_type(pointer, "a string", other),
            },
        }
    }

    fn number(&mut self, pointer: &str, node: &Node, kind: Kind) {
        let Node::Number(number) = node else {
            return self.wrong_type(pointer, "a number", node);
        };
        if matches!(kind, Kind::Share) {
            if !number
                .as_f64()
                .is_some_and(|share| (0.0..=1.0).contains(&share))
            {
                self.add(pointer, "out_of_range", "must be from 0 to 1");
            }
        } else if number.as_u64().is_none_or(|count| count > i32::MAX as u64) {
            self.add(
                pointer,
                "out_of_range",
                "must be a whole number from 0 to 2147483647",
            );
        }
    }

    fn text(&mut self, pointer: &str, text: &str, kind: Kind) {
        let broken = match kind {
            Kind::Span => return self.span(pointer, text),
            Kind::Colour => (!is_colour(text)).then_some((
                "bad_colour",
                "must be # and six hexadecimal digits, such as \"#00ff7f\"".to_owned(),
            )),
            Kind::Instant => (!is_instant(text)).then_some((
                "bad_time",
                "must be a time in RFC 3339, such as \"2026-01-02T03:04:05.000Z\"".to_owned(),
            )),
            Kind::Label => (!is_label(text)).then_some((
                "bad_label",
                "must be 1 to 50 letters, digits and -_.~%".to_owned(),
            )),
            Kind::HttpsUrl => (!is_https_url(text)).then_some((
                "bad_url",
                "must be an absolute URL that begins with https://".to_owned(),
            )),
            Kind::OneOf(words) => (!words.contains(&text)).then(|| {
                (
                    "unknown_value",
                    format!("must be one of {}", words.join(", ")),
                )
            }),
            Kind::OneOfAnyCase(words) => {
                (!words.iter().any(|word| word.eq_ignore_ascii_case(text))).then(|| {
                    (
                        "unknown_value",
                        format!("must be one of {}", words.join(", ")),
                    )
                })
            }
            _ => None,
        };
        if let Some((rule, message)) = broken {
            self.add(pointer, rule, message);
        }
    }

    fn span(&mut self, pointer: &str, text: &str) {
        match parse_duration(text) {
            None => self.add(
                pointer,
                "bad_duration",
                "must be a number of seconds and s, such as \"3600s\" or \"3.5s\"",
            ),
            Some(span) if pointer.ends_with("/ttl") && span > Ttl::MAX.as_duration() => self.add(
                pointer,
                "out_of_range",
                "must be at most 28 days, \"2419200s\"",
            ),
            Some(_) => {}
        }
    }

    fn texts(&mut self, pointer: &str, node: &Node) {
        if !matches!(node, Node::Object(_)) {
            return self.wrong_type(pointer, "an object of strings", node);
        }
        self.duplicates(pointer, node);
        for (name, value) in node.entries() {
            if value.text().is_none() {
                let expected = "a string (FCM takes no other values here; send numbers as text)";
                self.wrong_type(&join(pointer, name), expected, value);
            }
        }
    }

    fn data(&mut self, pointer: &str, node: &Node) {
        for (name, _) in node.entries() {
            if is_reserved(name) {
                self.add(
                    join(pointer, name),
                    "reserved_key",
                    "is FCM's own: from, message_type, collapse_key and keys that begin with google or gcm cannot be \
                     data; rename it",
                );
            }
        }
        self.texts(pointer, node);
    }

    fn android(&mut self, message: &Node) {
        let Some(shown) = message
            .get("android")
            .and_then(|android| android.get("notification"))
        else {
            return;
        };
        const HERE: &str = "/android/notification";
        for (args, name) in [
            ("title_loc_args", "title_loc_key"),
            ("body_loc_args", "body_loc_key"),
        ] {
            if shown.get(args).is_some() && shown.get(name).is_none() {
                let message = format!("needs {name}, the text that these are put into");
                self.add(join(HERE, args), "needs_key", message);
            }
        }
        if let Some(light) = shown.get("light_settings") {
            let here = join(HERE, "light_settings");
            self.complete(
                &here,
                light,
                &["color", "light_on_duration", "light_off_duration"],
            );
            if let Some(colour) = light.get("color") {
                self.complete(
                    &join(&here, "color"),
                    colour,
                    &["red", "green", "blue", "alpha"],
                );
            }
        }
    }

    fn complete(&mut self, pointer: &str, node: &Node, required: &[&str]) {
        for name in required {
            if node.get(name).is_none() {
                self.add(join(pointer, name), "required", "is needed here");
            }
        }
    }

    fn apns(&mut self, message: &Node) {
        let Some(apns) = message.get("apns") else {
            return;
        };
        let header = |wanted: &str| {
            let headers = apns.get("headers").map(Node::entries).unwrap_or_default();
            headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .and_then(|(_, value)| value.text())
        };
        let (push_type, priority) = (header("apns-push-type"), header("apns-priority"));
        if push_type == Some("voip")
            || header("apns-topic").is_some_and(|topic| topic.ends_with(".voip"))
        {
            self.add(
                "/apns/headers",
                "voip",
                "FCM cannot send VoIP pushes; send them to APNs directly",
            );
        }
        if priority.is_some_and(|priority| !matches!(priority, "1" | "5" | "10")) {
            self.add(
                "/apns/headers/apns-priority",
                "unknown_value",
                "must be \"10\", \"5\" or \"1\"",
            );
        }
        let aps = apns.get("payload").and_then(|payload| payload.get("aps"));
        if let Some(aps) = aps {
            self.aps(aps);
        }
        let has = |name| aps.is_some_and(|aps: &Node| aps.get(name).is_some());
        let is_shown = message.get("notification").is_some()
            || ["alert", "badge", "sound"].into_iter().any(has);
        if has("content-available") && !is_shown && priority == Some("10") {
            self.add(
                "/apns/headers/apns-priority",
                "silent_priority",
                "must be \"5\" for a push that shows nothing; APNs refuses \"10\"",
            );
        }
        if apns.get("live_activity_token").is_some() {
            self.live_activity(aps);
        }
    }

    /// Apple's flags are the number 1, not `true`.
    fn aps(&mut self, aps: &Node) {
        for name in ["content-available", "mutable-content"] {
            if let Some(node) = aps.get(name)
                && !matches!(node, Node::Number(number) if matches!(number.as_u64(), Some(0 | 1)))
            {
                let here = join("/apns/payload/aps", name);
                self.wrong_type(&here, "the number 1 (or left out)", node);
            }
        }
    }

    fn live_activity(&mut self, aps: Option<&Node>) {
        const HERE: &str = "/apns/payload/aps";
        let Some(aps) = aps else {
            return self.add(
                HERE,
                "required",
                "a Live Activity needs aps with timestamp, event and content-state",
            );
        };
        match aps.get("event").and_then(Node::text) {
            Some("start") => self.complete(
                HERE,
                aps,
                &[
                    "timestamp",
                    "content-state",
                    "attributes-type",
                    "attributes",
                    "alert",
                ],
            ),
            Some("update") => self.complete(HERE, aps, &["timestamp", "content-state"]),
            Some("end") => self.complete(HERE, aps, &["timestamp"]),
            _ => self.add(
                join(HERE, "event"),
                "required",
                "must be start, update or end",
            ),
        }
    }
}

/// FCM's own keys in `data`. `collapse_key` is not refused by FCM but has another meaning on the device.
pub(super) fn is_reserved(name: &str) -> bool {
    matches!(name, "from" | "message_type" | "collapse_key")
        || name.starts_with("google")
        || name.starts_with("gcm")
}

fn is_colour(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|digits| {
        digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_label(text: &str) -> bool {
    (1..=50).contains(&text.len()) && text.bytes().all(crate::topic::is_topic_byte)
}

fn is_https_url(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|url| {
        url.scheme() == Some(&http::uri::Scheme::HTTPS)
            && url.host().is_some_and(|host| !host.is_empty())
    })
}

/// The form of a time in RFC 3339; whether such a day exists is left to FCM.
fn is_instant(text: &str) -> bool {
    let Some((head, tail)) = text.split_at_checked(19) else {
        return false;
    };
    let is_head = head.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => matches!(byte, b'T' | b't'),
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let zone = match tail.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if !(1..=9).contains(&(fraction.len() - zone.len())) {
                return false;
            }
            zone
        }
        None => tail,
    };
    let is_offset = |zone: &str| {
        zone.len() == 6
            && zone.bytes().enumerate().all(|(at, byte)| match at {
                0 => matches!(byte, b'+' | b'-'),
                3 => byte == b':',
                _ => byte.is_ascii_digit(),
            })
    };
    is_head && (matches!(zone, "Z" | "z") || is_offset(zone))
}
