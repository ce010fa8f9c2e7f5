//! What goes back to a client of Google's: status, headers, a body.

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

    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Reply {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }
}
