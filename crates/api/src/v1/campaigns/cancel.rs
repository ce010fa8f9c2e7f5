//! `POST /v1/apps/{app}/campaigns/{campaign}/cancel`

use super::find;
use super::switch::gone;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::notifications::cancel::{Cancelled, cancelled};
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; CAMPAIGN_UNKNOWN, CAMPAIGN_OVER);

/// Cancel a campaign.
///
/// It ends: who had no turn yet gets nothing, and what is not written yet is taken back. Only 200 is an
/// acknowledged cancel. May be repeated. 409 when all its deliveries had ended before. Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/campaigns/{campaign}/cancel", operation_id = "campaign_cancel", tag = "campaigns",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("campaign" = String, Path, description = "Id of the campaign, `cmp_…`, or its name"),
    ),
    responses(
        (status = 200, description = "Cancelled: nothing more of it is written.", body = Cancelled),
        (status = 202, description = "Still cancelling.", body = Cancelled),
        Problems
    ),
)]
pub(crate) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let no = find(&api, app, &id).await?.notification.head.no;
    let answer = api.engine.cancel(app.no, no).await?;
    let answer = answer.ok_or_else(|| gone(&id))?;
    // Only the store knows which came first: what had ended by then has no mark of a cancel.
    let seen = api.store().notification(app.no, no).await?;
    if seen.is_some_and(|seen| !seen.head.cancelled) {
        return Err(Problem::new(
            &codes::CAMPAIGN_OVER,
            format!("all deliveries of the campaign {id:?} have ended: it is completed"),
        ));
    }
    cancelled(answer)
}
