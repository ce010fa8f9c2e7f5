//! Webhook endpoints are told what happened: at least once, on schedule, whatever others do.

use crate::world::{World, nobody};
use carillon_engine::EngineConfig;
use carillon_engine::webhooks::{Replay, Replayed};
use carillon_model::UnixMs;
use carillon_model::definition::DefinitionKind;
use carillon_model::id::DefinitionNo;
use carillon_model::webhook::{
    DisabledReason, FailedPhase, RETRY_DELAYS_MS, WebhookAnswer, WebhookSecrets, WebhookState,
};
use carillon_ports::registry::Registry;
use carillon_ports::store::{HotStore, NewEvent, Settlement};
use carillon_ports::webhook::{EndpointRow, WebhookDefinition};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const DAY: UnixMs = 86_400_000;

impl World {
    /// Defines an endpoint of the usual App.
    async fn webhook(&self, name: &str, mut settings: Value) -> Arc<WebhookDefinition> {
        settings["url"] = json!(format!("https://{name}.example.net/x"));
        let kind = DefinitionKind::Webhook;
        let no = self.store.definition_no(self.app, kind, name.into());
        let no: DefinitionNo = no.await.unwrap();
        let secrets = WebhookSecrets::new(format!("whsec_{name}"), 0);
        let sealed = Some(self.engine.seal_webhook(no, &secrets));
        let (body, name) = (settings.to_string(), name.to_owned());
        self.store
            .put_definition(no, self.app, kind, name, body, sealed, 0, nobody())
            .await
            .unwrap();
        self.engine.refresh().await.unwrap();
        let no = carillon_model::id::WebhookNo(no.0);
        self.engine.directory().webhook(no).unwrap().clone()
    }

    /// Appends events that say nothing.
    async fn happen(&self, count: usize) {
        let event = NewEvent {
            app: self.app,
            kind: "environment.flood",
            subject: "production".into(),
            data: "{}".into(),
        };
        let settlement = Settlement {
            events: vec![event; count],
            now: carillon_ports::clock::Clock::now(&*self.clock),
            ..Settlement::default()
        };
        self.store.settle(settlement).await.unwrap();
    }

    async fn row(&self, endpoint: &WebhookDefinition) -> EndpointRow {
        let row = self.engine.webhooks().endpoint(endpoint.no).await;
        row.unwrap().unwrap()
    }

    async fn told(&self, endpoint: &WebhookDefinition, count: usize) {
        let is_told = async || {
            let is_over = self.row(endpoint).await.queued == 0;
            is_over && self.receivers.calls_to(&endpoint.name).len() >= count
        };
        self.until(Duration::from_secs(4 * 86_400), is_told).await;
    }
}

fn answers(status: u16) -> (u64, WebhookAnswer) {
    (1, WebhookAnswer::answered(status))
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_told_at_once_and_once() {
    let world = World::new().await;
    world.devices(1..3).await;
    let endpoint = world.webhook("billing", json!({})).await;
    let deaf = world
        .webhook("deaf", json!({ "events": ["delivery.*"] }))
        .await;
    let no = world.to(1..3).await;
    world.completed(no).await;
    let done = carillon_ports::clock::Clock::now(&*world.clock);
    world.told(&endpoint, 1).await;
    let calls = world.receivers.calls_to("billing");
    assert_eq!(calls.len(), 1);
    let (at, call) = &calls[0];
    assert!(at - done < 50, "no poll was waited for: {} ms", at - done);
    assert_eq!(
        (&*call.app, &*call.event.kind),
        ("shop", "notification.completed")
    );
    assert_eq!(call.secrets.all()[0].text, "whsec_billing");
    let row = world.row(&endpoint).await;
    assert_eq!(row.health.last_success_at.is_some(), row.queued == 0);
    assert_eq!(world.row(&deaf).await.queued, 0);
    let attempts = world.engine.webhooks().webhook_attempts(endpoint.no, 9);
    assert_eq!(&*attempts.await.unwrap()[0].result, "success");
    world.pass(10_000).await;
    assert_eq!(world.receivers.calls().len(), 1, "and to nobody else");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_fails_is_asked_ten_times_over_three_days() {
    let world = World::new().await;
    let settings = json!({ "disable_after_days": 30 });
    let endpoint = world.webhook("billing", settings).await;
    world.receivers.script(|_| answers(500));
    world.happen(1).await;
    let mut last = 0;
    for (attempt, delay) in (1..).zip(RETRY_DELAYS_MS) {
        let is_tried = async || world.row(&endpoint).await.health.failures == attempt;
        while !is_tried().await {
            // At most a fifth is left of the wait: in steps that are small beside it.
            world.clock.jump(last / 100);
            world.pass(1_000).await;
        }
        world.clock.jump(delay - 1_000);
        last = delay;
    }
    world.clock.jump(last / 5);
    world.told(&endpoint, 10).await;
    world.clock.jump(10 * DAY);
    world.pass(5_000).await;
    let calls = world.receivers.calls();
    assert_eq!(calls.len(), 10, "and no more");
    let same = |event: i64| calls.iter().all(|(_, call)| call.event.no == event);
    assert!(same(calls[0].1.event.no), "the same event, so the same id");
    for (pair, nominal) in calls.windows(2).zip(RETRY_DELAYS_MS) {
        let waited = pair[1].0 - pair[0].0;
        // A step of the test's clock and a poll or two come on top.
        let most = nominal + nominal / 4 + 3_000;
        assert!((nominal..=most).contains(&waited), "{nominal}: {waited}");
    }
    let row = world.row(&endpoint).await;
    assert!(row.is_enabled(), "three days are not thirty");
    assert_eq!(row.health.failures, 10);
}

#[tokio::test(start_paused = true)]
async fn after_days_without_success_it_is_given_up_and_the_others_are_told() {
    let world = World::new().await;
    let settings = json!({ "disable_after_days": 1 });
    let dead = world.webhook("dead", settings).await;
    let alive = world
        .webhook("alive", json!({ "events": ["webhook.*"] }))
        .await;
    world.receivers.script(|call| match &*call.endpoint.name {
        "dead" => (100, WebhookAnswer::failed(FailedPhase::Connect, "refused")),
        _ => answers(204),
    });
    world.happen(4).await;
    while world.receivers.calls_to("alive").is_empty() {
        world.clock.jump(600_000);
        world.pass(2_000).await;
    }
    let (at, call) = &world.receivers.calls_to("alive")[0];
    assert_eq!(
        (&*call.event.kind, &*call.event.subject),
        ("webhook.disabled", "dead")
    );
    let data: Value = serde_json::from_str(&call.event.data).unwrap();
    assert_eq!(
        (&data["reason"], &data["last_failure"]),
        (&json!("failing"), &json!("refused"))
    );
    let first = world.receivers.calls_to("dead")[0].0;
    assert!(at - first >= DAY, "not before its time");
    let row = world.row(&dead).await;
    assert!(!row.is_enabled());
    world
        .until(Duration::from_secs(60), async || {
            world.row(&dead).await.queued == 0
        })
        .await;
    let calls = world.receivers.calls_to("dead").len();
    world.happen(1).await;
    world.pass(10_000_000).await;
    assert_eq!(
        world.receivers.calls_to("dead").len(),
        calls,
        "it is left alone"
    );
    assert!(world.row(&alive).await.is_enabled());
}

#[tokio::test(start_paused = true)]
async fn a_silent_receiver_holds_up_no_other() {
    let config = EngineConfig {
        webhook_calls: 8,
        ..EngineConfig::default()
    };
    let world = World::with(config).await;
    for n in 0..10 {
        world.webhook(&format!("dead{n}"), json!({})).await;
    }
    let alive = world.webhook("alive", json!({})).await;
    world.receivers.script(|call| match &*call.endpoint.name {
        "alive" => answers(204),
        _ => (
            15_000,
            WebhookAnswer::failed(FailedPhase::Timeout, "no answer within 15 s"),
        ),
    });
    // The first round does not know yet who is silent.
    world.happen(1).await;
    world.pass(40_000).await;
    for round in 0..20 {
        world.happen(1).await;
        let before = carillon_ports::clock::Clock::now(&*world.clock);
        world.told(&alive, 2 + round).await;
        let took = carillon_ports::clock::Clock::now(&*world.clock) - before;
        assert!(took < 5_000, "{round}: {took} ms");
    }
    assert!(world.receivers.most_running() <= 8);
}

#[tokio::test(start_paused = true)]
async fn one_endpoint_gets_a_few_calls_at_once() {
    let world = World::new().await;
    let endpoint = world.webhook("billing", json!({})).await;
    world
        .receivers
        .script(|_| (50, WebhookAnswer::answered(200)));
    world.happen(40).await;
    world.told(&endpoint, 40).await;
    assert_eq!(world.receivers.calls().len(), 40);
    assert_eq!(world.receivers.most_running(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_crash_cuts_off_is_made_again_under_the_same_id() {
    let world = World::new().await;
    let endpoint = world.webhook("billing", json!({})).await;
    world
        .receivers
        .script(|_| (1_000, WebhookAnswer::answered(204)));
    world.happen(3).await;
    let is_called = async || world.receivers.calls().len() == 3;
    world.until(Duration::from_secs(10), is_called).await;
    let world = world.crash().await;
    world.told(&endpoint, 6).await;
    let mut numbers: Vec<i64> = world
        .receivers
        .calls()
        .iter()
        .map(|(_, call)| call.event.no)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers.len(), 6);
    assert!(
        numbers.chunks(2).all(|pair| pair[0] == pair[1]),
        "{numbers:?}"
    );
    world.pass(10_000).await;
    assert_eq!(world.receivers.calls().len(), 6, "and no more");
}

#[tokio::test(start_paused = true)]
async fn gone_is_gone_until_somebody_enables_it() {
    let world = World::new().await;
    let endpoint = world.webhook("billing", json!({})).await;
    world.receivers.script(|_| answers(410));
    world.happen(9).await;
    world
        .until(Duration::from_secs(10), async || {
            !world.row(&endpoint).await.is_enabled()
        })
        .await;
    world.happen(2).await;
    world.pass(5_000).await;
    assert!(world.receivers.calls().len() <= 4, "those that ran already");
    world.receivers.script(|_| answers(204));
    let row = world.engine.enable_webhook(endpoint.no).await.unwrap();
    assert!(row.unwrap().is_enabled());
    let before = world.receivers.calls().len();
    world.happen(1).await;
    world.told(&endpoint, before + 1).await;
    world.pass(5_000).await;
    assert_eq!(
        world.receivers.calls().len(),
        before + 1,
        "only what is new"
    );

    let row = world.engine.disable_webhook(&endpoint).await.unwrap();
    let state = row.unwrap().state;
    let by_hand = matches!(
        state,
        WebhookState::Disabled {
            reason: DisabledReason::ByHand,
            ..
        }
    );
    assert!(by_hand, "{state:?}");
    let (_, answer) = world.engine.test_webhook(&endpoint).await.unwrap();
    assert!(answer.is_success(), "a test is made all the same");
    let (_, last) = world.receivers.calls().pop().unwrap();
    assert_eq!((&*last.event.kind, &*last.app), ("webhook.test", "shop"));
}

#[tokio::test(start_paused = true)]
async fn an_overwhelmed_receiver_is_left_alone_as_long_as_it_asks() {
    let world = World::new().await;
    let endpoint = world.webhook("billing", json!({})).await;
    let mut first = true;
    world.receivers.script(move |_| {
        let status = if std::mem::take(&mut first) { 429 } else { 204 };
        answers(status)
    });
    world.happen(1).await;
    let is_called = async || world.row(&endpoint).await.health.failures == 1;
    world.until(Duration::from_secs(10), is_called).await;
    world.happen(5).await;
    world.told(&endpoint, 7).await;
    let calls = world.receivers.calls();
    assert!(
        calls[1].0 - calls[0].0 >= 10_000,
        "ten seconds for everything"
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded() {
    let config = EngineConfig {
        webhook_max_queued: 5,
        ..EngineConfig::default()
    };
    let world = World::with(config).await;
    let endpoint = world.webhook("billing", json!({})).await;
    world.receivers.script(|_| answers(500));
    world.happen(5).await;
    world
        .until(Duration::from_secs(10), async || {
            world.row(&endpoint).await.queued == 5
        })
        .await;
    world.happen(1).await;
    world
        .until(Duration::from_secs(10), async || {
            !world.row(&endpoint).await.is_enabled()
        })
        .await;
    let told = world.events("webhook.disabled").await;
    assert!(told[0].data.contains("\"backlog\""), "{}", told[0].data);
    world
        .until(Duration::from_secs(60), async || {
            world.row(&endpoint).await.queued == 0
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn events_are_replayed_under_their_ids() {
    let world = World::new().await;
    let endpoint = world
        .webhook("billing", json!({ "events": ["environment.*"] }))
        .await;
    world.happen(3).await;
    world.told(&endpoint, 3).await;
    let calls = world.receivers.calls();
    let numbers: Vec<i64> = calls.iter().map(|(_, call)| call.event.no).collect();
    let which = Replay::Events(vec![numbers[1], 999_999, numbers[1]]);
    let replayed = world.engine.replay_webhook(&endpoint, which).await;
    let one = Replayed {
        queued: 1,
        is_cut: false,
        last: Some(numbers[1]),
    };
    assert_eq!(replayed.unwrap(), Some(one));
    world.told(&endpoint, 4).await;
    assert_eq!(world.receivers.calls()[3].1.event.no, numbers[1]);
    let now = carillon_ports::clock::Clock::now(&*world.clock);
    let which = Replay::Between {
        from: now - 3_600_000,
        to: now,
    };
    let replayed = world.engine.replay_webhook(&endpoint, which).await;
    assert_eq!(replayed.unwrap().unwrap().queued, 3);
    world.told(&endpoint, 7).await;
    world.engine.disable_webhook(&endpoint).await.unwrap();
    let which = Replay::Events(numbers);
    let replayed = world.engine.replay_webhook(&endpoint, which).await;
    assert_eq!(replayed.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_delays_and_loses_nothing() {
    let world = World::new().await;
    let endpoint = world.webhook("billing", json!({})).await;
    world
        .receivers
        .script(|_| (500, WebhookAnswer::answered(204)));
    world.happen(2).await;
    let is_called = async || world.receivers.calls().len() == 2;
    world.until(Duration::from_secs(10), is_called).await;
    world
        .store
        .fail(Some(carillon_ports::store::StoreError::Busy));
    world.pass(20_000).await;
    assert_eq!(world.row(&endpoint).await.queued, 2);
    assert_eq!(world.receivers.calls().len(), 2, "known to be told");
    world.store.fail(None);
    world.told(&endpoint, 2).await;
    assert_eq!(world.receivers.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_sender_starts_the_teller_anew() {
    let world = World::new().await;
    let endpoint = world.webhook("billing", json!({})).await;
    let mut first = true;
    world.receivers.script(move |_| {
        assert!(!std::mem::take(&mut first), "planted panic");
        answers(204)
    });
    world.happen(1).await;
    world.told(&endpoint, 2).await;
    assert_eq!(world.row(&endpoint).await.health.failures, 0);
}
