//! Digests and throttles of triggers.

use super::{Fixture, Subject, T0, nobody};
use crate::gathering::{DigestAdd, DigestAdded, DigestClaim, ThrottleClaim};
use crate::store::{Acceptance, Idempotency};
use carillon_model::UnixMs;
use carillon_model::body::EventSource;
use carillon_model::digest::DigestRule;
use carillon_model::id::DefinitionNo;
use carillon_model::throttle::Throttle;

const MINUTE: i64 = 60_000;

fn add(f: &Fixture, user: &str, group: &str, n: u32) -> DigestAdd {
    let data = serde_json::value::RawValue::from_string(format!("{{\"n\":{n}}}"));
    DigestAdd {
        app: f.app,
        trigger: DefinitionNo(7),
        user: user.into(),
        group: group.into(),
        rule: DigestRule {
            window_ms: 10 * MINUTE,
            max_items: 2,
        },
        event: EventSource {
            name: "comment.created".into(),
            actor: Some(format!("actor-{n}")),
            subject: None,
        },
        data: data.unwrap(),
        idempotency: None,
    }
}

async fn gather(f: &Fixture, adds: Vec<DigestAdd>, now: UnixMs) -> Vec<DigestAdded> {
    f.hot.gather(adds, now).await.unwrap()
}

fn joined(due_at: UnixMs, count: u64) -> DigestAdded {
    DigestAdded::Gathered { due_at, count }
}

/// The first event opens a digest, later ones join, each recipient and key apart, over restarts.
pub async fn events_are_gathered(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let first = vec![
        add(&f, "kim", "", 1),
        add(&f, "lee", "", 2),
        add(&f, "kim", "k", 3),
    ];
    let due = T0 + 10 * MINUTE;
    assert_eq!(gather(&f, first, T0).await, [joined(due, 1); 3]);
    let more = gather(
        &f,
        vec![add(&f, "kim", "", 4), add(&f, "kim", "", 5)],
        T0 + MINUTE,
    )
    .await;
    assert_eq!(more, [joined(due, 2), joined(due, 3)], "the window stays");
    let (none, next) = f.hot.due_digests(due - 1, 10).await.unwrap();
    assert!(none.is_empty() && next == Some(due));
    subject.restart().await;
    let f = f.again(subject);
    let (mut found, next) = f.hot.due_digests(due, 10).await.unwrap();
    assert_eq!((found.len(), next), (3, None));
    found.sort_by_key(|digest| std::cmp::Reverse(digest.state.count()));
    let kim = &found[0];
    assert_eq!(
        (&*kim.user, kim.trigger, kim.due_at),
        ("kim", DefinitionNo(7), due)
    );
    assert_eq!(kim.event.actor.as_deref(), Some("actor-5"), "the latest");
    let facts = kim.state.facts();
    assert_eq!((facts.count, facts.items.len()), (3, 2));
    assert_eq!(facts.latest().unwrap()["n"], 5);
    let (one, _) = f.hot.due_digests(due, 1).await.unwrap();
    assert_eq!(one.len(), 1);
}

/// The same event under the same key joins once.
pub async fn a_repeated_event_joins_once(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let with = |key: &str, hash: u8| DigestAdd {
        idempotency: Some(Idempotency {
            scoped_key: key.into(),
            body_hash: [hash; 32],
            keep_until: T0 + MINUTE,
        }),
        ..add(&f, "kim", "", 1)
    };
    let due = T0 + 10 * MINUTE;
    let added = gather(
        &f,
        vec![with("a", 1), with("a", 1), with("a", 2), with("b", 1)],
        T0,
    )
    .await;
    assert_eq!(
        added,
        [
            joined(due, 1),
            DigestAdded::Repeated,
            DigestAdded::KeyReused,
            joined(due, 2)
        ]
    );
    let later = gather(&f, vec![with("a", 1)], T0 + 2 * MINUTE).await;
    assert_eq!(later, [joined(due, 3)], "the key's time is over");
}

/// A digest goes with the notification that tells it, and only as it was read.
pub async fn a_digest_is_told_once(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    gather(&f, vec![add(&f, "kim", "", 1)], T0).await;
    let due = T0 + 10 * MINUTE;
    let claim = async || f.hot.due_digests(due, 10).await.unwrap().0[0].claim;
    let before = claim().await;
    gather(&f, vec![add(&f, "kim", "", 2)], T0).await;
    let tell = async |claim: DigestClaim| {
        let mut item = f.notification(&[], 1, false);
        item.consumes = Some(claim);
        let no = item.no;
        let answer = f.hot.accept(vec![item]).await.unwrap().remove(0);
        let is_there = f.hot.notification(f.app, no).await.unwrap().is_some();
        (answer, is_there)
    };
    assert_eq!(tell(before).await, (Acceptance::Stale, false), "one joined");
    assert_eq!(tell(claim().await).await, (Acceptance::New, true));
    assert!(f.hot.due_digests(due, 10).await.unwrap().0.is_empty());
    assert_eq!(tell(before).await, (Acceptance::Stale, false), "it is gone");
    let again = gather(&f, vec![add(&f, "kim", "", 3)], due).await;
    assert_eq!(again, [joined(due + 10 * MINUTE, 1)], "a new one");
    let (found, _) = f.hot.due_digests(due + 10 * MINUTE, 10).await.unwrap();
    assert!(f.hot.drop_digest(found[0].claim).await.unwrap());
    assert!(!f.hot.drop_digest(found[0].claim).await.unwrap());
}

/// A throttle lets so many through; what it keeps back leaves nothing behind, not even its key.
pub async fn throttles_let_so_many_through(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let send = async |user: &str, at: UnixMs, key: &str| {
        let mut item = f.notification(&[], 1, false);
        item.accepted_at = at;
        item.throttle = Some(ThrottleClaim {
            trigger: DefinitionNo(7),
            user: user.into(),
            rule: Throttle {
                max: 2,
                per_ms: MINUTE,
            },
        });
        item.idempotency = Some(Idempotency {
            scoped_key: key.into(),
            body_hash: [1; 32],
            keep_until: T0 + 100 * MINUTE,
        });
        f.hot.accept(vec![item]).await.unwrap().remove(0)
    };
    assert_eq!(send("kim", T0, "1").await, Acceptance::New);
    assert!(matches!(
        send("kim", T0, "1").await,
        Acceptance::Repeated { .. }
    ));
    assert_eq!(
        send("kim", T0 + 1, "2").await,
        Acceptance::New,
        "a repetition does not count"
    );
    let denied = Acceptance::Throttled {
        next_allowed_at: T0 + MINUTE,
    };
    assert_eq!(send("kim", T0 + 2, "3").await, denied);
    assert_eq!(
        send("lee", T0 + 2, "4").await,
        Acceptance::New,
        "each user apart"
    );
    assert_eq!(send("kim", T0 + MINUTE, "3").await, Acceptance::New);
    for (at, key) in [(0, "5"), (10, "6"), (MINUTE + 500, "7")] {
        assert_eq!(send("ada", T0 + at, key).await, Acceptance::New);
    }
    let denied = Acceptance::Throttled {
        next_allowed_at: T0 + MINUTE + 10,
    };
    let late = send("ada", T0 + MINUTE - 10, "8").await;
    assert_eq!(late, denied, "accepted before the last, written after it");
}

/// With its user or its App, what was gathered goes.
pub async fn what_was_gathered_goes_with_its_user(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    gather(&f, vec![add(&f, "kim", "", 1), add(&f, "lee", "", 1)], T0).await;
    f.registry
        .erase_user(f.app, "kim".into(), T0, nobody())
        .await
        .unwrap();
    let users = async || -> Vec<_> {
        let (found, _) = f.hot.due_digests(T0 + 100 * MINUTE, 10).await.unwrap();
        found.into_iter().map(|digest| digest.user).collect()
    };
    assert_eq!(users().await, ["lee"]);
    f.registry.delete_app(f.app, T0, nobody()).await.unwrap();
    assert!(users().await.is_empty());
}
