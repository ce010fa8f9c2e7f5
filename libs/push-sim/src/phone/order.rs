//! What can be asked of the phones: to be made, and to be changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answer::PhoneAnswer;
use super::interruption::all_capabilities;
use crate::apns::push_type::PushTokenKind;
use crate::host::Environment;

/// Which phones to make: `count` alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewPhones {
    /// How many.
    pub count: u32,
    /// Bundle ID of the app on them.
    pub app: String,
    /// The environment the app was built for.
    pub environment: Environment,
    /// Push tokens the app has.
    pub kinds: Vec<PushTokenKind>,
    /// Reachable now.
    pub online: bool,
    /// False: the app was removed; its tokens answer 410.
    pub installed: bool,
    /// With `installed: false`: since when, Unix milliseconds; default now.
    pub gone_at_ms: Option<i64>,
    /// The user lets the app show notifications.
    pub notifications: bool,
    /// The app reports an incoming call for each VoIP push.
    pub reports_calls: bool,
    /// What the app was built with, as it would tell its server: `voip_call_ui`, a screen for incoming calls, without
    /// which a VoIP push kills it; `critical_alerts` and `time_sensitive`, without which such a notification interrupts
    /// no further than any other. Default: all of them. Other names are kept.
    pub capabilities: Vec<String>,
    /// What the app and the phone's owner do when something interrupts, by themselves.
    pub answers: Vec<PhoneAnswer>,
    /// Given push tokens in hexadecimal instead of made ones; with `count` 1 only.
    pub push_tokens: BTreeMap<PushTokenKind, String>,
    /// Put the app on this phone instead of making a new one; with `count` 1 only.
    pub on_phone: Option<u32>,
}

impl Default for NewPhones {
    fn default() -> NewPhones {
        NewPhones {
            count: 1,
            app: String::new(),
            environment: Environment::Production,
            kinds: vec![PushTokenKind::Alert],
            online: true,
            installed: true,
            gone_at_ms: None,
            notifications: true,
            reports_calls: true,
            capabilities: all_capabilities(),
            answers: Vec::new(),
            push_tokens: BTreeMap::new(),
            on_phone: None,
        }
    }
}

/// A phone that was made, with the push tokens its app would report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadePhone {
    /// Number of the phone, from 1.
    pub id: u32,
    /// Push tokens in hexadecimal.
    pub push_tokens: BTreeMap<PushTokenKind, String>,
}

/// A change to phones. Absent fields stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhonePatch {
    /// Goes online (and shows what was stored) or offline.
    pub online: Option<bool>,
    /// Only this app on the phone is meant by the fields below; default all.
    pub app: Option<String>,
    /// Removes the app (its push tokens answer 410), or installs it again with new ones.
    pub installed: Option<bool>,
    /// With `installed: false`: since when, Unix milliseconds; default now.
    pub gone_at_ms: Option<i64>,
    /// The user lets the app show notifications.
    pub notifications: Option<bool>,
    /// The app reports an incoming call for each VoIP push.
    pub reports_calls: Option<bool>,
    /// What the app was built with: an update of it.
    pub capabilities: Option<Vec<String>>,
    /// What the app and the phone's owner do when something interrupts, in place of what was written down before.
    pub answers: Option<Vec<PhoneAnswer>>,
    /// Push tokens answer `ExpiredToken` from now on.
    pub expire_tokens: bool,
    /// The app gets new push tokens; the old ones answer `Unregistered`.
    pub rotate_tokens: bool,
    /// Each running Live Activity gets a new update token; the old one answers `Unregistered`.
    pub rotate_update_tokens: bool,
}
