//! `POST /v1/api-keys`

use super::ApiKeyView;
use crate::answer;
use crate::api_key::generate;
use crate::auth::Caller;
use crate::body::Json;
use crate::idempotency;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carillon_model::id::{ApiKeyNo, public};
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::{ApiKey, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An API key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateApiKey {
    /// A name for people: 1 to 200 bytes.
    #[schema(example = "shop backend")]
    name: String,
    /// The App to bind it to; without one it is for all Apps.
    app: Option<String>,
    /// What it may do: `admin`, `send`, `devices`, `read`; or `register` alone, for a publishable key
    /// that is shipped with an app or a page.
    #[schema(value_type = Vec<String>, example = json!(["send", "devices", "read"]))]
    scopes: Vec<Scope>,
}

/// A new API key.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedApiKey {
    /// The key itself. It is shown here and never again.
    #[schema(example = "crl_app_x7Kd…")]
    secret: String,
    #[serde(flatten)]
    api_key: ApiKeyView,
}

problems!(GUARDED, GLOBAL, BODY, WRITES; REQUEST_HEADER);

/// Make an API key.
///
/// Its secret is in this answer and nowhere else. Needs the scope `admin`, and an API key that is not
/// bound to an App.
#[utoipa::path(
    post, path = "/v1/api-keys", operation_id = "api_key_create", tag = "api-keys",
    request_body = CreateApiKey,
    responses((status = 201, description = "Made.", body = CreatedApiKey), Problems),
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<CreateApiKey>,
) -> Result<Response, Problem> {
    caller.global(&[Scope::Admin])?;
    idempotency::refuse(
        &headers,
        "the key cannot be shown a second time; revoke it and make another",
    )?;
    let mut problems = Vec::new();
    if body.name.is_empty() || body.name.len() > 200 {
        let found = body.name.len();
        problems.push(FieldProblem::new(
            "/name",
            "api_key.name",
            format!("expected 1 to 200 bytes, found {found}"),
        ));
    }
    let mut scopes = body.scopes.clone();
    scopes.sort();
    scopes.dedup();
    if scopes.is_empty() || scopes.len() != body.scopes.len() {
        problems.push(FieldProblem::new(
            "/scopes",
            "api_key.scopes",
            "expected at least one scope, each once",
        ));
    }
    if scopes.contains(&Scope::Register) && (scopes.len() > 1 || body.app.is_none()) {
        problems.push(FieldProblem::new(
            "/scopes",
            "api_key.publishable",
            "expected register alone and an App: such a key is shipped with the app, and everybody has it",
        ));
    }
    let app = body.app.as_deref().map(|id| (id, caller.directory.app(id)));
    if let Some((id, None)) = app {
        problems.push(FieldProblem::new(
            "/app",
            "api_key.app",
            format!("there is no App {id:?}"),
        ));
    }
    if !problems.is_empty() {
        return Err(Problem::invalid(problems));
    }
    let new = generate(&scopes, &*api.random);
    let now = api.now();
    let key = ApiKey {
        no: ApiKeyNo(0),
        id: public("key", now, (api.engine.clock().random() >> 2) as i64),
        name: body.name,
        app: app.and_then(|(_, app)| app).map(|app| app.no),
        scopes,
        hint: new.hint,
        hash: new.hash,
        created_at: now,
        revoked_at: None,
    };
    let (by, shared) = (caller.actor(), Api::clone(&api));
    let key = answer::change(&api, async move {
        Ok(shared.registry().put_api_key(key, by).await?)
    })
    .await?;
    let api_key = ApiKeyView::new(&key, &caller.directory);
    answer::json(
        StatusCode::CREATED,
        &CreatedApiKey {
            secret: new.secret,
            api_key,
        },
    )
}
