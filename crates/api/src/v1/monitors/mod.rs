//! Monitors: services that are watched, by name. The rules are the model's and the engine carries them out; here are
//! their definitions, what is known of them, and how they did.
//!
//! Values of the headers that an http check sends are secrets: they are sealed, and never shown again.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod headers;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod rotate_secret;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod test;

use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::problem::Problem;
use crate::state::Api;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_model::definition::Definition;
use carillon_model::monitor::{
    Acknowledgement, CheckDefinition, CheckResult, Fault, Hold, Incident, MonitorDefinition, Pulse,
    Watch,
};
use carillon_ports::registry::Scope;
use schema::DefinitionSchema;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A monitor, and what is known of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Monitor)]
pub(crate) struct MonitorView {
    /// Its name, unique in the App.
    #[schema(example = "shop")]
    name: String,
    /// Rises with every change.
    version: u32,
    /// `waiting`: nothing is known yet, or it rests; `ok`; `suspected`; `firing`: an incident is open; `acknowledged`:
    /// and somebody has it in hand.
    #[schema(example = "ok")]
    state: &'static str,
    /// Since when; null: nobody has looked yet.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// What the last attempt came to; null: there was none.
    last: Option<LastCheckView>,
    /// When it is checked next; null: it is a heartbeat, or rests.
    #[schema(format = DateTime)]
    next_check_at: Option<String>,
    /// Of a heartbeat, what was heard; null for any other.
    heard: Option<HeardView>,
    /// Why nobody is paged although it is down; null: nothing holds it.
    hold: Option<HoldView>,
    /// Whether it goes up and down too often.
    is_flapping: bool,
    /// How many incidents there were.
    incidents: u32,
    /// The one that is open.
    incident: Option<OpenIncidentView>,
    /// Of a heartbeat, the path at which its job tells that it ran: a secret, shown to API keys with the scope `admin`
    /// only.
    #[schema(example = "/v1/heartbeats/AQAAAAAAAAAHq83vASNFZ4mrze8BI0Vn")]
    heartbeat_url: Option<String>,
    /// What was stored, with defaults left out. Values of `headers` are `***`; an API key without the scope `admin` sees of
    /// an http check's URL no more than its origin, and no body.
    #[schema(value_type = DefinitionSchema)]
    definition: Value,
    /// When it was first made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// What an attempt to check came to.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckResult)]
pub(crate) struct CheckResultView {
    /// `up`; `down`; `unknown`: it could not be asked, for a reason that lies with us.
    #[schema(example = "up")]
    verdict: &'static str,
    /// What was wrong; null: nothing.
    fault: Option<FaultView>,
    /// How long the answer took, in milliseconds; null: there was none.
    elapsed_ms: Option<u64>,
    /// When the certificate is no longer valid; null: there was none.
    #[schema(format = DateTime)]
    certificate_until: Option<String>,
}

/// The last attempt.
#[derive(Serialize, ToSchema)]
#[schema(as = LastCheck)]
pub(crate) struct LastCheckView {
    /// When it was.
    #[schema(format = DateTime)]
    at: String,
    #[serde(flatten)]
    result: CheckResultView,
}

/// What was wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = Fault)]
pub(crate) struct FaultView {
    /// A stable word.
    #[schema(example = "status")]
    kind: &'static str,
    /// A sentence for people.
    #[schema(example = "status 503, expected 2xx")]
    message: String,
}

/// Why nobody is paged.
#[derive(Serialize, ToSchema)]
#[schema(as = Hold)]
pub(crate) struct HoldView {
    /// `maintenance`, or `dependency`: a monitor that it depends on is not up.
    #[schema(example = "dependency")]
    why: &'static str,
    /// That monitor.
    monitor: Option<String>,
}

/// What was heard of a job.
#[derive(Serialize, ToSchema)]
#[schema(as = Heard)]
pub(crate) struct HeardView {
    /// When it was last heard of.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// When it began, while it runs.
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When its silence becomes a fault; null until it is first heard of.
    #[schema(format = DateTime)]
    due_at: Option<String>,
}

/// An incident while it is open.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenIncident)]
pub(crate) struct OpenIncidentView {
    /// Its number among those of its monitor, from 1.
    pub(crate) no: u32,
    /// When it was opened.
    #[schema(format = DateTime)]
    opened_at: String,
    /// What was wrong then.
    fault: FaultView,
    /// Who has it in hand; null: nobody.
    acknowledged: Option<AcknowledgedView>,
    /// How many pages there were.
    pages: u32,
    /// When the next one is due, unless something holds it; null: none is to come.
    #[schema(format = DateTime)]
    next_page_at: Option<String>,
    /// Whether nobody answered, and nobody will be paged again.
    is_given_up: bool,
}

/// Who has an incident in hand.
#[derive(Serialize, ToSchema)]
#[schema(as = Acknowledged)]
pub(crate) struct AcknowledgedView {
    /// Who.
    #[schema(example = "ann")]
    pub(crate) by: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub(crate) at: String,
    /// Until when; null: until it is resolved.
    #[schema(format = DateTime)]
    pub(crate) until: Option<String>,
}

impl CheckResultView {
    fn of(result: &CheckResult) -> Self {
        Self {
            verdict: result.verdict.as_str(),
            fault: result.fault.as_ref().map(FaultView::of),
            elapsed_ms: result.elapsed_ms,
            certificate_until: instant::optional(result.certificate_until),
        }
    }
}

impl FaultView {
    pub(crate) fn of(fault: &Fault) -> Self {
        Self {
            kind: fault.kind.as_str(),
            message: fault.message.clone(),
        }
    }
}

impl HoldView {
    pub(crate) fn of(hold: &Hold) -> Self {
        match hold {
            Hold::Maintenance => Self {
                why: "maintenance",
                monitor: None,
            },
            Hold::Dependency(name) => Self {
                why: "dependency",
                monitor: Some(name.clone()),
            },
        }
    }
}

impl HeardView {
    fn of(pulse: &Pulse) -> Self {
        Self {
            at: instant::optional(pulse.heard_at),
            started_at: instant::optional(pulse.started_at),
            due_at: instant::optional(pulse.due_at),
        }
    }
}

impl OpenIncidentView {
    pub(crate) fn of(incident: &Incident) -> Self {
        Self {
            no: incident.no,
            opened_at: instant::rfc3339(incident.opened_at),
            fault: FaultView::of(&incident.fault),
            acknowledged: incident.acknowledged.as_ref().map(AcknowledgedView::of),
            pages: incident.pages,
            next_page_at: instant::optional(incident.next_page_at()),
            is_given_up: incident.is_given_up(),
        }
    }
}

impl AcknowledgedView {
    fn of(acknowledged: &Acknowledgement) -> Self {
        Self {
            by: acknowledged.by.clone(),
            at: instant::rfc3339(acknowledged.at),
            until: instant::optional(acknowledged.until),
        }
    }
}

impl MonitorView {
    fn of(api: &Api, caller: &Caller, stored: &Definition, watch: &Watch) -> Result<Self, Problem> {
        let definition = read(stored)?;
        let is_admin = caller.may(&[Scope::Admin]).is_ok();
        let is_heartbeat = definition.check.is_heartbeat();
        let url = || format!("/v1/heartbeats/{}", api.engine.heartbeat_secret(stored));
        Ok(Self {
            name: stored.name.clone(),
            version: stored.version,
            state: watch.state.as_str(),
            since: instant::optional(watch.since),
            last: watch.last.as_ref().map(|last| LastCheckView {
                at: instant::rfc3339(last.at),
                result: CheckResultView::of(&last.result),
            }),
            next_check_at: instant::optional(watch.check_at),
            heard: is_heartbeat.then(|| HeardView::of(&watch.pulse)),
            hold: watch.hold.as_ref().map(HoldView::of),
            is_flapping: watch.is_flapping,
            incidents: watch.incidents,
            incident: watch.incident.as_ref().map(OpenIncidentView::of),
            heartbeat_url: (is_admin && is_heartbeat).then(url),
            definition: shown(definition, is_admin)
                .map_err(|error| unreadable(stored, &error.to_string()))?,
            created_at: instant::rfc3339(stored.created_at),
            updated_at: instant::rfc3339(stored.updated_at),
        })
    }
}

/// What is shown of a definition.
fn shown(mut definition: MonitorDefinition, is_admin: bool) -> serde_json::Result<Value> {
    definition.heartbeat_serial = 0;
    if let CheckDefinition::Http(http) = &mut definition.check {
        for value in http.headers.values_mut() {
            headers::HIDDEN.clone_into(value);
        }
        if !is_admin {
            http.url = origin(&http.url).to_owned();
            if http.body.is_some() {
                http.body = Some(headers::HIDDEN.to_owned());
            }
        }
    }
    serde_json::to_value(definition)
}

/// Scheme, host and port of a URL that was checked when it was stored.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']);
    &url[..end.map_or(url.len(), |end| start + end)]
}

/// A stored definition: it was checked when it was stored. Values of headers are not in it.
fn read(stored: &Definition) -> Result<MonitorDefinition, Problem> {
    serde_json::from_str(&stored.body).map_err(|error| unreadable(stored, &error.to_string()))
}

fn unreadable(stored: &Definition, why: &str) -> Problem {
    Problem::internal(format!("definition {}: {why}", stored.no))
}

/// What is remembered of one.
async fn watched(api: &Api, stored: &Definition) -> Result<Watch, Problem> {
    let mut watches = api.engine.watched(std::slice::from_ref(stored)).await?;
    Ok(watches.pop().unwrap_or_default())
}

async fn answer(
    api: &Api,
    caller: &Caller,
    status: StatusCode,
    stored: &Definition,
) -> Result<Response, Problem> {
    let watch = watched(api, stored).await?;
    answer::json(status, &MonitorView::of(api, caller, stored, &watch)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_not_shown() {
        let definition = json!({
            "check": {"http": {
                "url": "https://shop.example.com:8443/SECRET?token=SECRET", "method": "POST", "body": "SECRET",
                "headers": {"authorization": ""}, "expect": {}
            }},
            "tags": ["web"], "heartbeat_serial": 3
        });
        let of = |is_admin| {
            let definition: MonitorDefinition = serde_json::from_value(definition.clone()).unwrap();
            shown(definition, is_admin).unwrap()
        };
        let http = |url: &str, body: &str| {
            json!({
                "check": {"http": {"url": url, "method": "POST", "body": body, "headers": {"authorization": "***"}, "expect": {}}},
                "tags": ["web"]
            })
        };
        let url = "https://shop.example.com:8443/SECRET?token=SECRET";
        assert_eq!(of(true), http(url, "SECRET"));
        let others = http("https://shop.example.com:8443", "***");
        assert_eq!(of(false), others);
    }
}
