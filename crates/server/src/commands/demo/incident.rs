//! An incident from failure to recovery: a shop that is watched stops at night, one person sleeps, the next one wakes up. On a
//! server and a simulator of their own whose clocks run fast; what the phones did is held against what they should have done.

use super::readers::Told;
use super::stage::{Stage, hour};
use super::{APP, BUNDLE_ID, set_up};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use crate::signing_key;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// When it begins, and how fast it goes: some five minutes in some ten seconds.
const BEGINS: &str = "03:00:00";
const SPEED: f64 = 30.0;
/// For how long the one who has it in hand looks for what is wrong: 1 min, in milliseconds.
const MENDS_AFTER_MS: i64 = 60_000;
/// How long he takes to pick up: a tenth of a second here, 3 s there.
const PICKS_UP_MS: u64 = 100;
/// How often we look for what is new.
const LOOK: Duration = Duration::from_millis(40);
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "shop";
/// What can be told to the person at the phone, and what an app is built with for it.
const KINDS: [&str; 2] = ["alert", "voip"];
const ALL: [&str; 3] = ["voip_call_ui", "critical_alerts", "time_sensitive"];

/// What every phone is to have shown, in order: how far it interrupted, and what was read.
const EXPECTED: [(&str, &[(&str, &str)]); 3] = [
    (
        "ann's phone",
        &[
            ("time_sensitive", "shop is down"),
            ("call", ""),
            ("passive", "shop: bob is on it"),
            ("active", "shop is up again"),
        ],
    ),
    (
        "ann's old phone",
        &[
            ("time_sensitive", "shop is down"),
            ("critical", "shop is down"),
            ("passive", "shop: bob is on it"),
            ("active", "shop is up again"),
        ],
    ),
    (
        "bob's phone",
        &[("call", ""), ("active", "shop is up again")],
    ),
];

/// Lets it happen, and holds what the phones showed against what it should be.
pub(super) async fn happen(output: Output) -> Result<Told, Failure> {
    let private = ("monitors.allow_private", toml::Value::from("127.0.0.1"));
    let stage = Stage::set("incident", BEGINS, SPEED, [private]).await?;
    output.line(format!(
        "A shop is watched every ten seconds, ann and bob are on call, and it is night; {SPEED:.0} times as fast as time goes:"
    ));
    let incident = Incident {
        stage: &stage,
        output,
    };
    let told = tokio::time::timeout(PATIENCE, incident.happen()).await;
    stage.clear().await?;
    told.map_err(|_| {
        let why = format!("the incident was not over after {PATIENCE:?}");
        Failure::new(Exit::TempFail, why)
    })?
}

struct Incident<'s> {
    stage: &'s Stage,
    output: Output,
}

/// A phone, and what it showed so far.
struct Phone {
    no: u64,
    name: &'static str,
    /// Number of the newest push that it showed.
    newest: u64,
    showed: Vec<(String, String)>,
}

impl Incident<'_> {
    async fn happen(&self) -> Result<Told, Failure> {
        let Stage { ours, apple, .. } = self.stage;
        set_up(ours, apple, &signing_key::fresh()?).await?;
        let mut phones = [
            self.register(EXPECTED[0].0, "ann", &ALL, None).await?,
            self.register(EXPECTED[1].0, "ann", &ALL[1..], None).await?,
            self.register(EXPECTED[2].0, "bob", &ALL, Some("acknowledge"))
                .await?,
        ];
        let mut shop = Shop::open(None).await?;
        self.watch(&shop).await?;

        let (mut told, mut mends_at) = (0, None);
        let mut was_up = false;
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let now = self.stage.clock.now_ms();
            let state = shown(
                &ours.get(&path(&format!("monitors/{NAME}"))).await?,
                "/state",
            );
            if !was_up && state == "ok" {
                was_up = true;
                self.say(now, "the shop answers, and then it stops");
                shop.close().await;
            }
            let is_open = ["firing", "acknowledged"].contains(&state.as_str());
            if is_open || told > 0 {
                told = self.tell(told).await?;
            }
            for phone in &mut phones {
                self.follow(phone).await?;
            }
            if state == "acknowledged" && mends_at.is_none() {
                mends_at = Some(now + MENDS_AFTER_MS);
            }
            if shop.is_closed() && mends_at.is_some_and(|at| now >= at) {
                self.say(now, "the shop runs again");
                shop = Shop::open(Some(shop.address)).await?;
            }
            if phones
                .iter()
                .zip(EXPECTED)
                .all(|(phone, (_, all))| phone.showed.len() >= all.len())
                && state == "ok"
                && told > 0
            {
                self.tell(told).await?;
                return self.compare(&phones).await;
            }
        }
    }

    /// A phone whose app registers it, with what it declares, and reports what arrives; its owner answers when it rings, or not.
    async fn register(
        &self,
        name: &'static str,
        user: &str,
        capabilities: &[&str],
        answer: Option<&str>,
    ) -> Result<Phone, Failure> {
        let Stage { ours, apple, .. } = self.stage;
        let base = ours.base();
        let mut answers = vec![json!({
            "url": format!("{base}/v1/receipts"),
            "body": { "receipt": "{/carillon_receipt}", "event": "delivered" },
        })];
        if let Some(what) = answer {
            answers.push(json!({
                "to": "call",
                "after_ms": PICKS_UP_MS,
                "url": format!("{base}{{/carillon_incident/link}}"),
                "body": { "do": what },
            }));
        }
        let new = json!({
            "app": BUNDLE_ID, "kinds": KINDS, "capabilities": capabilities, "answers": answers,
        });
        let made = apple.post("/v1/phones", &new).await?.body;
        let no = made["phones"][0]["id"].as_u64().unwrap_or_default();
        let push_tokens = KINDS.map(|kind| {
            let push_token = shown(&made, &format!("/phones/0/push_tokens/{kind}"));
            json!({ "kind": kind, "token": push_token, "environment": "production" })
        });
        let declared: Vec<&&str> = capabilities.iter().filter(|one| **one == ALL[0]).collect();
        let registration =
            json!({ "user_id": user, "push_tokens": push_tokens, "capabilities": declared });
        let device = path(&format!(
            "devices/{}",
            name.replace(' ', "-").replace('\'', "")
        ));
        ours.put(&device, &registration).await?;
        Ok(Phone {
            no,
            name,
            newest: 0,
            showed: Vec::new(),
        })
    }

    /// Who is on call, how they are paged, and what is watched.
    async fn watch(&self, shop: &Shop) -> Result<(), Failure> {
        let rotation = json!({
            "time_zone": "Asia/Seoul",
            "layers": [{ "members": ["ann", "bob"], "turn": "7d", "starts_on": "2026-11-30" }],
        });
        let ladder = json!({ "steps": [
            { "whom": { "on_call": "night" }, "how": "alert" },
            { "after": "1m", "whom": { "on_call": "night" }, "how": "ring" },
            { "after": "1m", "whom": { "next": "night" }, "how": "ring" },
            { "after": "5m", "whom": { "everybody": "night" }, "how": "critical" },
        ]});
        let monitor = json!({
            "check": { "http": { "url": format!("http://{}/", shop.address) } },
            "private_target": true,
            "interval": "10s",
            "retries": 0,
            "ladder": "night",
        });
        let ours = &self.stage.ours;
        ours.put(&path("rotations/night"), &rotation).await?;
        ours.put(&path("ladders/night"), &ladder).await?;
        ours.put(&path(&format!("monitors/{NAME}")), &monitor)
            .await?;
        Ok(())
    }

    fn say(&self, at_ms: i64, what: &str) {
        self.output.line(format!("  {}  {what}", hour(at_ms)));
    }

    /// Says what is new in the incident's record: how many entries it has.
    async fn tell(&self, told: usize) -> Result<usize, Failure> {
        let incident = self
            .stage
            .ours
            .get(&path(&format!("incidents/{NAME}/1")))
            .await?;
        let entries = incident["entries"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        for entry in entries.iter().skip(told) {
            let at = instant(entry);
            self.say(at, &format!("incident: {}", shown(entry, "/said")));
            for one in entry["told"].as_array().into_iter().flatten() {
                let (device, instead) = (shown(one, "/device"), shown(one, "/instead"));
                if !instead.is_empty() {
                    self.say(at, &format!("{device} is {instead}"));
                }
            }
        }
        Ok(entries.len())
    }

    /// Says what is new on a phone.
    async fn follow(&self, phone: &mut Phone) -> Result<(), Failure> {
        let view = self
            .stage
            .apple
            .get(&format!("/v1/phones/{}", phone.no))
            .await?;
        for entry in view["apps"][0]["shown"].as_array().into_iter().flatten() {
            let record = entry["record"].as_u64().unwrap_or_default();
            if record <= phone.newest {
                continue;
            }
            phone.newest = record;
            let far = shown(entry, "/interruption");
            let title = shown(entry, "/payload/aps/alert/title");
            let how = match far.as_str() {
                "time_sensitive" => format!(" reads: {title} (through a Focus)"),
                "critical" => format!(" reads: {title} (sounds although it is silent)"),
                "call" => " rings".to_owned(),
                _ => format!(" reads: {title}"),
            };
            let at = entry["at_ms"].as_i64().unwrap_or_default();
            self.say(at, &format!("{}{how}", phone.name));
            let title = if far == "call" { String::new() } else { title };
            phone.showed.push((far, title));
        }
        Ok(())
    }

    async fn compare(&self, phones: &[Phone]) -> Result<Told, Failure> {
        let mut disagreements = Vec::new();
        for (phone, (name, all)) in phones.iter().zip(EXPECTED) {
            let expected: Vec<(String, String)> = all
                .iter()
                .map(|&(far, title)| (far.to_owned(), title.to_owned()))
                .collect();
            let showed = &phone.showed;
            if *showed != expected {
                disagreements.push(format!(
                    "{name}: it should have shown {expected:?}, it showed {showed:?}"
                ));
            }
        }
        let incident = self
            .stage
            .ours
            .get(&path(&format!("incidents/{NAME}/1")))
            .await?;
        let entries = incident["entries"].as_array().into_iter().flatten();
        let pages = entries.filter(|entry| entry["what"] == "paged").count() as u64;
        let counters = self.stage.apple.get("/v1/counters").await?;
        let count = |effect: &str| counters["effects"][effect].as_u64().unwrap_or(0);
        for (what, found, expected) in [
            ("steps of the ladder", pages, 3),
            ("phones that rang", count("call"), 2),
            ("apps that iOS killed", count("killed"), 0),
        ] {
            if found != expected {
                disagreements.push(format!("{what}: {found} instead of {expected}"));
            }
        }
        Ok(Told {
            fields: vec![
                ("incident_pages", json!(pages)),
                ("incident_rings", json!(count("call"))),
                ("incident_apps_killed", json!(count("killed"))),
            ],
            disagreements,
        })
    }
}

fn path(rest: &str) -> String {
    format!("/v1/apps/{APP}/{rest}")
}

/// When an entry of the record was made, Unix milliseconds.
fn instant(entry: &Value) -> i64 {
    let at = shown(entry, "/at").parse::<jiff::Timestamp>();
    at.map_or(0, jiff::Timestamp::as_millisecond)
}

/// What is watched: it answers every request with 200, or nobody listens there.
struct Shop {
    address: SocketAddr,
    task: Option<JoinHandle<()>>,
}

impl Shop {
    async fn open(address: Option<SocketAddr>) -> Result<Self, Failure> {
        let address = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let failed = |error: std::io::Error| {
            Failure::new(
                Exit::Unavailable,
                format!("the shop cannot listen: {error}"),
            )
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // Whoever asks slowly is not waited for: this is nobody's real shop.
                let mut request = [0; 4096];
                let asked = stream.read(&mut request);
                let _ = tokio::time::timeout(Duration::from_secs(5), asked).await;
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Ok(Self {
            address,
            task: Some(task),
        })
    }

    async fn close(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // It was aborted: there is nothing to hear from it.
            let _ = task.await;
        }
    }

    fn is_closed(&self) -> bool {
        self.task.is_none()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
