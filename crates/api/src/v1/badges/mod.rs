//! Badge counters: the number on the app's icon, kept for each user.

pub(crate) mod get;
pub(crate) mod put;

use serde::Serialize;
use utoipa::ToSchema;

/// A user's badge counter.
#[derive(Serialize, ToSchema)]
#[schema(as = Badge)]
pub(crate) struct BadgeView {
    /// The user.
    user_id: String,
    /// What it says; 0 for one who is not known.
    badge: u32,
}
