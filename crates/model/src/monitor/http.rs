//! Checks by HTTP: what is asked, and how an answer is judged.

use super::result::{CheckResult, FaultKind};
use super::status_range::StatusRange;
use super::text_rule::{TextRule, TextTest};
use super::value_rule::ValueRule;
use crate::problem::FieldProblem;
use crate::{UnixMs, duration};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Most bytes of an answer that are read: what is beyond is not looked at.
pub const MAX_ANSWER_BYTES: usize = 256 * 1_024;
/// Most redirects that may be followed.
pub const MAX_REDIRECTS: u8 = 10;
/// Longest body that is sent, in bytes.
const MAX_BODY: usize = 16 * 1_024;
/// Most headers that are sent, and most that are looked at.
const MAX_HEADERS: usize = 20;
/// Longest value of a header that is sent, in bytes.
const MAX_HEADER: usize = 2_048;
/// Most values of the body's JSON that are looked at.
const MAX_VALUES: usize = 20;
const MAX_URL: usize = 2_048;

/// Headers that the client writes itself: another value would break the exchange.
const OWN_HEADERS: [&str; 6] = [
    "connection",
    "content-length",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// What is asked by HTTP, as it is written.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpCheck {
    /// `https://…` or `http://…`.
    pub url: String,
    /// How.
    #[serde(default, skip_serializing_if = "HttpMethod::is_get")]
    pub method: HttpMethod,
    /// Headers that are sent; never shown again, for they may hold secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body that is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How many redirects are followed; each is asked of the guard anew, and one more than that is a fault. With none, a
    /// redirect is the answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redirects: u8,
    /// What is expected of the answer.
    #[serde(default)]
    pub expect: HttpExpectation,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// Methods of a check. None of them is meant to change anything but `POST`, `PUT` and `PATCH`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum HttpMethod {
    #[default]
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
}

impl HttpMethod {
    /// As it is written in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }

    fn is_get(&self) -> bool {
        *self == Self::Get
    }
}

/// What is expected of an answer: all of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpExpectation {
    /// Any of these: `200`, `"2xx"`, `"200-204"`. Default: `"2xx"`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<StatusRange>,
    /// What headers are like, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, TextRule>,
    /// What the body is like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<TextRule>,
    /// What values in the body's JSON are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<ValueRule>,
    /// How long the answer may take, e.g. `"800ms"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// How many days the certificate is valid at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_days: Option<u16>,
}

/// A check by HTTP, read.
#[derive(Clone)]
pub struct HttpPlan {
    /// What is asked.
    pub request: HttpCheck,
    headers: Vec<(String, TextTest)>,
    body: Option<TextTest>,
    within_ms: Option<i64>,
}

/// An answer as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body, or the beginning of it.
    pub body: Vec<u8>,
    /// Whether there was, or may have been, more of the body.
    pub body_is_cut: bool,
    /// From the beginning to the end of what was read, in milliseconds.
    pub elapsed_ms: u64,
    /// When the certificate is no longer valid, where there is one.
    pub certificate_until: Option<UnixMs>,
}

// === impl HttpAnswer ===

impl HttpAnswer {
    /// The first value of a header, by its name in lower case.
    fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_slice())
    }
}

// === impl HttpCheck ===

/// Neither the path, which can be a secret, nor headers and body.
impl fmt::Debug for HttpCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "HttpCheck({} {}/…)",
            self.method.as_str(),
            origin(&self.url)
        )
    }
}

impl fmt::Debug for HttpPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)
    }
}

/// Scheme, host and port, as written.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']);
    &url[..end.map_or(url.len(), |end| start + end)]
}

impl HttpCheck {
    /// Reads it; problems have pointers into itself.
    pub(super) fn plan(&self, problems: &mut Vec<FieldProblem>) -> Option<HttpPlan> {
        let before = problems.len();
        if let Some(message) = url_problem(&self.url) {
            problems.push(FieldProblem::new("/url", "monitor.url", message));
        }
        self.request_problems(problems);
        let expect = &self.expect;
        let mut headers = Vec::new();
        if expect.headers.len() > MAX_HEADERS {
            problems.push(too_many(
                "/expect/headers",
                MAX_HEADERS,
                expect.headers.len(),
            ));
        }
        for (name, rule) in &expect.headers {
            let pointer = format!("/expect/headers/{}", escaped(name));
            if !is_header_name(name) {
                problems.push(bad_name(&pointer, name));
            }
            match rule.compile(&pointer) {
                Ok(test) => headers.push((name.to_ascii_lowercase(), test)),
                Err(problem) => problems.push(problem),
            }
        }
        let body = expect.body.as_ref().and_then(|rule| {
            let compiled = rule.compile("/expect/body");
            compiled.map_err(|problem| problems.push(problem)).ok()
        });
        if expect.json.len() > MAX_VALUES {
            problems.push(too_many("/expect/json", MAX_VALUES, expect.json.len()));
        }
        for (place, rule) in expect.json.iter().enumerate() {
            problems.extend(rule.problem(&format!("/expect/json/{place}")));
        }
        if self.method == HttpMethod::Head && (expect.body.is_some() || !expect.json.is_empty()) {
            problems.push(FieldProblem::new(
                "/method",
                "monitor.method",
                "expected GET: answers to HEAD have no body to be looked at",
            ));
        }
        let within_ms = expect.within.as_ref().and_then(|text| {
            let read = duration::parse_ms(text).and_then(|ms| match ms {
                1.. => Ok(ms),
                _ => Err(format!("expected more than 0s, found {text:?}")),
            });
            let wrong = |why| FieldProblem::new("/expect/within", "monitor.duration", why);
            read.map_err(|why| problems.push(wrong(why))).ok()
        });
        if expect.certificate_days.is_some() && !self.url.to_ascii_lowercase().starts_with("https")
        {
            problems.push(FieldProblem::new(
                "/expect/certificate_days",
                "monitor.certificate",
                "expected an https:// URL beside it: without TLS there is no certificate",
            ));
        }
        (problems.len() == before).then(|| HttpPlan {
            request: self.clone(),
            headers,
            body,
            within_ms,
        })
    }

    fn request_problems(&self, problems: &mut Vec<FieldProblem>) {
        if self.redirects > MAX_REDIRECTS {
            problems.push(FieldProblem::new(
                "/redirects",
                "monitor.redirects",
                format!("expected 0 to {MAX_REDIRECTS}, found {}", self.redirects),
            ));
        }
        if self.headers.len() > MAX_HEADERS {
            problems.push(too_many("/headers", MAX_HEADERS, self.headers.len()));
        }
        for (name, value) in &self.headers {
            let pointer = format!("/headers/{}", escaped(name));
            let is_value = |value: &str| {
                value.len() <= MAX_HEADER
                    && value
                        .bytes()
                        .all(|b| b == b'\t' || (b' '..0x7f).contains(&b))
            };
            if !is_header_name(name) {
                problems.push(bad_name(&pointer, name));
            } else if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                let message =
                    format!("expected another header than {name}, which is written by the client");
                problems.push(FieldProblem::new(pointer, "monitor.header", message));
            } else if !is_value(value) {
                // The value is not shown: it may be a secret.
                let message = format!("expected at most {MAX_HEADER} visible ASCII characters");
                problems.push(FieldProblem::new(pointer, "monitor.header", message));
            }
        }
        let Some(body) = &self.body else { return };
        if body.len() > MAX_BODY {
            problems.push(FieldProblem::new(
                "/body",
                "monitor.body",
                format!("expected at most {MAX_BODY} bytes, found {}", body.len()),
            ));
        }
        if matches!(self.method, HttpMethod::Get | HttpMethod::Head) {
            problems.push(FieldProblem::new(
                "/body",
                "monitor.body",
                format!(
                    "expected no body with {}: say \"method\": \"POST\"",
                    self.method.as_str()
                ),
            ));
        }
    }
}

fn too_many(pointer: &str, most: usize, found: usize) -> FieldProblem {
    let message = format!("expected at most {most}, found {found}");
    FieldProblem::new(pointer, "monitor.too_many", message)
}

fn bad_name(pointer: &str, name: &str) -> FieldProblem {
    let shown: String = name.chars().take(60).collect();
    let message = format!("expected the name of a header such as x-version, found {shown:?}");
    FieldProblem::new(pointer, "monitor.header", message)
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// What RFC 9110 calls a token.
fn is_header_name(name: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=64).contains(&name.len()) && name.bytes().all(is_letter)
}

fn url_problem(url: &str) -> Option<String> {
    if !(1..=MAX_URL).contains(&url.len()) {
        return Some(format!(
            "expected a URL of 1 to {MAX_URL} bytes, found {}",
            url.len()
        ));
    }
    // A backslash is a slash to browsers' rules for URLs and none to the RFC's: two readers, two hosts.
    if let Some(bad) = url.chars().find(|c| !c.is_ascii_graphic() || *c == '\\') {
        return Some(format!(
            "expected a URL in visible ASCII characters without a backslash, found {bad:?}; percent-encode it"
        ));
    }
    let rest = match url.split_once("://") {
        Some((scheme, rest))
            if ["https", "http"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known)) =>
        {
            rest
        }
        _ => return Some("expected a URL that begins with https:// or http://".to_owned()),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some(
            "found a user name or password in the URL: send them in a header, which is never shown"
                .to_owned(),
        );
    }
    (authority.is_empty() || authority.starts_with(':')).then(|| "the URL names no host".to_owned())
}

// === impl HttpPlan ===

impl HttpPlan {
    /// Judges an answer that came at `now`: the first thing that is not as expected is the fault.
    #[must_use]
    pub fn judge(&self, answer: &HttpAnswer, now: UnixMs) -> CheckResult {
        let result = match self.fault(answer) {
            Some((kind, message)) => CheckResult::down(kind, message),
            None => CheckResult::up(None),
        };
        let days = self.request.expect.certificate_days;
        result
            .after(answer.elapsed_ms)
            .with_certificate(answer.certificate_until, days, now)
    }

    /// How many bytes of an answer regular expressions have to go through: what may take long to judge.
    #[must_use]
    pub fn matched_bytes(&self, answer: &HttpAnswer) -> usize {
        // Its status is the fault: nothing else is looked at.
        if !self.is_expected(answer.status) {
            return 0;
        }
        let of_headers = self.headers.iter().filter(|(_, test)| test.is_pattern());
        let values = of_headers.filter_map(|(name, _)| answer.header(name));
        let of_body = self.body.iter().filter(|test| test.is_pattern());
        let bodies = of_body.map(|_| answer.body.as_slice());
        values.chain(bodies).map(<[u8]>::len).sum()
    }

    fn is_expected(&self, status: u16) -> bool {
        match &self.request.expect.status[..] {
            [] => (200..300).contains(&status),
            ranges => ranges.iter().any(|range| range.contains(status)),
        }
    }

    fn fault(&self, answer: &HttpAnswer) -> Option<(FaultKind, String)> {
        let expect = &self.request.expect;
        if !self.is_expected(answer.status) {
            let expected: Vec<String> = expect.status.iter().map(StatusRange::to_string).collect();
            let expected = match expected.is_empty() {
                true => "2xx".to_owned(),
                false => expected.join(", "),
            };
            let message = format!("status {}, expected {expected}", answer.status);
            return Some((FaultKind::Status, message));
        }
        for (name, test) in &self.headers {
            let fault = match answer.header(name) {
                None => Some(format!("the answer has no header {name}")),
                Some(value) => test
                    .fault(value, false)
                    .map(|why| format!("the header {name} {why}")),
            };
            if let Some(message) = fault {
                return Some((FaultKind::Header, message));
            }
        }
        if let Some(test) = &self.body
            && let Some(why) = test.fault(&answer.body, answer.body_is_cut)
        {
            return Some((FaultKind::Body, format!("the body {why}")));
        }
        if let Some(message) = self.json_fault(answer) {
            return Some((FaultKind::Json, message));
        }
        let within_ms = self.within_ms?;
        let elapsed_ms = i64::try_from(answer.elapsed_ms).unwrap_or(i64::MAX);
        (elapsed_ms > within_ms).then(|| {
            let message = format!(
                "the answer took {}, expected at most {}",
                duration::format_ms(elapsed_ms),
                duration::format_ms(within_ms)
            );
            (FaultKind::Latency, message)
        })
    }

    fn json_fault(&self, answer: &HttpAnswer) -> Option<String> {
        let rules = &self.request.expect.json;
        if rules.is_empty() {
            return None;
        }
        if answer.body_is_cut {
            return Some(format!(
                "the body is longer than the {MAX_ANSWER_BYTES} bytes that are read, or broke off: its JSON is not known"
            ));
        }
        match serde_json::from_slice::<Value>(&answer.body) {
            Ok(body) => rules.iter().find_map(|rule| rule.fault(&body)),
            Err(error) => Some(format!("the body is no JSON: {error}")),
        }
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
