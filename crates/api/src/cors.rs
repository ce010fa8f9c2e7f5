//! What browsers ask before and after a page calls another site (CORS, the Fetch standard): pages
//! register their own device with a publishable key, from whatever site they are on.
//!
//! Receipts come from the same pages, by the receipt token that a push carried. So does what a service worker does with an
//! incident, when somebody presses a button of a page's notification: by the link that the push carried, which is the whole
//! authority for one incident and one person. The page at that link stays closed: its reader is the browser itself.
//!
//! Exactly those operations are open, and without credentials: a browser sends no cookie along, there
//! are none, and the API key is in a header that only the page can set. Everything else stays closed:
//! an API key of a back end has no business in a page.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use carillon_model::monitor::INCIDENT_LINK_PATH;

/// What a page may send. `authorization` has to be named: a star does not mean it.
const REQUEST_HEADERS: &str = "authorization, content-type, carillon-device-secret, x-request-id";
/// What a page may read of an answer besides its body.
const RESPONSE_HEADERS: &str = "location, retry-after, x-request-id";
/// For how long a browser may remember it, in seconds: a day, of which browsers take two hours or more.
const MAX_AGE: &str = "86400";

/// The layer.
pub(crate) async fn cors(request: Request, next: Next) -> Response {
    let methods = open_methods(request.uri().path());
    if methods.is_empty() {
        return next.run(request).await;
    }
    if request.method() == Method::OPTIONS {
        let words: Vec<_> = methods.iter().map(Method::as_str).collect();
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        if let Ok(words) = HeaderValue::from_str(&words.join(", ")) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, words);
        }
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        return response;
    }
    let is_open = methods.contains(request.method());
    let mut response = next.run(request).await;
    if is_open {
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS),
        ] {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The methods that are open at a path: those of a device that registers itself, receipts, and links to incidents.
fn open_methods(path: &str) -> &'static [Method] {
    const ALL: &[Method] = &[Method::POST];
    const ONE: &[Method] = &[Method::PUT, Method::DELETE];
    const PART: &[Method] = &[Method::DELETE];
    let is_link = || {
        let token = path.strip_prefix(INCIDENT_LINK_PATH);
        token.is_some_and(|token| !token.is_empty() && !token.contains('/'))
    };
    if path == "/v1/receipts" || is_link() {
        return ALL;
    }
    let Some((_, rest)) = path
        .strip_prefix("/v1/apps/")
        .and_then(|rest| rest.split_once('/'))
    else {
        return &[];
    };
    match rest.strip_prefix("devices") {
        Some("") => ALL,
        Some(rest) => match rest.strip_prefix('/') {
            Some("" | "import" | "export" | "stats") | None => &[],
            Some(rest) => match rest.split_once('/') {
                None => ONE,
                // A page tells of the end of its own push token.
                Some((_, rest)) => match rest.strip_prefix("push-tokens/") {
                    Some(kind) if !kind.is_empty() && !kind.contains('/') => PART,
                    _ => &[],
                },
            },
        },
        None => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_open_but_a_device_of_its_own_and_what_a_push_carried() {
        let words = |path| -> Vec<_> { open_methods(path).iter().map(Method::as_str).collect() };
        assert_eq!(words("/v1/receipts"), ["POST"]);
        assert_eq!(words("/i/AQ-_"), ["POST"]);
        assert_eq!(words("/v1/apps/shop/devices"), ["POST"]);
        assert_eq!(words("/v1/apps/shop/devices/a"), ["PUT", "DELETE"]);
        assert_eq!(
            words("/v1/apps/shop/devices/a/push-tokens/webpush"),
            ["DELETE"]
        );
        for path in [
            "/",
            "/v1/apps",
            "/v1/apps/shop",
            "/v1/apps/shop/devices/",
            "/v1/apps/shop/devicesx",
            "/v1/apps/shop/devices/import",
            "/v1/apps/shop/devices/export",
            "/v1/apps/shop/devices/stats",
            "/v1/apps/shop/devices/a/deliveries",
            "/v1/apps/shop/devices/a/push-tokens",
            "/v1/apps/shop/devices/a/push-tokens/",
            "/v1/apps/shop/devices/a/push-tokens/fcm/x",
            "/v1/apps/shop/notifications",
            "/v1/apps/shop/x/devices",
            "/v1/receipts/x",
            "/v1/api-keys",
            "/i",
            "/i/",
            "/i/AQ/x",
            "/v1/i/AQ",
            "/v1/heartbeats/AQ",
            "/status/shop",
        ] {
            assert!(open_methods(path).is_empty(), "{path}");
        }
    }
}
