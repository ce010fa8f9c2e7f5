//! What can be asked of the phones behind Google: to be made, and to be changed.

use serde::{Deserialize, Serialize};

/// What an app runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// An Android phone.
    #[default]
    Android,
    /// An iPhone that Google reaches through Apple.
    Ios,
    /// A browser that Google reaches by web push.
    Web,
}

/// Which phones to make: `count` alike, one app on each.
///
/// ```
/// let new = push_sim::NewFcmPhones {
///     project: "pager-1".into(),
///     ..push_sim::NewFcmPhones::default()
/// };
/// assert_eq!((new.count, new.online, new.doze), (1, true, false));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewFcmPhones {
    /// How many.
    pub count: u32,
    /// Google's project id that the app is built for.
    pub project: String,
    /// Package name (bundle ID, web app) of the app.
    pub app: String,
    /// What it runs on.
    pub platform: Platform,
    /// Reachable now.
    pub online: bool,
    /// The phone sleeps deeply: messages of normal priority wait. Android only.
    pub doze: bool,
    /// The app is open: notifications are handed to it instead of being shown.
    pub foreground: bool,
    /// False: the app was removed; its registration token answers `UNREGISTERED`.
    pub installed: bool,
    /// The user lets the app show notifications.
    pub notifications: bool,
    /// Topics the app follows.
    pub topics: Vec<String>,
    /// A given registration token instead of a made one; with `count` 1 only.
    pub registration_token: Option<String>,
}

impl Default for NewFcmPhones {
    fn default() -> NewFcmPhones {
        NewFcmPhones {
            count: 1,
            project: String::new(),
            app: "net.example.pager".into(),
            platform: Platform::Android,
            online: true,
            doze: false,
            foreground: false,
            installed: true,
            notifications: true,
            topics: Vec::new(),
            registration_token: None,
        }
    }
}

/// A phone that was made, with what its app would report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFcmPhone {
    /// Number of the phone, from 1.
    pub id: u32,
    /// The registration token: what Google calls `token`.
    pub registration_token: String,
    /// The installation id: what Google calls `fid`.
    pub fid: String,
}

/// A change to phones. Absent fields stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FcmPhonePatch {
    /// Goes online (and gets what was stored) or offline.
    pub online: Option<bool>,
    /// Falls asleep deeply, or wakes (and gets what was held).
    pub doze: Option<bool>,
    /// The app is opened or closed.
    pub foreground: Option<bool>,
    /// The user stops the app by force: it gets nothing until it is opened again.
    pub force_stopped: Option<bool>,
    /// Removes the app (its registration token answers `UNREGISTERED`), or installs it again with
    /// a new one.
    pub installed: Option<bool>,
    /// The user lets the app show notifications.
    pub notifications: Option<bool>,
    /// The registration token has lain idle for too long: it answers `UNREGISTERED`, and the phone
    /// gets a new one when it next comes online.
    pub expire_registration: bool,
    /// The app gets a new registration token; the old one answers `UNREGISTERED`.
    pub rotate_registration: bool,
}
