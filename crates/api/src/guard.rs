//! What happens around every handler, in one layer because each layer costs every request: a
//! request id, the bound on requests at once, the deadline, panics, and the writing of problems.
//!
//! It does not know who may do what (see `auth`) and reads no body (see `body`).

use crate::problem::{Problem, codes};
use crate::public::incident;
use crate::state::Api;
use crate::v1::lists;
use crate::v1::server::backup;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use carillon_model::monitor::INCIDENT_LINK_PATH;
use futures_util::FutureExt as _;
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

static HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request in answers, log and audit log.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

impl RequestId {
    /// The caller's own, if it can stand in a log: 1 to 128 of `A-Z a-z 0-9 . _ : @ -`.
    fn of_caller(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(&HEADER)?.to_str().ok()?;
        carillon_model::device::is_plain_name(text, 128).then(|| Self(text.into()))
    }
}

/// The layer.
pub(crate) async fn guard(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of_caller(request.headers())
        .unwrap_or_else(|| RequestId(format!("req_{:016x}", api.engine.clock().random()).into()));
    request.extensions_mut().insert(id.clone());
    let line = tracing::enabled!(tracing::Level::DEBUG)
        .then(|| format!("{} {}", request.method(), loggable(request.uri().path())));
    let is_for_people = is_for_people(&request);

    let mut response = if is_bounded(request.uri().path()) {
        match api.requests.try_acquire() {
            Ok(_permit) => within_deadline(&api, request, next).await,
            Err(_) => {
                let detail = format!("{} requests are being carried out", api.limits.requests);
                problem_response(Problem::new(&codes::SERVER_BUSY, detail).retry_after(1))
            }
        }
    } else {
        within_deadline(&api, request, next).await
    };

    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        if let Some(cause) = problem.cause() {
            tracing::error!(request.id = %id.0, cause, "request {} failed", id.0);
        }
        let allow = response.headers_mut().remove(header::ALLOW);
        response = match is_for_people && incident::is_trouble(problem.code().status) {
            true => incident::broken(&problem, &id.0),
            false => problem.into_answer(&id.0),
        };
        if let Some(methods) = allow {
            response.headers_mut().insert(header::ALLOW, methods);
        }
    }
    if let Some(line) = line {
        tracing::debug!(request.id = %id.0, http.status = response.status().as_u16(), "{line}");
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(HEADER.clone(), value);
    }
    response
}

/// Paths that go on with a secret: of a heartbeat, and of one person's link to an incident.
const SECRET_PATHS: [&str; 2] = ["/v1/heartbeats/", INCIDENT_LINK_PATH];

/// A path as it may stand in a log: without a secret, and what follows it.
fn loggable(path: &str) -> Cow<'_, str> {
    let secret = SECRET_PATHS.iter().find(|start| path.starts_with(**start));
    match secret {
        Some(start) => Cow::Owned(format!("{start}***")),
        None => Cow::Borrowed(path),
    }
}

/// Whether a person reads the answer, also where something broke: who opened a link to an incident, or pressed a button there.
fn is_for_people(request: &Request) -> bool {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    let is_link = request.uri().path().starts_with(INCIDENT_LINK_PATH);
    is_link && (is_read || incident::is_form(request.headers()))
}

/// Whether it counts among the requests at once: all that reads or writes the store but the server's own health.
fn is_bounded(path: &str) -> bool {
    ["/v1/", INCIDENT_LINK_PATH, "/status/"]
        .iter()
        .any(|start| path.starts_with(start))
}

async fn within_deadline(api: &Api, request: Request, next: Next) -> Response {
    let deadline = match request.uri().path() {
        backup::PATH => api.limits.backup_deadline,
        _ if lists::put::is_upload(&request) => api.limits.list_deadline,
        _ => api.limits.deadline,
    };
    let handler = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(deadline, handler).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => problem_response(Problem::internal(panic_text(&*panic))),
        Err(_) => problem_response(
            Problem::new(
                &codes::SERVER_LATE,
                format!("no answer within {} s", deadline.as_secs_f32()),
            )
            .retry_after(1),
        ),
    }
}

fn problem_response(problem: Problem) -> Response {
    axum::response::IntoResponse::into_response(problem)
}

/// What a panic says, for the log.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("of unknown type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_of_a_path_is_logged() {
        for (path, logged) in [
            ("/v1/heartbeats/SECRET", "/v1/heartbeats/***"),
            ("/v1/heartbeats/SECRET/fail", "/v1/heartbeats/***"),
            ("/v1/heartbeats/SECRET/start/x", "/v1/heartbeats/***"),
            ("/v1/heartbeats/", "/v1/heartbeats/***"),
            ("/i/SECRET", "/i/***"),
            ("/i/SECRET/x", "/i/***"),
            ("/v1/heartbeats", "/v1/heartbeats"),
            ("/v1/apps/i/monitors/web", "/v1/apps/i/monitors/web"),
            ("/v1/incidents", "/v1/incidents"),
            ("/status/i", "/status/i"),
            ("/", "/"),
        ] {
            assert_eq!(loggable(path), logged, "{path}");
        }
    }
}
