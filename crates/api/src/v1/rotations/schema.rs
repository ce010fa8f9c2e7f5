//! What a rotation's definition looks like, for the OpenAPI document only: the model reads it, and knows nothing of
//! OpenAPI. A test holds the field names of both together.

use utoipa::ToSchema;

/// A rotation to store.
#[derive(ToSchema)]
#[schema(as = RotationDefinition)]
#[expect(
    dead_code,
    reason = "documents carillon_model::monitor::RotationDefinition"
)]
pub(crate) struct DefinitionSchema {
    /// By the clock of which place: an IANA time zone.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// Who takes turns: 1 to 8; the first that has somebody at an instant says who is on call.
    layers: Vec<LayerSchema>,
    /// Who stands in for whoever it would be: at most 100; the last that holds counts.
    overrides: Option<Vec<OverrideSchema>>,
    /// `true`: there may be times at which nobody is on call. Default false.
    allow_gaps: Option<bool>,
    /// For people.
    description: Option<String>,
}

/// People who take turns.
#[derive(ToSchema)]
#[schema(as = RotationLayer)]
#[expect(
    dead_code,
    reason = "documents carillon_model::monitor::LayerDefinition"
)]
pub(crate) struct LayerSchema {
    /// Users, in the order of their turns: 1 to 50.
    members: Vec<String>,
    /// How long a turn is: whole days. Default `7d`.
    #[schema(example = "7d")]
    turn: Option<String>,
    /// When one hands over to the next. Default: at `09:00`.
    hand_over: Option<HandOverSchema>,
    /// The date on which the first member's turn begins; before it nobody of this layer is on call. Without it turns are
    /// counted from 1970-01-05, a Monday, or the first such weekday after it.
    #[schema(example = "2026-12-01")]
    starts_on: Option<String>,
    /// When they are on call at all. Default: always.
    hours: Option<HoursSchema>,
}

/// When one hands over to the next.
#[derive(ToSchema)]
#[schema(as = HandOver)]
#[expect(dead_code, reason = "documents carillon_model::monitor::HandOver")]
pub(crate) struct HandOverSchema {
    /// On this day of the week (`mon` …), where turns are whole weeks.
    weekday: Option<String>,
    /// At this time of day. Default `09:00`.
    time: Option<String>,
}

/// Hours on call.
#[derive(ToSchema)]
#[schema(as = OnCallHours)]
#[expect(
    dead_code,
    reason = "documents carillon_model::monitor::HoursDefinition"
)]
pub(crate) struct HoursSchema {
    /// A time of day.
    #[schema(example = "22:00")]
    from: String,
    /// A time of day; not later than `from`: of the next day.
    #[schema(example = "08:00")]
    to: String,
    /// Days on which they begin (`mon` …). Default: every day.
    days: Option<Vec<String>>,
}

/// Somebody who stands in.
#[derive(ToSchema)]
#[schema(as = RotationOverride)]
#[expect(
    dead_code,
    reason = "documents carillon_model::monitor::OverrideDefinition"
)]
pub(crate) struct OverrideSchema {
    /// Who.
    user: String,
    /// From when on.
    #[schema(format = DateTime)]
    from: String,
    /// Until when.
    #[schema(format = DateTime)]
    until: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::notifications::schema::tests::{documented, taken};
    use carillon_model::monitor::{
        HandOver, HoursDefinition, LayerDefinition, OverrideDefinition, RotationDefinition,
    };

    #[test]
    fn the_document_has_the_fields_that_the_model_takes() {
        assert_eq!(
            documented::<DefinitionSchema>(),
            taken::<RotationDefinition>()
        );
        assert_eq!(documented::<LayerSchema>(), taken::<LayerDefinition>());
        assert_eq!(documented::<HandOverSchema>(), taken::<HandOver>());
        assert_eq!(documented::<HoursSchema>(), taken::<HoursDefinition>());
        assert_eq!(
            documented::<OverrideSchema>(),
            taken::<OverrideDefinition>()
        );
    }
}
