//! Processes with roles of their own on one database: two of each, each killed in turn under load. Nothing is
//! lost, nothing fires twice, and what one process knows another can tell.

use crate::support::{Home, Server, run_in, signal, until};
use carillon_store_sql::testing::Scratch;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const NOTIFICATIONS: &str = "/v1/apps/shop/notifications";
const PHONES: u32 = 20;

#[test]
fn on_postgres() {
    if let Some(scratch) = Scratch::postgres() {
        two_of_each(&scratch);
    }
}

#[test]
fn on_mariadb() {
    if let Some(scratch) = Scratch::mariadb() {
        two_of_each(&scratch);
    }
}

/// A process and what it does.
struct Process<'h> {
    role: &'static str,
    server: Server<'h>,
}

impl<'h> Process<'h> {
    fn start(home: &'h Home, role: &'static str) -> Self {
        let server = home.serve_with(&["--roles", role]);
        Self { role, server }
    }
}

struct Cluster<'h> {
    home: &'h Home,
    /// Accepts all the time.
    api: Server<'h>,
    others: Vec<Process<'h>>,
    /// What was accepted, with its push token.
    accepted: Vec<String>,
}

impl<'h> Cluster<'h> {
    fn start(home: &'h Home, push_tokens: &[String]) -> Self {
        // The first makes the tables and the admin key.
        let api = home.serve_with(&["--roles", "api"]);
        api.set_up(push_tokens);
        let roles = ["scheduler", "worker", "sender"];
        let mut others: Vec<_> = roles
            .iter()
            .map(|role| Process::start(home, role))
            .collect();
        others.extend(roles.iter().map(|role| Process::start(home, role)));
        others.push(Process::start(home, "api"));
        Self {
            home,
            api,
            others,
            accepted: Vec::new(),
        }
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.api.get("/v1/status")).unwrap()
    }

    /// The names of those who live, by what they lead.
    fn leader(&self, role: &str) -> Option<String> {
        let status = self.status();
        let instances = status["instances"].as_array().unwrap();
        let leads = |it: &&Value| it["leads"].as_array().unwrap().contains(&json!(role));
        let leader = instances.iter().find(leads)?;
        Some(leader["name"].as_str().unwrap().to_owned())
    }

    /// Sends to every phone at once, to every phone a little later, and to all of them together.
    fn send(&mut self) {
        for n in 1..=PHONES {
            let now =
                json!({"target": {"devices": [format!("phone-{n}")]}, "content": {"body": "now"}});
            let mut later = now.clone();
            let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1_500);
            later["send_at"] = json!(soon.to_string());
            // A busy machine may take longer than that to read it.
            later["if_past"] = json!("send_now");
            for body in [now, later] {
                self.accept(&body);
            }
        }
        self.accept(&json!({"target": {"all": true}, "content": {"body": "everybody"}}));
    }

    fn accept(&mut self, body: &Value) {
        let (status, answer) = self.api.call("POST", NOTIFICATIONS, None, body);
        assert_eq!(status, 202, "{answer}");
        self.accepted
            .push(answer["id"].as_str().unwrap().to_owned());
    }

    /// One of those with a role, the leader if there is one.
    fn take(&mut self, role: &str) -> Server<'h> {
        let leader = self.leader(role);
        let mut of_role = self
            .others
            .iter()
            .enumerate()
            .filter(|(_, it)| it.role == role);
        let is_leader = |server: &Server<'_>| {
            let own = format!(":{}", server.pid());
            leader.as_ref().is_some_and(|name| name.ends_with(&own))
        };
        let first = of_role.clone().next().unwrap().0;
        let at = of_role
            .find(|(_, it)| is_leader(&it.server))
            .map_or(first, |(at, _)| at);
        self.others.remove(at).server
    }

    fn add(&mut self, role: &'static str) {
        self.others.push(Process::start(self.home, role));
    }

    /// Waits until everything that was accepted is complete: each delivery once, accepted.
    fn settled(&self) {
        for id in &self.accepted {
            let path = format!("{NOTIFICATIONS}/{id}");
            let mut seen = Value::Null;
            until(&format!("the end of {id}"), || {
                seen = serde_json::from_str(&self.api.get(&path)).unwrap();
                !seen["completed_at"].is_null()
            });
            let deliveries = &seen["deliveries"];
            let total = deliveries["total"].as_u64().unwrap();
            assert!(total == 1 || total == u64::from(PHONES), "{seen}");
            assert_eq!(deliveries["accepted"], total, "{seen}");
        }
    }
}

/// How many processes one knows of, itself included.
fn count(server: &Server<'_>) -> usize {
    let status: Value = serde_json::from_str(&server.get("/v1/status")).unwrap();
    status["instances"].as_array().unwrap().len()
}

/// How often each push was answered with 200, by its id.
fn received(home: &Home) -> BTreeMap<String, u32> {
    let page = home.simulator.received(&push_sim::ReceivedFilter {
        limit: 100_000,
        ..push_sim::ReceivedFilter::default()
    });
    let mut times = BTreeMap::new();
    for record in page.received.iter().filter(|record| record.status == 200) {
        *times
            .entry(record.apns_id.unwrap().to_string())
            .or_default() += 1;
    }
    times
}

fn two_of_each(scratch: &Scratch) {
    let mut home = Home::new();
    for (name, value) in scratch.environment() {
        home.set(name.trim_start_matches("CARILLON_"), value);
    }
    let push_tokens = home.phones(PHONES);
    let mut cluster = Cluster::start(&home, &push_tokens);
    until("eight processes", || count(&cluster.api) == 8);
    cluster.send();
    cluster.settled();

    // Nobody was killed so far: each push is there once.
    let each = (PHONES * 3) as usize;
    let times = received(&home);
    assert_eq!(times.len(), each);
    assert!(times.values().all(|times| *times == 1), "{times:?}");

    told_anywhere(&cluster);

    for role in ["scheduler", "worker", "sender", "api"] {
        cluster.send();
        let victim = cluster.take(role);
        victim.kill();
        cluster.send();
        cluster.settled();
        cluster.add(role);
    }
    // Each delivery was sent; only what a sender had in doubt was sent again, as the same push.
    assert_eq!(received(&home).len(), each * 9);

    // One that sleeps for too long is given up, and finds that out when it wakes.
    let sleeper = cluster.take("scheduler");
    let slept = cluster.leader("scheduler");
    signal(sleeper.pid(), "STOP");
    until("another scheduler leads", || {
        cluster
            .leader("scheduler")
            .is_some_and(|name| Some(name) != slept)
    });
    cluster.send();
    signal(sleeper.pid(), "CONT");
    assert_eq!(sleeper.wait(), 74);
    cluster.settled();
    assert_eq!(received(&home).len(), each * 10);

    // All leave in peace: there is nothing to wait for.
    let Cluster { api, others, .. } = cluster;
    for process in others {
        assert_eq!(process.server.stop(), 0, "{}", process.role);
    }
    until("it is alone", || count(&api) == 1);
    assert_eq!(api.stop(), 0);
}

/// What each process says of itself, and what one can say of all.
fn told_anywhere(cluster: &Cluster<'_>) {
    let status = cluster.status();
    let instances = status["instances"].as_array().unwrap();
    let roles: BTreeSet<&str> = instances
        .iter()
        .map(|it| it["roles"][0].as_str().unwrap())
        .collect();
    assert_eq!(
        roles,
        BTreeSet::from(["api", "scheduler", "sender", "worker"])
    );
    for process in &cluster.others {
        let server = &process.server;
        assert_eq!(server.call("GET", "/healthz", None, &Value::Null).0, 200);
        assert_eq!(server.call("GET", "/readyz", None, &Value::Null).0, 200);
        assert!(server.get("/metrics").contains("carillon_"));
        let (status, answer) = server.call("GET", NOTIFICATIONS, None, &Value::Null);
        if process.role == "api" {
            assert_eq!(status, 200);
        } else {
            assert_eq!(status, 404);
            assert_eq!(answer["code"], "route.unknown");
            let detail = answer["detail"].as_str().unwrap();
            assert!(detail.contains("role api"), "{detail}");
        }
    }
    let doctor = cluster.api.carillon(&["doctor"]);
    assert!(doctor.stdout.contains("ok  engine"), "{doctor:?}");

    // Cancelled here before its time, it goes out nowhere.
    let mut body = json!({"target": {"devices": ["phone-1"]}, "content": {"body": "never"}});
    body["send_at"] =
        json!((jiff::Timestamp::now() + jiff::SignedDuration::from_secs(600)).to_string());
    let (_, sent) = cluster.api.call("POST", NOTIFICATIONS, None, &body);
    let path = format!("{NOTIFICATIONS}/{}/cancel", sent["id"].as_str().unwrap());
    let (status, answer) = cluster.api.call("POST", &path, None, &json!({}));
    assert_eq!(
        (status, &answer["status"]),
        (200, &json!("cancelled")),
        "{answer}"
    );
}

#[test]
fn a_role_that_nobody_has_is_named() {
    let Some(scratch) = Scratch::postgres() else {
        return;
    };
    let mut home = Home::new();
    for (name, value) in scratch.environment() {
        home.set(name.trim_start_matches("CARILLON_"), value);
    }
    let api = home.serve_with(&["--roles", "api"]);
    api.set_up(&home.phones(1));
    let (_, sent) = api.call(
        "POST",
        NOTIFICATIONS,
        None,
        &json!({"target": {"devices": ["phone-1"]}, "content": {"body": "hello"}}),
    );
    let doctor = api.carillon(&["doctor"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(doctor.stdout.contains("BAD roles"), "{doctor:?}");
    assert!(doctor.stdout.contains("--roles scheduler"), "{doctor:?}");
    let rest = home.serve_with(&["--roles", "scheduler,worker"]);
    until("two processes", || count(&api) == 2);
    let doctor = api.carillon(&["doctor"]);
    assert!(doctor.stdout.contains("nobody sends"), "{doctor:?}");
    let sender = home.serve_with(&["--roles", "sender"]);
    let path = format!("{NOTIFICATIONS}/{}", sent["id"].as_str().unwrap());
    until("it is sent", || {
        let seen: Value = serde_json::from_str(&api.get(&path)).unwrap();
        !seen["completed_at"].is_null()
    });
    until("three processes", || count(&api) == 3);
    // The database is looked at from where doctor runs.
    let mut env = scratch.environment();
    env.push(("CARILLON_URL".into(), api.url.clone()));
    let key_file = home.path().join("admin.key").display().to_string();
    env.push(("CARILLON_API_KEY_FILE".into(), key_file));
    let env: Vec<_> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let doctor = run_in(home.path(), &["doctor"], &env);
    assert_eq!(doctor.code, 0, "{doctor:?}");
    assert!(
        doctor.stdout.contains("ok  database: postgres"),
        "{doctor:?}"
    );
    // Of another installation's master key it is said what is wrong.
    let mut stranger = Home::new();
    for (name, value) in scratch.environment() {
        stranger.set(name.trim_start_matches("CARILLON_"), value);
    }
    let refused = stranger.fail_to_serve();
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.stderr.contains("master key"), "{refused:?}");
    for server in [sender, rest, api] {
        assert_eq!(server.stop(), 0);
    }
}
