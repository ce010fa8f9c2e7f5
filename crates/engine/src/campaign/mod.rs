//! Campaigns: accepted as the notification that they are, moved on step by step by the fan-out, paused,
//! and let go on.
//!
//! A pause commits its mark first: from then on nothing of the campaign is claimed and no page of it stored.
//! Then what is in memory steps aside, and what a gateway has is waited for, a moment.

mod pause;
mod pieces;
pub(crate) mod rehearsal;
mod step;

pub(crate) use step::step;

use crate::request::{Accepted, IdempotencyKey, Origin, Refusal, SendItem};
use crate::service::Shared;
use carillon_model::campaign::{CampaignPlan, CampaignRequest, CampaignState};
use carillon_model::id::AppNo;
use carillon_model::problem::FieldProblem;
use carillon_ports::campaign::NewCampaign;
use carillon_ports::store::StoreError;
use std::sync::Arc;

/// The stored form of what can be written as JSON.
fn json(value: &impl serde::Serialize) -> String {
    // What was read from JSON, and plain numbers, can be written as JSON.
    serde_json::to_string(value).unwrap_or_default()
}

/// A campaign that begins.
pub(crate) fn begun(name: String, plan: &CampaignPlan) -> NewCampaign {
    NewCampaign {
        name,
        plan: json(plan),
        state: json(&CampaignState::default()),
    }
}

/// A notification's pointers, as its campaign's body has them.
pub(crate) fn own(problems: Vec<FieldProblem>) -> Vec<FieldProblem> {
    let own = |mut problem: FieldProblem| {
        problem.pointer = CampaignRequest::pointer(&problem.pointer);
        problem
    };
    problems.into_iter().map(own).collect()
}

impl Shared {
    /// See [`crate::Engine::create_campaign`].
    pub(crate) async fn create_campaign(
        self: &Arc<Self>,
        app: AppNo,
        request: CampaignRequest,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Result<Accepted, Refusal>, StoreError> {
        let hub = &self.hub;
        let lead_ms = hub.parts.config.campaign_lead_ms.into();
        let checked = match request.check(hub.parts.clock.now(), lead_ms) {
            Ok(checked) => checked,
            Err(problems) => return Ok(Err(Refusal::Invalid(problems))),
        };
        let audience = &checked.plan.audience;
        let problems = rehearsal::audience_problems(hub, app, audience).await?;
        if !problems.is_empty() {
            return Ok(Err(Refusal::Invalid(problems)));
        }
        let item = SendItem {
            request: checked.notification,
            idempotency,
            origin: Origin {
                campaign: Some(begun(checked.name, &checked.plan)),
                ..Origin::default()
            },
        };
        let sent = self.send(app, vec![item]).await?;
        let answer = sent.into_iter().next().unwrap_or(Err(Refusal::Stale));
        Ok(answer.map_err(|refusal| match refusal {
            Refusal::Invalid(problems) => Refusal::Invalid(own(problems)),
            other => other,
        }))
    }
}
