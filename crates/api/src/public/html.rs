//! HTML by hand: escaping, the frame of a page, and the headers that keep strangers' hands off it.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use std::fmt;

/// No script, nothing from elsewhere, in nobody's frame; forms go to where the page came from.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:0 auto;padding:1.5rem 1rem;background:#fff;color:#1a1a1a}\
h1{font-size:1.4rem;line-height:1.25;margin:0 0 .5rem}\
h2{font-size:1.1rem;margin:2rem 0 .5rem}\
p{margin:.5rem 0}\
small,.soft{color:#5f6368}\
ul{list-style:none;margin:0;padding:0}\
li{padding:.75rem 0;border-top:1px solid #d9d9d9}\
.row{display:flex;justify-content:space-between;gap:1rem}\
.up{color:#17703a}.down{color:#b3261e}.unknown,.maintenance{color:#5f6368}\
.hours{display:flex;gap:2px;margin:.4rem 0}\
.hours i{flex:1;height:1.4rem;border-radius:2px;background:#c9ccd1}\
.hours .up{background:#2e9e5b}.hours .down{background:#d93025}\
form{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.5rem 0}\
button{flex:1 1 10rem;font:inherit;font-weight:600;padding:.9rem 1rem;border:0;border-radius:.6rem;background:#174ea6;color:#fff}\
button.other{background:#e4e7eb;color:#1a1a1a}\
@media(prefers-color-scheme:dark){\
body{background:#141518;color:#ececec}li{border-color:#35373c}\
small,.soft,.unknown,.maintenance{color:#a4a8ae}.up{color:#6fd397}.down{color:#ff8a80}\
.hours i{background:#4a4d53}button{background:#8ab4f8;color:#10131a}button.other{background:#35373c;color:#ececec}}";

/// A text in HTML, in an element or in an attribute with double quotes.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// A whole page.
pub(super) fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        Text(title)
    );
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, html);
    protect(&mut response);
    response
}

/// Headers of what is open to everybody. The address may be a secret, so it is told to nobody, kept by nobody, and in no
/// search engine.
pub(super) fn protect(response: &mut Response) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_elsewhere_is_text() {
        let nasty = "<script>a & 'b' \"c\"</script> 가";
        let escaped = "&lt;script&gt;a &amp; &#39;b&#39; &quot;c&quot;&lt;/script&gt; 가";
        assert_eq!(Text(nasty).to_string(), escaped);
        assert_eq!(Text("").to_string(), "");
    }

    #[test]
    fn pages_keep_strangers_out() {
        let response = page(StatusCode::OK, "a<b", "<p>c</p>");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str();
        let policy = policy.unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"));
        assert_eq!(response.headers()[header::REFERRER_POLICY], "no-referrer");
    }
}
