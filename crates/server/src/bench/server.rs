//! The measured server: a process of its own on a fresh store, with Apps, keys and devices.

use super::cores::Core;
use super::http::{HttpConnection, post_head};
use super::process::Process;
use crate::client::ApiClient;
use crate::exit::{Exit, Failure};
use crate::scratch::Scratch;
use crate::seal::hex;
use crate::signing_key;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the server may take until it serves.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(60);
/// Devices in one import request.
const IMPORT_LINES: u64 = 20_000;
/// Pause between two looks at the counters.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where the server sends to.
#[derive(Clone, Debug)]
pub(super) struct Gateways {
    pub(super) production: String,
    pub(super) sandbox: String,
    pub(super) ca_pem: Vec<u8>,
}

/// Its data and settings; outlives the process, so that it can be started again.
pub(super) struct Home {
    scratch: Scratch,
    env: Vec<(String, String)>,
    admin_key: Option<String>,
}

/// A running one.
pub(super) struct MeasuredServer {
    process: Process,
    /// From spawn to the first request answered.
    pub(super) ready_in: Duration,
    /// `host:port`.
    pub(super) address: String,
    pub(super) api_key: String,
    pub(super) client: ApiClient,
}

impl Home {
    /// A fresh one below `data`, or below the temporary directory.
    pub(super) fn new(data: Option<&Path>, gateways: &Gateways) -> Result<Self, Failure> {
        let parent = data.map_or_else(std::env::temp_dir, Path::to_owned);
        std::fs::create_dir_all(&parent).map_err(|error| Failure::io("make", &parent, &error))?;
        let scratch = Scratch::under(&parent, "bench")
            .map_err(|error| Failure::io("make a directory in", &parent, &error))?;
        let ca_file = scratch.path().join("ca.pem");
        std::fs::write(&ca_file, &gateways.ca_pem)
            .map_err(|error| Failure::io("write", &ca_file, &error))?;
        let text = |path: PathBuf| path.display().to_string();
        let env = [
            ("SERVER__LISTEN", "127.0.0.1:0".to_owned()),
            ("STORE__PATH", text(scratch.path().join("carillon.db"))),
            ("APNS__PRODUCTION", gateways.production.clone()),
            ("APNS__SANDBOX", gateways.sandbox.clone()),
            ("APNS__CA_FILE", text(ca_file)),
            ("LOG__LEVEL", "warn".to_owned()),
        ]
        .map(|(name, value)| (format!("CARILLON_{name}"), value))
        .to_vec();
        Ok(Self {
            scratch,
            env,
            admin_key: None,
        })
    }

    /// Keeps what it stores in an empty database on a server instead, without a password and on this machine.
    pub(super) fn keep_on(&mut self, url: &str) {
        self.env.retain(|(name, _)| name != "CARILLON_STORE__PATH");
        self.env
            .push(("CARILLON_STORE__URL".to_owned(), url.to_owned()));
    }

    /// Sets another setting, by its environment variable without the prefix.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.env
            .push((format!("CARILLON_{name}"), value.to_owned()));
    }

    /// Where its files are.
    pub(super) fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// Starts a server on it.
    pub(super) async fn start(&mut self) -> Result<MeasuredServer, Failure> {
        self.start_at(None).await
    }

    /// The same, which keeps to one core.
    pub(super) async fn start_on(&mut self, core: Core) -> Result<MeasuredServer, Failure> {
        self.start_at(Some(core)).await
    }

    async fn start_at(&mut self, core: Option<Core>) -> Result<MeasuredServer, Failure> {
        let began = Instant::now();
        let process = Process::start_on(core, &["serve"], &self.env, READY_WITHIN).await?;
        let url = process.said["url"].as_str().unwrap_or_default().to_owned();
        if let Some(key) = process.said["admin_api_key"].as_str() {
            self.admin_key = Some(key.to_owned());
        }
        let api_key = self
            .admin_key
            .clone()
            .ok_or_else(|| Failure::new(Exit::Software, "a fresh store made no admin key"))?;
        let client = ApiClient::with_key(&url, &SecretString::from(api_key.clone()))?;
        client.get("/readyz").await?;
        Ok(MeasuredServer {
            process,
            ready_in: began.elapsed(),
            address: url.trim_start_matches("http://").to_owned(),
            api_key,
            client,
        })
    }
}

impl MeasuredServer {
    /// Makes an App with a fresh key. A gateway that verifies gets its public half.
    pub(super) async fn make_app(
        &self,
        app: &str,
        apple: Option<&ApiClient>,
    ) -> Result<(), Failure> {
        let key = signing_key::fresh()?;
        let (team_id, key_id) = ("BENCHTEAM1", "BENCHKEY01");
        if let Some(apple) = apple {
            let body =
                json!({ "team_id": team_id, "key_id": key_id, "public_key_pem": key.public_pem });
            apple.post("/v1/keys", &body).await?;
        }
        self.client
            .put(&format!("/v1/apps/{app}"), &json!({ "name": app }))
            .await?;
        let credential = json!({
            "gateway": "apns",
            "topics": [topic(app)],
            "signing_key": { "pem": key.private_pem, "key_id": key_id, "team_id": team_id },
        });
        self.client
            .put(&format!("/v1/apps/{app}/credentials/apple"), &credential)
            .await?;
        Ok(())
    }

    /// Registers `count` devices `d0`, `d1`, … with push tokens from `push_token`.
    pub(super) async fn make_devices(
        &self,
        app: &str,
        environment: &str,
        count: u64,
        push_token: impl Fn(u64) -> String,
    ) -> Result<(), Failure> {
        self.import(app, count, |number| {
            format!(
                "{{\"id\":\"d{number}\",\"push_tokens\":[{{\"token\":\"{}\",\"environment\":\"{environment}\"}}]}}\n",
                push_token(number)
            )
        })
        .await
    }

    /// Registers `count` users `u0`, `u1`, …, each with one device that has a push token for production.
    pub(super) async fn make_users(
        &self,
        app: &str,
        count: u64,
        push_token: impl Fn(u64) -> String,
    ) -> Result<(), Failure> {
        self.import(app, count, |number| {
            format!(
                "{{\"id\":\"d{number}\",\"user_id\":\"u{number}\",\"locale\":\"ko-KR\",\"push_tokens\":[{{\"token\":\"{}\",\"environment\":\"production\"}}]}}\n",
                push_token(number)
            )
        })
        .await
    }

    /// One line for each device.
    async fn import(
        &self,
        app: &str,
        count: u64,
        line: impl Fn(u64) -> String,
    ) -> Result<(), Failure> {
        let mut connection = HttpConnection::open(&self.address).await?;
        let path = crate::commands::device::import_path(app);
        let head = post_head(&path, &self.api_key, "application/x-ndjson");
        let mut first = 0;
        while first < count {
            let last = (first + IMPORT_LINES).min(count);
            let mut body = String::with_capacity(160 * IMPORT_LINES as usize);
            for number in first..last {
                body.push_str(&line(number));
            }
            let request = format!("{head}{}\r\n\r\n{body}", body.len());
            let answer = connection.call(request.as_bytes()).await?;
            let text = String::from_utf8_lossy(&answer.body);
            if answer.status != 200 || text.contains("\"problem\"") {
                let line = text
                    .lines()
                    .find(|line| line.contains("problem"))
                    .unwrap_or(&text);
                return Err(Failure::new(
                    Exit::Software,
                    format!("devices were refused ({}): {line}", answer.status),
                ));
            }
            first = last;
        }
        Ok(())
    }

    /// Deliveries of an App that ended, by state.
    pub(super) async fn totals(&self, app: &str) -> Result<Value, Failure> {
        Ok(self.client.get(&format!("/v1/apps/{app}/stats")).await?["totals"].take())
    }

    /// Waits until so many deliveries of these Apps were accepted by the gateway; anything else that
    /// became of one is an error.
    pub(super) async fn until_accepted(
        &self,
        apps: &[String],
        count: u64,
        within: Duration,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        loop {
            let (mut accepted, mut other) = (0, 0);
            for app in apps {
                for (state, count) in self.totals(app).await?.as_object().into_iter().flatten() {
                    let count = count.as_u64().unwrap_or(0);
                    if state == "accepted" {
                        accepted += count
                    } else {
                        other += count
                    }
                }
            }
            if other > 0 {
                return Err(Failure::new(
                    Exit::Software,
                    format!("{other} deliveries were not accepted by the gateway"),
                ));
            }
            if accepted >= count {
                return Ok(());
            }
            if began.elapsed() > within {
                return Err(Failure::new(
                    Exit::Software,
                    format!("only {accepted} of {count} deliveries were final after {within:?}"),
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Its CPU time so far, in seconds.
    pub(super) fn cpu_secs(&self) -> f64 {
        self.process.cpu_secs()
    }

    /// Its memory now.
    pub(super) fn rss_bytes(&self) -> Option<u64> {
        self.process.rss_bytes()
    }

    /// Its highest memory so far.
    pub(super) fn peak_rss_bytes(&self) -> Option<u64> {
        self.process.peak_rss_bytes()
    }

    /// Stops it gracefully.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        self.process.stop(STOP_WITHIN).await
    }
}

/// The bundle id of a bench App.
pub(super) fn topic(app: &str) -> String {
    format!("com.example.{app}")
}

/// A push token for a device: random, but the same for the same App and number.
pub(super) fn push_token(app: &str, number: u64) -> String {
    let text = format!("{app}/{number}");
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref())
}
