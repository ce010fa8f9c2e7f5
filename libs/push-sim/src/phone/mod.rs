//! The simulated phones: which apps and push tokens they have, and what they make of a push.
//!
//! The rules of Apple's service are in [`crate::apns`]; here is what happens after a 200. Sources:
//! "Sending notification requests to APNs" (storing), "Responding to VoIP notifications from
//! PushKit" (calls that must be reported).

mod activities;
mod answer;
mod installation;
mod interruption;
mod order;
mod view;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use crate::apns::push_type::{PushTokenKind, PushType};
use crate::apns::request::{decode_hex, encode_hex};
use crate::host::Environment;
use crate::live_activity::{self, Happened};

use answer::Answers;
pub(crate) use answer::DueAnswer;
pub use answer::{AnswerView, PhoneAnswer};
pub use installation::Effect;
use installation::Installation;
pub(crate) use installation::Push;
pub use interruption::Interruption;
pub use order::{MadePhone, NewPhones, PhonePatch};
pub use view::{ActivityView, AppView, PhoneView, ShownView};

/// Longest time Apple keeps a notification for an offline phone.
const MAX_STORED_SECS: i64 = 30 * 24 * 3600;
/// Longest time a channel keeps its newest message.
pub(crate) const MAX_CHANNEL_STORED_SECS: i64 = 8 * 3600;

/// Whether a push token still leads to an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenState {
    Live,
    /// The app was removed, or got another token.
    Unregistered {
        since_ms: i64,
    },
    Expired,
}

/// Where a push token leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenTarget {
    pub(crate) phone: u32,
    pub(crate) app: u16,
    pub(crate) kind: PushTokenKind,
    /// Position of the activity, for an update token.
    activity: u32,
    pub(crate) state: TokenState,
}

/// The newest broadcast of a channel that keeps one.
#[derive(Debug, Clone)]
pub(crate) struct StoredBroadcast {
    pub(crate) aps: Value,
    pub(crate) until_secs: i64,
}

#[derive(Debug)]
struct Phone {
    online: bool,
    apps: Vec<Installation>,
}

/// All phones and where every push token leads.
#[derive(Debug)]
pub(crate) struct PhoneBook {
    phones: Vec<Phone>,
    tokens: HashMap<Box<[u8]>, TokenTarget>,
    bundles: HashMap<String, Arc<str>>,
    seed: u64,
    made_tokens: u64,
    max_shown: usize,
    /// Answers that became due and that nobody has taken yet.
    due: Vec<DueAnswer>,
}

/// What the phones need to know about the moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now_ms: i64,
}

impl Moment {
    fn secs(self) -> i64 {
        self.now_ms.div_euclid(1000)
    }
}

impl PhoneBook {
    pub(crate) fn new(seed: u64, max_shown: usize) -> PhoneBook {
        PhoneBook {
            phones: Vec::new(),
            tokens: HashMap::new(),
            bundles: HashMap::new(),
            seed,
            made_tokens: 0,
            max_shown,
            due: Vec::new(),
        }
    }

    /// The answers that became due since it was asked last.
    pub(crate) fn take_due(&mut self) -> Vec<DueAnswer> {
        std::mem::take(&mut self.due)
    }

    /// What came of a request that an app made; a phone that is gone remembers nothing.
    pub(crate) fn note_answer(&mut self, phone: u32, app: u16, answer: AnswerView) {
        let at = (phone as usize).checked_sub(1);
        let phone = at.and_then(|at| self.phones.get_mut(at));
        if let Some(app) = phone.and_then(|phone| phone.apps.get_mut(usize::from(app))) {
            app.note_answer(answer);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.phones.clear();
        self.tokens.clear();
        self.due.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.phones.len()
    }

    /// 32 bytes that look like a push token: the same for the same seed and order.
    fn make_token(&mut self) -> Box<[u8]> {
        self.made_tokens += 1;
        let mut input = [0; 16];
        input[..8].copy_from_slice(&self.seed.to_be_bytes());
        input[8..].copy_from_slice(&self.made_tokens.to_be_bytes());
        Box::from(digest(&SHA256, &input).as_ref())
    }

    /// Where a push token leads in `environment`; a token of the other one is unknown here.
    pub(crate) fn find(&self, token: &[u8], environment: Environment) -> Option<TokenTarget> {
        let target = *self.tokens.get(token)?;
        (self.installation(target).environment == environment).then_some(target)
    }

    pub(crate) fn bundle(&self, target: TokenTarget) -> &str {
        &self.installation(target).bundle
    }

    fn installation(&self, target: TokenTarget) -> &Installation {
        &self.phones[target.phone as usize - 1].apps[usize::from(target.app)]
    }

    /// Makes phones.
    pub(crate) fn make(&mut self, new: &NewPhones, now_ms: i64) -> Result<Vec<MadePhone>, String> {
        if new.app.is_empty() {
            return Err("app: the bundle ID of the app on the phones is missing".into());
        }
        let single = !new.push_tokens.is_empty() || new.on_phone.is_some();
        if single && new.count != 1 {
            return Err("count: must be 1 together with push_tokens or on_phone".into());
        }
        if self.phones.len() + new.count as usize > u32::MAX as usize {
            return Err("count: too many phones".into());
        }
        let mut given = Vec::new();
        for (kind, text) in &new.push_tokens {
            let token = decode_hex(text)
                .filter(|token| !token.is_empty())
                .ok_or_else(|| format!("push_tokens: {text:?} is not hexadecimal"))?;
            if self.tokens.contains_key(token.as_slice()) {
                return Err("push_tokens: a phone has this push token already".into());
            }
            given.push((*kind, token.into_boxed_slice()));
        }
        if let Some(id) = new.on_phone
            && (id == 0 || id as usize > self.phones.len())
        {
            return Err(format!("on_phone: there is no phone {id}"));
        }
        let answers = Answers::new(&new.answers)?;
        let capabilities: Arc<[String]> = Arc::from(new.capabilities.as_slice());
        let bundle = match self.bundles.get(&new.app) {
            Some(bundle) => Arc::clone(bundle),
            None => {
                let bundle: Arc<str> = Arc::from(new.app.as_str());
                self.bundles.insert(new.app.clone(), Arc::clone(&bundle));
                bundle
            }
        };
        let mut made = Vec::with_capacity(new.count as usize);
        for _ in 0..new.count {
            let id = match new.on_phone {
                Some(id) => id,
                None => {
                    self.phones.push(Phone {
                        online: new.online,
                        apps: Vec::new(),
                    });
                    self.phones.len() as u32
                }
            };
            let mut tokens = given.clone();
            for &kind in &new.kinds {
                if !tokens.iter().any(|(known, _)| *known == kind) {
                    tokens.push((kind, self.make_token()));
                }
            }
            let app = self.phones[id as usize - 1].apps.len() as u16;
            let state = match new.installed {
                true => TokenState::Live,
                false => TokenState::Unregistered {
                    since_ms: new.gone_at_ms.unwrap_or(now_ms),
                },
            };
            for (kind, token) in &tokens {
                let target = TokenTarget {
                    phone: id,
                    app,
                    kind: *kind,
                    activity: 0,
                    state,
                };
                self.tokens.insert(token.clone(), target);
            }
            made.push(MadePhone {
                id,
                push_tokens: hex_tokens(&tokens),
            });
            self.phones[id as usize - 1].apps.push(Installation {
                bundle: Arc::clone(&bundle),
                environment: new.environment,
                installed: new.installed,
                notifications: new.notifications,
                reports_calls: new.reports_calls,
                capabilities: Arc::clone(&capabilities),
                answers: answers.clone(),
                answered: VecDeque::new(),
                tokens,
                stored: None,
                shown: VecDeque::new(),
                effects: Vec::new(),
                unreported_calls: 0,
                activities: Vec::new(),
            });
        }
        Ok(made)
    }

    /// Changes one phone; answers with what became visible because it came online.
    pub(crate) fn patch(
        &mut self,
        id: u32,
        patch: &PhonePatch,
        moment: Moment,
    ) -> Result<Vec<Effect>, String> {
        let Some(phone) = (id as usize)
            .checked_sub(1)
            .and_then(|at| self.phones.get(at))
        else {
            return Err(format!("there is no phone {id}"));
        };
        let apps: Vec<usize> = (0..phone.apps.len())
            .filter(|&at| {
                patch
                    .app
                    .as_deref()
                    .is_none_or(|only| *phone.apps[at].bundle == *only)
            })
            .collect();
        if apps.is_empty() {
            return Err(format!("phone {id} does not have this app"));
        }
        let answers = patch.answers.as_deref().map(Answers::new).transpose()?;
        for &at in &apps {
            if let Some(answers) = &answers {
                self.phones[id as usize - 1].apps[at].answers = answers.clone();
            }
            self.patch_app(id, at, patch, moment);
            if patch.rotate_update_tokens {
                self.rotate_update_tokens((id, at as u16), moment);
            }
        }
        let mut effects = Vec::new();
        if let Some(online) = patch.online {
            let was_online = std::mem::replace(&mut self.phones[id as usize - 1].online, online);
            if online && !was_online {
                effects = self.come_online(id, moment);
            }
        }
        Ok(effects)
    }

    fn patch_app(&mut self, id: u32, at: usize, patch: &PhonePatch, moment: Moment) {
        let app = &mut self.phones[id as usize - 1].apps[at];
        app.notifications = patch.notifications.unwrap_or(app.notifications);
        app.reports_calls = patch.reports_calls.unwrap_or(app.reports_calls);
        if let Some(capabilities) = &patch.capabilities {
            app.capabilities = Arc::from(capabilities.as_slice());
        }
        let installed = patch.installed.unwrap_or(app.installed);
        let removed = app.installed && !installed;
        let renewed = (!app.installed && installed) || patch.rotate_tokens;
        app.installed = installed;
        if removed {
            app.stored = None;
        }
        let ending = if patch.expire_tokens {
            Some(TokenState::Expired)
        } else if removed || (renewed && patch.rotate_tokens) {
            let since_ms = patch.gone_at_ms.unwrap_or(moment.now_ms);
            Some(TokenState::Unregistered { since_ms })
        } else {
            None
        };
        if let Some(state) = ending {
            let updates = app
                .activities
                .iter_mut()
                .filter(|_| removed)
                .filter_map(|a| a.update_token.take());
            let dead: Vec<_> = app
                .tokens
                .iter()
                .map(|(_, token)| token.clone())
                .chain(updates)
                .collect();
            for token in dead {
                if let Some(target) = self.tokens.get_mut(&token) {
                    target.state = state;
                }
            }
        }
        if renewed && installed {
            let kinds: Vec<_> = self.phones[id as usize - 1].apps[at]
                .tokens
                .iter()
                .map(|(kind, _)| *kind)
                .collect();
            let mut fresh = Vec::with_capacity(kinds.len());
            for kind in kinds {
                let token = self.make_token();
                let target = TokenTarget {
                    phone: id,
                    app: at as u16,
                    kind,
                    activity: 0,
                    state: TokenState::Live,
                };
                self.tokens.insert(token.clone(), target);
                fresh.push((kind, token));
            }
            self.phones[id as usize - 1].apps[at].tokens = fresh;
        }
    }

    fn come_online(&mut self, id: u32, moment: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        for at in 0..self.phones[id as usize - 1].apps.len() {
            let app = &mut self.phones[id as usize - 1].apps[at];
            let Some(stored) = app.stored.take() else {
                continue;
            };
            let (push, kind, activity) = *stored;
            let kept_until = push.expiration.unwrap_or(i64::MAX);
            if kept_until <= moment.secs() {
                app.count(Effect::Missed);
                effects.push(Effect::Missed);
                continue;
            }
            let target = TokenTarget {
                phone: id,
                app: at as u16,
                kind,
                activity,
                state: TokenState::Live,
            };
            effects.push(self.show(target, push, moment).0);
        }
        effects
    }

    /// Takes an accepted notification to its phone. The second part is the channel a started
    /// activity wants to follow.
    pub(crate) fn deliver(
        &mut self,
        target: TokenTarget,
        mut push: Push,
        moment: Moment,
    ) -> (Effect, Option<String>) {
        if self.phones[target.phone as usize - 1].online {
            return self.show(target, push, moment);
        }
        let app = &mut self.phones[target.phone as usize - 1].apps[usize::from(target.app)];
        let now = moment.secs();
        let longest = now + MAX_STORED_SECS;
        let until = push.expiration.map_or(longest, |at| at.min(longest));
        let effect = if until <= now {
            Effect::Missed
        } else if app.stored.is_some() {
            Effect::StoredOver
        } else {
            Effect::Stored
        };
        if effect != Effect::Missed {
            push.expiration = Some(until);
            app.stored = Some(Box::new((push, target.kind, target.activity)));
        }
        app.count(effect);
        (effect, None)
    }

    fn show(
        &mut self,
        target: TokenTarget,
        push: Push,
        moment: Moment,
    ) -> (Effect, Option<String>) {
        let max_shown = self.max_shown;
        let app = &mut self.phones[target.phone as usize - 1].apps[usize::from(target.app)];
        if push.push_type != PushType::LiveActivity {
            let of = (target.phone, target.app);
            let (effect, due) = app.take(of, push, moment, max_shown);
            self.due.extend(due);
            return (effect, None);
        }
        let Some(aps) = live_activity::aps_of(&push.payload) else {
            app.count(Effect::Unreadable);
            return (Effect::Unreadable, None);
        };
        let happened = match target.kind {
            PushTokenKind::LiveActivityStart => live_activity::start(&aps, moment.secs()),
            _ => match app.activities.get_mut(target.activity as usize) {
                Some(activity) => activity.receive(&aps, moment.secs()),
                None => Happened::Nothing,
            },
        };
        let effect = match &happened {
            Happened::Started(_) => Effect::ActivityStarted,
            Happened::Updated => Effect::ActivityUpdated,
            Happened::Ended => Effect::ActivityEnded,
            Happened::Nothing => Effect::Ignored,
        };
        app.count(effect);
        if effect != Effect::Ignored {
            app.remember(&push, effect.into(), moment, max_shown);
        }
        let mut channel = None;
        if let Happened::Started(activity) = happened {
            channel = self.start_activity(target, *activity);
        }
        (effect, channel)
    }

    pub(crate) fn view(&self, id: u32, moment: Moment) -> Option<PhoneView> {
        let phone = self.phones.get((id as usize).checked_sub(1)?)?;
        let apps = phone.apps.iter().map(|app| app.view(moment)).collect();
        Some(PhoneView {
            id,
            online: phone.online,
            apps,
        })
    }

    /// Number of the phone a push token belongs (or belonged) to.
    pub(crate) fn owner(&self, token: &[u8]) -> Option<u32> {
        self.tokens.get(token).map(|target| target.phone)
    }
}

fn hex_tokens(tokens: &[(PushTokenKind, Box<[u8]>)]) -> BTreeMap<PushTokenKind, String> {
    tokens
        .iter()
        .map(|(kind, token)| (*kind, encode_hex(token)))
        .collect()
}
