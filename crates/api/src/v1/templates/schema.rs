//! What a template's definition looks like, for the OpenAPI document only: the model reads it, and
//! knows nothing of OpenAPI. A test holds the field names of both together.

use carillon_model::template::RenderError;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A template to store.
#[derive(ToSchema)]
#[schema(as = TemplateDefinition)]
#[expect(
    dead_code,
    reason = "documents carillon_model::template::TemplateDefinition"
)]
pub(crate) struct DefinitionSchema {
    /// The locale for everybody whom no other fits; one of `content`.
    #[schema(example = "en")]
    default_locale: String,
    /// What callers must or may give it, by name; at most 100.
    variables: Option<BTreeMap<String, VariableSchema>>,
    /// What it says, by locale (BCP 47); at most 100.
    content: BTreeMap<String, ContentTemplateSchema>,
    /// The category of the notifications that it makes: what a user can switch off.
    category: Option<String>,
    /// For people who read the list of templates.
    description: Option<String>,
}

/// One declared variable.
#[derive(ToSchema)]
#[schema(as = VariableDefinition)]
#[expect(
    dead_code,
    reason = "documents carillon_model::template::VariableDefinition"
)]
pub(crate) struct VariableSchema {
    /// `string`, `integer`, `number`, `boolean`, `list` or `object`.
    #[schema(rename = "type", example = "string")]
    kind: String,
    /// Whether it must be given. Without this, it must unless it has a default.
    required: Option<bool>,
    /// What stands in when it is not given.
    default: Option<Value>,
    /// For people.
    description: Option<String>,
}

/// What a template says in one locale: every text may hold `{{ … }}`. A field that is not given comes
/// from the more general locale and at last from the default one; null says that there is none.
#[derive(ToSchema)]
#[schema(as = ContentTemplate)]
#[expect(
    dead_code,
    reason = "documents carillon_model::template::ContentTemplate"
)]
pub(crate) struct ContentTemplateSchema {
    /// Title.
    #[schema(example = "{{ writer }}님의 새 댓글")]
    title: Option<String>,
    /// Text.
    body: Option<String>,
    /// Second line of the title.
    subtitle: Option<String>,
    /// Number on the app's icon, or a text that becomes one.
    badge: Option<Value>,
    /// Sound.
    sound: Option<String>,
    /// Address of a picture.
    image: Option<String>,
    /// What a tap opens.
    link: Option<String>,
    /// The app's own data; the texts in it may be templates, its keys not.
    data: Option<BTreeMap<String, Value>>,
    /// Groups notifications on the device.
    thread: Option<String>,
    /// Set of actions that the app has registered.
    category: Option<String>,
    /// How much it may interrupt; never a template.
    urgency: Option<String>,
    /// Raw APNs payload; its texts may be templates.
    apns: Option<BTreeMap<String, Value>>,
    /// Raw parts of FCM's message; their texts may be templates.
    fcm: Option<BTreeMap<String, Value>>,
    /// Raw message for browsers; its texts may be templates.
    webpush: Option<BTreeMap<String, Value>>,
}

/// The reported event that a template is to tell of.
#[derive(ToSchema)]
#[schema(as = EventOfTemplate)]
#[expect(dead_code, reason = "documents carillon_model::body::EventSource")]
pub(crate) struct EventSchema {
    /// `event.name`.
    #[schema(example = "comment.created")]
    name: String,
    /// `actor`.
    actor: Option<String>,
    /// `event.subject`.
    subject: Option<String>,
}

/// The digest that a template is to tell.
#[derive(ToSchema)]
#[schema(as = DigestOfTemplate)]
#[expect(dead_code, reason = "documents carillon_model::body::DigestSource")]
pub(crate) struct DigestSchema {
    /// `digest.count`.
    count: u64,
    /// `digest.items`: the data of the latest events, oldest first.
    items: Vec<Value>,
}

/// Why a template cannot be rendered.
#[derive(Serialize, ToSchema)]
pub(crate) struct RenderFailure<'a> {
    /// JSON pointer into the definition.
    #[schema(example = "/content/ko/title")]
    pointer: &'a str,
    /// The variable at fault, as far as it is known.
    variable: Option<&'a str>,
    /// Stable dotted code.
    #[schema(example = "template.undefined")]
    code: &'static str,
    /// What was expected, what was found, what to do.
    message: &'a str,
}

impl<'a> From<&'a RenderError> for RenderFailure<'a> {
    fn from(error: &'a RenderError) -> Self {
        Self {
            pointer: &error.pointer,
            variable: error.variable.as_deref(),
            code: error.code,
            message: &error.message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::notifications::schema::tests::{documented, taken};
    use carillon_model::body::{DigestSource, EventSource};
    use carillon_model::template::{ContentTemplate, TemplateDefinition, VariableDefinition};

    #[test]
    fn the_document_has_the_fields_that_the_model_takes() {
        assert_eq!(
            documented::<DefinitionSchema>(),
            taken::<TemplateDefinition>()
        );
        assert_eq!(
            documented::<VariableSchema>(),
            taken::<VariableDefinition>()
        );
        assert_eq!(
            documented::<ContentTemplateSchema>(),
            taken::<ContentTemplate>()
        );
        assert_eq!(documented::<EventSchema>(), taken::<EventSource>());
        assert_eq!(documented::<DigestSchema>(), taken::<DigestSource>());
    }
}
