//! A world in which a service is watched: the real program, one process or several, on a clock that runs fast; a service
//! of our own that stops and comes back; phones of the simulator, whose apps report and whose owners answer, or do not.
//!
//! The processes are killed in the middle of things and started again at the hour that the simulator's clock shows. The
//! one that answers always listens on the same port, as behind an address that phones know.

use crate::docs::free_ports;
use crate::support::{BUNDLE_ID, Home, Server, until, user_token};
use push_sim::{
    Effect, NewPhones, PhoneAnswer, PhonePatch, PhoneView, PushTokenKind, Received, ReceivedFilter,
};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Everything in one process.
pub(crate) const ALONE: &[&str] = &["api,scheduler,worker,sender"];
/// Two that check and page, beside what answers and sends.
pub(crate) const APART: &[&str] = &["api,sender", "scheduler,worker", "scheduler,worker"];
/// How fast time goes.
const SPEED: f64 = 60.0;
/// When it begins: a Tuesday, early in the morning in Seoul.
const BEGINS: &str = "2026-12-01T03:00:00+09:00";
const IDENTITY_SECRET: &str = "a secret that only the back end has, 32 bytes and more";

/// Something that is watched: it answers 200, or nobody listens there.
pub(crate) struct Service {
    address: SocketAddr,
    is_up: Option<Arc<AtomicBool>>,
}

impl Service {
    pub(crate) fn start() -> Self {
        let mut service = Self {
            address: SocketAddr::from(([127, 0, 0, 1], free_ports())),
            is_up: None,
        };
        service.up();
        service
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Somebody starts it.
    pub(crate) fn up(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        let is_up = Arc::new(AtomicBool::new(true));
        self.is_up = Some(Arc::clone(&is_up));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if !is_up.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let _ = stream.read(&mut [0; 4096]);
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                let _ = stream.write_all(answer.as_bytes());
            }
        });
    }

    /// It stops: nobody listens there any more when this returns.
    pub(crate) fn down(&mut self) {
        let is_up = self.is_up.take().unwrap();
        is_up.store(false, Ordering::SeqCst);
        // The thread looks up when somebody comes.
        let _ = TcpStream::connect(self.address);
        until("the service stops", || {
            TcpStream::connect(self.address).is_err()
        });
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.is_up.is_some() {
            self.down();
        }
    }
}

/// A phone with our app.
pub(crate) struct Phone {
    /// Its device with us.
    pub(crate) device: String,
    /// Its number at the simulator.
    pub(crate) no: u32,
    alert: String,
    voip: String,
}

/// See the module.
pub(crate) struct World<'h> {
    home: &'h Home,
    layout: &'static [&'static str],
    running: Vec<(&'static str, Server<'h>)>,
    port: u16,
    publishable: String,
}

impl<'h> World<'h> {
    /// Settings that a home needs for it, before it is shared.
    pub(crate) fn prepare(home: &mut Home) {
        home.set("SERVER__MODE", "development");
        home.set("MONITORS__ALLOW_PRIVATE", "127.0.0.1");
        // As fast as time goes here, a server that was killed would come back too late for a ring.
        home.set("MONITORS__RING_LIFE", "10m");
    }

    /// Processes with these roles, the first of which answers.
    pub(crate) fn start(home: &'h Home, layout: &'static [&'static str]) -> Self {
        let begins: jiff::Timestamp = BEGINS.parse().unwrap();
        let clock = home.simulator.clock();
        clock.set_ms(begins.as_millisecond());
        clock.set_speed(SPEED);
        let mut world = Self {
            home,
            layout,
            running: Vec::new(),
            port: free_ports(),
            publishable: String::new(),
        };
        world.go_on();
        let api = world.api();
        api.set_up(&[]);
        std::fs::write(home.path().join("identity.secret"), IDENTITY_SECRET).unwrap();
        let put = ["identity-key", "put", "2026", "--app", "shop"];
        api.json(&[&put[..], &["--secret-file", "identity.secret"]].concat());
        let create = ["keys", "create", "apps", "--app", "shop"];
        let key = api.json(&[&create[..], &["--scope", "register"]].concat());
        world.publishable = key["secret"].as_str().unwrap().to_owned();
        world
    }

    /// Starts those that are not running, at the hour that it is.
    fn go_on(&mut self) {
        let mut missing = self.layout.to_vec();
        for (running, _) in &self.running {
            let at = missing.iter().position(|roles| roles == running);
            missing.remove(at.unwrap());
        }
        for roles in missing {
            let now = self.home.simulator.clock().now_ms();
            let now = jiff::Timestamp::from_millisecond(now).unwrap();
            let port = if roles.contains("api") { self.port } else { 0 };
            let server = self.home.serve_by(|command| {
                command
                    .args(["--roles", roles])
                    .env("CARILLON_SERVER__LISTEN", format!("127.0.0.1:{port}"))
                    .env("CARILLON_CLOCK__AT", now.to_string())
                    .env("CARILLON_CLOCK__SPEED", SPEED.to_string());
            });
            let first = roles.contains("api");
            self.running
                .insert(if first { 0 } else { self.running.len() }, (roles, server));
        }
    }

    /// Pulls the plug of what checks and pages, all of it or the first of two, and starts it again.
    pub(crate) fn kill(&mut self) {
        let is_meant = |roles: &str| roles.contains("scheduler");
        let at = self.running.iter().position(|(roles, _)| is_meant(roles));
        let (_, server) = self.running.remove(at.unwrap());
        server.kill();
        self.go_on();
    }

    /// Everybody stops in peace, and starts again so much later.
    pub(crate) fn travel(&mut self, by: Duration) {
        for (roles, server) in self.running.drain(..) {
            server.stop_in_peace(roles);
        }
        self.home.simulator.clock().advance(by);
        self.go_on();
    }

    /// The process that answers.
    pub(crate) fn api(&self) -> &Server<'h> {
        &self.running[0].1
    }

    /// The hour, as the simulator's clock has it.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.home.simulator.clock().now_ms()).unwrap()
    }

    /// A phone on which somebody signs in. Its app registers it, with what it was built with, and reports each push that it
    /// shows.
    pub(crate) fn add_phone(&self, user: &str, capabilities: &[&str]) -> Phone {
        let kinds = [PushTokenKind::Alert, PushTokenKind::Voip];
        let new = NewPhones {
            app: BUNDLE_ID.into(),
            kinds: kinds.into(),
            capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
            answers: vec![self.report()],
            ..NewPhones::default()
        };
        let made = self.home.simulator.make_phones(&new).unwrap().remove(0);
        let [alert, voip] = kinds.map(|kind| made.push_tokens[&kind].clone());
        let push_tokens =
            [("alert", &alert), ("voip", &voip)].map(|(kind, push_token)| {
                json!({"kind": kind, "token": push_token, "environment": "production"})
            });
        // An app declares its call screen; what else it was built with is between it and iOS.
        let declared: Vec<_> = capabilities
            .iter()
            .filter(|one| one.starts_with("voip"))
            .collect();
        let expires_at = self.now().as_second() + 3600;
        let body = json!({
            "push_tokens": push_tokens,
            "capabilities": declared,
            "user_token": user_token(IDENTITY_SECRET, user, expires_at),
        });
        let key = Some(self.publishable.as_str());
        let (status, said) = self.api().call("POST", "/v1/apps/shop/devices", key, &body);
        assert_eq!(status, 201, "{said}");
        Phone {
            device: said["id"].as_str().unwrap().to_owned(),
            no: made.id,
            alert,
            voip,
        }
    }

    /// What the app does about each push: it says that it arrived.
    fn report(&self) -> PhoneAnswer {
        let body = json!({"receipt": "{/carillon_receipt}", "event": "delivered"});
        self.answer("passive", "/v1/receipts", &body)
    }

    fn answer(&self, to: &str, path: &str, body: &Value) -> PhoneAnswer {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        serde_json::from_value(json!({"to": to, "url": url, "body": body})).unwrap()
    }

    /// From now on the owner of the phone takes an incident in hand when it rings, by the link that came with it.
    pub(crate) fn wakes_up_when_it_rings(&self, phone: &Phone) {
        let acknowledge = json!({"do": "acknowledge"});
        let answers = vec![
            self.report(),
            self.answer("call", "{/carillon_incident/link}", &acknowledge),
        ];
        let patch = PhonePatch {
            answers: Some(answers),
            ..PhonePatch::default()
        };
        self.home.simulator.patch_phone(phone.no, &patch).unwrap();
    }

    /// A phone as its owner sees it.
    pub(crate) fn see(&self, phone: &Phone) -> PhoneView {
        self.home.simulator.phone(phone.no).unwrap()
    }

    /// Waits until a phone shows a title.
    pub(crate) fn until_read(&self, phone: &Phone, title: &str) {
        until(&format!("{title:?} on {}", phone.device), || {
            let apps = self.see(phone).apps;
            let mut shown = apps.iter().flat_map(|app| &app.shown);
            shown.any(|entry| entry.payload["aps"]["alert"]["title"] == title)
        });
    }

    /// Waits until a phone has rung.
    pub(crate) fn until_rung(&self, phone: &Phone) {
        until(&format!("{} rings", phone.device), || {
            let apps = self.see(phone).apps;
            apps.iter()
                .any(|app| app.effects.contains_key(&Effect::Call))
        });
    }

    /// What came for a phone by alert, and by VoIP, oldest first: also what was sent twice.
    pub(crate) fn received(&self, phone: &Phone) -> [Vec<Received>; 2] {
        [&phone.alert, &phone.voip].map(|push_token| {
            let filter = ReceivedFilter {
                push_token: Some(push_token.clone()),
                ..ReceivedFilter::default()
            };
            self.home.simulator.received(&filter).received
        })
    }

    /// How often something happened on all phones.
    pub(crate) fn effects(&self, effect: Effect) -> u64 {
        let counters = self.home.simulator.counters();
        counters.effects.get(&effect).copied().unwrap_or(0)
    }

    /// A call of the back end's, below the App.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value, expected: u16) -> Value {
        let path = format!("/v1/apps/shop/{path}");
        let (status, said) = self.api().call(method, &path, None, body);
        assert_eq!(status, expected, "{method} {path}: {said}");
        said
    }

    /// What there is, read.
    pub(crate) fn read(&self, path: &str) -> Value {
        self.call("GET", path, &Value::Null, 200)
    }

    /// All stop in peace.
    pub(crate) fn end(mut self) {
        for (roles, server) in self.running.drain(..) {
            server.stop_in_peace(roles);
        }
    }
}
