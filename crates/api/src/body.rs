//! Reading request bodies: content type, size, time.

use crate::json;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A JSON body, read into its type.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Api> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, api).await?;
        json::read(&bytes).map(Self)
    }
}

/// A JSON body, not read yet: for handlers that read it as who asks may write it.
pub(crate) struct JsonBytes(pub(crate) Bytes);

impl FromRequest<Api> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        if !is_json(media_type(request.headers())) {
            return Err(wrong_media_type(request.headers(), "application/json"));
        }
        let limits = &api.limits;
        let bytes = whole(request.into_body(), limits.body_bytes, limits.body_timeout).await?;
        Ok(Self(bytes))
    }
}

/// The media type of the body, without parameters; empty when none is given.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map_or("", |value| {
            value.split(';').next().unwrap_or_default().trim()
        })
}

/// `application/json`, or something that is written as JSON (RFC 6839).
pub(crate) fn is_json(media_type: &str) -> bool {
    media_type.eq_ignore_ascii_case("application/json") || media_type.ends_with("+json")
}

/// NDJSON has no registered type; these two are in use.
pub(crate) fn is_ndjson(media_type: &str) -> bool {
    ["application/x-ndjson", "application/jsonl"]
        .iter()
        .any(|known| media_type.eq_ignore_ascii_case(known))
}

/// 415, with what would have been right.
pub(crate) fn wrong_media_type(headers: &HeaderMap, expected: &str) -> Problem {
    let found = match media_type(headers) {
        "" => "none".to_owned(),
        found => format!("{found:?}"),
    };
    Problem::new(
        &codes::REQUEST_CONTENT_TYPE,
        format!("expected Content-Type {expected}, found {found}"),
    )
}

/// Reads a whole body of at most `limit` bytes. One that came in one piece is not copied.
pub(crate) async fn whole(
    mut body: Body,
    limit: usize,
    within: Duration,
) -> Result<Bytes, Problem> {
    // As far as the length was announced.
    let announced = axum::body::HttpBody::size_hint(&body).lower();
    let too_large = || {
        let found = match announced {
            0 => "more".to_owned(),
            announced => announced.to_string(),
        };
        let detail =
            format!("expected at most {limit} bytes, found {found}: send less in one request");
        Problem::new(&codes::REQUEST_TOO_LARGE, detail)
    };
    if announced > limit as u64 {
        return Err(too_large());
    }
    let read = async {
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| cut(&error))?.into_data() else {
                continue;
            };
            if first.len() + rest.len() + data.len() > limit {
                return Err(too_large());
            }
            if first.is_empty() && rest.is_empty() {
                first = data;
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(&std::mem::take(&mut first));
                }
                rest.extend_from_slice(&data);
            }
        }
        Ok(if rest.is_empty() {
            first
        } else {
            rest.freeze()
        })
    };
    tokio::time::timeout(within, read)
        .await
        .unwrap_or_else(|_| Err(late(within)))
}

/// The body, or its next part, did not come in time.
pub(crate) fn late(within: Duration) -> Problem {
    Problem::new(
        &codes::REQUEST_LATE,
        format!("waited {} s for it", within.as_secs_f32()),
    )
}

/// The connection broke while the body came. Nobody will read this, but the type wants it.
pub(crate) fn cut(error: &axum::Error) -> Problem {
    Problem::new(
        &codes::REQUEST_SYNTAX,
        format!("the body was cut short: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        let headers = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            headers
        };
        assert_eq!(
            media_type(&headers("application/json; charset=utf-8")),
            "application/json"
        );
        assert_eq!(media_type(&HeaderMap::new()), "");
        assert!(is_json("Application/JSON") && is_json("application/vnd.x+json"));
        assert!(!is_json("text/json") && !is_json(""));
        assert!(is_ndjson("application/x-ndjson") && is_ndjson("application/jsonl"));
    }

    #[tokio::test]
    async fn bodies_are_bounded_in_size_and_time() {
        let within = Duration::from_secs(5);
        let pieces = |pieces: &'static [&'static str]| {
            Body::from_stream(futures_util::stream::iter(
                pieces.iter().map(|p| Ok::<_, std::io::Error>(*p)),
            ))
        };
        assert_eq!(whole(Body::from("abc"), 3, within).await.unwrap(), "abc");
        assert_eq!(
            whole(pieces(&["ab", "", "c"]), 3, within).await.unwrap(),
            "abc"
        );
        for body in [Body::from("abcd"), pieces(&["ab", "cd"]), pieces(&["abcd"])] {
            let problem = whole(body, 3, within).await.unwrap_err();
            assert_eq!(problem.code().code, "request.too_large");
        }
        let detail = |problem: Problem| {
            serde_json::to_value(problem.document(None)).unwrap()["detail"].clone()
        };
        let problem = whole(Body::from("abcd"), 3, within).await.unwrap_err();
        assert_eq!(
            detail(problem),
            "expected at most 3 bytes, found 4: send less in one request"
        );
        let never =
            Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let problem = whole(never, 3, Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(problem.code().code, "request.late");
    }
}
