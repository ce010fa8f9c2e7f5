//! `DELETE /v1/apps/{app}/templates/{name}`

use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::definitions::{TEMPLATES, users};
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; TEMPLATE_UNKNOWN, TEMPLATE_IN_USE);

/// Delete a template.
///
/// Notifications that were accepted with it are still sent. One that triggers or schedules use stays. Needs
/// the scope `admin`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/templates/{name}", operation_id = "template_delete", tag = "templates",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the template"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let users = users(
        &caller,
        app,
        |trigger| trigger.template.as_deref() == Some(&*name),
        |schedule| {
            let template = schedule.template();
            template.is_some_and(|template| template.name == name)
        },
    );
    if !users.is_empty() {
        return Err(Problem::new(
            &codes::TEMPLATE_IN_USE,
            format!("{name:?} is used by {}", users.join(", ")),
        ));
    }
    TEMPLATES.delete(&api, &caller, app, name).await
}
