//! All browsers, and where every endpoint leads.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use uuid::Uuid;

use super::browser::{Beginning, Bounds, Browser};
use super::content::{SubscriptionKeys, Unreadable};
use super::order::{BrowserPatch, MadeBrowser, NewBrowsers};
use super::service::WebPushService;
use super::settings::WebPushSettings;
use super::vapid::{self, Distrust, Signed};
use super::view::BrowserView;
use crate::apns::request::encode_hex;
use crate::phone::Effect;

/// Most browsers that one request makes.
const MAX_COUNT: u32 = 1_000_000;
/// Authorizations whose signature need not be verified again.
const MAX_VERIFIED: usize = 1024;

/// Where a subscription id leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// To the subscription that the browser has.
    Current(u32),
    /// To one that it had.
    Former,
    /// To one that the service no longer knows.
    Forgotten(u32),
}

/// All browsers.
#[derive(Debug)]
pub(crate) struct Browsers {
    browsers: Vec<Browser>,
    targets: HashMap<String, Target>,
    /// Of subscriptions that were replaced.
    former_keys: HashMap<String, SubscriptionKeys>,
    verified: HashMap<Box<str>, Signed>,
    origin: String,
    seed: u64,
    made: u64,
    max_shown: usize,
}

impl Browsers {
    pub(crate) fn new(seed: u64, max_shown: usize) -> Browsers {
        Browsers {
            browsers: Vec::new(),
            targets: HashMap::new(),
            former_keys: HashMap::new(),
            verified: HashMap::new(),
            origin: "https://localhost".into(),
            seed,
            made: 0,
            max_shown,
        }
    }

    /// Scheme, host and port of the endpoints that are made.
    pub(crate) fn set_origin(&mut self, origin: String) {
        self.origin = origin;
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn clear(&mut self) {
        self.browsers.clear();
        self.targets.clear();
        self.former_keys.clear();
        self.verified.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.browsers.len()
    }

    pub(crate) fn bounds(&self, settings: &WebPushSettings, now_ms: i64) -> Bounds {
        Bounds {
            now_ms,
            max_shown: self.max_shown,
            max_waiting: settings.max_waiting,
            silent_pushes_allowed: settings.silent_pushes_allowed,
        }
    }

    /// 64 digits: the same for the same seed and order.
    fn make_id(&mut self) -> String {
        self.made += 1;
        let mut input = *b"webpush\0................";
        input[8..16].copy_from_slice(&self.seed.to_be_bytes());
        input[16..].copy_from_slice(&self.made.to_be_bytes());
        encode_hex(digest(&SHA256, &input).as_ref())
    }

    /// Makes browsers.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub(crate) fn make(&mut self, new: &NewBrowsers) -> Result<Vec<MadeBrowser>, String> {
        if !(1..=MAX_COUNT).contains(&new.count) {
            return Err(format!(
                "count: expected 1 to {MAX_COUNT}, found {}",
                new.count
            ));
        }
        let application_server_key = match new.application_server_key.as_deref() {
            None => None,
            Some(text) => Some(vapid::read_public_key(text).ok_or(
                "application_server_key: expected an uncompressed P-256 point, 65 bytes in base64url",
            )?),
        };
        let given = match (new.private_key.as_deref(), new.auth.as_deref()) {
            (None, None) => None,
            (Some(_), Some(_)) if new.count != 1 => {
                return Err("private_key, auth: given keys are for one browser; count: 1".into());
            }
            (Some(private_key), Some(auth)) => Some(SubscriptionKeys::read(private_key, auth)?),
            _ => return Err("private_key, auth: expected both or neither".into()),
        };
        let mut all_keys = vec![];
        match given {
            Some(keys) => all_keys.push(keys),
            None => {
                for _ in 0..new.count {
                    all_keys.push(SubscriptionKeys::generate()?);
                }
            }
        }
        let mut made = Vec::with_capacity(all_keys.len());
        for keys in all_keys {
            let id = self.browsers.len() as u32 + 1;
            let subscription_id = self.make_id();
            self.targets
                .insert(subscription_id.clone(), Target::Current(id));
            let browser = Browser::new(Beginning {
                id,
                service: new.service,
                subscription_id,
                keys,
                expiration_time: new.expiration_time,
                application_server_key,
                user_visible_only: new.user_visible_only,
                knows_declarative: new
                    .declarative
                    .unwrap_or(new.service == WebPushService::Apple),
                online: new.online,
            });
            made.push(MadeBrowser {
                id,
                subscription: browser.subscription(&self.origin),
            });
            self.browsers.push(browser);
        }
        Ok(made)
    }

    fn get_mut(&mut self, id: u32) -> Option<&mut Browser> {
        self.browsers.get_mut((id as usize).checked_sub(1)?)
    }

    /// Changes a browser; what its notifications then did.
    ///
    /// # Errors
    /// When there is no such browser.
    pub(crate) fn patch(
        &mut self,
        id: u32,
        patch: &BrowserPatch,
        bounds: Bounds,
    ) -> Result<Vec<Effect>, String> {
        let fresh = match patch.subscribed {
            Some(true) => Some((self.make_id(), SubscriptionKeys::generate()?)),
            _ => None,
        };
        let browser = self
            .get_mut(id)
            .ok_or_else(|| format!("there is no browser {id}"))?;
        let mut effects = Vec::new();
        let former = browser.subscription_id.clone();
        if patch.subscribed.is_some() || patch.forget {
            effects.extend(std::iter::repeat_n(Effect::Missed, browser.unsubscribe()));
        }
        if let Some(end) = patch.expiration_time {
            browser.expiration_time = Some(end);
        }
        let (mut current, mut former_keys) = (None, None);
        if let Some((subscription_id, keys)) = fresh {
            browser.subscription_id = subscription_id.clone();
            former_keys = Some(std::mem::replace(&mut browser.keys, keys));
            browser.is_subscribed = true;
            browser.expiration_time = patch.expiration_time;
            current = Some(subscription_id);
        }
        match patch.online {
            Some(true) => effects.extend(browser.come_online(bounds)),
            Some(false) => browser.online = false,
            None => {}
        }
        if patch.forget {
            self.targets.insert(former.clone(), Target::Forgotten(id));
        } else if current.is_some() {
            self.targets.insert(former.clone(), Target::Former);
        }
        if let Some(keys) = former_keys {
            self.former_keys.insert(former, keys);
        }
        if let Some(current) = current {
            self.targets.insert(current, Target::Current(id));
        }
        Ok(effects)
    }

    /// The browser a subscription id leads to. `Err(true)`: it led to one before.
    pub(crate) fn find(
        &mut self,
        service: WebPushService,
        subscription_id: &str,
        now_ms: i64,
    ) -> Result<&mut Browser, bool> {
        let id = match self.targets.get(subscription_id) {
            None | Some(Target::Forgotten(_)) => return Err(false),
            Some(Target::Former) => return Err(true),
            Some(Target::Current(id)) => *id,
        };
        match self.get_mut(id) {
            Some(browser) if browser.service != service => Err(false),
            Some(browser) if browser.is_live(now_ms) => Ok(browser),
            Some(_) => Err(true),
            None => Err(false),
        }
    }

    /// Takes a message back; false if nothing waits under this id.
    pub(crate) fn cancel(&mut self, browser: u32, message_id: Uuid, now_ms: i64) -> bool {
        self.get_mut(browser)
            .is_some_and(|browser| browser.cancel(message_id, now_ms))
    }

    /// Reads an authorization and verifies its signature, or remembers that it did.
    pub(crate) fn verify(&mut self, header: &str) -> Result<Signed, Distrust> {
        if let Some(signed) = self.verified.get(header) {
            return Ok(signed.clone());
        }
        let signed = vapid::verify(header)?;
        if self.verified.len() >= MAX_VERIFIED {
            self.verified.clear();
        }
        self.verified.insert(header.into(), signed.clone());
        Ok(signed)
    }

    pub(crate) fn view(&self, id: u32, now_ms: i64) -> Option<BrowserView> {
        let browser = self.browsers.get((id as usize).checked_sub(1)?)?;
        Some(browser.view(&self.origin, now_ms))
    }

    /// The browser an endpoint belongs to now.
    pub(crate) fn of_endpoint(&self, endpoint: &str) -> Option<u32> {
        let path = endpoint.strip_prefix(&self.origin)?;
        let (_, id) = WebPushService::of_path(path)?;
        match self.targets.get(id)? {
            Target::Current(id) => Some(*id),
            Target::Former | Target::Forgotten(_) => None,
        }
    }

    /// What a browser reads in a body, whatever becomes of it; `None` where nobody has the keys
    /// any more.
    pub(crate) fn read(
        &self,
        subscription_id: &str,
        body: &[u8],
    ) -> Option<Result<Vec<u8>, Unreadable>> {
        let keys = match self.targets.get(subscription_id)? {
            Target::Current(id) | Target::Forgotten(id) => {
                let browser = self.browsers.get((*id as usize).checked_sub(1)?)?;
                let is_of_it = browser.subscription_id == subscription_id;
                is_of_it.then_some(&browser.keys)
            }
            Target::Former => None,
        };
        let keys = keys.or_else(|| self.former_keys.get(subscription_id))?;
        Some(match body.is_empty() {
            true => Ok(Vec::new()),
            false => keys.decrypt(body),
        })
    }
}
