//! What goes back to a client of Google's: status, headers, a body.

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::Value;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// What the books call it: Google's error code, or its status.
    pub(crate) code: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=UTF-8"),
        );
        Reply {
            status,
            code: None,
            headers,
            body: body.to_string().into_bytes(),
        }
    }

    /// A body as somebody else wrote it: HTML is called HTML.
    pub(crate) fn text(status: u16, body: &str) -> Reply {
        let mut headers = HeaderMap::new();
        let kind = match body.trim_start().starts_with('<') {
            true => "text/html; charset=UTF-8",
            false => "application/json; charset=UTF-8",
        };
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        Reply {
            status,
            code: None,
            headers,
            body: body.into(),
        }
    }

    pub(crate) fn coded(mut self, code: impl Into<String>) -> Reply {
        self.code = Some(code.into());
        self
    }

    pub(crate) fn retry_after(mut self, seconds: Option<u64>) -> Reply {
        if let Some(seconds) = seconds {
            self.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        self
    }

    /// Says the `Retry-After` as a date.
    pub(crate) fn dated(mut self, now_ms: i64) -> Reply {
        let seconds = self
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let now = Duration::from_millis(now_ms.max(0).cast_unsigned());
        let date = seconds
            .and_then(|seconds| UNIX_EPOCH.checked_add(now + Duration::from_secs(seconds)))
            .and_then(|at| HeaderValue::from_str(&httpdate::fmt_http_date(at)).ok());
        if let Some(date) = date {
            self.headers.insert(RETRY_AFTER, date);
        }
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Reply {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }
}
