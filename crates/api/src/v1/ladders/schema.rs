//! What a ladder's definition looks like, for the OpenAPI document only: the model reads it, and knows nothing of
//! OpenAPI. A test holds the field names of both together.

use utoipa::ToSchema;

/// A ladder to store.
#[derive(ToSchema)]
#[schema(as = LadderDefinition)]
#[expect(
    dead_code,
    reason = "documents carillon_model::monitor::LadderDefinition"
)]
pub(crate) struct DefinitionSchema {
    /// One after the other, until somebody acknowledges: 1 to 20.
    steps: Vec<StepSchema>,
    /// How often it is gone through, if nobody acknowledges: 1 to 20, default 3.
    #[schema(minimum = 1, maximum = 20)]
    rounds: Option<u16>,
    /// The pause after the last step, before it begins again or is given up: `30s` to `1d`, default `5m`.
    pause: Option<String>,
    /// For how long an acknowledgement holds: `1m` to `7d`; if the incident is not resolved then, the ladder begins anew.
    /// Default: for ever.
    acknowledged_for: Option<String>,
    /// Whether those who were paged are told that it is over. Default true.
    tell_resolved: Option<bool>,
    /// For people.
    description: Option<String>,
}

/// A step of a ladder.
#[derive(ToSchema)]
#[schema(as = LadderStep)]
#[expect(
    dead_code,
    reason = "documents carillon_model::monitor::StepDefinition"
)]
pub(crate) struct StepSchema {
    /// How long after the step before it, or after the incident was opened: at most `1d`. Default at once.
    #[schema(example = "2m")]
    after: Option<String>,
    /// Who: exactly one of the keys.
    whom: WhomSchema,
    /// How. Default `alert`.
    how: Option<HowSchema>,
    /// What a critical alert sounds like; a ring that is not possible becomes one.
    sound: Option<SoundSchema>,
}

/// Whom a step pages: exactly one of the keys.
#[derive(ToSchema)]
#[schema(as = PagedPeople, rename_all = "snake_case")]
#[expect(dead_code, reason = "documents carillon_model::monitor::Whom")]
pub(crate) enum WhomSchema {
    /// Who is on call in this rotation when the step is taken.
    OnCall(String),
    /// The next after them: the second such step of a ladder pages the one after that.
    Next(String),
    /// Everybody in this rotation.
    Everybody(String),
    /// These users: 1 to 50.
    Users(Vec<String>),
}

/// How somebody is paged, quietest first.
#[derive(ToSchema)]
#[schema(as = PageHow, rename_all = "snake_case")]
#[expect(dead_code, reason = "documents carillon_model::monitor::PageHow")]
pub(crate) enum HowSchema {
    /// A time-sensitive alert: it breaks through a Focus, and not through silence.
    Alert,
    /// A critical alert: it sounds on a phone that is silent. The app needs Apple's entitlement.
    Critical,
    /// A VoIP push that rings like a call, on devices whose app has declared `voip_call_ui`.
    Ring,
}

/// What a critical alert sounds like.
#[derive(ToSchema)]
#[schema(as = PageSound)]
#[expect(dead_code, reason = "documents carillon_model::monitor::Sound")]
pub(crate) struct SoundSchema {
    /// A sound of the app. Default `default`.
    name: Option<String>,
    /// From 0 to 1. Default 1.
    volume: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::notifications::schema::tests::{documented, taken};
    use carillon_model::monitor::{LadderDefinition, Sound, StepDefinition, Whom};

    #[test]
    fn the_document_has_the_fields_that_the_model_takes() {
        assert_eq!(
            documented::<DefinitionSchema>(),
            taken::<LadderDefinition>()
        );
        assert_eq!(documented::<StepSchema>(), taken::<StepDefinition>());
        assert_eq!(documented::<WhomSchema>(), taken::<Whom>());
        assert_eq!(documented::<SoundSchema>(), taken::<Sound>());
    }
}
