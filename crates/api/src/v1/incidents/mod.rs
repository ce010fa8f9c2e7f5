//! Incidents: that a monitor is down, from its beginning to its end. What moves them is the engine's business.

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod moves;
pub(crate) mod words;

use crate::instant;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::monitors::FaultView;
use carillon_engine::watch::IncidentRefusal;
use carillon_model::definition::Definition;
use carillon_model::duration::format_ms;
use carillon_model::monitor::Refused;
use carillon_model::problem::FieldProblem;
use carillon_ports::watch::StoredIncident;
use serde::Serialize;
use utoipa::ToSchema;

/// An incident.
#[derive(Serialize, ToSchema)]
#[schema(as = Incident)]
pub(crate) struct IncidentView {
    /// Its monitor.
    #[schema(example = "shop")]
    monitor: String,
    /// Its number among those of its monitor, from 1.
    no: u32,
    /// `firing`; `acknowledged`: somebody has it in hand; `resolved`.
    #[schema(example = "firing")]
    state: &'static str,
    /// When it was opened.
    #[schema(format = DateTime)]
    opened_at: String,
    /// What was wrong then.
    fault: FaultView,
    /// Who has it in hand, or had it at its end; null: nobody.
    acknowledged: Option<TakenView>,
    /// How many pages there were: steps of the ladder that were taken.
    pages: u32,
    /// Whether nobody answered, and nobody is paged again.
    is_given_up: bool,
    /// How it ended; null: it has not.
    resolved: Option<ResolvedView>,
}

/// Who took an incident in hand.
#[derive(Serialize, ToSchema)]
#[schema(as = IncidentTaken)]
pub(crate) struct TakenView {
    /// Who.
    #[schema(example = "ann")]
    by: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
}

/// How an incident ended.
#[derive(Serialize, ToSchema)]
#[schema(as = IncidentEnd)]
pub(crate) struct ResolvedView {
    /// `recovery`: it is up again; `person`; `pause`: its monitor rests.
    #[schema(example = "recovery")]
    how: &'static str,
    /// Who said so, where it was a person.
    by: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// How long it lasted.
    #[schema(example = "12m5s")]
    lasted: String,
}

impl IncidentView {
    fn of(incident: &StoredIncident, monitor: &str) -> Self {
        let lasted = |at: i64| format_ms(at.saturating_sub(incident.opened_at).max(0));
        Self {
            monitor: monitor.to_owned(),
            no: incident.no,
            state: incident.state().as_str(),
            opened_at: instant::rfc3339(incident.opened_at),
            fault: FaultView::of(&incident.fault),
            acknowledged: incident.acknowledged.as_ref().map(|(by, at)| TakenView {
                by: by.clone(),
                at: instant::rfc3339(*at),
            }),
            pages: incident.pages,
            is_given_up: incident.is_given_up,
            resolved: incident.resolved.as_ref().map(|(by, at)| ResolvedView {
                how: by.as_str(),
                by: by.person().map(str::to_owned),
                at: instant::rfc3339(*at),
                lasted: lasted(*at),
            }),
        }
    }
}

/// One incident of a monitor.
async fn find(api: &Api, monitor: &Definition, no: u32) -> Result<StoredIncident, Problem> {
    let found = api.engine.incident(monitor.no, no).await?;
    found.ok_or_else(|| {
        let detail = format!("{:?} has no incident {no}", monitor.name);
        Problem::new(&codes::INCIDENT_UNKNOWN, detail)
    })
}

/// Why an incident did not move.
pub(crate) fn refused(refusal: IncidentRefusal) -> Problem {
    let refused = match refusal {
        IncidentRefusal::NoIncident(detail) => {
            return Problem::new(&codes::INCIDENT_UNKNOWN, detail);
        }
        IncidentRefusal::Store(error) => return error.into(),
        IncidentRefusal::Refused(refused) => refused,
    };
    let detail = refused.to_string();
    let code = match refused {
        Refused::NoIncident(_) => &codes::INCIDENT_UNKNOWN,
        Refused::Over(_) => &codes::INCIDENT_OVER,
        Refused::Acknowledged { .. } => &codes::INCIDENT_ACKNOWLEDGED,
        Refused::NotAcknowledged(_) => &codes::INCIDENT_NOT_ACKNOWLEDGED,
        Refused::NotPaging(_) => &codes::INCIDENT_NOT_PAGING,
        Refused::Snooze(_) => {
            let problem = FieldProblem::new("/for", "incident.snooze", detail);
            return Problem::invalid(vec![problem]);
        }
        // Nobody here tells a monitor of checks and beats.
        Refused::NoHeartbeat | Refused::NotChecked => return Problem::internal(detail),
    };
    Problem::new(code, detail)
}
