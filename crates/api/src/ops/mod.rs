//! What operators and their machines ask: probes, metrics, the OpenAPI document, the page of errors.

pub(crate) mod documents;
pub(crate) mod health;
pub(crate) mod metrics;
