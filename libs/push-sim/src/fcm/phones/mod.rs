//! The phones behind Google, and where every registration token leads.
//!
//! Which message is taken at all is judged in [`super::send`]; here is what happens afterwards.

mod content;
mod installation;
mod order;
mod store;
mod view;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::message::Message;
use super::quota::Bucket;
use super::rules::is_topic;
use crate::phone::Effect;
use content::{Content, Push};
use installation::Installation;
pub use order::{FcmPhonePatch, MadeFcmPhone, NewFcmPhones, Platform};
use store::Store;
pub use view::{FcmPhoneView, FcmShownView, StoredView};

/// What a registration token or installation id leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Google has never given it.
    Unknown,
    /// The app is gone, or has another one.
    Gone {
        phone: u32,
    },
    Phone {
        phone: u32,
    },
}

/// All phones.
#[derive(Debug)]
pub(crate) struct FcmPhones {
    phones: Vec<Installation>,
    /// By registration token and by installation id; old ones stay.
    registrations: HashMap<Arc<str>, u32>,
    projects: HashMap<String, Arc<str>>,
    seed: u64,
    made: u64,
    max_shown: usize,
}

/// Contents made once for each platform and app of a fan-out.
pub(super) struct Fanout<'a> {
    message: &'a Message,
    record: u64,
    name: Arc<str>,
    at_ms: i64,
    made: Vec<(Platform, Arc<str>, Arc<Content>)>,
}

impl Fanout<'_> {
    pub(super) fn new(message: &Message, record: u64, name: String, at_ms: i64) -> Fanout<'_> {
        Fanout {
            message,
            record,
            name: name.into(),
            at_ms,
            made: Vec::new(),
        }
    }

    fn push(&mut self, platform: Platform, app: &Arc<str>) -> Push {
        let known = self
            .made
            .iter()
            .find(|(known, of, _)| *known == platform && of == app);
        let content = match known {
            Some((_, _, content)) => Arc::clone(content),
            None => {
                let content = Arc::new(Content::of(self.message, platform, app));
                self.made
                    .push((platform, Arc::clone(app), Arc::clone(&content)));
                content
            }
        };
        Push {
            record: self.record,
            name: Arc::clone(&self.name),
            at_ms: self.at_ms,
            content,
        }
    }
}

impl FcmPhones {
    pub(crate) fn new(seed: u64, max_shown: usize) -> FcmPhones {
        FcmPhones {
            phones: Vec::new(),
            registrations: HashMap::new(),
            projects: HashMap::new(),
            seed,
            made: 0,
            max_shown,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.phones.clear();
        self.registrations.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.phones.len()
    }

    fn at(&self, id: u32) -> Option<&Installation> {
        self.phones.get((id as usize).checked_sub(1)?)
    }

    fn at_mut(&mut self, id: u32) -> Option<&mut Installation> {
        self.phones.get_mut((id as usize).checked_sub(1)?)
    }

    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.projects.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = text.into();
        self.projects.insert(text.to_owned(), Arc::clone(&shared));
        shared
    }

    /// Texts that look like a registration token and its installation id: the same for the same
    /// seed and order.
    fn make_registration(&mut self, fid: Option<&str>) -> (Arc<str>, Arc<str>) {
        self.made += 1;
        let mut bytes = Vec::with_capacity(160);
        for part in 0..4_u64 {
            let mut input = [0; 24];
            input[..8].copy_from_slice(&self.seed.to_be_bytes());
            input[8..16].copy_from_slice(&self.made.to_be_bytes());
            input[16..].copy_from_slice(&(part + 0x66_63_6d_00).to_be_bytes());
            bytes.extend_from_slice(digest(&SHA256, &input).as_ref());
        }
        let fid = match fid {
            Some(fid) => fid.to_owned(),
            None => URL_SAFE_NO_PAD.encode(&bytes[..16]),
        };
        let rest = URL_SAFE_NO_PAD.encode(&bytes[16..116]);
        (format!("{fid}:APA91b{rest}").into(), fid.into())
    }

    pub(super) fn make(&mut self, new: &NewFcmPhones) -> Result<Vec<MadeFcmPhone>, String> {
        if new.project.is_empty() {
            return Err("project: the id of Google's project is missing".into());
        }
        if new.app.is_empty() {
            return Err("app: the package name of the app is missing".into());
        }
        if self.phones.len() + new.count as usize > u32::MAX as usize {
            return Err("count: too many phones".into());
        }
        if let Some(topic) = new.topics.iter().find(|topic| !is_topic(topic)) {
            return Err(format!("topics: {topic:?} is not a topic name"));
        }
        if let Some(given) = &new.registration_token {
            if new.count != 1 {
                return Err("count: must be 1 together with registration_token".into());
            }
            if given.is_empty() || self.registrations.contains_key(given.as_str()) {
                return Err("registration_token: empty, or a phone has it already".into());
            }
        }
        let (project, app) = (self.shared(&new.project), self.shared(&new.app));
        let mut made = Vec::with_capacity(new.count as usize);
        for _ in 0..new.count {
            let (mut registration_token, fid) = self.make_registration(None);
            if let Some(given) = &new.registration_token {
                registration_token = given.as_str().into();
            }
            self.phones.push(Installation {
                project: Arc::clone(&project),
                app: Arc::clone(&app),
                platform: new.platform,
                registration_token: Arc::clone(&registration_token),
                fid: Arc::clone(&fid),
                online: new.online,
                doze: new.doze,
                foreground: new.foreground,
                force_stopped: false,
                installed: new.installed,
                expired: false,
                notifications: new.notifications,
                topics: BTreeSet::new(),
                store: Store::default(),
                shown: VecDeque::new(),
                effects: Vec::new(),
                deleted_messages: 0,
                quota: Bucket::default(),
            });
            let id = self.phones.len() as u32;
            self.registrations
                .insert(Arc::clone(&registration_token), id);
            self.registrations.insert(Arc::clone(&fid), id);
            made.push(MadeFcmPhone {
                id,
                registration_token: registration_token.to_string(),
                fid: fid.to_string(),
            });
        }
        Ok(made)
    }

    /// Changes one phone; answers with what happened because of it.
    pub(super) fn patch(
        &mut self,
        id: u32,
        patch: &FcmPhonePatch,
        now_ms: i64,
    ) -> Result<Vec<Effect>, String> {
        let max_shown = self.max_shown;
        let phone = self.at_mut(id).ok_or(format!("there is no phone {id}"))?;
        phone.foreground = patch.foreground.unwrap_or(phone.foreground);
        phone.notifications = patch.notifications.unwrap_or(phone.notifications);
        phone.force_stopped = patch.force_stopped.unwrap_or(phone.force_stopped);
        if patch.foreground == Some(true) {
            phone.force_stopped = false;
        }
        phone.online = patch.online.unwrap_or(phone.online);
        phone.doze = patch.doze.unwrap_or(phone.doze);
        let installed = patch.installed.unwrap_or(phone.installed);
        let was_installed = std::mem::replace(&mut phone.installed, installed);
        if was_installed && !installed {
            phone.store.clear();
        }
        if patch.expire_registration {
            phone.expired = true;
            phone.store.clear();
        }
        let revives = phone.expired && patch.online == Some(true);
        let is_new = (!was_installed && installed) || patch.rotate_registration || revives;
        if is_new && installed {
            phone.expired = false;
            // A rotation stays with the installation; a new installation is a new one.
            let fid = was_installed.then(|| phone.fid.to_string());
            let (registration_token, fid) = self.make_registration(fid.as_deref());
            self.registrations
                .insert(Arc::clone(&registration_token), id);
            self.registrations.insert(Arc::clone(&fid), id);
            if let Some(phone) = self.at_mut(id) {
                phone.registration_token = registration_token;
                phone.fid = fid;
            }
        }
        let mut happened = Vec::new();
        if let Some(phone) = self.at_mut(id) {
            phone.catch_up(now_ms, max_shown, &mut happened);
        }
        Ok(happened)
    }

    pub(super) fn view(&self, id: u32) -> Option<FcmPhoneView> {
        Some(self.at(id)?.view(id))
    }

    /// Looks a registration token or installation id up.
    pub(super) fn find(&self, registration: &str) -> Found {
        let Some(&phone) = self.registrations.get(registration) else {
            return Found::Unknown;
        };
        let is_current = self.at(phone).is_some_and(|one| {
            one.installed
                && !one.expired
                && (*one.registration_token == *registration || *one.fid == *registration)
        });
        match is_current {
            true => Found::Phone { phone },
            false => Found::Gone { phone },
        }
    }

    pub(super) fn project(&self, id: u32) -> &str {
        self.at(id).map_or("", |phone| &phone.project)
    }

    pub(super) fn platform(&self, id: u32) -> Platform {
        self.at(id)
            .map_or(Platform::Android, |phone| phone.platform)
    }

    pub(super) fn app(&self, id: u32) -> &str {
        self.at(id).map_or("", |phone| &phone.app)
    }

    /// Takes one send out of the phone's own quota.
    pub(super) fn take_quota(&mut self, id: u32, per_minute: u32, now_ms: i64) -> bool {
        self.at_mut(id)
            .is_none_or(|phone| phone.quota.take(per_minute, now_ms))
    }

    /// Takes a message to a phone.
    pub(super) fn deliver(
        &mut self,
        id: u32,
        fanout: &mut Fanout<'_>,
        now_ms: i64,
        happened: &mut Vec<Effect>,
    ) -> Option<Effect> {
        let max_shown = self.max_shown;
        let phone = self.at_mut(id)?;
        if !phone.installed || phone.expired {
            return None;
        }
        let push = fanout.push(phone.platform, &phone.app);
        Some(phone.deliver(push, now_ms, max_shown, happened))
    }

    /// Topics of a phone.
    pub(super) fn topics(&self, id: u32) -> Option<&BTreeSet<String>> {
        Some(&self.at(id)?.topics)
    }

    pub(super) fn topics_mut(&mut self, id: u32) -> Option<&mut BTreeSet<String>> {
        Some(&mut self.at_mut(id)?.topics)
    }

    /// Phones of a project whose topics fulfil something.
    pub(super) fn of_project(
        &self,
        project: &str,
        holds: impl Fn(&BTreeSet<String>) -> bool,
    ) -> Vec<u32> {
        (1..)
            .zip(&self.phones)
            .filter(|(_, phone)| *phone.project == *project && holds(&phone.topics))
            .map(|(id, _)| id)
            .collect()
    }
}
