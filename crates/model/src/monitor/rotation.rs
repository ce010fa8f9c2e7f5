//! Who is on call: rotations by the clock of a place, with layers and overrides.
//!
//! A layer hands over from one of its members to the next, at a time of day. The first layer that has somebody at an
//! instant says who is on call; an override comes before all layers. A layer with hours has nobody outside of them: the
//! layers after it then say who is, or nobody is, which is a gap.

use crate::daily_window::{DailyWindow, Day, Edge, at, instant, minutes};
use crate::problem::FieldProblem;
use crate::{UnixMs, duration, time_zone};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// Most layers of a rotation.
const MAX_LAYERS: usize = 8;
/// Most members of a layer.
const MAX_MEMBERS: usize = 50;
/// Most overrides that are kept.
const MAX_OVERRIDES: usize = 100;
const DAY_MS: i64 = 86_400_000;
const MAX_SHIFT_DAYS: i64 = 366;

/// A rotation as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationDefinition {
    /// By the clock of which place: an IANA time zone.
    pub time_zone: String,
    /// Who takes turns; the first that has somebody counts.
    pub layers: Vec<LayerDefinition>,
    /// Who stands in for whoever it would be; the last that holds counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<OverrideDefinition>,
    /// `true`: there may be times at which nobody is on call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_gaps: bool,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// People who take turns, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerDefinition {
    /// Users, in the order of their turns.
    pub members: Vec<String>,
    /// How long a turn is: whole days, e.g. `"7d"`.
    #[serde(default = "week")]
    pub turn: String,
    /// When one hands over to the next.
    #[serde(default)]
    pub hand_over: HandOver,
    /// The date on which the first member's turn begins; before it nobody of this layer is on call. Without it turns
    /// are counted from 1970-01-05, a Monday, or the first such weekday after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_on: Option<String>,
    /// When they are on call at all; without, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<HoursDefinition>,
}

fn week() -> String {
    "7d".to_owned()
}

/// When one hands over to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// On this day of the week (`"mon"` …), where turns are whole weeks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weekday: Option<Day>,
    /// At this time of day.
    #[serde(default = "nine")]
    time: String,
}

fn nine() -> String {
    "09:00".to_owned()
}

impl Default for HandOver {
    fn default() -> Self {
        Self {
            weekday: None,
            time: nine(),
        }
    }
}

/// Hours on call, as they are written: `{"from": "22:00", "to": "08:00", "days": ["mon"]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoursDefinition {
    /// A time of day.
    pub from: String,
    /// A time of day; not later than `from`: of the next day.
    pub to: String,
    /// Days on which they begin; default: every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<Vec<Day>>,
}

/// Somebody who stands in, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideDefinition {
    /// Who.
    pub user: String,
    /// From when on (RFC 3339).
    pub from: String,
    /// Until when (RFC 3339).
    pub until: String,
}

/// A rotation, read.
#[derive(Clone, Debug)]
pub struct RotationPlan {
    pub(super) zone: TimeZone,
    layers: Vec<Layer>,
    overrides: Vec<(UnixMs, UnixMs, String)>,
}

#[derive(Clone, Debug)]
struct Layer {
    members: Vec<String>,
    turn_days: i64,
    /// Minutes after midnight.
    time: u16,
    /// The date of the first turn.
    first: Date,
    has_start: bool,
    hours: Option<DailyWindow>,
}

impl RotationDefinition {
    /// Reads it, and looks for gaps from `now` on.
    ///
    /// # Errors
    /// Everything that is wrong with it, with pointers into its own body; gaps too, unless it allows them.
    pub fn plan(&self, now: UnixMs) -> Result<RotationPlan, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let zone = time_zone::parse(&self.time_zone).map_err(|why| {
            problems.push(FieldProblem::new("/time_zone", "on_call.time_zone", why));
        });
        if !(1..=MAX_LAYERS).contains(&self.layers.len()) {
            problems.push(FieldProblem::new(
                "/layers",
                "on_call.layers",
                format!(
                    "expected 1 to {MAX_LAYERS} layers with people, found {}",
                    self.layers.len()
                ),
            ));
        }
        let mut layers = Vec::new();
        for (place, layer) in self.layers.iter().enumerate() {
            let mut found = Vec::new();
            layers.extend(layer.read(&mut found));
            let prefix = format!("/layers/{place}");
            problems.extend(found.into_iter().map(|problem| problem.under(&prefix)));
        }
        let overrides = self.read_overrides(&mut problems);
        let (Ok(zone), true) = (zone, problems.is_empty()) else {
            return Err(problems);
        };
        let plan = RotationPlan {
            zone,
            layers,
            overrides,
        };
        if !self.allow_gaps
            && let Some(gap) = plan.gaps(now).first()
        {
            let message = format!(
                "expected somebody on call at every time, found a gap {}: add a layer for it, or say \"allow_gaps\": true",
                plan.shown(gap)
            );
            return Err(vec![FieldProblem::new("/layers", "on_call.gap", message)]);
        }
        Ok(plan)
    }

    fn read_overrides(&self, problems: &mut Vec<FieldProblem>) -> Vec<(UnixMs, UnixMs, String)> {
        let mut overrides = Vec::new();
        if self.overrides.len() > MAX_OVERRIDES {
            problems.push(FieldProblem::new(
                "/overrides",
                "on_call.overrides",
                format!(
                    "expected at most {MAX_OVERRIDES}, found {}: take out those that are over",
                    self.overrides.len()
                ),
            ));
        }
        for (place, stand_in) in self.overrides.iter().enumerate() {
            let before = problems.len();
            problems.extend(user_problem(
                &format!("/overrides/{place}/user"),
                &stand_in.user,
            ));
            let mut instant = |field: &str, text: &String| {
                let read = text.parse::<Timestamp>();
                let wrong = |error| {
                    let message = format!(
                        "expected an RFC 3339 time such as \"2026-12-24T09:00:00+01:00\", found {text:?} ({error})"
                    );
                    let pointer = format!("/overrides/{place}/{field}");
                    FieldProblem::new(pointer, "on_call.instant", message)
                };
                read.map_err(|error| problems.push(wrong(error)))
                    .map_or(0, Timestamp::as_millisecond)
            };
            let (from, until) = (
                instant("from", &stand_in.from),
                instant("until", &stand_in.until),
            );
            if problems.len() == before && until <= from {
                problems.push(FieldProblem::new(
                    format!("/overrides/{place}/until"),
                    "on_call.override",
                    "expected an instant after `from`",
                ));
            }
            overrides.push((from, until, stand_in.user.clone()));
        }
        overrides
    }
}

fn user_problem(pointer: &str, user: &str) -> Option<FieldProblem> {
    (!(1..=128).contains(&user.len())).then(|| {
        let message = format!(
            "expected a user's id of 1 to 128 bytes, found {}",
            user.len()
        );
        FieldProblem::new(pointer, "on_call.user", message)
    })
}

impl LayerDefinition {
    fn read(&self, problems: &mut Vec<FieldProblem>) -> Option<Layer> {
        let before = problems.len();
        if !(1..=MAX_MEMBERS).contains(&self.members.len()) {
            problems.push(FieldProblem::new(
                "/members",
                "on_call.members",
                format!(
                    "expected 1 to {MAX_MEMBERS} users, found {}",
                    self.members.len()
                ),
            ));
        }
        for (place, user) in self.members.iter().enumerate() {
            problems.extend(user_problem(&format!("/members/{place}"), user));
        }
        let turn_ms = duration::parse_ms(&self.turn).unwrap_or(0);
        let turn_days = turn_ms / DAY_MS;
        if turn_ms % DAY_MS != 0 || !(1..=MAX_SHIFT_DAYS).contains(&turn_days) {
            problems.push(FieldProblem::new(
                "/turn",
                "on_call.turn",
                format!(
                    "expected whole days from \"1d\" to \"{MAX_SHIFT_DAYS}d\", found {:?}; for parts of a day make layers with hours",
                    self.turn
                ),
            ));
        }
        let time = minutes(&self.hand_over.time).filter(|time| *time < 24 * 60);
        if time.is_none() {
            problems.push(FieldProblem::new(
                "/hand_over/time",
                "on_call.time",
                format!("expected 00:00 to 23:59, found {:?}", self.hand_over.time),
            ));
        }
        let first = self.first(turn_days, problems);
        let hours = self.hours.as_ref().and_then(|hours| {
            let read = DailyWindow::read(&hours.from, &hours.to, hours.days.as_deref());
            let wrong = |why| FieldProblem::new("/hours", "on_call.hours", why);
            read.map_err(|why| problems.push(wrong(why))).ok()
        });
        if problems.len() > before {
            return None;
        }
        Some(Layer {
            members: self.members.clone(),
            turn_days,
            time: time?,
            first: first?,
            has_start: self.starts_on.is_some(),
            hours,
        })
    }

    /// The date of the first turn: on the weekday of the hand-over.
    fn first(&self, turn_days: i64, problems: &mut Vec<FieldProblem>) -> Option<Date> {
        let monday = Date::constant(1970, 1, 5);
        let first = match &self.starts_on {
            None => monday,
            Some(text) => match text.parse::<Date>() {
                Ok(date) => date,
                Err(error) => {
                    let message =
                        format!("expected a date such as \"2026-01-31\", found {text:?} ({error})");
                    problems.push(FieldProblem::new("/starts_on", "on_call.date", message));
                    return None;
                }
            },
        };
        let Some(weekday) = self.hand_over.weekday else {
            return Some(first);
        };
        if turn_days % 7 != 0 {
            problems.push(FieldProblem::new(
                "/hand_over/weekday",
                "on_call.weekday",
                "expected none: a turn that is not whole weeks begins on another weekday each time",
            ));
            return None;
        }
        let is_at = usize::try_from(first.weekday().to_monday_zero_offset()).ok()?;
        let days = i64::try_from((7 + weekday.place() - is_at) % 7).ok()?;
        if days != 0 && self.starts_on.is_some() {
            problems.push(FieldProblem::new(
                "/starts_on",
                "on_call.date",
                format!(
                    "expected a date on the weekday of the hand-over, found {first}, which is not"
                ),
            ));
            return None;
        }
        first.checked_add(Span::new().days(days)).ok()
    }
}

impl Layer {
    /// The number of the turn that `now` is in, from 0.
    fn turn(&self, zone: &TimeZone, now: UnixMs) -> Option<i64> {
        let local = zone.to_datetime(Timestamp::from_millisecond(now).ok()?);
        // The hand-over of today, or of a day before where that has not come or the clock has left it out.
        let mut date = local.date().tomorrow().ok()?;
        for _ in 0..4 {
            if instant(zone, at(date, self.time)?, Edge::Start)? <= now {
                let days = i64::from((date - self.first).get_days());
                return Some(days.div_euclid(self.turn_days));
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    /// When a turn begins.
    fn begin(&self, zone: &TimeZone, turn: i64) -> Option<UnixMs> {
        let days = turn.checked_mul(self.turn_days)?;
        let date = self
            .first
            .checked_add(Span::new().try_days(days).ok()?)
            .ok()?;
        instant(zone, at(date, self.time)?, Edge::Start)
    }

    /// Its members, whoever has the turn first and then in the order of their turns; nobody: it has nobody then.
    fn people(&self, zone: &TimeZone, now: UnixMs) -> impl Iterator<Item = &String> {
        let is_on = self
            .hours
            .is_none_or(|hours| hours.around(zone, now).is_some());
        let turn = self
            .turn(zone, now)
            .filter(|turn| is_on && (*turn >= 0 || !self.has_start));
        let count = self.members.len();
        let place = turn.and_then(|turn| {
            let count = i64::try_from(count).ok().filter(|count| *count > 0)?;
            usize::try_from(turn.rem_euclid(count)).ok()
        });
        let places = place.map(|place| (0..count).map(move |more| (place + more) % count));
        places
            .into_iter()
            .flatten()
            .filter_map(|place| self.members.get(place))
    }

    /// When it may next be somebody else.
    fn next_change(&self, zone: &TimeZone, now: UnixMs) -> Option<UnixMs> {
        let turn = self.turn(zone, now)?;
        let next = if turn < 0 && self.has_start {
            0
        } else {
            turn + 1
        };
        let turn_at = self.begin(zone, next).filter(|at| *at > now);
        let edge = self.hours.and_then(|hours| hours.next_edge(zone, now));
        turn_at.into_iter().chain(edge).min()
    }
}

impl RotationPlan {
    /// Whoever is on call at `now` first, then in the order in which they are asked next: the members of the layer that
    /// says who is on call, in the order of their turns, then those of the layers after it. Each once.
    #[must_use]
    pub fn people(&self, now: UnixMs) -> Vec<&str> {
        let stand_in = self
            .overrides
            .iter()
            .rev()
            .find(|(from, until, _)| *from <= now && now < *until);
        let mut people: Vec<&str> = Vec::new();
        let of_layers = self
            .layers
            .iter()
            .flat_map(|layer| layer.people(&self.zone, now));
        for user in stand_in.map(|(.., user)| user).into_iter().chain(of_layers) {
            if !people.contains(&user.as_str()) {
                people.push(user);
            }
        }
        people
    }

    /// Everybody who is in it, on call or not, and who stands in at `now`.
    #[must_use]
    pub fn everybody(&self, now: UnixMs) -> Vec<&str> {
        let mut everybody = self.people(now);
        for user in self.layers.iter().flat_map(|layer| &layer.members) {
            if !everybody.contains(&user.as_str()) {
                everybody.push(user);
            }
        }
        everybody
    }

    /// When it may next be somebody else.
    pub(super) fn next_change(&self, now: UnixMs) -> Option<UnixMs> {
        let of_layers = self
            .layers
            .iter()
            .filter_map(|layer| layer.next_change(&self.zone, now));
        let of_overrides = self
            .overrides
            .iter()
            .flat_map(|(from, until, _)| [*from, *until])
            .filter(|at| *at > now);
        of_layers.chain(of_overrides).min()
    }
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
