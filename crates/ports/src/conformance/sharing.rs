//! Several processes on one store: who lives, what is refused, what may be taken over. For stores that
//! can be shared; see [`shared_store_suite!`](crate::shared_store_suite).

use super::{Fixture, T0, first, lane, nobody, settlement};
use crate::instance::{InstanceStore, NoticeKind, Presence};
use crate::registry::Registry;
use crate::store::{HotStore, NewEvent, StoreError};
use carillon_model::app::AppSettings;
use carillon_model::delivery::FinalState;
use carillon_model::id::NotificationNo;
use carillon_model::lane::Class;
use carillon_model::role::Roles;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A store that several processes share.
#[async_trait::async_trait]
pub trait Shared: Send + Sync {
    /// Another process that opens it; it has not joined.
    async fn process(&self) -> Process;
}

/// One process' view of a store.
#[derive(Clone)]
pub struct Process {
    /// It, as the hot store.
    pub hot: Arc<dyn HotStore>,
    /// It, as the registry.
    pub registry: Arc<dyn Registry>,
    /// It, as what knows the others.
    pub instances: Arc<dyn InstanceStore>,
}

/// Longest that a case waits for something.
const PATIENCE: Duration = Duration::from_secs(20);
/// After so long without a heartbeat a process is given up, in these cases.
const GIVE_UP_MS: u32 = 300;

impl Process {
    async fn joined(shared: &dyn Shared, roles: &str) -> Self {
        let process = shared.process().await;
        let presence = Presence {
            roles: Roles::parse(roles).unwrap(),
            ..Presence::alone(roles)
        };
        process.instances.join(presence).await.unwrap();
        process
    }

    fn epoch(&self) -> i64 {
        self.hot.epoch()
    }

    /// Who lives, as this one sees it.
    async fn living(&self) -> Vec<i64> {
        let pulse = self.instances.pulse().await.unwrap();
        pulse.instances.into_iter().map(|it| it.epoch).collect()
    }

    /// Waits until another was given up by this one, which goes on beating.
    async fn gives_up(&self, other: i64) {
        let waits = async {
            while self.living().await.contains(&other) {
                self.instances
                    .heartbeat(Some(GIVE_UP_MS), String::new())
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let given_up = tokio::time::timeout(PATIENCE, waits).await;
        given_up.expect("a process that is silent is given up");
    }

    /// What it hears.
    async fn notices(&self) -> Vec<(NotificationNo, NoticeKind)> {
        let pulse = self.instances.pulse().await.unwrap();
        let told = pulse.notices.iter();
        told.map(|notice| (notice.no, notice.what)).collect()
    }

    async fn fixture(&self) -> Fixture {
        let put = self.registry.put_app(
            "shop".into(),
            "Shop".into(),
            AppSettings::default(),
            T0,
            nobody(),
        );
        Fixture {
            hot: self.hot.clone(),
            registry: self.registry.clone(),
            app: put.await.unwrap().0.no,
        }
    }

    /// The same App, seen from here.
    fn view(&self, of: &Fixture) -> Fixture {
        Fixture {
            hot: self.hot.clone(),
            registry: self.registry.clone(),
            app: of.app,
        }
    }
}

/// They stand in the order in which they joined, with what they said of themselves.
pub async fn processes_join_and_leave(shared: &dyn Shared) {
    let early = shared.process().await;
    let first = Process::joined(shared, "api,sender").await;
    let second = Process::joined(shared, "worker").await;
    early
        .instances
        .join(Presence::alone("late, with an early epoch"))
        .await
        .unwrap();
    let order = [first.epoch(), second.epoch(), early.epoch()];
    for process in [&early, &first, &second] {
        assert!(process.instances.is_shared());
        assert_eq!(process.living().await, order);
    }
    let pulse = second.instances.pulse().await.unwrap();
    assert_eq!(pulse.instances[0].presence.name, "api,sender");
    assert_eq!(pulse.instances[0].presence.roles.to_string(), "api,sender");
    assert_eq!(pulse.instances[2].presence.roles, Roles::ALL);
    assert!(pulse.instances.iter().all(|it| it.age_ms >= 0));
    let says = |text: &str| second.instances.heartbeat(None, text.to_owned());
    says("all is well").await.unwrap();
    for (process, heard) in [(&first, &["all is well".to_owned()][..]), (&second, &[])] {
        assert_eq!(process.instances.reports().await.unwrap(), heard);
    }
    says("").await.unwrap();
    assert!(first.instances.reports().await.unwrap().is_empty());
    first.instances.resign().await.unwrap();
    let pulse = second.instances.pulse().await.unwrap();
    assert_eq!(pulse.instances[0].presence.roles, Roles::default());
    assert_eq!(early.living().await, order, "it lives on");
    first.instances.leave().await.unwrap();
    assert_eq!(early.living().await, [second.epoch(), early.epoch()]);
}

/// Who was silent himself gives nobody up: all may have waited for the same thing.
pub async fn who_was_held_up_gives_nobody_up(shared: &dyn Shared) {
    let one = Process::joined(shared, "sender").await;
    let other = Process::joined(shared, "sender").await;
    // By the store's own clock, so that it is a delay and no signal.
    tokio::time::sleep(Duration::from_millis(u64::from(GIVE_UP_MS) * 2)).await;
    one.instances
        .heartbeat(Some(GIVE_UP_MS), String::new())
        .await
        .unwrap();
    assert_eq!(one.living().await, [one.epoch(), other.epoch()]);
    one.gives_up(other.epoch()).await;
}

/// Under load each heartbeat waits for its turn, and so each process is always a little late: the dead are given up all the same.
pub async fn the_dead_are_given_up_by_those_who_are_late(shared: &dyn Shared) {
    let dead = Process::joined(shared, "sender").await;
    let late = [
        Process::joined(shared, "sender").await,
        Process::joined(shared, "sender").await,
    ];
    let waits = async {
        while late[0].living().await.contains(&dead.epoch()) {
            // By the store's own clock, so that it is a delay and no signal.
            tokio::time::sleep(Duration::from_millis(u64::from(GIVE_UP_MS) * 2 / 3)).await;
            for one in &late {
                let beat = one.instances.heartbeat(Some(GIVE_UP_MS), String::new());
                beat.await.unwrap();
            }
        }
    };
    let given_up = tokio::time::timeout(PATIENCE, waits).await;
    given_up.expect("who is dead is given up");
    let living = late.each_ref().map(Process::epoch);
    assert_eq!(late[0].living().await, living, "who is late lives");
}

/// A process that is silent is given up, and nothing that it writes afterwards is taken.
pub async fn who_was_given_up_writes_nothing(shared: &dyn Shared) {
    let silent = Process::joined(shared, "sender").await;
    let living = Process::joined(shared, "sender").await;
    let f = silent.fixture().await;
    let no = f.single(1, true).await;
    living
        .instances
        .heartbeat(None, String::new())
        .await
        .unwrap();
    assert_eq!(living.living().await.len(), 2, "nobody was to be given up");
    living.gives_up(silent.epoch()).await;
    let done = settlement(no.batch(0), vec![(0, FinalState::Accepted)], T0);
    for refused in [
        silent.hot.settle(done).await.err(),
        silent
            .hot
            .release(vec![(first(no.batch(0)), T0)])
            .await
            .err(),
        silent.hot.resume_scheduler().await.err(),
    ] {
        assert!(
            matches!(refused, Some(StoreError::Failed(_))),
            "{refused:?}"
        );
    }
    assert!(
        silent
            .instances
            .heartbeat(None, String::new())
            .await
            .is_err()
    );
    assert_eq!(living.view(&f).states(no).await, [None], "as it was");
    living
        .instances
        .heartbeat(None, String::new())
        .await
        .unwrap();
}

/// What a process holds is its own until it is gone; then it is free.
pub async fn only_what_the_dead_held_is_rescued(shared: &dyn Shared) {
    let one = Process::joined(shared, "sender").await;
    let other = Process::joined(shared, "sender,worker").await;
    let f = one.fixture().await;
    let g = other.view(&f);
    let held = f.single(1, true).await;
    let own = g.single(2, true).await;
    let ask = || other.hot.rescue(None, 100, T0 + 1);
    ask().await.unwrap();
    assert!(g.claim(T0 + 1).await.is_empty(), "both live");
    one.instances.leave().await.unwrap();
    ask().await.unwrap();
    let free = g.claim(T0 + 1).await;
    assert_eq!(free.len(), 1);
    assert_eq!(free[0].notification.no, held);
    assert_eq!(g.states(own).await, [None]);
}

/// Work goes to one claimer, whoever asks.
pub async fn work_is_claimed_by_one(shared: &dyn Shared) {
    let one = Process::joined(shared, "sender").await;
    let other = Process::joined(shared, "sender").await;
    let f = one.fixture().await;
    let g = other.view(&f);
    let mut sent = BTreeSet::new();
    for n in 0..20 {
        sent.insert(f.single(n, false).await);
    }
    let mut claimed = Vec::new();
    for _ in 0..10 {
        let (a, b) = tokio::join!(
            one.hot.claim(lane(f.app), Class::Normal, T0, 2, 2),
            other.hot.claim(lane(f.app), Class::Normal, T0, 2, 2),
        );
        claimed.extend(a.unwrap().into_iter().map(|work| work.notification.no));
        claimed.extend(b.unwrap().into_iter().map(|work| work.notification.no));
    }
    assert!(g.claim(T0).await.is_empty());
    assert_eq!(claimed.len(), 20);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), sent);
}

/// Others hear of a cancel of what they hold, and the canceller of its end.
pub async fn cancels_are_told_to_the_holder(shared: &dyn Shared) {
    let api = Process::joined(shared, "api").await;
    let sender = Process::joined(shared, "sender").await;
    let f = api.fixture().await;
    let g = sender.view(&f);
    let (no, waiting) = (f.single(1, false).await, f.single(2, false).await);
    let claimed = g.claim(T0).await;
    assert_eq!(claimed.len(), 2);
    let (held, given_back) = (first(no.batch(0)), first(waiting.batch(0)));
    g.hot.release(vec![(given_back, T0)]).await.unwrap();
    let mark = f.hot.cancel(f.app, waiting, T0).await.unwrap().unwrap();
    assert!(!mark.held);
    let mark = f.hot.cancel(f.app, no, T0).await.unwrap().unwrap();
    assert!(mark.held);
    assert_eq!(
        sender.notices().await,
        [(no, NoticeKind::Cancelled)],
        "of what nobody holds any more there is nothing to tell"
    );
    assert_eq!(api.instances.held_elsewhere(no).await.unwrap(), 1);
    assert_eq!(sender.instances.held_elsewhere(no).await.unwrap(), 0);
    g.hot.release(vec![(held, T0)]).await.unwrap();
    assert_eq!(api.instances.held_elsewhere(no).await.unwrap(), 0);
}

/// A change of what a directory holds, by anybody, is a new number; so is any transaction.
pub async fn changes_are_numbered(shared: &dyn Shared) {
    let one = Process::joined(shared, "api").await;
    let other = Process::joined(shared, "api").await;
    let before = other.instances.pulse().await.unwrap();
    let f = one.fixture().await;
    let after = other.instances.pulse().await.unwrap();
    assert!(after.directory > before.directory);
    assert!(after.commits > before.commits);
    f.single(1, false).await;
    let later = other.instances.pulse().await.unwrap();
    assert_eq!(later.directory, after.directory, "that is in no directory");
    let alone = other.instances.directory_no().await.unwrap();
    assert_eq!(alone, later.directory);
    assert!(later.commits > after.commits);
    let directory = other.registry.directory().await.unwrap();
    assert_eq!(directory.apps.len(), 1);
}

/// Whatever they make, they never give it the same number; and events and devices are numbered as they are written.
pub async fn numbers_are_shared(shared: &dyn Shared) {
    let one = Process::joined(shared, "api").await;
    let other = Process::joined(shared, "api").await;
    let f = one.fixture().await;
    let g = other.view(&f);
    let (mut notifications, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    let mut last = 0;
    for round in 0..12i64 {
        // Not in turns: now the one is ahead, now the other.
        let at = if (round * round) % 5 < 2 { &f } else { &g };
        let devices = at.devices(round as u64 * 10 + 1, 2).await;
        let no = at.accept(at.notification(&devices, 1_000, false)).await;
        assert!(notifications.insert(no), "{no:?} twice");
        for device in devices {
            assert!(numbers.last() < Some(&device), "behind all others");
            numbers.insert(device);
        }
        let mut settled = settlement(no.batch(0), Vec::new(), T0);
        settled.events = vec![NewEvent {
            app: f.app,
            kind: "notification.completed",
            subject: round.to_string(),
            data: "{}".into(),
        }];
        at.hot.settle(settled).await.unwrap();
        let reader = if round % 2 == 0 { &one } else { &other };
        let events = reader.hot.events(f.app, last, 100).await.unwrap();
        let told: Vec<_> = events.iter().map(|it| it.subject.clone()).collect();
        assert_eq!(told, [round.to_string()], "behind the last one");
        last = events[0].no;
        // What a chore has gone past, the other's next rows stand behind or are seen all the same.
        at.hot.index_devices(100).await.unwrap();
    }
    for round in 0..12u64 {
        let devices = f.devices(round * 10 + 1, 2).await;
        let found = g.hot.device_deliveries(f.app, devices[0], None, 10).await;
        assert_eq!(found.unwrap().len(), 1, "{round}");
    }
}

/// Makes a `#[tokio::test]` of every case, each with a fresh [`Shared`] from `$fresh()`; where that is
/// `None` the case does not run.
#[macro_export]
macro_rules! shared_store_suite {
    ($fresh:expr) => {
        $crate::shared_store_suite!(@cases $fresh;
            processes_join_and_leave
            who_was_given_up_writes_nothing
            who_was_held_up_gives_nobody_up
            the_dead_are_given_up_by_those_who_are_late
            only_what_the_dead_held_is_rescued
            work_is_claimed_by_one
            cancels_are_told_to_the_holder
            changes_are_numbered
            numbers_are_shared
        );
    };
    (@cases $fresh:expr; $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let Some(subject) = ($fresh)() else { return };
                $crate::conformance::$case(&subject).await;
            }
        )*
    };
}
