//! `POST /v1/apps/{app}/webhooks/{name}/replay`

use super::{disabled, find};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::instant;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_engine::webhooks::Replay;
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Scope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most events that are named one by one.
const MAX_EVENTS: usize = 1_000;

/// Which events to send again: those of a time, or these.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayWebhook {
    /// From this instant on: of what the endpoint wants.
    #[schema(format = DateTime)]
    from: Option<String>,
    /// Up to this instant; default: now.
    #[schema(format = DateTime)]
    to: Option<String>,
    /// These events by their `no`, wanted or not: at most 1,000.
    #[schema(example = json!([41, 42]))]
    events: Option<Vec<i64>>,
}

/// What was put into the queue.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookReplayed)]
pub(crate) struct Replayed {
    /// How many events are sent again, under the ids they had.
    queued: u64,
    /// The `no` of the last of them.
    last: Option<i64>,
    /// Whether there are more: at most 10,000 are queued by one call, and no more than may wait. Go on from
    /// the instant of the last one.
    cut: bool,
}

problems!(GUARDED, IN_APP, BODY, WRITES; WEBHOOK_UNKNOWN, WEBHOOK_DISABLED);

/// Send events to a webhook endpoint again.
///
/// They keep their `webhook-id`, so a receiver that had one of them drops it. Events are kept as long as
/// records. Needs the scope `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/webhooks/{name}/replay", operation_id = "webhook_replay", tag = "webhooks",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the endpoint"),
    ),
    request_body = ReplayWebhook,
    responses((status = 200, description = "They are queued.", body = Replayed), Problems),
)]
pub(crate) async fn replay(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(body): Json<ReplayWebhook>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let webhook = find(&caller, app, &name)?;
    let which = which(&api, body).map_err(Problem::invalid)?;
    let replayed = api.engine.replay_webhook(&webhook, which).await?;
    let replayed = replayed.ok_or_else(|| disabled(&name))?;
    answer::ok(&Replayed {
        queued: replayed.queued,
        last: replayed.last,
        cut: replayed.is_cut,
    })
}

fn which(api: &Api, body: ReplayWebhook) -> Result<Replay, Vec<FieldProblem>> {
    let wrong =
        |pointer: &str, code, message: String| vec![FieldProblem::new(pointer, code, message)];
    let time = |pointer: &str, text: &str| {
        instant::parse(text).map_err(|message| wrong(pointer, "replay.time", message))
    };
    match (body.from, body.to, body.events) {
        (None, None, Some(events)) => {
            if !(1..=MAX_EVENTS).contains(&events.len()) {
                let found = events.len();
                let message = format!("expected 1 to {MAX_EVENTS} events, found {found}");
                return Err(wrong("/events", "replay.events", message));
            }
            Ok(Replay::Events(events))
        }
        (Some(from), to, None) => {
            let from = time("/from", &from)?;
            let to = to.map_or(Ok(api.now()), |to| time("/to", &to))?;
            if from > to {
                let message = "expected an instant before `to`, found a later one".to_owned();
                return Err(wrong("/from", "replay.time", message));
            }
            Ok(Replay::Between { from, to })
        }
        (..) => Err(wrong(
            "",
            "replay.one_of",
            "expected either from (and to), or events".to_owned(),
        )),
    }
}
