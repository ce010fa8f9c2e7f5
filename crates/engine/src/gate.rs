//! The gate: what recipients want and how much they may get, asked when a batch is loaded for sending.
//!
//! For most Apps nothing is asked: only where a user has set preferences, a category is off by default,
//! or a cap is set ([`Rules`]) does a load read more than push tokens. What is asked:
//!
//! | rule | asked | else |
//! | --- | --- | --- |
//! | the category is switched off | at every try | suppressed |
//! | quiet hours, mute | at the first try, of alerts | held until they are over, or suppressed |
//! | frequency caps | at the first try, of alerts | suppressed |
//!
//! Critical content passes. What is held moves to a work row of its own that is due later, like a
//! retry that costs no attempt: it is on disk like any work, and asked again when its time has come. A
//! cap is reserved in the store before the push is handed to a pool, once for each user and
//! notification; a reservation that no push came of stays counted, so a user may get less than a cap
//! lets through and never more.

use crate::core::Core;
use crate::directory::Directory;
use crate::hub::Hub;
use crate::job::{Job, JobKey, Move, Note};
use crate::load::Pick;
use crate::moment::Moment;
use carillon_model::UnixMs;
use carillon_model::app::{App, AppSettings, CategoryDefault};
use carillon_model::delivery::{FinalState, Suppression};
use carillon_model::frequency::FrequencyCap;
use carillon_model::id::{DeviceNo, NotificationNo};
use carillon_model::positions::Positions;
use carillon_model::preferences::{is_opted_out, quiet_until};
use carillon_model::push_token::PushToken;
use carillon_model::push_type::PushType;
use carillon_model::quiet_hours::QuietMode;
use carillon_ports::preferences::{DevicePreferences, Reservation};
use carillon_ports::store::{NewAttempt, StoreError};
use std::collections::HashMap;
use std::sync::Arc;

/// What keeps deliveries of an App back besides its devices. Most Apps have none.
#[derive(Debug)]
pub(crate) struct Rules {
    settings: AppSettings,
    caps: Arc<[FrequencyCap]>,
    /// Some user has, or had, preferences.
    has_preferences: bool,
}

impl Rules {
    /// Those of an App, if there are any.
    pub(crate) fn of(app: &App, has_preferences: bool) -> Option<Self> {
        let settings = &app.settings;
        let is_off = |category: &carillon_model::app::CategorySettings| {
            category.default == CategoryDefault::Off
        };
        let has_rules = has_preferences
            || !settings.frequency_cap.is_empty()
            || settings.categories.values().any(is_off);
        has_rules.then(|| Self {
            settings: settings.clone(),
            caps: settings.frequency_cap.clone().into(),
            has_preferences,
        })
    }

    pub(crate) fn has_preferences(&self) -> bool {
        self.has_preferences
    }

    /// What is to be asked about a notification's recipients.
    fn questions(&self, note: &Note, is_first: bool) -> Questions {
        let options = &note.options;
        let category = options.category.as_deref();
        let is_shown = options.push_type == PushType::Alert && is_first;
        let is_any = !options.is_critical;
        Questions {
            opt_out: is_any
                && category.is_some()
                && (self.has_preferences || is_opted_out(category, None, &self.settings)),
            quiet: is_any && is_shown && self.has_preferences,
            caps: is_any && is_shown && self.caps.iter().any(|cap| cap.covers(category)),
        }
    }
}

#[derive(Clone, Copy)]
struct Questions {
    opt_out: bool,
    quiet: bool,
    caps: bool,
}

impl Questions {
    fn is_empty(self) -> bool {
        !(self.opt_out || self.quiet || self.caps)
    }
}

/// Deliveries of one job that the gate is asked about.
pub(crate) struct Ungated {
    job: JobKey,
    note: Arc<Note>,
    rules: Arc<Rules>,
    questions: Questions,
    /// Positions and their devices.
    deliveries: Vec<(u16, DeviceNo)>,
}

/// What became of a delivery at the gate. Those that pass are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Suppress(Suppression),
    Hold(UnixMs),
}

/// By job and position.
pub(crate) type Gates = HashMap<(JobKey, u16), Gate>;

/// What is to be asked about a pick; `None`, as nearly always: nothing.
pub(crate) fn ungated(
    directory: &Directory,
    key: JobKey,
    job: &Job,
    pick: &Pick,
) -> Option<Ungated> {
    let rules = directory.rules(job.note.app)?;
    let questions = rules.questions(&job.note, job.work.attempt == 0);
    if questions.is_empty() {
        return None;
    }
    let devices = job.devices.as_slice();
    let deliveries = pick.chunk.iter().map(|p| (p, devices[usize::from(p)]));
    Some(Ungated {
        job: key,
        note: job.note.clone(),
        rules: rules.clone(),
        questions,
        deliveries: deliveries.collect(),
    })
}

/// The devices that are asked about, ascending.
pub(crate) fn devices(ungated: &[Ungated]) -> Vec<DeviceNo> {
    let all = ungated.iter().flat_map(|of| &of.deliveries);
    let mut devices: Vec<_> = all.map(|(_, device)| *device).collect();
    devices.sort_unstable();
    devices.dedup();
    devices
}

/// Asks. `push_tokens` are by device; a device without a living one counts for no cap.
pub(crate) async fn decide(
    hub: &Hub,
    ungated: &[Ungated],
    wishes: &[DevicePreferences],
    push_tokens: &[PushToken],
    now: UnixMs,
) -> Result<Gates, StoreError> {
    let mut gates = Gates::new();
    let mut counting = Counting::default();
    for of in ungated {
        for (position, device) in &of.deliveries {
            // A device that is gone has no push token either, and ends by that.
            let Ok(at) = wishes.binary_search_by_key(device, |wishes| wishes.device) else {
                continue;
            };
            let wishes = &wishes[at];
            let delivery = (of.job, *position);
            if let Some(gate) = wanted(of, wishes, now) {
                gates.insert(delivery, gate);
            } else if of.questions.caps
                && let Some(user) = &wishes.user_id
                && is_alive(push_tokens, *device)
            {
                counting.add(of, user, delivery);
            }
        }
    }
    if counting.wanted.is_empty() {
        return Ok(gates);
    }
    let may = hub.parts.store.reserve(counting.wanted, now).await?;
    for (delivery, at) in counting.deliveries {
        if !may.get(at).copied().unwrap_or(false) {
            gates.insert(delivery, Gate::Suppress(Suppression::FrequencyCap));
        }
    }
    Ok(gates)
}

/// What the user, or the App in his stead, says; `None`: nothing against it.
fn wanted(of: &Ungated, wishes: &DevicePreferences, now: UnixMs) -> Option<Gate> {
    let settings = &of.rules.settings;
    let preferences = wishes.preferences.as_ref();
    let category = of.note.options.category.as_deref();
    if of.questions.opt_out && is_opted_out(category, preferences, settings) {
        return Some(Gate::Suppress(Suppression::OptedOut));
    }
    let preferences = preferences.filter(|_| of.questions.quiet)?;
    let zones = (wishes.time_zone.as_deref(), settings.time_zone.as_deref());
    match quiet_until(preferences, zones.0, zones.1, now)? {
        (until, QuietMode::Hold) => Some(Gate::Hold(until)),
        (_, QuietMode::Suppress) => Some(Gate::Suppress(Suppression::QuietHours)),
    }
}

fn is_alive(push_tokens: &[PushToken], device: DeviceNo) -> bool {
    let found = push_tokens.binary_search_by_key(&device, |token| token.device);
    found.is_ok_and(|at| push_tokens[at].retired_at.is_none())
}

/// Users to be counted, each once for a notification, and the deliveries that hang on it.
#[derive(Default)]
struct Counting {
    wanted: Vec<Reservation>,
    places: HashMap<(NotificationNo, String), usize>,
    deliveries: Vec<((JobKey, u16), usize)>,
}

impl Counting {
    fn add(&mut self, of: &Ungated, user: &str, delivery: (JobKey, u16)) {
        let note = &of.note;
        let place = self.places.entry((note.no, user.to_owned()));
        let at = *place.or_insert_with(|| {
            self.wanted.push(Reservation {
                app: note.app,
                user_id: user.to_owned(),
                notification: note.no,
                category: note.options.category.clone(),
                caps: of.rules.caps.clone(),
            });
            self.wanted.len() - 1
        });
        self.deliveries.push((delivery, at));
    }
}

impl Core {
    /// Deliveries of a job that wait until the same instant: each goes on in a work row that is due then,
    /// or ends when its notification does not last so long.
    pub(crate) fn hold(&mut self, key: JobKey, positions: &[u16], until: UnixMs, moment: Moment) {
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        let is_over = job.note.is_expired(until);
        let in_doubt = job.work.in_doubt;
        job.progress.attempts.push(NewAttempt {
            position: None,
            positions: Some(Positions::new(positions.to_vec())),
            attempt: job.work.attempt.saturating_add(1),
            at: moment.now,
            environment: None,
            connection: 0,
            result: if is_over { "expired" } else { "held" }.to_owned(),
            status: 0,
            reason: Suppression::QuietHours.as_str().to_owned(),
            raw: String::new(),
            elapsed_us: 0,
            next_attempt_at: (!is_over).then_some(until),
        });
        for position in positions {
            if is_over {
                let reason = Suppression::QuietHours.as_str();
                self.end(key, *position, FinalState::Expired, reason, moment);
            } else {
                let moved = Move {
                    position: *position,
                    due_at: until,
                    delay_ms: until - moment.now,
                    in_doubt,
                    is_held: true,
                };
                self.move_on(key, moved, moment);
            }
        }
    }
}
