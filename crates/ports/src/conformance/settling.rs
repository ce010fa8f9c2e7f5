//! Settling.

use super::{Fixture, Subject, T0, address, registration, retry, settlement, some_delivery};
use crate::store::{CountDelta, EnvironmentRepair, NewAttempt, NewEvent, Retirement, Settlement};
use carillon_model::delivery::{FINAL_STATES, FinalState};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::{DeliveryId, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::positions::Positions;
use carillon_model::push_type::TokenKind;

/// A batch of one: settled, completed once, its work gone.
pub async fn settles_singles(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let no = f.single(1, true).await;
    let done = f
        .settle(no.batch(0), vec![(0, FinalState::Accepted)], T0 + 7)
        .await;
    assert_eq!(done, [no]);
    let view = f.view(no).await;
    assert_eq!((view.deliveries, view.open), (1, 0));
    assert_eq!(view.states, [(FinalState::Accepted, 1)]);
    assert_eq!(view.completed_at, Some(T0 + 7));

    let again = f
        .settle(no.batch(0), vec![(0, FinalState::Accepted)], T0 + 9)
        .await;
    assert_eq!(again, [], "completed once");
    assert_eq!(f.view(no).await.completed_at, Some(T0 + 7));
    subject.restart().await;
    let f = f.again(subject);
    f.hot.rescue(None, 100, T0 + 9).await.unwrap();
    assert!(
        f.claim(T0 + 9).await.is_empty(),
        "nothing final is sent again"
    );
}

/// Batches of every size, settled bit by bit.
pub async fn settles_large_batches(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    for count in [2usize, 16, 17, 1_000] {
        let devices = f.devices(count as u64 * 10_000, count as u64).await;
        let no = f.accept(f.notification(&devices, 1_000, true)).await;
        let batch = no.batch(0);
        let last = count as u16 - 1;
        let rejected = vec![
            (last, FinalState::Rejected),
            (last + 1, FinalState::Accepted),
        ];
        let early = f
            .hot
            .settle(settlement(batch, rejected, T0 + 1))
            .await
            .unwrap();
        assert_eq!(early, []);
        let view = f.view(no).await;
        assert_eq!(
            (view.deliveries, view.open),
            (count as u64, count as u64 - 1)
        );
        assert_eq!(view.states, [(FinalState::Rejected, 1)]);

        let rest = (0..last).map(|p| (p, FinalState::Accepted)).collect();
        assert_eq!(f.settle(batch, rest, T0 + 2).await, [no]);
        let view = f.view(no).await;
        assert_eq!(view.open, 0);
        assert_eq!(
            view.states,
            [
                (FinalState::Accepted, count as u64 - 1),
                (FinalState::Rejected, 1)
            ]
        );
        assert_eq!(view.completed_at, Some(T0 + 2));
        let states = f.states(no).await;
        assert_eq!(states.len(), count);
        assert_eq!(states[usize::from(last)], Some(FinalState::Rejected));
    }
}

/// Every pair of outcomes, in batches of one and in others, ends as the rule says.
pub async fn knowledge_merges_one_way(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 2).await;
    for size in [1usize, 2] {
        for first in FINAL_STATES {
            for second in FINAL_STATES {
                let no = f.accept(f.notification(&devices[..size], size, true)).await;
                f.settle(no.batch(0), vec![(0, first)], T0).await;
                let late = f.settle(no.batch(0), vec![(0, second)], T0 + 1).await;
                assert_eq!(late, []);
                let expected = first.merge(second);
                assert_eq!(
                    f.states(no).await[0],
                    Some(expected),
                    "{first:?} {second:?}"
                );
                assert_eq!(f.view(no).await.states, [(expected, 1)]);
            }
        }
    }
}

/// A retry waits until it is due, knows its positions, and the batch completes with it.
pub async fn follow_ups_wait_their_time(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 40).await;
    let no = f.accept(f.notification(&devices, 1_000, false)).await;
    let work = f.claim(T0).await.remove(0).work;
    let later = retry(&work, f.hot.next_seq(), Some(T0 + 50));
    let held = retry(&work, f.hot.next_seq(), None);
    let mut step = settlement(
        no.batch(0),
        (2..40).map(|p| (p, FinalState::Accepted)).collect(),
        T0 + 1,
    );
    step.batches[0].done = vec![work.id];
    step.batches[0].follow_ups = vec![
        crate::store::Work {
            positions: Some(Positions::new(vec![0])),
            in_doubt: true,
            ..later.clone()
        },
        crate::store::Work {
            positions: Some(Positions::new(vec![1])),
            ..held.clone()
        },
    ];
    assert_eq!(f.hot.settle(step).await.unwrap(), []);
    let views = f.deliveries(no).await;
    assert_eq!(
        (views[0].state, views[0].next_attempt_at),
        (None, Some(T0 + 50))
    );
    assert_eq!((views[1].state, views[1].next_attempt_at), (None, None));
    assert_eq!(views[2].next_attempt_at, None);

    assert!(f.claim(T0 + 49).await.is_empty());
    let claimed = f.claim(T0 + 50).await;
    assert_eq!(claimed.len(), 1);
    let again = &claimed[0];
    assert_eq!(again.work.id, later.id);
    assert_eq!(again.work.positions, Some(Positions::new(vec![0])));
    assert_eq!(again.work.attempt, 1);
    assert!(again.work.in_doubt);
    assert_eq!(again.verdicts.still_open(), 2);

    let mut end = settlement(
        no.batch(0),
        vec![(0, FinalState::Failed), (1, FinalState::Expired)],
        T0 + 60,
    );
    end.batches[0].done = vec![later.id, held.id];
    assert_eq!(f.hot.settle(end).await.unwrap(), [no]);
    assert!(f.claim(T0 + 1_000).await.is_empty());
}

fn attempt(position: Option<u16>, number: u16, result: &str) -> NewAttempt {
    NewAttempt {
        position,
        positions: None,
        attempt: number,
        at: T0 + i64::from(number),
        environment: Some(Environment::Sandbox),
        connection: 4,
        result: result.into(),
        status: 503,
        reason: "ServiceUnavailable".into(),
        raw: "{\"reason\":\"ServiceUnavailable\"}".into(),
        elapsed_us: 1_234,
        next_attempt_at: Some(T0 + 99),
    }
}

/// A delivery shows its own tries and those it shares, oldest first.
pub async fn tries_are_remembered(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 3).await;
    let no = f.accept(f.notification(&devices, 3, true)).await;
    let tries = [
        attempt(Some(0), 1, "retry"),
        attempt(Some(1), 1, "blocked"),
        NewAttempt {
            positions: Some(Positions::new(vec![0, 2])),
            ..attempt(None, 2, "rescued_in_doubt")
        },
        NewAttempt {
            environment: None,
            next_attempt_at: None,
            ..attempt(Some(0), 3, "in_doubt")
        },
    ];
    for one in &tries {
        let mut step = settlement(no.batch(0), vec![], T0);
        step.batches[0].attempts = vec![one.clone()];
        assert_eq!(f.hot.settle(step).await.unwrap(), []);
    }
    let expected = [
        vec![tries[0].clone(), tries[2].clone(), tries[3].clone()],
        vec![tries[1].clone()],
        vec![tries[2].clone()],
    ];
    for (position, expected) in (0..).zip(expected) {
        let id = DeliveryId {
            batch: no.batch(0),
            position,
        };
        let (view, found) = f.hot.delivery(f.app, id).await.unwrap().unwrap();
        assert_eq!(view.id, id);
        assert_eq!(found, expected);
    }
}

/// Counters add up by hour; events come in order, each App its own.
pub async fn counts_and_events_add_up(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let hour = T0 - T0.rem_euclid(3_600_000);
    let delta = |count, reason: &str| CountDelta {
        app: f.app,
        gateway: Gateway::Apns,
        state: FinalState::Rejected,
        reason: reason.into(),
        count,
        at: None,
    };
    let event = |n: u32| NewEvent {
        app: f.app,
        kind: "device.retired",
        subject: format!("dev_{n}"),
        data: "{}".into(),
    };
    for (n, now) in [(1, hour), (2, hour + 3_599_999), (3, hour + 3_600_000)] {
        let settlement = Settlement {
            counts: vec![
                delta(n, "BadDeviceToken"),
                delta(1, ""),
                delta(1, "unknown so far"),
            ],
            events: vec![event(n as u32)],
            now,
            ..Settlement::default()
        };
        f.hot.settle(settlement).await.unwrap();
    }
    // They ended otherwise after all, each in its hour.
    let otherwise = [(-2, hour), (-1, hour + 3_600_000)];
    let settlement = Settlement {
        counts: otherwise
            .map(|(count, at)| CountDelta {
                at: Some(at),
                ..delta(count, "unknown so far")
            })
            .into(),
        now: hour + 7_200_000,
        ..Settlement::default()
    };
    f.hot.settle(settlement).await.unwrap();
    let counts = f.hot.counts(f.app, hour).await.unwrap();
    let rows: Vec<_> = counts
        .iter()
        .map(|count| (count.hour - hour, &*count.reason, count.count))
        .collect();
    assert_eq!(
        rows,
        [
            (0, "", 2),
            (0, "BadDeviceToken", 3),
            (3_600_000, "", 1),
            (3_600_000, "BadDeviceToken", 3)
        ]
    );
    assert!(
        counts
            .iter()
            .all(|count| count.state == FinalState::Rejected)
    );
    assert_eq!(
        f.hot.counts(f.app, hour + 3_600_000).await.unwrap().len(),
        2
    );

    let events = f.hot.events(f.app, 0, 10).await.unwrap();
    let subjects: Vec<_> = events.iter().map(|event| &*event.subject).collect();
    assert_eq!(subjects, ["dev_1", "dev_2", "dev_3"]);
    assert_eq!(
        (events[1].at, &*events[1].kind),
        (hour + 3_599_999, "device.retired")
    );
    assert!(events.windows(2).all(|pair| pair[0].no < pair[1].no));
    let rest = f.hot.events(f.app, events[0].no, 1).await.unwrap();
    assert_eq!(rest, events[1..2]);
    let other = carillon_model::id::AppNo(f.app.0 + 1);
    assert!(f.hot.events(other, 0, 10).await.unwrap().is_empty());
    assert!(f.hot.counts(other, 0).await.unwrap().is_empty());
}

async fn retired_at(f: &Fixture, device: DeviceNo) -> Option<i64> {
    let (found, _) = f
        .hot
        .read_push_tokens(TokenKind::Alert, vec![device])
        .await
        .unwrap();
    found[0].retired_at
}

/// An answer about an older registration, or from before the app checked in, changes nothing.
pub async fn dead_push_tokens_retire_by_rule(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let device = f.devices(1, 1).await[0];
    let retire = |generation, since| Settlement {
        retirements: vec![Retirement {
            app: f.app,
            delivery: some_delivery(),
            device,
            kind: TokenKind::Alert,
            generation,
            since,
            reason: "Unregistered".into(),
        }],
        now: T0 + 100,
        ..Settlement::default()
    };
    let generation = {
        let (found, _) = f
            .hot
            .read_push_tokens(TokenKind::Alert, vec![device])
            .await
            .unwrap();
        found[0].generation
    };
    for (generation, since) in [
        (generation, Some(T0 - 1)),
        (generation + 1, Some(T0 + 1)),
        (generation + 1, None),
    ] {
        f.hot.settle(retire(generation, since)).await.unwrap();
        assert_eq!(retired_at(&f, device).await, None, "{generation} {since:?}");
    }
    f.hot.settle(retire(generation, Some(T0))).await.unwrap();
    assert_eq!(retired_at(&f, device).await, Some(T0 + 100));

    // The app checks in again: alive, and late answers about the time before do nothing.
    f.registry
        .register_devices(f.app, vec![registration("d1", "u1", 1)], T0 + 200)
        .await
        .unwrap();
    assert_eq!(retired_at(&f, device).await, None);
    f.hot.settle(retire(generation, None)).await.unwrap();
    assert_eq!(retired_at(&f, device).await, None);
    let unknown = Settlement {
        retirements: vec![Retirement {
            device: DeviceNo(device.0 + 99),
            ..retire(1, None).retirements.remove(0)
        }],
        ..Settlement::default()
    };
    f.hot.settle(unknown).await.unwrap();
}

/// Only an unknown environment of the same registration is filled in.
pub async fn environments_are_repaired_once(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let found = f
        .hot
        .resolve_push_tokens(
            f.app,
            vec![address(1)],
            TokenKind::Alert,
            TokenEnvironment::Auto,
            T0,
        )
        .await
        .unwrap();
    let device = found[0].device;
    let read = async || {
        let (found, _) = f
            .hot
            .read_push_tokens(TokenKind::Alert, vec![device])
            .await
            .unwrap();
        found.into_iter().next().unwrap()
    };
    let generation = read().await.generation;
    let repair = |generation, environment| Settlement {
        repairs: vec![EnvironmentRepair {
            device,
            kind: TokenKind::Alert,
            generation,
            environment,
        }],
        ..Settlement::default()
    };
    f.hot
        .settle(repair(generation + 1, Environment::Production))
        .await
        .unwrap();
    assert_eq!(read().await.environment, TokenEnvironment::Auto);
    f.hot
        .settle(repair(generation, Environment::Sandbox))
        .await
        .unwrap();
    assert_eq!(read().await.environment, TokenEnvironment::Sandbox);
    f.hot
        .settle(repair(generation, Environment::Production))
        .await
        .unwrap();
    assert_eq!(read().await.environment, TokenEnvironment::Sandbox);
    assert_eq!(read().await.generation, generation);
}
