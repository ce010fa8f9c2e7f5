//! Stories of monitors, one after the other.

use super::*;
use crate::UnixMs;
use serde_json::{Value, json};

const SEC: i64 = 1_000;
const MIN: i64 = 60_000;

/// A monitor and its surroundings under a test's hand.
struct Story {
    plan: MonitorPlan,
    ladder: Option<LadderPlan>,
    watch: Watch,
    down: Option<&'static str>,
    listening_since: UnixMs,
    is_paused: bool,
}

impl Story {
    fn new(with: Value) -> Self {
        let mut body = json!({
            "check": {"tcp": {"host": "db.example.com", "port": 5432}},
            "interval": "10s", "retries": 0, "failures": 2, "recoveries": 2, "ladder": "night"
        });
        for (name, value) in with.as_object().unwrap() {
            body[name] = value.clone();
        }
        let definition: MonitorDefinition = serde_json::from_value(body).unwrap();
        let ladder = json!({
            "steps": [
                {"whom": {"on_call": "web"}},
                {"after": "2m", "whom": {"on_call": "web"}, "how": "critical"},
                {"after": "3m", "whom": {"next": "web"}, "how": "ring"}
            ],
            "rounds": 2, "pause": "5m"
        });
        let ladder: LadderDefinition = serde_json::from_value(ladder).unwrap();
        Self {
            plan: definition.plan().unwrap(),
            ladder: Some(ladder.plan().unwrap()),
            watch: Watch::default(),
            down: None,
            listening_since: 0,
            is_paused: false,
        }
    }

    fn turn(&mut self, event: WatchEvent, now: UnixMs) -> Turn {
        let around = Around {
            no: 7,
            plan: &self.plan,
            ladder: self.ladder.as_ref(),
            down: self.down,
            listening_since: self.listening_since,
            is_paused: self.is_paused,
            dice: 0,
        };
        self.watch.turn(&around, event, now)
    }

    /// What happened, as words.
    fn tell(&mut self, event: WatchEvent, now: UnixMs) -> Vec<String> {
        let turn = self.turn(event, now);
        assert_eq!(turn.refused, None);
        turn.entries.iter().map(words).collect()
    }

    fn up(&mut self, now: UnixMs) -> Vec<String> {
        self.tell(WatchEvent::Checked(CheckResult::up(Some(5))), now)
    }

    fn down(&mut self, now: UnixMs) -> Vec<String> {
        let result = CheckResult::down(FaultKind::Connect, "refused");
        self.tell(WatchEvent::Checked(result), now)
    }

    fn look(&mut self, now: UnixMs) -> Vec<String> {
        self.tell(WatchEvent::Look, now)
    }

    fn refused(&mut self, event: WatchEvent, now: UnixMs) -> String {
        let before = self.watch.clone();
        let refused = self.turn(event, now).refused.unwrap().to_string();
        assert_eq!(self.watch, before, "{refused}");
        refused
    }
}

fn words(entry: &Entry) -> String {
    let no = entry
        .incident
        .map_or_else(String::new, |no| format!("#{no} "));
    let what = match &entry.what {
        What::Suspected(fault) => format!("suspected {}", fault.kind.as_str()),
        What::Cleared => "cleared".into(),
        What::Opened(fault) => format!("opened {}", fault.kind.as_str()),
        What::Paged(page) => format!(
            "paged {}.{}.{} {:?}",
            page.no.run, page.no.round, page.no.step, page.how
        ),
        What::GivenUp => "given up".into(),
        What::Acknowledged { by } => format!("acknowledged by {by}"),
        What::Unacknowledged { by } => format!("unacknowledged by {by:?}"),
        What::Snoozed { by, .. } => format!("snoozed by {by}"),
        What::Held(hold) => format!("held {hold:?}"),
        What::Released => "released".into(),
        What::FlappingBegan => "flapping".into(),
        What::FlappingEnded => "calm".into(),
        What::Resolved { by, is_told, .. } => format!("resolved {by:?} told {is_told}"),
    };
    format!("{no}{what}")
}

fn acknowledge(incident: u32, by: &str) -> WatchEvent {
    WatchEvent::Acknowledge {
        incident,
        by: by.into(),
    }
}

#[test]
fn from_the_first_failure_to_the_end() {
    let mut story = Story::new(json!({}));
    assert_eq!(story.watch.state, WatchState::Waiting);
    assert_eq!(story.up(0), Vec::<String>::new());
    assert_eq!(story.watch.state, WatchState::Ok);
    assert_eq!(story.down(10 * SEC), ["suspected connect"]);
    assert_eq!(story.up(20 * SEC), ["cleared"]);
    assert_eq!(story.down(30 * SEC), ["suspected connect"]);
    assert_eq!(
        story.down(40 * SEC),
        ["#1 opened connect", "#1 paged 0.0.0 Alert"]
    );
    assert_eq!(story.watch.state, WatchState::Firing);
    let turn = story.turn(WatchEvent::Look, 41 * SEC);
    assert_eq!(
        (turn.entries.len(), turn.look_at),
        (0, Some(40 * SEC + 2 * MIN))
    );
    assert_eq!(story.look(40 * SEC + 2 * MIN), ["#1 paged 0.0.1 Critical"]);
    assert_eq!(
        story.tell(acknowledge(1, "ann"), 3 * MIN),
        ["#1 acknowledged by ann"]
    );
    let turn = story.turn(WatchEvent::Look, 60 * MIN);
    assert_eq!((turn.entries.len(), turn.look_at), (0, None));
    assert_eq!(story.up(60 * MIN), Vec::<String>::new());
    assert_eq!(story.up(61 * MIN), ["#1 resolved Recovery told true"]);
    assert_eq!(
        (story.watch.state, story.watch.incidents),
        (WatchState::Ok, 1)
    );
}

#[test]
fn nobody_answers() {
    let mut story = Story::new(json!({}));
    story.down(0);
    assert_eq!(story.down(0), ["#1 opened connect", "#1 paged 0.0.0 Alert"]);
    let mut at = 0;
    for (wait, expected) in [
        (2, "#1 paged 0.0.1 Critical"),
        (3, "#1 paged 0.0.2 Ring"),
        (5, "#1 paged 0.1.0 Alert"),
        (2, "#1 paged 0.1.1 Critical"),
        (3, "#1 paged 0.1.2 Ring"),
        (5, "#1 given up"),
    ] {
        at += wait * MIN;
        assert_eq!(story.look(at - 1), Vec::<String>::new(), "{expected}");
        assert_eq!(story.look(at), [expected]);
    }
    assert!(story.watch.incident.as_ref().unwrap().is_given_up());
    assert_eq!(story.turn(WatchEvent::Look, at).look_at, None);
    // Whoever takes it then, and gives it back, begins anew.
    story.tell(acknowledge(1, "ann"), at);
    let back = WatchEvent::Unacknowledge {
        incident: 1,
        by: "ann".into(),
    };
    let expected = ["#1 unacknowledged by Some(\"ann\")", "#1 paged 1.0.0 Alert"];
    assert_eq!(story.tell(back, at + MIN), expected);
}

#[test]
fn after_a_time_without_anybody_looking_nobody_is_flooded() {
    let mut story = Story::new(json!({}));
    story.down(0);
    story.down(0);
    // Down for an hour: three steps and more are overdue, and one is taken.
    assert_eq!(story.look(60 * MIN), ["#1 paged 0.0.1 Critical"]);
    assert_eq!(story.look(60 * MIN), Vec::<String>::new());
    assert_eq!(story.look(63 * MIN), ["#1 paged 0.0.2 Ring"]);
}

#[test]
fn a_clock_that_is_set_back_makes_no_wait_longer() {
    let mut story = Story::new(json!({}));
    let ahead = 100_000 * MIN;
    story.ladder.as_mut().unwrap().acknowledged_for_ms = Some(30 * MIN);
    story.down(ahead);
    story.down(ahead);
    // Months back: the next step comes after its two minutes all the same, and the next check in its time.
    assert_eq!(story.turn(WatchEvent::Look, 0).look_at, Some(2 * MIN));
    assert!(
        story
            .watch
            .check_at
            .is_some_and(|at| at > 0 && at <= 10 * SEC)
    );
    assert_eq!(story.look(2 * MIN), ["#1 paged 0.0.1 Critical"]);
    story.tell(acknowledge(1, "ann"), ahead);
    assert_eq!(story.turn(WatchEvent::Look, 0).look_at, Some(30 * MIN));
    assert_eq!(story.turn(WatchEvent::Look, MIN).look_at, Some(30 * MIN));
}

#[test]
fn retries_come_before_a_check_counts() {
    let mut story = Story::new(json!({"retries": 2, "retry_after": "1s", "failures": 1}));
    story.up(0);
    assert_eq!(story.down(10 * SEC), ["suspected connect"]);
    assert_eq!(story.watch.check_at, Some(11 * SEC));
    assert_eq!(story.down(11 * SEC), Vec::<String>::new());
    assert_eq!(story.up(12 * SEC), ["cleared"]);
    for at in [20, 21] {
        story.down(at * SEC);
    }
    assert_eq!(
        story.down(22 * SEC),
        ["#1 opened connect", "#1 paged 0.0.0 Alert"]
    );
    assert!(
        story.watch.check_at.unwrap() > 23 * SEC,
        "the next check comes in its time"
    );
}

#[test]
fn what_could_not_be_asked_changes_nothing() {
    let mut story = Story::new(json!({"failures": 1}));
    story.up(0);
    for at in 1..50 {
        let result = CheckResult::unknown(FaultKind::Refused, "ping is not permitted");
        assert_eq!(
            story.tell(WatchEvent::Checked(result), at * SEC),
            Vec::<String>::new()
        );
    }
    assert_eq!(story.watch.state, WatchState::Ok);
    assert_eq!(
        story.watch.last.as_ref().unwrap().result.verdict,
        Verdict::Unknown
    );
}

#[test]
fn nobody_is_paged_for_what_is_behind_what_is_down() {
    let mut story = Story::new(json!({"depends_on": ["router"]}));
    story.down(0);
    story.down = Some("router");
    assert_eq!(story.down(10 * SEC), ["held Dependency(\"router\")"]);
    assert_eq!(story.down(20 * SEC), Vec::<String>::new());
    assert_eq!(
        (story.watch.state, story.watch.incidents),
        (WatchState::Suspected, 0)
    );
    story.down = None;
    assert_eq!(story.look(30 * SEC), ["released"]);
    assert_eq!(
        story.down(40 * SEC),
        Vec::<String>::new(),
        "what was seen meanwhile does not count"
    );
    assert_eq!(
        story.down(50 * SEC),
        ["#1 opened connect", "#1 paged 0.0.0 Alert"]
    );
    // The router turns out to be down a moment later: the ladder rests.
    story.down = Some("router");
    assert_eq!(story.look(51 * SEC), ["#1 held Dependency(\"router\")"]);
    assert_eq!(story.look(10 * MIN), Vec::<String>::new());
    story.down = None;
    assert_eq!(story.look(11 * MIN), ["#1 released"]);
    let due = story
        .watch
        .incident
        .as_ref()
        .unwrap()
        .next_page_at()
        .unwrap();
    assert!(
        due > 11 * MIN + 20 * SEC,
        "two checks may show that it is well"
    );
    story.up(11 * MIN + 5 * SEC);
    assert_eq!(
        story.up(11 * MIN + 15 * SEC),
        ["#1 resolved Recovery told true"]
    );
}

#[test]
fn maintenance_keeps_quiet_and_what_is_down_after_it_is_not_forgotten() {
    let mut story = Story::new(json!({
        "maintenance": [{"from": "1970-01-01T00:10:00Z", "until": "1970-01-01T00:20:00Z"}], "failures": 1
    }));
    assert_eq!(story.turn(WatchEvent::Look, 0).look_at, Some(10 * MIN));
    assert_eq!(
        story.down(12 * MIN),
        ["suspected connect", "held Maintenance"]
    );
    assert_eq!(
        story.turn(WatchEvent::Look, 13 * MIN).look_at,
        Some(20 * MIN)
    );
    assert_eq!(story.look(20 * MIN), ["released"]);
    assert_eq!(
        story.down(20 * MIN + SEC),
        ["#1 opened connect", "#1 paged 0.0.0 Alert"]
    );
}

#[test]
fn flapping_is_one_incident() {
    let mut story = Story::new(json!({"flapping": {"changes": 4, "within": "10m"}}));
    let mut told = Vec::new();
    for turn in 0..8 {
        told.extend(story.up(turn * MIN));
        told.extend(story.down(turn * MIN + 30 * SEC));
    }
    told.retain(|words| !words.contains("suspected") && !words.contains("cleared"));
    let expected = [
        "flapping",
        "#1 opened flapping",
        "#1 paged 0.0.0 Alert",
        "#1 paged 0.0.1 Critical",
    ];
    assert_eq!(told[..4], expected);
    assert!(
        told.iter()
            .all(|words| !words.contains("resolved") && !words.contains("#2")),
        "{told:?}"
    );
    story.tell(acknowledge(1, "ann"), 8 * MIN);
    for at in 9..17 {
        assert_eq!(story.up(at * MIN), Vec::<String>::new(), "{at}");
    }
    let calm = story.turn(WatchEvent::Look, 17 * MIN).look_at.unwrap();
    assert_eq!(
        story.look(calm),
        ["#1 calm", "#1 resolved Recovery told true"]
    );
}

/// It goes down and up, each for so many minutes, and is checked at the beginning of each and a minute later.
fn up_and_down(story: &mut Story, minutes: i64, cycles: std::ops::Range<i64>) {
    for cycle in cycles {
        let from = cycle * 2 * minutes * MIN;
        story.down(from);
        story.down(from + MIN);
        story.up(from + minutes * MIN);
        story.up(from + (minutes + 1) * MIN);
        assert!(story.watch.changes.len() <= 8);
    }
}

#[test]
fn what_flaps_so_slowly_that_each_time_is_an_incident_is_one_in_the_end() {
    for checks in [1, 2] {
        let mut story = Story::new(json!({"failures": checks, "recoveries": checks}));
        up_and_down(&mut story, 2, 0..4);
        assert_eq!(
            (story.watch.incidents, story.watch.state),
            (4, WatchState::Ok)
        );
        // The eighth change within an hour.
        up_and_down(&mut story, 2, 4..15);
        assert!(story.watch.is_flapping);
        assert_eq!(
            (story.watch.incidents, story.watch.state),
            (5, WatchState::Firing)
        );
        story.tell(acknowledge(5, "ann"), 60 * MIN);
        for at in 61..118 {
            assert_eq!(story.up(at * MIN), Vec::<String>::new(), "{at}");
        }
        assert_eq!(
            story.up(118 * MIN),
            ["#5 calm", "#5 resolved Recovery told true"]
        );
        // And from then on a failure is a failure.
        story.down(119 * MIN);
        story.down(120 * MIN);
        story.up(121 * MIN);
        story.up(122 * MIN);
        assert_eq!(
            (story.watch.incidents, story.watch.state),
            (6, WatchState::Ok)
        );
        assert!(!story.watch.is_flapping);
    }
}

#[test]
fn what_is_seldom_or_closed_by_a_person_is_no_flapping() {
    let mut story = Story::new(json!({}));
    up_and_down(&mut story, 10, 0..20);
    assert_eq!(
        (story.watch.incidents, story.watch.state),
        (20, WatchState::Ok)
    );
    let mut story = Story::new(json!({}));
    up_and_down(&mut story, 2, 0..3);
    story.down(12 * MIN);
    story.down(13 * MIN);
    let resolve = WatchEvent::Resolve {
        incident: 4,
        by: "ann".into(),
    };
    story.tell(resolve, 13 * MIN + SEC);
    assert!(story.watch.changes.is_empty());
    story.up(14 * MIN);
    up_and_down(&mut story, 2, 4..6);
    assert_eq!(
        (story.watch.incidents, story.watch.is_flapping),
        (6, false),
        "counted anew"
    );
}

#[test]
fn what_is_given_back_while_it_is_held_has_the_time_to_be_well() {
    let settle_ms = 32 * SEC;
    for (first_ms, wait_ms) in [(0, settle_ms), (5 * MIN, 5 * MIN)] {
        for looks in [true, false] {
            let mut story = Story::new(json!({"depends_on": ["router"]}));
            let ladder = story.ladder.as_mut().unwrap();
            ladder.acknowledged_for_ms = Some(30 * MIN);
            story.down(0);
            story.down(SEC);
            story.ladder.as_mut().unwrap().steps[0].after_ms = first_ms;
            story.tell(acknowledge(1, "ann"), MIN);
            story.down = Some("router");
            assert_eq!(story.look(2 * MIN), ["#1 held Dependency(\"router\")"]);
            let mut told = Vec::new();
            if looks {
                told = story.look(31 * MIN);
                assert_eq!(story.look(39 * MIN), Vec::<String>::new());
            }
            story.down = None;
            told.extend(story.look(40 * MIN));
            assert_eq!(told, ["#1 unacknowledged by None", "#1 released"]);
            assert_eq!(story.watch.state, WatchState::Firing);
            let incident = story.watch.incident.as_ref().unwrap();
            assert_eq!(incident.next_page_at(), Some(40 * MIN + wait_ms));
            let mut well = Story {
                watch: story.watch.clone(),
                ..Story::new(json!({"depends_on": ["router"]}))
            };
            assert_eq!(well.up(40 * MIN + 10 * SEC), Vec::<String>::new());
            assert_eq!(
                well.up(40 * MIN + 20 * SEC),
                ["#1 resolved Recovery told true"]
            );
            assert_eq!(story.look(40 * MIN + wait_ms - 1), Vec::<String>::new());
            assert_eq!(story.look(40 * MIN + wait_ms), ["#1 paged 1.0.0 Alert"]);
        }
    }
}

#[test]
fn severity_says_how_loud_it_may_become() {
    let mut story = Story::new(json!({"severity": "warning"}));
    story.down(0);
    assert_eq!(story.down(0), ["#1 opened connect", "#1 paged 0.0.0 Alert"]);
    assert_eq!(story.look(2 * MIN), ["#1 paged 0.0.1 Alert"]);
    let mut story = Story::new(json!({"severity": "info", "ladder": null}));
    story.down(0);
    assert_eq!(story.down(0), ["#1 opened connect"]);
    assert_eq!(story.turn(WatchEvent::Look, 60 * MIN).look_at, None);
    story.up(61 * MIN);
    assert_eq!(story.up(62 * MIN), ["#1 resolved Recovery told false"]);
}

#[test]
fn a_page_to_nobody_is_not_waited_for() {
    let mut story = Story::new(json!({}));
    story.down(0);
    story.down(0);
    let nobody = |round, step| WatchEvent::ReachedNobody {
        incident: 1,
        page: PageNo {
            run: 0,
            round,
            step,
        },
    };
    assert_eq!(story.tell(nobody(0, 0), SEC), ["#1 paged 0.0.1 Critical"]);
    assert_eq!(
        story.tell(nobody(0, 0), SEC),
        Vec::<String>::new(),
        "said again"
    );
    assert_eq!(story.tell(nobody(0, 1), SEC), ["#1 paged 0.0.2 Ring"]);
    // After the last step it rests all the same, or nobody would be asked all of the time.
    assert_eq!(story.tell(nobody(0, 2), SEC), Vec::<String>::new());
    assert_eq!(story.look(SEC + 5 * MIN), ["#1 paged 0.1.0 Alert"]);
}

#[test]
fn moves_that_are_not_possible_are_refused_and_change_nothing() {
    let mut story = Story::new(json!({}));
    story.up(0);
    let resolve = |incident| WatchEvent::Resolve {
        incident,
        by: "ann".into(),
    };
    let snooze = |for_ms| WatchEvent::Snooze {
        incident: 1,
        by: "ann".into(),
        for_ms,
    };
    assert_eq!(
        story.refused(acknowledge(1, "ann"), 0),
        "expected an incident that there is, found number 1"
    );
    let beat = WatchEvent::Beat(Beat::Finish);
    assert!(story.refused(beat, 0).contains("no heartbeat"));
    story.down(SEC);
    story.down(2 * SEC);
    let back = WatchEvent::Unacknowledge {
        incident: 1,
        by: "ann".into(),
    };
    assert_eq!(
        story.refused(back, 2 * SEC),
        "nobody has acknowledged incident 1"
    );
    assert_eq!(
        story.refused(snooze(SEC), 2 * SEC),
        "expected 1m to 1d, found 1s"
    );
    assert_eq!(story.tell(snooze(30 * MIN), 3 * SEC), ["#1 snoozed by ann"]);
    assert_eq!(
        story.tell(snooze(MIN), 4 * SEC),
        ["#1 snoozed by ann"],
        "which brings nothing forward"
    );
    assert_eq!(story.look(30 * MIN), Vec::<String>::new());
    assert_eq!(story.look(30 * MIN + 3 * SEC), ["#1 paged 0.0.1 Critical"]);
    story.tell(acknowledge(1, "ann"), 31 * MIN);
    let before = story.watch.clone();
    assert_eq!(
        story.tell(acknowledge(1, "ann"), 31 * MIN + SEC),
        Vec::<String>::new(),
        "the same person says it again"
    );
    assert_eq!(story.watch, before);
    assert_eq!(
        story.refused(acknowledge(1, "bob"), 31 * MIN),
        "incident 1 was acknowledged already, by ann"
    );
    assert_eq!(
        story.refused(snooze(MIN), 31 * MIN),
        "no page is to come for incident 1"
    );
    assert_eq!(
        story.tell(resolve(1), 32 * MIN),
        ["#1 resolved Person(\"ann\") told true"]
    );
    assert_eq!(story.watch.state, WatchState::Suspected, "it is still down");
    assert_eq!(
        story.refused(acknowledge(1, "ann"), 33 * MIN),
        "incident 1 is over"
    );
    assert_eq!(story.down(34 * MIN), Vec::<String>::new());
    assert_eq!(
        story.down(35 * MIN),
        ["#2 opened connect", "#2 paged 0.0.0 Alert"]
    );
}

#[test]
fn an_acknowledgement_may_be_for_a_time() {
    let mut story = Story::new(json!({}));
    story.ladder.as_mut().unwrap().acknowledged_for_ms = Some(30 * MIN);
    story.down(0);
    story.down(0);
    story.tell(acknowledge(1, "ann"), MIN);
    assert_eq!(
        story.turn(WatchEvent::Look, 2 * MIN).look_at,
        Some(31 * MIN)
    );
    let expected = ["#1 unacknowledged by None", "#1 paged 1.0.0 Alert"];
    assert_eq!(story.look(31 * MIN), expected);
    // Said again when it is over, before anybody has looked: it holds for as long once more.
    story.tell(acknowledge(1, "ann"), 32 * MIN);
    assert_eq!(
        story.tell(acknowledge(1, "ann"), 62 * MIN),
        ["#1 unacknowledged by None", "#1 acknowledged by ann"]
    );
    assert_eq!(story.watch.state, WatchState::Acknowledged);
    assert_eq!(
        story.turn(WatchEvent::Look, 63 * MIN).look_at,
        Some(92 * MIN)
    );
}

#[test]
fn what_fails_behind_what_is_down_counts_as_not_known() {
    let mut story = Story::new(json!({}));
    story.up(0);
    assert_eq!(story.watch.counts_as(), WatchState::Ok);
    story.down(SEC);
    assert_eq!(story.watch.counts_as(), WatchState::Suspected);
    story.down = Some("router");
    for second in 2..9 {
        story.down(second * SEC);
    }
    assert_eq!(story.watch.state, WatchState::Suspected);
    assert_eq!(story.watch.counts_as(), WatchState::Waiting);
    // What answers all the same is up.
    story.up(9 * SEC);
    assert_eq!(story.watch.counts_as(), WatchState::Ok);
    // An incident that was open before is down, whatever holds its pages.
    story.down = None;
    for second in 10..13 {
        story.down(second * SEC);
    }
    assert_eq!(story.watch.state, WatchState::Firing);
    story.down = Some("router");
    story.down(13 * SEC);
    assert!(story.watch.hold.is_some());
    assert_eq!(story.watch.counts_as(), WatchState::Firing);
}

#[test]
fn what_rests_is_closed_and_begins_anew() {
    let mut story = Story::new(json!({}));
    story.down(0);
    story.down(0);
    story.plan.paused = true;
    assert_eq!(story.look(MIN), ["#1 resolved Pause told true"]);
    assert_eq!(
        (story.watch.state, story.watch.check_at),
        (WatchState::Waiting, None)
    );
    let late = WatchEvent::Checked(CheckResult::up(None));
    assert_eq!(story.refused(late, MIN), "this monitor is not checked");
    story.plan.paused = false;
    assert_eq!(story.look(2 * MIN), Vec::<String>::new());
    assert!(
        story
            .watch
            .check_at
            .is_some_and(|at| at > 2 * MIN && at <= 2 * MIN + 10 * SEC)
    );
}

#[test]
fn heartbeats_that_stay_away_are_incidents() {
    let mut story = Story::new(json!({
        "check": {"heartbeat": {"period": "10m", "grace": "1m", "run_limit": "3m"}},
        "interval": null, "failures": 1, "recoveries": 1
    }));
    assert_eq!(
        story.turn(WatchEvent::Look, 60 * MIN).look_at,
        None,
        "not heard of yet"
    );
    let beat = |story: &mut Story, beat, at| story.tell(WatchEvent::Beat(beat), at);
    assert_eq!(
        beat(&mut story, Beat::Finish, 100 * MIN),
        Vec::<String>::new()
    );
    assert_eq!(
        story.turn(WatchEvent::Look, 101 * MIN).look_at,
        Some(111 * MIN)
    );
    assert_eq!(
        story.look(111 * MIN),
        [
            "suspected missing",
            "#1 opened missing",
            "#1 paged 0.0.0 Alert"
        ]
    );
    assert_eq!(
        beat(&mut story, Beat::Start, 112 * MIN),
        Vec::<String>::new()
    );
    assert_eq!(
        beat(&mut story, Beat::Finish, 113 * MIN),
        ["#1 resolved Recovery told true"]
    );
    assert_eq!(
        story.watch.last.as_ref().unwrap().result.elapsed_ms,
        Some(60_000)
    );
    beat(&mut story, Beat::Start, 122 * MIN);
    let long = [
        "suspected ran_too_long",
        "#2 opened ran_too_long",
        "#2 paged 0.0.0 Alert",
    ];
    assert_eq!(story.look(125 * MIN), long);
    assert_eq!(
        beat(&mut story, Beat::Fail("disk".into()), 126 * MIN),
        Vec::<String>::new()
    );
    assert_eq!(story.watch.check_at, None);
}

#[test]
fn while_nobody_is_paged_what_is_due_waits() {
    let mut story = Story::new(json!({}));
    story.up(0);
    story.is_paused = true;
    story.down(10 * SEC);
    assert_eq!(story.down(20 * SEC), ["#1 opened connect"]);
    let turn = story.turn(WatchEvent::Look, MIN);
    assert!(turn.entries.is_empty(), "{:?}", turn.entries);
    assert_eq!(turn.look_at, Some(MIN), "as soon as it goes on");
    story.is_paused = false;
    assert_eq!(story.look(60 * MIN), ["#1 paged 0.0.0 Alert"]);
    story.is_paused = true;
    let overdue = story.look(90 * MIN);
    assert_eq!(overdue, Vec::<String>::new());
    story.up(91 * MIN);
    assert_eq!(
        story.up(92 * MIN),
        ["#1 resolved Recovery told false"],
        "nobody is told either"
    );
}

#[test]
fn golden() {
    let mut story = Story::new(json!({}));
    story.up(0);
    story.down(10 * SEC);
    story.down(20 * SEC);
    let stored = r#"{"state":"firing","since":20000,"check_at":23262,"last":{"at":20000,"verdict":"down","fault":{"kind":"connect","message":"refused"}},"incidents":1,"incident":{"no":1,"opened_at":20000,"fault":{"kind":"connect","message":"refused"},"pages":1,"paging":{"next":{"run":0,"round":0,"step":1},"due_at":140000,"wait_ms":120000,"last":{"run":0,"round":0,"step":0}}},"failures":2,"good":0,"tries":0,"was_up":false,"changes":[10000]}"#;
    assert_eq!(serde_json::to_string(&story.watch).unwrap(), stored);
    assert_eq!(serde_json::from_str::<Watch>(stored).unwrap(), story.watch);
    let entries = r#"[{"at":1,"incident":2,"what":"paged","run":0,"round":1,"step":2,"how":"ring"},{"at":1,"what":"held","hold":"dependency","name":"router"},{"at":1,"incident":2,"what":"resolved","by":{"resolved":"recovery"},"lasted_ms":5,"is_told":true}]"#;
    let read: Vec<Entry> = serde_json::from_str(entries).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), entries);
}
