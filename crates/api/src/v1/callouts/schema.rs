//! What a fallback looks like, for the OpenAPI document only: the model reads it, and knows nothing of
//! OpenAPI.

use crate::v1::notifications::schema::ContentSchema;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What becomes of a notification without a good answer: a word, or an object with one key.
#[derive(ToSchema)]
#[schema(as = CalloutFallback, rename_all = "snake_case")]
#[expect(dead_code, reason = "documents carillon_model::callout::Fallback")]
pub(crate) enum FallbackSchema {
    /// The schedule's run fails, and `schedule.failed` tells so.
    Fail,
    /// Nothing is sent.
    Skip,
    /// It says this.
    Content(Box<ContentSchema>),
    /// Its template gets these variables.
    Variables(BTreeMap<String, Value>),
}
