//! What the stores say about the preferences of recipients, and what they remember of what a user got.
//! Types only: the rules are the model's.

use carillon_model::UnixMs;
use carillon_model::frequency::FrequencyCap;
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::preferences::Preferences;
use std::sync::Arc;

/// Whose device it is, and what he wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePreferences {
    /// The device.
    pub device: DeviceNo,
    /// Whose it is.
    pub user_id: Option<String>,
    /// The device's own IANA zone.
    pub time_zone: Option<String>,
    /// What the user set; `None`: nothing, or nobody knows whose device it is.
    pub preferences: Option<Preferences>,
}

/// One more notification for a user, to be counted before any push of it is written.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// Whose App.
    pub app: AppNo,
    /// The user.
    pub user_id: String,
    /// Counts once, however many devices he has and however often it is tried.
    pub notification: NotificationNo,
    /// Its category.
    pub category: Option<String>,
    /// The App's caps as they are now.
    pub caps: Arc<[FrequencyCap]>,
}

/// A user's preferences as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPreferences {
    /// What he set.
    pub preferences: Preferences,
    /// When he last did.
    pub updated_at: UnixMs,
}

/// What storing preferences did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreferencesPut {
    /// Whether the user had none before.
    pub created: bool,
    /// Whether they are the first of the App: the directory says so from now on, and whoever keeps it
    /// in memory must read it again.
    pub is_first_of_app: bool,
}
