//! The HTTP client of the command line: speaks to a running server and turns its problems into
//! sentences and exit codes.

use crate::exit::{Exit, Failure};
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longest time that one upload or backup may take.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How to reach the server: the same for every command that does.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServerOptions {
    /// Where the server is
    #[arg(
        long,
        global = true,
        env = "CARILLON_URL",
        default_value = "http://127.0.0.1:8600"
    )]
    pub(crate) url: String,
    /// API key (better in CARILLON_API_KEY, or in a file, than in the shell's history)
    #[arg(long, global = true, env = "CARILLON_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<SecretString>,
    /// File that holds the API key
    #[arg(
        long,
        global = true,
        env = "CARILLON_API_KEY_FILE",
        value_name = "FILE"
    )]
    pub(crate) api_key_file: Option<PathBuf>,
    /// PEM file with a further certificate authority to trust
    #[arg(long, global = true, env = "CARILLON_CA_FILE", value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Seconds to wait for each answer
    #[arg(long, global = true, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) timeout: u64,
}

/// A client for one server.
#[derive(Clone)]
pub(crate) struct ApiClient {
    http: reqwest::Client,
    base: String,
}

/// An answer with a 2xx status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its body; `null` when empty.
    pub(crate) body: Value,
}

impl ApiClient {
    /// Builds it; connects to nothing yet.
    pub(crate) fn new(options: &ServerOptions) -> Result<Self, Failure> {
        let api_key = match (&options.api_key, &options.api_key_file) {
            (Some(key), _) => Some(key.clone()),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Failure::io("read the API key file", path, &error))?;
                Some(SecretString::from(text.trim().to_owned()))
            }
            (None, None) => None,
        };
        Self::build(
            &options.url,
            api_key.as_ref(),
            options.ca_file.as_deref(),
            Duration::from_secs(options.timeout),
        )
    }

    /// For a server of which address and key are at hand.
    pub(crate) fn with_key(url: &str, api_key: &SecretString) -> Result<Self, Failure> {
        Self::build(url, Some(api_key), None, Duration::from_secs(60))
    }

    /// For a server that asks for no key: the simulator's admin API.
    pub(crate) fn open(url: &str) -> Result<Self, Failure> {
        Self::build(url, None, None, Duration::from_secs(60))
    }

    fn build(
        url: &str,
        api_key: Option<&SecretString>,
        ca_file: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let wrong_url = || {
            Failure::new(
                Exit::Usage,
                format!("--url: expected an address such as http://127.0.0.1:8600, found {url:?}"),
            )
        };
        let parsed = reqwest::Url::parse(url).map_err(|_| wrong_url())?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(wrong_url());
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = api_key {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
                .map_err(|_| {
                    Failure::new(Exit::Usage, "the API key has characters that no key has")
                        .mend("give the key exactly as it was printed")
                })?;
            value.set_sensitive(true);
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(ca_file)?)
            .default_headers(headers)
            .timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(10)))
            .user_agent(concat!("carillon/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none());
        if matches!(parsed.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| Failure::new(Exit::Software, format!("the HTTP client: {error}")))?;
        Ok(Self {
            http,
            base: url.trim_end_matches('/').to_owned(),
        })
    }

    /// Where it goes.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// GET.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        Ok(self.call(Method::GET, path, None).await?.body)
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.call(Method::DELETE, path, None).await
    }

    /// PUT with a JSON body.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// POST with a JSON body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// POST with a JSON body, of something that takes as long as it takes: the server bounds it.
    pub(crate) async fn post_patiently(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .timeout(LONGEST)
            .json(body);
        let (head, text) = self.send(request).await?;
        read_answer(head, &text)
    }

    /// Any call with a JSON body or none.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        let (head, text) = self.send(request).await?;
        read_answer(head, &text)
    }

    /// PUT of a stream with a content type of its own. Takes as long as it takes: the server bounds it.
    pub(crate) async fn put_stream(
        &self,
        path: &str,
        content_type: &'static str,
        body: impl Into<reqwest::Body>,
    ) -> Result<Answer, Failure> {
        let request = self
            .http
            .put(format!("{}{path}", self.base))
            .timeout(LONGEST)
            .header(reqwest::header::CONTENT_TYPE, content_type)
            .body(body);
        let (head, text) = self.send(request).await?;
        read_answer(head, &text)
    }

    /// POST of text with a content type of its own; the answer's text as it is.
    pub(crate) async fn post_text(
        &self,
        path: &str,
        content_type: &'static str,
        headers: &[(&'static str, String)],
        body: impl Into<reqwest::Body>,
    ) -> Result<String, Failure> {
        let mut request = self
            .http
            .post(format!("{}{path}", self.base))
            .header(reqwest::header::CONTENT_TYPE, content_type)
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let (head, text) = self.send(request).await?;
        if head.status.is_success() {
            Ok(text)
        } else {
            Err(refusal(head, &text))
        }
    }

    /// POST of a stream whose answer is lines; each is handed over as it comes. Takes as long as it
    /// takes: the server bounds the pauses.
    pub(crate) async fn stream_lines(
        &self,
        path: &str,
        content_type: &'static str,
        headers: &[(&'static str, String)],
        body: impl Into<reqwest::Body>,
        mut each: impl FnMut(&str),
    ) -> Result<(), Failure> {
        let mut request = self
            .http
            .post(format!("{}{path}", self.base))
            .timeout(LONGEST)
            .header(reqwest::header::CONTENT_TYPE, content_type)
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let head = Head::of(&response);
        if !head.status.is_success() {
            let text = response
                .text()
                .await
                .map_err(|error| self.unreachable(&error))?;
            return Err(refusal(head, &text));
        }
        let mut rest = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            rest.extend_from_slice(&chunk);
            let mut begin = 0;
            while let Some(length) = rest[begin..].iter().position(|byte| *byte == b'\n') {
                each(&String::from_utf8_lossy(&rest[begin..begin + length]));
                begin += length + 1;
            }
            rest.drain(..begin);
        }
        if !rest.is_empty() {
            each(&String::from_utf8_lossy(&rest));
        }
        Ok(())
    }

    /// GET of something large; each part is handed over as it comes, until `each` says that it is enough.
    pub(crate) async fn download(
        &self,
        path: &str,
        mut each: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Failure> {
        let request = self.http.get(format!("{}{path}", self.base));
        let sent = request.timeout(LONGEST).send().await;
        let mut response = sent.map_err(|error| self.unreachable(&error))?;
        let head = Head::of(&response);
        if !head.status.is_success() {
            let text = response.text().await;
            return Err(refusal(
                head,
                &text.map_err(|error| self.unreachable(&error))?,
            ));
        }
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            if !each(&chunk) {
                break;
            }
        }
        Ok(())
    }

    /// GET of server-sent events; the data of each is handed over as it comes, until the server ends.
    pub(crate) async fn follow(
        &self,
        path: &str,
        mut each: impl FnMut(&str),
    ) -> Result<(), Failure> {
        let mut rest = Vec::new();
        self.download(path, |part| {
            rest.extend_from_slice(part);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                if let Some(data) = String::from_utf8_lossy(&line).strip_prefix("data: ") {
                    each(data.trim_end());
                }
            }
            true
        })
        .await
    }

    /// GET of something that is not JSON.
    pub(crate) async fn get_text(&self, path: &str) -> Result<String, Failure> {
        let (head, text) = self
            .send(self.http.get(format!("{}{path}", self.base)))
            .await?;
        if head.status.is_success() {
            Ok(text)
        } else {
            Err(refusal(head, &text))
        }
    }

    /// All entries of a paged list, at most `limit`.
    pub(crate) async fn list(&self, path: &str, limit: usize) -> Result<Vec<Value>, Failure> {
        let mut found: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        while found.len() < limit {
            let glue = if path.contains('?') { '&' } else { '?' };
            let mut page_path = format!("{path}{glue}limit={}", (limit - found.len()).min(100));
            if let Some(cursor) = &cursor {
                page_path.push_str("&cursor=");
                page_path.push_str(&escape(cursor));
            }
            let mut page = self.get(&page_path).await?;
            if let Some(Value::Array(data)) = page.get_mut("data").map(Value::take) {
                found.extend(data);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(Head, String), Failure> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let head = Head::of(&response);
        let text = response
            .text()
            .await
            .map_err(|error| self.unreachable(&error))?;
        Ok((head, text))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        if error.is_timeout() {
            return Failure::new(
                Exit::Unavailable,
                format!("no answer from {} in time", self.base),
            )
            .mend("look at the server's log, or wait longer with --timeout");
        }
        Failure::new(
            Exit::Unavailable,
            format!("cannot reach the server at {}: {cause}", self.base),
        )
        .mend("start it with `carillon serve`, or say where it is with --url or CARILLON_URL")
    }
}

/// What an answer says before its body.
#[derive(Clone, Copy, Debug)]
struct Head {
    status: StatusCode,
    /// Whether it says when to ask again.
    says_when: bool,
}

impl Head {
    fn of(response: &reqwest::Response) -> Self {
        Self {
            status: response.status(),
            says_when: response.headers().contains_key(RETRY_AFTER),
        }
    }
}

fn read_answer(head: Head, text: &str) -> Result<Answer, Failure> {
    if !head.status.is_success() {
        return Err(refusal(head, text));
    }
    let body = if text.trim().is_empty() {
        Value::Null
    } else {
        serde_json::from_str(text).map_err(|error| {
            Failure::new(
                Exit::Software,
                format!("the server's answer is not JSON: {error}"),
            )
            .mend("check that --url is a Carillon server")
        })?
    };
    Ok(Answer {
        status: head.status.as_u16(),
        body,
    })
}

/// A refused request as a sentence: the problem's own words (RFC 9457), each bad field on a line.
fn refusal(head: Head, text: &str) -> Failure {
    let problem: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let word = |name: &str| problem.get(name).and_then(Value::as_str);
    let lists = ["errors", "problems", "fields"];
    let fields = lists
        .iter()
        .filter_map(|name| problem.get(name)?.as_array());
    let fields: Vec<(String, &str)> = fields.flatten().map(bad_field).collect();
    // The detail of one bad field is that field's own sentence, and the field's code is the nearer one.
    let only = match fields.as_slice() {
        [(said, code)] if word("detail") == Some(said.as_str()) => Some(*code),
        _ => None,
    };
    let code = only.filter(|code| !code.is_empty());
    let code = code.or_else(|| word("code"));
    let mut message = match (word("detail").or_else(|| word("title")), code) {
        (Some(said), Some(code)) => format!("{said} ({code})"),
        (Some(said), None) => said.to_owned(),
        _ => format!("the server answered {}", head.status),
    };
    if only.is_none() {
        for (said, code) in &fields {
            message.push_str(&format!("\n  {said} ({code})"));
        }
    }
    let failure = Failure::new(exit_for(head), message);
    match word("mend") {
        Some(mend) => failure.mend(mend),
        None => match head.status.as_u16() {
            401 => failure.mend("give an API key with --api-key-file, or in CARILLON_API_KEY"),
            _ => failure,
        },
    }
}

/// What is said of a bad field, in the words that a problem's detail has for it, and the code.
fn bad_field(field: &Value) -> (String, &str) {
    let part = |name: &str| field.get(name).and_then(Value::as_str).unwrap_or_default();
    let place = match part("pointer") {
        "" => "body",
        pointer => pointer,
    };
    let said = format!("{place}: {}{}", part("message"), part("detail"));
    (said, part("code"))
}

fn exit_for(head: Head) -> Exit {
    match head.status.as_u16() {
        401 | 403 => Exit::NoPermission,
        404 => Exit::NoInput,
        429 | 503 | 507 => Exit::TempFail,
        // Another conflict stays one, however often it is tried.
        409 if head.says_when => Exit::TempFail,
        400..=499 => Exit::Data,
        502 | 504 => Exit::Unavailable,
        _ => Exit::Software,
    }
}

fn tls(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, Failure> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::new(Exit::Usage, format!("--ca-file {}: {why}", path.display()))
                .mend("give a PEM file with the authority's certificate")
        };
        let text =
            std::fs::read(path).map_err(|error| Failure::io("read --ca-file", path, &error))?;
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
        if roots.len() == before {
            return Err(wrong(&"no certificate in it"));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(Exit::Software, format!("TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Percent-encodes a path segment or query value (RFC 3986 section 2.3: all but the unreserved).
pub(crate) fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: StatusCode, text: &str) -> Failure {
        let says_when = false;
        super::refusal(Head { status, says_when }, text)
    }

    #[test]
    fn problems_become_sentences_and_codes() {
        let text = r#"{"title":"Bad request","detail":"the body is wrong","code":"request.invalid",
            "errors":[{"pointer":"/target","code":"target.entries","message":"expected 1 to 1000"}]}"#;
        let failure = refusal(StatusCode::BAD_REQUEST, text);
        assert_eq!(failure.exit, Exit::Data);
        assert_eq!(
            failure.message,
            "the body is wrong (request.invalid)\n  /target: expected 1 to 1000 (target.entries)"
        );
        let bare = refusal(StatusCode::BAD_GATEWAY, "<html>");
        assert!(bare.message.contains("502"));
        assert_eq!(
            refusal(StatusCode::UNAUTHORIZED, "").exit,
            Exit::NoPermission
        );
        assert_eq!(refusal(StatusCode::NOT_FOUND, "").exit, Exit::NoInput);
        assert_eq!(
            refusal(StatusCode::TOO_MANY_REQUESTS, "").exit,
            Exit::TempFail
        );
    }

    #[test]
    fn one_bad_field_is_said_once() {
        let text = r#"{"detail":"/content/badge: expected a number","code":"request.invalid",
            "errors":[{"pointer":"/content/badge","code":"content.badge","message":"expected a number"}]}"#;
        let failure = refusal(StatusCode::UNPROCESSABLE_ENTITY, text);
        assert_eq!(
            failure.message,
            "/content/badge: expected a number (content.badge)"
        );
        let whole = r#"{"detail":"body: expected JSON","code":"request.invalid",
            "errors":[{"pointer":"","code":"body.json","message":"expected JSON"}]}"#;
        let failure = refusal(StatusCode::UNPROCESSABLE_ENTITY, whole);
        assert_eq!(failure.message, "body: expected JSON (body.json)");
        let two = r#"{"detail":"2 fields are wrong","code":"request.invalid","errors":[
            {"pointer":"/a","code":"x","message":"one"},{"pointer":"/b","code":"y","message":"two"}]}"#;
        let failure = refusal(StatusCode::UNPROCESSABLE_ENTITY, two);
        assert_eq!(
            failure.message,
            "2 fields are wrong (request.invalid)\n  /a: one (x)\n  /b: two (y)"
        );
    }

    /// A script that tries again on 75 would do so for ever.
    #[test]
    fn a_conflict_is_worth_another_try_only_where_the_server_says_when() {
        let text = r#"{"detail":"it is over","code":"campaign.over"}"#;
        let status = StatusCode::CONFLICT;
        assert_eq!(refusal(status, text).exit, Exit::Data);
        let says_when = true;
        let failure = super::refusal(Head { status, says_when }, text);
        assert_eq!(failure.exit, Exit::TempFail);
    }

    #[test]
    fn escapes_what_paths_do_not_allow() {
        assert_eq!(escape("a b/ü:1"), "a%20b%2F%C3%BC%3A1");
        assert_eq!(escape("plain-name_1.x~"), "plain-name_1.x~");
    }

    #[test]
    fn a_wrong_url_is_a_usage_error() {
        for url in ["", "localhost:8600", "ftp://x"] {
            assert_eq!(
                ApiClient::open(url).err().unwrap().exit,
                Exit::Usage,
                "{url}"
            );
        }
    }
}
