//! `GET /v1/apps/{app}/deliveries/{id}`: a delivery with its attempts, and its story.

use super::DeliveryItem;
use crate::answer;
use crate::auth::Caller;
use crate::explain::{Explanation, Facts, OfActivity, SwitchedOff, explain};
use crate::instant;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use carillon_engine::LaneStatus;
use carillon_model::app::App;
use carillon_model::body::Body;
use carillon_model::delivery::{FinalState, Suppression};
use carillon_model::id::{AppNo, DeliveryId};
use carillon_model::lane::Lane;
use carillon_model::live_activity::RecordKind;
use carillon_model::preferences::is_opted_out;
use carillon_model::push_type::PushType;
use carillon_ports::registry::Scope;
use carillon_ports::store::{Attempt, NotificationHead};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A delivery with everything that is known of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryStory {
    #[serde(flatten)]
    delivery: DeliveryItem,
    /// The id it carries at the gateway (`apns-id`), the same at every attempt.
    #[schema(example = "8f3a1c5e-0c52-8d1b-a3b1-6f1f6a4d2b90")]
    gateway_id: String,
    /// What its app said of it.
    receipts: ReceiptsView,
    /// Every try that was not a plain first-time success, oldest first.
    attempts: Vec<AttemptView>,
    /// The Live Activity that it belongs to, if any.
    live_activity: Option<OfActivityView>,
    /// What became of it, in sentences.
    explanation: Explanation,
}

/// What a delivery of a Live Activity was for.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryLiveActivity)]
pub(crate) struct OfActivityView {
    /// Your id of the Live Activity.
    #[schema(example = "lesson-42")]
    id: String,
    /// What happened to it then, as in its record: `started`, `phase`, `late_phase`, `updated`, `caught_up` or `ended`.
    #[schema(value_type = String, example = "phase")]
    what: RecordKind,
    /// The phase, where it is about one.
    phase: Option<String>,
    /// When it was due by the plan.
    #[schema(format = DateTime)]
    due_at: String,
}

/// What an app said of a push: null where it said nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryReceipts)]
pub(crate) struct ReceiptsView {
    /// When it arrived on the device.
    #[schema(format = DateTime)]
    delivered_at: Option<String>,
    /// When somebody opened it.
    #[schema(format = DateTime)]
    opened_at: Option<String>,
}

/// One try.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptView {
    /// Which one, from 1.
    attempt: u16,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// In which environment.
    environment: Option<&'static str>,
    /// Number of the connection; null when none served it.
    connection: Option<u32>,
    /// `accepted`, `rejected`, `retry`, `blocked`, `not_sent`, `in_doubt`, `rescued_in_doubt`,
    /// `expired`, `late_answer`, `held` or `unrenderable`.
    #[schema(example = "rejected")]
    result: String,
    /// The gateway's HTTP status; null when it did not answer.
    status: Option<u16>,
    /// The gateway's reason, or our word for a failure without an answer.
    #[schema(example = "Unregistered")]
    reason: Option<String>,
    /// The gateway's words as they came.
    raw: Option<String>,
    /// From write to answer, in milliseconds; null when it was not written.
    elapsed_ms: Option<f64>,
    /// When it was to be tried again.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
}

impl From<&Attempt> for AttemptView {
    fn from(attempt: &Attempt) -> Self {
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        Self {
            attempt: attempt.attempt,
            at: instant::rfc3339(attempt.at),
            environment: attempt.environment.map(|e| e.as_str()),
            connection: Some(attempt.connection).filter(|no| *no != 0),
            result: attempt.result.clone(),
            status: Some(attempt.status).filter(|status| *status != 0),
            reason: text(&attempt.reason),
            raw: text(&attempt.raw),
            elapsed_ms: Some(attempt.elapsed_us)
                .filter(|us| *us != 0)
                .map(|us| f64::from(us) / 1_000.0),
            next_attempt_at: instant::optional(attempt.next_attempt_at),
        }
    }
}

problems!(GUARDED, IN_APP, READS; DELIVERY_UNKNOWN);

/// Read a delivery, every attempt, and the rule behind its verdict.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/deliveries/{id}", operation_id = "delivery_get", tag = "deliveries",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Id of the delivery: `dlv_…`"),
    ),
    responses((status = 200, description = "The delivery.", body = DeliveryStory), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, text)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let unknown = || {
        Problem::new(
            &codes::DELIVERY_UNKNOWN,
            format!("the App {:?} has no delivery {text:?}", app.id),
        )
    };
    let id = DeliveryId::parse(&text).ok_or_else(unknown)?;
    let (row, attempts) = api
        .store()
        .delivery(app.no, id)
        .await?
        .ok_or_else(unknown)?;
    let notification = api
        .store()
        .notification(app.no, id.batch.notification())
        .await?
        .ok_or_else(unknown)?;
    let receipts = api.engine.receipts().store.receipts(id).await?;
    let head = &notification.head;
    let lanes = if row.state.is_none() {
        lanes(&api, app.no, row.lane)
    } else {
        Vec::new()
    };
    // Credentials first, because a person must mend them.
    let trouble = lanes
        .iter()
        .filter_map(|lane| lane.problem.as_ref())
        .max_by_key(|problem| problem.is_credential);
    let limited = lanes.iter().find_map(|lane| lane.limited);
    let switched_off = match row.state {
        Some(FinalState::Suppressed(Suppression::OptedOut)) => {
            let category = head.options.category.as_deref();
            switched_off(&api, app, row.device.clone(), category).await?
        }
        _ => SwitchedOff::Unknown,
    };
    let of_activity = of_activity(&api, app.no, head).await?;
    let explanation = explain(&Facts {
        delivery: &row,
        attempts: &attempts,
        accepted_at: head.accepted_at,
        waited: head.send_at.zip(head.begun_at),
        expires_at: head.expires_at,
        cancelled: head.cancelled,
        on_unknown: head.options.on_unknown,
        switched_off,
        trouble: trouble.map(|trouble| (trouble.reason.as_str(), trouble.mend.as_str())),
        limited: limited.map(|limit| (limit.of.setting(), limit.rate.per_second)),
        of_activity: of_activity.as_ref(),
    });
    answer::ok(&DeliveryStory {
        delivery: DeliveryItem::new(&row, Some(head.accepted_at)),
        gateway_id: id
            .gateway_id(api.store().installation_seed())
            .as_hyphenated()
            .to_string(),
        receipts: ReceiptsView {
            delivered_at: instant::optional(receipts.delivered_at),
            opened_at: instant::optional(receipts.opened_at),
        },
        attempts: attempts.iter().map(AttemptView::from).collect(),
        live_activity: of_activity.map(|of| OfActivityView {
            id: of.id,
            what: of.record.what,
            phase: of.record.phase,
            due_at: instant::rfc3339(of.record.due_at),
        }),
        explanation,
    })
}

/// The Live Activity that a notification was sent for.
async fn of_activity(
    api: &Api,
    app: AppNo,
    head: &NotificationHead,
) -> Result<Option<OfActivity>, Problem> {
    if head.options.push_type != PushType::LiveActivity {
        return Ok(None);
    }
    let found = api.store().live_activity_sent(app, head.no).await?;
    Ok(found.map(|(id, record)| OfActivity {
        id,
        record: record.what,
        priority: head.options.priority,
        has_alert: has_alert(&head.payload),
    }))
}

/// Whether what is stored of a push calls attention. What is older than its retention is empty, and does not.
fn has_alert(stored: &Bytes) -> bool {
    let has = |json: &[u8], pointer: &str| {
        let read = serde_json::from_slice::<Value>(json);
        read.is_ok_and(|read| read.pointer(pointer).is_some())
    };
    match Body::decode(stored) {
        Ok(Body::Ready(payloads)) => payloads.iter().any(|(_, json)| has(json, "/aps/alert")),
        Ok(Body::Late(late)) => has(&late.source, "/content/apns/aps/alert"),
        Err(_) => false,
    }
}

/// Whose switch keeps a category from the user of a device. He may have changed his mind since.
async fn switched_off(
    api: &Api,
    app: &App,
    device: Option<String>,
    category: Option<&str>,
) -> Result<SwitchedOff, Problem> {
    let (Some(id), Some(category)) = (device, category) else {
        return Ok(SwitchedOff::Unknown);
    };
    let Some(device) = api.registry().device(app.no, id).await? else {
        return Ok(SwitchedOff::Unknown);
    };
    let stored = match device.registration.user_id {
        Some(user) => api.registry().preferences(app.no, user).await?,
        None => None,
    };
    let chosen = stored.and_then(|stored| stored.preferences.categories.get(category).copied());
    Ok(match chosen {
        Some(false) => SwitchedOff::ByUser,
        None if is_opted_out(Some(category), None, &app.settings) => SwitchedOff::ByApp,
        None | Some(true) => SwitchedOff::Unknown,
    })
}

/// The lane that it waits in; where that is not known, all of the App's.
fn lanes(api: &Api, app: AppNo, its: Option<Lane>) -> Vec<LaneStatus> {
    let status = api.engine.status();
    let lanes = status.all_lanes().filter(|lane| match its {
        Some(its) => lane.lane == its,
        None => lane.lane.app == app,
    });
    lanes.cloned().collect()
}
