//! What a segment's definition looks like, for the OpenAPI document only: the model reads it, and knows
//! nothing of OpenAPI. A test holds the field names of both together.

use utoipa::ToSchema;

/// A segment to store, or to try.
#[derive(ToSchema)]
#[schema(as = SegmentDefinition)]
#[expect(
    dead_code,
    reason = "documents carillon_model::segment::SegmentDefinition"
)]
pub(crate) struct DefinitionSchema {
    /// The devices for which this expression holds.
    #[schema(example = "tags contains 'vip' and last_seen > ago('30d')")]
    filter: String,
    /// Attributes that no device has yet and that are written as they are meant, however much they look
    /// like a mistyped known one.
    new_attributes: Option<Vec<String>>,
    /// For people.
    description: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::notifications::schema::tests::{documented, taken};
    use carillon_model::segment::SegmentDefinition;

    #[test]
    fn the_document_has_the_fields_that_the_model_takes() {
        assert_eq!(
            documented::<DefinitionSchema>(),
            taken::<SegmentDefinition>()
        );
    }
}
