//! Lives of activities, step by step.

use super::*;
use crate::UnixMs;
use crate::notification::Priority;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MIN: i64 = 60_000;

/// 16:00 is 0; times are minutes from there.
fn lesson(minutes: i64, with: Value) -> Plan {
    let at = |minutes: i64| {
        let instant = jiff::Timestamp::from_millisecond(minutes * MIN);
        instant.unwrap().to_string()
    };
    let mut body = json!({
        "recipient": {"user": "parent-7"}, "attributes_type": "LessonAttributes",
        "content_state": {"status": "active"},
        "alert": {"title": "Lesson", "body": "It begins"},
        "starts_at": at(0), "ends_at": at(minutes), "stale_after": "5m",
        "phases": [{"name": "ending", "at": "ends_at - 15m", "content_state": {"status": "ending"}, "alert": {"title": "Soon", "body": "over"}}],
        "end": {"content_state": {"status": "ended"}, "dismiss_after": "5m"}
    });
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    let request: ActivityRequest = serde_json::from_value(body).unwrap();
    request.plan(0).unwrap().plan
}

/// A life on a clock that is moved by hand.
struct Life {
    plan: Plan,
    run: Run,
    phones: Vec<i64>,
    full: Vec<i64>,
    refused: Vec<RefusedPush>,
    /// Pushes at once, and to whom.
    urgent: Vec<(UnixMs, i64)>,
    rules: Rules,
}

impl Life {
    fn new(plan: Plan) -> Self {
        Self {
            plan,
            run: Run::new(-60 * MIN),
            phones: vec![1],
            full: Vec::new(),
            refused: Vec::new(),
            urgent: Vec::new(),
            rules: Rules::default(),
        }
    }

    fn turn(&mut self, now: UnixMs) -> Turn {
        // As a restart between any two turns does.
        let stored = serde_json::to_string(&self.run).unwrap();
        self.run = serde_json::from_str(&stored).unwrap();
        let look = Look {
            startable: self.phones.clone(),
            full: self.full.clone(),
            refused: std::mem::take(&mut self.refused),
            spent: self.spent(now),
        };
        let turn = self.run.turn(&self.plan, now, &look, &self.rules);
        let push = turn.push.as_ref();
        if let Some(push) = push.filter(|push| push.priority == Priority::High) {
            self.urgent.extend(push.phones.iter().map(|no| (now, *no)));
        }
        turn
    }

    fn spent(&self, now: UnixMs) -> BTreeMap<i64, u32> {
        let mut spent = BTreeMap::new();
        for (_, phone) in self.urgent.iter().filter(|(at, _)| *at > now - 60 * MIN) {
            *spent.entry(*phone).or_default() += 1;
        }
        spent
    }

    fn pushed(&mut self, now: UnixMs) -> ActivityPush {
        self.turn(now).push.expect("a push")
    }

    fn quiet(&mut self, now: UnixMs) -> Turn {
        let turn = self.turn(now);
        assert_eq!(turn.push, None, "at {now}");
        turn
    }

    /// The start at 0, answered with a token.
    fn started(plan: Plan) -> Self {
        let mut life = Self::new(plan);
        assert_eq!(life.pushed(0).kind, PushKind::Start);
        assert!(life.run.tell_update_token(1, None, 2_000));
        life.quiet(2_000);
        life
    }

    fn extend(&mut self, minutes: i64, now: UnixMs) {
        let plan = lesson(minutes, json!({}));
        self.run.replan(&self.plan, &plan, now);
        self.plan = plan;
    }
}

fn status(push: &ActivityPush) -> &str {
    push.content_state["status"].as_str().unwrap()
}

fn kinds_of(records: &[Record]) -> Vec<RecordKind> {
    records.iter().map(|record| record.what).collect()
}

fn kinds(turn: &Turn) -> Vec<RecordKind> {
    kinds_of(&turn.records)
}

#[test]
fn a_lesson_that_is_extended() {
    let mut life = Life::new(lesson(60, json!({})));
    assert_eq!(life.quiet(-5 * MIN).next_at, Some(0));
    let turn = life.turn(0);
    let start = turn.push.unwrap();
    assert_eq!(
        (start.kind, status(&start), &start.phones[..]),
        (PushKind::Start, "active", &[1][..])
    );
    assert_eq!(
        (start.priority, start.stale_date),
        (Priority::High, Some(65 * 60))
    );
    assert_eq!(life.run.state, ActivityState::Starting);
    assert!(life.run.tell_update_token(1, None, 3_000));
    assert_eq!(life.run.state, ActivityState::Active);
    assert_eq!(life.quiet(3_000).next_at, Some(45 * MIN));

    let ending = life.pushed(45 * MIN);
    assert_eq!(
        (status(&ending), ending.priority),
        ("ending", Priority::High)
    );
    assert_eq!(ending.alert.unwrap().title, "Soon");
    for minute in 45..50 {
        life.quiet(minute * MIN);
    }

    life.extend(80, 50 * MIN);
    let turn = life.turn(50 * MIN);
    let back = turn.push.unwrap();
    assert_eq!(
        (status(&back), back.priority, &back.alert),
        ("active", Priority::Normal, &None)
    );
    assert_eq!(turn.next_at, Some(65 * MIN));
    // The app's token is another one now, and shows what it showed.
    assert!(life.run.tell_update_token(1, None, 55 * MIN));
    life.quiet(55 * MIN);
    let again = life.pushed(65 * MIN);
    assert_eq!((status(&again), again.alert.is_some()), ("ending", true));
    assert_eq!(life.quiet(66 * MIN).next_at, Some(80 * MIN));

    let turn = life.turn(80 * MIN);
    let end = turn.push.unwrap();
    assert_eq!((end.kind, status(&end)), (PushKind::End, "ended"));
    assert_eq!((end.dismissal_date, turn.next_at), (Some(85 * 60), None));
    assert_eq!(life.run.state, ActivityState::Ended);
    assert!(!life.run.tell_update_token(2, None, 81 * MIN));
    life.quiet(90 * MIN);
}

#[test]
fn a_phase_that_moves_within_the_past_is_not_repeated() {
    let mut life = Life::started(lesson(60, json!({})));
    life.pushed(45 * MIN);
    life.extend(62, 48 * MIN);
    life.quiet(48 * MIN);
    // And one that the plan forgot and knows again neither.
    let without = lesson(60, json!({"phases": []}));
    life.run.replan(&life.plan.clone(), &without, 49 * MIN);
    life.plan = without;
    assert_eq!(status(&life.pushed(49 * MIN)), "active");
    life.extend(60, 50 * MIN);
    let push = life.pushed(50 * MIN);
    assert_eq!((status(&push), &push.alert), ("ending", &None));
}

#[test]
fn what_was_missed_is_shown_late_without_its_alert() {
    for (now, with_alert, what) in [
        (45 * MIN + 30_000, true, RecordKind::Phase),
        (45 * MIN + 61_000, false, RecordKind::LatePhase),
    ] {
        let mut life = Life::started(lesson(60, json!({})));
        let turn = life.turn(now);
        let push = turn.push.clone().unwrap();
        assert_eq!(
            (status(&push), push.alert.is_some()),
            ("ending", with_alert)
        );
        assert_eq!(kinds(&turn), [what]);
    }
    // Several at once: one update with the state after all of them.
    let phases = json!({"phases": [
        {"name": "b", "at": "starts_at + 20m", "content_state": {"b": 1, "a": null}},
        {"name": "a", "at": "starts_at + 10m", "content_state": {"a": 1, "x": 1}},
        {"name": "c", "at": "starts_at + 30m", "content_state": {"status": "c"}, "replace": true},
        {"name": "d", "at": "starts_at + 40m", "content_state": {"d": 1}}
    ]});
    let mut life = Life::started(lesson(60, phases.clone()));
    let turn = life.turn(25 * MIN);
    assert_eq!(
        turn.push.clone().unwrap().content_state,
        json!({"status": "active", "x": 1, "b": 1})
    );
    assert_eq!(
        kinds(&turn),
        [RecordKind::PassedOver, RecordKind::LatePhase]
    );
    assert_eq!(
        life.pushed(50 * MIN).content_state,
        json!({"status": "c", "d": 1})
    );
    // Nobody looked until it was over.
    let mut life = Life::started(lesson(60, phases.clone()));
    let turn = life.turn(70 * MIN);
    let end = turn.push.unwrap();
    assert_eq!(
        (end.kind, end.dismissal_date),
        (PushKind::End, Some(65 * 60))
    );
    assert_eq!(end.content_state, json!({"status": "ended", "d": 1}));
    let mut life = Life::new(lesson(60, phases));
    assert_eq!(
        life.quiet(70 * MIN).notices,
        [Notice::Ended(EndCause::Missed)]
    );
    assert_eq!(life.run.state, ActivityState::Ended);
}

#[test]
fn updates_before_the_token_are_held_and_the_newest_wins() {
    let mut life = Life::new(lesson(60, json!({})));
    life.pushed(0);
    for room in [1, 2] {
        life.run.update(json!({"room": room}), None, 10_000 * room);
        let turn = life.quiet(10_000 * room);
        assert_eq!((turn.records[0].phones, turn.records[0].waiting), (0, 1));
    }
    assert!(life.run.tell_update_token(1, None, 30_000));
    let held = life.pushed(30_000);
    assert_eq!(held.content_state, json!({"status": "active", "room": 2}));
    life.quiet(31_000);
}

#[test]
fn updates_in_a_row_become_one() {
    let mut life = Life::started(lesson(60, json!({})));
    for (room, now) in [(1, 60_000), (2, 60_200), (3, 60_400)] {
        life.run.update(json!({"room": room}), None, now);
        let turn = life.turn(now);
        assert_eq!(turn.push.is_some(), room == 1);
        if room > 1 {
            assert_eq!(turn.next_at, Some(61_000));
        }
    }
    assert_eq!(life.pushed(61_000).content_state["room"], 3);
    // The same again is nothing new.
    life.run.update(json!({"room": 3}), None, 70_000);
    life.quiet(70_000);
}

#[test]
fn updates_and_phases_count_in_order_of_time() {
    let mut life = Life::started(lesson(60, json!({})));
    life.run
        .update(json!({"status": "late", "room": 4}), None, 30 * MIN);
    assert_eq!(status(&life.pushed(30 * MIN)), "late");
    assert_eq!(
        life.pushed(45 * MIN).content_state,
        json!({"status": "ending", "room": 4})
    );
    life.run.update(json!({"status": "paused"}), None, 46 * MIN);
    assert_eq!(status(&life.pushed(46 * MIN)), "paused");
    for n in 0..40 {
        life.run.update(json!({"n": n}), None, 47 * MIN + n);
    }
    assert_eq!(
        life.pushed(48 * MIN).content_state,
        json!({"status": "paused", "room": 4, "n": 39})
    );
}

#[test]
fn a_start_without_an_answer_is_reported_once_and_repeated_only_after_a_definite_no() {
    let mut life = Life::new(lesson(60, json!({})));
    let turn = life.turn(0);
    assert_eq!(
        (turn.notices, turn.next_at),
        (vec![Notice::Started], Some(2 * MIN))
    );
    assert_eq!(life.quiet(2 * MIN).notices, [Notice::StartUnanswered(1)]);
    assert_eq!(life.quiet(3 * MIN).notices, []);
    for _ in 1..Rules::default().start_tries {
        life.run.not_started(1);
        assert_eq!(life.pushed(4 * MIN).kind, PushKind::Start);
    }
    life.run.not_started(1);
    life.quiet(5 * MIN);
}

#[test]
fn phones_that_come_later_are_started_with_the_present_state() {
    let mut life = Life::new(lesson(60, json!({})));
    life.phones = Vec::new();
    assert_eq!(
        life.quiet(0).notices,
        [Notice::Started, Notice::TokenMissing]
    );
    life.phones = vec![8, 9];
    let start = life.pushed(MIN);
    assert_eq!((start.kind, start.phones), (PushKind::Start, vec![8, 9]));
    assert!(life.run.tell_update_token(9, None, 2 * MIN));
    assert_eq!(life.pushed(45 * MIN).phones, [9]);
    life.phones = vec![7, 8, 9];
    let late = life.pushed(46 * MIN);
    assert_eq!(
        (late.kind, late.phones.clone(), status(&late)),
        (PushKind::Start, vec![7], "ending")
    );
}

#[test]
fn a_token_that_comes_after_the_end_is_told_the_end_and_nothing_else() {
    let mut life = Life::new(lesson(60, json!({})));
    life.pushed(0);
    life.quiet(60 * MIN);
    assert!(life.run.tell_update_token(1, None, 61 * MIN));
    let end = life.pushed(61 * MIN);
    assert_eq!(
        (end.kind, status(&end), &end.alert),
        (PushKind::End, "ended", &None)
    );
    assert!(!life.run.tell_update_token(1, None, 62 * MIN));
    life.quiet(63 * MIN);
}

#[test]
fn what_the_app_starts_is_adopted() {
    let app = json!({"start": "app", "alert": null});
    let mut life = Life::new(lesson(60, app.clone()));
    assert_eq!(life.quiet(0).notices, [Notice::Started]);
    assert!(
        life.run
            .tell_update_token(5, Some(&json!({"status": "active"})), MIN)
    );
    life.quiet(MIN);
    assert_eq!(life.pushed(45 * MIN).phones, [5]);
    // One that shows something else is put right.
    let mut life = Life::new(lesson(60, app));
    assert!(
        life.run
            .tell_update_token(5, Some(&json!({"status": "old"})), -MIN)
    );
    assert_eq!(status(&life.pushed(-MIN)), "active");
    life.quiet(0);
}

#[test]
fn it_ends_by_request_by_silence_and_before_the_system_ends_it() {
    let mut life = Life::started(lesson(60, json!({})));
    let asked = EndRequest {
        dismiss_after: Some("1m".into()),
        ..EndRequest::default()
    };
    life.run.ask_end(asked.check().unwrap(), 20 * MIN);
    let end = life.pushed(20 * MIN);
    assert_eq!((end.dismissal_date, status(&end)), (Some(21 * 60), "ended"));

    let mut life = Life::new(lesson(60, json!({})));
    life.run.ask_end(End::default(), -MIN);
    life.quiet(-MIN);
    assert_eq!(life.run.state, ActivityState::Cancelled);

    let mut life = Life::started(lesson(600, json!({"on_silence": "30m", "phases": []})));
    life.run.update(json!({"n": 1}), None, 20 * MIN);
    life.pushed(20 * MIN);
    life.quiet(49 * MIN);
    assert_eq!(
        life.turn(50 * MIN).notices,
        [Notice::Ended(EndCause::Silence)]
    );

    let mut life = Life::started(lesson(600, json!({"phases": []})));
    assert_eq!(life.quiet(445 * MIN).notices, [Notice::EndsSoon]);
    assert_eq!(life.quiet(446 * MIN).next_at, Some(475 * MIN));
    assert_eq!(
        life.turn(475 * MIN).notices,
        [Notice::Ended(EndCause::Limit)]
    );
    // One that ends in time is not warned about.
    let mut life = Life::started(lesson(470, json!({"phases": []})));
    assert_eq!(life.quiet(445 * MIN).notices, []);
}

fn alert() -> ActivityAlert {
    ActivityAlert {
        title: "a".into(),
        body: "b".into(),
        sound: None,
        template: None,
    }
}

/// How many of 25 pushes with an alert, one a minute, are pushed at once; and what is told of the last.
fn at_once(with: Value, tells: Option<bool>) -> (usize, Option<String>) {
    let mut life = Life::new(lesson(60, with));
    life.pushed(0);
    life.run.tell_update_token(1, None, 1_000);
    if let Some(is_frequent) = tells {
        life.run.tell_frequent(1, is_frequent);
    }
    let mut reason = None;
    for n in 1..25 {
        life.run.update(json!({"n": n}), Some(alert()), n * MIN);
        let turn = life.turn(n * MIN);
        assert_eq!(turn.push.unwrap().alert, Some(alert()));
        reason = turn.records[0].reason.clone();
    }
    (life.urgent.len(), reason)
}

#[test]
fn the_hours_budget_of_pushes_at_once() {
    let budget = Some("budget".to_owned());
    let plain = json!({"phases": []});
    let frequent = json!({"phases": [], "frequent": true});
    assert_eq!(at_once(plain.clone(), None), (12, budget.clone()));
    assert_eq!(at_once(frequent.clone(), None), (25, None));
    assert_eq!(at_once(plain, Some(true)), (25, None), "the person says so");
    assert_eq!(at_once(frequent, Some(false)), (12, budget));
}

#[test]
fn a_phone_beyond_its_budget_gets_the_alert_when_it_suits() {
    let mut life = Life::new(lesson(60, json!({})));
    life.phones = vec![1, 2];
    life.pushed(0);
    for phone in [1, 2] {
        life.run.tell_update_token(phone, None, 1_000);
    }
    // It got them by other activities.
    life.urgent.extend((0..12).map(|n| (40 * MIN + n, 2)));
    let turn = life.turn(45 * MIN);
    let push = turn.push.unwrap();
    assert_eq!(
        (push.priority, &push.phones[..]),
        (Priority::High, &[1][..])
    );
    assert_eq!(
        (turn.records[0].reason.as_deref(), turn.next_at),
        (None, Some(45 * MIN))
    );
    let turn = life.turn(45 * MIN);
    let push = turn.push.unwrap();
    assert_eq!(
        (push.priority, &push.phones[..]),
        (Priority::Normal, &[2][..])
    );
    assert_eq!(push.alert.unwrap().title, "Soon");
    assert_eq!(kinds_of(&turn.records), [RecordKind::CaughtUp]);
    assert_eq!(turn.records[0].reason.as_deref(), Some("budget"));
    life.quiet(46 * MIN);
    let end = life.pushed(60 * MIN);
    assert_eq!((end.priority, end.phones.len()), (Priority::High, 2));
}

#[test]
fn a_channel_is_told_without_phones() {
    let mut life = Life::new(lesson(
        60,
        json!({"recipient": {"channel": "c"}, "start": "app", "alert": null}),
    ));
    life.phones = Vec::new();
    let first = life.pushed(0);
    assert_eq!((first.kind, first.phones.len()), (PushKind::Update, 0));
    assert_eq!(status(&life.pushed(45 * MIN)), "ending");
    assert_eq!(life.pushed(60 * MIN).kind, PushKind::End);
    life.quiet(61 * MIN);
}

fn refused(pushed_at: UnixMs, push_token_of: i64, is_start: bool) -> RefusedPush {
    RefusedPush {
        push_token_of,
        pushed_at,
        is_start,
        reason: "because".into(),
    }
}

#[test]
fn a_phone_whose_token_died_is_told_nothing_until_it_tells_another() {
    let mut life = Life::started(lesson(60, json!({})));
    life.run.keep_push_token(1, 71, false);
    life.refused.push(refused(0, 70, false));
    assert_eq!(life.quiet(5 * MIN).records, [], "of nobody");
    life.refused.push(refused(0, 71, false));
    let turn = life.quiet(6 * MIN);
    assert_eq!(kinds(&turn), [RecordKind::TokenDead]);
    assert_eq!(turn.records[0].reason.as_deref(), Some("because"));
    assert_eq!(
        (turn.records[0].phone, turn.records[0].waiting),
        (Some(1), 0)
    );
    assert_eq!(turn.notices, [Notice::TokenDead]);
    let phase = life.quiet(45 * MIN);
    assert_eq!((phase.records[0].phones, phase.records[0].waiting), (0, 0));
    assert_eq!(phase.notices, [], "nobody is waited for");
    life.run.tell_update_token(1, None, 46 * MIN);
    life.run.keep_push_token(1, 72, false);
    assert_eq!(status(&life.pushed(46 * MIN)), "ending");
    assert!(!life.run.phones[&1].is_gone);
}

#[test]
fn what_was_pushed_while_a_token_rotated_is_told_by_the_new_one() {
    let mut life = Life::started(lesson(60, json!({})));
    life.run.keep_push_token(1, 71, false);
    assert_eq!(status(&life.pushed(45 * MIN)), "ending");
    life.run.tell_update_token(1, None, 46 * MIN);
    life.run.keep_push_token(1, 72, false);
    life.quiet(46 * MIN);
    life.refused.push(refused(45 * MIN, 71, false));
    let turn = life.turn(47 * MIN);
    assert_eq!(kinds(&turn), [RecordKind::CaughtUp]);
    assert_eq!(status(&turn.push.unwrap()), "ending");
    life.quiet(48 * MIN);
}

#[test]
fn a_start_that_was_refused_is_pushed_once_more() {
    let mut life = Life::new(lesson(60, json!({})));
    assert_eq!(life.pushed(0).kind, PushKind::Start);
    life.run.keep_start_token(1, 70);
    life.refused.push(refused(0, 70, true));
    let turn = life.quiet(2_000);
    assert_eq!(kinds(&turn), [RecordKind::StartRefused]);
    assert_eq!(turn.next_at, Some(12_000));
    assert!(!life.run.wants_start(11_000) && life.run.wants_start(12_000));
    let again = life.pushed(12_000);
    assert_eq!((again.kind, &again.phones[..]), (PushKind::Start, &[1][..]));
    // What is heard of the first one is about that one.
    life.refused.push(refused(0, 70, true));
    assert_eq!(life.quiet(13_000).records, []);
    life.refused.push(refused(12_000, 70, true));
    assert_eq!(kinds(&life.quiet(14_000)), [RecordKind::StartRefused]);
    assert_eq!(life.quiet(10 * MIN).notices, [], "nobody is waited for");
    // Another push-to-start token is another matter.
    life.run.can_start(1);
    assert_eq!(life.pushed(11 * MIN).kind, PushKind::Start);
}

#[test]
fn a_refused_start_without_a_living_token_is_given_up() {
    let mut life = Life::new(lesson(60, json!({})));
    life.pushed(0);
    life.run.keep_start_token(1, 70);
    life.refused.push(refused(0, 70, true));
    life.quiet(2_000);
    life.phones.clear();
    assert_eq!(life.quiet(12_000).next_at, Some(45 * MIN));
    assert!(!life.run.wants_start(12_000));
}

#[test]
fn a_phone_without_room_is_not_asked_until_it_has_some() {
    let mut life = Life::new(lesson(60, json!({})));
    (life.phones, life.full) = (vec![1], vec![2]);
    let turn = life.turn(0);
    assert_eq!(turn.push.unwrap().phones, [1]);
    assert_eq!(
        kinds_of(&turn.records),
        [RecordKind::NoRoom, RecordKind::Started]
    );
    assert_eq!(
        (turn.records[0].phone, turn.records[0].reason.as_deref()),
        (Some(2), Some("no_room"))
    );
    assert_eq!(turn.records[1].waiting, 1, "of the other one");
    assert_eq!(life.quiet(MIN).records, [], "said once");
    (life.phones, life.full) = (vec![1, 2], Vec::new());
    assert_eq!(life.pushed(3 * MIN).phones, [2]);
    assert!(!life.run.phones[&2].has_no_room);
}
