//! What may be set for a webhook endpoint, and what is wrong with it.
//!
//! Of the URL it checks the form. Where that leads is judged by the guard of whoever connects, again at every attempt.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::filter::EventFilter;
use crate::problem::FieldProblem;

/// Settings of an endpoint. Stored as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Where events are posted.
    pub url: WebhookUrl,
    /// Which kinds of events. Default: all.
    #[serde(default)]
    pub events: EventFilter,
    /// A line for people: at most 200 characters.
    #[serde(default)]
    pub description: String,
    /// After how many days without any success it is disabled: 1 to 30. Default 5.
    #[serde(default = "default_days")]
    pub disable_after_days: u16,
}

/// The URL of an endpoint. Its path and query can be a secret, so `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebhookUrl(String);

/// Longest URL, in bytes.
const MAX_URL: usize = 2_000;

const MAX_DESCRIPTION: usize = 200;

fn default_days() -> u16 {
    5
}

impl WebhookSettings {
    /// Everything that is wrong with it, with pointers into the settings. `allow_http` is for hosts that the configuration
    /// makes exceptions for; the guard then says which those are.
    #[must_use]
    pub fn problems(&self, allow_http: bool) -> Vec<FieldProblem> {
        let mut problems: Vec<_> = self.url.problem(allow_http).into_iter().collect();
        let events = self.events.problems().into_iter();
        problems.extend(events.map(|problem| problem.under("/events")));
        let length = self.description.chars().count();
        if length > MAX_DESCRIPTION || self.description.chars().any(char::is_control) {
            let message = format!(
                "expected one line of at most {MAX_DESCRIPTION} characters, found {length} characters"
            );
            problems.push(FieldProblem::new(
                "/description",
                "webhook.description",
                message,
            ));
        }
        if !(1..=30).contains(&self.disable_after_days) {
            let message = format!("expected 1 to 30 days, found {}", self.disable_after_days);
            problems.push(FieldProblem::new(
                "/disable_after_days",
                "webhook.disable_after_days",
                message,
            ));
        }
        problems
    }
}

impl WebhookUrl {
    /// Any text: [`WebhookSettings::problems`] says whether it is a URL.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole of it, path and query included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port, as written: what may be shown and logged of a URL that has no problem.
    #[must_use]
    pub fn origin(&self) -> &str {
        let start = self.0.find("://").map_or(0, |at| at + 3);
        let rest = &self.0[start..];
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        &self.0[..start + end]
    }

    /// What is wrong with it, if anything, with a pointer into the settings.
    #[must_use]
    pub fn problem(&self, allow_http: bool) -> Option<FieldProblem> {
        let wrong = |code, message: String| Some(FieldProblem::new("/url", code, message));
        if !(1..=MAX_URL).contains(&self.0.len()) {
            let message = format!(
                "expected a URL of at most {MAX_URL} bytes, found {} bytes",
                self.0.len()
            );
            return wrong("webhook.url", message);
        }
        // A backslash is a slash to browsers' rules for URLs and none to the RFC's: two readers, two hosts.
        if let Some(bad) = self.0.chars().find(|c| !c.is_ascii_graphic() || *c == '\\') {
            let message = format!(
                "expected a URL in visible ASCII characters without a backslash, found {bad:?}; percent-encode it, and write \
                 a host in other letters in its xn-- form"
            );
            return wrong("webhook.url", message);
        }
        let rest = match self.0.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => rest,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") && allow_http => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => {
                let message = "expected https://, found http://: what is told would go over the wire in the clear; only hosts that \
                               the server's configuration names may be told so"
                    .to_owned();
                return wrong("webhook.https", message);
            }
            _ => {
                let message =
                    "expected an absolute URL that begins with https://, such as https://hooks.example.com/carillon"
                        .to_owned();
                return wrong("webhook.url", message);
            }
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = &rest[..end];
        if authority.contains('@') {
            let message = "found a user name or password in the URL, which is sent nowhere; the receiver knows Carillon by the \
                           signature"
                .to_owned();
            return wrong("webhook.url", message);
        }
        if authority.is_empty() || authority.starts_with(':') {
            return wrong("webhook.url", "the URL names no host".to_owned());
        }
        if rest.contains('#') {
            let message =
                "found a fragment (#…), which no server is ever sent; leave it out".to_owned();
            return wrong("webhook.url", message);
        }
        None
    }
}

// === impl WebhookUrl ===

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problem(true) {
            None => write!(f, "WebhookUrl({}/…)", self.origin()),
            Some(_) => f.write_str("WebhookUrl(no URL)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(json: serde_json::Value) -> WebhookSettings {
        serde_json::from_value(json).unwrap()
    }

    fn url_problem(url: &str, allow_http: bool) -> Option<(&'static str, String)> {
        let settings = settings(serde_json::json!({ "url": url }));
        let problem = settings.problems(allow_http).pop()?;
        assert_eq!(problem.pointer, "/url");
        Some((problem.code, problem.message))
    }

    #[test]
    fn defaults_and_what_is_stored() {
        let json = serde_json::json!({"url": "https://hooks.example.net/x"});
        let full = serde_json::json!({
            "url": "https://hooks.example.net/x", "events": ["*"], "description": "", "disable_after_days": 5
        });
        assert_eq!(serde_json::to_value(settings(json)).unwrap(), full);
        assert_eq!(settings(full).problems(false), []);
        assert!(serde_json::from_str::<WebhookSettings>(r#"{"url": "x", "event": []}"#).is_err());
        assert!(serde_json::from_str::<WebhookSettings>("{}").is_err());
    }

    #[test]
    fn urls() {
        for good in [
            "https://a.example",
            "HTTPS://a.example:8443/x?y=@z",
            "https://[2600::1]/",
            "https://192.0.2.1",
        ] {
            assert_eq!(url_problem(good, false), None, "{good}");
        }
        assert_eq!(url_problem("http://127.0.0.1:80/x", true), None);
        for (bad, code, words) in [
            ("", "webhook.url", "found 0 bytes"),
            ("http://a.example", "webhook.https", "https"),
            ("ftp://a.example", "webhook.url", "https://"),
            ("a.example/x", "webhook.url", "absolute"),
            ("https:a.example", "webhook.url", "absolute"),
            ("https://", "webhook.url", "no host"),
            ("https:///x", "webhook.url", "no host"),
            ("https://:443/x", "webhook.url", "no host"),
            ("https://u:p@a.example/x", "webhook.url", "password"),
            ("https://a.example\\@evil.example", "webhook.url", "'\\\\'"),
            ("https://a.example/x#y", "webhook.url", "fragment"),
            ("https://bücher.example", "webhook.url", "xn--"),
            ("https://a.example/x y", "webhook.url", "' '"),
            ("https://a.example/\n", "webhook.url", "'\\n'"),
        ] {
            let (found, message) = url_problem(bad, false).expect(bad);
            assert!(
                found == code && message.contains(words),
                "{bad}: {found} {message}"
            );
        }
        assert!(url_problem(&format!("https://a.example/{}", "x".repeat(2_000)), false).is_some());
    }

    #[test]
    fn every_problem_at_once() {
        let bad = settings(serde_json::json!({
            "url": "x", "events": ["*", "nothing.*"], "description": "x".repeat(201), "disable_after_days": 31
        }));
        let problems = bad.problems(false);
        let pointers: Vec<_> = problems
            .iter()
            .map(|problem| problem.pointer.as_str())
            .collect();
        assert_eq!(
            pointers,
            ["/url", "/events/1", "/description", "/disable_after_days"]
        );
    }

    #[test]
    fn paths_are_not_shown() {
        for (url, shown) in [
            (
                "https://a.example:8443/SECRET?SECRET",
                "https://a.example:8443",
            ),
            ("https://a.example?SECRET", "https://a.example"),
        ] {
            assert_eq!(WebhookUrl::new(url).origin(), shown);
        }
        let debug = |url| format!("{:?}", settings(serde_json::json!({ "url": url })));
        for url in [
            "https://a.example/SECRET",
            "https://SECRET@a.example",
            "SECRET",
        ] {
            assert!(!debug(url).contains("SECRET"), "{}", debug(url));
        }
        assert!(debug("https://a.example/SECRET").contains("a.example"));
    }
}
