//! Campaigns: one notification to a large audience, sent over time.
//!
//! Here is what a caller writes and what is wrong with it ([`CampaignRequest`]), the plan that is kept of
//! it ([`CampaignPlan`]), how far one is ([`CampaignState`]), and when its first slice is judged
//! ([`Canary`]). Carrying it out is the engine's business.

mod canary;
mod pace;
mod plan;
mod recurring;
mod request;
mod state;

pub use canary::{Canary, CanaryCounts, HaltIf, Verdict};
pub use pace::{Pace, Rate};
pub use plan::{AudienceMode, CampaignPlan, LocalDelivery};
pub use recurring::MAX_RECURRING_NAME;
pub use request::{CampaignRequest, Checked, MAX_NAME};
pub use state::{CampaignState, Halt, Phase, SourceRead, Turn, Wave};

use crate::UnixMs;
use crate::id::{NotificationNo, numbered_uuid, read_numbered_uuid};
use uuid::Uuid;

/// The public id of the campaign that a notification is sent by: `cmp_` and the UUID of the notification.
///
/// ```
/// use carillon_model::{campaign, id::NotificationNo};
/// let id = campaign::public(NotificationNo(7), 1_800_000_000_000);
/// assert_eq!(campaign::parse(&id), Some((NotificationNo(7), 1_800_000_000_000)));
/// ```
#[must_use]
pub fn public(no: NotificationNo, accepted_at: UnixMs) -> String {
    format!("cmp_{}", numbered_uuid(accepted_at, no.0).as_hyphenated())
}

/// Reads [`public`]: the number and the time of acceptance that its row must show.
#[must_use]
pub fn parse(text: &str) -> Option<(NotificationNo, UnixMs)> {
    let uuid = Uuid::try_parse(text.strip_prefix("cmp_")?).ok()?;
    let (at, number) = read_numbered_uuid(uuid)?;
    (number <= NotificationNo::MAX).then_some((NotificationNo(number), at))
}
