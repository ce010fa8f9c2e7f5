//! Lives of channels that are made for an activity, step by step.

use super::*;
use crate::UnixMs;
use serde_json::{Value, json};

const MIN: i64 = 60_000;

fn request(with: Value) -> ActivityRequest {
    let mut body = json!({
        "recipient": {"new_channel": {"environment": "sandbox"}}, "attributes_type": "Match", "start": "app",
        "content_state": {"goals": 0},
        "starts_at": "1970-01-01T00:00:00Z", "ends_at": "1970-01-01T01:00:00Z",
        "end": {"dismiss_after": "5m"}
    });
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    serde_json::from_value(body).unwrap()
}

fn codes(with: Value) -> Vec<(String, &'static str)> {
    let problems = request(with).plan(0).unwrap_err();
    let said = problems
        .into_iter()
        .map(|problem| (problem.pointer, problem.code));
    said.collect()
}

/// An activity with a channel of its own, on a clock that is moved by hand.
struct Life {
    plan: Plan,
    run: Run,
    phones: Vec<i64>,
    rules: Rules,
}

impl Life {
    fn new(with: Value) -> Self {
        let plan = request(with).plan(0).unwrap().plan;
        let mut run = Run::new(-MIN);
        run.want_channel(&plan, -MIN);
        Self {
            plan,
            run,
            phones: Vec::new(),
            rules: Rules::default(),
        }
    }

    /// What is pushed, at most one thing.
    fn turn(&mut self, now: UnixMs) -> Option<ActivityPush> {
        // As a restart between any two turns does.
        let stored = serde_json::to_string(&self.run).unwrap();
        self.run = serde_json::from_str(&stored).unwrap();
        let turn = self
            .run
            .turn(&self.plan, now, &Look::startable(&self.phones), &self.rules);
        assert!(turn.next_at.is_none_or(|at| at > now), "it would spin");
        self.run.follow_with_channel(&self.plan, &self.rules);
        turn.push
    }

    fn begin(&mut self, now: UnixMs) -> (Option<ChannelErrand>, Option<Notice>) {
        let begun = self.run.begin_errand(now, &self.rules);
        assert_eq!(
            self.run.begin_errand(now, &self.rules),
            (None, None),
            "once"
        );
        begun
    }

    fn answered(&mut self, answer: ChannelAnswer, now: UnixMs) -> ChannelMoved {
        self.run
            .errand_answered(&self.plan, answer, now, &self.rules)
    }

    fn channel(&self) -> &Channel {
        self.run.channel.as_ref().unwrap()
    }
}

fn made(id: &str) -> ChannelAnswer {
    ChannelAnswer::Made {
        id: id.into(),
        topic: "com.example.match".into(),
    }
}

fn refused() -> ChannelAnswer {
    ChannelAnswer::Refused("CannotCreateChannelConfig: delete some".into())
}

#[test]
fn it_is_made_published_to_and_deleted_after_the_lock_screens() {
    let mut life = Life::new(json!({}));
    assert_eq!(life.run.errand_at(), Some(-MIN));
    assert_eq!(life.turn(-MIN), None);
    assert_eq!(life.begin(-MIN), (Some(ChannelErrand::Make), None));
    assert_eq!(life.channel().state, ChannelState::Making);
    // Its time comes before Apple's answer.
    assert_eq!(life.turn(0), None);
    assert_eq!(life.run.state, ActivityState::Planned);
    let moved = life.answered(made("c1"), MIN);
    assert_eq!(moved.notice, Some(Notice::ChannelMade));
    assert_eq!(life.run.errand_at(), None);
    let push = life.turn(MIN).unwrap();
    assert_eq!((push.kind, push.phones.len()), (PushKind::Update, 0));
    assert_eq!(life.run.channel_id(&life.plan), Some("c1"));
    let end = life.turn(60 * MIN).unwrap();
    assert_eq!(end.kind, PushKind::End);
    let gone_at = 60 * MIN + 5 * MIN + life.rules.channel_delete_after_ms;
    assert_eq!(life.run.errand_at(), Some(gone_at));
    assert_eq!(life.begin(gone_at - 1), (None, None));
    let delete = ChannelErrand::Delete("c1".into());
    assert_eq!(life.begin(gone_at), (Some(delete), None));
    assert_eq!(
        life.answered(ChannelAnswer::Deleted, gone_at + 1),
        ChannelMoved::default()
    );
    assert_eq!(
        (life.channel().state, life.run.errand_at()),
        (ChannelState::Deleted, None)
    );
}

#[test]
fn phones_are_started_with_the_channel_in_the_place_of_update_tokens() {
    let new = json!({"new_channel": {"environment": "production", "users": ["kim"]}});
    let alert = json!({"title": "Match", "body": "It begins"});
    let mut life = Life::new(json!({"recipient": new, "start": "push", "alert": alert}));
    life.phones = vec![1, 2];
    life.begin(0);
    life.answered(made("c1"), 0);
    let start = life.turn(0).unwrap();
    assert_eq!((start.kind, &*start.phones), (PushKind::Start, &[1, 2][..]));
    let aps = &start.payload(&life.plan)["aps"];
    assert_eq!(aps["input-push-channel"], "c1");
    assert!(aps.get("input-push-token").is_none());
    assert_eq!(life.run.state, ActivityState::Active);
    // Nobody waits for a token of theirs.
    assert!(life.run.phones.is_empty());
    assert_eq!(life.turn(10 * MIN), None);
    life.run.update(json!({"goals": 1}), None, 11 * MIN);
    let update = life.turn(11 * MIN).unwrap();
    assert_eq!((update.kind, update.phones.len()), (PushKind::Update, 0));
    assert_eq!(update.channel, None);
}

#[test]
fn what_apple_refuses_is_tried_again_and_ends() {
    let mut life = Life::new(json!({}));
    let mut now = 0;
    let mut pauses = Vec::new();
    for turn in 0..life.rules.channel_tries {
        assert_eq!(life.begin(now).0, Some(ChannelErrand::Make));
        let moved = life.answered(refused(), now);
        let is_last = turn + 1 == life.rules.channel_tries;
        let is_told = turn == 0 || is_last;
        assert_eq!(moved.notice, is_told.then_some(Notice::ChannelTrouble));
        if let Some(at) = life.run.errand_at() {
            pauses.push((at - now) / 1_000);
            now = at;
        }
    }
    assert_eq!(
        pauses,
        [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600]
    );
    let channel = life.channel();
    assert_eq!((channel.state, channel.doubts), (ChannelState::Failed, 0));
    assert!(channel.error.as_ref().unwrap().contains("delete some"));
    // It never starts, and ends by its plan; what was mended is tried anew.
    assert_eq!(life.turn(MIN), None);
    life.run.want_channel(&life.plan, now);
    assert_eq!(life.begin(now).0, Some(ChannelErrand::Make));
    life.answered(refused(), now);
    life.turn(60 * MIN);
    assert_eq!(life.run.ended, Some((60 * MIN, EndCause::Missed)));
    assert_eq!(
        (life.channel().state, life.run.errand_at()),
        (ChannelState::Unneeded, None)
    );
}

#[test]
fn nobody_hears_the_answer_and_that_is_said() {
    let mut life = Life::new(json!({}));
    life.begin(0);
    let again_at = life.run.errand_at().unwrap();
    assert!(again_at > 60_000, "no call takes so long");
    // Whoever asked died: it is asked again, and that one may be left over is counted and told.
    let begun = life.begin(again_at);
    assert_eq!(
        begun,
        (Some(ChannelErrand::Make), Some(Notice::ChannelTrouble))
    );
    assert_eq!(life.channel().doubts, 1);
    let moved = life.answered(ChannelAnswer::Unheard("timeout".into()), again_at);
    assert_eq!(moved.notice, Some(Notice::ChannelTrouble));
    assert_eq!(life.channel().doubts, 2);
    let at = life.run.errand_at().unwrap();
    life.begin(at);
    life.answered(made("c1"), at);
    // The first one was only slow.
    let late = life.answered(made("c0"), at + 1);
    assert_eq!(late.surplus.as_deref(), Some("c0"));
    assert_eq!(life.run.channel_id(&life.plan), Some("c1"));
}

#[test]
fn one_that_is_over_before_it_is_made_leaves_nothing() {
    let mut life = Life::new(json!({}));
    life.run.ask_end(End::default(), -MIN);
    life.turn(-MIN);
    assert_eq!(life.run.state, ActivityState::Cancelled);
    assert_eq!(
        (life.channel().state, life.run.errand_at()),
        (ChannelState::Unneeded, None)
    );
    let mut asked = Life::new(json!({}));
    asked.begin(-MIN);
    asked.run.ask_end(End::default(), -MIN);
    asked.turn(-MIN);
    asked.answered(made("c1"), 0);
    let at = asked.run.errand_at().unwrap();
    assert!(at <= 0, "nobody saw it");
    assert_eq!(
        asked.begin(0).0,
        Some(ChannelErrand::Delete("c1".to_owned()))
    );
    // A deletion that nobody heard is made again, and does no harm.
    asked.answered(ChannelAnswer::Unheard("timeout".into()), 0);
    assert_eq!(asked.channel().doubts, 0);
    let at = asked.run.errand_at().unwrap();
    assert!(matches!(asked.begin(at).0, Some(ChannelErrand::Delete(_))));
}

#[test]
fn what_cannot_be_deleted_is_left_and_told() {
    let mut life = Life::new(json!({}));
    life.begin(0);
    life.answered(made("c1"), 0);
    life.turn(0);
    life.turn(60 * MIN);
    let mut told = 0;
    while let Some(at) = life.run.errand_at() {
        life.begin(at);
        let moved = life.answered(refused(), at);
        told += u32::from(moved.notice.is_some());
    }
    assert_eq!((life.channel().state, told), (ChannelState::Left, 2));
    assert_eq!(life.channel().id.as_deref(), Some("c1"));
}

#[test]
fn who_starts_it_is_said_and_bounded() {
    let new = |users: Value| json!({"new_channel": {"environment": "production", "users": users}});
    let alert = json!({"title": "a", "body": "b"});
    for with in [
        json!({"start": "push", "alert": alert}),
        json!({"recipient": new(json!(["kim"]))}),
    ] {
        let start = ("/start".to_owned(), "live_activity.start");
        assert_eq!(codes(with), [start]);
    }
    let many: Vec<_> = (0..1_001).map(|no| format!("u{no}")).collect();
    let with = json!({"recipient": new(json!(many)), "start": "push", "alert": {"title": "a", "body": "b"}});
    let whole = (
        "/recipient/new_channel".to_owned(),
        "live_activity.recipient",
    );
    assert_eq!(codes(with), [whole]);
    let with = json!({"recipient": new(json!(["kim", ""])), "start": "push", "alert": {"title": "a", "body": "b"}});
    let second = (
        "/recipient/new_channel/users/1".to_owned(),
        "live_activity.recipient",
    );
    assert_eq!(codes(with), [second]);
}

#[test]
fn an_audience_is_gone_through_when_it_starts() {
    let new =
        json!({"new_channel": {"environment": "production", "audience": {"segment": "fans"}}});
    let alert = json!({"title": "Match", "body": "It begins"});
    let mut life = Life::new(json!({"recipient": new, "start": "push", "alert": alert}));
    life.begin(0);
    life.answered(made("c1"), 0);
    let start = life.turn(0).unwrap();
    assert_eq!((start.kind, start.phones.len()), (PushKind::Start, 0));
    assert_eq!(start.channel.as_deref(), Some("c1"));
    assert_eq!(life.turn(10 * MIN), None);
}

#[test]
fn an_audience_is_one_that_is_gone_through_page_by_page() {
    let with = |new: Value| {
        let mut whole = json!({"environment": "production"});
        for (key, value) in new.as_object().unwrap() {
            whole[key] = value.clone();
        }
        codes(json!({
            "recipient": {"new_channel": whole}, "start": "push", "alert": {"title": "a", "body": "b"}
        }))
    };
    let wrong = (
        "/recipient/new_channel/audience".to_owned(),
        "live_activity.audience",
    );
    let one = json!({"audience": {"all": true}, "users": ["kim"]});
    for new in [
        one,
        json!({"audience": {"users": ["kim"]}}),
        json!({"audience": {"source": "members"}}),
    ] {
        assert_eq!(with(new), std::slice::from_ref(&wrong));
    }
    let nobody = with(json!({"audience": {"all": false}}));
    assert_eq!(nobody[0].0, "/recipient/new_channel/audience/all");
    let by_app = json!({"recipient": {"new_channel": {"environment": "production", "audience": {"all": true}}}});
    let start = ("/start".to_owned(), "live_activity.start");
    assert_eq!(codes(by_app), [start]);
}
