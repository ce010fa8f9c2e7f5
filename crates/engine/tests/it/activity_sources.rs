//! Live Activities that follow a table: over changes of its rows, crashes, two workers, and a database that is away.

use crate::live_activities::{at, push};
use crate::world::World;
use carillon_model::live_activity::{ActivityState, SourceReport, TableColumns, TableDefinition};
use carillon_ports::activity_source::ActivitySourceStore as _;
use carillon_ports::live_activity::LiveActivityStore as _;
use carillon_ports::source::{FollowedTable, TableRows};
use serde_json::json;
use std::time::Duration;

const COLUMNS: [&str; 7] = [
    "id",
    "title",
    "starts_at",
    "ends_at",
    "status",
    "push_token",
    "environment",
];

fn lessons() -> FollowedTable {
    let own = |name: &str| Some(name.to_owned());
    FollowedTable {
        name: "lessons".into(),
        app: "shop".into(),
        every_ms: 15_000,
        definition: TableDefinition {
            columns: TableColumns {
                id: own("id"),
                starts_at: own("starts_at"),
                ends_at: own("ends_at"),
                status: own("status"),
                push_token: own("push_token"),
                environment: own("environment"),
                ..TableColumns::default()
            },
            zone: None,
            ended: vec!["ended".into()],
            plan: json!({
                "attributes_type": "Lesson",
                "content_state": {"status": "active", "title": "{{ title }}"},
                "phases": [{"name": "ending", "at": "ends_at - 15m", "content_state": {"status": "ending"}}],
                "end": {"content_state": {"status": "ended"}, "dismiss_after": "5m"}
            }),
        },
    }
}

type Row = [Option<String>; 7];

/// From minute 10 to another one, on the phone of a token.
fn lesson(id: &str, ends: i64, token: u8) -> Row {
    let token = format!("{token:02x}").repeat(32);
    [
        id.to_owned(),
        "Piano".into(),
        at(10),
        at(ends),
        "active".into(),
        token,
        "sandbox".into(),
    ]
    .map(Some)
}

impl World {
    /// With an engine that follows `lessons`.
    async fn following() -> Self {
        let world = Self::new().await;
        world.sources.put_table(lessons());
        world.crash().await
    }

    fn holds(&self, rows: &[Row]) {
        let rows = TableRows {
            columns: COLUMNS.map(str::to_owned).to_vec(),
            rows: rows.iter().map(|row| row.to_vec()).collect(),
        };
        self.sources.fill_table("lessons", rows);
    }

    /// Until the table was read so often again.
    async fn read_again(&self, times: u32) {
        let until = self.sources.table_readings("lessons") + times;
        self.until(Duration::from_secs(3_600), async || {
            self.sources.table_readings("lessons") >= until
        })
        .await;
        self.pass(3_000).await;
    }

    /// Until a reading has begun.
    async fn read_begun(&self) {
        let before = self.sources.table_readings("lessons");
        while self.sources.table_readings("lessons") == before {
            // Not by a sleep: that would let everybody come to an end first.
            tokio::time::advance(Duration::from_millis(10)).await;
        }
    }

    async fn report(&self) -> SourceReport {
        let reports = self.store.source_reports(self.app).await.unwrap();
        serde_json::from_str(&reports[0].1).unwrap()
    }

    async fn state(&self, id: &str) -> Option<ActivityState> {
        let found = self.store.live_activity(self.app, id.into()).await.unwrap();
        found.map(|stored| stored.state)
    }

    async fn fence(&self, id: &str) -> i64 {
        let found = self.store.live_activity(self.app, id.into()).await.unwrap();
        found.unwrap().fence
    }
}

#[tokio::test(start_paused = true)]
async fn a_lesson_in_a_table_is_extended_over_a_crash_and_a_new_token() {
    let world = World::following().await;
    world.until_minute(10).await;
    world.holds(&[lesson("l", 70, 1)]);
    world.read_again(2).await;
    let mut seen = vec![push(1, "update", "active")];
    assert_eq!(world.pushes(), seen);
    let fence = world.fence("l").await;
    world.until_minute(54).await;
    assert_eq!(
        world.fence("l").await,
        fence,
        "what does not change is not written"
    );
    let world = world.crash_for(90_000).await;
    world.until_minute(57).await;
    seen.push(push(1, "update", "ending"));
    assert_eq!(world.pushes(), seen);

    world.until_minute(60).await;
    world.holds(&[lesson("l", 90, 1)]);
    world.read_again(2).await;
    seen.push(push(1, "update", "active"));
    assert_eq!(world.pushes(), seen);
    world.holds(&[lesson("l", 90, 2)]);
    world.until_minute(74).await;
    assert_eq!(world.pushes(), seen, "a new token alone is no push");
    world.until_minute(75).await;
    seen.push(push(2, "update", "ending"));
    assert_eq!(world.pushes(), seen);
    // Nobody needs the table for what is known.
    world.sources.fail_table("lessons", Some("away"));
    world.until_minute(100).await;
    seen.push(push(2, "end", "ended"));
    assert_eq!(world.pushes(), seen);
    world.sources.fail_table("lessons", None);
    world.read_again(2).await;
    assert_eq!(world.pushes(), seen);
    assert_eq!(world.state("l").await, Some(ActivityState::Ended));
    assert_eq!(world.report().await.bad, 0);
}

#[tokio::test(start_paused = true)]
async fn of_two_workers_one_follows_and_the_other_takes_over() {
    let world = World::shared("api,sender").await;
    world.sources.put_table(lessons());
    let first = world.another("scheduler,worker,sender").await;
    let second = world.another("scheduler,worker,sender").await;
    world.holds(&[lesson("l", 70, 1)]);
    world.until_minute(12).await;
    assert_eq!(world.pushes(), [push(1, "update", "active")]);
    let readings = world.sources.table_readings("lessons");
    assert!(
        (48..=50).contains(&readings),
        "one of them reads: {readings}"
    );
    first.engine.stop(Duration::from_secs(5)).await;
    first.engine.leave().await.unwrap();
    world.holds(&[lesson("l", 80, 2)]);
    world.until_minute(66).await;
    assert_eq!(
        world.pushes(),
        [push(1, "update", "active"), push(2, "update", "ending")]
    );
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn rows_that_say_so_or_are_gone_end_and_others_do_not() {
    let world = World::following().await;
    let rows = [lesson("a", 70, 1), lesson("b", 70, 2), lesson("c", 70, 3)];
    world.holds(&rows);
    world.read_again(2).await;
    assert_eq!(world.pushes().len(), 3);
    let [a, mut b, c] = rows;
    b[4] = Some("ended".into());
    // A reading that fails says nothing about who is gone.
    world.holds(&[]);
    world.sources.fail_table("lessons", Some("away"));
    world.read_again(2).await;
    for id in ["a", "b", "c"] {
        assert_eq!(world.state(id).await, Some(ActivityState::Active), "{id}");
    }
    world.holds(&[a.clone(), b.clone()]);
    world.sources.fail_table("lessons", None);
    // And a crash does not make anybody forget who was there.
    let world = world.crash().await;
    world.read_again(1).await;
    assert_eq!(world.state("a").await, Some(ActivityState::Active));
    assert_eq!(world.state("b").await, Some(ActivityState::Ended));
    assert_eq!(world.state("c").await, Some(ActivityState::Ended));
    let ended = [push(2, "end", "ended"), push(3, "end", "ended")];
    let mut pushes = world.pushes().split_off(3);
    pushes.sort();
    assert_eq!(pushes, ended);
    let left = world.store.seen_rows(world.app, "lessons".into()).await;
    let left: Vec<_> = left.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(left, ["a", "b"]);
    // What is over stays over, and one that comes back is nobody new.
    world.holds(&[a, b, c]);
    world.read_again(2).await;
    assert_eq!(world.pushes().len(), 5);
    assert_eq!(world.state("c").await, Some(ActivityState::Ended));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_followed_is_told_and_harms_no_other() {
    let world = World::following().await;
    let mut bad = lesson("bad", 70, 1);
    bad[3] = Some("2027-01-15 10:00:00".into());
    let mut nameless = lesson("x", 70, 2);
    nameless[0] = None;
    let mut token = lesson("token", 70, 3);
    token[5] = Some("no token".into());
    let mut waits = lesson("waits", 70, 4);
    waits[5] = None;
    let mut old = lesson("old", -5, 5);
    old[2] = Some(at(-60));
    let rows = [
        bad.clone(),
        nameless,
        token,
        waits.clone(),
        old,
        lesson("a", 70, 6),
        lesson("a", 80, 7),
    ];
    world.holds(&rows);
    world.read_again(3).await;
    assert_eq!(world.pushes(), [push(6, "update", "active")]);
    let report = world.report().await;
    assert_eq!((report.rows, report.bad), (7, 4));
    let told: Vec<_> = report
        .problems
        .iter()
        .map(|problem| (&*problem.row, &*problem.message))
        .collect();
    for (row, part) in [
        ("bad", "set zone"),
        ("row 2", "found nothing"),
        ("token", "/recipient/push_token/token"),
        ("a", "several"),
    ] {
        let is_it = |(of, message): &&(&str, &str)| *of == row && message.contains(part);
        assert!(told.iter().any(|told| is_it(&told)), "{row}: {told:?}");
    }
    // They are followed as soon as they can be.
    bad[3] = Some(at(70));
    waits[5] = lesson("waits", 70, 4)[5].clone();
    world.holds(&[bad, waits, lesson("a", 70, 6)]);
    world.read_again(2).await;
    assert_eq!(world.pushes().len(), 3);
    assert_eq!(world.report().await.bad, 0);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_cannot_be_read_is_told_once() {
    let world = World::following().await;
    world.holds(&[lesson("a", 70, 1)]);
    world.read_again(1).await;
    let complete_at = world.report().await.complete_at;
    assert!(complete_at.is_some());
    world
        .sources
        .fail_table("lessons", Some("the database is away"));
    world.read_again(10).await;
    let report = world.report().await;
    assert!(report.failures >= 10, "{report:?}");
    assert_eq!(report.error.as_deref(), Some("the database is away"));
    assert!(report.complete_at >= complete_at);
    let told = world.events("live_activity.source_failed").await;
    assert_eq!((told.len(), &*told[0].subject), (1, "lessons"));
    world.sources.fail_table("lessons", None);
    world.read_again(1).await;
    let report = world.report().await;
    assert_eq!((report.failures, report.error, report.rows), (0, None, 1));
    // A query that gives other columns is as good as none.
    world.sources.fill_table("lessons", TableRows::default());
    world.read_again(2).await;
    let report = world.report().await;
    assert!(report.error.unwrap().contains("gives no column \"id\""));
    assert_eq!(world.state("a").await, Some(ActivityState::Active));
}

#[tokio::test(start_paused = true)]
async fn a_crash_anywhere_in_a_reading_is_mended_by_the_next() {
    let rows: Vec<Row> = (1..=9).map(|n| lesson(&format!("l{n}"), 70, n)).collect();
    let mut unfinished = 0;
    for yields in 0..24 {
        let world = World::following().await;
        world.holds(&rows);
        // In the middle of the reading that declares all of them, or in the one that ends them.
        world.read_begun().await;
        yielding(yields).await;
        let world = world.crash().await;
        let seen = world
            .store
            .seen_rows(world.app, "lessons".into())
            .await
            .unwrap();
        unfinished += usize::from(seen.iter().filter(|row| row.hash != 0).count() < rows.len());
        world.read_again(1).await;
        for n in 1..=9 {
            assert_eq!(
                world.state(&format!("l{n}")).await,
                Some(ActivityState::Active)
            );
        }
        let fences = [world.fence("l1").await, world.fence("l9").await];
        world.read_again(2).await;
        assert_eq!([world.fence("l1").await, world.fence("l9").await], fences);

        world.holds(&[]);
        world.read_begun().await;
        yielding(yields).await;
        let world = world.crash().await;
        world.read_again(1).await;
        for n in 1..=9 {
            assert_eq!(
                world.state(&format!("l{n}")).await,
                Some(ActivityState::Ended)
            );
        }
        let left = world.store.seen_rows(world.app, "lessons".into()).await;
        assert_eq!(left.unwrap(), []);
        assert_eq!(world.report().await.bad, 0);
    }
    assert!(unfinished > 0, "some crashes were in the middle");
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_after_a_crash_is_missed() {
    // More than are followed at once.
    let rows: Vec<Row> = (1..=80).map(|n| lesson(&format!("l{n}"), 70, n)).collect();
    let mut declared = 0;
    for yields in 0..24 {
        let world = World::following().await;
        world.holds(&rows);
        world.read_begun().await;
        yielding(yields).await;
        world.holds(&[]);
        let world = dies(world).await;
        let count = async |is: ActivityState| {
            let mut count = 0;
            for n in 1..=80 {
                count += usize::from(world.state(&format!("l{n}")).await == Some(is));
            }
            count
        };
        world.read_again(1).await;
        assert_eq!(count(ActivityState::Active).await, 0);
        let ended = count(ActivityState::Ended).await;
        declared += usize::from((1..80).contains(&ended));
    }
    assert!(declared > 0, "some crashes were in the middle");
}

/// A crash: what the process was about ends before another one starts.
async fn dies(world: World) -> World {
    world.crash_for(1).await
}

async fn yielding(times: u32) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_users_lesson_is_started_by_push_when_its_time_comes() {
    let world = World::new().await;
    let own = |name: &str| Some(name.to_owned());
    let mut table = lessons();
    table.definition.columns = TableColumns {
        id: own("id"),
        starts_at: own("starts_at"),
        ends_at: own("ends_at"),
        user: own("user_id"),
        ..TableColumns::default()
    };
    table.definition.ended.clear();
    table.definition.plan["alert"] = json!({"title": "{{ title }}", "body": "It begins"});
    world.sources.put_table(table);
    world.devices(1..2).await;
    world.can_start(1, 0xaa).await;
    let world = world.crash().await;
    let row = ["l".to_owned(), "Piano".into(), at(10), at(70), "u1".into()];
    let rows = TableRows {
        columns: ["id", "title", "starts_at", "ends_at", "user_id"]
            .map(str::to_owned)
            .to_vec(),
        rows: vec![row.map(Some).to_vec()],
    };
    world.sources.fill_table("lessons", rows);
    world.until_minute(9).await;
    assert_eq!(world.pushes(), []);
    world.until_minute(10).await;
    assert_eq!(world.pushes(), [push(0xaa, "start", "active")]);
    let start: serde_json::Value =
        serde_json::from_slice(&world.gateway.written()[0].payload).unwrap();
    assert_eq!(start["aps"]["alert"]["title"], "Piano");
}

#[tokio::test(start_paused = true)]
async fn after_a_restore_nothing_is_followed_until_somebody_says_so() {
    let world = World::following().await;
    world.holds(&[lesson("l", 70, 1)]);
    world.store.pause_scheduler();
    world.pass(60_000).await;
    assert_eq!(world.state("l").await, None);
    assert!(world.engine.resume_scheduler().await.unwrap());
    world.read_again(1).await;
    assert_eq!(world.state("l").await, Some(ActivityState::Active));
}

#[tokio::test(start_paused = true)]
async fn a_table_is_read_when_somebody_asks_and_that_changes_nothing_else() {
    let world = World::following().await;
    world.until_minute(10).await;
    world.read_again(1).await;
    world.holds(&[lesson("l", 70, 1)]);
    let app = world.engine.directory();
    let app = app.app_by_no(world.app).unwrap().id.clone();
    let table = world.engine.activity_tables(&app).remove(0);
    let run = async || world.engine.run_table(&table).await.unwrap().unwrap();
    let first = run().await;
    assert_eq!((first.rows, first.changed, first.ended), (1, 1, 0));
    let fence = world.fence("l").await;
    assert_eq!(run().await.changed, 0);
    // Who leads reads it too, and finds all done.
    world.read_again(2).await;
    assert_eq!(world.pushes(), [push(1, "update", "active")]);
    assert!(world.fence("l").await >= fence);
    world.holds(&[]);
    assert_eq!(run().await.ended, 1);
    world.read_again(2).await;
    assert_eq!(world.state("l").await, Some(ActivityState::Ended));
    let told = [push(1, "update", "active"), push(1, "end", "ended")];
    assert_eq!(world.pushes(), told);
    assert_eq!(world.report().await.failures, 0);
}
