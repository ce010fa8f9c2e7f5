//! Everything the simulator knows, and what can be done to it: the same operations for Rust
//! callers and for the admin API.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use crate::action::{Action, ActionReport, ConnectionView};
use crate::apns::auth::{ConnectionAuth, KeyRing, TeamKey};
use crate::apns::request::{PushRequest, Service, decode_hex};
use crate::apns::rules::{self, Case, Facts};
use crate::apns::{Answer, broadcast};
use crate::apps::{AppSettings, Apps};
use crate::clock::Clock;
use crate::config::{Config, Settings};
use crate::counters::Counters;
use crate::fcm::Google;
use crate::host::Gateway;
use crate::keys::{self, AddedKey, NewKey};
use crate::link::Link;
use crate::live_activity::NewActivity;
use crate::lock_screen::{LockScreen, LockScreenChange};
use crate::people;
use crate::phone::{
    ActivityView, AnswerView, DueAnswer, Effect, MadePhone, Moment, NewPhones, PhoneBook,
    PhonePatch, PhoneView, Push,
};
use crate::recorder::{ReceivedFilter, ReceivedPage, Recorder};
use crate::script::{Fault, FaultFilter, FaultReport, Occasion, Script, Stage, Strike};
use crate::webpush::browsers::Browsers;

mod channels;
mod passed_on;

use channels::{catch_up, follow, publish};
pub(crate) use passed_on::PassedOn;

/// The part that the rules read and a push changes.
#[derive(Debug)]
struct State {
    keys: KeyRing,
    apps: Apps,
    phones: PhoneBook,
    expired_tokens: HashSet<String>,
}

/// What was decided about a request.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) answer: Answer,
    /// `apns-id` or `apns-request-id` to answer.
    pub(crate) id: Option<uuid::Uuid>,
    /// The sender was believed.
    pub(crate) authenticated: bool,
    pub(crate) effect: Option<Effect>,
}

/// The simulator's state. Cheap to clone; clones are the same world.
#[derive(Debug, Clone)]
pub struct World(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    settings: RwLock<Arc<Settings>>,
    state: Mutex<State>,
    browsers: Mutex<Browsers>,
    recorder: Mutex<Recorder>,
    script: Mutex<Script>,
    counters: Mutex<Counters>,
    /// Google's side; never locked together with `state`.
    google: Mutex<Google>,
    links: Mutex<BTreeMap<u32, Arc<Link>>>,
    /// To who carries out what phones do by themselves.
    people: mpsc::Sender<DueAnswer>,
    next_connection: AtomicU32,
    /// One random id and a count make all generated ids; asking the system each time costs more
    /// than the rest of an answer.
    id_base: u128,
    next_id: AtomicU64,
}

impl World {
    /// Also the end at which what phones do by themselves comes out, to be carried out.
    pub(crate) fn new(config: &Config) -> (World, mpsc::Receiver<DueAnswer>) {
        let (people, due) = mpsc::channel(people::MAX_WAITING);
        let world = World(Arc::new(Inner {
            clock: config.clock.clone(),
            settings: RwLock::new(Arc::new(config.settings.clone())),
            state: Mutex::new(State {
                keys: KeyRing::default(),
                apps: Apps::default(),
                phones: PhoneBook::new(config.seed, config.max_shown_per_app),
                expired_tokens: HashSet::new(),
            }),
            browsers: Mutex::new(Browsers::new(config.seed, config.max_shown_per_app)),
            recorder: Mutex::new(Recorder::new(
                config.max_records,
                config.max_payload_memory_bytes,
                config.max_payload_bytes,
            )),
            script: Mutex::new(Script::new(config.seed)),
            counters: Mutex::new(Counters::default()),
            google: Mutex::new(Google::new(config)),
            links: Mutex::new(BTreeMap::new()),
            people,
            next_connection: AtomicU32::new(1),
            id_base: uuid::Uuid::new_v4().as_u128(),
            next_id: AtomicU64::new(0),
        }));
        (world, due)
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn moment(&self) -> Moment {
        Moment {
            now_ms: self.0.clock.now_ms(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        Settings::clone(&self.0.settings.read())
    }

    pub(crate) fn shared_settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.settings.read())
    }

    /// Replaces the settings. Stream limits count for new connections.
    pub fn set_settings(&self, settings: Settings) {
        *self.0.settings.write() = Arc::new(settings);
    }

    /// Makes a signing key known, or replaces it.
    ///
    /// # Errors
    /// When the PEM is not a P-256 public key.
    pub fn add_key(&self, key: TeamKey) -> Result<(), String> {
        self.0.state.lock().keys.add(key)
    }

    /// Registers a key, or makes a fresh pair and answers with its private half.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn register_key(&self, new: NewKey) -> Result<AddedKey, String> {
        keys::add(self, new)
    }

    /// Revokes a signing key; false if it was not known.
    pub fn revoke_key(&self, team_id: &str, key_id: &str) -> bool {
        self.0.state.lock().keys.revoke(team_id, key_id)
    }

    /// The signing keys known.
    pub fn keys(&self) -> Vec<TeamKey> {
        self.0.state.lock().keys.list()
    }

    /// Registers an app, or changes it. Apps of phones are registered by themselves.
    pub fn set_app(&self, bundle: &str, settings: AppSettings) {
        self.0.state.lock().apps.set(bundle, settings);
    }

    /// Makes phones.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn make_phones(&self, new: &NewPhones) -> Result<Vec<MadePhone>, String> {
        let mut state = self.0.state.lock();
        let made = state.phones.make(new, self.0.clock.now_ms())?;
        state.apps.entry(&new.app);
        Ok(made)
    }

    /// Changes a phone; a phone that comes online shows what was stored for it.
    ///
    /// # Errors
    /// When there is no such phone, or it does not have the app.
    pub fn patch_phone(&self, id: u32, patch: &PhonePatch) -> Result<PhoneView, String> {
        let moment = self.moment();
        let mut state = self.0.state.lock();
        let mut effects = state.phones.patch(id, patch, moment)?;
        if patch.online == Some(true) {
            effects.extend(catch_up(&mut state, id, moment));
        }
        let view = state.phones.view(id, moment).ok_or("the phone is gone")?;
        let due = state.phones.take_due();
        drop(state);
        self.hand_over(due);
        self.count(|counters| {
            for effect in effects {
                *counters.effects.entry(effect).or_default() += 1;
            }
        });
        Ok(view)
    }

    /// Hands what phones do by themselves to who carries it out.
    fn hand_over(&self, due: Vec<DueAnswer>) {
        for answer in due {
            if self.0.people.try_send(answer).is_err() {
                self.count(|counters| counters.answers_lost += 1);
            }
        }
    }

    /// What came of it.
    pub(crate) fn note_answer(&self, phone: u32, app: u16, answer: AnswerView) {
        self.count(|counters| counters.answers += 1);
        self.0.state.lock().phones.note_answer(phone, app, answer);
    }

    /// A phone and what it shows.
    pub fn phone(&self, id: u32) -> Option<PhoneView> {
        let moment = self.moment();
        self.0.state.lock().phones.view(id, moment)
    }

    /// The app on a phone starts a Live Activity itself; its update token is for the app to tell.
    ///
    /// # Errors
    /// A sentence that names what is missing: the phone, the app on it, or a field.
    pub fn start_activity(&self, id: u32, new: &NewActivity) -> Result<ActivityView, String> {
        let moment = self.moment();
        self.0.state.lock().phones.start_by_app(id, new, moment)
    }

    /// What a phone's Lock Screen shows of Live Activities; with `at_ms`, what it showed at that moment.
    pub fn lock_screen(&self, id: u32, at_ms: Option<i64>) -> Option<LockScreen> {
        let at_ms = at_ms.unwrap_or(self.moment().now_ms);
        self.0.state.lock().phones.lock_screen(id, at_ms)
    }

    /// Every change of a phone's Lock Screen so far, oldest first.
    pub fn lock_screen_history(&self, id: u32) -> Option<Vec<LockScreenChange>> {
        let moment = self.moment();
        self.0.state.lock().phones.lock_screen_history(id, moment)
    }

    /// Phones in order, from after `after_id`.
    pub fn phones(&self, after_id: u32, limit: usize) -> Vec<PhoneView> {
        let moment = self.moment();
        let state = self.0.state.lock();
        let last = state.phones.len() as u32;
        (after_id.saturating_add(1)..=last)
            .take(limit)
            .filter_map(|id| state.phones.view(id, moment))
            .collect()
    }

    /// How many phones there are.
    pub fn phone_count(&self) -> usize {
        self.0.state.lock().phones.len()
    }

    /// The phone a push token (hexadecimal) belongs or belonged to.
    pub fn phone_of_push_token(&self, push_token: &str) -> Option<PhoneView> {
        let token = decode_hex(push_token)?;
        let moment = self.moment();
        let state = self.0.state.lock();
        state.phones.view(state.phones.owner(&token)?, moment)
    }

    /// Sets a fault; answers with its number.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn add_fault(&self, fault: impl Into<Fault>) -> Result<u32, String> {
        self.0.script.lock().add(fault.into())
    }

    /// Removes a fault; answers with what it did.
    pub fn remove_fault(&self, id: u32) -> Option<FaultReport> {
        self.0.script.lock().remove(id)
    }

    /// Removes all faults; answers with what they did.
    pub fn clear_faults(&self) -> Vec<FaultReport> {
        self.0.script.lock().clear()
    }

    /// All faults set and what they have done.
    pub fn faults(&self) -> Vec<FaultReport> {
        self.0.script.lock().reports()
    }

    /// Received requests.
    pub fn received(&self, filter: &ReceivedFilter) -> ReceivedPage {
        self.0.recorder.lock().page(filter)
    }

    /// Records kept now.
    pub fn received_count(&self) -> usize {
        self.0.recorder.lock().len()
    }

    /// Forgets the received requests; their numbers go on.
    pub fn clear_received(&self) {
        self.0.recorder.lock().clear();
    }

    /// Running totals.
    pub fn counters(&self) -> Counters {
        let mut counters = self.0.counters.lock().clone();
        counters.open_connections = self.0.links.lock().len() as u64;
        counters.faults = self.0.script.lock().totals();
        counters
    }

    /// Sets the totals to zero.
    pub fn reset_counters(&self) {
        *self.0.counters.lock() = Counters::default();
        self.0.script.lock().reset_totals();
    }

    /// Forgets phones, browsers, apps, keys, faults, records and totals, Google's side included;
    /// connections stay.
    pub fn reset(&self) {
        {
            let mut state = self.0.state.lock();
            state.phones.clear();
            state.apps.clear();
            state.keys.clear();
            state.expired_tokens.clear();
        }
        self.0.browsers.lock().clear();
        self.google().clear();
        self.clear_faults();
        self.clear_received();
        self.reset_counters();
    }

    /// Live connections.
    pub fn connections(&self) -> Vec<ConnectionView> {
        self.0
            .links
            .lock()
            .values()
            .map(|link| link.view())
            .collect()
    }

    /// Does something at once to the live connections that `only` matches (its gateway, environment,
    /// host and connection; the other fields would match requests and are not looked at).
    pub fn act(&self, action: &Action, only: &FaultFilter) -> ActionReport {
        let links: Vec<_> = self
            .0
            .links
            .lock()
            .values()
            .filter(|link| {
                only.environment
                    .is_none_or(|wanted| wanted == link.environment)
                    && only
                        .gateway
                        .is_none_or(|wanted| wanted == link.host.gateway())
                    && only.host.is_none_or(|wanted| wanted == link.host)
                    && (*action != Action::ExpireProviderTokens
                        || link.host.gateway() == Gateway::Apns)
                    && only.connection.is_none_or(|wanted| wanted == link.id)
            })
            .cloned()
            .collect();
        if *action == Action::ExpireAccessTokens {
            self.google().expire_access_tokens();
        }
        let mut report = ActionReport::default();
        for link in &links {
            report.connections += 1;
            report.requests_in_flight += u64::from(link.in_flight());
            if *action == Action::ExpireProviderTokens {
                let mut state = self.0.state.lock();
                state
                    .expired_tokens
                    .extend(link.auth.lock().accepted_tokens().map(str::to_owned));
            }
            link.act(action);
        }
        let (name, times) = match action {
            Action::Goaway { .. } => ("goaway", report.connections),
            Action::Drop { .. } => ("drop_connection", report.connections),
            Action::Freeze => ("freeze", report.connections),
            Action::Thaw => ("thaw", report.connections),
            Action::LimitStreams { .. } => ("limit_streams", report.connections),
            Action::FailInFlight { .. } => ("fail_in_flight", report.requests_in_flight),
            Action::ExpireProviderTokens => ("expire_provider_tokens", report.connections),
            Action::ExpireAccessTokens => ("expire_access_tokens", 1),
        };
        self.0.script.lock().note(name, times);
        report
    }

    pub(crate) fn browsers_mut(&self) -> parking_lot::MutexGuard<'_, Browsers> {
        self.0.browsers.lock()
    }

    // === for the connections ===

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.0.counters.lock());
    }

    pub(crate) fn google(&self) -> parking_lot::MutexGuard<'_, Google> {
        self.0.google.lock()
    }

    pub(crate) fn recorder(&self) -> parking_lot::MutexGuard<'_, Recorder> {
        self.0.recorder.lock()
    }

    pub(crate) fn strike(&self, stage: Stage, occasion: &Occasion<'_>) -> Option<Strike> {
        self.0.script.lock().strike(stage, occasion)
    }

    pub(crate) fn next_connection(&self) -> u32 {
        self.0.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn register(&self, link: &Arc<Link>) {
        self.0.links.lock().insert(link.id, Arc::clone(link));
    }

    pub(crate) fn unregister(&self, link: &Link) {
        self.0.links.lock().remove(&link.id);
    }

    /// An id that nobody has got yet.
    pub(crate) fn next_uuid(&self) -> uuid::Uuid {
        let number = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        uuid::Uuid::from_u128(self.0.id_base ^ u128::from(number & 0xffff_ffff_ffff))
    }

    /// Judges a complete request and, with `deliver`, carries it out.
    pub(crate) fn judge(
        &self,
        request: &PushRequest<'_>,
        connection: &mut ConnectionAuth,
        record: u64,
        deliver: bool,
    ) -> Judged {
        let settings = self.shared_settings();
        let moment = self.moment();
        let mut state = self.0.state.lock();
        let State {
            keys,
            apps,
            phones,
            expired_tokens,
        } = &mut *state;
        let facts = Facts {
            settings: &settings,
            keys,
            apps,
            phones,
            now_ms: moment.now_ms,
            expired_tokens,
        };
        match request.service() {
            Service::Device => {
                let mut case = Case::new(request, &facts, connection);
                let verdict = rules::judge(&mut case);
                let authenticated = case.sender.is_ok();
                let mut id = case.apns_id;
                if let Err(rejection) = verdict {
                    return Judged {
                        answer: rejection.into(),
                        id,
                        authenticated,
                        effect: None,
                    };
                }
                let apns_id = *id.get_or_insert_with(|| self.next_uuid());
                let push = Push {
                    record,
                    apns_id,
                    push_type: case.push_type,
                    expiration: case.expiration,
                    collapse_id: request.header("apns-collapse-id").map(Box::from),
                    payload: Arc::clone(request.body),
                };
                let target = case.target;
                let mut effect = None;
                if let Some(target) = target.filter(|_| deliver) {
                    let (happened, channel) = phones.deliver(target, push, moment);
                    effect = Some(happened);
                    self.hand_over(phones.take_due());
                    if let Some(channel) = channel {
                        let bundle = phones.bundle(target).to_owned();
                        follow(
                            apps,
                            &bundle,
                            request.environment,
                            &channel,
                            target.phone,
                            target.app,
                        );
                    }
                }
                Judged {
                    answer: Answer::status(200),
                    id,
                    authenticated,
                    effect,
                }
            }
            Service::Broadcast => {
                let judged = broadcast::judge_broadcast(request, &facts, connection);
                let answer = match judged.result {
                    Err(rejection) => rejection.into(),
                    Ok(broadcast) => {
                        if deliver {
                            let effects = publish(&mut state, request, &broadcast, moment);
                            self.count(|counters| {
                                counters.broadcasts += 1;
                                counters.add_effects(&effects);
                            });
                        }
                        Answer::status(200)
                    }
                };
                let authenticated = judged.authenticated;
                Judged {
                    answer,
                    id: judged.request_id,
                    authenticated,
                    effect: None,
                }
            }
            Service::Management => {
                let judged = broadcast::judge_management(request, &facts, connection);
                let answer = match judged.result {
                    Err(rejection) => rejection.into(),
                    Ok(asked) if deliver => broadcast::manage(asked, apps, request.environment),
                    Ok(_) => Answer::status(200),
                };
                let authenticated = judged.authenticated;
                Judged {
                    answer,
                    id: judged.request_id,
                    authenticated,
                    effect: None,
                }
            }
        }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.clock.advance(by);
    }
}
