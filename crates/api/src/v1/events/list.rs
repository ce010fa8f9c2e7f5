//! `GET /v1/apps/{app}/events`

use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::page::MAX;
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::event::EventKind;
use carillon_ports::registry::Scope;
use carillon_ports::store::Event;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// Events, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Events {
    /// The events.
    data: Vec<EventView>,
    /// Pass it as `after` to go on; also given when there is nothing new yet.
    next: i64,
}

/// Something happened.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventView {
    /// Rising number.
    no: i64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// What, e.g. `notification.completed`, `device.retired`, `credential.failing`: see the guide to webhooks.
    #[schema(example = "notification.completed")]
    kind: String,
    /// Id or name of what it is about.
    subject: String,
    /// Details.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    data: Option<Box<RawValue>>,
}

impl EventView {
    /// What happened.
    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        Self {
            no: event.no,
            at: instant::rfc3339(event.at),
            // A store of an older version has other words for some.
            kind: EventKind::parse(&event.kind).map_or(event.kind, |kind| kind.as_str().to_owned()),
            subject: event.subject,
            data: RawValue::from_string(event.data).ok(),
        }
    }
}

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParams {
    /// Events after this number; default 0: all that are kept.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Most entries: 1 to 1,000, default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

problems!(GUARDED, IN_APP, READS);

/// List events, oldest first.
///
/// The App's log: what happened in Carillon. Events that you report by `POST` do not stand in it. Kept
/// as long as records. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/events", operation_id = "event_list", tag = "events",
    params(("app" = String, Path, description = "Id of the App"), EventParams),
    responses((status = 200, description = "Events after `after`.", body = Events), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<EventParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let limit = limit(params.limit, MAX)?;
    let after = params.after.unwrap_or(0);
    let events = api.store().events(app.no, after, limit).await?;
    let next = events.last().map_or(after, |event| event.no);
    answer::ok(&Events {
        data: events.into_iter().map(EventView::from).collect(),
        next,
    })
}
