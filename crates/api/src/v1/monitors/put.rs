//! `PUT /v1/apps/{app}/monitors/{name}`

use super::MonitorView;
use super::headers::{self, Kept};
use super::schema::DefinitionSchema;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::{PathOf, plain_name};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::{MONITORS, Put, written};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_model::monitor::MonitorDefinition;
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Make a monitor, or change it.
///
/// Everything that is wrong with it is said at once: a URL that the server may not ask, a regular expression that is no
/// good, a ladder or a monitor that there is not, monitors that depend on each other in a circle. It goes by the new
/// definition at once; an incident that is open stays open. A body that says the same changes nothing; a header's value
/// that is `***` stays as it is stored, as long as the URL stays at its origin; one that leaves out `paused` lets it go on.
/// Needs the scope `admin`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/monitors/{name}", operation_id = "monitor_put", tag = "monitors",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the monitor: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`, but not `test`"),
    ),
    request_body = DefinitionSchema,
    responses(
        (status = 200, description = "Changed, or the same as before.", body = MonitorView),
        (status = 201, description = "Made.", body = MonitorView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(definition): Json<MonitorDefinition>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    plain_name("name", &name, 64)?;
    no_serial(&definition)?;
    // What the body leaves to the former one (an address, values of headers) is the former one's at the moment of storing.
    let stored = MONITORS.put_upon(
        &api,
        &caller,
        app,
        &name,
        |former| {
            let mut definition = definition.clone();
            let before = former.map(|(stored, sealed)| Kept::of(&api, stored, sealed));
            let before = before.transpose()?;
            headers::fill_in(&mut definition, before.as_ref())?;
            if let Some(before) = &before {
                definition.heartbeat_serial = before.definition.heartbeat_serial;
            }
            let plan = api.engine.plan_monitor(app.no, &name, &definition);
            plan.map_err(Problem::invalid)?;
            let values = headers::take_out(&mut definition);
            let body = written(&definition)?;
            let is_same = former.is_some_and(|(stored, _)| stored.body == body)
                && before.is_some_and(|before| before.values == values);
            Ok((!is_same).then_some((body, values)))
        },
        headers::seal,
    );
    let (stored, put) = stored.await?;
    if put != Put::Same {
        api.engine.monitor_changed(&stored).await?;
    }
    let status = match put {
        Put::Made => StatusCode::CREATED,
        Put::Changed | Put::Same => StatusCode::OK,
    };
    super::answer(&api, &caller, status, &stored).await
}

/// The number of a heartbeat's secret is ours to count.
pub(super) fn no_serial(definition: &MonitorDefinition) -> Result<(), Problem> {
    match definition.heartbeat_serial {
        0 => Ok(()),
        _ => Err(Problem::invalid(vec![FieldProblem::new(
            "/heartbeat_serial",
            "field.unknown",
            "there is no such field: `POST …/rotate-secret` makes another address",
        )])),
    }
}
