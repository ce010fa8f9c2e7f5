//! The caller of the API: asks until it is answered, over as many lives of the process as that takes.
//!
//! A question whose answer was lost is asked again with the same Idempotency-Key, as the API tells its users to.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Where the process is reached, and in which life.
#[derive(Clone, Debug)]
pub(crate) struct Up {
    pub(crate) life: u32,
    /// One for each process that answers; at least one.
    pub(crate) urls: Vec<String>,
}

/// The longest that one question may go without an answer, restarts included.
const DEADLINE: Duration = Duration::from_secs(180);
/// The longest wait for one try.
const TRY_DEADLINE: Duration = Duration::from_secs(30);
/// The pause after a try that came to nothing while the process lives.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest pause that a `Retry-After` makes.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// A question to the API.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Option<String>,
    pub(crate) idempotency: Option<String>,
}

/// An answer that is not "come back later".
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// The API's only client here. Cheap to share.
#[derive(Debug)]
pub(crate) struct Caller {
    http: reqwest::Client,
    up: watch::Receiver<Option<Up>>,
    api_key: OnceLock<String>,
    /// Whose turn it is, where several answer.
    turn: AtomicUsize,
    /// How often which kind of "come back later", or no answer at all, was met.
    refusals: Mutex<BTreeMap<String, u64>>,
}

enum Try {
    Answered(Said),
    Later(String, Duration),
}

impl Question {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            content_type: "application/json",
            body: None,
            idempotency: None,
        }
    }

    pub(crate) fn put(path: impl Into<String>, body: &Value) -> Self {
        Self {
            method: Method::PUT,
            body: Some(body.to_string()),
            ..Self::get(path)
        }
    }

    pub(crate) fn post(path: impl Into<String>, body: String, idempotency: String) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            idempotency: Some(idempotency),
            ..Self::get(path)
        }
    }
}

impl Said {
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.text).with_context(|| format!("not JSON: {}", self.text))
    }

    /// The JSON of a success.
    pub(crate) fn success(&self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            bail!("the API answered {}: {}", self.status, self.text);
        }
        self.json()
    }

    /// The problem's codes: its own, and those of the fields.
    pub(crate) fn codes(&self) -> String {
        codes(&serde_json::from_str(&self.text).unwrap_or_default())
    }
}

impl Caller {
    pub(crate) fn new(up: watch::Receiver<Option<Up>>) -> Result<Self> {
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(TRY_DEADLINE)
            .no_proxy()
            .build()?;
        let (api_key, refusals) = (OnceLock::new(), Mutex::default());
        Ok(Self {
            http,
            up,
            api_key,
            turn: AtomicUsize::new(0),
            refusals,
        })
    }

    /// The client itself, for whoever asks somebody else.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(crate) fn set_api_key(&self, api_key: String) {
        self.api_key.get_or_init(|| api_key);
    }

    /// How often which kind of "come back later" was met.
    pub(crate) fn refusals(&self) -> BTreeMap<String, u64> {
        self.refusals.lock().clone()
    }

    /// Asks until there is an answer that is not "come back later".
    pub(crate) async fn ask(&self, question: &Question) -> Result<Said> {
        let asked = Instant::now();
        let mut last = String::from("the program did not come up");
        while asked.elapsed() < DEADLINE {
            let mut up = self.up.clone();
            let there = timeout(DEADLINE, up.wait_for(Option::is_some)).await;
            let Some(there) = there.ok().and_then(|there| there.ok()?.clone()) else {
                break;
            };
            let (why, pause) = match self.try_once(&there, question).await {
                Try::Answered(said) => return Ok(said),
                Try::Later(why, pause) => (why, pause),
            };
            *self.refusals.lock().entry(why.clone()).or_default() += 1;
            last = why;
            // Until another life begins, or the pause is over.
            let _ = timeout(
                pause,
                up.wait_for(|up| up.as_ref().is_some_and(|up| up.life != there.life)),
            )
            .await;
        }
        bail!(
            "{} {} had no answer after {} s: {last}",
            question.method,
            question.path,
            DEADLINE.as_secs()
        )
    }

    async fn try_once(&self, up: &Up, question: &Question) -> Try {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let url = format!("{}{}", up.urls[turn % up.urls.len()], question.path);
        let mut request = self.http.request(question.method.clone(), url);
        if let Some(api_key) = self.api_key.get() {
            request = request.bearer_auth(api_key);
        }
        if let Some(body) = &question.body {
            request = request
                .header("content-type", question.content_type)
                .body(body.clone());
        }
        if let Some(key) = &question.idempotency {
            request = request.header("idempotency-key", key);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(_) => return Try::Later("no answer".to_owned(), PAUSE),
        };
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map_or(PAUSE, Duration::from_secs);
        match response.text().await {
            Err(_) => Try::Later("answer cut short".to_owned(), PAUSE),
            // A conflict with anything but a request of the same key is an answer.
            Ok(text)
                if matches!(status, 408 | 429 | 500..)
                    || code_of(status, &text) == "idempotency.in_progress" =>
            {
                Try::Later(
                    format!("{status} {}", code_of(status, &text)),
                    retry_after.min(MAX_PAUSE),
                )
            }
            Ok(text) => Try::Answered(Said { status, text }),
        }
    }
}

/// The codes of a problem document.
pub(crate) fn codes(problem: &Value) -> String {
    let fields = problem["errors"].as_array().into_iter().flatten();
    let all = std::iter::once(problem).chain(fields);
    let words: Vec<&str> = all.filter_map(|part| part["code"].as_str()).collect();
    words.join(" ")
}

fn code_of(status: u16, text: &str) -> String {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    problem["code"]
        .as_str()
        .map_or_else(|| status.to_string(), str::to_owned)
}
