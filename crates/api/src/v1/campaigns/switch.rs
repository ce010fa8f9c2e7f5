//! `POST /v1/apps/{app}/campaigns/{campaign}/pause` and `…/resume`

use super::find;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_engine::{PauseAnswer, ResumeAnswer};
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// What pausing a campaign, or letting it go on, did.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignSwitched)]
pub(crate) struct Switched {
    /// `paused`: nothing new of it is sent, also after a restart. `going`.
    #[schema(example = "paused")]
    status: &'static str,
    /// Deliveries that a gateway has, or is about to have, and whose answers are still to come. What one of
    /// them needs besides an answer waits as well.
    in_flight: u64,
}

problems!(GUARDED, IN_APP, WRITES; CAMPAIGN_UNKNOWN, CAMPAIGN_OVER);

/// Pause a campaign.
///
/// The answer comes within a second and says what is still in flight: nothing else of it leaves. It may be
/// repeated. One that waits for its time does not begin while it is paused. Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/campaigns/{campaign}/pause", operation_id = "campaign_pause", tag = "campaigns",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("campaign" = String, Path, description = "Id of the campaign, `cmp_…`, or its name"),
    ),
    responses((status = 200, description = "It is paused.", body = Switched), Problems),
)]
pub(crate) async fn pause(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let no = find(&api, app, &id).await?.notification.head.no;
    match api.engine.pause_campaign(app.no, no).await? {
        Some(PauseAnswer::Paused { in_flight }) => answer::ok(&Switched {
            status: "paused",
            in_flight,
        }),
        Some(PauseAnswer::Over) => Err(over(&id)),
        None => Err(gone(&id)),
    }
}

/// Let a campaign go on.
///
/// Where it stopped, at its pace; waves whose time passed meanwhile go at once. One that halted after its
/// canary goes on whatever came of that: who lets it has decided. It may be repeated. Needs the scope
/// `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/campaigns/{campaign}/resume", operation_id = "campaign_resume", tag = "campaigns",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("campaign" = String, Path, description = "Id of the campaign, `cmp_…`, or its name"),
    ),
    responses((status = 200, description = "It goes on.", body = Switched), Problems),
)]
pub(crate) async fn resume(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let no = find(&api, app, &id).await?.notification.head.no;
    match api.engine.resume_campaign(app.no, no).await? {
        Some(ResumeAnswer::Going) => answer::ok(&Switched {
            status: "going",
            in_flight: 0,
        }),
        Some(ResumeAnswer::Over) => Err(over(&id)),
        Some(ResumeAnswer::Contended) => Err(Problem::new(
            &codes::SERVER_BUSY,
            "others keep changing this campaign at the same time",
        )
        .retry_after(1)),
        None => Err(gone(&id)),
    }
}

fn over(id: &str) -> Problem {
    Problem::new(
        &codes::CAMPAIGN_OVER,
        format!("the campaign {id:?} was cancelled, or all its deliveries have ended"),
    )
}

/// It was there a moment ago.
pub(super) fn gone(id: &str) -> Problem {
    Problem::new(
        &codes::CAMPAIGN_UNKNOWN,
        format!("the campaign {id:?} was deleted meanwhile"),
    )
}
