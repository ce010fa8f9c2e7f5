//! Properties of the state machine over random plans, changes of plan, restarts, missed times and clock jumps.

use super::*;
use crate::UnixMs;
use crate::notification::Priority;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SEC: i64 = 1_000;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// The clock goes on, or back, by so many seconds, and somebody looks.
    Clock(i64),
    /// The clock goes to when the machine wants to be looked at.
    Next,
    /// The phone tells a token.
    Token(i64),
    Gone(i64),
    /// The gateway refuses the last start, or the one before it, that was pushed to the phone.
    Refuse(i64, bool),
    /// Its update token dies.
    Dead(i64),
    /// The app says that none runs.
    NotRunning(i64),
    /// The phone tells another push-to-start token.
    CanStart(i64),
    Update(u8, i32),
    /// The phases' times, and the end, in seconds.
    Replan(Vec<i64>, i64),
    End,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (-400..900i64).prop_map(Step::Clock),
        6 => Just(Step::Next),
        3 => (1..4i64).prop_map(Step::Token),
        1 => (1..4i64).prop_map(Step::Gone),
        8 => (1..4i64, any::<bool>()).prop_map(|(phone, last)| Step::Refuse(phone, last)),
        1 => (1..4i64).prop_map(Step::Dead),
        1 => (1..4i64).prop_map(Step::NotRunning),
        1 => (1..4i64).prop_map(Step::CanStart),
        2 => (0..2u8, 0..50i32).prop_map(|(key, to)| Step::Update(key, to)),
        3 => (proptest::collection::vec(0..3_000i64, 0..4), 1..4_000i64).prop_map(|(at, end)| Step::Replan(at, end)),
        1 => Just(Step::End),
    ];
    proptest::collection::vec(step, 1..40)
}

fn plan(phases: &[i64], end: i64) -> Plan {
    let at = |secs: i64| jiff::Timestamp::from_second(secs).unwrap().to_string();
    let phases: Vec<Value> = phases
        .iter()
        .enumerate()
        .map(|(no, secs)| {
            json!({"name": format!("p{no}"), "at": at((*secs).min(end)), "content_state": {"phase": no, format!("p{no}"): true},
                "alert": {"title": format!("p{no}"), "body": "b"}})
        })
        .collect();
    let body = json!({
        "recipient": {"user": "u"}, "attributes_type": "T", "content_state": {"phase": "first"},
        "alert": {"title": "t", "body": "b"}, "starts_at": at(0), "ends_at": at(end), "phases": phases,
        "end": {"content_state": {"over": true}}
    });
    let request: ActivityRequest = serde_json::from_value(body).unwrap();
    request.plan(0).unwrap().plan
}

/// What phones saw, by the pushes alone.
#[derive(Default)]
struct Seen {
    state: BTreeMap<i64, Value>,
    ended: BTreeSet<i64>,
    timestamp: i64,
    phases: BTreeSet<(String, UnixMs)>,
    /// When each phone was asked to start it.
    asked: BTreeMap<i64, Vec<UnixMs>>,
    /// Those that may show it: they were asked or told a token, and nothing says that they do not.
    may_show: BTreeSet<i64>,
}

impl Seen {
    fn look(&mut self, turn: &Turn, plan: &Plan, run: &Run, now: UnixMs) {
        for record in &turn.records {
            let Some(phase) = &record.phase else { continue };
            let is_first = self.phases.insert((phase.clone(), record.due_at));
            assert!(is_first, "{phase} at {} came twice", record.due_at);
        }
        let Some(push) = &turn.push else { return };
        assert!(
            push.timestamp > self.timestamp,
            "{} after {}",
            push.timestamp,
            self.timestamp
        );
        self.timestamp = push.timestamp;
        assert!(!push.phones.is_empty(), "a push to nobody");
        for phone in &push.phones {
            assert!(!self.ended.contains(phone), "{:?} after the end", push.kind);
            let known = &run.phones[phone];
            assert_eq!(known.has_token, push.kind != PushKind::Start);
            self.state.insert(*phone, push.content_state.clone());
            if push.kind == PushKind::Start {
                assert!(self.may_show.insert(*phone), "{phone} was started twice");
                let asked = self.asked.entry(*phone).or_default();
                asked.push(now);
                assert!(asked.len() <= usize::from(Rules::default().start_tries));
            }
            if push.kind == PushKind::End {
                self.ended.insert(*phone);
                assert!(run.state.is_over());
            }
        }
        if push.kind != PushKind::End {
            assert!(!run.state.is_over());
            assert!(push.content_state.get("over").is_none());
        }
        assert!(plan.phases.len() <= MAX_PHASES);
    }

    /// Phones that can be told show what is to be shown.
    fn is_right(&self, run: &Run) {
        for (no, phone) in &run.phones {
            if phone.has_token && !phone.is_gone && run.seq > 0 {
                assert_eq!(self.state.get(no), run.shown.as_ref(), "phone {no}");
            }
        }
    }
}

struct World {
    plan: Plan,
    run: Run,
    seen: Seen,
    refused: Vec<RefusedPush>,
    now: UnixMs,
    next_at: Option<UnixMs>,
    tokens: i64,
    /// Pushes at once; in these lives no hour ever passes.
    spent: BTreeMap<i64, u32>,
}

impl World {
    /// The gateway's answer to a start. Only what it says of the last one tells anything of the phone.
    fn refuse(&mut self, phone: i64, is_last: bool) {
        let asked = self.seen.asked.get(&phone).map_or(&[][..], Vec::as_slice);
        let before = asked.len().checked_sub(2);
        let Some(pushed_at) = (if is_last {
            asked.last()
        } else {
            before.map(|at| &asked[at])
        }) else {
            return;
        };
        let has_token = self.run.phones[&phone].has_token;
        if asked.last() == Some(pushed_at) && !has_token {
            self.seen.may_show.remove(&phone);
        }
        self.refused.push(RefusedPush {
            push_token_of: 100 + phone,
            pushed_at: *pushed_at,
            is_start: true,
            reason: String::new(),
        });
    }

    fn die(&mut self, phone: i64) {
        let known = self.run.phones.get(&phone);
        if let Some(push_token_of) = known.and_then(|known| known.push_token_of) {
            self.refused.push(RefusedPush {
                push_token_of,
                pushed_at: self.now,
                is_start: false,
                reason: String::new(),
            });
        }
    }

    /// Looks until nothing is to be done at this instant.
    fn settle(&mut self, startable: &[i64]) {
        let rules = Rules {
            urgent_per_hour: 3,
            start_repeats: 2,
            ..Rules::default()
        };
        for round in 0.. {
            assert!(round < 20, "it never rests");
            let stored = serde_json::to_string(&self.run).unwrap();
            self.run = serde_json::from_str(&stored).unwrap();
            let look = Look {
                startable: startable.to_vec(),
                full: Vec::new(),
                refused: std::mem::take(&mut self.refused),
                spent: self.spent.clone(),
            };
            let turn = self.run.turn(&self.plan, self.now, &look, &rules);
            self.seen.look(&turn, &self.plan, &self.run, self.now);
            let push = turn.push.as_ref();
            if let Some(push) = push.filter(|push| push.priority == Priority::High) {
                for phone in &push.phones {
                    let spent = self.spent.entry(*phone).or_default();
                    *spent += 1;
                    let is_bounded = push.kind != PushKind::End;
                    assert!(!is_bounded || *spent <= 3, "{phone} beyond its budget");
                }
            }
            if let Some(start) = push.filter(|push| push.kind == PushKind::Start) {
                for phone in &start.phones {
                    self.run.keep_start_token(*phone, 100 + phone);
                }
            }
            self.next_at = turn.next_at;
            if turn.push.is_none() && turn.next_at.is_none_or(|at| at > self.now) {
                break;
            }
        }
    }
}

fn live(steps: Vec<Step>, phases: Vec<i64>, end: i64, phones: Vec<i64>) {
    let mut world = World {
        plan: plan(&phases, end),
        run: Run::new(-600 * SEC),
        seen: Seen::default(),
        refused: Vec::new(),
        now: -600 * SEC,
        next_at: None,
        tokens: 0,
        spent: BTreeMap::new(),
    };
    world.settle(&phones);
    for step in steps {
        match step {
            Step::Clock(secs) => world.now += secs * SEC,
            Step::Next => world.now = world.next_at.unwrap_or(world.now),
            Step::Token(phone) => {
                if world.run.tell_update_token(phone, None, world.now) {
                    world.tokens += 1;
                    world
                        .run
                        .keep_push_token(phone, 1_000 + world.tokens, false);
                    world.seen.may_show.insert(phone);
                }
            }
            Step::Refuse(phone, is_last) => world.refuse(phone, is_last),
            Step::Dead(phone) => world.die(phone),
            Step::CanStart(phone) => world.run.can_start(phone),
            Step::NotRunning(phone) => {
                let known = world.run.phones.get(&phone);
                if known.is_some_and(|known| !known.has_token && !world.run.state.is_over()) {
                    world.seen.may_show.remove(&phone);
                    world.run.not_started(phone);
                }
            }
            Step::Gone(phone) => world.run.gone(phone),
            Step::Update(key, to) if !world.run.state.is_over() => {
                world
                    .run
                    .update(json!({format!("u{key}"): to}), None, world.now);
            }
            Step::Replan(phases, end) if !world.run.state.is_over() => {
                let new = plan(&phases, end);
                world.run.replan(&world.plan, &new, world.now);
                world.plan = new;
            }
            Step::End if !world.run.state.is_over() => world.run.ask_end(End::default(), world.now),
            Step::Update(..) | Step::Replan(..) | Step::End => {}
        }
        world.settle(&phones);
    }
    // On to the end: the machine says when to look.
    for round in 0.. {
        assert!(round < 200, "it never ends");
        let Some(at) = world.next_at else { break };
        world.now = world.now.max(at);
        world.settle(&phones);
    }
    assert!(world.run.state.is_over(), "{:?}", world.run.state);
    world.seen.is_right(&world.run);
}

/// What is shown when nothing is out of order, by the plainest reading of the plan.
fn expected(phases: &[i64], updates: &[(i64, i32)], end: i64) -> Value {
    let mut changes: Vec<(i64, Value)> = phases
        .iter()
        .enumerate()
        .map(|(no, at)| ((*at).min(end), json!({"phase": no, format!("p{no}"): true})))
        .collect();
    changes.extend(updates.iter().map(|(at, to)| (*at, json!({"phase": to}))));
    changes.sort_by_key(|(at, _)| *at);
    let mut state = json!({"phase": "first"});
    for (_, change) in changes {
        merge(&mut state, &change);
    }
    merge(&mut state, &json!({"over": true}));
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn each_phase_at_most_once_and_the_end_right(
        steps in steps(),
        phases in proptest::collection::vec(0..3_000i64, 0..4),
        end in 1..4_000i64,
        phones in proptest::collection::btree_set(1..4i64, 0..3),
    ) {
        live(steps, phases, end, phones.into_iter().collect());
    }

    /// However rarely somebody looks, the last state is that of the plan.
    #[test]
    fn the_last_state_is_the_plans(
        phases in proptest::collection::vec(0..1_000i64, 0..6),
        mut updates in proptest::collection::vec((1..1_000i64, 0..50i32), 0..10),
        mut looks in proptest::collection::vec(1..1_000i64, 0..12),
    ) {
        let end = 1_000;
        let plan = plan(&phases, end);
        let mut run = Run::new(0);
        let rules = Rules::default();
        run.turn(&plan, 0, &Look::startable(&[1]), &rules);
        run.tell_update_token(1, None, 0);
        updates.sort_by_key(|(at, _)| *at);
        looks.sort_unstable();
        let mut seen = Seen::default();
        let mut shown = Value::Null;
        let mut events: Vec<(i64, Option<i32>)> = looks.iter().map(|at| (*at, None)).collect();
        events.extend(updates.iter().map(|(at, to)| (*at, Some(*to))));
        events.sort_by_key(|(at, _)| *at);
        events.push((end, None));
        for (at, update) in events {
            if let Some(to) = update {
                run.update(json!({"phase": to}), None, at * SEC);
            }
            let turn = run.turn(&plan, at * SEC, &Look::startable(&[1]), &rules);
            seen.look(&turn, &plan, &run, at * SEC);
            if let Some(push) = turn.push {
                shown = push.content_state;
            }
        }
        prop_assert_eq!(shown, expected(&phases, &updates, end));
    }
}
