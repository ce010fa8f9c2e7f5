//! Properties of the state machine over random failures, acknowledgements, restarts, missed times and clock jumps.

mod by_definition;

use super::*;
use crate::UnixMs;
use by_definition::{expected, histories};
use proptest::prelude::*;
use serde_json::{Value, json};

const SEC: i64 = 1_000;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// The clock goes on, or back, by so many seconds, and somebody looks.
    Clock(i64),
    /// The clock goes to when the machine wants to be looked at.
    Next,
    /// Checks, each a second after the one before: up, down or unknown.
    Check(Vec<u8>),
    Beat(u8),
    Acknowledge,
    /// An old link: it is about the incident before.
    AcknowledgeOld,
    Unacknowledge,
    Snooze(i64),
    Resolve,
    Nobody,
    /// What it depends on is down, or up again.
    Dependency(bool),
    Pause(bool),
    /// The ladder has so many steps from now on.
    Ladder(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let checks = proptest::collection::vec(
        prop_oneof![3 => Just(0u8), 5 => Just(1), 1 => Just(2)],
        1..6,
    );
    let step = prop_oneof![
        3 => (-900..1_200i64).prop_map(Step::Clock),
        1 => (-3_000_000..3_000_000i64).prop_map(Step::Clock),
        8 => Just(Step::Next),
        6 => checks.prop_map(Step::Check),
        3 => (0..4u8).prop_map(Step::Beat),
        4 => Just(Step::Acknowledge),
        1 => Just(Step::AcknowledgeOld),
        1 => Just(Step::Unacknowledge),
        1 => (0..4_000i64).prop_map(Step::Snooze),
        1 => Just(Step::Resolve),
        1 => Just(Step::Nobody),
        2 => any::<bool>().prop_map(Step::Dependency),
        1 => proptest::bool::weighted(0.3).prop_map(Step::Pause),
        1 => (1..5usize).prop_map(Step::Ladder),
    ];
    proptest::collection::vec(step, 1..60)
}

#[derive(Clone, Debug)]
struct Setting {
    check: Value,
    retries: u16,
    failures: u16,
    recoveries: u16,
    changes: u16,
    has_window: bool,
    rounds: u16,
    waits: Vec<i64>,
    acknowledged_for: Option<i64>,
}

fn settings() -> impl Strategy<Value = Setting> {
    let check = prop_oneof![
        3 => Just(json!({"tcp": {"host": "a.example", "port": 1}})),
        1 => Just(json!({"heartbeat": {"period": "5m", "grace": "30s", "run_limit": "2m"}})),
    ];
    let waits = proptest::collection::vec(0..400i64, 1..5);
    let numbers = (
        0..3u16,
        1..4u16,
        1..4u16,
        prop_oneof![Just(0u16), Just(4)],
        any::<bool>(),
    );
    let ladder = (1..4u16, waits, proptest::option::of(60..600i64));
    (check, numbers, ladder).prop_map(|(check, numbers, ladder)| {
        let is_heartbeat = check.get("heartbeat").is_some();
        let (retries, failures, recoveries, changes, has_window) = numbers;
        let (rounds, waits, acknowledged_for) = ladder;
        Setting {
            check,
            retries: if is_heartbeat { 0 } else { retries },
            failures,
            recoveries,
            changes,
            has_window,
            rounds,
            waits,
            acknowledged_for,
        }
    })
}

impl Setting {
    fn plan(&self) -> MonitorPlan {
        let mut body = json!({
            "check": self.check, "retries": self.retries, "failures": self.failures,
            "recoveries": self.recoveries, "ladder": "l",
            "flapping": {"changes": self.changes, "within": "20m"}
        });
        if self.has_window {
            body["maintenance"] =
                json!([{"cron": "*/40 * * * *", "lasts": "6m", "time_zone": "Europe/Berlin"}]);
        }
        let definition: MonitorDefinition = serde_json::from_value(body).unwrap();
        definition.plan().unwrap()
    }

    fn ladder(&self, count: usize) -> LadderPlan {
        let hows = ["alert", "critical", "ring"];
        let steps: Vec<Value> = (0..count)
            .map(|place| {
                let secs = self.waits[place % self.waits.len()];
                json!({"after": format!("{secs}s"), "whom": {"users": ["ann"]}, "how": hows[place % 3]})
            })
            .collect();
        let mut body = json!({"steps": steps, "rounds": self.rounds, "pause": "4m"});
        if let Some(secs) = self.acknowledged_for {
            body["acknowledged_for"] = json!(format!("{secs}s"));
        }
        let definition: LadderDefinition = serde_json::from_value(body).unwrap();
        definition.plan().unwrap()
    }
}

/// What somebody who only reads the timeline knows.
#[derive(Default)]
struct Reader {
    opened: u32,
    closed: u32,
    is_acknowledged: bool,
    is_held: bool,
    is_given_up: bool,
    last: Option<PageNo>,
    /// How many steps the ladder had when the last page was sent.
    steps: usize,
    pages: u32,
    /// How far the clock has gone on in all, whatever it was set back: milliseconds.
    gone_ms: i64,
    /// The same, at the last page and at the acknowledgement.
    paged_at: i64,
    acknowledged_at: i64,
    /// The last page reached nobody: the next is not waited for.
    is_not_waited_for: bool,
    /// How long what is well again has to show it.
    settle_ms: i64,
    /// How far the clock had gone on when what held pages back was over, where it was an open incident's that nobody had in hand.
    released_at: Option<i64>,
}

impl Reader {
    fn read(&mut self, entry: &Entry, ladder: &LadderPlan) {
        let is_open = self.opened > self.closed;
        let no = is_open.then_some(self.opened);
        match &entry.what {
            What::Opened(_) => {
                assert!(!is_open, "opened twice");
                assert!(!self.is_held, "opened while something holds it");
                *self = Self {
                    opened: self.opened + 1,
                    closed: self.closed,
                    pages: self.pages,
                    gone_ms: self.gone_ms,
                    settle_ms: self.settle_ms,
                    ..Self::default()
                };
                assert_eq!(entry.incident, Some(self.opened));
                return;
            }
            What::Resolved { lasted_ms, .. } => {
                assert!(is_open, "closed twice");
                assert!(*lasted_ms >= 0);
                self.closed += 1;
            }
            What::Paged(page) => {
                assert!(is_open, "a page after the end");
                assert!(!self.is_acknowledged, "a page after an acknowledgement");
                assert!(!self.is_held, "a page while something holds it");
                assert!(!self.is_given_up, "a page after it was given up");
                if let Some(at) = self.released_at.take()
                    && !self.is_not_waited_for
                {
                    assert!(self.gone_ms - at >= self.settle_ms, "no time to be well");
                }
                self.follows(page.no, ladder);
                self.pages += 1;
            }
            What::GivenUp => {
                assert!(is_open && !self.is_acknowledged && !self.is_held && !self.is_given_up);
                let last = self.last.expect("given up without a page");
                assert!(usize::from(last.step) + 1 >= ladder.steps.len());
                assert_eq!(last.round + 1, ladder.rounds);
                self.is_given_up = true;
            }
            What::Acknowledged { .. } => {
                assert!(is_open && !self.is_acknowledged);
                (self.is_acknowledged, self.released_at) = (true, None);
                self.acknowledged_at = self.gone_ms;
            }
            What::Unacknowledged { by } => {
                assert!(is_open && self.is_acknowledged);
                if by.is_none() {
                    let held_ms = self.gone_ms - self.acknowledged_at;
                    assert!(ladder.acknowledged_for_ms.is_some_and(|ms| held_ms >= ms));
                }
                (self.is_acknowledged, self.is_given_up) = (false, false);
            }
            What::Held(_) => self.is_held = true,
            What::Released => {
                self.is_held = false;
                self.released_at = (is_open && !self.is_acknowledged).then_some(self.gone_ms);
            }
            What::Snoozed { .. } => assert!(is_open && !self.is_acknowledged),
            What::Suspected(_) | What::Cleared => assert!(!is_open),
            What::FlappingBegan | What::FlappingEnded => {}
        }
        assert_eq!(entry.incident, no);
    }

    /// No step twice, and none left out.
    fn follows(&mut self, no: PageNo, ladder: &LadderPlan) {
        match self.last {
            None => assert_eq!((no.round, no.step), (0, 0)),
            Some(last) if no.run > last.run => assert_eq!((no.round, no.step), (0, 0)),
            Some(last) => {
                assert_eq!(no.run, last.run);
                let is_next = (no.round, no.step) == (last.round, last.step + 1);
                let is_round = (no.round, no.step) == (last.round + 1, 0);
                assert!(is_next || is_round, "{no:?} after {last:?}");
                if is_round {
                    let steps = ladder.steps.len().min(self.steps.max(1));
                    assert!(
                        usize::from(last.step) + 1 >= steps,
                        "steps are left out: {last:?}"
                    );
                }
            }
        }
        assert!(no.round < ladder.rounds && usize::from(no.step) < ladder.steps.len());
        // Whoever was paged has the time to answer that the ladder gives.
        if let Some(last) = self.last
            && last.run == no.run
            && self.steps == ladder.steps.len()
            && !self.is_not_waited_for
        {
            let pause_ms = if no.step == 0 { ladder.pause_ms } else { 0 };
            let wait_ms = pause_ms + ladder.steps[usize::from(no.step)].after_ms;
            assert!(self.gone_ms - self.paged_at >= wait_ms, "{no:?} too early");
        }
        (self.last, self.steps) = (Some(no), ladder.steps.len());
        (self.paged_at, self.is_not_waited_for) = (self.gone_ms, false);
    }
}

struct World {
    plan: MonitorPlan,
    ladder: LadderPlan,
    watch: Watch,
    reader: Reader,
    down: bool,
    now: UnixMs,
    look_at: Option<UnixMs>,
}

impl World {
    fn new(setting: &Setting) -> Self {
        let plan = setting.plan();
        let reader = Reader {
            settle_ms: plan.settle_ms(),
            ..Reader::default()
        };
        Self {
            plan,
            ladder: setting.ladder(setting.waits.len()),
            watch: Watch::default(),
            reader,
            down: false,
            now: 1_700_000_000_000,
            look_at: None,
        }
    }

    /// Tells it something, after a restart.
    fn tell(&mut self, event: WatchEvent) -> Option<Refused> {
        let stored = serde_json::to_string(&self.watch).unwrap();
        self.watch = serde_json::from_str(&stored).unwrap();
        let around = Around {
            no: 3,
            plan: &self.plan,
            ladder: Some(&self.ladder),
            down: self.down.then_some("router"),
            listening_since: 0,
            is_paused: false,
            dice: self.now.unsigned_abs(),
        };
        let turn = self.watch.turn(&around, event, self.now);
        for entry in &turn.entries {
            assert_eq!(entry.at, self.now);
            let stored = serde_json::to_string(entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&stored).unwrap(), *entry);
            self.reader.read(entry, &self.ladder);
        }
        let open = self.watch.incident.as_ref();
        assert_eq!(open.is_some(), self.reader.opened > self.reader.closed);
        assert_eq!(self.watch.incidents, self.reader.opened);
        let is_open = matches!(
            self.watch.state,
            WatchState::Firing | WatchState::Acknowledged
        );
        assert_eq!(open.is_some(), is_open);
        assert!(self.watch.changes.len() <= 4);
        let is_acknowledged = open.is_some_and(|incident| incident.acknowledged.is_some());
        assert_eq!(
            is_acknowledged,
            self.watch.state == WatchState::Acknowledged
        );
        self.look_at = turn.look_at;
        turn.refused
    }

    fn go_to(&mut self, now: UnixMs) {
        self.reader.gone_ms += (now - self.now).max(0);
        self.now = now;
    }

    /// Looks until nothing is to be done at this instant.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 100, "it never rests");
            self.tell(WatchEvent::Look);
            if self.look_at.is_none_or(|at| at > self.now) {
                break;
            }
        }
    }

    fn checked(&mut self, verdict: u8) {
        let result = match verdict {
            0 => CheckResult::up(Some(1)),
            1 => CheckResult::down(FaultKind::Timeout, "no answer"),
            _ => CheckResult::unknown(FaultKind::Refused, "not permitted"),
        };
        self.tell(WatchEvent::Checked(result));
    }

    /// Whoever has it in hand may say so again, and nothing changes; somebody else is refused.
    fn say_again(&mut self, incident: u32) {
        let before = self.watch.clone();
        for (by, is_refused) in [("ann", false), ("bob", true)] {
            let by = by.to_owned();
            let refused = self.tell(WatchEvent::Acknowledge { incident, by });
            assert_eq!(refused.is_some(), is_refused, "{refused:?}");
            assert_eq!(self.watch, before);
        }
    }

    fn take(&mut self, step: Step, setting: &Setting) {
        let incident = self.watch.incidents;
        let by = || "ann".to_owned();
        match step {
            Step::Clock(secs) => self.go_to(self.now + secs * SEC),
            Step::Next => self.go_to(self.look_at.unwrap_or(self.now)),
            Step::Check(verdicts) => {
                for verdict in verdicts {
                    self.go_to(self.now + SEC);
                    self.checked(verdict);
                }
            }
            Step::Beat(kind) => {
                let beat = match kind {
                    0 => Beat::Start,
                    1 => Beat::Fail("no".into()),
                    _ => Beat::Finish,
                };
                self.tell(WatchEvent::Beat(beat));
            }
            Step::Acknowledge => {
                self.tell(WatchEvent::Acknowledge { incident, by: by() });
                self.settle();
                if self.watch.state == WatchState::Acknowledged {
                    self.say_again(incident);
                }
            }
            Step::AcknowledgeOld => {
                let incident = incident.saturating_sub(1);
                let refused = self.tell(WatchEvent::Acknowledge { incident, by: by() });
                assert!(matches!(
                    refused,
                    Some(Refused::Over(_) | Refused::NoIncident(0))
                ));
            }
            Step::Unacknowledge => {
                self.tell(WatchEvent::Unacknowledge { incident, by: by() });
            }
            Step::Snooze(secs) => {
                let for_ms = secs * SEC;
                self.tell(WatchEvent::Snooze {
                    incident,
                    by: by(),
                    for_ms,
                });
            }
            Step::Resolve => {
                self.tell(WatchEvent::Resolve { incident, by: by() });
            }
            Step::Nobody => {
                if let Some(page) = self.reader.last {
                    self.reader.is_not_waited_for = true;
                    self.tell(WatchEvent::ReachedNobody { incident, page });
                }
            }
            Step::Dependency(is_down) => self.down = is_down,
            Step::Pause(paused) => self.plan.paused = paused,
            Step::Ladder(count) => self.ladder = setting.ladder(count),
        }
        self.settle();
    }
}

fn lives(setting: &Setting, steps: Vec<Step>) {
    let mut world = World::new(setting);
    world.settle();
    for step in steps {
        world.take(step, setting);
    }
    // On to the end: it stays down, nobody answers, and the machine says when to look. The ladder ends by itself.
    (world.plan.paused, world.down, world.plan.maintenance) =
        (false, false, Maintenance::default());
    if world.watch.state == WatchState::Acknowledged {
        let incident = world.watch.incidents;
        world.tell(WatchEvent::Unacknowledge {
            incident,
            by: "ann".into(),
        });
    }
    let is_heartbeat = setting.check.get("heartbeat").is_some();
    for _ in 0..40 {
        match is_heartbeat {
            true => drop(world.tell(WatchEvent::Beat(Beat::Fail(String::new())))),
            false => world.checked(1),
        }
        world.settle();
    }
    assert_eq!(world.watch.state, WatchState::Firing);
    for round in 0.. {
        assert!(round < 400, "it never ends");
        if world
            .watch
            .incident
            .as_ref()
            .is_some_and(Incident::is_given_up)
        {
            break;
        }
        let at = world.look_at.expect("something is to come");
        world.go_to(world.now.max(at));
        world.settle();
    }
    assert!(world.reader.is_given_up);
    // It is up again, and that is the end of it.
    for _ in 0..40 {
        match is_heartbeat {
            true => drop(world.tell(WatchEvent::Beat(Beat::Finish))),
            false => world.checked(0),
        }
    }
    world.go_to(world.now + 1_200 * SEC);
    if is_heartbeat {
        world.tell(WatchEvent::Beat(Beat::Finish));
    }
    for _ in 0..3 {
        match is_heartbeat {
            true => drop(world.tell(WatchEvent::Beat(Beat::Finish))),
            false => world.checked(0),
        }
    }
    world.settle();
    assert_eq!(world.reader.opened, world.reader.closed);
    assert_eq!(world.watch.state, WatchState::Ok);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn opened_and_closed_once_and_no_step_twice_or_left_out(setting in settings(), steps in steps()) {
        lives(&setting, steps);
    }

    /// By the plainest reading: with steady clocks and no holds, an incident begins with the n-th failure in a row, or when
    /// it flaps, and ends with the n-th good check, or when it flaps no more, and pages come when the ladder says, to the
    /// millisecond.
    #[test]
    fn what_happens_is_what_the_definition_says(
        failures in 1..4u16, recoveries in 1..4u16,
        waits in proptest::collection::vec(0..90i64, 1..4), rounds in 1..3u16,
        changes in prop_oneof![Just(0u16), Just(4)], checks in histories(),
    ) {
        let setting = Setting {
            check: json!({"tcp": {"host": "a.example", "port": 1}}),
            retries: 0, failures, recoveries, changes, has_window: false, rounds, waits, acknowledged_for: None,
        };
        let mut world = World::new(&setting);
        let start = world.now;
        let end = start + i64::try_from(checks.len()).unwrap() * 60 * SEC;
        let mut found = Vec::new();
        let mut look = |world: &mut World, event, at: UnixMs| {
            world.go_to(at);
            let before = (world.reader.opened, world.reader.closed, world.reader.pages);
            world.tell(event);
            let reader = &world.reader;
            if reader.opened > before.0 { found.push((at, "opened")); }
            if reader.pages > before.2 { found.push((at, "paged")); }
            if reader.closed > before.1 { found.push((at, "resolved")); }
        };
        // A check each minute; in between it is looked at when it says.
        for (place, is_up) in (0..).zip(&checks) {
            let at = start + place * 60 * SEC;
            let result = if *is_up { CheckResult::up(None) } else { CheckResult::down(FaultKind::Timeout, "t") };
            look(&mut world, WatchEvent::Checked(result), at);
            while let Some(next) = world.look_at.filter(|next| *next < at + 60 * SEC) {
                look(&mut world, WatchEvent::Look, next);
            }
        }
        prop_assert_eq!(found, expected(&setting, &checks, start, end));
    }
}
