//! A server that goes away: nothing that was accepted is lost, nothing is done twice, and nobody waits for ever.

use crate::postgres::Schema;
use crate::proxy::{Mode, Proxy};
use crate::support::{accepted, single, stored};
use carillon_model::id::NotificationNo;
use carillon_ports::instance::{InstanceStore, Presence};
use carillon_ports::store::{HotStore, StoreError};
use carillon_store_sql::{Host, OpenErrorKind, ServerConfig, SqlStore};

/// How long a call may wait for the server here.
const PATIENCE_MS: u32 = 300;

struct World {
    store: SqlStore,
    proxy: Proxy,
    schema: Schema,
}

/// A store that reaches its server over a way that can be cut. `None`: there is no server.
fn world(test: &str, patience_ms: u32) -> Option<World> {
    let schema = Schema::make(test)?;
    let Some(Host::Tcp { port, .. }) = schema.config.url.hosts.first().cloned() else {
        panic!("{:?}", schema.config.url);
    };
    let proxy = Proxy::to(port);
    let mut config = schema.config.clone();
    config.url.hosts = vec![Host::Tcp {
        host: "127.0.0.1".into(),
        port: proxy.port,
    }];
    let config = ServerConfig {
        reconnect_patience_ms: patience_ms,
        reconnect_min_ms: 10,
        reconnect_max_ms: 50,
        ..config
    };
    Some(World {
        store: SqlStore::open(config).unwrap(),
        proxy,
        schema,
    })
}

const LONG_MS: u32 = 60_000;

#[tokio::test]
async fn a_commit_that_never_came_is_made_once_more() {
    let Some(world) = world("a commit that never came", LONG_MS) else {
        return;
    };
    let no = NotificationNo(1);
    world.proxy.set(Mode::LoseCommit);
    world.store.accept(vec![single(no)]).await.unwrap();
    assert_eq!(stored(&world.store, &[no]).await, [true]);
    // It is settled once: the second time there is nothing left to complete.
    world.proxy.set(Mode::LoseCommit);
    let done = world.store.settle(accepted(no.batch(0))).await.unwrap();
    assert_eq!(done, [no]);
    world.store.close().await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_made_twice() {
    let Some(world) = world("a commit whose answer is lost", LONG_MS) else {
        return;
    };
    let no = NotificationNo(1);
    world.proxy.set(Mode::LoseAnswer);
    // Run again it would meet its own rows and fail.
    world.store.accept(vec![single(no)]).await.unwrap();
    world.proxy.set(Mode::LoseAnswer);
    let done = world.store.settle(accepted(no.batch(0))).await.unwrap();
    assert_eq!(done, [no], "what it returned the first time");
    let told = world.schema.ask("SELECT count(*) FROM events");
    assert_eq!(told, ["1"], "told once");
    world.store.close().await;
}

#[tokio::test]
async fn what_was_cut_while_idle_goes_on() {
    let Some(world) = world("a connection cut while idle", LONG_MS) else {
        return;
    };
    let numbers = [NotificationNo(1), NotificationNo(2)];
    world.store.accept(vec![single(numbers[0])]).await.unwrap();
    assert_eq!(stored(&world.store, &numbers).await, [true, false]);
    world.proxy.cut();
    assert_eq!(stored(&world.store, &numbers).await, [true, false], "reads");
    world.proxy.cut();
    world.store.accept(vec![single(numbers[1])]).await.unwrap();
    assert_eq!(stored(&world.store, &numbers).await, [true, true]);
    world.store.close().await;
}

#[tokio::test]
async fn a_server_that_stays_away_is_told_and_waited_for_no_longer() {
    let Some(world) = world("a server that stays away", PATIENCE_MS) else {
        return;
    };
    let numbers = [NotificationNo(1), NotificationNo(2), NotificationNo(3)];
    world.store.accept(vec![single(numbers[0])]).await.unwrap();
    world.proxy.set(Mode::Shut);
    world.proxy.cut();
    for no in &numbers[1..] {
        let away = world.store.accept(vec![single(*no)]).await;
        assert!(matches!(away, Err(StoreError::Away(_))), "{away:?}");
    }
    let away = world.store.counts(crate::support::APP, 0).await;
    assert!(matches!(away, Err(StoreError::Away(_))), "{away:?}");
    world.proxy.set(Mode::Open);
    world.store.accept(vec![single(numbers[2])]).await.unwrap();
    assert_eq!(stored(&world.store, &numbers).await, [true, false, true]);
    world.store.close().await;
}

#[tokio::test]
async fn a_doubt_that_nobody_can_clear_up_stops_everything() {
    let Some(world) = world("a doubt that stays", PATIENCE_MS) else {
        return;
    };
    let no = NotificationNo(1);
    world.proxy.set(Mode::LoseAnswerAndShut);
    let doubt = world.store.accept(vec![single(no)]).await;
    assert!(
        matches!(&doubt, Err(StoreError::Failed(text)) if text.contains("during a commit")),
        "{doubt:?}"
    );
    assert!(world.store.fatal().await.contains("during a commit"));
    world.store.close().await;
    // A new start finds what there is.
    let store = world.schema.open();
    assert_eq!(stored(&store, &[no]).await, [true]);
    store.close().await;
}

#[tokio::test]
async fn a_commit_in_doubt_is_not_mistaken_for_another_process_commit() {
    let Some(world) = world("a commit among those of others", LONG_MS) else {
        return;
    };
    let other = world.schema.open();
    let mut numbers = Vec::new();
    for mode in [Mode::LoseCommit, Mode::LoseAnswer, Mode::LoseCommit] {
        world.proxy.set(mode);
        let (own, others) = (single(next(&world.store)), single(next(&other)));
        numbers.extend([own.no, others.no]);
        let (own, others) = tokio::join!(world.store.accept(vec![own]), other.accept(vec![others]));
        own.unwrap();
        others.unwrap();
    }
    assert_eq!(stored(&other, &numbers).await, [true; 6], "each once");
    world.store.close().await;
    other.close().await;
}

fn next(store: &SqlStore) -> NotificationNo {
    store.next_notification()
}

#[tokio::test]
async fn who_opens_waits_for_who_is_opening() {
    let Some(schema) = Schema::make("a database that is being opened") else {
        return;
    };
    schema.open().close().await;
    let opening = schema.hold_lock().await;
    let mut config = schema.config.clone();
    config.lock_timeout_ms = PATIENCE_MS;
    let refused = SqlStore::open(config).unwrap_err();
    let OpenErrorKind::LockedBy(who) = refused.kind() else {
        panic!("{refused}");
    };
    assert!(
        who.contains("process") && who.contains("connected since"),
        "{who}"
    );
    opening.end().await;
    // The lock goes with its connection; and nobody keeps it who has opened.
    let (one, other) = (schema.open(), schema.open());
    for store in [&one, &other] {
        store.accept(vec![single(next(store))]).await.unwrap();
    }
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn whoever_was_given_up_by_another_process_stops() {
    let Some(world) = world("a process that was given up", PATIENCE_MS) else {
        return;
    };
    let presence = Presence::alone("test");
    world.store.join(presence.clone()).await.unwrap();
    world.proxy.set(Mode::Shut);
    world.proxy.cut();
    let away = world.store.accept(vec![single(next(&world.store))]).await;
    assert!(matches!(away, Err(StoreError::Away(_))), "{away:?}");
    let other = world.schema.open();
    other.join(presence).await.unwrap();
    // By the database's clock. Whoever gives up has to have been heard of himself.
    while other.pulse().await.unwrap().instances.len() == 2 {
        other.heartbeat(Some(200), String::new()).await.unwrap();
    }
    world.proxy.set(Mode::Open);
    let lost = world.store.accept(vec![single(next(&world.store))]).await;
    assert!(
        matches!(&lost, Err(StoreError::Failed(text)) if text.contains("given up")),
        "{lost:?}"
    );
    assert!(world.store.fatal().await.contains("given up"));
    world.store.close().await;
    other.close().await;
}
