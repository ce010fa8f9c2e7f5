//! The exchange of an assertion for an access token (RFC 7523, RFC 6749 section 5): the request, and what each answer of
//! Google's token endpoint means.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use h2_pool::Answer;
use http::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::access_token::{
    AccessTokenError, AccessTokenErrorKind, Fetching, Grant, Moment, TokenSource,
};
use crate::endpoint::Endpoint;
use crate::errand::{self, Errand};
use crate::error::{Error, ErrorKind};
use crate::service_account::ServiceAccount;

/// What the body of the request begins with; the assertion needs no escaping.
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

/// A difference to Google's clock that is worth telling.
const SKEW: Duration = Duration::from_secs(30);

/// Gets access tokens for a service account from Google's token endpoint.
///
/// ```no_run
/// use fcm::{AccessTokens, OAuth, ServiceAccount};
/// let file = std::fs::read_to_string("service-account.json")?;
/// let tokens = AccessTokens::new(OAuth::new(ServiceAccount::from_json(&file)?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OAuth {
    account: ServiceAccount,
    scope: Box<str>,
    endpoint: Endpoint,
    timeout: Duration,
}

impl OAuth {
    /// How long one exchange may take, if nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(15);

    /// For this account, with the smallest scope, at the account's own token endpoint.
    pub fn new(account: ServiceAccount) -> Self {
        let uri = account.token_uri();
        let port = uri.port_u16().unwrap_or(Endpoint::PORT);
        let endpoint = Endpoint::new(uri.host().unwrap_or_default(), port);
        Self {
            account,
            scope: ServiceAccount::SCOPE.into(),
            endpoint,
            timeout: Self::TIMEOUT,
        }
    }

    /// Another scope, or several with blanks between them.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<Box<str>>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Another way to the token endpoint: through a proxy, or to a simulator. The assertion still names the account's own.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// How long one exchange may take, connecting included.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn exchange(&self, now: Moment) -> Result<Grant, AccessTokenError> {
        let assertion = self
            .account
            .assertion(&self.scope, now.wall)
            .map_err(|error| {
                AccessTokenError::new(AccessTokenErrorKind::SigningKey, error.to_string())
            })?;
        let mut headers = HeaderMap::with_capacity(2);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        let path = self.account.token_uri().path_and_query();
        let errand = Errand {
            method: Method::POST,
            path: path.cloned().unwrap_or(PathAndQuery::from_static("/")),
            headers,
            body: format!("{GRANT}{assertion}").into(),
        };
        match errand::run(&self.endpoint, errand, self.timeout).await {
            Ok(answer) => read_answer(&answer, now.wall),
            Err(error) => Err(unreachable(&self.endpoint, &error)),
        }
    }
}

fn unreachable(endpoint: &Endpoint, error: &Error) -> AccessTokenError {
    let kind = if error.kind() == ErrorKind::Invalid {
        AccessTokenErrorKind::Configuration
    } else {
        AccessTokenErrorKind::Unreachable
    };
    let detail = match error.detail() {
        "" => error.kind().as_str(),
        detail => detail,
    };
    AccessTokenError::new(kind, format!("{}: {detail}", endpoint.authority()))
}

/// What the token endpoint's answer means.
fn read_answer(answer: &Answer, now: SystemTime) -> Result<Grant, AccessTokenError> {
    if answer.status == StatusCode::OK {
        return read_grant(&answer.body);
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = body["error"].as_str().unwrap_or_default();
    let description = body["error_description"].as_str().unwrap_or_default();
    let kind = kind_of(answer.status.as_u16(), error, description);
    let mut detail = format!(
        "Google's token endpoint answered {}",
        answer.status.as_u16()
    );
    for text in [error, description] {
        if !text.is_empty() {
            detail.push_str(": ");
            detail.extend(text.chars().filter(|c| !c.is_control()).take(200));
        }
    }
    if kind == AccessTokenErrorKind::Clock
        && let Some(skew) = skew(&answer.headers, now)
    {
        detail.push_str(&skew);
    }
    Err(AccessTokenError::new(kind, detail))
}

pub(crate) fn read_grant(body: &Bytes) -> Result<Grant, AccessTokenError> {
    #[derive(serde::Deserialize)]
    struct Wire {
        access_token: String,
        expires_in: u64,
    }
    match serde_json::from_slice::<Wire>(body) {
        Ok(wire) => Ok(Grant {
            secret: wire.access_token,
            // Whatever is said, a token is asked for anew once a day.
            lifetime: Duration::from_secs(wire.expires_in.min(24 * 3600)),
        }),
        Err(_) => Err(AccessTokenError::new(
            AccessTokenErrorKind::Busy,
            "the answer was 200, but without access_token and expires_in",
        )),
    }
}

fn kind_of(status: u16, error: &str, description: &str) -> AccessTokenErrorKind {
    let description = description.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| description.contains(word));
    match error {
        "internal_failure" | "server_error" | "temporarily_unavailable" => {
            AccessTokenErrorKind::Busy
        }
        "invalid_grant" if says(&["short-lived", "iat and exp", "timeframe"]) => {
            AccessTokenErrorKind::Clock
        }
        "invalid_grant" if says(&["account not found", "disabled"]) => {
            AccessTokenErrorKind::Account
        }
        "invalid_grant" => AccessTokenErrorKind::SigningKey,
        "deleted_client" => AccessTokenErrorKind::Account,
        "unauthorized_client" | "invalid_scope" | "invalid_client" => {
            AccessTokenErrorKind::Configuration
        }
        _ if matches!(status, 408 | 429 | 500..=599) => AccessTokenErrorKind::Busy,
        _ => AccessTokenErrorKind::Configuration,
    }
}

/// How far this machine's clock is from the one that wrote the answer.
fn skew(headers: &HeaderMap, now: SystemTime) -> Option<String> {
    let theirs = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let (span, word) = match now.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    (span >= SKEW).then(|| {
        format!(
            "; this machine's clock is {} s {word} Google's",
            span.as_secs()
        )
    })
}

// === impl TokenSource ===

impl TokenSource for OAuth {
    fn fetch(&self, now: Moment) -> Fetching<'_> {
        Box::pin(self.exchange(now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn now() -> SystemTime {
        // 2026-10-21 07:27:30 UTC
        UNIX_EPOCH + Duration::from_secs(1_792_567_650)
    }

    fn read(status: u16, body: &str, date: &str) -> Result<Grant, AccessTokenError> {
        let mut headers = HeaderMap::new();
        if !date.is_empty() {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        read_answer(&answer, now())
    }

    #[test]
    fn a_grant_is_read() {
        let grant = read(
            200,
            r#"{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}"#,
            "",
        )
        .unwrap();
        assert_eq!((&*grant.secret, grant.lifetime.as_secs()), ("ya29.x", 3599));
        assert!(!format!("{grant:?}").contains("ya29"));
        for broken in [
            "",
            "{}",
            r#"{"access_token":"x"}"#,
            r#"{"access_token":7,"expires_in":1}"#,
        ] {
            let error = read(200, broken, "").unwrap_err();
            assert_eq!(error.kind(), AccessTokenErrorKind::Busy, "{broken}");
        }
    }

    #[test]
    fn every_refusal_says_what_to_mend() {
        use AccessTokenErrorKind as Kind;
        for (status, error, description, kind) in [
            (
                400,
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.",
                Kind::Clock,
            ),
            (
                400,
                "invalid_grant",
                "Invalid JWT Signature.",
                Kind::SigningKey,
            ),
            (
                400,
                "invalid_grant",
                "Invalid grant: account not found",
                Kind::Account,
            ),
            (
                401,
                "deleted_client",
                "The OAuth client was deleted.",
                Kind::Account,
            ),
            (401, "unauthorized_client", "", Kind::Configuration),
            (
                400,
                "invalid_scope",
                "Invalid OAuth scope",
                Kind::Configuration,
            ),
            (400, "internal_failure", "", Kind::Busy),
            (400, "server_error", "", Kind::Busy),
            (400, "temporarily_unavailable", "", Kind::Busy),
            (408, "", "", Kind::Busy),
            (429, "rate_limit", "", Kind::Busy),
            (500, "", "", Kind::Busy),
            (503, "", "", Kind::Busy),
            (403, "", "", Kind::Configuration),
        ] {
            let body = serde_json::json!({"error": error, "error_description": description});
            let found = read(status, &body.to_string(), "").unwrap_err();
            assert_eq!(found.kind(), kind, "{status} {error} {description}");
            assert!(found.to_string().contains(&status.to_string()), "{found}");
        }
        let page = read(502, "<html>", "").unwrap_err();
        assert_eq!(page.kind(), Kind::Busy);
    }

    #[test]
    fn a_wrong_clock_is_told_in_seconds() {
        let body =
            r#"{"error":"invalid_grant","error_description":"Check your iat and exp values"}"#;
        for (date, words) in [
            ("Wed, 21 Oct 2026 07:32:42 GMT", "312 s behind Google's"),
            ("Wed, 21 Oct 2026 07:26:30 GMT", "60 s ahead of Google's"),
        ] {
            let error = read(400, body, date).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("NTP"), "{error}");
        }
        let error = read(400, body, "Wed, 21 Oct 2026 07:27:31 GMT").unwrap_err();
        assert!(!error.to_string().contains(" s behind"), "{error}");
    }
}
