//! `GET /v1/apps/{app}/callouts/{name}/runs`

use super::find;
use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::page::{List, Page};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::schedules::runs::RunParams;
use axum::extract::State;
use axum::response::Response;
use carillon_model::app::App;
use carillon_model::definition::DefinitionKind;
use carillon_ports::callout::CalloutRun;
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

const LIST: List = List("ask");
/// Most entries: the deliveries of each are counted.
const MAX: u32 = 100;

/// What came of asking a call-out.
#[derive(Serialize, ToSchema)]
#[schema(as = CalloutRun)]
pub(crate) struct RunView {
    /// Its number; rises.
    no: i64,
    /// The schedule that asked, or that somebody ran; null for another notification's, and when it was deleted.
    schedule: Option<String>,
    /// When the schedule or the notification was due.
    #[schema(format = DateTime)]
    due_at: String,
    /// When asking began; null while it waits for its turn.
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    /// Attempts, since asking began last.
    attempts: u16,
    /// `asking`; `answered`: what was answered was sent; `fallback`: that was; `skipped`: nothing was to be
    /// sent; `failed`; `overtaken`: who asked was changed, paused, cancelled or deleted meanwhile.
    #[schema(example = "answered")]
    result: &'static str,
    /// The notification that asked, or that a schedule sent; null where it sent none.
    notification: Option<String>,
    /// How many deliveries it has; null where there is none, or it is not kept any more.
    deliveries: Option<u64>,
    /// What was wrong, also where the fallback was sent: a stable dotted code.
    code: Option<String>,
    /// The same in words. A pointer is into what was answered.
    message: Option<String>,
}

problems!(GUARDED, IN_APP, PAGES, READS; CALLOUT_UNKNOWN);

/// List the runs of a call-out, newest first.
///
/// They are kept as long as records are. Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/callouts/{name}/runs", operation_id = "callout_runs", tag = "callouts",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the call-out"),
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
    let (stored, _) = find(&caller, app, &name)?;
    let store = api.engine.store();
    let rows = store.callout_runs(stored.no, before, limit + 1).await?;
    let page = LIST.page(rows, limit, |row| row.no.to_string(), |row| row);
    let mut data = Vec::with_capacity(page.data.len());
    for run in page.data {
        data.push(view(&api, &caller, app, run).await?);
    }
    let next = page.next;
    answer::ok(&Page { data, next })
}

async fn view(api: &Api, caller: &Caller, app: &App, run: CalloutRun) -> Result<RunView, Problem> {
    let sent = match run.notification {
        None => None,
        Some(no) => api.engine.store().notification(app.no, no).await?,
    };
    let mut schedules = caller
        .directory
        .definitions(app.no, DefinitionKind::Schedule);
    let schedule = schedules.find(|(definition, _)| Some(definition.no) == run.schedule);
    // The id is made of the instant of acceptance; once the notification is gone, its id leads nowhere.
    let accepted_at = match &sent {
        Some(seen) => seen.head.accepted_at,
        None => run.finished_at.unwrap_or(run.due_at),
    };
    Ok(RunView {
        no: run.no,
        schedule: schedule.map(|(definition, _)| definition.name.clone()),
        due_at: instant::rfc3339(run.due_at),
        started_at: instant::optional(run.started_at),
        finished_at: instant::optional(run.finished_at),
        attempts: run.attempts,
        result: run.result.as_str(),
        notification: run.notification.map(|no| no.public(accepted_at)),
        deliveries: sent.map(|seen| seen.deliveries),
        code: run.failure.as_ref().map(|(code, _)| code.clone()),
        message: run.failure.map(|(_, message)| message),
    })
}
