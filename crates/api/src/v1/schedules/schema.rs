//! What a schedule's definition looks like, for the OpenAPI document only: the model reads it, and
//! knows nothing of OpenAPI. A test holds the field names of both together.

use crate::v1::campaigns::schema::CampaignSchema;
use crate::v1::notifications::schema::RequestSchema;
use utoipa::ToSchema;

/// A schedule to store.
#[derive(ToSchema)]
#[schema(as = ScheduleDefinition)]
#[expect(
    dead_code,
    reason = "documents carillon_model::schedule::ScheduleDefinition"
)]
pub(crate) struct DefinitionSchema {
    /// When: `minute hour day month weekday`, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    #[schema(example = "0 9 * * MON")]
    cron: String,
    /// By the clock of which place: an IANA time zone.
    #[schema(example = "Asia/Seoul")]
    time_zone: String,
    /// Dates in that zone on which it does not fire: `2026-12-25`, or `2026-12-24/2026-12-26`, the last
    /// included. At most 400.
    except_dates: Option<Vec<String>>,
    /// Not before this instant.
    #[schema(format = DateTime)]
    starts_at: Option<String>,
    /// Not at this instant or after.
    #[schema(format = DateTime)]
    ends_at: Option<String>,
    /// `true`: it rests. Default false.
    paused: Option<bool>,
    /// What becomes of times that passed while nobody looked: at most the latest of them still fires.
    /// Default `{"fire_if_late_by_under": "1h"}`.
    missed: Option<MissedRunSchema>,
    /// What is sent each time: as in a send, without `send_at`, `if_past` and `expires_at`.
    notification: Option<RequestSchema>,
    /// Instead: the campaign that begins each time, as in `POST …/campaigns`, without `send_at` and `expires_at`. Its name has
    /// at most 39 characters and is followed by the time (`monday-news@2026-11-30T00:00Z`); `local_time.at` is a time of
    /// day, of the next date on which no clock has shown it yet.
    campaign: Option<CampaignSchema>,
    /// For people.
    description: Option<String>,
}

/// What becomes of a time that passed while nobody looked: a word, or an object with one key.
#[derive(ToSchema)]
#[schema(as = MissedRun, rename_all = "snake_case")]
#[expect(dead_code, reason = "documents carillon_model::timer::MissedRun")]
pub(crate) enum MissedRunSchema {
    /// It fires, however late.
    Fire,
    /// It does not fire.
    Skip,
    /// It fires if it is late by less than this duration.
    #[schema(example = "10m")]
    FireIfLateByUnder(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::notifications::schema::tests::{documented, taken};
    use carillon_model::schedule::ScheduleDefinition;

    #[test]
    fn the_document_has_the_fields_that_the_model_takes() {
        assert_eq!(
            documented::<DefinitionSchema>(),
            taken::<ScheduleDefinition>()
        );
    }
}
