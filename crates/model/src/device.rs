//! Devices as callers register them.

use crate::UnixMs;
use crate::environment::TokenEnvironment;
use crate::push_token::{PushToken, PushTokenBytes};
use crate::push_type::TokenKind;

/// Most capabilities of a device.
pub const MAX_CAPABILITIES: usize = 20;

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
    /// What its app has declared that it can do, in plain names, at most [`MAX_CAPABILITIES`]; Carillon acts upon those that
    /// it knows ([`crate::monitor::CALL_SCREEN`]) and keeps the others.
    pub capabilities: Vec<String>,
    /// Its push tokens, at most one of each kind.
    pub push_tokens: Vec<PushTokenRegistration>,
    /// Addresses that it had before the ones above: by them it is found when it has no id, and wherever
    /// they still stand they go. Never stored.
    pub replaces: Vec<ReplacedPushToken>,
}

impl DeviceRegistration {
    /// Whether its app has declared this.
    #[must_use]
    pub fn has_capability(&self, name: &str) -> bool {
        self.capabilities.iter().any(|known| known == name)
    }
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
    /// When the app handed it over.
    pub registered_at: RegisteredAt,
}

/// When an app last handed a push token over, as a registration says it. It decides whether an answer that names
/// an instant since when the push token is dead is about this one: [`PushToken::dies_by`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegisteredAt {
    /// Just now.
    #[default]
    Now,
    /// Then.
    At(UnixMs),
    /// Nobody knows, as of a push token that comes from another system.
    Unknown,
}

impl RegisteredAt {
    /// What is known after a registration at `now`, where `known` was known of the same address: the latest of
    /// both, and nothing that is still to come.
    #[must_use]
    pub fn after(self, known: Option<UnixMs>, now: UnixMs) -> Option<UnixMs> {
        match self {
            Self::Now => Some(now),
            Self::At(at) => Some(at.min(now)).max(known),
            Self::Unknown => known,
        }
    }

    /// Whether a push token that a gateway declared dead at `retired_at` lives again: only where the app handed it
    /// over since then.
    #[must_use]
    pub fn revives(self, retired_at: UnixMs) -> bool {
        match self {
            Self::Now => true,
            Self::At(at) => at > retired_at,
            Self::Unknown => false,
        }
    }
}

impl PushTokenRegistration {
    /// One that the app handed over just now.
    #[must_use]
    pub fn new(kind: TokenKind, bytes: PushTokenBytes, environment: TokenEnvironment) -> Self {
        Self {
            kind,
            bytes,
            environment,
            registered_at: RegisteredAt::Now,
        }
    }
}

/// What says the same again.
impl From<&PushToken> for PushTokenRegistration {
    fn from(stored: &PushToken) -> Self {
        Self {
            kind: stored.kind,
            bytes: stored.bytes.clone(),
            environment: stored.environment,
            registered_at: stored
                .registered_at
                .map_or(RegisteredAt::Unknown, RegisteredAt::At),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_registration_only_moves_on() {
        let (earlier, now) = (500, 1_000);
        for (said, known, after) in [
            (RegisteredAt::Now, None, Some(now)),
            (RegisteredAt::Now, Some(earlier), Some(now)),
            (RegisteredAt::At(700), None, Some(700)),
            (RegisteredAt::At(700), Some(earlier), Some(700)),
            (RegisteredAt::At(300), Some(earlier), Some(earlier)),
            (RegisteredAt::At(2_000), None, Some(now)),
            (RegisteredAt::Unknown, None, None),
            (RegisteredAt::Unknown, Some(earlier), Some(earlier)),
        ] {
            assert_eq!(said.after(known, now), after, "{said:?} {known:?}");
        }
    }

    #[test]
    fn only_what_is_newer_than_its_end_revives_a_push_token() {
        for (said, revives) in [
            (RegisteredAt::Now, true),
            (RegisteredAt::At(501), true),
            (RegisteredAt::At(500), false),
            (RegisteredAt::Unknown, false),
        ] {
            assert_eq!(said.revives(500), revives, "{said:?}");
        }
    }
}
