//! `POST /v1/apps/{app}/callouts/{name}/rotate-secret`

use super::{CalloutView, find, view};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::webhooks::put::new_secret;
use crate::v1::webhooks::rotate_secret::{RotateSecret, overlap_ms};
use axum::extract::State;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_model::webhook::WebhookSecrets;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES; CALLOUT_UNKNOWN);

/// Make a new secret for a call-out.
///
/// It is in the answer, only there and then. For `overlap` every question carries a signature by each of
/// them. Needs the scope `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/callouts/{name}/rotate-secret", operation_id = "callout_rotate_secret", tag = "callouts",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the call-out"),
    ),
    request_body = RotateSecret,
    responses((status = 200, description = "The call-out, with its new secret.", body = CalloutView), Problems),
)]
pub(crate) async fn rotate_secret(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(body): Json<RotateSecret>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let (stored, _) = find(&caller, app, &name)?;
    let overlap_ms = overlap_ms(body.overlap.as_deref())?;
    let (number, text) = (stored.no, stored.body.clone());
    let secrets = &**api.engine.secrets();
    let former = caller.directory.callout_secrets(app.no, &name, secrets);
    let (no, by, shared) = (app.no, caller.actor(), Api::clone(&api));
    let (stored, secret) = answer::change(&api, async move {
        let (secret, now) = (new_secret(&shared), shared.now());
        let secrets = match former {
            Ok(mut secrets) => {
                secrets.rotate(secret.clone(), now, overlap_ms);
                secrets
            }
            // What cannot be opened signs nothing: this is how that is mended.
            Err(_) => WebhookSecrets::new(secret.clone(), now),
        };
        let sealed = shared.engine.seal_webhook(number, &secrets);
        let kind = DefinitionKind::Callout;
        let stored = shared
            .registry()
            .put_definition(number, no, kind, name, text, Some(sealed), now, by)
            .await?;
        Ok((stored, secret))
    })
    .await?;
    answer::ok(&view(&caller, &stored, Some(secret))?)
}
