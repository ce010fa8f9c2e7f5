//! What can be asked of the browsers: to be made, and to be changed.

use serde::{Deserialize, Serialize};

use super::service::WebPushService;

/// Which browsers to make: `count` alike, each with a subscription of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewBrowsers {
    /// How many.
    pub count: u32,
    /// Whose push service they use.
    pub service: WebPushService,
    /// The VAPID public key their subscription is bound to, in base64url; absent: none.
    pub application_server_key: Option<String>,
    /// The site promised that every push shows something.
    pub user_visible_only: bool,
    /// They read Declarative Web Push themselves; absent: Apple's do, the others do not.
    pub declarative: Option<bool>,
    /// Reachable now.
    pub online: bool,
    /// When the subscription ends by itself, Unix milliseconds.
    pub expiration_time: Option<i64>,
    /// A given private key (32 bytes in base64url) instead of a made one; with `auth`, and with
    /// `count` 1 only.
    pub private_key: Option<String>,
    /// A given authentication secret (16 bytes in base64url).
    pub auth: Option<String>,
}

impl Default for NewBrowsers {
    fn default() -> NewBrowsers {
        NewBrowsers {
            count: 1,
            service: WebPushService::default(),
            application_server_key: None,
            user_visible_only: true,
            declarative: None,
            online: true,
            expiration_time: None,
            private_key: None,
            auth: None,
        }
    }
}

/// A subscription in the form that a browser's `PushSubscription.toJSON()` has: what a site hands
/// to its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Where pushes go.
    pub endpoint: String,
    /// When it ends by itself, Unix milliseconds.
    #[serde(rename = "expirationTime")]
    pub expiration_time: Option<i64>,
    /// The public half.
    pub keys: SubscriptionSecrets,
}

/// The keys of a subscription that its site knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionSecrets {
    /// Public key on P-256, uncompressed, in base64url.
    pub p256dh: String,
    /// Authentication secret, 16 bytes in base64url.
    pub auth: String,
}

/// A browser that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeBrowser {
    /// Number of the browser, from 1.
    pub id: u32,
    /// Its subscription.
    pub subscription: Subscription,
}

/// A change to a browser. Absent fields stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrowserPatch {
    /// Goes online (and gets what was kept) or offline.
    pub online: Option<bool>,
    /// `false` ends the subscription (its endpoint answers 410); `true` makes a new one, with
    /// another endpoint and other keys.
    pub subscribed: Option<bool>,
    /// The service knows nothing of the ended or current endpoint any more: it answers 404.
    pub forget: bool,
    /// When the subscription ends by itself, Unix milliseconds.
    pub expiration_time: Option<i64>,
}
