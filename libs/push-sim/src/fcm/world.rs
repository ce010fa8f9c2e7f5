//! What can be done to Google's side from Rust and through the admin API.

use std::net::SocketAddr;

use serde_json::json;

use super::account::{FreshKey, NewServiceAccount, ServiceAccount};
use super::bearer::Grant;
use super::phones::{FcmPhonePatch, FcmPhoneView, Found, MadeFcmPhone, NewFcmPhones};
use super::project::ProjectSettings;
use crate::phone::Effect;
use crate::world::World;

impl World {
    pub(crate) fn fcm_listens_at(&self, address: SocketAddr) {
        self.google().listens_at(address);
    }

    pub(crate) fn fcm_base_url(&self) -> String {
        self.google().base_url.clone()
    }

    fn count_effects(&self, happened: &[Effect]) {
        self.count(|counters| {
            for effect in happened {
                *counters.effects.entry(*effect).or_default() += 1;
            }
        });
    }

    /// Registers a project of Google's, or changes it. Projects of phones and service accounts are
    /// registered by themselves.
    pub fn set_project(&self, project: &str, settings: ProjectSettings) {
        self.google().projects.entry(project).settings = settings;
    }

    /// Registers a service account. Without a public key it makes one (2048 bits, which takes a
    /// moment) and answers with the key file; the file's `token_uri` is this simulator's.
    ///
    /// # Errors
    /// A sentence that names the field.
    ///
    /// ```
    /// use push_sim::{Config, NewServiceAccount, Simulator};
    /// let simulator = Simulator::start(Config::default())?;
    /// let account = simulator.add_service_account(NewServiceAccount {
    ///     project: "pager-1".into(),
    ///     ..NewServiceAccount::default()
    /// })?;
    /// assert!(account.key_file.is_some_and(|text| text.contains("BEGIN PRIVATE KEY")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_service_account(&self, new: NewServiceAccount) -> Result<ServiceAccount, String> {
        let fresh = match new.public_key_pem {
            Some(_) => None,
            None => Some(FreshKey::generate()?),
        };
        let mut google = self.google();
        let token_uri = format!("{}/token", google.base_url);
        let account = google.accounts.add(new, fresh, &token_uri)?;
        google.projects.entry(&account.project);
        Ok(account)
    }

    /// Makes a service account for a project and answers with its JSON key file.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn service_account_json(&self, project: &str) -> Result<String, String> {
        let new = NewServiceAccount {
            project: project.to_owned(),
            ..NewServiceAccount::default()
        };
        let account = self.add_service_account(new)?;
        account.key_file.ok_or_else(|| "no key was made".into())
    }

    /// What the metadata server answers; `None`: no project is set.
    pub(super) fn give_metadata_token(&self) -> Option<serde_json::Value> {
        let settings = self.shared_settings();
        let project = settings.fcm.metadata_project.as_deref()?;
        let expires_in = settings.fcm.access_token_secs;
        let expires_at_ms = self.clock().now_ms() + expires_in * 1000;
        let mut google = self.google();
        google.projects.entry(project);
        let client_email = google.accounts.of_machine(project);
        let scope = "https://www.googleapis.com/auth/cloud-platform".to_owned();
        let grant = Grant::new(client_email, scope, expires_at_ms);
        let access_token = google.grants.give(grant);
        drop(google);
        self.count(|counters| counters.access_tokens += 1);
        Some(json!({
            "access_token": access_token,
            "expires_in": expires_in,
            "token_type": "Bearer",
        }))
    }

    /// Deletes a service account, or (with `key_id`) one of its keys; false if it was not known.
    /// Access tokens that it has already got stay good, as at Google.
    pub fn remove_service_account(&self, client_email: &str, key_id: Option<&str>) -> bool {
        let accounts = &mut self.google().accounts;
        match key_id {
            Some(key_id) => accounts.remove_key(client_email, key_id),
            None => accounts.remove(client_email),
        }
    }

    /// Makes phones that are reached through Google.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn make_fcm_phones(&self, new: &NewFcmPhones) -> Result<Vec<MadeFcmPhone>, String> {
        let mut google = self.google();
        let made = google.phones.make(new)?;
        google.projects.entry(&new.project);
        for phone in &made {
            for topic in &new.topics {
                google.subscribe(phone.id, topic)?;
            }
        }
        Ok(made)
    }

    /// Changes such a phone; one that can be reached again gets what was kept for it.
    ///
    /// # Errors
    /// When there is no such phone.
    pub fn patch_fcm_phone(&self, id: u32, patch: &FcmPhonePatch) -> Result<FcmPhoneView, String> {
        let now_ms = self.clock().now_ms();
        let mut google = self.google();
        let happened = google.phones.patch(id, patch, now_ms)?;
        let view = google.phones.view(id).ok_or("the phone is gone")?;
        drop(google);
        self.count_effects(&happened);
        Ok(view)
    }

    /// How many such phones there are.
    pub fn fcm_phone_count(&self) -> usize {
        self.google().phones.len()
    }

    /// Such a phone and what it shows.
    pub fn fcm_phone(&self, id: u32) -> Option<FcmPhoneView> {
        self.google().phones.view(id)
    }

    /// Such phones in order, from after `after_id`.
    pub fn fcm_phones(&self, after_id: u32, limit: usize) -> Vec<FcmPhoneView> {
        let google = self.google();
        let last = google.phones.len() as u32;
        (after_id.saturating_add(1)..=last)
            .take(limit)
            .filter_map(|id| google.phones.view(id))
            .collect()
    }

    /// The phone that a registration token or an installation id belongs or belonged to.
    pub fn fcm_phone_of(&self, registration: &str) -> Option<FcmPhoneView> {
        let google = self.google();
        match google.phones.find(registration) {
            Found::Unknown => None,
            Found::Gone { phone } | Found::Phone { phone } => google.phones.view(phone),
        }
    }

    /// Makes a phone follow a topic, as its app would; false if it did already.
    ///
    /// # Errors
    /// Google's word for what is wrong, e.g. `TOO_MANY_TOPICS`.
    pub fn subscribe_fcm_phone(&self, id: u32, topic: &str) -> Result<bool, String> {
        self.google()
            .subscribe(id, topic)
            .map_err(|code| code.to_owned())
    }
}
