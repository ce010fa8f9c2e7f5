//! Campaigns: one notification to a large audience, sent over time. The engine carries them out; here is
//! what goes in, how far each is, and what stops it.

pub(crate) mod cancel;
pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod progress;
pub(crate) mod schema;
pub(crate) mod switch;
mod view;

pub(crate) use view::{CampaignItem, Look};

use crate::problem::{Problem, codes};
use crate::state::Api;
use carillon_model::app::App;
use carillon_model::campaign;
use carillon_ports::campaign::CampaignView as Row;

/// The campaign with this id, `cmp_…`, or this name.
pub(crate) async fn find(api: &Api, app: &App, id: &str) -> Result<Row, Problem> {
    let unknown = || {
        Problem::new(
            &codes::CAMPAIGN_UNKNOWN,
            format!("the App {:?} has no campaign {id:?}", app.id),
        )
    };
    let store = api.store();
    let (no, accepted_at) = match campaign::parse(id) {
        Some((no, accepted_at)) => (no, Some(accepted_at)),
        None => {
            let named = store.campaign_named(app.no, id.to_owned()).await?;
            (named.ok_or_else(unknown)?, None)
        }
    };
    let row = store.campaign(app.no, no).await?;
    let is_it = |row: &Row| {
        let accepted = row.notification.head.accepted_at;
        accepted_at.is_none_or(|wanted| wanted == accepted)
    };
    row.filter(is_it).ok_or_else(unknown)
}
