//! `GET /v1/apps/{app}/live-activities/{id}/phases`

use super::{Names, find};
use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::words;
use axum::extract::State;
use axum::response::Response;
use carillon_engine::live_activity::OpenActivity;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::live_activity::RecordKind;
use carillon_ports::live_activity::{ActivityRecord, StoredActivity};
use carillon_ports::registry::Scope;
use carillon_ports::store::{DeliveryFilter, DeliveryView};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Most records of one.
const MAX: u32 = 1_000;
/// Most phones of a record whose pushes are told.
const MAX_PUSHES: u32 = 100;

/// What became of a phone's push.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivityPush)]
pub(crate) struct PushView {
    /// The phone's device; null when that is not known any more, or where it went to a channel.
    #[schema(example = "5b1c0e9e-3d0b-4f4e-9a57-2f1d6b7a1c11")]
    device: Option<String>,
    /// The delivery, whose story `GET …/deliveries/{id}` tells.
    #[schema(example = "dlv_1048576_0")]
    delivery: String,
    /// `open`, or how it ended: `accepted`, `rejected`, `failed`, `unknown`, `expired`, `cancelled`, `suppressed`. Accepted is all
    /// that Apple says: whether the phone showed it, Apple tells nobody.
    #[schema(example = "accepted")]
    state: &'static str,
    /// The rule, when it was suppressed, as in a delivery.
    suppressed_by: Option<&'static str>,
}

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
    /// The notification that was pushed. Null: nobody could be told, or nothing changed.
    notification: Option<String>,
    /// What became of each phone's push: of at most 100; the notification's deliveries are all of them.
    pushes: Vec<PushView>,
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
    let keepers = keepers(&api, &stored).await?;
    let phones = keepers.values().map(|phone| phone.0);
    let phones = phones.chain(records.iter().filter_map(|record| record.what.phone));
    let names = Names::of_devices(&api, phones).await?;
    let view = |push: &DeliveryView| PushView {
        device: keepers
            .get(&push.device_no)
            .and_then(|phone| names.of(phone.0)),
        delivery: push.id.to_string(),
        state: push.state.map_or("open", |state| state.as_str()),
        suppressed_by: push.state.and_then(words::suppressed_by),
    };
    let mut data = Vec::with_capacity(records.len());
    for record in records {
        let pushes = pushes(&api, app.no, &record).await?;
        data.push(RecordView {
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
            pushes: pushes.iter().map(view).collect(),
        });
    }
    answer::ok(&RecordsView { data })
}

/// The deliveries of what was sent for it.
async fn pushes(
    api: &Api,
    app: AppNo,
    record: &ActivityRecord,
) -> Result<Vec<DeliveryView>, Problem> {
    let Some(no) = record.notification else {
        return Ok(Vec::new());
    };
    let all = DeliveryFilter::All;
    let found = api.store().deliveries(app, no, None, all, MAX_PUSHES);
    Ok(found.await?)
}

/// Whose the push tokens are by which an activity is started and updated: the phones, by the devices that keep the tokens.
async fn keepers(
    api: &Api,
    stored: &StoredActivity,
) -> Result<BTreeMap<DeviceNo, DeviceNo>, Problem> {
    let open = OpenActivity::read(stored)
        .map_err(|why| Problem::internal(format!("Live Activity {}: {why}", stored.no)))?;
    let phones = open.run.phones.iter();
    let mut keepers: BTreeMap<DeviceNo, DeviceNo> = phones
        .flat_map(|(phone, known)| {
            let kept = [known.asked_by, known.token_before, known.push_token_of];
            let of = |keeper| (DeviceNo(keeper), DeviceNo(*phone));
            kept.into_iter().flatten().map(of)
        })
        .collect();
    let devices: Vec<_> = open.run.phones.keys().map(|no| DeviceNo(*no)).collect();
    let type_of = open.plan.attributes_type;
    let startable = api.store().startable(devices, type_of).await?;
    keepers.extend(startable.iter().map(|one| (one.push_token_of, one.device)));
    Ok(keepers)
}
