//! `POST /v1/apps/{app}/webhooks/{name}/rotate-secret`

use super::{WebhookView, put::new_secret};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_model::duration;
use carillon_model::problem::FieldProblem;
use carillon_model::webhook::WebhookSecrets;
use carillon_ports::registry::Scope;
use carillon_ports::webhook::WebhookDefinition;
use serde::Deserialize;
use utoipa::ToSchema;

/// How long both secrets sign, unless said otherwise.
const DEFAULT_OVERLAP_MS: i64 = 86_400_000;
/// The longest that they may.
const MAX_OVERLAP_MS: i64 = 30 * 86_400_000;

/// How a secret is exchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateSecret {
    /// How long the former secret signs besides: a duration such as `"24h"`, which is the default, up to
    /// 30 days; `"0s"` for one that got out.
    #[schema(example = "24h")]
    pub(crate) overlap: Option<String>,
}

problems!(GUARDED, IN_APP, BODY, WRITES; WEBHOOK_UNKNOWN);

/// Make a new secret for a webhook endpoint.
///
/// It is in the answer, only there and then. For `overlap` every call carries a signature by each of them,
/// so a receiver changes over when it suits it. Needs the scope `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/webhooks/{name}/rotate-secret", operation_id = "webhook_rotate_secret", tag = "webhooks",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the endpoint"),
    ),
    request_body = RotateSecret,
    responses((status = 200, description = "The endpoint, with its new secret.", body = WebhookView), Problems),
)]
pub(crate) async fn rotate_secret(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(body): Json<RotateSecret>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let webhook = super::find(&caller, app, &name)?;
    let overlap_ms = overlap_ms(body.overlap.as_deref())?;
    let text = super::stored(&caller, app, &name).map(|(definition, _)| definition.body.clone());
    let text = text.ok_or_else(|| super::unknown(&app.id, &name))?;
    let secrets = &**api.engine.secrets();
    let former = caller.directory.webhook_secrets(webhook.no, secrets);
    let (no, by, shared) = (app.no, caller.actor(), Api::clone(&api));
    let (definition, secret) = answer::change(&api, async move {
        let (registry, kind) = (shared.registry(), DefinitionKind::Webhook);
        let number = registry.definition_no(no, kind, name.clone()).await?;
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
        let definition = registry
            .put_definition(number, no, kind, name, text, Some(sealed), now, by)
            .await?;
        Ok((definition, secret))
    })
    .await?;
    let definition = WebhookDefinition::read(&definition).map_err(Problem::internal)?;
    let mut view = super::shown(&api, &caller, &definition).await?;
    view.secret = Some(secret);
    answer::ok(&view)
}

pub(crate) fn overlap_ms(asked: Option<&str>) -> Result<i64, Problem> {
    let Some(text) = asked else {
        return Ok(DEFAULT_OVERLAP_MS);
    };
    let wrong = |message| {
        Problem::invalid(vec![FieldProblem::new(
            "/overlap",
            "webhook.overlap",
            message,
        )])
    };
    let ms = duration::parse_ms(text).map_err(wrong)?;
    if ms > MAX_OVERLAP_MS {
        return Err(wrong(format!("expected at most 30 days, found {text:?}")));
    }
    Ok(ms)
}
