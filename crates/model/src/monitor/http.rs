//! Checks by HTTP: what is asked, and how an answer is judged.

use super::result::{CheckResult, FaultKind};
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

/// Statuses from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenStatus", into = "WrittenStatus")]
pub struct StatusRange {
    first: u16,
    last: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenStatus {
    Number(u16),
    Text(String),
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

// === impl StatusRange ===

impl TryFrom<WrittenStatus> for StatusRange {
    type Error = String;

    fn try_from(written: WrittenStatus) -> Result<Self, String> {
        let (text, range) = match &written {
            WrittenStatus::Number(number) => (number.to_string(), Some((*number, *number))),
            WrittenStatus::Text(text) => (format!("{text:?}"), Self::read(text)),
        };
        match range {
            Some((first, last)) if (100..=599).contains(&first) && first <= last && last <= 599 => {
                Ok(Self { first, last })
            }
            _ => Err(format!(
                "expected a status such as 200, \"2xx\" or \"200-204\", found {text}"
            )),
        }
    }
}

impl From<StatusRange> for WrittenStatus {
    fn from(range: StatusRange) -> Self {
        match range.first == range.last {
            true => Self::Number(range.first),
            false => Self::Text(range.to_string()),
        }
    }
}

impl StatusRange {
    fn read(text: &str) -> Option<(u16, u16)> {
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().ok().filter(|class| *class < 10)?;
            return Some((class * 100, class * 100 + 99));
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some((first.parse().ok()?, last.parse().ok()?))
    }

    fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (first, last) if first % 100 == 0 && last == first + 99 => {
                write!(f, "{}xx", first / 100)
            }
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
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

    fn fault(&self, answer: &HttpAnswer) -> Option<(FaultKind, String)> {
        let expect = &self.request.expect;
        let is_expected = match &expect.status[..] {
            [] => (200..300).contains(&answer.status),
            ranges => ranges.iter().any(|range| range.contains(answer.status)),
        };
        if !is_expected {
            let expected: Vec<String> = expect.status.iter().map(StatusRange::to_string).collect();
            let expected = match expected.is_empty() {
                true => "2xx".to_owned(),
                false => expected.join(", "),
            };
            let message = format!("status {}, expected {expected}", answer.status);
            return Some((FaultKind::Status, message));
        }
        for (name, test) in &self.headers {
            let mut values = answer.headers.iter().filter(|(known, _)| known == name);
            let fault = match values.next() {
                None => Some(format!("the answer has no header {name}")),
                Some((_, value)) => test
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
mod tests {
    use super::super::result::Verdict;
    use super::*;
    use serde_json::json;

    fn check(with: Value) -> HttpCheck {
        let mut body = json!({"url": "https://shop.example.com/health?s=SECRET"});
        for (name, value) in with.as_object().unwrap() {
            body[name] = value.clone();
        }
        serde_json::from_value(body).unwrap()
    }

    fn plan(with: Value) -> HttpPlan {
        let mut problems = Vec::new();
        let plan = check(with).plan(&mut problems);
        assert_eq!(problems, []);
        plan.unwrap()
    }

    fn answer(status: u16, body: &str) -> HttpAnswer {
        HttpAnswer {
            status,
            headers: vec![("x-version".into(), b"v12".to_vec())],
            body: body.into(),
            elapsed_ms: 900,
            ..HttpAnswer::default()
        }
    }

    #[test]
    fn answers_are_judged() {
        let ok = r#"{"status":"ok","queue":{"len":7},"ready":true}"#;
        for (expect, status, body, expected) in [
            (json!({}), 204, "", None),
            (
                json!({}),
                302,
                "",
                Some(("status", "status 302, expected 2xx")),
            ),
            (json!({"status": ["3xx", 404, "500-502"]}), 404, "", None),
            (
                json!({"status": ["3xx", 404, "500-502"]}),
                200,
                "",
                Some(("status", "expected 3xx, 404, 500-502")),
            ),
            (
                json!({"headers": {"X-Version": {"matches": "^v[0-9]+$"}}}),
                200,
                "",
                None,
            ),
            (
                json!({"headers": {"x-version": {"contains": "v13"}}}),
                200,
                "",
                Some(("header", "does not contain \"v13\"")),
            ),
            (
                json!({"headers": {"x-none": {"contains": "a"}}}),
                200,
                "",
                Some(("header", "has no header x-none")),
            ),
            (
                json!({"body": {"lacks": "maintenance"}}),
                200,
                "in maintenance",
                Some(("body", "contains \"maintenance\"")),
            ),
            (
                json!({"json": [{"pointer": "/status", "equals": "ok"}, {"pointer": "/queue/len", "at_most": 10}]}),
                200,
                ok,
                None,
            ),
            (
                json!({"json": [{"pointer": "/queue/len", "equals": 7.0}]}),
                200,
                ok,
                None,
            ),
            (
                json!({"json": [{"pointer": "/queue/len", "at_most": 5}]}),
                200,
                ok,
                Some(("json", "/queue/len is 7, expected at most 5")),
            ),
            (
                json!({"json": [{"pointer": "/queue/len", "at_least": 8}]}),
                200,
                ok,
                Some(("json", "at least 8")),
            ),
            (
                json!({"json": [{"pointer": "/ready", "at_least": 1}]}),
                200,
                ok,
                Some(("json", "expected a number")),
            ),
            (
                json!({"json": [{"pointer": "/status", "equals": null}]}),
                200,
                ok,
                Some(("json", "expected null")),
            ),
            (
                json!({"json": [{"pointer": "/queue", "equals": {"len": 7}}]}),
                200,
                ok,
                None,
            ),
            (
                json!({"json": [{"pointer": "/none"}]}),
                200,
                ok,
                Some(("json", "there is no /none")),
            ),
            (
                json!({"json": [{"pointer": ""}]}),
                200,
                "<html>",
                Some(("json", "no JSON")),
            ),
            (json!({"within": "1s"}), 200, "", None),
            (
                json!({"within": "800ms"}),
                200,
                "",
                Some(("latency", "took 900ms, expected at most 800ms")),
            ),
        ] {
            let found = plan(json!({"expect": expect})).judge(&answer(status, body), 0);
            assert_eq!(found.elapsed_ms, Some(900));
            match expected {
                None => assert_eq!(
                    (found.verdict, found.fault),
                    (Verdict::Up, None),
                    "{expect}"
                ),
                Some((kind, part)) => {
                    let fault = found.fault.unwrap_or_else(|| panic!("{expect}"));
                    assert_eq!(
                        (found.verdict, fault.kind.as_str()),
                        (Verdict::Down, kind),
                        "{expect}"
                    );
                    assert!(fault.message.contains(part), "{expect}: {}", fault.message);
                }
            }
        }
    }

    #[test]
    fn a_cut_body_is_never_taken_for_whole() {
        let cut = HttpAnswer {
            body_is_cut: true,
            ..answer(200, r#"{"a":1}"#)
        };
        let found = plan(json!({"expect": {"json": [{"pointer": "/a"}]}})).judge(&cut, 0);
        assert_eq!(found.verdict, Verdict::Down);
        assert!(found.fault.unwrap().message.contains("262144 bytes"));
    }

    #[test]
    fn mistakes_have_their_pointer() {
        for (with, pointer, part) in [
            (json!({"url": "shop.example.com"}), "/url", "https://"),
            (json!({"url": "file:///etc/passwd"}), "/url", "https://"),
            (
                json!({"url": "https://a:b@shop.example.com/"}),
                "/url",
                "header",
            ),
            (json!({"url": "https:///x"}), "/url", "no host"),
            (
                json!({"url": "https://shop.example.com\\@x/"}),
                "/url",
                "backslash",
            ),
            (
                json!({"headers": {"a b": "x"}}),
                "/headers/a b",
                "name of a header",
            ),
            (
                json!({"headers": {"Host": "x"}}),
                "/headers/Host",
                "written by the client",
            ),
            (
                json!({"headers": {"x-a": "1\r\nx-b: 2"}}),
                "/headers/x-a",
                "visible",
            ),
            (json!({"body": "x"}), "/body", "POST"),
            (json!({"redirects": 11}), "/redirects", "0 to 10"),
            (
                json!({"method": "HEAD", "expect": {"body": {"contains": "x"}}}),
                "/method",
                "GET",
            ),
            (
                json!({"expect": {"headers": {"a/b": {"contains": "x"}}}}),
                "/expect/headers/a~1b",
                "name",
            ),
            (
                json!({"expect": {"body": {"matches": "("}}}),
                "/expect/body/matches",
                "unclosed",
            ),
            (
                json!({"expect": {"json": [{"pointer": "a"}]}}),
                "/expect/json/0/pointer",
                "JSON pointer",
            ),
            (
                json!({"expect": {"json": [{"pointer": "", "equals": 1, "at_most": 2}]}}),
                "/expect/json/0",
                "both",
            ),
            (
                json!({"expect": {"within": "0s"}}),
                "/expect/within",
                "more than 0s",
            ),
            (
                json!({"expect": {"within": "soon"}}),
                "/expect/within",
                "duration",
            ),
            (
                json!({"url": "http://a.example", "expect": {"certificate_days": 5}}),
                "/expect/certificate_days",
                "https",
            ),
        ] {
            let mut problems = Vec::new();
            assert!(check(with.clone()).plan(&mut problems).is_none());
            assert_eq!(problems.len(), 1, "{with}: {problems:?}");
            assert_eq!(problems[0].pointer, pointer, "{with}");
            assert!(
                problems[0].message.contains(part),
                "{with}: {}",
                problems[0]
            );
        }
        for bad in [
            json!(99),
            json!(600),
            json!("6xx"),
            json!("204-200"),
            json!("ok"),
            json!(-1),
        ] {
            let read = serde_json::from_value::<StatusRange>(bad.clone());
            assert!(read.is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let check = check(json!({"headers": {"authorization": "SECRET"}}));
        let shown = format!("{check:?}");
        assert_eq!(shown, "HttpCheck(GET https://shop.example.com/…)");
    }

    #[test]
    fn golden() {
        let stored = r#"{"url":"https://a.example/x","method":"POST","headers":{"a":"b"},"body":"{}","redirects":2,"expect":{"status":["2xx",304,"400-404"],"body":{"contains":"ok"},"json":[{"pointer":"/a","equals":[1]}],"within":"2s","certificate_days":14}}"#;
        let read: HttpCheck = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    }
}
