//! Checks by HTTP/1.1: one request, or a few where redirects are followed.

use std::sync::Arc;

use carillon_model::UnixMs;
use carillon_model::monitor::{
    CheckResult, FaultKind, HttpAnswer, HttpMethod, HttpPlan, MAX_ANSWER_BYTES,
};
use http::header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use super::Attempt;
use super::connect::{Place, connected, secured};

const AGENT: &str = concat!("Carillon/", env!("CARGO_PKG_VERSION"), " (monitor)");

/// Most headers of an answer.
const MAX_HEADERS: usize = 100;
/// Most bytes of an answer's headers.
const MAX_HEAD: usize = 64 * 1_024;
/// Most bytes through which regular expressions go here: with the largest of them that is some milliseconds.
const JUDGED_HERE: usize = 512;

/// What is asked next.
struct Asked {
    url: Url,
    method: HttpMethod,
    /// Whether headers and body of the check go with it: never to another place than the one it names.
    is_own: bool,
}

/// The URL as it will be used. From here on only what the parser made of it counts: it turns `127.1` and `0x7f000001` into
/// what they stand for, and connections are made to its reading.
pub(super) fn read_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("the URL cannot be read: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("expected https:// or http://, found {other}://")),
    }
}

impl Attempt<'_> {
    pub(super) async fn http(
        &self,
        plan: &HttpPlan,
        now: UnixMs,
    ) -> Result<CheckResult, CheckResult> {
        let request = &plan.request;
        let refused = |why| CheckResult::unknown(FaultKind::Refused, why);
        let first = read_url(&request.url).map_err(refused)?;
        let mut asked = Asked {
            url: first.clone(),
            method: request.method,
            is_own: true,
        };
        let mut seen = vec![asked.url.clone()];
        loop {
            let (answer, location) = self.exchange(plan, &asked).await?;
            let is_redirect = matches!(answer.status, 301 | 302 | 303 | 307 | 308);
            let (true, 1.., Some(location)) = (is_redirect, request.redirects, location) else {
                return self.judged(plan, answer, now).await;
            };
            let wrong = |message: String| {
                CheckResult::down(FaultKind::Redirects, message).after(self.elapsed_ms())
            };
            let host = asked.url.host_str().unwrap_or_default();
            let next = asked
                .url
                .join(&location)
                .map_err(|error| wrong(format!("{host} leads to what cannot be read: {error}")))?;
            if !matches!(next.scheme(), "http" | "https") {
                return Err(wrong(format!("{host} leads to {}://", next.scheme())));
            }
            let to = next.host_str().unwrap_or_default();
            if seen.contains(&next) {
                return Err(wrong(format!(
                    "{host} leads back to {to}, where it came from"
                )));
            }
            if seen.len() > usize::from(request.redirects) {
                let message = format!(
                    "more than {} redirects, the last to {to}",
                    request.redirects
                );
                return Err(wrong(message));
            }
            seen.push(next.clone());
            let keeps = matches!(answer.status, 307 | 308);
            asked = Asked {
                method: match asked.method {
                    HttpMethod::Head => HttpMethod::Head,
                    method if keeps => method,
                    _ => HttpMethod::Get,
                },
                is_own: next.origin() == first.origin(),
                url: next,
            };
        }
    }

    /// Judges an answer. What takes long has a thread for it, for all the other checks wait on this one; and it has the time
    /// that is left of the attempt.
    async fn judged(
        &self,
        plan: &HttpPlan,
        answer: HttpAnswer,
        now: UnixMs,
    ) -> Result<CheckResult, CheckResult> {
        if plan.matched_bytes(&answer) <= JUDGED_HERE {
            return Ok(plan.judge(&answer, now));
        }
        let elapsed_ms = answer.elapsed_ms;
        let not_judged =
            |message: String| CheckResult::unknown(FaultKind::Pattern, message).after(elapsed_ms);
        let (plan, judges) = (plan.clone(), Arc::clone(&self.inner.judges));
        let judging = async move {
            let permit = judges.acquire_owned().await.map_err(|e| e.to_string())?;
            // It cannot be broken off: whoever waits no longer leaves the permit with it until it ends.
            let judging = spawn_blocking(move || {
                let _permit = permit;
                plan.judge(&answer, now)
            });
            judging.await.map_err(|error| error.to_string())
        };
        match timeout_at(self.deadline, judging).await {
            Ok(judged) => {
                judged.map_err(|why| not_judged(format!("the answer could not be judged: {why}")))
            }
            Err(_) => Err(not_judged(format!(
                "the answer was not judged within {} s: its regular expression, or those of others, took too long; make it simpler",
                self.limit.as_secs_f32()
            ))),
        }
    }

    /// One request and its answer, with where it leads.
    async fn exchange(
        &self,
        plan: &HttpPlan,
        asked: &Asked,
    ) -> Result<(HttpAnswer, Option<String>), CheckResult> {
        let url = &asked.url;
        let port = url.port_or_known_default().unwrap_or(443);
        let place = Place::parse(url.host_str().unwrap_or_default(), port)?;
        let stream = connected(self, &place).await?;
        if url.scheme() == "http" {
            return self.speak(plan, asked, &place, stream, None).await;
        }
        let (stream, until) = secured(self, &place, place.host.as_str(), stream).await?;
        self.speak(plan, asked, &place, stream, until).await
    }

    async fn speak(
        &self,
        plan: &HttpPlan,
        asked: &Asked,
        place: &Place,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        certificate_until: Option<UnixMs>,
    ) -> Result<(HttpAnswer, Option<String>), CheckResult> {
        let broke_off = |error: hyper::Error| {
            let message = format!("the exchange with {place} broke off: {}", words(&error));
            CheckResult::down(FaultKind::Exchange, message).after(self.elapsed_ms())
        };
        let request =
            written(plan, asked).map_err(|why| CheckResult::unknown(FaultKind::Refused, why))?;
        let exchange = async {
            let (mut sender, connection) = http1::Builder::new()
                .max_headers(MAX_HEADERS)
                .max_buf_size(MAX_HEAD)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(broke_off)?;
            let answer = async {
                let response = sender.send_request(request).await.map_err(broke_off)?;
                let (head, body) = response.into_parts();
                let (body, body_is_cut) = beginning(body).await.map_err(broke_off)?;
                Ok::<_, CheckResult>((head, body, body_is_cut))
            };
            tokio::pin!(answer, connection);
            let mut is_connected = true;
            loop {
                tokio::select! {
                    biased;
                    answer = &mut answer => return answer,
                    // What it ends with is told by the answer that then does not come, or has come.
                    _ = &mut connection, if is_connected => is_connected = false,
                }
            }
        };
        let (head, body, body_is_cut) = timeout_at(self.deadline, exchange)
            .await
            .map_err(|_| self.too_late("no whole answer", place))??;
        let location = head.headers.get(LOCATION);
        let location = location.and_then(|value| Some(value.to_str().ok()?.to_owned()));
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
        let answer = HttpAnswer {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body,
            body_is_cut,
            elapsed_ms: self.elapsed_ms(),
            certificate_until,
        };
        Ok((answer, location))
    }
}

fn written(plan: &HttpPlan, asked: &Asked) -> Result<Request<Full<Bytes>>, String> {
    let (check, url) = (&plan.request, &asked.url);
    let wrong = |error: &dyn std::fmt::Display| format!("the request cannot be written: {error}");
    let method = Method::from_bytes(asked.method.as_str().as_bytes()).map_err(|e| wrong(&e))?;
    let query = url
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    let host = match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    };
    let has_body = asked.is_own && asked.method == check.method;
    let body = check.body.as_ref().filter(|_| has_body);
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{query}", url.path()))
        .header(HOST, host)
        .header(CONNECTION, "close")
        .body(Full::from(Bytes::from(body.cloned().unwrap_or_default())))
        .map_err(|error| wrong(&error))?;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    for (name, value) in check.headers.iter().filter(|_| asked.is_own) {
        let name: HeaderName = name.parse().map_err(|error| wrong(&error))?;
        let mut value = HeaderValue::from_str(value).map_err(|error| wrong(&error))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(request)
}

/// The beginning of a body, and whether there is more of it. What is beyond is not read: the connection is closed.
async fn beginning(mut body: Incoming) -> Result<(Vec<u8>, bool), hyper::Error> {
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame?.into_data() else {
            continue;
        };
        let room = MAX_ANSWER_BYTES - kept.len();
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((kept, true));
        }
    }
    Ok((kept, false))
}

/// What is wrong with an exchange; the innermost cause says most.
fn words(error: &hyper::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
