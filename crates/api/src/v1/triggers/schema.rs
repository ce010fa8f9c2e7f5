//! What a trigger's definition looks like, for the OpenAPI document only: the model reads it, and
//! knows nothing of OpenAPI. A test holds the field names of both together.

use crate::v1::notifications::schema::{BadgeChangeSchema, ContentSchema, OptionsSchema};
use serde_json::Value;
use utoipa::ToSchema;

/// A trigger to store.
#[derive(ToSchema)]
#[schema(as = TriggerDefinition)]
#[expect(
    dead_code,
    reason = "documents carillon_model::trigger::TriggerDefinition"
)]
pub(crate) struct DefinitionSchema {
    /// The events that it is for: a name, or all that begin alike: `comment.*`.
    #[schema(example = "comment.created")]
    event: String,
    /// Only when this expression holds for the event.
    #[schema(example = "data.likes >= 3")]
    condition: Option<String>,
    /// Whom it is for: exactly one of the keys. Default: the event's recipients.
    audience: Option<AudienceSchema>,
    /// Whether the event's actor gets it too. Default false: he knows already.
    include_actor: Option<bool>,
    /// Name of the template that says it; its variables are the event's data. Exactly one of `template`
    /// and `content`.
    #[schema(example = "comment-created")]
    template: Option<String>,
    /// The same words for every event.
    content: Option<ContentSchema>,
    /// How it is sent.
    options: Option<OptionsSchema>,
    /// What becomes of each recipient's badge counter.
    badge: Option<BadgeChangeSchema>,
    /// For how long a notification makes sense.
    #[schema(example = "1h")]
    expires_in: Option<String>,
    /// Events of one recipient are gathered and told as one.
    digest: Option<DigestRuleSchema>,
    /// Where in the event stands what digests are kept apart by.
    #[schema(example = "data.post_id")]
    digest_key: Option<String>,
    /// At most so many notifications for each recipient.
    throttle: Option<ThrottleSchema>,
    /// `false`: it rests. Default true.
    enabled: Option<bool>,
    /// For people.
    description: Option<String>,
}

/// Whom a trigger is for: exactly one of the keys.
#[derive(ToSchema)]
#[schema(as = TriggerAudience, rename_all = "snake_case")]
#[expect(
    dead_code,
    reason = "documents carillon_model::trigger::TriggerAudience"
)]
pub(crate) enum AudienceSchema {
    /// The users that the event names as its `recipients`; the value is `true`.
    Recipients(bool),
    /// The users at a path in the event: one text or a list of them, e.g. `data.post.author`.
    UsersAt(String),
    /// Everybody subscribed to this topic.
    Topic(String),
    /// Everybody subscribed to the topic whose name stands at a path in the event.
    TopicAt(String),
    /// Devices for which an expression over their tags and attributes holds.
    Tags(Value),
    /// All devices of this segment, as it is when the event is reported.
    Segment(String),
    /// All devices of the App; the value is `true`.
    All(bool),
}

/// How events are gathered.
#[derive(ToSchema)]
#[schema(as = DigestRule)]
#[expect(dead_code, reason = "documents carillon_model::digest::DigestRule")]
pub(crate) struct DigestRuleSchema {
    /// From the first event to the notification: `1s` to `7d`.
    #[schema(example = "10m")]
    window: String,
    /// Of how many events, the latest, the template may tell: 1 to 50, default 20.
    max_items: Option<u16>,
}

/// How often at most.
#[derive(ToSchema)]
#[schema(as = Throttle)]
#[expect(dead_code, reason = "documents carillon_model::throttle::Throttle")]
pub(crate) struct ThrottleSchema {
    /// So many.
    #[schema(example = 3)]
    max: u32,
    /// In any period so long.
    #[schema(example = "1h")]
    per: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::notifications::schema::tests::{documented, taken};
    use carillon_model::digest::DigestRule;
    use carillon_model::throttle::Throttle;
    use carillon_model::trigger::{TriggerAudience, TriggerDefinition};

    #[test]
    fn the_document_has_the_fields_that_the_model_takes() {
        assert_eq!(
            documented::<DefinitionSchema>(),
            taken::<TriggerDefinition>()
        );
        assert_eq!(documented::<AudienceSchema>(), taken::<TriggerAudience>());
        assert_eq!(documented::<DigestRuleSchema>(), taken::<DigestRule>());
        assert_eq!(documented::<ThrottleSchema>(), taken::<Throttle>());
    }
}
