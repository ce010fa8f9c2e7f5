//! What a reported event looks like, for the OpenAPI document only: the engine reads it, and knows
//! nothing of OpenAPI. A test holds the field names of both together.

use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Something that happened in your product.
#[derive(ToSchema)]
#[schema(as = ReportedEvent)]
#[expect(dead_code, reason = "documents carillon_engine::event::EventRequest")]
pub(crate) struct ReportedEventSchema {
    /// What happened: 1 to 100 characters of `a-z A-Z 0-9 . _ -`.
    #[schema(example = "comment.created")]
    name: String,
    /// What it happened to: 1 to 128 bytes.
    #[schema(example = "post_7")]
    subject: Option<String>,
    /// The user who did it: 1 to 128 bytes. He is not told of it, unless the trigger says so.
    #[schema(example = "ann")]
    actor: Option<String>,
    /// What triggers and templates may use.
    data: Option<BTreeMap<String, Value>>,
    /// Users whom it concerns, at most 1,000.
    #[schema(example = json!(["bob"]))]
    recipients: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::notifications::schema::tests::{documented, taken};
    use carillon_engine::event::EventRequest;

    #[test]
    fn the_document_has_the_fields_that_the_engine_takes() {
        assert_eq!(documented::<ReportedEventSchema>(), taken::<EventRequest>());
    }
}
