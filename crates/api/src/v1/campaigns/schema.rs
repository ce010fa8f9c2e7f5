//! What a campaign looks like, for the OpenAPI document only: the model reads it, and knows nothing of
//! OpenAPI. A test holds the field names of both together.

use crate::v1::notifications::schema::{
    BadgeChangeSchema, ContentFromSchema, ContentSchema, OptionsSchema, SendAtSchema, TargetSchema,
    TemplateUseSchema,
};
use utoipa::ToSchema;

/// A campaign to start.
#[derive(ToSchema)]
#[schema(as = CampaignRequest)]
#[expect(
    dead_code,
    reason = "documents carillon_model::campaign::CampaignRequest"
)]
pub(crate) struct CampaignSchema {
    /// Its name, one of its kind in the App: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`.
    #[schema(example = "spring-sale")]
    name: String,
    /// Whom it is for: `all`, `tags`, `segment`, `list`, `topic` or `source`.
    audience: TargetSchema,
    /// Users whose devices are left out, at most 100.
    except_users: Option<Vec<String>>,
    /// What it says. Exactly one of `content` and `template`, or neither beside `content_from`.
    content: Option<ContentSchema>,
    /// A template that says it, in each reader's language.
    template: Option<TemplateUseSchema>,
    /// The call-out that is asked what it says, or what fills the template, once: before it begins.
    content_from: Option<ContentFromSchema>,
    /// What becomes of each recipient's badge counter, once.
    badge: Option<BadgeChangeSchema>,
    /// How it is sent.
    options: Option<OptionsSchema>,
    /// When it begins; at once when it is left out.
    send_at: Option<SendAtSchema>,
    /// When it is delivered, by each device's own clock; instead of `send_at`.
    local_time: Option<LocalSchema>,
    /// What becomes of it when `send_at` has passed, or of devices whose local time has: `refuse` (default)
    /// or `send_now`.
    if_past: Option<String>,
    /// After this instant nothing of it is written any more. At most one of the two.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The same as a duration from its beginning; with `local_time` from its last wave.
    #[schema(example = "6h")]
    expires_in: Option<String>,
    /// `live`: who is meant is asked when his slice is made. `frozen`: it is written down when it begins.
    /// Default `live`, and `frozen` where `local_time`, `canary` or `pace.over` need it.
    audience_mode: Option<String>,
    /// Most devices of one slice: 1 to 1,000, default 1,000.
    #[schema(minimum = 1, maximum = 1000)]
    slice_size: Option<u32>,
    /// How fast slices follow each other; as fast as possible when it is left out.
    pace: Option<PaceSchema>,
    /// Who goes first, and what stops the others.
    canary: Option<CanarySchema>,
}

/// Delivery when the clocks of each device's own place show a time.
#[derive(ToSchema)]
#[schema(as = LocalDelivery)]
#[expect(
    dead_code,
    reason = "documents carillon_model::campaign::LocalDelivery"
)]
pub(crate) struct LocalSchema {
    /// Date and time without offset.
    #[schema(example = "2026-12-01T09:00")]
    at: String,
    /// The zone of devices whose own is not known: an IANA name.
    #[schema(example = "Europe/Berlin")]
    default_time_zone: String,
}

/// How fast a campaign goes: exactly one of the keys.
#[derive(ToSchema)]
#[schema(as = CampaignPace, rename_all = "snake_case")]
#[expect(dead_code, reason = "documents carillon_model::campaign::Pace")]
pub(crate) enum PaceSchema {
    /// At most so many deliveries begin in a second.
    #[schema(example = 500)]
    PerSecond(u32),
    /// All of them, or those of each wave, begin spread over this duration.
    #[schema(example = "30m")]
    Over(String),
}

/// Who goes first.
#[derive(ToSchema)]
#[schema(as = CampaignCanaryRule)]
#[expect(dead_code, reason = "documents carillon_model::campaign::Canary")]
pub(crate) struct CanarySchema {
    /// How many devices: 1 to 100,000, from all over the audience; by local time, from its first wave.
    #[schema(minimum = 1, maximum = 100000)]
    size: u32,
    /// How long the others wait.
    #[schema(example = "15m")]
    hold: String,
    /// What halts it then, at least one: more than this share of the canary's deliveries that ended.
    halt_if: HaltIfSchema,
}

/// Shares, from 0 to below 1.
#[derive(ToSchema)]
#[schema(as = CampaignHaltIf)]
#[expect(dead_code, reason = "documents carillon_model::campaign::HaltIf")]
pub(crate) struct HaltIfSchema {
    /// Rejected, failed, unknown or expired.
    #[schema(example = 0.05)]
    failed: Option<f64>,
    /// Went to users who do not want it, or to push tokens that are dead.
    #[schema(example = 0.02)]
    opted_out: Option<f64>,
}

/// How a campaign goes, with every default filled in.
#[derive(ToSchema)]
#[schema(as = CampaignPlan)]
#[expect(dead_code, reason = "documents carillon_model::campaign::CampaignPlan")]
pub(crate) struct PlanSchema {
    /// Whom it is for.
    audience: TargetSchema,
    /// `live` or `frozen`.
    audience_mode: String,
    /// Most devices of one slice.
    slice_size: u32,
    /// How fast slices follow each other.
    pace: Option<PaceSchema>,
    /// Who goes first.
    canary: Option<CanarySchema>,
    /// Delivery by each device's own clock.
    local_time: Option<LocalSchema>,
    /// What becomes of devices whose local time has passed already.
    if_past: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::notifications::schema::tests::{documented, taken};
    use carillon_model::campaign::CampaignRequest;

    #[test]
    fn the_document_has_the_fields_that_the_model_takes() {
        assert_eq!(documented::<CampaignSchema>(), taken::<CampaignRequest>());
    }
}
