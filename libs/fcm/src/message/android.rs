//! `android`: how FCM delivers to Android, and what Android shows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::notification::Options;
use crate::ttl::Ttl;

/// How soon FCM delivers to a device that sleeps. Not [`NotificationPriority`].
///
/// Say it always: Google's pages do not agree about the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AndroidPriority {
    /// When the device is awake anyway.
    #[serde(alias = "normal")]
    Normal,
    /// At once. For what the user sees: FCM lowers it for apps that show nothing.
    #[serde(alias = "high")]
    High,
}

/// `android.notification.notification_priority`: how it is shown on Android before 8; since then its channel decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NotificationPriority {
    /// Not said.
    #[serde(rename = "PRIORITY_UNSPECIFIED")]
    Unspecified,
    /// At the bottom, out of the status bar.
    #[serde(rename = "PRIORITY_MIN")]
    Min,
    /// Less than usual.
    #[serde(rename = "PRIORITY_LOW")]
    Low,
    /// As usual.
    #[serde(rename = "PRIORITY_DEFAULT")]
    Default,
    /// More than usual.
    #[serde(rename = "PRIORITY_HIGH")]
    High,
    /// Needs the user at once.
    #[serde(rename = "PRIORITY_MAX")]
    Max,
}

/// `android.notification.visibility`: what the lock screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Visibility {
    /// As [`Private`](Self::Private).
    VisibilityUnspecified,
    /// That there is something.
    Private,
    /// All of it.
    Public,
    /// Nothing.
    Secret,
}

/// `android.notification.proxy`: whether Google's notification delegate may show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Proxy {
    /// Not said.
    ProxyUnspecified,
    /// It may.
    Allow,
    /// It may not.
    Deny,
    /// Only if FCM lowers the priority.
    IfPriorityLowered,
}

/// `android`. What is not set is not written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Android {
    /// Messages with the same key replace one another while the device is away; FCM keeps at most 4 keys for each app
    /// instance. Messages with a notification are collapsible whatever this says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapse_key: Option<String>,
    /// How soon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<AndroidPriority>,
    /// How long it is kept for a device that is away; without it 28 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// Only an app of this package may get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restricted_package_name: Option<String>,
    /// Replaces the message's data wholly.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// What is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification: Option<AndroidNotification>,
    /// The label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fcm_options: Option<Options>,
    /// Also to a device that has started but was not yet unlocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_boot_ok: Option<bool>,
    /// Also over a constrained satellite network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_constrained_ok: Option<bool>,
    /// Also over a restricted satellite network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restricted_satellite_ok: Option<bool>,
}

/// `android.notification`. What is not set is not written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AndroidNotification {
    /// Instead of the message's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Instead of the message's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Name of a drawable in the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// `default`, or a file in the app. Since Android 8 the channel decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// Replaces a notification with the same tag that is being shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Name of the intent that a tap starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_action: Option<String>,
    /// Name of a text in the app, for the title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title_loc_key: Option<String>,
    /// What is put into it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub title_loc_args: Vec<String>,
    /// Name of a text in the app, for the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_loc_key: Option<String>,
    /// What is put into it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub body_loc_args: Vec<String>,
    /// A channel that the app has made; else the app's default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<String>,
    /// Read out by accessibility services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticker: Option<String>,
    /// Stays when tapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<bool>,
    /// When what it is about happened: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_time: Option<String>,
    /// Not on the user's other devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_only: Option<bool>,
    /// How it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_priority: Option<NotificationPriority>,
    /// Android's own sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_sound: Option<bool>,
    /// Android's own vibration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_vibrate_timings: Option<bool>,
    /// Android's own light.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_light_settings: Option<bool>,
    /// Off, on, off, on, …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vibrate_timings: Vec<Ttl>,
    /// What the lock screen shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// The number on the app's icon; 0 or nothing adds one to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_count: Option<u32>,
    /// The device's light; wins over [`default_light_settings`](Self::default_light_settings).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub light_settings: Option<LightSettings>,
    /// Instead of the message's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Whether Google's delegate may show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
}

/// `android.notification.light_settings`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LightSettings {
    /// The colour.
    pub color: LightColour,
    /// How long it is on.
    pub light_on_duration: Ttl,
    /// How long it is off.
    pub light_off_duration: Ttl,
}

/// A colour, each part from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LightColour {
    /// Red.
    pub red: f64,
    /// Green.
    pub green: f64,
    /// Blue.
    pub blue: f64,
    /// How much it covers.
    pub alpha: f64,
}
