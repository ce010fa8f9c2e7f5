//! `GET /v1/apps/{app}/live-activities/{id}/phases`

use super::{Names, find};
use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::live_activity::RecordKind;
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// Most records of one.
const MAX: u32 = 1_000;

/// What happened to a Live Activity.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivityRecord)]
pub(crate) struct RecordView {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// `started`: phones were asked to start it; `phase`; `late_phase`: without its alert; `passed_over`: a later phase, or the
    /// end, came before it could be shown; `updated`: by an update or a change of plan; `caught_up`: phones whose token came were
    /// told the present state; `start_refused`: that phone surely does not show it; `no_room`: that
    /// phone was not asked to start it, because it shows as many as it may; `token_dead`: the update token of that phone
    /// died, and it is told nothing more until it tells another one; `ended`; `cancelled`.
    #[schema(value_type = String, example = "phase")]
    what: RecordKind,
    /// The phase, where it is about one.
    phase: Option<String>,
    /// When it was due by the plan.
    #[schema(format = DateTime)]
    due_at: String,
    /// How many phones were told by push.
    phones: u32,
    /// How many are told when their update token comes.
    waiting: u32,
    /// The device, where it is about one phone.
    device: Option<String>,
    /// Why, where something was refused: Apple's reason, or a word of Carillon's. `budget`: it was pushed when it suits the phone
    /// (APNs 5), because the phone's budget of pushes at once was spent.
    #[schema(example = "Unregistered")]
    reason: Option<String>,
    /// The notification that was pushed; its deliveries say what became of each phone. Null: nobody could be told, or nothing changed.
    notification: Option<String>,
}

/// What happened to a Live Activity, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivityRecords)]
pub(crate) struct RecordsView {
    /// At most the newest 1,000.
    data: Vec<RecordView>,
}

problems!(GUARDED, IN_APP, READS; LIVE_ACTIVITY_UNKNOWN);

/// Say what happened to a Live Activity.
///
/// Every phase: when it was due, when it was done, what was sent and to how many phones, or why not. Needs the scope `read` or
/// `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/live-activities/{id}/phases", operation_id = "live_activity_phases", tag = "live-activities",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Your id of it"),
    ),
    responses((status = 200, description = "What happened.", body = RecordsView), Problems),
)]
pub(crate) async fn phases(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let stored = find(&api, app, &id).await?;
    let records = api
        .engine
        .store()
        .live_activity_records(stored.no, MAX)
        .await?;
    let phones = records.iter().filter_map(|record| record.what.phone);
    let names = Names::of_devices(&api, phones).await?;
    let view = records.into_iter().map(|record| RecordView {
        at: instant::rfc3339(record.at),
        what: record.what.what,
        phase: record.what.phase,
        due_at: instant::rfc3339(record.what.due_at),
        phones: record.what.phones,
        waiting: record.what.waiting,
        device: record.what.phone.and_then(|no| names.of(no)),
        reason: record.what.reason,
        // A push is accepted in the millisecond of its record.
        notification: record.notification.map(|no| no.public(record.at)),
    });
    answer::ok(&RecordsView {
        data: view.collect(),
    })
}
