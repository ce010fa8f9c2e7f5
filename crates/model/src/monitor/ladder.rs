//! The ladder: who is paged how and when, until somebody answers.

use super::page::{CALL_SCREEN_RULE, PageHow, PageNo};
use super::rotation::RotationPlan;
use crate::device::is_plain_name;
use crate::problem::FieldProblem;
use crate::{UnixMs, duration};
use serde::{Deserialize, Serialize};

/// Most steps of a ladder.
const MAX_STEPS: usize = 20;
/// Most times through a ladder.
const MAX_ROUNDS: u16 = 20;
/// Longest time between two steps, in milliseconds: 1 day.
const LONGEST_MS: i64 = 86_400_000;
/// Shortest time before a ladder begins again, in milliseconds.
const SHORTEST_PAUSE_MS: i64 = 30_000;
/// Most users that a step names.
const MAX_USERS: usize = 50;

/// A ladder as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderDefinition {
    /// One after the other, until somebody acknowledges.
    pub steps: Vec<StepDefinition>,
    /// How often it is gone through, if nobody acknowledges; default 3.
    #[serde(default = "three", skip_serializing_if = "is_three")]
    pub rounds: u16,
    /// The pause after the last step, before it begins again or is given up; default 5 min.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<String>,
    /// For how long an acknowledgement holds: if the incident is not resolved then, it begins anew. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_for: Option<String>,
    /// Whether those who were paged are told that it is over; default yes.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub tell_resolved: bool,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

fn three() -> u16 {
    3
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_three(value: &u16) -> bool {
    *value == 3
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

/// A step as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepDefinition {
    /// How long after the step before it, or after the incident was opened; default at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Who.
    pub whom: Whom,
    /// How.
    #[serde(default = "alert")]
    pub how: PageHow,
    /// What a critical alert sounds like; a ring that is not possible becomes one.
    #[serde(default, skip_serializing_if = "Sound::is_default")]
    pub sound: Sound,
}

fn alert() -> PageHow {
    PageHow::Alert
}

/// Whom a step pages: exactly one of the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Whom {
    /// Who is on call in this rotation when the step is taken.
    OnCall(String),
    /// The next after them whom no step for this rotation has paged in this round: the second such step of a ladder pages
    /// the one after that, and a hand-over in between leaves nobody out.
    Next(String),
    /// Everybody in this rotation.
    Everybody(String),
    /// These users.
    Users(Vec<String>),
}

/// What a critical alert sounds like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sound {
    /// A sound of the app, or `default`.
    pub name: String,
    /// From 0 to 1.
    pub volume: f64,
}

impl Default for Sound {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            volume: 1.0,
        }
    }
}

impl Sound {
    /// Whether it is the one that is meant where none is written.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A ladder, read.
#[derive(Clone, Debug, PartialEq)]
pub struct LadderPlan {
    /// One after the other.
    pub steps: Vec<Step>,
    /// How often it is gone through.
    pub rounds: u16,
    /// The pause after the last step: milliseconds.
    pub pause_ms: i64,
    /// For how long an acknowledgement holds: milliseconds.
    pub acknowledged_for_ms: Option<i64>,
    /// Whether those who were paged are told that it is over.
    pub tell_resolved: bool,
}

/// A step, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// How long after the step before it: milliseconds.
    pub after_ms: i64,
    /// Who.
    pub whom: Whom,
    /// How.
    pub how: PageHow,
    /// What a critical alert sounds like.
    pub sound: Sound,
}

impl LadderDefinition {
    /// Reads it. Whether its rotations exist, and reach anybody, [`LadderPlan::reach`] says.
    ///
    /// # Errors
    /// Everything that is wrong with it, with pointers into its own body.
    pub fn plan(&self) -> Result<LadderPlan, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut wrong = |pointer: String, code, message: String| {
            problems.push(FieldProblem::new(pointer, code, message));
        };
        let mut span = |pointer: String, text: Option<&String>, least: i64, most: i64| {
            let text = text?;
            let read = duration::parse_ms(text).and_then(|ms| match (least..=most).contains(&ms) {
                true => Ok(ms),
                false => Err(format!(
                    "expected {} to {}, found {text:?}",
                    duration::format_ms(least),
                    duration::format_ms(most)
                )),
            });
            read.map_err(|why| wrong(pointer, "ladder.duration", why))
                .ok()
        };
        let pause_ms = span(
            "/pause".into(),
            self.pause.as_ref(),
            SHORTEST_PAUSE_MS,
            LONGEST_MS,
        );
        let acknowledged_for_ms = span(
            "/acknowledged_for".into(),
            self.acknowledged_for.as_ref(),
            60_000,
            7 * LONGEST_MS,
        );
        let steps = (0..)
            .zip(&self.steps)
            .map(|(place, step): (usize, _)| Step {
                after_ms: span(
                    format!("/steps/{place}/after"),
                    step.after.as_ref(),
                    0,
                    LONGEST_MS,
                )
                .unwrap_or(0),
                whom: step.whom.clone(),
                how: step.how,
                sound: step.sound.clone(),
            });
        let steps: Vec<Step> = steps.collect();
        if !(1..=MAX_STEPS).contains(&steps.len()) {
            wrong(
                "/steps".into(),
                "ladder.steps",
                format!(
                    "expected 1 to {MAX_STEPS} steps that page somebody, found {}",
                    steps.len()
                ),
            );
        }
        for (place, step) in steps.iter().enumerate() {
            if let Some((field, message)) = step.whom.fault() {
                wrong(
                    format!("/steps/{place}/whom/{field}"),
                    "ladder.whom",
                    message,
                );
            }
            if !(0.0..=1.0).contains(&step.sound.volume) {
                wrong(
                    format!("/steps/{place}/sound/volume"),
                    "ladder.sound",
                    format!("expected 0 to 1, found {}", step.sound.volume),
                );
            }
            if !(1..=64).contains(&step.sound.name.len()) {
                wrong(
                    format!("/steps/{place}/sound/name"),
                    "ladder.sound",
                    "expected the name of a sound of the app, of 1 to 64 bytes".to_owned(),
                );
            }
        }
        if !(1..=MAX_ROUNDS).contains(&self.rounds) {
            wrong(
                "/rounds".into(),
                "ladder.rounds",
                format!("expected 1 to {MAX_ROUNDS}, found {}", self.rounds),
            );
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(LadderPlan {
            steps,
            rounds: self.rounds,
            pause_ms: pause_ms.unwrap_or(300_000),
            acknowledged_for_ms,
            tell_resolved: self.tell_resolved,
        })
    }
}

impl Whom {
    fn fault(&self) -> Option<(&'static str, String)> {
        let (field, name) = match self {
            Self::OnCall(name) => ("on_call", name),
            Self::Next(name) => ("next", name),
            Self::Everybody(name) => ("everybody", name),
            Self::Users(users) => {
                let is_fine = (1..=MAX_USERS).contains(&users.len())
                    && users.iter().all(|user| (1..=128).contains(&user.len()));
                let message =
                    format!("expected 1 to {MAX_USERS} users' ids of 1 to 128 bytes each");
                return (!is_fine).then_some(("users", message));
            }
        };
        let shown: String = name.chars().take(64).collect();
        (!is_plain_name(name, 64)).then(|| {
            (
                field,
                format!("expected a rotation's name, found {shown:?}"),
            )
        })
    }

    /// The rotation that it is about.
    #[must_use]
    pub fn rotation(&self) -> Option<&str> {
        match self {
            Self::OnCall(name) | Self::Next(name) | Self::Everybody(name) => Some(name),
            Self::Users(_) => None,
        }
    }
}

impl LadderPlan {
    /// Whom a page goes to at `now`, given to whom the incident's pages before it went, whether they have a device or not.
    /// Nobody: there is a gap, or nobody is left; then the next step is due at once.
    #[must_use]
    pub fn people<'a>(
        &'a self,
        page: PageNo,
        rotation: impl Fn(&str) -> Option<&'a RotationPlan>,
        before: &[(PageNo, &str)],
        now: UnixMs,
    ) -> Vec<&'a str> {
        let place = usize::from(page.step);
        let Some(step) = self.steps.get(place) else {
            return Vec::new();
        };
        let of = |name: &str| rotation(name);
        match &step.whom {
            Whom::Users(users) => users.iter().map(String::as_str).collect(),
            Whom::OnCall(name) => {
                let people = of(name).map_or_else(Vec::new, |rotation| rotation.people(now));
                people.into_iter().take(1).collect()
            }
            Whom::Next(name) => {
                let is_on_call =
                    |other: &Step| matches!(&other.whom, Whom::OnCall(called) if called == name);
                let goes_along = |other: &Step| is_on_call(other) || other.whom == step.whom;
                let is_of_round = |no: &PageNo| {
                    (no.run, no.round) == (page.run, page.round)
                        && self.steps.get(usize::from(no.step)).is_some_and(goes_along)
                };
                let paged = before.iter().filter(|(no, _)| is_of_round(no));
                let paged: Vec<&str> = paged.map(|(_, user)| *user).collect();
                // Where no step before is for whoever is on call, that one is passed over all the same.
                let passed = usize::from(!self.steps[..place].iter().any(is_on_call));
                let people = of(name).map_or_else(Vec::new, |rotation| rotation.people(now));
                let mut next = people.into_iter().skip(passed);
                next.find(|user| !paged.contains(user))
                    .into_iter()
                    .collect()
            }
            Whom::Everybody(name) => {
                of(name).map_or_else(Vec::new, |rotation| rotation.everybody(now))
            }
        }
    }

    /// Whether it reaches people: pointers are into the ladder. `has_call_screen` says whether a user has a device that
    /// may be rung.
    ///
    /// # Errors
    /// Rotations that there are not, steps that can never page anybody, and rings that nobody's app can take.
    pub fn reach<'a>(
        &'a self,
        rotation: impl Fn(&str) -> Option<&'a RotationPlan>,
        has_call_screen: impl Fn(&str) -> bool,
        now: UnixMs,
    ) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Vec::new();
        for (place, step) in (0u16..).zip(&self.steps) {
            let pointer = format!("/steps/{place}/whom");
            if let Some(name) = step.whom.rotation() {
                let Some(plan) = rotation(name) else {
                    let message = format!("expected a rotation that there is, found {name:?}");
                    problems.push(FieldProblem::new(pointer, "ladder.rotation", message));
                    continue;
                };
                let before = self.steps[..usize::from(place)].iter();
                let passed = before.filter(|other| other.whom == step.whom).count();
                let count = plan.everybody(now).len();
                if matches!(step.whom, Whom::Next(_)) && count < passed + 2 {
                    let message = format!(
                        "expected another person to go on to, but {name:?} has only {count}"
                    );
                    problems.push(FieldProblem::new(pointer, "ladder.nobody", message));
                    continue;
                }
            }
            if step.how == PageHow::Ring {
                let whom: Vec<&str> = match &step.whom {
                    Whom::Users(users) => users.iter().map(String::as_str).collect(),
                    other => other
                        .rotation()
                        .and_then(&rotation)
                        .map_or_else(Vec::new, |plan| plan.everybody(now)),
                };
                if !whom.iter().any(|user| has_call_screen(user)) {
                    problems.push(FieldProblem::new(
                        format!("/steps/{place}/how"),
                        "ladder.no_call_screen",
                        format!("expected a device with a call screen among those whom this step rings, found none. {CALL_SCREEN_RULE}"),
                    ));
                }
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rotation::RotationDefinition;
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn ladder(body: Value) -> LadderDefinition {
        serde_json::from_value(body).unwrap()
    }

    fn rotation(members: &[&str]) -> RotationPlan {
        let body = json!({"time_zone": "UTC", "layers": [{"members": members}]});
        let definition: RotationDefinition = serde_json::from_value(body).unwrap();
        definition.plan(0).unwrap()
    }

    /// With people who stand in from an instant until another.
    fn rotation_with(members: &[&str], stand_ins: &[(&str, UnixMs, UnixMs)]) -> RotationPlan {
        let instant = |ms: UnixMs| Timestamp::from_millisecond(ms).unwrap().to_string();
        let overrides = stand_ins.iter().map(|(user, from, until)| {
            json!({"user": user, "from": instant(*from), "until": instant(*until)})
        });
        let overrides: Vec<Value> = overrides.collect();
        let layers = json!([{"members": members, "turn": "1d"}]);
        let body = json!({"time_zone": "UTC", "layers": layers, "overrides": overrides});
        let definition: RotationDefinition = serde_json::from_value(body).unwrap();
        definition.plan(0).unwrap()
    }

    /// Of one round of pages, at these instants.
    fn page(step: u16) -> PageNo {
        PageNo {
            run: 1,
            round: 2,
            step,
        }
    }

    /// Whom each step of a round pages, at these instants.
    fn round(plan: &LadderPlan, web: &RotationPlan, times: &[UnixMs]) -> Vec<Vec<String>> {
        let mut before: Vec<(PageNo, String)> = Vec::new();
        let mut round = Vec::new();
        for (step, now) in (0..).zip(times) {
            let known: Vec<_> = before.iter().map(|(no, user)| (*no, &**user)).collect();
            let people = plan.people(page(step), |_| Some(web), &known, *now);
            let people: Vec<String> = people.into_iter().map(str::to_owned).collect();
            before.extend(people.iter().map(|user| (page(step), user.clone())));
            round.push(people);
        }
        round
    }

    #[test]
    fn steps_page_whom_they_say() {
        let plan = ladder(json!({"steps": [
            {"whom": {"on_call": "web"}},
            {"after": "2m", "whom": {"next": "web"}, "how": "critical", "sound": {"name": "alarm.caf", "volume": 0.5}},
            {"after": "2m", "whom": {"next": "web"}, "how": "ring"},
            {"after": "5m", "whom": {"everybody": "web"}, "how": "critical"},
            {"after": "5m", "whom": {"users": ["boss"]}}
        ]}))
        .plan()
        .unwrap();
        assert_eq!(
            (plan.rounds, plan.pause_ms, plan.steps[1].after_ms),
            (3, 300_000, 120_000)
        );
        let web = rotation(&["ann", "bob", "cid"]);
        let of = |name: &str| (name == "web").then_some(&web);
        let first = web.people(0)[0].to_owned();
        let people = round(&plan, &web, &[0; 6]);
        assert_eq!(people[0], [first]);
        assert_eq!(people[3].len(), 3);
        assert_eq!(people[..3].concat(), people[3]);
        assert_eq!((people[4].concat().as_str(), people[5].len()), ("boss", 0));
        assert_eq!(plan.reach(of, |_| true, 0), Ok(()));

        let few = rotation(&["ann", "bob"]);
        assert!(round(&plan, &few, &[0; 3])[2].is_empty());
        let problems = plan.reach(|_| Some(&few), |_| false, 0).unwrap_err();
        let found: Vec<_> = problems
            .iter()
            .map(|problem| (problem.pointer.as_str(), problem.code))
            .collect();
        assert_eq!(found, [("/steps/2/whom", "ladder.nobody")]);
        let problems = plan.reach(of, |user| user == "boss", 0).unwrap_err();
        assert_eq!(
            (problems.len(), problems[0].pointer.as_str()),
            (1, "/steps/2/how")
        );
        assert!(
            problems[0].message.contains("iOS ends an app"),
            "{}",
            problems[0]
        );
        let problems = plan.reach(|_| None, |_| true, 0).unwrap_err();
        assert_eq!(problems.len(), 4);
    }

    #[test]
    fn a_hand_over_between_two_steps_leaves_nobody_out_and_pages_nobody_twice() {
        let hour = 3_600_000;
        let plan = |whom: &[&str]| {
            let steps = whom.iter().map(|whom| json!({"whom": {*whom: "web"}}));
            let steps: Vec<Value> = steps.collect();
            ladder(json!({ "steps": steps })).plan().unwrap()
        };
        let down = plan(&["on_call", "next", "next", "next"]);
        let web = rotation_with(&["ann", "bob", "cid"], &[]);
        // One hands over to the next at nine.
        let (eight, ten) = (8 * hour, 10 * hour);
        let [first, second, third] = web.people(eight)[..] else {
            panic!("three people");
        };
        assert_eq!(web.people(ten)[0], second);
        let expected = [vec![first], vec![second], vec![third], vec![]];
        assert_eq!(round(&down, &web, &[eight, ten, ten, ten]), expected);
        assert_eq!(round(&down, &web, &[eight, eight, ten, ten]), expected);
        // Somebody stands in when the first step has been taken, or until then.
        let stands_in = rotation_with(&["ann", "bob", "cid"], &[("zoe", eight + 1, ten)]);
        let expected = [vec![first], vec!["zoe"], vec![second]];
        let found = round(&down, &stands_in, &[eight, eight + 1, eight + 2]);
        assert_eq!(found, expected);
        let stood_in = rotation_with(&["ann", "bob", "cid"], &[("zoe", 0, eight)]);
        let expected = [vec!["zoe"], vec![first], vec![second]];
        let found = round(&down, &stood_in, &[eight - 1, eight, eight]);
        assert_eq!(found, expected);
        // Nobody was on call at the first step: whoever is now is next.
        let paged: &[(PageNo, &str)] = &[];
        let next = down.people(page(1), |_| Some(&web), paged, eight);
        assert_eq!(next, [first]);
        // What another round, another step or another rotation has paged does not count.
        let other_round = PageNo {
            round: 0,
            ..page(0)
        };
        let paged = [(page(0), first), (other_round, second)];
        let next = down.people(page(1), |_| Some(&web), &paged, eight);
        assert_eq!(next, [second]);
        let all_first = plan(&["on_call", "everybody", "next"]);
        assert_eq!(round(&all_first, &web, &[eight; 3])[2], [second]);
        // Without a step for whoever is on call, that one is left out.
        let others = plan(&["next", "next"]);
        let expected = [vec![second], vec![third]];
        assert_eq!(round(&others, &web, &[eight; 2]), expected);
    }

    proptest! {
        /// Whoever hands over or stands in meanwhile: each step pages the first who was not paged, so nobody twice, and
        /// nobody is passed over.
        #[test]
        fn the_next_is_the_first_who_was_not_paged(
            count in 1..6usize, waits in proptest::collection::vec(0..30i64, 2..8),
            stand_ins in proptest::collection::vec((0..7usize, 0..60i64, 1..40i64), 0..4),
        ) {
            let hour = 3_600_000;
            let users = ["ann", "bob", "cid", "dan", "eve", "fay", "zoe"];
            let stand_ins: Vec<_> = stand_ins
                .iter()
                .map(|(user, from, hours)| (users[*user], from * hour, (from + hours) * hour))
                .collect();
            let web = rotation_with(&users[..count], &stand_ins);
            let times: Vec<UnixMs> = waits
                .iter()
                .scan(0, |at, wait| { *at += wait * hour; Some(*at) })
                .collect();
            let mut steps = vec![json!({"whom": {"on_call": "web"}})];
            steps.resize(times.len(), json!({"whom": {"next": "web"}}));
            let plan = ladder(json!({ "steps": steps })).plan().unwrap();
            let mut paged: Vec<String> = Vec::new();
            for (found, now) in round(&plan, &web, &times).into_iter().zip(times) {
                let mut people = web.people(now).into_iter();
                let expected = people.find(|user| !paged.iter().any(|other| other == user));
                prop_assert_eq!(found.first().map(String::as_str), expected);
                paged.extend(found);
            }
        }
    }

    #[test]
    fn mistakes_have_their_pointer() {
        let with = |change: Value| {
            let mut step = json!({"whom": {"on_call": "web"}});
            for (name, value) in change.as_object().unwrap() {
                step[name] = value.clone();
            }
            json!({"steps": [step]})
        };
        let beside = |name: &str, value: Value| {
            let mut body = with(json!({}));
            body[name] = value;
            body
        };
        for (body, pointer) in [
            (json!({"steps": []}), "/steps"),
            (with(json!({"after": "2d"})), "/steps/0/after"),
            (
                with(json!({"whom": {"on_call": "a b"}})),
                "/steps/0/whom/on_call",
            ),
            (with(json!({"whom": {"users": []}})), "/steps/0/whom/users"),
            (
                with(json!({"sound": {"volume": 1.5}})),
                "/steps/0/sound/volume",
            ),
            (with(json!({"sound": {"name": ""}})), "/steps/0/sound/name"),
            (beside("rounds", json!(0)), "/rounds"),
            (beside("pause", json!("1s")), "/pause"),
            (
                beside("acknowledged_for", json!("soon")),
                "/acknowledged_for",
            ),
        ] {
            let problems = ladder(body.clone()).plan().unwrap_err();
            assert_eq!(problems.len(), 1, "{body}: {problems:?}");
            assert_eq!(problems[0].pointer, pointer, "{body}");
        }
        for unknown in [
            json!({"whom": {"all": true}}),
            json!({"how": "shout"}),
            json!({"x": 1}),
        ] {
            assert!(serde_json::from_value::<LadderDefinition>(with(unknown)).is_err());
        }
    }

    #[test]
    fn golden() {
        let stored = r#"{"steps":[{"whom":{"on_call":"web"},"how":"alert"},{"after":"2m","whom":{"users":["a"]},"how":"critical","sound":{"name":"alarm.caf","volume":0.5}}],"rounds":2,"pause":"10m","acknowledged_for":"1h","tell_resolved":false}"#;
        let read: LadderDefinition = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    }
}
