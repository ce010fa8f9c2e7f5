//! `PUT /v1/apps/{app}/credentials/{name}`

use super::CredentialView;
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::{PathOf, plain_name};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::credential::CredentialSecret;
use carillon_model::environment::Environment;
use carillon_model::lane::Gateway;
use carillon_model::problem::FieldProblem;
use carillon_ports::gateway::ClaimedFacts;
use carillon_ports::registry::Scope;
use serde::Deserialize;
use utoipa::ToSchema;

/// A credential to set: with exactly one of `signing_key` and `certificate`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutCredential {
    /// The gateway: `apns`.
    #[schema(value_type = String, example = "apns")]
    gateway: Gateway,
    /// `production`, `sandbox`; default: both, or what the certificate says.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["production", "sandbox"]))]
    environments: Vec<Environment>,
    /// Bundle ids it may send to; the first is the default. Certificates name their own.
    #[serde(default)]
    #[schema(example = json!(["com.example.shop"]))]
    topics: Vec<String>,
    /// An APNs signing key (`.p8`).
    signing_key: Option<SigningKey>,
    /// An APNs certificate.
    certificate: Option<Certificate>,
}

/// An APNs signing key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SigningKey {
    /// The `.p8` file's text: a P-256 key in PKCS#8 PEM.
    pem: String,
    /// Apple's Key ID: 10 characters.
    #[schema(example = "ABC123DEFG")]
    key_id: String,
    /// Apple's Team ID: 10 characters.
    #[schema(example = "DEF123GHIJ")]
    team_id: String,
}

/// An APNs certificate.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    /// Certificate chain in PEM, leaf first.
    chain_pem: String,
    /// Private key in PEM.
    private_key_pem: String,
}

impl PutCredential {
    fn split(self) -> Result<(Gateway, CredentialSecret, ClaimedFacts), Problem> {
        let mut claimed = ClaimedFacts {
            environments: self.environments,
            topics: self.topics,
            team_id: None,
            key_id: None,
        };
        let secret = match (self.signing_key, self.certificate) {
            (Some(key), None) => {
                claimed.team_id = Some(key.team_id);
                claimed.key_id = Some(key.key_id);
                CredentialSecret::SigningKey { pem: key.pem }
            }
            (None, Some(certificate)) => CredentialSecret::Certificate {
                chain_pem: certificate.chain_pem,
                private_key_pem: certificate.private_key_pem,
            },
            (one, other) => {
                let found = if one.is_some() && other.is_some() {
                    "both"
                } else {
                    "neither"
                };
                return Err(Problem::invalid(vec![FieldProblem::new(
                    "",
                    "credential.secret",
                    format!("expected exactly one of signing_key and certificate, found {found}"),
                )]));
            }
        };
        Ok((self.gateway, secret, claimed))
    }
}

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Set a credential.
///
/// It is parsed and checked at once, sealed, and never shown again. Pushes that wait because the
/// former one was refused go out. Needs the scope `admin`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/credentials/{name}", operation_id = "credential_put", tag = "credentials",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the credential: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`"),
    ),
    request_body = PutCredential,
    responses(
        (status = 200, description = "Replaced.", body = CredentialView),
        (status = 201, description = "Set.", body = CredentialView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(body): Json<PutCredential>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    plain_name("name", &name, 64)?;
    let (gateway, secret, claimed) = body.split()?;
    let facts = match gateway {
        Gateway::Apns => api.engine.apns().inspect(&secret, &claimed, api.now()),
    }
    .map_err(Problem::invalid)?;
    let created = super::find(&caller, app, &name).is_err();
    let (no, by, shared) = (app.no, caller.actor(), Api::clone(&api));
    let credential = answer::change(&api, async move {
        let registry = shared.registry();
        let credential = registry.credential_no(no, name.clone()).await?;
        let sealed = shared.engine.seal_credential(credential, &secret);
        let now = shared.now();
        Ok(registry
            .put_credential(credential, no, name, gateway, facts, sealed, now, by)
            .await?)
    })
    .await?;
    answer::stored(created, &CredentialView::from(&credential))
}
