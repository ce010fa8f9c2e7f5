//! Live Activities: timelines by the caller's id, and what phones tell of them. The rules are the model's, and the engine
//! carries them out.

pub(crate) mod change;
pub(crate) mod channel;
pub(crate) mod end;
pub(crate) mod get;
pub(crate) mod gone;
pub(crate) mod list;
pub(crate) mod phases;
pub(crate) mod push_to_start;
pub(crate) mod put;
pub(crate) mod schema;
pub(crate) mod update_token;

use crate::instant;
use crate::problem::{Problem, codes};
use crate::state::Api;
use carillon_engine::live_activity::{ActivityRefusal, OpenActivity};
use carillon_model::app::App;
use carillon_model::id::DeviceNo;
use carillon_model::live_activity::Run;
use carillon_model::problem::FieldProblem;
use carillon_ports::live_activity::StoredActivity;
use schema::ActivitySchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Longest id of a Live Activity.
const MAX_ID: usize = 128;

/// A Live Activity.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivity)]
pub(crate) struct ActivityView {
    /// The caller's id, unique in the App.
    #[schema(example = "lesson-42")]
    id: String,
    /// `planned`; `starting`: no phone has told an update token yet; `active`; `ended`; `cancelled`: ended before its start.
    #[schema(example = "active")]
    state: &'static str,
    /// When it starts.
    #[schema(format = DateTime)]
    starts_at: String,
    /// When it ends by its plan.
    #[schema(format = DateTime)]
    ends_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// Why: `planned`, `asked`, `silence`, `limit` (before the system ends it after 8 hours) or `missed`.
    ended_by: Option<&'static str>,
    /// What its phones show, as the app decodes it: dates are seconds since 2001-01-01.
    #[schema(value_type = Option<Object>)]
    shows: Option<Value>,
    /// Each phase with the time that its plan gives it.
    phases: Vec<PhaseView>,
    /// Phones that show it or were asked to.
    phones: Vec<PhoneView>,
    /// Of a recipient `new_channel`: its channel.
    channel: Option<channel::ChannelView>,
    /// A phone told of it, and it is not declared yet.
    adopted: bool,
    /// What is allowed and may not be meant.
    warnings: Vec<FieldProblemView>,
    /// What was declared.
    #[schema(value_type = ActivitySchema)]
    plan: Value,
    /// When it was declared.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A phase of a Live Activity.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivityPhase)]
pub(crate) struct PhaseView {
    /// Its name.
    #[schema(example = "ending")]
    name: String,
    /// When, by the plan as it is now.
    #[schema(format = DateTime)]
    at: String,
}

/// A phone of a Live Activity.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivityPhone)]
pub(crate) struct PhoneView {
    /// Id of its device; of one of which only the update token is known, the id that Carillon gave it. Null: it was deleted.
    #[schema(example = "5b1c0e9e-3d0b-4f4e-9a57-2f1d6b7a1c11")]
    device: Option<String>,
    /// When it was asked by push to start it.
    #[schema(format = DateTime)]
    asked_at: Option<String>,
    /// Whether its update token is known: else what is shown is told when that comes.
    has_update_token: bool,
    /// An Android phone: it is told by FCM, and needs no update token.
    android: bool,
    /// An iPhone whose update token is reached through FCM.
    through_fcm: bool,
    /// It shows it no more, or is not known to.
    gone: bool,
    /// Why: `phone` said so; `no_room`: it was not asked to start it, because it shows as many as it may; `token_dead`: Apple says that its update token is dead, and it has told no other one.
    gone_because: Option<&'static str>,
    /// It was told the present state, as far as Apple took the push. Whether the phone showed it, Apple tells nobody.
    up_to_date: bool,
}

/// Something that may not be meant.
#[derive(Serialize, ToSchema)]
#[schema(as = FieldWarning)]
pub(crate) struct FieldProblemView {
    /// JSON pointer into the plan.
    #[schema(example = "/content_state/endTime")]
    pointer: String,
    /// Stable dotted code.
    code: &'static str,
    /// In words.
    message: String,
}

impl From<FieldProblem> for FieldProblemView {
    fn from(problem: FieldProblem) -> Self {
        Self {
            pointer: problem.pointer,
            code: problem.code,
            message: problem.message,
        }
    }
}

impl ActivityView {
    fn of(stored: &StoredActivity, names: &Names) -> Result<Self, Problem> {
        let unreadable = |why: String| {
            Problem::internal(format!(
                "Live Activity {} of App {}: {why}",
                stored.no, stored.app
            ))
        };
        let open = OpenActivity::read(stored).map_err(unreadable)?;
        let run = &open.run;
        let phones = run.phones.iter().map(|(no, phone)| PhoneView {
            device: names.of(*no),
            asked_at: phone.asked_at.map(instant::rfc3339),
            has_update_token: phone.has_token,
            android: phone.is_android,
            through_fcm: phone.is_through_fcm,
            gone: phone.is_gone || phone.has_no_room,
            gone_because: match phone {
                phone if phone.is_dead => Some("token_dead"),
                phone if phone.is_gone => Some("phone"),
                phone if phone.has_no_room => Some("no_room"),
                _ => None,
            },
            up_to_date: phone.told >= run.seq,
        });
        let phases = open.plan.phases.iter().map(|phase| PhaseView {
            name: phase.name.clone(),
            at: instant::rfc3339(phase.at),
        });
        Ok(Self {
            id: stored.id.clone(),
            state: stored.state.as_str(),
            starts_at: instant::rfc3339(open.plan.starts_at),
            ends_at: open.plan.ends_at.map(instant::rfc3339),
            ended_at: run.ended.map(|(at, _)| instant::rfc3339(at)),
            ended_by: run.ended.map(|(_, cause)| cause.as_str()),
            shows: run.shown.clone(),
            phases: phases.collect(),
            phones: phones.collect(),
            channel: channel::ChannelView::of(&open),
            adopted: open.is_adopted,
            warnings: open.warnings.into_iter().map(Into::into).collect(),
            plan: serde_json::to_value(&open.request)
                .map_err(|error| unreadable(error.to_string()))?,
            created_at: instant::rfc3339(stored.created_at),
            updated_at: instant::rfc3339(stored.updated_at),
        })
    }
}

/// The ids of devices.
#[derive(Default)]
struct Names(BTreeMap<i64, String>);

impl Names {
    async fn of_devices(api: &Api, numbers: impl Iterator<Item = i64>) -> Result<Self, Problem> {
        let mut devices: Vec<DeviceNo> = numbers.map(DeviceNo).collect();
        devices.sort_unstable();
        devices.dedup();
        if devices.is_empty() {
            return Ok(Self::default());
        }
        let people = api.engine.store().people(devices).await?;
        let names = people.into_iter().map(|one| (one.device.0, one.id));
        Ok(Self(names.collect()))
    }

    /// Of the phones of these.
    async fn of_phones(api: &Api, stored: &[StoredActivity]) -> Result<Self, Problem> {
        let runs = stored
            .iter()
            .filter_map(|one| serde_json::from_str::<Run>(&one.run).ok());
        let phones: Vec<i64> = runs.flat_map(|run| run.phones.into_keys()).collect();
        Self::of_devices(api, phones.into_iter()).await
    }

    fn of(&self, device: i64) -> Option<String> {
        self.0.get(&device).cloned()
    }
}

async fn view(api: &Api, stored: &StoredActivity) -> Result<ActivityView, Problem> {
    let names = Names::of_phones(api, std::slice::from_ref(stored)).await?;
    ActivityView::of(stored, &names)
}

async fn find(api: &Api, app: &App, id: &str) -> Result<StoredActivity, Problem> {
    let found = api
        .engine
        .store()
        .live_activity(app.no, id.to_owned())
        .await?;
    found.ok_or_else(|| unknown(app, id))
}

fn unknown(app: &App, id: &str) -> Problem {
    Problem::new(
        &codes::LIVE_ACTIVITY_UNKNOWN,
        format!("the App {:?} has no Live Activity {id:?}", app.id),
    )
}

fn refused(app: &App, id: &str, refusal: ActivityRefusal) -> Problem {
    match refusal {
        ActivityRefusal::Invalid(problems) => Problem::invalid(problems),
        ActivityRefusal::Unknown => unknown(app, id),
        ActivityRefusal::Over(state) => Problem::new(
            &codes::LIVE_ACTIVITY_OVER,
            format!("the Live Activity {id:?} is {}", state.as_str()),
        ),
        ActivityRefusal::NotRecipient => Problem::new(
            &codes::LIVE_ACTIVITY_NOT_RECIPIENT,
            format!("this device is not one on which the Live Activity {id:?} is shown"),
        ),
        ActivityRefusal::Contended => Problem::new(
            &codes::SERVER_BUSY,
            "others keep changing this Live Activity at the same time",
        )
        .retry_after(1),
        ActivityRefusal::Overloaded { retry_after_ms } => {
            Problem::new(&codes::STORE_OVERLOADED, "the store's queue is full")
                .retry_after(retry_after_ms.div_ceil(1_000))
        }
    }
}
