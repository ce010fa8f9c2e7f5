//! A device as callers write it, and the rules it must keep. The same for a single registration and
//! for a row of an import. What a device may say of itself is narrower: see `own`.

use super::attributes;
use super::push_tokens::{self, RegisterPushToken};
use carillon_model::device::{DeviceRegistration, MAX_CAPABILITIES, is_plain_name};
use carillon_model::problem::FieldProblem;
use carillon_ports::gateway::Gateways;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;
use utoipa::ToSchema;

/// Longest id of a device.
pub(crate) const MAX_ID: usize = 128;
/// Every field of a device, and of one of its push tokens.
pub(crate) const FIELDS: &[&str] = &[
    "id",
    "user_id",
    "user_token",
    "locale",
    "time_zone",
    "app_version",
    "platform",
    "tags",
    "topics",
    "attributes",
    "capabilities",
    "push_tokens",
];
/// See [`FIELDS`].
pub(crate) const PUSH_TOKEN_FIELDS: &[&str] = &[
    "kind",
    "token",
    "subscription",
    "environment",
    "registered_at",
    "replaces",
];
const MAX_TAGS: usize = 100;
const MAX_TOPICS: usize = 100;
/// Words that stand in addresses where an id would.
const RESERVED: [&str; 3] = ["import", "export", "stats"];

/// A device to register. It replaces what was registered under its id before, except that push
/// tokens of kinds it does not name stay.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterDevice {
    /// Its id, only where the address does not have it: 1 to 128 characters of
    /// `A-Z a-z 0-9 . _ : @ -`. Without one Carillon makes it.
    pub(crate) id: Option<String>,
    /// The person, in your words: 1 to 128 bytes. Not with a publishable API key: there `user_token`
    /// says it.
    pub(crate) user_id: Option<String>,
    /// Only with a publishable API key: a JWT of your back end whose `sub` is the user's id, signed with
    /// an identity key of the App (HS256 or ES256), with `exp` at most 24 hours ahead. Without it the
    /// device is nobody's.
    pub(crate) user_token: Option<String>,
    /// BCP 47 tag.
    #[schema(example = "ko-KR")]
    pub(crate) locale: Option<String>,
    /// IANA zone.
    #[schema(example = "Asia/Seoul")]
    pub(crate) time_zone: Option<String>,
    /// Version of the app: 1 to 64 bytes.
    pub(crate) app_version: Option<String>,
    /// What it runs on: 1 to 32 characters of `A-Z a-z 0-9 . _ : @ -`. Usual are `ios`, `android`, `web`,
    /// `macos`, `watchos`, `tvos`, `windows`, `linux`.
    #[schema(example = "ios")]
    pub(crate) platform: Option<String>,
    /// At most 100 tags of 1 to 64 bytes. Not with a publishable API key: they stay as you set them.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// Topics that it is subscribed to: at most 100 names of 1 to 64 characters of
    /// `A-Z a-z 0-9 . _ : @ -`.
    #[serde(default)]
    pub(crate) topics: Vec<String>,
    /// What else is known of it: at most 64 names of 1 to 64 bytes, each with a string, a number, a
    /// boolean or a list of strings; at most 4,096 bytes as JSON. Not with a publishable API key: they
    /// stay as you set them.
    #[schema(value_type = Option<Object>, example = json!({"plan": "gold", "trips": 3}))]
    pub(crate) attributes: Option<Map<String, Value>>,
    /// What the app declares that it can do: at most 20 names of 1 to 64 characters of
    /// `A-Z a-z 0-9 . _ : @ -`. Carillon acts upon `voip_call_ui`: the app reports every VoIP push to the system as an
    /// incoming call, so that an incident may ring on the device. Other names are kept.
    #[serde(default)]
    #[schema(example = json!(["voip_call_ui"]))]
    pub(crate) capabilities: Vec<String>,
    /// At most one of each kind.
    #[serde(default)]
    pub(crate) push_tokens: Vec<RegisterPushToken>,
}

/// Names no secret.
impl fmt::Debug for RegisterDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterDevice")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl RegisterDevice {
    /// Checks it; its push tokens by what their gateways say of them.
    pub(crate) fn read(self, gateways: &Gateways) -> Result<DeviceRegistration, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        if let Some(id) = &self.id {
            problems.extend(crate::params::name_problem("/id", "device.id", id, MAX_ID));
            if RESERVED.contains(&id.as_str()) {
                problems.push(FieldProblem::new(
                    "/id",
                    "device.id",
                    format!("{id:?} stands in an address of its own: choose another id"),
                ));
            }
        }
        if self.user_token.is_some() {
            problems.push(FieldProblem::new(
                "/user_token",
                "device.user_token",
                "expected no user_token: this API key is trusted to say user_id itself",
            ));
        }
        length(
            &mut problems,
            "/user_id",
            "device.user_id",
            self.user_id.as_deref(),
            128,
        );
        length(
            &mut problems,
            "/app_version",
            "device.app_version",
            self.app_version.as_deref(),
            64,
        );
        if self
            .locale
            .as_deref()
            .is_some_and(|locale| !is_language_tag(locale))
        {
            problems.push(FieldProblem::new(
                "/locale",
                "device.locale",
                "expected a BCP 47 tag such as \"ko-KR\", at most 35 characters",
            ));
        }
        if let Some(zone) = self
            .time_zone
            .as_deref()
            .filter(|zone| jiff::tz::TimeZone::get(zone).is_err())
        {
            problems.push(FieldProblem::new(
                "/time_zone",
                "device.time_zone",
                format!("expected an IANA time zone such as \"Asia/Seoul\", found {zone:?}"),
            ));
        }
        if self.tags.len() > MAX_TAGS {
            problems.push(FieldProblem::new(
                "/tags",
                "device.tags",
                format!("expected at most {MAX_TAGS}, found {}", self.tags.len()),
            ));
        }
        for (at, tag) in self.tags.iter().enumerate().take(MAX_TAGS) {
            length(
                &mut problems,
                &format!("/tags/{at}"),
                "device.tag",
                Some(tag),
                64,
            );
        }
        if let Some(platform) = self.platform.as_deref().filter(|it| !is_plain_name(it, 32)) {
            problems.push(FieldProblem::new(
                "/platform",
                "device.platform",
                format!("expected 1 to 32 characters of A-Z a-z 0-9 . _ : @ -, such as \"ios\", found {platform:?}"),
            ));
        }
        read_topics(&self.topics, &mut problems);
        read_capabilities(&self.capabilities, &mut problems);
        let attributes = attributes::read(self.attributes, &mut problems);
        let (push_tokens, replaces) = push_tokens::read(self.push_tokens, gateways, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(DeviceRegistration {
            id: self.id,
            user_id: self.user_id,
            locale: self.locale,
            time_zone: self.time_zone,
            app_version: self.app_version,
            platform: self.platform,
            tags: self.tags,
            topics: self.topics,
            attributes,
            capabilities: self.capabilities,
            push_tokens,
            replaces,
        })
    }
}

fn read_topics(topics: &[String], problems: &mut Vec<FieldProblem>) {
    if topics.len() > MAX_TOPICS {
        problems.push(FieldProblem::new(
            "/topics",
            "device.topics",
            format!("expected at most {MAX_TOPICS}, found {}", topics.len()),
        ));
    }
    for (at, topic) in topics.iter().enumerate().take(MAX_TOPICS) {
        problems.extend(crate::params::name_problem(
            &format!("/topics/{at}"),
            "device.topic",
            topic,
            64,
        ));
    }
}

fn read_capabilities(names: &[String], problems: &mut Vec<FieldProblem>) {
    if names.len() > MAX_CAPABILITIES {
        problems.push(FieldProblem::new(
            "/capabilities",
            "device.capabilities",
            format!("expected at most {MAX_CAPABILITIES}, found {}", names.len()),
        ));
    }
    for (at, name) in names.iter().enumerate().take(MAX_CAPABILITIES) {
        problems.extend(crate::params::name_problem(
            &format!("/capabilities/{at}"),
            "device.capability",
            name,
            64,
        ));
    }
}

fn length(
    problems: &mut Vec<FieldProblem>,
    pointer: &str,
    code: &'static str,
    text: Option<&str>,
    max: usize,
) {
    if let Some(text) = text.filter(|text| text.is_empty() || text.len() > max) {
        let found = text.len();
        problems.push(FieldProblem::new(
            pointer,
            code,
            format!("expected 1 to {max} bytes, found {found}"),
        ));
    }
}

/// The shape of a BCP 47 tag: a language of 2 to 8 letters, then subtags of 1 to 8 letters or digits.
fn is_language_tag(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let language = subtags.next().unwrap_or_default();
    tag.len() <= 35
        && (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && subtags
            .all(|s| (1..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::environment::TokenEnvironment;
    use carillon_model::push_type::TokenKind;

    #[test]
    fn each_rule_has_its_pointer_and_code() {
        let long = "x".repeat(129);
        let tags = vec!["t"; 101];
        let topics = vec!["t"; 101];
        for (json, pointer, code) in [
            (serde_json::json!({"id": "a/b"}), "/id", "device.id"),
            (serde_json::json!({"id": ""}), "/id", "device.id"),
            (
                serde_json::json!({"user_id": ""}),
                "/user_id",
                "device.user_id",
            ),
            (
                serde_json::json!({"user_id": long}),
                "/user_id",
                "device.user_id",
            ),
            (
                serde_json::json!({"locale": "ko_KR"}),
                "/locale",
                "device.locale",
            ),
            (
                serde_json::json!({"locale": "k"}),
                "/locale",
                "device.locale",
            ),
            (
                serde_json::json!({"time_zone": "Asia/Soul"}),
                "/time_zone",
                "device.time_zone",
            ),
            (
                serde_json::json!({"app_version": ""}),
                "/app_version",
                "device.app_version",
            ),
            (serde_json::json!({"tags": tags}), "/tags", "device.tags"),
            (
                serde_json::json!({"tags": ["a", ""]}),
                "/tags/1",
                "device.tag",
            ),
            (serde_json::json!({"id": "export"}), "/id", "device.id"),
            (
                serde_json::json!({"user_token": "a.b.c"}),
                "/user_token",
                "device.user_token",
            ),
            (
                serde_json::json!({"platform": "i phone"}),
                "/platform",
                "device.platform",
            ),
            (
                serde_json::json!({"platform": ""}),
                "/platform",
                "device.platform",
            ),
            (
                serde_json::json!({"topics": topics}),
                "/topics",
                "device.topics",
            ),
            (
                serde_json::json!({"topics": ["a", "b c"]}),
                "/topics/1",
                "device.topic",
            ),
            (
                serde_json::json!({"capabilities": vec!["c"; 21]}),
                "/capabilities",
                "device.capabilities",
            ),
            (
                serde_json::json!({"capabilities": ["voip_call_ui", "b c"]}),
                "/capabilities/1",
                "device.capability",
            ),
            (
                serde_json::json!({"attributes": {"a": null}}),
                "/attributes/a",
                "device.attribute",
            ),
            (
                serde_json::json!({"push_tokens": [{"token": "zz"}]}),
                "/push_tokens/0/token",
                "device.push_token",
            ),
            (
                serde_json::json!({"push_tokens": [{"token": "aa", "registered_at": "yesterday"}]}),
                "/push_tokens/0/registered_at",
                "device.registered_at",
            ),
            (
                serde_json::json!({"push_tokens": [{"token": "aa"}, {"token": "bb"}]}),
                "/push_tokens/1/kind",
                "device.push_tokens",
            ),
        ] {
            let device: RegisterDevice = serde_json::from_value(json.clone()).unwrap();
            let problems = device.read(&Gateways::default()).unwrap_err();
            assert_eq!(
                (problems[0].pointer.as_str(), problems[0].code),
                (pointer, code),
                "{json}"
            );
            assert_eq!(problems.len(), 1, "{json}");
        }
    }

    #[test]
    fn a_whole_device_is_read() {
        let device: RegisterDevice = serde_json::from_value(serde_json::json!({
            "id": "phone-1", "user_id": "u 1", "locale": "zh-Hant-TW", "time_zone": "Europe/Berlin",
            "app_version": "1.2", "tags": ["beta"], "platform": "ios", "topics": ["news"],
            "attributes": {"plan": "gold", "trips": 3}, "capabilities": ["voip_call_ui", "later_one"],
            "push_tokens": [{"token": "00AA"}, {"kind": "voip", "token": "bb", "environment": "sandbox"}],
        }))
        .unwrap();
        let read = device.read(&Gateways::default()).unwrap();
        assert_eq!(read.push_tokens[0].kind, TokenKind::Alert);
        assert_eq!(read.push_tokens[0].environment, TokenEnvironment::Auto);
        assert_eq!(read.push_tokens[1].environment, TokenEnvironment::Sandbox);
        assert_eq!(read.time_zone.as_deref(), Some("Europe/Berlin"));
        assert_eq!(read.platform.as_deref(), Some("ios"));
        assert_eq!(read.topics, ["news"]);
        assert_eq!(read.capabilities, ["voip_call_ui", "later_one"]);
        let attributes = read.attributes.as_deref();
        assert_eq!(attributes, Some(r#"{"plan":"gold","trips":3}"#));
    }
}
