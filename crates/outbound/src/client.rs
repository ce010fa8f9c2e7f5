//! The client: one attempt to one URL, within a deadline, behind the guard.
//!
//! It follows no redirect, asks no proxy that the environment names, repeats nothing, and reads no more of an answer than it
//! keeps. How many calls run at once, to whom, is the caller's business.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::webhook::{WebhookAnswer, WebhookResult, WebhookUrl};
use egress_guard::Host;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, Url};
use tokio::time::{Instant, timeout_at};

use crate::config::{ConfigError, WebhookConfig};
use crate::failure::{failure, refused, sentence, timeout};
use crate::lookup::GuardedLookup;
use crate::retry_after::retry_after;
use crate::secret::WebhookSecret;
use crate::signature::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign_with_all};

/// Sends webhooks. Clones share connections.
#[derive(Clone, Debug)]
pub struct WebhookClient {
    http: reqwest::Client,
    config: Arc<WebhookConfig>,
}

/// One attempt to tell something.
#[derive(Clone, Debug)]
pub struct WebhookCall<'a> {
    /// Where.
    pub url: &'a WebhookUrl,
    /// The `webhook-id`: the same at every attempt.
    pub id: &'a str,
    /// The body, the same at every attempt.
    pub body: Bytes,
    /// Secrets of the endpoint that are live now, newest first.
    pub secrets: &'a [WebhookSecret],
}

/// How long a question may take, and how much of its answer is read.
#[derive(Clone, Copy, Debug)]
pub struct AskBounds {
    /// Longest time, from the lookup to the end of the body.
    pub deadline: Duration,
    /// Longest body, in bytes.
    pub most: usize,
}

const USER_AGENT: &str = concat!("Carillon/", env!("CARGO_PKG_VERSION"), " (webhooks)");

/// Most headers of an answer.
const MAX_HEADERS: usize = 64;

impl WebhookClient {
    /// A client with these settings; connects to nothing yet.
    ///
    /// # Errors
    /// If a certificate cannot be read.
    pub fn new(config: WebhookConfig) -> Result<Self, ConfigError> {
        let lookup = GuardedLookup::new(config.guard.clone(), config.lookup.clone());
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(config.tls()?)
            .dns_resolver(lookup)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            .http1_max_headers(MAX_HEADERS)
            .connect_timeout(config.connect_deadline)
            .pool_idle_timeout(config.idle)
            .pool_max_idle_per_host(config.idle_connections)
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| ConfigError::Start(error.to_string().into()))?;
        Ok(Self {
            http,
            config: Arc::new(config),
        })
    }

    /// Whether calls to this URL are made at all, as far as its text tells: for whoever sets an endpoint, before anything
    /// happens. What its host's name stands for is judged at each call.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check(&self, url: &str) -> Result<(), String> {
        self.judged(url).map(drop)
    }

    /// Signs a call and makes it. `now` becomes its timestamp: receivers tolerate five minutes.
    pub async fn call(&self, call: &WebhookCall<'_>, now: UnixMs) -> WebhookAnswer {
        let headers = match signed(call, now) {
            Ok(headers) => headers,
            Err(answer) => return answer,
        };
        self.post(call.url.as_str(), headers, call.body.clone())
            .await
    }

    /// Signs a question and asks it. The whole body of the answer comes with it, unless it is longer than `most` bytes or
    /// breaks off; what is in the answer itself is its beginning, for people.
    pub async fn ask(
        &self,
        call: &WebhookCall<'_>,
        bounds: AskBounds,
        now: UnixMs,
    ) -> (WebhookAnswer, Option<Bytes>) {
        let headers = match signed(call, now) {
            Ok(headers) => headers,
            Err(answer) => return (answer, None),
        };
        let (url, body) = (call.url.as_str(), call.body.clone());
        let (mut answer, whole, is_cut) = self.post_within(url, headers, body, bounds).await;
        if let WebhookResult::Answered { body, .. } = &mut answer.result {
            let mut end = body.len().min(self.config.kept_body_bytes);
            while !body.is_char_boundary(end) {
                end -= 1;
            }
            body.truncate(end);
        }
        (answer, (!is_cut).then(|| whole.into()))
    }

    /// Posts a body to a URL, once. Whatever happens is an answer.
    pub async fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> WebhookAnswer {
        let bounds = AskBounds {
            deadline: self.config.deadline,
            most: self.config.kept_body_bytes,
        };
        self.post_within(url, headers, body, bounds).await.0
    }

    /// The answer, the body as it came, and whether there was, or may have been, more of it.
    async fn post_within(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        bounds: AskBounds,
    ) -> (WebhookAnswer, Vec<u8>, bool) {
        let started = Instant::now();
        let (mut answer, whole, is_cut) = match self.judged(url) {
            Ok((url, host)) => {
                self.exchange(url, &host, headers, body, started, bounds)
                    .await
            }
            Err(message) => (refused(&message), Vec::new(), true),
        };
        answer.elapsed_ms = started.elapsed().as_millis() as u64;
        (answer, whole, is_cut)
    }

    async fn exchange(
        &self,
        url: Url,
        host: &Host,
        headers: HeaderMap,
        body: Bytes,
        started: Instant,
        bounds: AskBounds,
    ) -> (WebhookAnswer, Vec<u8>, bool) {
        let deadline = started + bounds.deadline;
        let none = |answer| (answer, Vec::new(), true);
        let request = self.http.post(url).headers(headers).body(body).send();
        let response = match timeout_at(deadline, request).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return none(failure(&error, host.as_str(), &self.config)),
            Err(_) => return none(timeout(host.as_str(), "no answer", bounds.deadline)),
        };
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let (whole, body_is_cut) = beginning(response, deadline, bounds.most).await;
        let answer = WebhookAnswer {
            result: WebhookResult::Answered {
                status,
                retry_after,
                body: plain_text(&whole),
                body_is_cut,
            },
            elapsed_ms: 0,
        };
        (answer, whole, body_is_cut)
    }

    /// The URL as it will be used, and its host, if the guard lets them through.
    fn judged(&self, text: &str) -> Result<(Url, Host), String> {
        if let Some(problem) = WebhookUrl::new(text).problem(true) {
            return Err(problem.message);
        }
        let url = Url::parse(text).map_err(|error| format!("the URL cannot be read: {error}"))?;
        // From here on only what the parser made of it counts: it turns `127.1` and `0x7f000001` into what they stand for, and
        // connections are made to its reading.
        let host = url.host_str().unwrap_or_default();
        let host = Host::parse(host).map_err(|error| error.to_string())?;
        let port = url.port_or_known_default().unwrap_or_default();
        let guard = &self.config.guard;
        guard
            .check(&host, port)
            .map_err(|forbidden| sentence(&forbidden))?;
        if url.scheme() != "https" && !guard.trusts(&host, port) {
            return Err(format!(
                "{host} may only be told over https; plain http is for hosts and addresses that the server's configuration names"
            ));
        }
        Ok((url, host))
    }
}

/// The headers of a call, with its signatures; or the answer that it cannot be made.
fn signed(call: &WebhookCall<'_>, now: UnixMs) -> Result<HeaderMap, WebhookAnswer> {
    let timestamp = now.div_euclid(1_000);
    let signatures = sign_with_all(call.secrets, call.id, timestamp, &call.body);
    let mut headers = HeaderMap::new();
    for (name, text) in [
        (ID_HEADER, call.id),
        (TIMESTAMP_HEADER, &timestamp.to_string()),
        (SIGNATURE_HEADER, &signatures),
    ] {
        match HeaderValue::from_str(text) {
            Ok(value) => headers.insert(HeaderName::from_static(name), value),
            Err(_) => return Err(refused(&format_args!("{name} cannot stand in a header"))),
        };
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(headers)
}

/// The beginning of the body, and whether that is not all. The status stands whatever becomes of the body: that breaks off,
/// never ends, or is slower than the deadline. What is not kept is not read: the connection is closed.
async fn beginning(mut response: Response, deadline: Instant, most: usize) -> (Vec<u8>, bool) {
    let mut kept = Vec::new();
    let is_cut = loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = most - kept.len();
                kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    break true;
                }
            }
            Ok(Ok(None)) => break false,
            Ok(Err(_)) | Err(_) => break true,
        }
    };
    (kept, is_cut)
}

/// As text that can be shown in a terminal: control characters other than line ends and tabs are replaced.
fn plain_text(bytes: &[u8]) -> String {
    let is_shown = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| {
            if is_shown(c) {
                c
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(places: &[&str]) -> WebhookClient {
        let config = WebhookConfig::default().allow_private(places).unwrap();
        WebhookClient::new(config).unwrap()
    }

    #[test]
    fn urls_are_judged_by_what_they_stand_for() {
        let public = client(&[]);
        let own = client(&["127.0.0.1", "hooks.internal"]);
        // For each URL: words of the refusal by the one and the other; none: it is let through.
        let ok = None;
        for (url, by_public, by_own) in [
            ("https://hooks.example.net/x", ok, ok),
            ("https://hooks.example.net:8443/x", ok, ok),
            ("https://17.1.2.3/x", ok, ok),
            (
                "http://hooks.example.net/x",
                Some("over https"),
                Some("over https"),
            ),
            ("https://127.0.0.1/x", Some("loopback"), ok),
            ("http://127.0.0.1:8080/x", Some("loopback"), ok),
            ("https://127.1/x", Some("loopback"), ok),
            ("https://0x7f000001/x", Some("loopback"), ok),
            ("https://2130706433/x", Some("loopback"), ok),
            ("https://%31%32%37.0.0.1/x", Some("loopback"), ok),
            ("https://[::ffff:127.0.0.1]/x", Some("loopback"), ok),
            ("https://127.0.0.2/x", Some("loopback"), Some("loopback")),
            ("https://[::1]/x", Some("loopback"), Some("loopback")),
            (
                "https://0.0.0.0/x",
                Some("unspecified"),
                Some("unspecified"),
            ),
            (
                "https://169.254.169.254/latest/meta-data",
                Some("link-local"),
                Some("link-local"),
            ),
            (
                "https://[fd00:ec2::254]/x",
                Some("private"),
                Some("private"),
            ),
            ("http://hooks.internal/x", Some("over https"), ok),
            (
                "https://user:pass@hooks.example.net/x",
                Some("password"),
                Some("password"),
            ),
            ("https://a_b.example/x", Some("labels"), Some("labels")),
            (
                "ftp://hooks.example.net/x",
                Some("https://"),
                Some("https://"),
            ),
            (
                "https://hooks.example.net:99999/x",
                Some("port"),
                Some("port"),
            ),
            ("", Some("0 bytes"), Some("0 bytes")),
        ] {
            for (client, expected) in [(&public, by_public), (&own, by_own)] {
                let found = client.check(url).err();
                let fits = match (&found, expected) {
                    (None, None) => true,
                    (Some(text), Some(words)) => text.contains(words),
                    _ => false,
                };
                assert!(fits, "{url}: {found:?}");
            }
        }
    }

    #[test]
    fn bodies_are_shown_without_terminal_tricks() {
        assert_eq!(
            plain_text(b"ok\n\tfine\x1b[2J\r\xff\xc3\xa9"),
            "ok\n\tfine\u{fffd}[2J\u{fffd}\u{fffd}é"
        );
    }

    #[test]
    fn a_client_can_be_shared() {
        fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
        shared(&client(&[]));
    }
}
