//! From an event to every phone and browser of a friend: apps register themselves, a back end says what
//! happened, everybody reads it in his language, and what is dead or was interrupted comes out right.

use crate::support::{BUNDLE_ID, Home, Server};
use push_sim::{FcmPhonePatch, NewBrowsers, NewFcmPhones};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const PROJECT: &str = "shop-1";
const IDENTITY_SECRET: &str = "a secret that only the back end has, 32 bytes and more";
const FRIEND: &str = "bora";
const WRITER: &str = "jisu";

#[test]
fn a_comment_reaches_every_device_of_a_friend_and_not_its_writer() {
    let home = home();
    let server = home.serve();
    let story = Story::set_up(&home, &server);
    let app = App {
        server: &server,
        publishable: story.publishable.clone(),
    };
    let android = app.android(&home, FRIEND, "ko-KR");
    let iphone = app.iphone(&home, FRIEND, "en-GB");
    let browser = app.browser(&home, FRIEND, "ko", &story.vapid_key);
    let dead = app.android(&home, FRIEND, "ko-KR");
    let writers = app.android(&home, WRITER, "ko-KR");
    let writers_iphone = app.iphone(&home, WRITER, "ko-KR");
    let removed = FcmPhonePatch {
        installed: Some(false),
        ..FcmPhonePatch::default()
    };
    home.simulator
        .patch_fcm_phone(dead.phone, &removed)
        .unwrap();

    let first = comment(&server, "사진 좋다!");
    server.settle();
    let ends = deliveries(&server, &first);
    assert_eq!(
        states(&ends),
        ["accepted", "accepted", "accepted", "rejected"]
    );
    let rejected = ends.iter().find(|d| d["state"] == "rejected").unwrap();
    assert_eq!(rejected["device_id"], dead.device);
    assert!(!retired(&server, &dead).is_null());
    assert!(retired(&server, &android).is_null());

    let ko = ("지수님의 새 댓글".to_owned(), "사진 좋다!".to_owned());
    let en = ("지수's new comment".to_owned(), "사진 좋다!".to_owned());
    assert_eq!(shown_on_android(&home, &android), std::slice::from_ref(&ko));
    assert_eq!(shown_in_browser(&home, &browser), [ko]);
    assert_eq!(shown_on_iphone(&home, &iphone), [en]);

    let second = comment(&server, "again");
    server.settle();
    assert_eq!(
        states(&deliveries(&server, &second))
            .iter()
            .filter(|state| **state != "suppressed")
            .collect::<Vec<_>>(),
        ["accepted"; 3].iter().collect::<Vec<_>>(),
        "nothing goes to the dead one"
    );

    // The plug is pulled as soon as an event is accepted; the next one comes after the restart.
    let third = comment(&server, "just before the end");
    server.kill();
    let server = home.serve();
    let fourth = comment(&server, "just after it");
    server.settle();
    for notification in [&third, &fourth] {
        let ends = deliveries(&server, notification);
        let is_well = |d: &&Value| d["state"] == "accepted";
        assert_eq!(ends.iter().filter(is_well).count(), 3, "{ends:?}");
    }
    let told = [
        "사진 좋다!",
        "again",
        "just before the end",
        "just after it",
    ];
    let bodies = |shown: Vec<(String, String)>| {
        let mut bodies: Vec<_> = shown.into_iter().map(|(_, body)| body).collect();
        bodies.sort();
        bodies
    };
    let mut expected = told.map(str::to_owned);
    expected.sort();
    assert_eq!(bodies(shown_on_android(&home, &android)), expected);
    assert_eq!(bodies(shown_on_iphone(&home, &iphone)), expected);
    assert_eq!(bodies(shown_in_browser(&home, &browser)), expected);
    assert!(shown_on_android(&home, &writers).is_empty());
    assert!(shown_on_iphone(&home, &writers_iphone).is_empty());
    assert!(shown_on_android(&home, &dead).is_empty());
    assert_eq!(server.stop(), 0);
}

#[test]
fn every_gateway_is_set_and_probed_from_the_command_line() {
    let home = home();
    let server = home.serve();
    Story::set_up(&home, &server);
    let doctor = server.carillon(&["doctor"]);
    assert_eq!(doctor.code, 0, "{doctor:?}");
    for part in [
        "ok  shop/apple in production",
        "ok  shop/google in production: Account, rights and project are right",
        "ok  shop/browsers in production: The VAPID keys are there",
    ] {
        assert!(doctor.stdout.contains(part), "{part}: {doctor:?}");
    }
    let accounts = home.simulator.service_account_json("another").unwrap();
    let other = accounts.replace("\"another\"", "\"somewhere\"");
    std::fs::write(home.path().join("google.json"), other).unwrap();
    let put = ["credential", "put", "shop", "google", "--service-account"];
    server.json(&[&put[..], &["google.json"]].concat());
    let ill = server.carillon(&["credential", "probe", "shop", "google"]);
    assert_eq!(ill.code, 1, "{ill:?}");
    assert!(ill.stdout.contains("BAD production"), "{ill:?}");
}

/// A home whose servers also send to the simulated Google and push services.
fn home() -> Home {
    let mut home = Home::new();
    let google = home.simulator.google_url();
    let google = google.trim_start_matches("https://");
    let browsers = home.simulator.web_push_origin();
    let browsers = browsers.trim_start_matches("https://").to_owned();
    let ca_file = home.path().join("ca.pem").display().to_string();
    home.set("FCM__TOKEN_ENDPOINT", google);
    home.set("FCM__ENDPOINT", google);
    home.set("FCM__CA_FILE", ca_file.clone());
    home.set("WEBPUSH__TRUSTED_ORIGINS", browsers);
    home.set("WEBPUSH__CA_FILE", ca_file);
    home
}

/// What the back end and the operator set up once.
struct Story {
    publishable: String,
    vapid_key: String,
}

impl Story {
    fn set_up(home: &Home, server: &Server<'_>) -> Self {
        server.set_up(&[]);
        let account = home.simulator.service_account_json(PROJECT).unwrap();
        let file = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
        file("google.json", &account);
        file("identity.secret", IDENTITY_SECRET);
        let put = ["credential", "put", "shop"];
        let google = ["google", "--service-account", "google.json"];
        server.json(&[&put[..], &google].concat());
        let browsers = [
            "browsers",
            "--vapid",
            "--contact",
            "mailto:push@example.com",
        ];
        let vapid = server.json(&[&put[..], &browsers].concat());
        server.json(&[
            "identity-key",
            "put",
            "2026",
            "--app",
            "shop",
            "--secret-file",
            "identity.secret",
        ]);
        let key = server.json(&[
            "keys", "create", "apps", "--app", "shop", "--scope", "register",
        ]);
        let template = json!({
            "default_locale": "en",
            "variables": {"writer": {"type": "string"}, "comment": {"type": "string"}},
            "content": {
                "en": {"title": "{{ writer }}'s new comment", "body": "{{ comment }}"},
                "ko": {"title": "{{ writer }}님의 새 댓글"},
            },
        });
        let trigger = json!({"event": "comment.created", "template": "comment"});
        for (path, body) in [
            ("templates/comment", template),
            ("triggers/comments", trigger),
        ] {
            let path = format!("/v1/apps/shop/{path}");
            let (status, said) = server.call("PUT", &path, None, &body);
            assert_eq!(status, 201, "{said}");
        }
        Self {
            publishable: key["secret"].as_str().unwrap().to_owned(),
            vapid_key: vapid["public_keys"][0].as_str().unwrap().to_owned(),
        }
    }
}

/// The apps: all they have is the publishable key, and what the back end signs for them.
struct App<'s> {
    server: &'s Server<'s>,
    publishable: String,
}

/// A device with us, and its number at the simulator.
struct Registered {
    device: String,
    phone: u32,
}

impl App<'_> {
    fn register(&self, phone: u32, user: &str, locale: &str, push_token: &Value) -> Registered {
        let body = json!({
            "user_token": user_token(user),
            "locale": locale,
            "push_tokens": [push_token],
        });
        let path = "/v1/apps/shop/devices";
        let key = Some(self.publishable.as_str());
        let (status, said) = self.server.call("POST", path, key, &body);
        assert_eq!(status, 201, "{said}");
        assert_eq!(said["user_id"], user);
        Registered {
            device: said["id"].as_str().unwrap().to_owned(),
            phone,
        }
    }

    fn android(&self, home: &Home, user: &str, locale: &str) -> Registered {
        let new = NewFcmPhones {
            project: PROJECT.into(),
            ..NewFcmPhones::default()
        };
        let made = home.simulator.make_fcm_phones(&new).unwrap().remove(0);
        let push_token = json!({"kind": "fcm", "token": made.registration_token});
        self.register(made.id, user, locale, &push_token)
    }

    fn iphone(&self, home: &Home, user: &str, locale: &str) -> Registered {
        let new = push_sim::NewPhones {
            app: BUNDLE_ID.into(),
            ..push_sim::NewPhones::default()
        };
        let mut made = home.simulator.make_phones(&new).unwrap().remove(0);
        let token = made.push_tokens.remove(&push_sim::PushTokenKind::Alert);
        let push_token = json!({"kind": "alert", "token": token.unwrap()});
        self.register(made.id, user, locale, &push_token)
    }

    fn browser(&self, home: &Home, user: &str, locale: &str, vapid_key: &str) -> Registered {
        let new = NewBrowsers {
            application_server_key: Some(vapid_key.to_owned()),
            ..NewBrowsers::default()
        };
        let made = home.simulator.make_browsers(&new).unwrap().remove(0);
        let push_token = json!({"kind": "webpush", "subscription": made.subscription});
        self.register(made.id, user, locale, &push_token)
    }
}

/// What the back end signs: who is signed in, for some minutes.
fn user_token(user: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    crate::support::user_token(IDENTITY_SECRET, user, now.as_secs() as i64 + 300)
}

/// Reports a comment of the writer's: the notification that came of it.
fn comment(server: &Server<'_>, text: &str) -> String {
    let event = json!({
        "name": "comment.created",
        "actor": WRITER,
        "recipients": [FRIEND, WRITER],
        "data": {"writer": "지수", "comment": text},
    });
    let (status, said) = server.call("POST", "/v1/apps/shop/events", None, &event);
    assert_eq!(status, 202, "{said}");
    assert_eq!(said["triggers"][0]["result"], "sent", "{said}");
    let notification = &said["triggers"][0]["notifications"][0];
    notification.as_str().unwrap().to_owned()
}

fn deliveries(server: &Server<'_>, notification: &str) -> Vec<Value> {
    let text = server.get(&format!(
        "/v1/apps/shop/notifications/{notification}/deliveries"
    ));
    let mut said: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(said["data"].take()).unwrap()
}

fn states(deliveries: &[Value]) -> Vec<&str> {
    let mut states: Vec<_> = deliveries
        .iter()
        .map(|delivery| delivery["state"].as_str().unwrap())
        .collect();
    states.sort_unstable();
    states
}

fn retired(server: &Server<'_>, of: &Registered) -> Value {
    let text = server.get(&format!("/v1/apps/shop/devices/{}", of.device));
    let device: Value = serde_json::from_str(&text).unwrap();
    device["push_tokens"][0]["retired_at"].clone()
}

/// Titles and bodies as somebody would read them.
fn read(shown: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let shown = shown.as_array().unwrap().iter();
    shown
        .map(|one| (text(&one["title"]), text(&one["body"])))
        .collect()
}

fn shown_on_android(home: &Home, of: &Registered) -> Vec<(String, String)> {
    let phone = home.simulator.fcm_phone(of.phone).unwrap();
    read(&serde_json::to_value(phone).unwrap()["shown"])
}

fn shown_in_browser(home: &Home, of: &Registered) -> Vec<(String, String)> {
    let browser = home.simulator.browser(of.phone).unwrap();
    read(&serde_json::to_value(browser).unwrap()["shown"])
}

fn shown_on_iphone(home: &Home, of: &Registered) -> Vec<(String, String)> {
    let phone = home.simulator.phone(of.phone).unwrap();
    let shown = phone.apps.iter().flat_map(|app| &app.shown);
    let alerts = shown.map(|one| one.payload["aps"]["alert"].clone());
    read(&Value::Array(alerts.collect()))
}
