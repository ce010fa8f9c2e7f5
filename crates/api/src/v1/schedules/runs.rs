//! `GET /v1/apps/{app}/schedules/{name}/runs`

use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::page::{List, Page};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::SCHEDULES;
use axum::extract::State;
use axum::response::Response;
use carillon_model::app::App;
use carillon_model::campaign;
use carillon_model::delivery::FinalState;
use carillon_ports::registry::Scope;
use carillon_ports::schedule::ScheduleRun;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

const LIST: List = List("run");
/// Most entries: the deliveries of each are counted.
const MAX: u32 = 100;

/// What came of a time at which a schedule was due.
#[derive(Serialize, ToSchema)]
#[schema(as = ScheduleRun)]
pub(crate) struct RunView {
    /// Its number; rises.
    no: i64,
    /// When it was due; for one that was asked for, when that was.
    #[schema(format = DateTime)]
    due_at: String,
    /// When it was carried out.
    #[schema(format = DateTime)]
    fired_at: String,
    /// `due`, or `asked` by `…/run`.
    #[schema(example = "due")]
    cause: &'static str,
    /// `sent`; `skipped`: its time passed while Carillon was down or its clock stood elsewhere; `failed`.
    #[schema(example = "sent")]
    result: &'static str,
    /// How many times it stands for: more than 1 only for `skipped`, whose first is `due_at`.
    times: u32,
    /// The last of these times.
    #[schema(format = DateTime)]
    last_due_at: String,
    /// The notification; null where none was sent.
    notification: Option<String>,
    /// The campaign that began; null for a notification, and once it is not kept any more.
    campaign: Option<String>,
    /// Its deliveries; null where none was sent, or it is not kept any more.
    deliveries: Option<RunDeliveries>,
    /// Why it failed: a stable dotted code.
    code: Option<String>,
    /// The same in words.
    message: Option<String>,
}

/// How far the deliveries of a run are.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunDeliveries {
    /// How many there are; of a large target more while it is counted.
    total: u64,
    /// Without a final state yet.
    open: u64,
    /// Those that ended, by final state.
    states: BTreeMap<String, u64>,
}

/// Which.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunParams {
    /// `next` of the page before.
    pub(crate) cursor: Option<String>,
    /// Most entries: 1 to 100, default 100.
    #[param(minimum = 1, maximum = 100)]
    pub(crate) limit: Option<u32>,
}

problems!(GUARDED, IN_APP, PAGES, READS; SCHEDULE_UNKNOWN);

/// List the runs of a schedule, newest first.
///
/// They are kept as long as records are. Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/schedules/{name}/runs", operation_id = "schedule_runs", tag = "schedules",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the schedule"),
        RunParams
    ),
    responses((status = 200, description = "A page of runs.", body = Page<RunView>), Problems),
)]
pub(crate) async fn runs(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Params(params): Params<RunParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let limit = limit(params.limit, MAX)?;
    let before = LIST.number(params.cursor.as_deref())?;
    let stored = SCHEDULES.find(&caller, app, &name)?;
    let store = api.engine.store();
    let rows = store.schedule_runs(stored.no, before, limit + 1).await?;
    let page = LIST.page(rows, limit, |row| row.no.to_string(), |row| row);
    let mut data = Vec::with_capacity(page.data.len());
    for run in page.data {
        data.push(view(&api, app, run).await?);
    }
    let next = page.next;
    answer::ok(&Page { data, next })
}

async fn view(api: &Api, app: &App, run: ScheduleRun) -> Result<RunView, Problem> {
    let what = run.what;
    let deliveries = match what.notification {
        None => None,
        Some(no) => api.engine.store().notification(app.no, no).await?,
    };
    // The id is made of the instant of acceptance; once the notification is gone, its id leads nowhere.
    let accepted_at = deliveries
        .as_ref()
        .map_or(what.fired_at, |seen| seen.head.accepted_at);
    let campaign = deliveries
        .as_ref()
        .map(|seen| &seen.head)
        .filter(|head| head.is_campaign);
    let campaign = campaign.map(|head| campaign::public(head.no, head.accepted_at));
    let deliveries = deliveries.map(|seen| RunDeliveries {
        total: seen.deliveries,
        open: seen.open,
        states: seen
            .states
            .iter()
            .map(|(state, count): &(FinalState, u64)| (state.as_str().to_owned(), *count))
            .collect(),
    });
    Ok(RunView {
        no: run.no,
        due_at: instant::rfc3339(what.due_at),
        fired_at: instant::rfc3339(what.fired_at),
        cause: what.cause.as_str(),
        result: what.result.as_str(),
        times: what.times,
        last_due_at: instant::rfc3339(what.last_due_at),
        notification: what.notification.map(|no| no.public(accepted_at)),
        campaign,
        deliveries,
        code: what.failure.as_ref().map(|(code, _)| code.clone()),
        message: what.failure.map(|(_, message)| message),
    })
}
