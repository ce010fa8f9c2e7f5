//! Devices as callers register them.

use crate::environment::TokenEnvironment;
use crate::push_token::PushTokenBytes;
use crate::push_type::TokenKind;

/// A device to be stored: all it says replaces what was stored under this id before, except that
/// push tokens of kinds it does not name stay.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DeviceRegistration {
    /// The caller's id, unique in the App: 1 to 128 visible ASCII characters. `None`: Carillon
    /// makes one (`dev_…`).
    pub id: Option<String>,
    /// The person, in the caller's words: 1 to 128 bytes.
    pub user_id: Option<String>,
    /// BCP 47 tag, e.g. `ko-KR`.
    pub locale: Option<String>,
    /// IANA zone, e.g. `Asia/Seoul`.
    pub time_zone: Option<String>,
    /// Version of the app.
    pub app_version: Option<String>,
    /// What it runs on: 1 to 32 characters, e.g. `ios`, `android`, `web`.
    pub platform: Option<String>,
    /// Tags, each 1 to 64 bytes, at most 100.
    pub tags: Vec<String>,
    /// Topics that it is subscribed to, each a plain name of at most 64 characters, at most 100.
    pub topics: Vec<String>,
    /// What else the caller knows of it: a JSON object of at most 4,096 bytes with strings, numbers,
    /// booleans and lists of strings.
    pub attributes: Option<String>,
    /// Its push tokens, at most one of each kind.
    pub push_tokens: Vec<PushTokenRegistration>,
    /// Addresses that it had before the ones above: by them it is found when it has no id, and wherever
    /// they still stand they go. Never stored.
    pub replaces: Vec<ReplacedPushToken>,
}

/// An address that another one of the same kind has replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplacedPushToken {
    /// Kind.
    pub kind: TokenKind,
    /// The former address.
    pub bytes: PushTokenBytes,
}

/// One push token of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushTokenRegistration {
    /// Kind.
    pub kind: TokenKind,
    /// Address.
    pub bytes: PushTokenBytes,
    /// Environment as declared; `Auto` when the app does not know. An environment that Carillon
    /// found out for the same address is kept when `Auto` is declared again.
    pub environment: TokenEnvironment,
}

/// Whether `id` may name a device, an App or a credential: 1 to `max` characters of
/// `A-Z a-z 0-9 . _ : @ -`, so that it needs no escaping in a path, a log or a shell.
#[must_use]
pub fn is_plain_name(id: &str, max: usize) -> bool {
    !id.is_empty()
        && id.len() <= max
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._:@-".contains(&b))
}
