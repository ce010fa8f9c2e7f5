//! The demo's second act: people with an Android phone and a browser each, an event, and what came of
//! it on every screen and at the webhook.

use super::receiver::Receiver;
use crate::client::ApiClient;
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use carillon_outbound::WebhookSecret;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The Firebase project of the Android phones.
const PROJECT: &str = "carillon-demo";
/// Entries of a list of the simulator's, read at once.
const PAGE: usize = 10_000;
/// The one who writes the comment.
const WRITER: u64 = 1;
/// What he writes, and what the others read.
const COMMENT: &str = "사진 좋다!";
const TITLE_KO: &str = "지수님의 새 댓글";
const TITLE_EN: &str = "지수's new comment";
/// Calls of the webhook that are waited for at most.
const MOST_CALLS: usize = 10_000;

/// People, numbered from 1 as their phones and browsers are at the simulator.
pub(super) struct Readers {
    count: u64,
    /// How many, from the last one back, have removed the app from their phones.
    dead: u64,
}

/// What both sides say of the event.
pub(super) struct Told {
    pub(super) fields: Vec<(&'static str, Value)>,
    pub(super) disagreements: Vec<String>,
}

impl Readers {
    /// A fifth as many as there are iPhones, and at most as many as an event may name.
    pub(super) fn of(phones: u32) -> Self {
        let count = u64::from((phones / 5).clamp(4, 500));
        Self {
            count,
            dead: (count / 20).max(1),
        }
    }

    fn is_dead(&self, reader: u64) -> bool {
        reader > self.count - self.dead
    }

    fn everybody(&self) -> impl Iterator<Item = u64> {
        1..=self.count
    }

    /// Sets up both gateways, the people's devices, a template, and a trigger.
    pub(super) async fn set_up(
        &self,
        ours: &ApiClient,
        simulator: &ApiClient,
        app: &str,
    ) -> Result<(), Failure> {
        let path = |what: &str| format!("/v1/apps/{app}/{what}");
        let account = simulator
            .post("/v1/fcm/service-accounts", &json!({ "project": PROJECT }))
            .await?;
        let google = json!({ "gateway": "fcm", "service_account": account.body["key_file"] });
        ours.put(&path("credentials/google"), &google).await?;
        let contact = json!({ "contact": "mailto:demo@example.com" });
        let browsers = json!({ "gateway": "webpush", "vapid_keys": contact });
        let vapid = ours.put(&path("credentials/browsers"), &browsers).await?;
        let phones = simulator
            .post(
                "/v1/fcm/phones",
                &json!({ "project": PROJECT, "count": self.count }),
            )
            .await?;
        let browsers = simulator
            .post(
                "/v1/browsers",
                &json!({ "count": self.count, "application_server_key": vapid.body["public_keys"][0] }),
            )
            .await?;
        let phones = phones.body["phones"].as_array().into_iter().flatten();
        let browsers = browsers.body["browsers"].as_array().into_iter().flatten();
        let mut lines = String::new();
        for (phone, browser) in phones.zip(browsers) {
            let android = json!({ "kind": "fcm", "token": phone["registration_token"] });
            let web = json!({ "kind": "webpush", "subscription": browser["subscription"] });
            for (what, of, push_token) in [("android", phone, android), ("browser", browser, web)] {
                let number = of["id"].as_u64().unwrap_or(0);
                let device = json!({
                    "id": format!("{what}-{number}"),
                    "user_id": format!("reader-{number}"),
                    "locale": if is_korean(number) { "ko-KR" } else { "en-US" },
                    "push_tokens": [push_token],
                });
                lines.push_str(&format!("{device}\n"));
            }
        }
        let mut refused = None;
        ours.stream_lines(
            &super::super::device::import_path(app),
            "application/x-ndjson",
            &[],
            lines,
            |line| {
                if line.contains("\"problem\"") {
                    refused = Some(line.to_owned());
                }
            },
        )
        .await?;
        if let Some(line) = refused {
            let why = format!("a phone or browser was refused: {line}");
            return Err(Failure::new(Exit::Software, why));
        }
        let dead: Vec<u64> = self.everybody().filter(|n| self.is_dead(*n)).collect();
        let removed = json!({ "ids": dead, "installed": false });
        simulator
            .call(reqwest::Method::PATCH, "/v1/fcm/phones", Some(&removed))
            .await?;
        let template = json!({
            "default_locale": "en",
            "variables": { "writer": { "type": "string" }, "comment": { "type": "string" } },
            "content": {
                "en": { "title": "{{ writer }}'s new comment", "body": "{{ comment }}" },
                "ko": { "title": "{{ writer }}님의 새 댓글" },
            },
        });
        ours.put(&path("templates/comment"), &template).await?;
        let trigger = json!({ "event": "comment.created", "template": "comment" });
        ours.put(&path("triggers/comments"), &trigger).await?;
        Ok(())
    }

    /// Reports a comment of the first reader's to all of them, and holds against each other what we
    /// say, what their screens show and what the webhook was told.
    pub(super) async fn tell(
        &self,
        ours: &ApiClient,
        simulator: &ApiClient,
        app: &str,
        output: Output,
    ) -> Result<Told, Failure> {
        let mut receiver = Receiver::start().await?;
        let endpoint = ours
            .put(
                &format!("/v1/apps/{app}/webhooks/demo"),
                &json!({ "url": receiver.url(), "events": ["notification.completed", "delivery.failed", "device.retired"] }),
            )
            .await?;
        let secret = WebhookSecret::parse(&shown(&endpoint.body, "/secret")).map_err(|why| {
            Failure::new(
                Exit::Software,
                format!("the webhook's secret is none: {why}"),
            )
        })?;
        let recipients: Vec<String> = self.everybody().map(|n| format!("reader-{n}")).collect();
        let event = json!({
            "name": "comment.created",
            "actor": format!("reader-{WRITER}"),
            "recipients": recipients,
            "data": { "writer": "지수", "comment": COMMENT },
        });
        let answer = ours.post(&format!("/v1/apps/{app}/events"), &event).await?;
        let id = shown(&answer.body, "/triggers/0/notifications/0");
        let notification = super::super::notification::wait(ours, app, &id, output).await?;
        output.line("An event was reported: everybody but its writer reads it in his own language. The webhook was told:");
        let heard = self.hear(&mut receiver, &secret, &id, output).await?;
        // Whatever the App does from here on is nobody's business any more.
        ours.delete(&format!("/v1/apps/{app}/webhooks/demo"))
            .await?;
        self.compare(ours, simulator, app, &notification, &heard)
            .await
    }

    /// Listens until the notification is told as completed and every dead phone as retired.
    async fn hear(
        &self,
        receiver: &mut Receiver,
        secret: &WebhookSecret,
        id: &str,
        output: Output,
    ) -> Result<Heard, Failure> {
        let mut heard = Heard::default();
        let (mut numbers, mut calls) = (BTreeSet::new(), 0);
        while calls < MOST_CALLS && !heard.is_all(self.dead) {
            calls += 1;
            let Some(said) = receiver.next(secret).await? else {
                break;
            };
            // An event may be told twice.
            if !numbers.insert(said["no"].as_i64()) {
                continue;
            }
            output.line(format!("  {} {}", shown(&said, "/type"), summary(&said)));
            heard.add(&said, id);
        }
        Ok(heard)
    }

    async fn compare(
        &self,
        ours: &ApiClient,
        simulator: &ApiClient,
        app: &str,
        notification: &Value,
        heard: &Heard,
    ) -> Result<Told, Failure> {
        let count = |state: &str| notification["deliveries"][state].as_u64().unwrap_or(0);
        let (total, accepted) = (count("total"), count("accepted"));
        let devices = ours
            .list(&format!("/v1/apps/{app}/devices"), usize::MAX)
            .await?;
        let is_retired = |device: &&Value| {
            shown(device, "/id").starts_with("android-")
                && !device["push_tokens"][0]["retired_at"].is_null()
        };
        let retired = devices.iter().filter(is_retired).count() as u64;
        let phones = screens(simulator, "/v1/fcm/phones", "phones").await?;
        let browsers = screens(simulator, "/v1/browsers", "browsers").await?;
        let mut disagreements = Vec::new();
        let (mut on_phones, mut in_browsers) = (0, 0);
        for (screens, what, sum) in [
            (&phones, "android", &mut on_phones),
            (&browsers, "browser", &mut in_browsers),
        ] {
            for screen in screens {
                let number = screen["id"].as_u64().unwrap_or(0);
                let read = read(screen);
                *sum += read.len() as u64;
                let expected = self.expected(what, number);
                if read != expected {
                    disagreements.push(format!(
                        "{what}-{number}: it should show {expected:?}, it shows {read:?}"
                    ));
                }
            }
        }
        let told = 2 * (self.count - 1);
        for (what, one, other) in [
            ("deliveries of the event", total, told),
            (
                "accepted deliveries of the event",
                accepted,
                on_phones + in_browsers,
            ),
            (
                "accepted deliveries of the event",
                accepted,
                told - self.dead,
            ),
            (
                "rejected deliveries of the event",
                count("rejected"),
                self.dead,
            ),
            ("retired registration tokens", retired, self.dead),
            (
                "retired registration tokens at the webhook",
                heard.retired,
                retired,
            ),
            (
                "failed deliveries at the webhook",
                heard.failed,
                count("rejected"),
            ),
            ("told as completed", u64::from(heard.is_completed), 1),
        ] {
            if one != other {
                disagreements.push(format!("{what}: one side says {one}, the other {other}"));
            }
        }
        Ok(Told {
            fields: vec![
                ("event_deliveries", json!(total)),
                ("event_accepted", json!(accepted)),
                ("event_rejected", json!(count("rejected"))),
                ("shown_on_android", json!(on_phones)),
                ("shown_in_browsers", json!(in_browsers)),
                ("retired_registrations", json!(retired)),
                ("webhook_retired", json!(heard.retired)),
            ],
            disagreements,
        })
    }

    /// What one of their screens should show.
    fn expected(&self, what: &str, reader: u64) -> Vec<(String, String)> {
        if reader == WRITER || (what == "android" && self.is_dead(reader)) {
            return Vec::new();
        }
        let title = if is_korean(reader) {
            TITLE_KO
        } else {
            TITLE_EN
        };
        vec![(title.to_owned(), COMMENT.to_owned())]
    }
}

impl std::fmt::Display for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{0} Android phones ({1} without the app) and {0} browsers",
            self.count, self.dead
        )
    }
}

/// What the webhook was told.
#[derive(Default)]
struct Heard {
    retired: u64,
    failed: u64,
    is_completed: bool,
}

impl Heard {
    fn is_all(&self, dead: u64) -> bool {
        self.is_completed && self.retired >= dead && self.failed >= dead
    }

    fn add(&mut self, said: &Value, notification: &str) {
        let data = &said["data"];
        let list = |name: &str| data[name].as_array().map_or(&[][..], Vec::as_slice);
        match said["type"].as_str() {
            Some("device.retired") => {
                let of_android = list("entries").iter().filter(|e| e["kind"] == "fcm");
                self.retired += of_android.count() as u64;
            }
            Some("delivery.failed") if data["notification"] == notification => {
                self.failed += data["count"].as_u64().unwrap_or(0);
            }
            Some("notification.completed") => {
                self.is_completed |= list("notifications").iter().any(|n| n == notification);
            }
            _ => {}
        }
    }
}

/// Every other reader.
fn is_korean(reader: u64) -> bool {
    reader.is_multiple_of(2)
}

/// The kind of thing that was told, in a few words.
fn summary(said: &Value) -> String {
    let data = &said["data"];
    let many = |name: &str| data[name].as_array().map_or(0, Vec::len);
    match said["type"].as_str() {
        Some("device.retired") => format!("{} push tokens", many("entries")),
        Some("delivery.failed") => format!("{} deliveries", shown(data, "/count")),
        _ => format!("{} notifications", many("notifications")),
    }
}

/// Titles and bodies on a screen.
fn read(screen: &Value) -> Vec<(String, String)> {
    let list = screen["shown"].as_array().into_iter().flatten();
    list.map(|one| (shown(one, "/title"), shown(one, "/body")))
        .collect()
}

/// All of a list of the simulator's.
async fn screens(simulator: &ApiClient, path: &str, name: &str) -> Result<Vec<Value>, Failure> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let mut page = simulator
            .get(&format!("{path}?after_id={after}&limit={PAGE}"))
            .await?;
        if let Value::Array(list) = page[name].take() {
            all.extend(list);
        }
        match page["next_after_id"].as_u64() {
            Some(next) => after = next,
            None => return Ok(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_and_removed_apps_show_nothing() {
        let readers = Readers::of(20);
        assert_eq!((readers.count, readers.dead), (4, 1));
        assert!(readers.expected("browser", WRITER).is_empty());
        assert!(readers.expected("android", 4).is_empty());
        assert_eq!(readers.expected("browser", 4)[0].0, TITLE_KO);
        assert_eq!(readers.expected("android", 3)[0].0, TITLE_EN);
        assert_eq!(Readers::of(100_000).count, 500);
    }

    #[test]
    fn what_a_webhook_says_is_added_up() {
        let mut heard = Heard::default();
        for said in [
            json!({"type": "device.retired", "data": {"entries": [{"kind": "fcm"}, {"kind": "alert"}]}}),
            json!({"type": "delivery.failed", "data": {"notification": "ntf_1", "count": 1}}),
            json!({"type": "delivery.failed", "data": {"notification": "ntf_2", "count": 9}}),
        ] {
            heard.add(&said, "ntf_1");
        }
        assert!(!heard.is_all(1));
        let completed =
            json!({"type": "notification.completed", "data": {"notifications": ["ntf_1"]}});
        heard.add(&completed, "ntf_1");
        assert!(heard.is_all(1) && !heard.is_all(2));
    }
}
