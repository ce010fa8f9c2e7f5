//! `GET /v1/apps/{app}/notifications/{id}/deliveries`

use super::{find, readable};
use crate::answer;
use crate::auth::Caller;
use crate::page::{MAX, Page};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::deliveries::{DeliveryItem, NOTIFICATION_LIST, cursor_key, read_cursor};
use crate::words;
use axum::extract::State;
use axum::response::Response;
use carillon_model::delivery::FINAL_STATES;
use carillon_ports::store::DeliveryFilter;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which deliveries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryParams {
    /// Only those that are `open`, or ended so: `accepted`, `rejected`, `failed`, `unknown`, `expired`, `cancelled`
    /// or `suppressed`.
    state: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most entries: 1 to 1,000, default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

problems!(GUARDED, IN_APP, PAGES, READS; NOTIFICATION_UNKNOWN);

/// List the deliveries of a notification.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/notifications/{id}/deliveries", operation_id = "notification_deliveries", tag = "notifications",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Id of the notification: `ntf_…`"),
        DeliveryParams
    ),
    responses((status = 200, description = "A page of deliveries.", body = Page<DeliveryItem>), Problems),
)]
pub(crate) async fn deliveries(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
    Params(params): Params<DeliveryParams>,
) -> Result<Response, Problem> {
    let app = readable(&caller, &app)?;
    let limit = limit(params.limit, MAX)?;
    let after = read_cursor(NOTIFICATION_LIST, params.cursor.as_deref())?;
    let filter = params
        .state
        .as_deref()
        .map_or(Ok(DeliveryFilter::All), filter)?;
    let notification = find(&api, app, &id).await?;
    let (no, at) = (notification.head.no, notification.head.accepted_at);
    let rows = api
        .store()
        .deliveries(app.no, no, after, filter, limit + 1)
        .await?;
    answer::ok(&NOTIFICATION_LIST.page(
        rows,
        limit,
        |row| cursor_key(row.id),
        |row| DeliveryItem::new(&row, Some(at)),
    ))
}

/// What a word means: `suppressed` stands for several states.
fn filter(word: &str) -> Result<DeliveryFilter, Problem> {
    if word == "open" {
        return Ok(DeliveryFilter::Open);
    }
    let states: Vec<_> = FINAL_STATES
        .into_iter()
        .filter(|state| state.as_str() == word)
        .collect();
    if states.is_empty() {
        let known = words::states().join(", ");
        return Err(Problem::parameter(
            "state",
            "query.parameter",
            format!("expected open or one of {known}, found {word:?}"),
        ));
    }
    Ok(DeliveryFilter::Ended(states))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_word_and_suppressed_means_all_its_rules() {
        for state in FINAL_STATES {
            let filter = filter(state.as_str()).unwrap();
            assert!(filter.takes(Some(state)) && !filter.takes(None));
        }
        let DeliveryFilter::Ended(rules) = filter("suppressed").unwrap() else {
            panic!("it is a final state");
        };
        assert_eq!(rules.len(), 8);
        assert_eq!(filter("open").unwrap(), DeliveryFilter::Open);
        assert_eq!(filter("sent").unwrap_err().code().code, "request.parameter");
    }
}
