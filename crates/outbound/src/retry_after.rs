//! `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.
//!
//! It reads and does not judge: clamping and what statuses it counts for are the schedule's.

use std::time::UNIX_EPOCH;

use carillon_model::webhook::RetryAfter;
use http::HeaderMap;
use http::header::RETRY_AFTER;

/// What the answer asks for; `None` if it asks for nothing that can be read.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(secs) = text.parse() {
        return Some(RetryAfter::Secs(secs));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since_epoch = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(RetryAfter::At(since_epoch.as_millis() as i64))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn seconds_and_dates() {
        for (text, expected) in [
            ("120", Some(RetryAfter::Secs(120))),
            (" 0 ", Some(RetryAfter::Secs(0))),
            (
                "Sun, 06 Nov 1994 08:49:37 GMT",
                Some(RetryAfter::At(784_111_777_000)),
            ),
            (
                "Sunday, 06-Nov-94 08:49:37 GMT",
                Some(RetryAfter::At(784_111_777_000)),
            ),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(retry_after(&headers), expected, "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
