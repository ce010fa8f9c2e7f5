//! `GET /v1/apps/{app}/identity-keys/{name}`

use super::{IdentityKeyView, unknown};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP; IDENTITY_KEY_UNKNOWN);

/// Read an identity key, without the key itself.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/identity-keys/{name}", operation_id = "identity_key_get", tag = "identity-keys",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Its name"),
    ),
    responses((status = 200, description = "The identity key.", body = IdentityKeyView), Problems),
)]
pub(crate) async fn get(
    State(_): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let found = caller
        .directory
        .definition(app.no, DefinitionKind::IdentityKey, &name);
    let definition = found.ok_or_else(|| unknown(&app.id, &name))?;
    answer::ok(&IdentityKeyView::new(definition)?)
}
