//! A lesson's life on its parents' lock screens: a Live Activity with its timeline, on a server and a simulator of their own
//! whose clocks run fast. What it does besides is what a back end and an app do, by the same doors.

use super::readers::Told;
use super::stage::{Stage, at, hour, ms};
use super::{APP, BUNDLE_ID, set_up};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use crate::signing_key;
use serde_json::{Value, json};
use std::time::Duration;

/// When the clocks begin, and when the phones have forgotten it.
const BEGINS: &str = "15:59:00";
const GONE: &str = "17:25:00";
/// When iOS gives one phone another update token, and when the lesson is extended.
const ROTATES: &str = "16:20:00";
const EXTENDED: &str = "16:50:00";
/// How often the app looks for a token that it has not told, and we for what is new on the screens.
const LOOK: Duration = Duration::from_millis(40);
/// How much longer than it should all of it may take.
const PATIENCE: Duration = Duration::from_secs(30);
const ID: &str = "lesson-42";
const TYPE: &str = "LessonAttributes";

/// What every phone's lock screen is to have shown, in order.
const EXPECTED: [(&str, &str); 6] = [
    ("started", "active"),
    ("updated", "ending"),
    ("updated", "active"),
    ("updated", "ending"),
    ("ended", "ended"),
    ("left", "ended"),
];

/// A phone of the lesson's.
struct Phone {
    no: u64,
    device: String,
    environment: &'static str,
    /// The update token that its app told last.
    told: String,
    /// What its lock screen did so far.
    history: Vec<Value>,
}

/// Lets it live, within about so many seconds, and holds what the phones showed against what it should be.
pub(super) async fn live(seconds: u32, output: Output) -> Result<Told, Failure> {
    let span_ms = ms(GONE)? - ms(BEGINS)?;
    let speed = span_ms as f64 / (f64::from(seconds) * 1_000.0);
    let stage = Stage::set("lesson", BEGINS, speed, []).await?;
    let lesson = Lesson {
        stage: &stage,
        output,
    };
    output.line(format!(
        "A lesson from 16:00 to 17:00, on lock screens; {speed:.0} times as fast as time goes:"
    ));
    let longest = Duration::from_secs(seconds.into()) + PATIENCE;
    let told = tokio::time::timeout(longest, lesson.live()).await;
    stage.clear().await?;
    told.map_err(|_| {
        let why = format!("the lesson was not over after {longest:?}");
        Failure::new(Exit::TempFail, why).mend("give it more time with --lesson-seconds")
    })?
}

struct Lesson<'s> {
    stage: &'s Stage,
    output: Output,
}

impl Lesson<'_> {
    async fn live(&self) -> Result<Told, Failure> {
        set_up(&self.stage.ours, &self.stage.apple, &signing_key::fresh()?).await?;
        let mut phones = Vec::new();
        for environment in ["production", "sandbox"] {
            phones.push(self.register(environment).await?);
        }
        self.stage
            .ours
            .put(&path(""), &plan(at("17:00:00")))
            .await?;
        let (mut is_rotated, mut is_extended) = (false, false);
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !phones.iter().all(Phone::is_over) {
            looks.tick().await;
            let now = self.stage.clock.now_ms();
            if !is_rotated && now >= ms(ROTATES)? {
                is_rotated = true;
                self.rotate(&phones[1]).await?;
            }
            if !is_extended && now >= ms(EXTENDED)? {
                is_extended = true;
                self.extend().await?;
            }
            for phone in &mut phones {
                self.follow(phone).await?;
            }
        }
        self.compare(&phones).await
    }

    /// A phone on which a parent is signed in; its app tells by what an activity can be started there.
    async fn register(&self, environment: &'static str) -> Result<Phone, Failure> {
        let kinds = ["alert", "live_activity_start"];
        let new = json!({ "app": BUNDLE_ID, "environment": environment, "kinds": kinds });
        let made = self.stage.apple.post("/v1/phones", &new).await?.body;
        let no = made["phones"][0]["id"].as_u64().unwrap_or_default();
        let device = format!("phone-{no}");
        let push_token = |kind: &str| shown(&made, &format!("/phones/0/push_tokens/{kind}"));
        let of_device = format!("/v1/apps/{APP}/devices/{device}");
        let registration = json!({
            "user_id": "parent-7",
            "push_tokens": [{ "token": push_token("alert"), "environment": environment }],
        });
        self.stage.ours.put(&of_device, &registration).await?;
        let start = format!("{of_device}/push-to-start-tokens/{TYPE}");
        let told =
            json!({ "token": push_token("live_activity_start"), "environment": environment });
        self.stage.ours.put(&start, &told).await?;
        Ok(Phone {
            no,
            device,
            environment,
            told: String::new(),
            history: Vec::new(),
        })
    }

    async fn rotate(&self, phone: &Phone) -> Result<(), Failure> {
        let rotate = json!({ "rotate_update_tokens": true });
        let path = format!("/v1/phones/{}", phone.no);
        let method = reqwest::Method::PATCH;
        self.stage.apple.call(method, &path, Some(&rotate)).await?;
        self.output.line(format!(
            "  {}  iOS gives {} another update token",
            hour(self.stage.clock.now_ms()),
            phone.device
        ));
        Ok(())
    }

    async fn extend(&self) -> Result<(), Failure> {
        let longer = json!({
            "ends_at": at("17:20:00"),
            "content_state": { "endTime": { "$date": at("17:20:00") } },
        });
        let method = reqwest::Method::PATCH;
        self.stage
            .ours
            .call(method, &path(""), Some(&longer))
            .await?;
        let now = hour(self.stage.clock.now_ms());
        self.output
            .line(format!("  {now}  the lesson is extended to 17:20"));
        Ok(())
    }

    /// What the app does (it tells a token that is new), and what we do: tell what is new on the screen.
    async fn follow(&self, phone: &mut Phone) -> Result<(), Failure> {
        let view = self
            .stage
            .apple
            .get(&format!("/v1/phones/{}", phone.no))
            .await?;
        let activity = &view["apps"][0]["activities"][0];
        let push_token = shown(activity, "/update_token");
        if push_token != phone.told {
            let told = json!({
                "token": push_token,
                "environment": phone.environment,
                "attributes_type": shown(activity, "/attributes_type"),
                "attributes": activity["attributes"],
                "content_state": activity["content_state"],
            });
            let tell = format!("{}/tokens/{}", path(""), phone.device);
            self.stage.ours.put(&tell, &told).await?;
            phone.told = push_token;
        }
        let history = format!("/v1/phones/{}/lock-screen/history", phone.no);
        let mut history = self.stage.apple.get(&history).await?;
        let Value::Array(history) = history["changes"].take() else {
            return Ok(());
        };
        for change in history.iter().skip(phone.history.len()) {
            self.show(phone, change).await?;
        }
        phone.history = history;
        Ok(())
    }

    async fn show(&self, phone: &Phone, change: &Value) -> Result<(), Failure> {
        let at = change["at_ms"].as_i64().unwrap_or_default();
        let screen = format!("/v1/phones/{}/lock-screen?at_ms={at}", phone.no);
        let screen = self.stage.apple.get(&screen).await?;
        let what = match screen["activities"][0].is_null() {
            true => "nothing".to_owned(),
            false => {
                let state = shown(&screen, "/activities/0/content_state/status");
                let alert = shown(&screen, "/activities/0/alert/body");
                let alert = match &*alert {
                    "" => String::new(),
                    alert => format!(", and says: {alert}"),
                };
                format!("{state}{alert}")
            }
        };
        let line = format!("  {}  {} shows {what}", hour(at), phone.device);
        self.output.line(line);
        Ok(())
    }

    /// Holds the screens against what they should have shown, and our records against Apple's.
    async fn compare(&self, phones: &[Phone]) -> Result<Told, Failure> {
        let mut disagreements = Vec::new();
        for phone in phones {
            let of = |change: &Value| {
                let status = shown(change, "/content_state/status");
                (shown(change, "/change"), status)
            };
            let told: Vec<_> = phone.history.iter().map(of).collect();
            let expected = EXPECTED.map(|(change, state)| (change.to_owned(), state.to_owned()));
            if told != expected {
                let device = &phone.device;
                disagreements.push(format!(
                    "{device}: its lock screen should have shown {expected:?}, it showed {told:?}"
                ));
            }
        }
        let records = self.stage.ours.get(&path("/phases")).await?;
        let records = records["data"].as_array().cloned().unwrap_or_default();
        let is_phase = |one: &&Value| ["phase", "late_phase"].contains(&&*shown(one, "/what"));
        let phases = records.iter().filter(is_phase).count();
        let told = records.iter().filter_map(|one| one["phones"].as_u64());
        let told: u64 = told.sum();
        let received = self
            .stage
            .apple
            .get("/v1/received?gateway=apns&status=200&limit=1000")
            .await?;
        let received = received["received"].as_array().map_or(0, Vec::len) as u64;
        if told != received {
            disagreements.push(format!(
                "pushes of the lesson: we say {told}, the simulator says {received}"
            ));
        }
        Ok(Told {
            fields: vec![
                ("lesson_phones", json!(phones.len())),
                ("lesson_pushes", json!(received)),
                ("lesson_phases", json!(phases)),
            ],
            disagreements,
        })
    }
}

impl Phone {
    fn is_over(&self) -> bool {
        let last = self.history.last();
        last.is_some_and(|change| change["change"] == "left")
    }
}

/// What is declared, once.
fn plan(ends_at: String) -> Value {
    json!({
        "recipient": { "user": "parent-7" },
        "attributes_type": TYPE,
        "attributes": { "childId": "7", "academyName": "Seoul Piano" },
        "content_state": { "status": "active", "endTime": { "$date": ends_at } },
        "alert": { "title": "Lesson", "body": "The lesson begins" },
        "starts_at": at("16:00:00"),
        "ends_at": ends_at,
        "stale_after": "5m",
        "phases": [{
            "name": "ending",
            "at": "ends_at - 15m",
            "content_state": { "status": "ending" },
            "alert": { "title": "Lesson", "body": "It ends in a quarter of an hour" },
        }],
        "end": { "content_state": { "status": "ended" }, "dismiss_after": "5m" },
    })
}

fn path(rest: &str) -> String {
    format!("/v1/apps/{APP}/live-activities/{ID}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_hours_are_in_order() {
        assert!(ms(BEGINS).unwrap() < ms(ROTATES).unwrap());
        assert!(ms(EXTENDED).unwrap() < ms(GONE).unwrap());
    }
}
