//! A device as callers write it, and the rules it must keep. The same for a single registration and
//! for a row of an import.

use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::lane::Gateway;
use carillon_model::problem::FieldProblem;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::TokenKind;
use carillon_ports::gateway::Gateways;
use serde::Deserialize;
use utoipa::ToSchema;

/// Longest id of a device.
pub(crate) const MAX_ID: usize = 128;
const MAX_TAGS: usize = 100;

/// A device to register. It replaces what was registered under its id before, except that push
/// tokens of kinds it does not name stay.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterDevice {
    /// Its id, only where the address does not have it: 1 to 128 characters of
    /// `A-Z a-z 0-9 . _ : @ -`. Without one Carillon makes it.
    pub(crate) id: Option<String>,
    /// The person, in your words: 1 to 128 bytes.
    pub(crate) user_id: Option<String>,
    /// BCP 47 tag.
    #[schema(example = "ko-KR")]
    pub(crate) locale: Option<String>,
    /// IANA zone.
    #[schema(example = "Asia/Seoul")]
    pub(crate) time_zone: Option<String>,
    /// Version of the app: 1 to 64 bytes.
    pub(crate) app_version: Option<String>,
    /// At most 100 tags of 1 to 64 bytes.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// At most one of each kind.
    #[serde(default)]
    pub(crate) push_tokens: Vec<RegisterPushToken>,
}

/// A push token to register.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterPushToken {
    /// What kind of push the app got it for; default `alert`.
    #[serde(default)]
    #[schema(value_type = String, example = "alert")]
    pub(crate) kind: TokenKind,
    /// The token as Apple gave it to the app, hex-encoded.
    #[schema(example = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0")]
    pub(crate) token: String,
    /// `production`, `sandbox` or `auto` (default): Carillon finds out.
    #[serde(default = "auto")]
    #[schema(value_type = String, example = "auto")]
    pub(crate) environment: TokenEnvironment,
}

fn auto() -> TokenEnvironment {
    TokenEnvironment::Auto
}

impl RegisterDevice {
    /// Checks it; its push tokens by what their gateways say of them.
    pub(crate) fn read(self, gateways: &Gateways) -> Result<DeviceRegistration, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        if let Some(id) = &self.id {
            problems.extend(crate::params::name_problem("/id", "device.id", id, MAX_ID));
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
        let push_tokens = read_push_tokens(self.push_tokens, gateways, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(DeviceRegistration {
            id: self.id,
            user_id: self.user_id,
            locale: self.locale,
            time_zone: self.time_zone,
            app_version: self.app_version,
            platform: None,
            tags: self.tags,
            topics: Vec::new(),
            attributes: None,
            push_tokens,
        })
    }
}

fn read_push_tokens(
    written: Vec<RegisterPushToken>,
    gateways: &Gateways,
    problems: &mut Vec<FieldProblem>,
) -> Vec<PushTokenRegistration> {
    let mut push_tokens: Vec<PushTokenRegistration> = Vec::with_capacity(written.len());
    for (at, token) in written.into_iter().enumerate() {
        if push_tokens.iter().any(|other| other.kind == token.kind) {
            problems.push(FieldProblem::new(
                format!("/push_tokens/{at}/kind"),
                "device.push_tokens",
                format!(
                    "expected at most one push token of kind {:?}",
                    token.kind.as_str()
                ),
            ));
        }
        let which = token.kind.gateway();
        let bytes = match (which, gateways.get(which)) {
            (Gateway::Apns, _) => PushTokenBytes::from_hex(&token.token),
            (_, Some(gateway)) => gateway.read_push_token(&token.token),
            (_, None) => Err(format!(
                "this server was started without the gateway {}",
                which.as_str()
            )),
        };
        let bytes = bytes.unwrap_or_else(|sentence| {
            problems.push(FieldProblem::new(
                format!("/push_tokens/{at}/token"),
                "device.push_token",
                sentence,
            ));
            PushTokenBytes(bytes::Bytes::new())
        });
        push_tokens.push(PushTokenRegistration {
            kind: token.kind,
            bytes,
            environment: if which.has_environments() {
                token.environment
            } else {
                TokenEnvironment::Production
            },
        });
    }
    push_tokens
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

    #[test]
    fn each_rule_has_its_pointer_and_code() {
        let long = "x".repeat(129);
        let tags = vec!["t"; 101];
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
            (
                serde_json::json!({"push_tokens": [{"token": "zz"}]}),
                "/push_tokens/0/token",
                "device.push_token",
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
            "app_version": "1.2", "tags": ["beta"],
            "push_tokens": [{"token": "00AA"}, {"kind": "voip", "token": "bb", "environment": "sandbox"}],
        }))
        .unwrap();
        let read = device.read(&Gateways::default()).unwrap();
        assert_eq!(read.push_tokens[0].kind, TokenKind::Alert);
        assert_eq!(read.push_tokens[0].environment, TokenEnvironment::Auto);
        assert_eq!(read.push_tokens[1].environment, TokenEnvironment::Sandbox);
        assert_eq!(read.time_zone.as_deref(), Some("Europe/Berlin"));
    }
}
