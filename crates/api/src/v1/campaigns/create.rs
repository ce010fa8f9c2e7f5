//! `POST /v1/apps/{app}/campaigns`

use super::schema::{CampaignSchema, PlanSchema};
use crate::answer;
use crate::api_key::sha256;
use crate::auth::Caller;
use crate::body::{is_json, media_type, whole, wrong_media_type};
use crate::idempotency::Held;
use crate::instant;
use crate::json;
use crate::params::{Params, PathOf};
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::notifications::send::{late, refused};
use crate::v1::segments::estimate::EstimateView;
use crate::v1::templates::dry_run::Findings;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use carillon_engine::{IdempotencyKey, Refusal};
use carillon_model::UnixMs;
use carillon_model::app::App;
use carillon_model::campaign::{self, CampaignPlan, CampaignRequest};
use carillon_model::id::NotificationNo;
use carillon_ports::registry::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Whether to try it only.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CreateParams {
    /// `true`: nothing is stored or sent, and the answer says what it would be.
    #[serde(default)]
    dry_run: bool,
}

/// What a campaign would be.
#[derive(Serialize, ToSchema)]
pub(crate) struct CampaignDryRun<'a> {
    /// How it would go, with every default filled in.
    #[schema(value_type = PlanSchema)]
    plan: &'a CampaignPlan,
    /// When it would begin; null: at once.
    #[schema(format = DateTime)]
    begins_at: Option<String>,
    /// About how many devices its segment or expression means, with push tokens or without; null for others.
    audience: Option<EstimateView>,
    /// Of an audience in a linked database: what became of the first rows, which were read for this.
    source: Option<SourceSample>,
    /// What was found out with up to 200 of them.
    #[serde(flatten)]
    findings: Findings<'a>,
}

/// What became of the first rows of a source.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignSourceSample)]
pub(crate) struct SourceSample {
    /// How many were read.
    rows: u64,
    /// Of these, such as named a device, again or for the first time.
    named: u64,
    /// Such as name nobody who is registered in this App.
    unknown: u64,
    /// Such as have no name, or one that cannot be read.
    bad: u64,
}

/// A campaign that is on disk.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedCampaign)]
pub(crate) struct AcceptedView {
    /// Its id.
    #[schema(example = "cmp_019876aa-bbbb-7000-8000-000000000007")]
    id: String,
    /// The notification that it is.
    #[schema(example = "ntf_019876aa-bbbb-7000-8000-000000000007")]
    notification: String,
    /// When it was accepted.
    #[schema(format = DateTime)]
    accepted_at: String,
    /// Whether it was accepted before, with the same Idempotency-Key and body.
    repeated: bool,
    /// When it begins, where that is not now. One by local time begins a while before its first wave. A repeated
    /// answer leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    send_at: Option<String>,
    /// `sent_now`: its `send_at` had passed, and `if_past` says to send it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "sent_now")]
    late: Option<&'static str>,
}

problems!(GUARDED, IN_APP, BODY, WRITES; REQUEST_HEADER, CAMPAIGN_NAME_TAKEN, IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_REUSED);

/// Start a campaign.
///
/// One notification to a large audience, in slices: at a pace, by each device's local time, with a canary
/// first, as its body says. 202 means that it is on disk. In it are devices that were registered when it
/// begins, each at most once. Everything that is wrong with it is said at once.
///
/// With `dry_run=true` it is only tried: the answer is 200
/// and says whom it would reach and what some of them would get. Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/campaigns", operation_id = "campaign_create", tag = "campaigns",
    params(
        ("app" = String, Path, description = "Id of the App"),
        CreateParams,
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 200 visible ASCII characters, kept for 24 hours: the same key and body is the same campaign"),
    ),
    request_body = CampaignSchema,
    responses(
        (status = 200, description = "Tried only.", body = CampaignDryRun),
        (status = 202, description = "Accepted.", body = AcceptedView,
            headers(("Location" = String, description = "Address of the campaign"))),
        Problems
    ),
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<CreateParams>,
    request: Request,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let held = Held::take(&api, &caller, app.no, request.headers())?;
    if !is_json(media_type(request.headers())) {
        return Err(wrong_media_type(request.headers(), "application/json"));
    }
    let limits = &api.limits;
    let bytes = whole(request.into_body(), limits.body_bytes, limits.body_timeout).await?;
    let campaign: CampaignRequest = json::read(&bytes)?;
    if params.dry_run {
        return try_out(&api, app, campaign).await;
    }
    let name = campaign.name.clone();
    let idempotency = held.as_ref().map(|held| IdempotencyKey {
        scoped_key: held.scoped().to_owned(),
        body_hash: sha256(&bytes),
    });
    let answer = api.engine.create_campaign(app.no, campaign, idempotency);
    let accepted = answer.await?.map_err(|refusal| match refusal {
        Refusal::NameTaken { no, accepted_at } => taken(app, &name, no, accepted_at),
        other => refused(other),
    })?;
    let id = campaign::public(accepted.no, accepted.accepted_at);
    let location = format!("/v1/apps/{}/campaigns/{id}", app.id);
    let view = AcceptedView {
        id,
        notification: accepted.id.clone(),
        accepted_at: instant::rfc3339(accepted.accepted_at),
        repeated: accepted.repeated,
        send_at: instant::optional(accepted.send_at),
        late: late(&accepted),
    };
    let mut response = answer::json(StatusCode::ACCEPTED, &view)?;
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn taken(app: &App, name: &str, no: NotificationNo, accepted_at: UnixMs) -> Problem {
    Problem::new(
        &codes::CAMPAIGN_NAME_TAKEN,
        format!(
            "{} has a campaign {name:?} already: {}",
            app.id,
            campaign::public(no, accepted_at)
        ),
    )
}

/// What it would be.
async fn try_out(api: &Api, app: &App, campaign: CampaignRequest) -> Result<Response, Problem> {
    let name = campaign.name.clone();
    let tried = api.engine.rehearse_campaign(app.no, campaign).await?;
    let tried = tried.map_err(Problem::invalid)?;
    let store = api.store();
    if let Some(no) = store.campaign_named(app.no, name.clone()).await? {
        let row = store.notification(app.no, no).await?;
        let accepted_at = row.map_or(0, |row| row.head.accepted_at);
        return Err(taken(app, &name, no, accepted_at));
    }
    answer::ok(&CampaignDryRun {
        plan: &tried.plan,
        begins_at: instant::optional(tried.begins_at),
        audience: tried
            .audience
            .map(|found| EstimateView::of(found, Vec::new())),
        source: tried.source.map(|rows| SourceSample {
            rows: rows.rows(),
            named: rows.taken + rows.doubled,
            unknown: rows.unknown,
            bad: rows.bad,
        }),
        findings: Findings::from(&tried.report),
    })
}
