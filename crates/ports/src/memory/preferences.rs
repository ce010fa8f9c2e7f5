//! Preferences, frequency caps and badge counters of the fake.

use super::state::{Owner, Send, State};
use crate::preferences::{DevicePreferences, PreferencesPut, Reservation, StoredPreferences};
use crate::store::NewBatch;
use carillon_model::UnixMs;
use carillon_model::badges::BatchBadges;
use carillon_model::body::BadgeChange;
use carillon_model::frequency::{Counted, admits, keep_ms};
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::preferences::Preferences;

impl State {
    pub(super) fn put_preferences(
        &mut self,
        app: AppNo,
        user_id: String,
        preferences: Preferences,
        now: UnixMs,
    ) -> PreferencesPut {
        let stored = StoredPreferences {
            preferences,
            updated_at: now,
        };
        let is_first_of_app = self.preferring.insert(app);
        self.instances.directory += i64::from(is_first_of_app);
        PreferencesPut {
            created: self.preferences.insert((app, user_id), stored).is_none(),
            is_first_of_app,
        }
    }

    pub(super) fn device_preferences(&self, no: DeviceNo) -> Option<DevicePreferences> {
        let row = self.devices.get(&no)?;
        let user_id = row.registration.user_id.clone();
        let stored = user_id
            .clone()
            .and_then(|user_id| self.preferences.get(&(row.app, user_id)));
        Some(DevicePreferences {
            device: no,
            time_zone: row.registration.time_zone.clone(),
            preferences: stored.map(|stored| stored.preferences.clone()),
            user_id,
        })
    }

    pub(super) fn reserve(&mut self, wanted: Reservation, now: UnixMs) -> bool {
        let category = wanted.category.as_deref();
        let key = (wanted.app, wanted.user_id.clone(), wanted.notification);
        if self.sends.contains_key(&key) {
            return true;
        }
        let Some(keep) = keep_ms(&wanted.caps, category) else {
            return true;
        };
        let of_user = self
            .sends
            .iter()
            .filter(|((app, user, _), _)| *app == wanted.app && *user == wanted.user_id)
            .filter(|(_, send)| send.keep_until > now);
        let before: Vec<Counted> = of_user.map(|(_, send)| send.counted.clone()).collect();
        let may = admits(&wanted.caps, category, &before, now);
        if may {
            let counted = Counted {
                at: now,
                category: wanted.category,
            };
            let keep_until = now.saturating_add(keep);
            self.sends.insert(
                key,
                Send {
                    counted,
                    keep_until,
                },
            );
        }
        may
    }

    /// Forgets everything of a user that hangs on no device.
    pub(super) fn erase_wishes(&mut self, app: AppNo, user_id: &str) {
        let owner = Owner::User(app, user_id.to_owned());
        self.preferences.remove(&(app, user_id.to_owned()));
        self.badges.remove(&owner);
        self.counted.retain(|(_, of), _| *of != owner);
        self.sends
            .retain(|(of, user, _), _| *of != app || user != user_id);
    }

    // --- badge counters ---

    /// Changes the counters of a new batch's recipients, each once for a notification.
    pub(super) fn count_badges(
        &mut self,
        no: NotificationNo,
        app: AppNo,
        change: BadgeChange,
        batch: &NewBatch,
    ) {
        let devices = batch.devices.as_slice().iter();
        let badges = devices
            .map(|device| self.count_badge(no, app, change, *device))
            .collect();
        self.batch_badges.insert(batch.no, BatchBadges::new(badges));
    }

    fn count_badge(
        &mut self,
        no: NotificationNo,
        app: AppNo,
        change: BadgeChange,
        device: DeviceNo,
    ) -> u32 {
        let Some(row) = self.devices.get(&device) else {
            return change.apply(0);
        };
        let owner = match row.registration.user_id.clone() {
            Some(user) => Owner::User(app, user),
            None => Owner::Device(device),
        };
        if let Some(badge) = self.counted.get(&(no, owner.clone())) {
            return *badge;
        }
        let badge = self.badges.entry(owner.clone()).or_default();
        *badge = change.apply(*badge);
        self.counted.insert((no, owner), *badge);
        *badge
    }
}
