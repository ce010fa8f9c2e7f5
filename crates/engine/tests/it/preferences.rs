//! What keeps a delivery back: switched off categories, quiet hours, caps. Who is exempt, and that
//! nothing is counted twice.

use crate::fake_gateway::{accept, in_doubt, not_sent, retry};
use crate::world::{T0, World, address, to};
use carillon_model::app::{AppSettings, CategoryDefault, CategorySettings};
use carillon_model::delivery::{FinalState, Suppression};
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::frequency::FrequencyCap;
use carillon_model::id::{DeviceNo, NotificationNo};
use carillon_model::push_type::TokenKind;
use carillon_ports::registry::Registry;
use carillon_ports::store::NotificationView;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Half past eight at T0's day: T0 is 08:00 UTC.
const HALF_PAST: i64 = T0 + 30 * 60_000;

fn suppressed(rule: Suppression) -> FinalState {
    FinalState::Suppressed(rule)
}

impl World {
    async fn prefer(&self, user: &str, preferences: Value) {
        let preferences = serde_json::from_value(preferences).unwrap();
        let put = self
            .store
            .put_preferences(self.app, user.into(), preferences, T0);
        put.await.unwrap();
        self.engine.refresh().await.unwrap();
    }

    async fn settings(&self, change: impl FnOnce(&mut AppSettings)) {
        let mut settings = AppSettings::default();
        change(&mut settings);
        self.app("shop", settings).await;
    }

    /// Devices `(id, user, zone)`.
    async fn own(&self, devices: &[(&str, Option<&str>, Option<&str>)]) -> Vec<DeviceNo> {
        let registrations =
            (500..)
                .zip(devices)
                .map(|(number, (id, user, zone))| DeviceRegistration {
                    id: Some((*id).to_owned()),
                    user_id: user.map(str::to_owned),
                    time_zone: zone.map(str::to_owned),
                    push_tokens: vec![PushTokenRegistration::new(
                        TokenKind::Alert,
                        address(number),
                        TokenEnvironment::Production,
                    )],
                    ..DeviceRegistration::default()
                });
        let registered = self
            .store
            .register_devices(self.app, registrations.collect(), T0);
        let registered = registered.await.unwrap();
        registered.iter().map(|device| device.no).collect()
    }

    async fn sent(&self, body: Value) -> NotificationView {
        let no = self.send(body).await;
        self.completed(no).await
    }

    async fn next_attempt(&self, no: NotificationNo) -> Option<i64> {
        let all = carillon_ports::store::DeliveryFilter::All;
        let found = self.hot.deliveries(self.app, no, None, all, 1).await;
        found.unwrap()[0].next_attempt_at
    }
}

fn of_category(mut body: Value, category: &str) -> Value {
    body["options"]["category"] = json!(category);
    body
}

fn critical(mut body: Value) -> Value {
    body["content"]["urgency"] = json!("critical");
    body
}

#[tokio::test(start_paused = true)]
async fn a_category_that_is_off_is_not_sent_unless_it_is_critical() {
    let world = World::new().await;
    world
        .settings(|settings| {
            let default = CategoryDefault::Off;
            let declared = CategorySettings { default };
            settings.categories.insert("ads".into(), declared);
        })
        .await;
    world.devices(1..4).await;
    world.own(&[("nobody's", None, None)]).await;
    world
        .prefer("u1", json!({"categories": {"news": false}}))
        .await;
    world
        .prefer("u2", json!({"categories": {"ads": true}}))
        .await;
    let all =
        json!({"target": {"devices": ["d1", "d2", "d3", "nobody's"]}, "content": {"body": "x"}});
    let opted_out = suppressed(Suppression::OptedOut);

    let news = world.sent(of_category(all.clone(), "news")).await;
    assert_eq!(
        news.states,
        [(FinalState::Accepted, 3), (opted_out, 1)],
        "on by default, and u1 switched it off"
    );
    let ads = world.sent(of_category(all.clone(), "ads")).await;
    assert_eq!(
        ads.states,
        [(FinalState::Accepted, 1), (opted_out, 3)],
        "off by default, and u2 switched it on"
    );
    for body in [
        all.clone(),
        of_category(all.clone(), "unheard of"),
        critical(of_category(all, "news")),
    ] {
        let states = world.sent(body.clone()).await.states;
        assert_eq!(states, [(FinalState::Accepted, 4)], "{body}");
    }
    let counted = world.hot.counts(world.app, 0).await.unwrap();
    let words: Vec<_> = counted.iter().filter(|c| c.state == opted_out).collect();
    assert_eq!(words.len(), 1);
    assert_eq!((words[0].reason.as_str(), words[0].count), ("opted_out", 4));
}

#[tokio::test(start_paused = true)]
async fn quiet_hours_hold_until_they_end_and_cost_no_attempt() {
    let world = World::new().await;
    world.devices(1..2).await;
    world
        .prefer(
            "u1",
            json!({"quiet_hours": {"from": "07:00", "to": "08:30"}}),
        )
        .await;
    world
        .gateway
        .script(|w| if w.before == 0 { retry() } else { accept() });
    let start = Instant::now();
    let no = world.send(to(1..2)).await;
    world.pass(2_000).await;
    assert!(world.gateway.written().is_empty());
    assert_eq!(world.next_attempt(no).await, Some(HALF_PAST));
    let held = world.attempts(no, 0).await;
    assert_eq!(held.len(), 1);
    assert_eq!(
        (&*held[0].result, &*held[0].reason, held[0].next_attempt_at),
        ("held", "quiet_hours", Some(HALF_PAST))
    );

    let loud = world.sent(critical(to(1..2))).await;
    assert_eq!(loud.states, [(FinalState::Accepted, 1)]);
    let before = world.gateway.written().len();

    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 1)]);
    let written = world.gateway.written().split_off(before);
    assert_eq!(written.len(), 2);
    let waited = (written[0].at - start).as_millis();
    assert!((1_800_000..1_802_000).contains(&waited), "{waited}");
    let told = world.attempts(no, 0).await;
    let told: Vec<_> = told.iter().map(|a| (&*a.result, a.attempt)).collect();
    assert_eq!(
        told,
        [("held", 1), ("retry", 1), ("accepted", 2)],
        "holding counted no attempt"
    );
}

#[tokio::test(start_paused = true)]
async fn zones_are_the_users_the_devices_or_the_apps() {
    let world = World::new().await;
    world
        .settings(|settings| settings.time_zone = Some("Asia/Seoul".into()))
        .await;
    // 08:00 in London, 17:00 in Seoul, 03:00 in New York.
    world
        .own(&[
            ("abroad", Some("u1"), Some("America/New_York")),
            ("home", Some("u1"), Some("Europe/London")),
            ("unknown", Some("u1"), None),
            ("theirs", Some("u2"), None),
        ])
        .await;
    let night = json!({"quiet_hours": {"from": "22:00", "to": "03:10", "mode": "suppress"}});
    world.prefer("u1", night).await;
    let own = json!({"quiet_hours": {"from": "22:00", "to": "03:10", "mode": "suppress", "time_zone": "America/New_York"}});
    world.prefer("u2", own).await;
    let to_users = json!({"target": {"users": ["u1", "u2"]}, "content": {"body": "x"}});
    let view = world.sent(to_users).await;
    assert_eq!(
        view.states,
        [
            (FinalState::Accepted, 2),
            (suppressed(Suppression::QuietHours), 2)
        ],
        "where it is night: abroad, and where u2 says he is"
    );
}

#[tokio::test(start_paused = true)]
async fn what_ends_before_the_quiet_hours_do_expires_and_says_why() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.prefer("u1", json!({"muted_until": HALF_PAST})).await;
    for (expires_in, is_over) in [("20m", true), ("29m", true), ("31m", false)] {
        let mut body = to(1..2);
        body["expires_in"] = json!(expires_in);
        let no = world.send(body).await;
        world.pass(1).await;
        if is_over {
            let view = world.completed(no).await;
            assert_eq!(view.states, [(FinalState::Expired, 1)], "{expires_in}");
            let told = world.attempts(no, 0).await;
            assert_eq!(
                (&*told[0].result, &*told[0].reason),
                ("expired", "quiet_hours")
            );
        } else {
            let states = world.completed(no).await.states;
            assert_eq!(states, [(FinalState::Accepted, 1)], "{expires_in}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_survives_a_crash_and_can_be_cancelled() {
    let world = World::new().await;
    world.devices(1..41).await;
    for user in (1..41).step_by(2) {
        let mute = json!({"muted_until": HALF_PAST + user * 7});
        world.prefer(&format!("u{user}"), mute).await;
    }
    let no = world.send(to(1..41)).await;
    let other = world.send(to(1..2)).await;
    world
        .until(std::time::Duration::from_secs(10), async || {
            world.view(no).await.open == 20 && world.next_attempt(other).await.is_some()
        })
        .await;
    let world = world.crash().await;
    world.pass(1_000).await;
    assert_eq!(world.gateway.written().len(), 20, "still held");
    let cancel = world
        .engine
        .cancel(world.app, other)
        .await
        .unwrap()
        .unwrap();
    assert!(cancel.confirmed);
    assert_eq!(cancel.not_sent, 1);
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 40)]);
    let written = world.gateway.written();
    assert_eq!(written.len(), 40);
    assert!(written.iter().all(|push| push.before == 0), "each once");
    let view = world.view(other).await;
    assert_eq!(view.states, [(FinalState::Cancelled, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_the_gate_was_settled_does_not_send_in_quiet_hours() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.prefer("u1", json!({"muted_until": HALF_PAST})).await;
    // Accepted, and the process is gone before anything else is on disk.
    let no = world.send(to(1..2)).await;
    let world = world.crash().await;
    world.pass(60_000).await;
    assert!(world.gateway.written().is_empty());
    assert_eq!(world.next_attempt(no).await, Some(HALF_PAST));
    let states = world.completed(no).await.states;
    assert_eq!(states, [(FinalState::Accepted, 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_opt_out_counts_at_every_try_and_quiet_hours_only_at_the_first() {
    let world = World::new().await;
    world.devices(1..3).await;
    world.prefer("u1", json!({})).await;
    world
        .gateway
        .script(|w| if w.before == 0 { retry() } else { accept() });
    let no = world.send(of_category(to(1..3), "news")).await;
    world
        .until(std::time::Duration::from_secs(10), async || {
            world.gateway.written().len() == 2
        })
        .await;
    world
        .prefer("u1", json!({"categories": {"news": false}}))
        .await;
    world.prefer("u2", json!({"muted_until": HALF_PAST})).await;
    let start = Instant::now();
    let view = world.completed(no).await;
    assert_eq!(
        view.states,
        [
            (FinalState::Accepted, 1),
            (suppressed(Suppression::OptedOut), 1)
        ]
    );
    assert!(
        start.elapsed().as_secs() < 60,
        "nothing waited for the mute"
    );
}

fn cap(max: u32, per: i64, categories: &[&str]) -> FrequencyCap {
    FrequencyCap {
        max,
        per,
        categories: categories.iter().map(|name| (*name).to_owned()).collect(),
    }
}

const HOUR: i64 = 3_600_000;

fn to_user(user: &str) -> Value {
    json!({"target": {"users": [user]}, "content": {"body": "x"}})
}

#[tokio::test(start_paused = true)]
async fn a_user_is_counted_once_for_a_notification_whatever_becomes_of_it() {
    let world = World::new().await;
    world
        .settings(|settings| settings.frequency_cap = vec![cap(2, HOUR, &[])])
        .await;
    let three = [
        ("a", Some("u1"), None),
        ("b", Some("u1"), None),
        ("c", Some("u1"), None),
    ];
    world.own(&three).await;
    // Retries, doubt and what was not sent count nothing.
    world.gateway.script(|w| match w.before {
        0 => retry(),
        1 => in_doubt(),
        _ => accept(),
    });
    let first = world.sent(to_user("u1")).await;
    assert_eq!(first.states, [(FinalState::Accepted, 3)]);
    let mut tries = 0;
    world.gateway.script(move |_| {
        tries += 1;
        if tries <= 4 { not_sent() } else { accept() }
    });
    let second = world.sent(to_user("u1")).await;
    assert_eq!(second.states, [(FinalState::Accepted, 3)]);
    let third = world.sent(to_user("u1")).await;
    let capped = suppressed(Suppression::FrequencyCap);
    assert_eq!(third.states, [(capped, 3)]);
    let loud = world.sent(critical(to_user("u1"))).await;
    assert_eq!(loud.states, [(FinalState::Accepted, 3)], "exempt");
    world.clock.jump(HOUR);
    let later = world.sent(to_user("u1")).await;
    assert_eq!(later.states, [(FinalState::Accepted, 3)], "the window slid");
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_flight_counts_nothing_again() {
    let world = World::new().await;
    world
        .settings(|settings| settings.frequency_cap = vec![cap(1, HOUR, &[])])
        .await;
    world
        .own(&[("a", Some("u1"), None), ("b", None, None)])
        .await;
    world
        .gateway
        .script(|_| vec![(1_000_000, in_doubt()[0].1.clone())]);
    let no = world
        .send(json!({"target": {"devices": ["a", "b"]}, "content": {"body": "x"}}))
        .await;
    world
        .until(std::time::Duration::from_secs(10), async || {
            world.gateway.written().len() == 2
        })
        .await;
    let world = world.crash().await;
    world.gateway.script(|_| accept());
    let view = world.completed(no).await;
    assert_eq!(
        view.states,
        [(FinalState::Accepted, 2)],
        "the resend is the same notification"
    );
    let next = world.sent(to_user("u1")).await;
    assert_eq!(next.states, [(suppressed(Suppression::FrequencyCap), 1)]);
}

#[tokio::test(start_paused = true)]
async fn caps_cover_categories_and_need_somebody_to_send_to() {
    let world = World::new().await;
    world
        .settings(|settings| settings.frequency_cap = vec![cap(1, HOUR, &["ads"])])
        .await;
    world.devices(1..2).await;
    for _ in 0..3 {
        let view = world.sent(of_category(to_user("u1"), "orders")).await;
        assert_eq!(view.states, [(FinalState::Accepted, 1)]);
    }
    // A device that cannot be sent to uses up nothing.
    let voip = TokenKind::Voip;
    let environment = TokenEnvironment::Production;
    world.devices_of(world.app, 5..6, voip, environment).await;
    let to_d5 = of_category(to(5..6), "ads");
    for _ in 0..2 {
        let view = world.sent(to_d5.clone()).await;
        assert_eq!(view.states, [(suppressed(Suppression::NoPushToken), 1)]);
    }
    let alert = TokenKind::Alert;
    world.devices_of(world.app, 5..6, alert, environment).await;
    let view = world.sent(to_d5.clone()).await;
    assert_eq!(view.states, [(FinalState::Accepted, 1)]);
    let view = world.sent(to_d5).await;
    assert_eq!(view.states, [(suppressed(Suppression::FrequencyCap), 1)]);
}

/// At most as many as the cap, whatever the order: every notification to the same hundred users.
#[tokio::test(start_paused = true)]
async fn never_more_than_the_cap_under_load_and_crashes() {
    let mut world = World::new().await;
    world
        .settings(|settings| settings.frequency_cap = vec![cap(3, HOUR, &[])])
        .await;
    world.devices(1..101).await;
    let mut turn = 0u32;
    world.gateway.script(move |w| {
        turn += 1;
        match turn % 5 {
            0 => retry(),
            1 if w.before == 0 => in_doubt(),
            _ => accept(),
        }
    });
    let mut all = Vec::new();
    for round in 0..8 {
        all.push(world.send(to(1..101)).await);
        if round % 3 == 1 {
            world = world.crash().await;
        }
    }
    let mut ids: std::collections::BTreeMap<Vec<u8>, std::collections::BTreeSet<uuid::Uuid>> =
        Default::default();
    for no in all {
        world.completed(no).await;
    }
    for push in world.gateway.written() {
        ids.entry(push.push_token)
            .or_default()
            .insert(push.gateway_id);
    }
    assert_eq!(ids.len(), 100);
    let most = ids.values().map(std::collections::BTreeSet::len).max();
    assert_eq!(
        most,
        Some(3),
        "deliveries that were ever written to one user"
    );
}
