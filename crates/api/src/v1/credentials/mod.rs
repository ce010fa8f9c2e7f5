//! Credentials: what lets an App speak to a gateway. Their secrets go in and never come back.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod probe;
pub(crate) mod put;

use crate::auth::Caller;
use crate::instant;
use crate::problem::{Problem, codes};
use carillon_model::app::App;
use carillon_model::credential::{Credential, CredentialKind};
use serde::Serialize;
use utoipa::ToSchema;

/// A credential, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Credential)]
pub(crate) struct CredentialView {
    /// Its name, unique in the App.
    #[schema(example = "apple")]
    name: String,
    /// For which gateway.
    #[schema(example = "apns")]
    gateway: &'static str,
    /// `signing_key`, `certificate`, `service_account` or `vapid_keys`.
    kind: &'static str,
    /// Environments it is used in.
    environments: Vec<&'static str>,
    /// Bundle ids it sends to; the first is the default.
    topics: Vec<String>,
    /// Apple's Team ID (signing keys).
    team_id: Option<String>,
    /// Apple's Key ID (signing keys).
    key_id: Option<String>,
    /// Firebase project it sends for (service accounts).
    project_id: Option<String>,
    /// The account's address, or the contact that push services are told.
    contact: Option<String>,
    /// Application server keys for `pushManager.subscribe`, the current one first (VAPID keys).
    public_keys: Vec<String>,
    /// When it ends (certificates).
    #[schema(format = DateTime)]
    not_after: Option<String>,
    /// Short hash of its public half.
    fingerprint: String,
    /// Rises with every change.
    version: u32,
    /// When it was first set.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last set.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<&Credential> for CredentialView {
    fn from(credential: &Credential) -> Self {
        let facts = &credential.facts;
        Self {
            name: credential.name.clone(),
            gateway: credential.gateway.as_str(),
            kind: match facts.kind {
                CredentialKind::SigningKey => "signing_key",
                CredentialKind::Certificate => "certificate",
                CredentialKind::ServiceAccount => "service_account",
                CredentialKind::VapidKeys => "vapid_keys",
            },
            environments: facts.environments.iter().map(|e| e.as_str()).collect(),
            topics: facts.topics.clone(),
            team_id: facts.team_id.clone(),
            key_id: facts.key_id.clone(),
            project_id: facts.project_id.clone(),
            contact: facts.contact.clone(),
            public_keys: facts.public_keys.clone(),
            not_after: instant::optional(facts.not_after),
            fingerprint: facts.fingerprint.clone(),
            version: credential.version,
            created_at: instant::rfc3339(credential.created_at),
            updated_at: instant::rfc3339(credential.updated_at),
        }
    }
}

/// The credential of this name.
pub(crate) fn find<'d>(
    caller: &'d Caller,
    app: &App,
    name: &str,
) -> Result<&'d Credential, Problem> {
    let mut all = caller.directory.credentials(app.no).iter();
    all.find(|credential| credential.name == name)
        .ok_or_else(|| unknown(&app.id, name))
}

pub(crate) fn unknown(app: &str, name: &str) -> Problem {
    Problem::new(
        &codes::CREDENTIAL_UNKNOWN,
        format!("the App {app:?} has no credential {name:?}"),
    )
}
