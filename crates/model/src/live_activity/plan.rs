//! A Live Activity's declaration, checked and worked out: instants instead of words, states as the app reads
//! them.

use super::merge::merge;
use super::push::{ActivityPush, PushKind};
use super::request::{
    ActivityAlert, ActivityRequest, EndRequest, PhasePriority, PhaseRequest, Recipient, StartBy,
};
use super::swift_date;
use super::when::{Named, When, resolve};
use super::words;
use crate::device::is_plain_name;
use crate::problem::FieldProblem;
use crate::{UnixMs, duration};
use serde_json::{Map, Value};

/// Most phases of one activity.
pub const MAX_PHASES: usize = 64;

/// Most bytes of a push, and so of attributes and state together (Apple: 4 KB).
pub const MAX_PAYLOAD_BYTES: usize = 4_096;

/// The system ends an activity 8 hours after its start; it is ended five minutes before.
pub(super) const LONGEST_MS: i64 = 8 * 3_600_000 - 300_000;

/// The system takes an ended activity off the lock screen after four hours.
const LONGEST_DISMISSAL_MS: i64 = 4 * 3_600_000;

/// A timeline, worked out.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Whose phones show it.
    pub recipient: Recipient,
    /// The name of the app's attributes type.
    pub attributes_type: String,
    /// What never changes, as the app reads it.
    pub attributes: Value,
    /// What it shows at first, as the app reads it.
    pub content_state: Value,
    /// How its start calls attention.
    pub alert: Option<ActivityAlert>,
    /// Who starts it.
    pub start: StartBy,
    /// When it starts.
    pub starts_at: UnixMs,
    /// When it ends.
    pub ends_at: Option<UnixMs>,
    /// How long after its end, or after each push, it is outdated: milliseconds.
    pub stale_after_ms: Option<i64>,
    /// What changes when, in order of time.
    pub phases: Vec<Phase>,
    /// How it ends.
    pub end: End,
    /// Milliseconds without a word after which it ends.
    pub on_silence_ms: Option<i64>,
    /// Its place among the app's activities.
    pub relevance: Option<f64>,
    /// Whether the app asks for frequent updates.
    pub frequent: bool,
    /// Whether the recipient's Android phones show it too.
    pub android: bool,
}

/// A moment at which something changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// When.
    pub at: UnixMs,
    /// What changes, as the app reads it.
    pub content_state: Value,
    /// Whether that is the whole state.
    pub replace: bool,
    /// Calls attention.
    pub alert: Option<ActivityAlert>,
    /// How urgently.
    pub priority: PhasePriority,
}

/// How it ends, worked out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct End {
    /// The last change, as the app reads it.
    pub content_state: Option<Value>,
    /// Milliseconds after its end at which it leaves the lock screen.
    pub dismiss_after_ms: Option<i64>,
    /// Calls attention.
    pub alert: Option<ActivityAlert>,
}

/// A plan, and what about it is allowed and may not be meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The plan.
    pub plan: Plan,
    /// What may not be meant.
    pub warnings: Vec<FieldProblem>,
}

/// Collects what is wrong and what is suspicious.
#[derive(Default)]
struct Check {
    problems: Vec<FieldProblem>,
    warnings: Vec<FieldProblem>,
}

impl Check {
    fn wrong(
        &mut self,
        pointer: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) {
        self.problems
            .push(FieldProblem::new(pointer, code, message));
    }

    fn state(&mut self, pointer: &str, written: &Map<String, Value>) -> Value {
        let mut state = Value::Object(written.clone());
        swift_date::encode(&mut state, pointer, &mut self.problems, &mut self.warnings);
        words::misplaced(&state, pointer, &mut self.problems);
        state
    }

    fn alert(&mut self, pointer: &str, alert: Option<&ActivityAlert>) {
        self.problems
            .extend(alert.and_then(|alert| alert.problem(pointer)));
    }

    fn span(&mut self, pointer: &str, text: Option<&String>) -> Option<i64> {
        match duration::parse_ms(text?) {
            Ok(ms) => Some(ms),
            Err(why) => {
                self.wrong(pointer, "live_activity.duration", why);
                None
            }
        }
    }

    fn length(&mut self, starts_at: UnixMs, ends_at: UnixMs) {
        let lasts_ms = ends_at.saturating_sub(starts_at);
        if lasts_ms <= 0 {
            self.wrong(
                "/ends_at",
                "live_activity.ends_before_start",
                "expected an instant after starts_at: this activity would end before it begins",
            );
        } else if lasts_ms > LONGEST_MS {
            self.warnings.push(FieldProblem::new(
                "/ends_at",
                "live_activity.too_long",
                format!(
                    "expected an instant at most {} after starts_at, found {}: the system ends an activity 8h after its start, so this one is ended by then, without its later phases; end it earlier, or declare another that follows it",
                    duration::format_ms(LONGEST_MS),
                    duration::format_ms(lasts_ms)
                ),
            ));
        }
    }

    fn end(&mut self, pointer: &str, end: &EndRequest) -> End {
        let place = format!("{pointer}/content_state");
        let content_state = end
            .content_state
            .as_ref()
            .map(|state| self.state(&place, state));
        let place = format!("{pointer}/dismiss_after");
        let dismiss_after_ms = self.span(&place, end.dismiss_after.as_ref());
        if dismiss_after_ms.is_some_and(|ms| ms > LONGEST_DISMISSAL_MS) {
            self.wrong(
                place,
                "live_activity.dismiss_after",
                "expected at most 4h: the system takes it off the lock screen then",
            );
        }
        self.alert(&format!("{pointer}/alert"), end.alert.as_ref());
        End {
            content_state,
            dismiss_after_ms,
            alert: end.alert.clone(),
        }
    }

    fn phase(&mut self, place: usize, phase: &PhaseRequest, at: UnixMs) -> Phase {
        self.alert(&format!("/phases/{place}/alert"), phase.alert.as_ref());
        Phase {
            name: phase.name.clone(),
            at,
            content_state: self.state(
                &format!("/phases/{place}/content_state"),
                &phase.content_state,
            ),
            replace: phase.replace,
            alert: phase.alert.clone(),
            priority: phase.priority,
        }
    }
}

impl EndRequest {
    /// Works out how it ends; pointers are into its own body.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check(&self) -> Result<End, Vec<FieldProblem>> {
        let mut check = Check::default();
        let end = check.end("", self);
        if check.problems.is_empty() {
            Ok(end)
        } else {
            Err(check.problems)
        }
    }
}

/// A change of the state as it was sent, as the app reads it; pointers are below `/content_state`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check_state(
    written: &Map<String, Value>,
) -> Result<(Value, Vec<FieldProblem>), Vec<FieldProblem>> {
    let mut check = Check::default();
    let state = check.state("/content_state", written);
    if check.problems.is_empty() {
        Ok((state, check.warnings))
    } else {
        Err(check.problems)
    }
}

impl ActivityRequest {
    /// Works out the timeline of an activity that was declared at `declared_at`, which is when it starts unless it
    /// says so itself.
    ///
    /// # Errors
    /// Everything that is wrong with it, with pointers into its own body.
    pub fn plan(&self, declared_at: UnixMs) -> Result<Checked, Vec<FieldProblem>> {
        self.worked_out(declared_at, true)
    }

    /// [`plan`](Self::plan), for what was found right before and is read again: what it makes is not measured once more.
    ///
    /// # Errors
    /// As there, but for sizes.
    pub fn plan_again(&self, declared_at: UnixMs) -> Result<Checked, Vec<FieldProblem>> {
        self.worked_out(declared_at, false)
    }

    fn worked_out(
        &self,
        declared_at: UnixMs,
        is_measured: bool,
    ) -> Result<Checked, Vec<FieldProblem>> {
        let mut check = Check::default();
        self.names(&mut check);
        let times = self.times(declared_at, &mut check);
        let known = resolve(&times, &mut check.problems);
        let starts_at = known.get("starts_at").copied();
        let ends_at = known.get("ends_at").copied();
        if let (Some(starts_at), Some(ends_at)) = (starts_at, ends_at) {
            check.length(starts_at, ends_at);
        }
        let mut phases = Vec::new();
        for (place, phase) in self.phases.iter().enumerate() {
            let Some(at) = known.get(&format!("phases.{}", phase.name)).copied() else {
                continue;
            };
            let bound = if starts_at.is_some_and(|starts_at| at < starts_at) {
                Some(("before", "starts_at"))
            } else if ends_at.is_some_and(|ends_at| at > ends_at) {
                Some(("after", "ends_at"))
            } else {
                None
            };
            if let Some((side, bound)) = bound {
                check.wrong(
                    format!("/phases/{place}/at"),
                    "live_activity.phase_outside",
                    format!("expected a time while the activity runs, found one {side} {bound} (phase {:?})", phase.name),
                );
            }
            phases.push((place, check.phase(place, phase, at)));
        }
        phases.sort_by_key(|(place, phase)| (phase.at, *place));
        let attributes = check.state("/attributes", &self.attributes);
        let content_state = check.state("/content_state", &self.content_state);
        let end = check.end("/end", &self.end);
        check.alert("/alert", self.alert.as_ref());
        let stale_after_ms = check.span("/stale_after", self.stale_after.as_ref());
        let on_silence_ms = check.span("/on_silence", self.on_silence.as_ref());
        if on_silence_ms == Some(0) {
            check.wrong(
                "/on_silence",
                "live_activity.duration",
                "expected more than 0s; to end it now, end it",
            );
        }
        let plan = Plan {
            recipient: self.recipient.clone(),
            attributes_type: self.attributes_type.clone(),
            attributes,
            content_state,
            alert: self.alert.clone(),
            start: self.start,
            starts_at: starts_at.unwrap_or(declared_at),
            ends_at,
            stale_after_ms,
            phases: phases.iter().map(|(_, phase)| phase.clone()).collect(),
            end,
            on_silence_ms,
            relevance: self.relevance,
            frequent: self.frequent,
            android: self.android,
        };
        check.problems.extend(super::android::problem(&plan));
        if is_measured && check.problems.is_empty() {
            let places: Vec<usize> = phases.iter().map(|(place, _)| *place).collect();
            plan.sizes(&places, &mut check);
        }
        if check.problems.is_empty() {
            Ok(Checked {
                plan,
                warnings: check.warnings,
            })
        } else {
            Err(check.problems)
        }
    }

    fn names(&self, check: &mut Check) {
        let is_type = (1..=128).contains(&self.attributes_type.len())
            && self
                .attributes_type
                .chars()
                .all(|c| c.is_alphanumeric() || "._".contains(c));
        if !is_type {
            check.wrong(
                "/attributes_type",
                "live_activity.attributes_type",
                format!(
                    "expected the name of a Swift type, such as LessonAttributes, found {:?}",
                    self.attributes_type
                ),
            );
        }
        let named = match &self.recipient {
            Recipient::User(user) => Some(("user", user, 128)),
            Recipient::Device(device) => Some(("device", device, 128)),
            Recipient::Channel(channel) => Some(("channel", channel, 256)),
            Recipient::PushToken(token) => Some(("push_token/token", &token.push_token, 512)),
            Recipient::NewChannel(new) => {
                check.problems.extend(new.problems(self.start));
                None
            }
        };
        if let Some((key, text, max)) = named
            && (text.is_empty() || text.len() > max)
        {
            check.wrong(
                format!("/recipient/{key}"),
                "live_activity.recipient",
                format!("expected 1 to {max} bytes, found {}", text.len()),
            );
        }
        let is_startable = matches!(
            self.recipient,
            Recipient::User(_) | Recipient::Device(_) | Recipient::NewChannel(_)
        );
        match self.start {
            StartBy::Push if !is_startable => check.wrong("/start", "live_activity.start", "expected \"app\": only a user's or a device's phones can be started by push, because only they have push-to-start tokens"),
            StartBy::Push if self.alert.is_none() => check.wrong("/alert", "live_activity.alert_missing", "expected an alert with title and body: iOS accepts a start by push without one and shows nothing; or say \"start\": \"app\" where the app starts it itself"),
            _ => {}
        }
        if let Some(relevance) = self.relevance
            && !(0.0..=100.0).contains(&relevance)
        {
            check.wrong(
                "/relevance",
                "live_activity.relevance",
                format!("expected 0 to 100, found {relevance}"),
            );
        }
        if self.phases.len() > MAX_PHASES {
            check.wrong(
                "/phases",
                "live_activity.phases",
                format!(
                    "expected at most {MAX_PHASES} phases, found {}",
                    self.phases.len()
                ),
            );
        }
        for (place, phase) in self.phases.iter().enumerate() {
            let pointer = format!("/phases/{place}/name");
            if !is_plain_name(&phase.name, 64) {
                check.wrong(
                    pointer,
                    "live_activity.phase_name",
                    format!(
                        "expected 1 to 64 characters of A-Z a-z 0-9 . _ : @ -, found {:?}",
                        phase.name
                    ),
                );
            } else if self.phases[..place]
                .iter()
                .any(|other| other.name == phase.name)
            {
                check.wrong(
                    pointer,
                    "live_activity.phase_name",
                    format!(
                        "expected a name that no other phase has: {:?} is there twice",
                        phase.name
                    ),
                );
            }
        }
    }

    fn times(&self, declared_at: UnixMs, check: &mut Check) -> Vec<Named> {
        let mut times = Vec::new();
        let mut add = |name: String, pointer: String, written: &Value| {
            let when = When::parse(written)
                .map_err(|why| check.wrong(pointer.clone(), "live_activity.time", why))
                .ok();
            times.push(Named {
                name,
                pointer,
                when,
            });
        };
        if let Some(written) = &self.ends_at {
            add("ends_at".into(), "/ends_at".into(), written);
        }
        for (place, phase) in self.phases.iter().enumerate() {
            add(
                format!("phases.{}", phase.name),
                format!("/phases/{place}/at"),
                &phase.at,
            );
        }
        match &self.starts_at {
            Some(written) => add("starts_at".into(), "/starts_at".into(), written),
            None => times.push(Named {
                name: "starts_at".into(),
                pointer: "/starts_at".into(),
                when: Some(When::At(declared_at)),
            }),
        }
        times
    }
}

impl Plan {
    /// The start, the state after each phase and the end must each fit into a push.
    fn sizes(&self, places: &[usize], check: &mut Check) {
        let mut state = self.content_state.clone();
        let alert = self.alert.as_ref();
        self.size(PushKind::Start, &state, alert, "/content_state", check);
        for (phase, place) in self.phases.iter().zip(places) {
            if phase.replace {
                state = phase.content_state.clone();
            } else {
                merge(&mut state, &phase.content_state);
            }
            let pointer = format!("/phases/{place}/content_state");
            self.size(
                PushKind::Update,
                &state,
                phase.alert.as_ref(),
                &pointer,
                check,
            );
        }
        if let Some(last) = &self.end.content_state {
            merge(&mut state, last);
            self.size(
                PushKind::End,
                &state,
                self.end.alert.as_ref(),
                "/end/content_state",
                check,
            );
        }
    }

    fn size(
        &self,
        kind: PushKind,
        state: &Value,
        alert: Option<&ActivityAlert>,
        pointer: &str,
        check: &mut Check,
    ) {
        check
            .problems
            .extend(self.too_large(kind, state, alert, pointer));
    }

    /// What is wrong with the size of a state: attributes and state together must fit into 4 KB, and so must the push
    /// that carries it. The largest member is named.
    #[must_use]
    pub fn too_large(
        &self,
        kind: PushKind,
        state: &Value,
        alert: Option<&ActivityAlert>,
        pointer: &str,
    ) -> Option<FieldProblem> {
        let push = ActivityPush::example(self, kind, state.clone(), alert.cloned());
        let push_bytes = serde_json::to_vec(&push.payload(self)).map_or(0, |text| text.len());
        let both_bytes = json_len(&self.attributes) + json_len(state);
        let bytes = push_bytes.max(both_bytes).max(push.android_bytes(self));
        if bytes <= MAX_PAYLOAD_BYTES {
            return None;
        }
        let members = |value: &Value, of: &str| -> Vec<(usize, String)> {
            let members = value.as_object().into_iter().flatten();
            members
                .map(|(key, value)| (json_len(value), format!("{of}/{key}")))
                .collect()
        };
        let mut sized = members(&self.attributes, "/attributes");
        sized.extend(members(state, pointer));
        let alert_bytes = alert.map_or(0, |alert| alert.title.len() + alert.body.len());
        sized.push((alert_bytes, "the alert".to_owned()));
        let (largest, name) = sized.into_iter().max_by_key(|(bytes, _)| *bytes)?;
        Some(FieldProblem::new(
            if name.starts_with("/attributes") {
                name.clone()
            } else {
                pointer.to_owned()
            },
            "live_activity.too_large",
            format!(
                "expected at most {MAX_PAYLOAD_BYTES} bytes of attributes and state in one push, found {bytes}; the largest part is {name} with {largest} bytes: shorten it, or let the app fetch it"
            ),
        ))
    }
}

fn json_len(value: &Value) -> usize {
    serde_json::to_vec(value).map_or(0, |text| text.len())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
