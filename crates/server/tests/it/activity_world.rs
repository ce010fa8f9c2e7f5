//! A world in which Live Activities are shown: the real program, one process or several, at an hour of our choosing; phones
//! of the simulator on the same clock; and their app, which tells tokens as an app does.
//!
//! Time stands still as long as nobody travels: the program's clock begins at the hour that it is started for and runs
//! a thousand times too slowly, so that no test races against a minute. To go on to another hour every process is
//! stopped, and started there.

use crate::support::{BUNDLE_ID, Home, Server, signal, until, user_token};
use push_sim::{
    ActivityChange, ActivityState, ActivityView, Environment, LockScreenChange, NewActivity,
    NewFcmPhones, NewPhones, PhonePatch, Platform, PushTokenKind,
};
use serde_json::{Map, Value, json};

/// The attributes type of the app.
pub(crate) const TYPE: &str = "LessonAttributes";
/// Everything in one process.
pub(crate) const ALONE: &[&str] = &["api,scheduler,worker,sender"];
/// Two schedulers beside what answers and sends.
pub(crate) const TWO_SCHEDULERS: &[&str] = &["api,worker,sender", "scheduler", "scheduler"];
/// How fast time goes where it stands still.
pub(crate) const STILL: f64 = 0.001;
/// The day of the story, and its place.
const DAY: &str = "2026-12-01";
const ZONE: &str = "+09:00";
/// Google's project of the app that uses Firebase.
pub(crate) const PROJECT: &str = "shop-ios";
const IDENTITY_SECRET: &str = "a secret that only the back end has, 32 bytes and more";

/// An hour of the day as RFC 3339 writes it: `16:45:30`.
pub(crate) fn at(hour: &str) -> String {
    format!("{DAY}T{hour}{ZONE}")
}

/// The same as Unix milliseconds.
pub(crate) fn ms(hour: &str) -> i64 {
    let instant: jiff::Timestamp = at(hour).parse().unwrap();
    instant.as_millisecond()
}

/// A phone with our app.
pub(crate) struct Phone {
    /// Its device with us.
    pub(crate) device: String,
    /// Its number at the simulator.
    pub(crate) no: u32,
    user: String,
    environment: Environment,
    /// Its app's registration token, where the app uses Firebase.
    fcm_token: Option<String>,
    /// The update token that the app told last.
    told: Option<String>,
}

/// See the module.
pub(crate) struct World<'h> {
    home: &'h Home,
    layout: &'static [&'static str],
    running: Vec<(&'static str, Server<'h>)>,
    /// What the app has: an API key that everybody may know.
    publishable: String,
    pub(crate) phones: Vec<Phone>,
    hour: String,
}

impl<'h> World<'h> {
    /// Settings that a home needs for it, before it is shared.
    pub(crate) fn prepare(home: &mut Home) {
        home.set("SERVER__MODE", "development");
    }

    /// Processes with these roles, the first of which answers; it is that hour.
    pub(crate) fn start(home: &'h Home, layout: &'static [&'static str], hour: &str) -> Self {
        let mut world = Self {
            home,
            layout,
            running: Vec::new(),
            publishable: String::new(),
            phones: Vec::new(),
            hour: String::new(),
        };
        world.arrive(hour, STILL);
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

    fn arrive(&mut self, hour: &str, speed: f64) {
        let clock = self.home.simulator.clock();
        clock.set_ms(ms(hour));
        clock.set_speed(speed);
        hour.clone_into(&mut self.hour);
        for roles in self.layout {
            let server = self.home.serve_by(|command| {
                command
                    .args(["--roles", roles])
                    .env("CARILLON_CLOCK__AT", at(hour))
                    .env("CARILLON_CLOCK__SPEED", speed.to_string());
            });
            self.running.push((roles, server));
        }
    }

    /// Everybody stops in peace, and starts again at another hour. Time stands still there.
    pub(crate) fn travel(&mut self, hour: &str) {
        self.travel_on(hour, STILL);
    }

    /// The same, and time goes on from there, so many times as fast as ours.
    pub(crate) fn travel_on(&mut self, hour: &str, speed: f64) {
        for (roles, server) in self.running.drain(..) {
            server.stop_in_peace(roles);
        }
        self.arrive(hour, speed);
    }

    /// Waits until the simulator's clock shows an hour.
    pub(crate) fn wait_for(&self, hour: &str) {
        let clock = self.home.simulator.clock();
        until(hour, || clock.now_ms() >= ms(hour));
    }

    /// The process that answers.
    pub(crate) fn api(&self) -> &Server<'h> {
        &self.running[0].1
    }

    /// Pulls the plug of every process that fires timers: how many there were.
    pub(crate) fn kill_schedulers(&mut self) -> usize {
        let is_one = |roles: &str| roles.split(',').any(|role| role == "scheduler");
        let (killed, left) = self
            .running
            .drain(..)
            .partition::<Vec<_>, _>(|(roles, _)| is_one(roles));
        self.running = left;
        let count = killed.len();
        for (_, server) in killed {
            server.kill();
        }
        count
    }

    /// Pulls the plug of the scheduler that started first, and so leads.
    pub(crate) fn kill_leading_scheduler(&mut self) {
        let at = self
            .running
            .iter()
            .position(|(roles, _)| *roles == "scheduler");
        let (_, leading) = self.running.remove(at.unwrap());
        signal(leading.pid(), "KILL");
        leading.wait();
    }

    /// A phone on which somebody signs in: the app registers it, and tells by what it can be asked to start an activity.
    pub(crate) fn add_phone(&mut self, user: &str, environment: Environment) {
        self.add(user, environment, None);
    }

    /// The same, of an app that uses Firebase: it has a registration token, and tells it with each of its tokens.
    pub(crate) fn add_phone_of_firebase(&mut self, user: &str) {
        let new = NewFcmPhones {
            project: PROJECT.into(),
            app: BUNDLE_ID.into(),
            platform: Platform::Ios,
            ..NewFcmPhones::default()
        };
        let made = self.home.simulator.make_fcm_phones(&new).unwrap().remove(0);
        self.add(user, Environment::Production, Some(made.registration_token));
    }

    fn add(&mut self, user: &str, environment: Environment, fcm_token: Option<String>) {
        let new = NewPhones {
            app: BUNDLE_ID.into(),
            environment,
            kinds: vec![PushTokenKind::Alert, PushTokenKind::LiveActivityStart],
            ..NewPhones::default()
        };
        let made = self.home.simulator.make_phones(&new).unwrap().remove(0);
        let environment = environment_word(environment);
        let alert = &made.push_tokens[&PushTokenKind::Alert];
        let push_token = match &fcm_token {
            None => json!({"kind": "alert", "token": alert, "environment": environment}),
            Some(token) => json!({"kind": "fcm", "token": token}),
        };
        let body = json!({"push_tokens": [push_token], "platform": "ios"});
        let said = self.tell("POST", "/v1/apps/shop/devices", user, body, 201);
        let device = said["id"].as_str().unwrap().to_owned();
        let start = &made.push_tokens[&PushTokenKind::LiveActivityStart];
        let path = format!("/v1/apps/shop/devices/{device}/push-to-start-tokens/{TYPE}");
        let mut body = json!({"token": start, "environment": environment});
        if let Some(token) = &fcm_token {
            body["fcm_token"] = json!(token);
        }
        self.tell("PUT", &path, user, body, 204);
        self.phones.push(Phone {
            device,
            no: made.id,
            user: user.to_owned(),
            environment: new.environment,
            fcm_token,
            told: None,
        });
    }

    /// A call of the app's, in the name of who is signed in.
    fn tell(&self, method: &str, path: &str, user: &str, mut body: Value, expected: u16) -> Value {
        let expires_at = ms(&self.hour) / 1000 + 3600;
        body["user_token"] = json!(user_token(IDENTITY_SECRET, user, expires_at));
        let key = Some(self.publishable.as_str());
        let (status, said) = self.api().call(method, path, key, &body);
        assert_eq!(status, expected, "{method} {path}: {said}");
        said
    }

    /// The app on every phone starts an activity itself.
    pub(crate) fn start_by_app(&self, attributes: &Map<String, Value>, state: &Map<String, Value>) {
        let new = NewActivity {
            attributes_type: TYPE.into(),
            attributes: attributes.clone(),
            content_state: state.clone(),
            ..NewActivity::default()
        };
        for phone in &self.phones {
            let started = self.home.simulator.start_activity(phone.no, &new);
            started.unwrap();
        }
    }

    /// What the apps do: an update token that was not told yet is told, with what the phone shows. How many there were.
    pub(crate) fn tell_tokens(&mut self, activity: &str) -> usize {
        let mut told = 0;
        for n in 0..self.phones.len() {
            let phone = &self.phones[n];
            let Some(shown) = self.activities(phone.no).pop() else {
                continue;
            };
            if shown.update_token == phone.told || shown.state == ActivityState::Dismissed {
                continue;
            }
            let path = format!(
                "/v1/apps/shop/live-activities/{activity}/tokens/{}",
                phone.device
            );
            let mut body = json!({
                "token": shown.update_token,
                "environment": environment_word(phone.environment),
                "attributes_type": shown.attributes_type,
                "attributes": shown.attributes,
                "content_state": shown.content_state,
            });
            if let Some(token) = &phone.fcm_token {
                body["fcm_token"] = json!(token);
            }
            self.tell("PUT", &path, &phone.user, body, 204);
            self.phones[n].told = shown.update_token;
            told += 1;
        }
        told
    }

    /// iOS gives the activity of a phone another update token.
    pub(crate) fn rotate(&self, phone: usize) {
        let patch = PhonePatch {
            rotate_update_tokens: true,
            ..PhonePatch::default()
        };
        let simulator = &self.home.simulator;
        simulator
            .patch_phone(self.phones[phone].no, &patch)
            .unwrap();
    }

    fn activities(&self, no: u32) -> Vec<ActivityView> {
        let phone = self.home.simulator.phone(no).unwrap();
        phone
            .apps
            .into_iter()
            .flat_map(|app| app.activities)
            .collect()
    }

    /// The `status` that each phone's lock screen shows now; empty where it shows nothing.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.shown_at(None)
    }

    /// The same at an hour that is over.
    pub(crate) fn shown_at(&self, hour: Option<&str>) -> Vec<String> {
        let of = |phone: &Phone| {
            let screen = self.home.simulator.lock_screen(phone.no, hour.map(ms));
            let shown = screen.unwrap().activities;
            assert!(shown.len() <= 1, "one lesson: {shown:?}");
            let shown = shown.first();
            shown.map_or(String::new(), |one| status(&one.content_state))
        };
        self.phones.iter().map(of).collect()
    }

    /// Waits until every phone shows a status.
    pub(crate) fn until_shown(&self, status: &str) {
        until(&format!("every phone shows {status:?}"), || {
            self.shown().iter().all(|shown| shown == status)
        });
    }

    /// All that a phone's lock screen did.
    pub(crate) fn history(&self, phone: usize) -> Vec<LockScreenChange> {
        let history = self
            .home
            .simulator
            .lock_screen_history(self.phones[phone].no);
        history.unwrap()
    }

    /// The same in short: hour, what happened, status.
    pub(crate) fn told(&self, phone: usize) -> Vec<(String, ActivityChange, String)> {
        let history = self.history(phone);
        let all = history.iter();
        all.map(|one| (hour(one.at_ms), one.change, status(&one.content_state)))
            .collect()
    }

    /// A call of the back end's.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value, expected: u16) -> Value {
        let path = format!("/v1/apps/shop/live-activities/{path}");
        let (status, said) = self.api().call(method, &path, None, body);
        assert_eq!(status, expected, "{method} {path}: {said}");
        said
    }

    /// How an activity stands.
    pub(crate) fn read(&self, activity: &str) -> Value {
        self.call("GET", activity, &Value::Null, 200)
    }

    /// What happened to it.
    pub(crate) fn records(&self, activity: &str) -> Vec<Value> {
        let mut said = self.call("GET", &format!("{activity}/phases"), &Value::Null, 200);
        serde_json::from_value(said["data"].take()).unwrap()
    }

    /// All stop in peace.
    pub(crate) fn end(mut self) {
        for (roles, server) in self.running.drain(..) {
            server.stop_in_peace(roles);
        }
    }
}

fn environment_word(environment: Environment) -> &'static str {
    match environment {
        Environment::Production => "production",
        Environment::Sandbox => "sandbox",
    }
}

fn status(state: &Value) -> String {
    state["status"].as_str().unwrap_or_default().to_owned()
}

/// The hour in our place, to the second.
fn hour(ms: i64) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(9));
    let instant = jiff::Timestamp::from_millisecond(ms).unwrap();
    instant.to_zoned(zone).strftime("%H:%M:%S").to_string()
}
