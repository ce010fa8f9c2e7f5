//! Heartbeats: where a job tells that it ran, with nothing but a secret address. So that any `curl` in a crontab can:
//! by `POST` or `GET`, without an API key, and answered with 204. Not by `HEAD`: so robots ask whether an address is there.

pub(crate) mod fail;
pub(crate) mod finish;
pub(crate) mod start;

use crate::answer;
use crate::params::PathOf;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use carillon_engine::watch::BeatRefusal;
use carillon_model::monitor::Beat;
use http_body_util::BodyExt as _;
use std::time::Duration;

/// Most bytes of what a job says that are read: more would not be shown.
const SAID_BYTES: usize = 4_096;

/// What stands for a sentence that a job did not say.
const NO_WORDS: &str = "the job says that it failed";

/// The secret of the path. What cannot be read is no secret of ours.
pub(crate) type Secret = Result<PathOf<String>, Problem>;

fn unknown() -> Problem {
    let detail = "no monitor of ours has this address";
    Problem::new(&codes::HEARTBEAT_UNKNOWN, detail)
}

/// The secret, if it is one of ours.
fn known(api: &Api, secret: Secret) -> Result<String, Problem> {
    let PathOf(secret) = secret.map_err(|_| unknown())?;
    match api.engine.has_heartbeat(&secret) {
        true => Ok(secret),
        false => Err(unknown()),
    }
}

async fn beat(api: &Api, secret: &str, beat: Beat) -> Result<Response, Problem> {
    match api.engine.beat(secret, beat).await {
        Ok(()) => Ok(answer::gone()),
        Err(BeatRefusal::Unknown) => Err(unknown()),
        Err(BeatRefusal::NotHeard(why)) => Err(Problem::new(&codes::HEARTBEAT_NOT_HEARD, why)),
        Err(BeatRefusal::Store(error)) => Err(error.into()),
    }
}

/// A beat by `GET`. The router brings what comes by `HEAD` here too.
async fn beat_by_get(
    api: &Api,
    method: &Method,
    secret: Secret,
    what: Beat,
) -> Result<Response, Problem> {
    if method != Method::GET {
        let detail = format!("{method} tells nothing: expected POST or GET");
        let mut response = Problem::new(&codes::METHOD_NOT_ALLOWED, detail).into_response();
        let methods = HeaderValue::from_static("GET, POST");
        response.headers_mut().insert(header::ALLOW, methods);
        return Ok(response);
    }
    beat(api, &known(api, secret)?, what).await
}

/// What a job says: the beginning of it, as far as it comes in time. A failure counts whatever its sentence is.
async fn said(mut body: Body, within: Duration) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let room = SAID_BYTES - bytes.len();
            let data = frame.into_data().unwrap_or_default();
            bytes.extend_from_slice(&data[..data.len().min(room)]);
            if bytes.len() == SAID_BYTES {
                return;
            }
        }
    };
    let _in_time = tokio::time::timeout(within, read).await;
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.join(" ") {
        said if said.is_empty() => NO_WORDS.to_owned(),
        said => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::stream;

    #[tokio::test]
    async fn of_what_a_job_says_the_beginning_counts() {
        let soon = Duration::from_secs(20);
        assert_eq!(said(Body::from("disk\n full "), soon).await, "disk full");
        for nothing in ["", " \n"] {
            let words = said(Body::from(nothing), soon).await;
            assert_eq!(words, NO_WORDS);
        }
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b"abc")));
        let words = said(Body::from_stream(endless), soon).await;
        assert_eq!(words.len(), SAID_BYTES);
        // It says something, and then nothing more.
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"half"))]);
        let stuck = futures_util::StreamExt::chain(first, stream::pending());
        let words = said(Body::from_stream(stuck), Duration::from_millis(1)).await;
        assert_eq!(words, "half");
    }
}
