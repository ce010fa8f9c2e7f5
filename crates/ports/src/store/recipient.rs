//! Whom a target means: how a device is reached, and what a rendered text may ask about it.

use carillon_model::UnixMs;
use carillon_model::environment::TokenEnvironment;
use carillon_model::facts::DeviceFacts;
use carillon_model::id::DeviceNo;
use carillon_model::lane::Gateway;
use carillon_model::push_type::{Reach, TokenKind};

/// A device that a fan-out or a resolved target means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The device.
    pub device: DeviceNo,
    /// By which gateway it is reached: that of the first kind of the reach of which it has a living push
    /// token, else of which it has a retired one, else the reach's first (the dispatcher will say
    /// `suppressed`).
    pub gateway: Gateway,
    /// Environment of that push token; `Auto` also when it has none.
    pub environment: TokenEnvironment,
}

/// A push token as far as choosing among several needs it: kind, environment, and whether it was
/// retired.
pub type TokenChoice = (TokenKind, TokenEnvironment, bool);

impl Recipient {
    /// How a device with these push tokens is reached. See [`Self::gateway`].
    #[must_use]
    pub fn choose(
        device: DeviceNo,
        reach: Reach,
        push_tokens: impl IntoIterator<Item = TokenChoice>,
    ) -> Self {
        let rank = |(kind, _, is_retired): &TokenChoice| {
            (*is_retired, reach.iter().position(|wanted| wanted == *kind))
        };
        let best = push_tokens
            .into_iter()
            .filter(|(kind, _, _)| reach.has(*kind))
            .min_by_key(rank);
        let (kind, environment, _) = best.unwrap_or((reach.first(), TokenEnvironment::Auto, false));
        Self {
            device,
            gateway: kind.gateway(),
            environment,
        }
    }
}

/// What a notification that is rendered for each device may ask about one.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The device.
    pub device: DeviceNo,
    /// Its public id.
    pub id: String,
    /// Whose it is.
    pub user_id: Option<String>,
    /// BCP 47 tag.
    pub locale: Option<String>,
    /// IANA zone.
    pub time_zone: Option<String>,
    /// Version of the app.
    pub app_version: Option<String>,
    /// What it runs on.
    pub platform: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Topics that it is subscribed to.
    pub topics: Vec<String>,
    /// Its attributes: a JSON object, `None` for none.
    pub attributes: Option<String>,
    /// When it was last registered or refreshed.
    pub last_seen_at: UnixMs,
    /// When it was first registered.
    pub created_at: UnixMs,
}

impl Person {
    /// As an expression or a template sees it.
    #[must_use]
    pub fn facts(&self) -> DeviceFacts<'_> {
        DeviceFacts {
            id: Some(&self.id),
            user_id: self.user_id.as_deref(),
            locale: self.locale.as_deref(),
            time_zone: self.time_zone.as_deref(),
            platform: self.platform.as_deref(),
            app_version: self.app_version.as_deref(),
            tags: &self.tags,
            topics: &self.topics,
            attributes: self.attributes.as_deref(),
            last_seen: Some(self.last_seen_at),
            registered: Some(self.created_at),
        }
    }
}
