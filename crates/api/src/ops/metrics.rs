//! `GET /metrics`

use crate::auth::Caller;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GLOBAL; AUTH_MISSING, AUTH_UNKNOWN, AUTH_SCOPE, REQUEST_RATE);

/// Metrics in Prometheus' text format.
///
/// Needs the scope `read` and an API key that is not bound to an App, unless the configuration opens
/// it.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "server",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain"), Problems),
)]
pub(crate) async fn metrics(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    if !api.limits.open_metrics {
        let mut parts = request.into_parts().0;
        Caller::from_request_parts(&mut parts, &api)
            .await?
            .global(&[Scope::Read])?;
    }
    let mut response = Response::new(Body::from((api.metrics)()));
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    Ok(response)
}
