//! Problem details for HTTP (RFC 9457): what every error answer looks like.
//!
//! A handler returns a `Problem`; the guard around all handlers writes it out, because only there
//! the request id is known. A 5xx never shows its cause to the caller: the log has it, once.

pub mod codes;
pub(crate) mod document;
pub mod fields;
pub mod page;
mod saying;
mod watching;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use carillon_model::problem::FieldProblem;
use carillon_ports::store::StoreError;
use codes::Code;
use serde::Serialize;

/// The content type of RFC 9457 section 3.
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

/// Something went wrong, in words for the caller. As an answer it is an empty body that carries the
/// problem as an extension, for the guard to write.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    code: &'static Code,
    detail: String,
    errors: Vec<FieldProblem>,
    retry_after_secs: Option<u32>,
    gateway: Option<GatewayWords>,
    /// For the log only.
    cause: Option<String>,
}

/// What a gateway said, in its own spelling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct GatewayWords {
    /// Its HTTP status; 0 when it did not answer.
    pub(crate) status: u16,
    /// Its reason, or our word for a failure without an answer.
    pub(crate) reason: String,
}

/// One bad field of a request: documents [`FieldProblem`], which is what is written.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = FieldProblem)]
pub(crate) struct FieldProblemSchema {
    /// JSON pointer (RFC 6901) into the body; for parameters, their name.
    #[schema(example = "/content/badge")]
    pointer: String,
    /// Stable dotted code of the rule.
    #[schema(example = "field.type")]
    code: String,
    /// What was expected, what was found, what to do.
    message: String,
    /// Line in that text, from 1, where the field is a text with a language of its own (a template, an
    /// expression).
    line: Option<u32>,
    /// Column in characters, from 1.
    column: Option<u32>,
}

/// Problem details (RFC 9457).
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument<'a> {
    /// Address of the code's description.
    #[serde(rename = "type")]
    #[schema(example = "/docs/errors#request.invalid")]
    kind: String,
    /// What happened, the same for each occurrence.
    title: &'a str,
    /// HTTP status.
    status: u16,
    /// What happened this time.
    detail: &'a str,
    /// Stable dotted code.
    code: &'a str,
    /// The bad fields.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<FieldProblemSchema>)]
    errors: &'a [FieldProblem],
    /// The gateway's own words, if it was the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<&'a GatewayWords>,
    /// Id of the request; also in the header `X-Request-Id` and in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Problem {
    /// A problem of this kind; `detail` says what happened this time.
    pub(crate) fn new(code: &'static Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_secs: None,
            gateway: None,
            cause: None,
        }))
    }

    /// The body breaks these rules.
    pub(crate) fn invalid(errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [one] => one.to_string(),
            several => format!("{} fields are wrong", several.len()),
        };
        Self::new(&codes::REQUEST_INVALID, detail).errors(errors)
    }

    /// A path or query parameter is wrong.
    pub(crate) fn parameter(name: &str, code: &'static str, message: impl Into<String>) -> Self {
        let error = FieldProblem::new(name, code, message);
        Self::new(&codes::REQUEST_PARAMETER, error.to_string()).errors(vec![error])
    }

    /// Something of ours broke; `cause` goes to the log only.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        let mut problem = Self::new(
            &codes::SERVER_ERROR,
            "the cause is in the server's log under this request id",
        );
        problem.0.cause = Some(cause.into());
        problem
    }

    /// Names the bad fields.
    pub(crate) fn errors(mut self, errors: Vec<FieldProblem>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Says when to come back.
    pub(crate) fn retry_after(mut self, secs: u32) -> Self {
        self.0.retry_after_secs = Some(secs.max(1));
        self
    }

    /// Adds the gateway's own words.
    pub(crate) fn gateway(mut self, status: u16, reason: impl Into<String>) -> Self {
        self.0.gateway = Some(GatewayWords {
            status,
            reason: reason.into(),
        });
        self
    }

    /// Which kind it is.
    pub(crate) fn code(&self) -> &'static Code {
        self.0.code
    }

    /// When to come back, in seconds.
    pub(crate) fn retry_after_secs(&self) -> Option<u32> {
        self.0.retry_after_secs
    }

    /// What goes to the log only.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The document, for a whole answer (with its request id) or one line of NDJSON (without).
    pub(crate) fn document<'a>(&'a self, request_id: Option<&'a str>) -> ProblemDocument<'a> {
        let Parts {
            code,
            detail,
            errors,
            gateway,
            ..
        } = &*self.0;
        ProblemDocument {
            kind: format!("/docs/errors#{}", code.code),
            title: code.title,
            status: code.status,
            detail,
            code: code.code,
            errors,
            gateway: gateway.as_ref(),
            request_id,
        }
    }

    /// The whole answer.
    pub(crate) fn into_answer(self, request_id: &str) -> Response {
        let body = serde_json::to_vec(&self.document(Some(request_id))).unwrap_or_default();
        let mut response = Response::new(axum::body::Body::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(secs) = self.0.retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// Its HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull => Self::new(&codes::STORE_FULL, error.to_string()),
            StoreError::Busy => Self::new(&codes::STORE_BUSY, error.to_string()).retry_after(1),
            StoreError::Away(_) => Self::new(&codes::STORE_AWAY, error.to_string()).retry_after(5),
            StoreError::Overloaded => {
                Self::new(&codes::STORE_OVERLOADED, error.to_string()).retry_after(1)
            }
            StoreError::Closed => Self::new(
                &codes::SERVER_STOPPING,
                "this instance takes no more requests",
            )
            .retry_after(5),
            StoreError::Corrupt(_) | StoreError::Failed(_) => Self::internal(error.to_string()),
        }
    }
}
