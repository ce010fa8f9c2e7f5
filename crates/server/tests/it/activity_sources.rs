//! A schedule table of somebody's own, followed by the real program on a moved clock: a lesson that is extended, with a
//! scheduler that is killed a second before "ending", two schedulers after it, and an update token that rotates.

use crate::support::{BUNDLE_ID, Home, Server, until};
use carillon_store_sql::testing::Scratch;
use jiff::Timestamp;
use push_sim::{ActivityChange, Environment, LockScreenChange, NewActivity, NewPhones, PhonePatch};
use rusqlite::Connection;
use serde_json::json;
use std::time::Duration;

/// The table as the academy's own program has it: times without a zone, in Seoul.
const TABLE: &str = "CREATE TABLE lessons (lesson_no VARCHAR(20) PRIMARY KEY, child_id INTEGER, child_name VARCHAR(50),
        title VARCHAR(50), starts_at DATETIME, ends_at DATETIME, status VARCHAR(10), update_token VARCHAR(200),
        apns_environment VARCHAR(20))";
const FOLLOWED: &str = r#"
query = "SELECT * FROM lessons"
apps = ["shop"]
[lessons.live_activities]
every = "1s"
zone = "Asia/Seoul"
[lessons.live_activities.columns]
id = "lesson_no"
starts_at = "starts_at"
ends_at = "ends_at"
status = "status"
push_token = "update_token"
environment = "apns_environment"
[lessons.live_activities.plan]
attributes_type = "LessonAttributes"
attributes = { childId = "{{ child_id }}", academyName = "Seoul Piano" }
content_state = { childName = "{{ child_name }}", scheduleTitle = "{{ title }}", status = "active", endTime = { "$date" = "{{ ends_at }}" } }
stale_after = "5m"
phases = [{ name = "ending", at = "ends_at - 15m", content_state = { status = "ending" } }]
end = { content_state = { status = "ended" }, dismiss_after = "5m" }
"#;

/// The academy's database.
enum Academy {
    File(Connection),
    Server(Scratch),
}

impl Academy {
    fn run(&self, sql: &str) {
        match self {
            Self::File(conn) => conn.execute_batch(sql).unwrap(),
            Self::Server(scratch) => scratch.script(sql),
        }
    }
}

/// The phone of a lesson, built for one environment.
struct Phone {
    lesson: &'static str,
    environment: Environment,
    /// At the simulator.
    no: u32,
}

impl Phone {
    fn new(home: &Home, lesson: &'static str, environment: Environment) -> Self {
        let new = NewPhones {
            app: BUNDLE_ID.into(),
            environment,
            ..NewPhones::default()
        };
        let made = home.simulator.make_phones(&new).unwrap();
        Self {
            lesson,
            environment,
            no: made[0].id,
        }
    }

    /// The app starts the activity, and has its update token stored with the lesson.
    fn start(&self, home: &Home, academy: &Academy) {
        let state = json!({"status": "active"});
        let new = NewActivity {
            attributes_type: "LessonAttributes".into(),
            content_state: state.as_object().unwrap().clone(),
            ..NewActivity::default()
        };
        let started = home.simulator.start_activity(self.no, &new).unwrap();
        let environment = match self.environment {
            Environment::Sandbox => "sandbox",
            Environment::Production => "production",
        };
        academy.run(&format!(
            "INSERT INTO lessons VALUES ('{}', 7, 'Minji', 'Piano', '2026-12-01 16:00:00', '2026-12-01 17:00:00', 'active',
                '{}', '{environment}')",
            self.lesson,
            started.update_token.unwrap()
        ));
    }

    /// iOS gives it another update token, and the app has that stored.
    fn rotate(&self, home: &Home, academy: &Academy) {
        let patch = PhonePatch {
            rotate_update_tokens: true,
            ..PhonePatch::default()
        };
        let phone = home.simulator.patch_phone(self.no, &patch).unwrap();
        let token = phone.apps[0].activities[0].update_token.clone().unwrap();
        academy.run(&format!(
            "UPDATE lessons SET update_token = '{token}' WHERE lesson_no = '{}'",
            self.lesson
        ));
    }

    /// All that its lock screen did: what, the status, and when.
    fn told(&self, home: &Home) -> Vec<(ActivityChange, String, i64)> {
        let history = home.simulator.lock_screen_history(self.no).unwrap();
        let status = |one: &LockScreenChange| {
            let status = one.content_state["status"].as_str();
            status.unwrap_or_default().to_owned()
        };
        let all = history.iter();
        all.map(|one| (one.change, status(one), one.at_ms))
            .collect()
    }
}

/// On 1 December 2026, in Seoul.
fn at(time: &str) -> i64 {
    let written = format!("2026-12-01T{time}+09:00");
    written.parse::<Timestamp>().unwrap().as_millisecond()
}

fn machine_now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Who runs beside the first process.
struct Story {
    home: Home,
    academy: Academy,
    phones: [Phone; 2],
    /// Roles of the processes; one that does all.
    roles: &'static [&'static str],
}

/// Processes whose clocks were set to the same time.
struct Running<'h> {
    processes: Vec<Server<'h>>,
    offset: i64,
}

impl Running<'_> {
    /// Waits until it is that late there.
    fn wait_until(&self, time: &str) {
        let left = at(time) - (machine_now() + self.offset);
        std::thread::park_timeout(Duration::from_millis(left.max(0).unsigned_abs()));
        until("a moment", || machine_now() + self.offset >= at(time));
    }

    fn stop(self) {
        for process in self.processes {
            process.stop_in_peace("a process of the story");
        }
    }
}

impl Story {
    fn new(mut home: Home, academy: Academy, place: &str, roles: &'static [&'static str]) -> Self {
        academy.run(TABLE);
        let file = home.path().join("sources.toml");
        std::fs::write(&file, format!("[lessons]\n{place}\n{FOLLOWED}")).unwrap();
        home.set("SOURCES__FILE", file.display().to_string());
        home.set("SERVER__MODE", "development");
        home.set("ENGINE__HEARTBEAT", "300ms");
        home.set("ENGINE__INSTANCE_TIMEOUT", "3s");
        let phones = [
            Phone::new(&home, "lesson-7", Environment::Sandbox),
            Phone::new(&home, "lesson-8", Environment::Production),
        ];
        Self {
            home,
            academy,
            phones,
            roles,
        }
    }

    /// Starts the processes at that time, the gateway's clock too.
    fn start(&self, time: &str) -> Running<'_> {
        let offset = at(time) - machine_now();
        self.home.simulator.clock().set_ms(at(time));
        let start = |roles: &&'static str| {
            // From when this one starts, not from when the first did.
            let offset = format!("{}ms", offset);
            self.home.serve_by(|command| {
                command
                    .args(["--roles", roles])
                    .env("CARILLON_CLOCK__OFFSET", offset);
            })
        };
        Running {
            processes: self.roles.iter().map(start).collect(),
            offset,
        }
    }

    /// Waits until the lock screens did so much, and no more: each change at that time or later, but before the next.
    fn told(&self, expected: &[(ActivityChange, &str, &str)]) {
        for phone in &self.phones {
            until(&format!("{expected:?} of {}", phone.lesson), || {
                phone.told(&self.home).len() >= expected.len()
            });
            let told = phone.told(&self.home);
            assert_eq!(told.len(), expected.len(), "{}: {told:?}", phone.lesson);
            for ((change, status, at_ms), expected) in told.iter().zip(expected) {
                assert_eq!((*change, &**status), (expected.0, expected.1), "{told:?}");
                assert!(*at_ms >= at(expected.2), "{status} at {at_ms}: {told:?}");
            }
        }
    }

    fn run(&self) {
        use ActivityChange::{Ended, Left, Started, Updated};
        let mut seen = vec![(Started, "active", "16:00:00")];
        let running = self.start("16:00:00");
        let api = &running.processes[0];
        api.set_up(&[]);
        for phone in &self.phones {
            phone.start(&self.home, &self.academy);
        }
        // Which says what the app did not.
        seen.push((Updated, "active", "16:00:00"));
        self.told(&seen);
        let listed = api.json(&["activity-source", "list", "--app", "shop"]);
        let last = &listed["data"][0]["last"];
        assert_eq!(listed["data"][0]["name"], "lessons", "{listed}");
        assert_eq!(
            (&last["rows"], &last["bad"]),
            (&json!(2), &json!(0)),
            "{listed}"
        );
        let checked = api.json(&["activity-source", "check", "lessons", "--app", "shop"]);
        let ends_at = &checked["example"]["plan"]["ends_at"];
        assert_eq!(ends_at, "2026-12-01T17:00:00+09:00", "{checked}");
        running.stop();

        // Whoever would show "ending" dies a second before it, and is back half a minute after it.
        let mut running = self.start("16:44:54");
        running.wait_until("16:44:59");
        self.told(&seen);
        running.processes.pop().unwrap().kill();
        running.stop();
        let running = self.start("16:45:30");
        seen.push((Updated, "ending", "16:45:30"));
        self.told(&seen);
        running.stop();

        let running = self.start("16:50:00");
        self.academy
            .run("UPDATE lessons SET ends_at = '2026-12-01 17:20:00'");
        seen.push((Updated, "active", "16:50:00"));
        self.told(&seen);
        for phone in &self.phones {
            phone.rotate(&self.home, &self.academy);
        }
        self.read_again(&running);
        running.stop();

        let running = self.start("17:04:57");
        running.wait_until("17:04:59");
        self.told(&seen);
        seen.push((Updated, "ending", "17:05:00"));
        self.told(&seen);
        running.stop();

        let running = self.start("17:19:57");
        seen.push((Ended, "ended", "17:20:00"));
        self.told(&seen);
        // Its row stays for ever, and nothing more comes of it.
        self.read_again(&running);
        self.told(&seen);
        running.stop();
        let clock = self.home.simulator.clock();
        clock.set_ms(at("17:24:59"));
        self.told(&seen);
        clock.set_ms(at("17:25:00"));
        seen.push((Left, "ended", "17:25:00"));
        self.told(&seen);
    }

    /// Waits until the table was read, from its beginning, after now.
    fn read_again(&self, running: &Running<'_>) {
        let seen = self.readings(running);
        until("it was read again", || {
            self.readings(running) > seen + 1_000
        });
    }

    /// When the table was last read whole, in Unix milliseconds.
    fn readings(&self, running: &Running<'_>) -> i64 {
        let listed = running.processes[0].json(&["activity-source", "list", "--app", "shop"]);
        let read = listed["data"][0]["last"]["complete_at"].as_str().unwrap();
        read.parse::<Timestamp>().unwrap().as_millisecond()
    }
}

#[test]
fn a_lesson_of_a_sqlite_file() {
    let home = Home::new();
    let conn = Connection::open(home.path().join("academy.db")).unwrap();
    let place = "url = \"sqlite:academy.db\"";
    Story::new(
        home,
        Academy::File(conn),
        place,
        &["api,scheduler,worker,sender"],
    )
    .run();
}

#[test]
fn a_lesson_of_mariadb_with_two_schedulers() {
    let (Some(academy), Some(store)) = (Scratch::mariadb(), Scratch::mariadb()) else {
        return;
    };
    let mut home = Home::new();
    for (name, value) in store.environment() {
        home.set(name.trim_start_matches("CARILLON_"), value);
    }
    let certificates = std::env::var("STORE_TEST_CERTIFICATES").unwrap();
    let place = format!(
        "url = \"{}\"\ntls = \"verify-full\"\nca_file = \"{certificates}/ca.pem\"",
        academy.config().url
    );
    let roles = &["api,sender", "worker", "worker", "scheduler", "scheduler"];
    Story::new(home, Academy::Server(academy), &place, roles).run();
}

#[test]
fn what_cannot_be_followed_is_told_on_the_command_line() {
    let mut home = Home::new();
    let conn = Connection::open(home.path().join("academy.db")).unwrap();
    conn.execute_batch(TABLE).unwrap();
    conn.execute_batch(
        "INSERT INTO lessons VALUES ('lesson-9', 7, 'Minji', 'Piano', NULL, '17 o''clock', 'active', 'aa', 'sandbox')",
    )
    .unwrap();
    let file = home.path().join("sources.toml");
    let followed = FOLLOWED.replace("lesson_no\"", "lesson_nr\"");
    let sections = format!(
        "[lessons]\nurl = \"sqlite:academy.db\"\n{FOLLOWED}\n{}",
        format!("[wrong]\nurl = \"sqlite:academy.db\"\n{followed}").replace("[lessons.", "[wrong.")
    );
    std::fs::write(&file, sections).unwrap();
    home.set("SOURCES__FILE", file.display().to_string());
    let server = home.serve();
    server.json(&["app", "put", "shop"]);
    let list = ["activity-source", "list", "--app", "shop"];
    let mut listed = String::new();
    until("both are told of", || {
        listed = server.carillon(&list).stdout;
        listed.contains("lessons lesson-9: ends_at") && listed.contains("wrong: columns.id")
    });
    assert!(listed.contains("17 o'clock"), "{listed}");
    assert!(listed.contains("did you mean `lesson_no`"), "{listed}");
    let check = |name| server.carillon(&["activity-source", "check", name, "--app", "shop"]);
    let bad = check("lessons");
    assert_eq!(bad.code, 0, "{bad:?}");
    assert!(bad.stdout.contains("row lesson-9: ends_at"), "{bad:?}");
    let wrong = check("wrong");
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(
        wrong.stderr.contains("gives no column \"lesson_nr\""),
        "{wrong:?}"
    );
    let run = |name| server.carillon(&["activity-source", "run", name, "--app", "shop"]);
    let ran = run("lessons");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("row lesson-9: ends_at"), "{ran:?}");
    assert_eq!(run("wrong").code, 1);
    let unknown = check("lesons");
    assert_eq!(unknown.code, 66, "{unknown:?}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn postgres_says_of_its_times_itself_in_which_zone_they_are() {
    let Some(academy) = Scratch::postgres() else {
        return;
    };
    academy.script(
        "CREATE TABLE lessons (lesson_no text, child_id int, child_name text, title text, starts_at timestamptz,
            ends_at timestamptz, status text, update_token text, apns_environment text);
         INSERT INTO lessons VALUES ('lesson-7', 7, 'Minji', 'Piano', '2099-12-01 16:00:00+09', '2099-12-01 17:00:00+09',
            'active', 'aabb', NULL), ('lesson-8', 7, NULL, 'Piano', NULL, '2020-12-01 17:00:00+09', 'active', 'aabb', NULL)",
    );
    let mut home = Home::new();
    let config = academy.config();
    let place = format!(
        "url = \"{}\"\nschema = \"{}\"",
        config.url,
        config.schema.unwrap()
    );
    let file = home.path().join("sources.toml");
    let followed = FOLLOWED.replace("zone = \"Asia/Seoul\"\n", "");
    std::fs::write(&file, format!("[lessons]\n{place}\n{followed}")).unwrap();
    home.set("SOURCES__FILE", file.display().to_string());
    let server = home.serve();
    server.json(&["app", "put", "shop"]);
    let checked = server.json(&["activity-source", "check", "lessons", "--app", "shop"]);
    let reading = &checked["reading"];
    let counts = ["rows", "changed", "over", "bad"].map(|name| &reading[name]);
    assert_eq!(counts, [2, 1, 1, 0], "{checked}");
    assert_eq!(
        checked["example"]["plan"]["ends_at"], "2099-12-01T08:00:00Z",
        "{checked}"
    );
    assert_eq!(server.stop(), 0);
}
