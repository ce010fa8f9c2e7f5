//! `GET /v1/apps/{app}/credentials/{name}`

use super::{CredentialView, find};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP; CREDENTIAL_UNKNOWN);

/// Read what may be shown of a credential.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/credentials/{name}", operation_id = "credential_get", tag = "credentials",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the credential"),
    ),
    responses((status = 200, description = "The credential.", body = CredentialView), Problems),
)]
pub(crate) async fn get(
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    answer::ok(&CredentialView::from(find(&caller, app, &name)?))
}
