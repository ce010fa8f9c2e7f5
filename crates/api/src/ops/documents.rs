//! `GET /v1/openapi.json` and `GET /docs/errors`: the same for everybody, so open to everybody.

use crate::problem::document::problems;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use std::sync::LazyLock;

static OPENAPI: LazyLock<String> = LazyLock::new(crate::openapi::text);
static ERRORS: LazyLock<String> = LazyLock::new(crate::problem::page::markdown);

problems!(; SERVER_BUSY);

/// This document.
#[utoipa::path(
    get, path = "/v1/openapi.json", operation_id = "openapi", tag = "server", security(()),
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json"), Problems),
)]
pub(crate) async fn openapi() -> Response {
    text("application/json", &OPENAPI)
}

/// What each error code means, and what to do.
#[utoipa::path(
    get, path = "/docs/errors", operation_id = "errors", tag = "server", security(()),
    responses((status = 200, description = "Markdown.", body = String, content_type = "text/markdown")),
)]
pub(crate) async fn errors() -> Response {
    text("text/markdown; charset=utf-8", &ERRORS)
}

fn text(content_type: &'static str, body: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
