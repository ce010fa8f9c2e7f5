//! Telling: endpoints, their queues, and places in the event log.

use super::{Fixture, Subject, T0, nobody};
use crate::store::{NewEvent, Retention, Settlement};
use crate::webhook::{CallSettlement, Enqueue, KEPT_ATTEMPTS, WebhookDefinition, WebhookStore};
use carillon_model::UnixMs;
use carillon_model::definition::DefinitionKind;
use carillon_model::webhook::{DisabledReason, WebhookAnswer, WebhookState};
use std::sync::Arc;

const DAY: i64 = 86_400_000;

/// Defines an endpoint of the usual App.
async fn define(f: &Fixture, name: &str) -> Arc<WebhookDefinition> {
    let kind = DefinitionKind::Webhook;
    let no = f.registry.definition_no(f.app, kind, name.into());
    let no = no.await.unwrap();
    let body = r#"{"url":"https://hooks.example.net/SECRET"}"#.to_owned();
    let put = f
        .registry
        .put_definition(no, f.app, kind, name.into(), body, None, T0, nobody());
    Arc::new(WebhookDefinition::read(&put.await.unwrap()).unwrap())
}

/// Appends events, and tells their numbers.
async fn happen(f: &Fixture, count: usize, now: UnixMs) -> Vec<i64> {
    let before = f.hot.events(f.app, 0, 100_000).await.unwrap().len();
    let event = NewEvent {
        app: f.app,
        kind: "environment.flood",
        subject: "production".into(),
        data: "{}".into(),
    };
    let settlement = Settlement {
        events: vec![event; count],
        now,
        ..Settlement::default()
    };
    f.hot.settle(settlement).await.unwrap();
    let all = f.hot.events(f.app, 0, 100_000).await.unwrap();
    all[before..].iter().map(|event| event.no).collect()
}

fn step(endpoint: &Arc<WebhookDefinition>, after: i64, events: &[i64]) -> Enqueue {
    Enqueue {
        endpoint: endpoint.clone(),
        after,
        up_to: events.last().copied().unwrap_or(after),
        events: events.to_vec(),
        most: 100,
        now: T0,
    }
}

fn call(
    endpoint: &Arc<WebhookDefinition>,
    event: Option<i64>,
    answer: WebhookAnswer,
    next_attempt_at: Option<UnixMs>,
) -> CallSettlement {
    CallSettlement {
        endpoint: endpoint.clone(),
        event,
        kind: "environment.flood".into(),
        attempt: 1,
        answer,
        next_attempt_at,
    }
}

async fn queued(hooks: &dyn WebhookStore, endpoint: &WebhookDefinition) -> u64 {
    hooks.endpoint(endpoint.no).await.unwrap().unwrap().queued
}

/// What happened before is not for an endpoint; it goes with its definition, and begins anew.
pub async fn endpoints_begin_with_what_is_new(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let hooks = subject.webhooks();
    let before = happen(&f, 3, T0).await;
    let endpoint = define(&f, "billing").await;
    let row = hooks.endpoint(endpoint.no).await.unwrap().unwrap();
    assert_eq!((row.app, row.cursor, row.queued), (f.app, before[2], 0));
    assert!(row.is_enabled());
    let after = happen(&f, 1, T0).await;
    define(&f, "billing").await;
    let changed = hooks.endpoint(endpoint.no).await.unwrap().unwrap();
    assert_eq!(
        changed.cursor, before[2],
        "a change of settings skips nothing"
    );

    let kind = DefinitionKind::Webhook;
    let gone = f
        .registry
        .delete_definition(f.app, kind, "billing".into(), T0, nobody());
    assert!(gone.await.unwrap());
    assert_eq!(hooks.endpoint(endpoint.no).await.unwrap(), None);
    assert_eq!(hooks.endpoints().await.unwrap(), []);
    assert_eq!(
        hooks
            .enqueue(step(&endpoint, before[2], &after))
            .await
            .unwrap(),
        None
    );
    let again = define(&f, "billing").await;
    let row = hooks.endpoint(again.no).await.unwrap().unwrap();
    assert_eq!(row.cursor, after[0]);

    f.registry.delete_app(f.app, T0, nobody()).await.unwrap();
    assert_eq!(hooks.endpoints().await.unwrap(), []);
}

/// A step is taken once, also over a restart, and what is due comes oldest first.
pub async fn queues_and_cursors_move_together(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let hooks = subject.webhooks();
    let endpoint = define(&f, "billing").await;
    let other = define(&f, "audit").await;
    let events = happen(&f, 4, T0).await;
    let mut first = step(&endpoint, 0, &events);
    first.events = vec![events[0], events[2]];
    first.after = hooks.endpoint(endpoint.no).await.unwrap().unwrap().cursor;
    let row = hooks.enqueue(first.clone()).await.unwrap().unwrap();
    assert_eq!((row.cursor, row.queued), (events[3], 2));
    assert_eq!(hooks.enqueue(first).await.unwrap(), None, "once");

    subject.restart().await;
    let hooks = subject.webhooks();
    let (due, next) = hooks.due(endpoint.no, T0, 10).await.unwrap();
    let numbers: Vec<_> = due.iter().map(|queued| queued.event.no).collect();
    assert_eq!((numbers, next), (vec![events[0], events[2]], None));
    assert_eq!(due[0].attempts, 0);
    assert_eq!(&*due[0].event.kind, "environment.flood");
    let (due, next) = hooks.due(endpoint.no, T0 - 1, 10).await.unwrap();
    assert_eq!((due.len(), next), (0, Some(T0)));
    assert_eq!(hooks.due(endpoint.no, T0, 1).await.unwrap().0.len(), 1);
    assert_eq!(hooks.due(other.no, T0, 10).await.unwrap(), (vec![], None));
}

/// Taken, tried again, gone; tests say nothing about an endpoint. Only some calls are remembered.
pub async fn calls_are_settled(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let hooks = subject.webhooks();
    let endpoint = define(&f, "billing").await;
    let cursor = hooks.endpoint(endpoint.no).await.unwrap().unwrap().cursor;
    let events = happen(&f, 3, T0).await;
    hooks
        .enqueue(step(&endpoint, cursor, &events))
        .await
        .unwrap();
    let answered = WebhookAnswer::answered;
    let calls = vec![
        call(&endpoint, Some(events[0]), answered(204), None),
        call(&endpoint, Some(events[1]), answered(503), Some(T0 + 50)),
    ];
    let rows = hooks.settle_calls(calls, T0 + 1).await.unwrap();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.queued, row.health.failures), (2, 1));
    assert_eq!(row.health.last_success_at, Some(T0 + 1));
    assert_eq!(row.quiet_until, Some(T0 + 1 + 10_000), "it is overwhelmed");
    let (due, next) = hooks.due(endpoint.no, T0 + 1, 10).await.unwrap();
    assert_eq!((due.len(), next), (1, Some(T0 + 50)));
    let (due, _) = hooks.due(endpoint.no, T0 + 50, 10).await.unwrap();
    assert_eq!((due[1].event.no, due[1].attempts), (events[1], 1));

    let test = call(&endpoint, None, answered(500), None);
    let rows = hooks.settle_calls(vec![test], T0 + 2).await.unwrap();
    assert_eq!(rows[0].health.failures, 1, "as before");
    let success = call(&endpoint, Some(events[1]), answered(200), None);
    let rows = hooks.settle_calls(vec![success], T0 + 60).await.unwrap();
    assert_eq!((rows[0].health.failures, rows[0].quiet_until), (0, None));
    let told = hooks.webhook_attempts(endpoint.no, 10).await.unwrap();
    let told: Vec<_> = told
        .iter()
        .map(|a| (a.event, &*a.result, a.status, a.at - T0))
        .collect();
    assert_eq!(
        told,
        [
            (Some(events[1]), "success", Some(200), 60),
            (None, "5xx", Some(500), 2),
            (Some(events[1]), "5xx", Some(503), 1),
            (Some(events[0]), "success", Some(204), 1),
        ]
    );
    for _ in 0..KEPT_ATTEMPTS {
        let test = call(&endpoint, None, answered(200), None);
        hooks.settle_calls(vec![test], T0 + 70).await.unwrap();
    }
    let told = hooks.webhook_attempts(endpoint.no, 1_000).await.unwrap();
    assert_eq!(told.len(), KEPT_ATTEMPTS as usize);

    // Gone: told to the others, once.
    let gone = call(&endpoint, Some(events[2]), answered(410), None);
    let rows = hooks.settle_calls(vec![gone.clone(), gone], T0 + 80).await;
    let disabled = WebhookState::Disabled {
        reason: DisabledReason::Gone,
        since: T0 + 80,
    };
    assert_eq!(rows.unwrap()[0].state, disabled);
    let last = f.hot.events(f.app, events[2], 10).await.unwrap();
    assert_eq!(last.len(), 1);
    assert_eq!(
        (&*last[0].kind, &*last[0].subject),
        ("webhook.disabled", "billing")
    );
    assert!(last[0].data.contains("\"gone\"") && !last[0].data.contains("SECRET"));
}

/// Too much waits: disabled, emptied in slices, and enabled again from what is new. Replays respect the
/// same bound.
pub async fn backlogs_have_an_end(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let hooks = subject.webhooks();
    let endpoint = define(&f, "billing").await;
    let cursor = hooks.endpoint(endpoint.no).await.unwrap().unwrap().cursor;
    let events = happen(&f, 5, T0).await;
    let mut first = step(&endpoint, cursor, &events[..3]);
    first.most = 4;
    hooks.enqueue(first).await.unwrap();
    let replayed = hooks.requeue(endpoint.no, events.clone(), 4, T0 + 1).await;
    assert_eq!(replayed.unwrap(), Some(1), "there was room for one more");
    let mut second = step(&endpoint, events[2], &events[3..]);
    second.most = 4;
    let row = hooks.enqueue(second.clone()).await.unwrap().unwrap();
    let disabled = WebhookState::Disabled {
        reason: DisabledReason::Backlog,
        since: T0,
    };
    assert_eq!((row.state, row.cursor), (disabled, events[2]));
    assert_eq!(hooks.enqueue(second).await.unwrap(), None);
    assert_eq!(
        hooks
            .requeue(endpoint.no, events.clone(), 9, T0)
            .await
            .unwrap(),
        None
    );

    let waiting = queued(&*hooks, &endpoint).await;
    assert_eq!(hooks.drop_queue(endpoint.no, 2).await.unwrap(), 2);
    assert_eq!(queued(&*hooks, &endpoint).await, waiting - 2);
    while hooks.drop_queue(endpoint.no, 2).await.unwrap() > 0 {}
    let row = hooks.enable(endpoint.no).await.unwrap().unwrap();
    let newest = hooks.newest_event(f.app).await.unwrap();
    assert!(row.is_enabled() && newest > events[4]);
    assert_eq!((row.cursor, row.queued), (newest, 0));

    let by_hand = DisabledReason::ByHand;
    let row = hooks.disable(endpoint.clone(), by_hand, T0 + 5).await;
    assert!(!row.unwrap().unwrap().is_enabled());
    hooks
        .disable(endpoint.clone(), by_hand, T0 + 6)
        .await
        .unwrap();
    let told = f.hot.events(f.app, newest, 10).await.unwrap();
    assert_eq!(told.len(), 1, "told once");
}

/// What retention takes from the log does not wait any longer.
pub async fn queues_go_with_their_events(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let hooks = subject.webhooks();
    let endpoint = define(&f, "billing").await;
    let cursor = hooks.endpoint(endpoint.no).await.unwrap().unwrap().cursor;
    let mut events = happen(&f, 2, T0).await;
    events.extend(happen(&f, 1, T0 + 2 * DAY).await);
    hooks
        .enqueue(step(&endpoint, cursor, &events))
        .await
        .unwrap();
    let retention = Retention {
        content_before: T0 + DAY,
        records_before: T0 + DAY,
        versions_before: T0 + DAY,
        lists_before: T0 + DAY,
        now: T0 + 3 * DAY,
        slice: 100,
    };
    let mut slices = 0;
    while f.hot.prune(retention).await.unwrap() > 0 {
        slices += 1;
        assert!(slices < 100, "it ends");
    }
    assert_eq!(queued(&*hooks, &endpoint).await, 1);
    let (due, _) = hooks.due(endpoint.no, T0 + 3 * DAY, 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].event.no, events[2]);
}

/// By time, for each App.
pub async fn finds_places_in_the_event_log(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let hooks = subject.webhooks();
    assert_eq!(hooks.events_since(f.app, T0).await.unwrap(), 0);
    let mut events = Vec::new();
    for at in [0, 10, 10, 20, 30] {
        events.extend(happen(&f, 1, T0 + at).await);
    }
    for (at, after) in [
        (-1, 0),
        (0, 0),
        (1, events[0]),
        (10, events[0]),
        (11, events[2]),
        (30, events[3]),
        (31, events[4]),
    ] {
        let found = hooks.events_since(f.app, T0 + at).await.unwrap();
        let rest = f.hot.events(f.app, found, 10).await.unwrap();
        let expected = f.hot.events(f.app, after, 10).await.unwrap();
        assert_eq!(rest, expected, "{at}");
    }
    assert_eq!(hooks.newest_event(f.app).await.unwrap(), events[4]);
    let other = carillon_model::id::AppNo(f.app.0 + 100);
    assert_eq!(hooks.newest_event(other).await.unwrap(), 0);
}
