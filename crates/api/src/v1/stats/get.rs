//! `GET /v1/apps/{app}/stats`

use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::params::{Params, PathOf};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::words;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;
use carillon_ports::store::Count;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

const HOUR_MS: i64 = 3_600_000;

/// Counters.
#[derive(Serialize, ToSchema)]
pub(crate) struct Stats {
    /// Counted from here on: a full hour.
    #[schema(format = DateTime)]
    from: String,
    /// Devices that are registered now.
    devices: u64,
    /// Deliveries that ended since then, by state.
    totals: BTreeMap<&'static str, u64>,
    /// By hour, state and reason.
    data: Vec<StatsRow>,
}

/// Deliveries of one hour that ended alike.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatsRow {
    /// Start of the hour.
    #[schema(format = DateTime)]
    hour: String,
    /// How they ended.
    #[schema(example = "rejected")]
    state: &'static str,
    /// The gateway's reason, or the rule that suppressed them; null for none.
    #[schema(example = "Unregistered")]
    reason: Option<String>,
    /// How many.
    count: u64,
}

/// From when.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsParams {
    /// Count from the hour of this instant on; default: the last 24 hours.
    #[param(format = DateTime)]
    from: Option<String>,
}

impl From<Count> for StatsRow {
    fn from(count: Count) -> Self {
        let rule = words::suppressed_by(count.state).map(str::to_owned);
        Self {
            hour: instant::rfc3339(count.hour),
            state: count.state.as_str(),
            reason: Some(count.reason)
                .filter(|reason| !reason.is_empty())
                .or(rule),
            count: count.count,
        }
    }
}

problems!(GUARDED, IN_APP, READS);

/// Count what became of an App's deliveries.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/stats", operation_id = "stats_get", tag = "stats",
    params(("app" = String, Path, description = "Id of the App"), StatsParams),
    responses((status = 200, description = "The counters.", body = Stats), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<StatsParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let from = match params.from.as_deref() {
        None => api.now() - 86_400_000,
        Some(text) => instant::parse(text)
            .map_err(|sentence| Problem::parameter("from", "query.parameter", sentence))?,
    };
    // The store counts by whole hours.
    let from = from - from.rem_euclid(HOUR_MS);
    let counts = api.store().counts(app.no, from).await?;
    let mut totals: BTreeMap<_, u64> = words::states().into_iter().map(|word| (word, 0)).collect();
    for count in &counts {
        *totals.entry(count.state.as_str()).or_default() += count.count;
    }
    answer::ok(&Stats {
        from: instant::rfc3339(from),
        devices: api.registry().device_count(app.no).await?,
        totals,
        data: counts.into_iter().map(StatsRow::from).collect(),
    })
}
