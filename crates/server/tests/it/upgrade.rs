//! A new version, one process after the other, while notifications come: whoever sends is never refused, and what was
//! accepted is accepted by the gateway, exactly once. Live Activities go on meanwhile, each phase once.

use crate::support::{BUNDLE_ID, Home, PATIENCE, Server, until};
use carillon_store_sql::testing::Scratch;
use push_sim::{FaultKind, NewPhones, PushTokenKind, Received};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

const NOTIFICATIONS: &str = "/v1/apps/shop/notifications";
const ROLES: [&str; 4] = ["api", "scheduler", "worker", "sender"];
const PHONES: u32 = 10;
/// Who sends at once.
const CLIENTS: usize = 3;
/// Accepted notifications between one step and the next.
const BETWEEN: usize = 15;
/// Live Activities that go on all the time, and how many phases each has, one after the other.
const LESSONS: u32 = 6;
const PHASES: u32 = 30;
const PHASE_MS: u32 = 1_000;

#[test]
fn on_postgres() {
    if let Some(scratch) = Scratch::postgres() {
        upgrade(&scratch);
    }
}

#[test]
fn on_mariadb() {
    if let Some(scratch) = Scratch::mariadb() {
        upgrade(&scratch);
    }
}

/// What the clients know and have done.
#[derive(Default)]
struct Load {
    /// Where the API is, as a load balancer knows it.
    apis: Mutex<Vec<String>>,
    /// Ids of what was accepted, with how many deliveries each has.
    accepted: Mutex<Vec<(String, u64)>>,
    /// Tries that met nobody, or a connection that was cut.
    unanswered: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    fn accepted(&self) -> usize {
        self.accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    fn apis(&self) -> Vec<String> {
        self.apis
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sends until it is over: to one phone, to one phone a little later, to all of them.
    fn run(&self, client: usize, api_key: &str) {
        for n in 0_usize.. {
            if self.is_over.load(Relaxed) {
                return;
            }
            let phone = format!("phone-{}", n as u32 % PHONES + 1);
            let mut body = json!({"target": {"devices": [phone]}, "content": {"body": "hello"}});
            let mut deliveries = 1;
            match n % 8 {
                3 => {
                    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(500);
                    body["send_at"] = json!(soon.to_string());
                    // A busy machine may take longer than that to read it.
                    body["if_past"] = json!("send_now");
                }
                7 => {
                    body["target"] = json!({"all": true});
                    deliveries = PHONES.into();
                }
                _ => {}
            }
            let key = format!("{client}-{n}");
            let id = self.accept(client + n, api_key, &key, &body.to_string());
            let mut accepted = self.accepted.lock().unwrap();
            accepted.push((id, deliveries));
        }
    }

    /// Goes from one API to the next until one answers; the answer must be good.
    fn accept(&self, first: usize, api_key: &str, key: &str, body: &str) -> String {
        let begun = Instant::now();
        for n in first.. {
            let apis = self.apis();
            match post(&apis[n % apis.len()], api_key, key, body) {
                Ok((202, answer)) => return answer["id"].as_str().unwrap().to_owned(),
                Ok((status, answer)) => panic!(
                    "refused with {status} after {:?}: {answer}",
                    begun.elapsed()
                ),
                Err(error) => {
                    self.unanswered.fetch_add(1, Relaxed);
                    assert!(begun.elapsed() < PATIENCE, "nobody answers: {error}");
                }
            }
        }
        unreachable!("there is always another try")
    }
}

/// One request; an error where no answer came.
fn post(url: &str, api_key: &str, key: &str, body: &str) -> std::io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST {NOTIFICATIONS} HTTP/1.0\r\nhost: test\r\nauthorization: Bearer {api_key}\r\nidempotency-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Ok((status.ok_or_else(cut)?, serde_json::from_str(body)?))
}

/// Ends the load also where a step fails.
struct Over<'l>(&'l Load);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Relaxed);
    }
}

/// Declares the Live Activities, each of a phone on which the app started it.
fn declare_lessons(home: &Home, api: &Server<'_>) {
    let made = home.simulator.make_phones(&NewPhones {
        count: LESSONS,
        app: BUNDLE_ID.into(),
        kinds: vec![PushTokenKind::LiveActivityUpdate],
        ..NewPhones::default()
    });
    let starts_at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    for (lesson, phone) in made.unwrap().iter().enumerate() {
        let token = &phone.push_tokens[&PushTokenKind::LiveActivityUpdate];
        let phases = (1..=PHASES).map(|n| {
            let at = format!("starts_at + {}ms", n * PHASE_MS);
            json!({"name": format!("p{n}"), "at": at, "content_state": {"step": n}})
        });
        let body = json!({
            "recipient": {"push_token": {"token": token, "environment": "production"}},
            "start": "app",
            "attributes_type": "LessonAttributes",
            "content_state": {"lesson": lesson, "step": 0},
            "starts_at": starts_at.to_string(),
            "phases": phases.collect::<Vec<_>>(),
            "end": {"content_state": {"step": PHASES + 1}},
        });
        let path = format!("/v1/apps/shop/live-activities/lesson-{lesson}");
        let (status, answer) = api.call("PUT", &path, None, &body);
        assert_eq!(status, 201, "{answer}");
    }
}

/// Each shows its last phase; then they are ended.
fn end_lessons(api: &Server<'_>) {
    for lesson in 0..LESSONS {
        let path = format!("/v1/apps/shop/live-activities/lesson-{lesson}");
        until(&format!("the last phase of lesson {lesson}"), || {
            let seen: Value = serde_json::from_str(&api.get(&path)).unwrap();
            seen["shows"]["step"] == PHASES
        });
        let (status, answer) = api.call("POST", &format!("{path}/end"), None, &json!({}));
        assert_eq!(status, 200, "{answer}");
        let records: Value = serde_json::from_str(&api.get(&format!("{path}/phases"))).unwrap();
        let records = records["data"].as_array().unwrap();
        let phases: Vec<&str> = records
            .iter()
            .filter_map(|it| it["phase"].as_str())
            .collect();
        let planned: Vec<String> = (1..=PHASES).map(|n| format!("p{n}")).collect();
        assert_eq!(phases, planned, "each phase is on record once, in order");
    }
}

/// How many notifications the lessons are on record with, the end of each among them.
fn pushed_lessons(api: &Server<'_>) -> usize {
    let of = |lesson: u32| {
        let path = format!("/v1/apps/shop/live-activities/lesson-{lesson}/phases");
        let records: Value = serde_json::from_str(&api.get(&path)).unwrap();
        let records = records["data"].as_array().unwrap().clone();
        assert!(
            records.iter().any(|it| it["what"] == "ended"),
            "{records:?}"
        );
        let sent = records.iter().filter_map(|it| it["notification"].as_str());
        sent.map(str::to_owned).collect::<BTreeSet<_>>().len()
    };
    (0..LESSONS).map(of).sum()
}

/// What each lesson's phone was told, by the times of the pushes: never back, and the end last.
fn judge_lessons(pushes: &[&Received]) {
    let mut told: BTreeMap<u64, BTreeMap<i64, u64>> = BTreeMap::new();
    for push in pushes {
        let payload: Value = serde_json::from_str(push.payload.as_deref().unwrap()).unwrap();
        let aps = &payload["aps"];
        let (state, timestamp) = (&aps["content-state"], aps["timestamp"].as_i64().unwrap());
        let of_lesson = told.entry(state["lesson"].as_u64().unwrap()).or_default();
        let before = of_lesson.insert(timestamp, state["step"].as_u64().unwrap());
        assert_eq!(before, None, "two pushes of one time: {payload}");
    }
    assert_eq!(told.len(), LESSONS as usize);
    for (lesson, told) in told {
        let steps: Vec<u64> = told.into_values().collect();
        assert!(
            steps.is_sorted_by(|a, b| a < b),
            "lesson {lesson}: {steps:?}"
        );
        assert_eq!(steps.last(), Some(&u64::from(PHASES + 1)), "{steps:?}");
    }
}

fn is_lesson(received: &Received) -> bool {
    let payload = received.payload.as_deref().unwrap_or_default();
    payload.contains("content-state")
}

fn upgrade(scratch: &Scratch) {
    let mut home = Home::new();
    for (name, value) in scratch.environment() {
        home.set(name.trim_start_matches("CARILLON_"), value);
    }
    home.set("SERVER__STOP_DELAY", "100ms");
    // Nobody dies here, so nobody is to be given up because the machine is busy.
    home.set("ENGINE__INSTANCE_TIMEOUT", "1m");
    let start = |role: &'static str| home.serve_with(&["--roles", role]);
    let first = start("api");
    first.set_up(&home.phones(PHONES));
    let mut processes: BTreeMap<&str, Vec<Server<'_>>> = BTreeMap::new();
    processes.insert("api", vec![first]);
    for role in ROLES {
        let of_role = processes.entry(role).or_default();
        while of_role.len() < 2 {
            of_role.push(start(role));
        }
    }
    // So that there is always something in flight.
    let delay = FaultKind::Delay {
        ms: 30,
        jitter_ms: 20,
    };
    home.simulator.add_fault(delay).unwrap();
    let api_key = std::fs::read_to_string(home.path().join("admin.key")).unwrap();
    declare_lessons(&home, &processes["api"][0]);
    let load = Load::default();
    let urls = |of: &[Server<'_>]| of.iter().map(|it| it.url.clone()).collect();
    *load.apis.lock().unwrap() = urls(&processes["api"]);

    std::thread::scope(|scope| {
        let over = Over(&load);
        for client in 0..CLIENTS {
            let (load, api_key) = (&load, api_key.trim());
            scope.spawn(move || {
                // It ends early only by a panic, and there is nothing to wait for then.
                let _over = Over(load);
                load.run(client, api_key);
            });
        }
        let go_on = || {
            let enough = load.accepted() + BETWEEN;
            until("more is accepted", || {
                assert!(!load.is_over.load(Relaxed), "a client was refused");
                load.accepted() >= enough
            });
        };
        go_on();
        for role in ROLES {
            let mut of_role = processes.remove(role).unwrap();
            let (second, first) = (of_role.pop().unwrap(), of_role.pop().unwrap());
            // As a machine is restarted: the old one goes, then a new one comes. The clients do not know.
            first.stop_in_peace(&format!("the first {role}"));
            go_on();
            of_role.push(start(role));
            if role == "api" {
                *load.apis.lock().unwrap() = vec![second.url.clone(), of_role[0].url.clone()];
            }
            go_on();
            // As Kubernetes does it: the new one comes, then the old one goes.
            of_role.push(start(role));
            if role == "api" {
                load.apis.lock().unwrap().push(of_role[1].url.clone());
            }
            second.stop_in_peace(&format!("the second {role}"));
            if role == "api" {
                *load.apis.lock().unwrap() = urls(&of_role);
            }
            go_on();
            processes.insert(role, of_role);
        }
        drop(over);
    });

    let api = &processes["api"][0];
    let accepted = load.accepted.into_inner().unwrap();
    let mut deliveries = 0;
    for (id, count) in &accepted {
        let mut seen = Value::Null;
        until(&format!("the end of {id}"), || {
            seen = serde_json::from_str(&api.get(&format!("{NOTIFICATIONS}/{id}"))).unwrap();
            !seen["completed_at"].is_null()
        });
        assert_eq!(seen["deliveries"]["total"], *count, "{seen}");
        assert_eq!(seen["deliveries"]["accepted"], *count, "{seen}");
        deliveries += *count as usize;
    }
    end_lessons(api);
    let pushed = pushed_lessons(api);
    let mut page = Vec::new();
    until("all that is on record is pushed", || {
        page = home
            .simulator
            .received(&push_sim::ReceivedFilter {
                limit: 1_000_000,
                ..push_sim::ReceivedFilter::default()
            })
            .received;
        page.iter().filter(|it| is_lesson(it)).count() >= pushed
    });
    let (lessons, others): (Vec<_>, Vec<_>) = page.iter().partition(|it| is_lesson(it));
    assert_eq!(lessons.len(), pushed, "nothing was pushed twice");
    judge_lessons(&lessons);
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for record in others {
        assert_eq!(record.status, 200, "{record:?}");
        *times
            .entry(record.apns_id.unwrap().to_string())
            .or_default() += 1;
    }
    assert_eq!(times.len(), deliveries, "each delivery was sent");
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "sent more than once: {twice:?}");
    assert!(
        load.unanswered.into_inner() > 0,
        "clients met a process that was gone, and went to the other"
    );
    for server in processes.into_values().flatten() {
        server.stop_in_peace("all at the end");
    }
}
