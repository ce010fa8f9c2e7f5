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
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A credential to set: with exactly one secret, of the gateway's kind.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutCredential {
    /// The gateway: `apns`, `fcm` or `webpush`.
    #[schema(value_type = String, example = "apns")]
    gateway: Gateway,
    /// `production`, `sandbox`; default: both, or what the certificate says. Apple's only.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["production", "sandbox"]))]
    environments: Vec<Environment>,
    /// Bundle ids it may send to; the first is the default. Certificates name their own. Apple's only.
    #[serde(default)]
    #[schema(example = json!(["com.example.shop"]))]
    topics: Vec<String>,
    /// An APNs signing key (`.p8`).
    signing_key: Option<SigningKey>,
    /// An APNs certificate.
    certificate: Option<Certificate>,
    /// A Google service account's file: the JSON itself, or its text.
    #[schema(value_type = Option<Object>)]
    service_account: Option<Box<RawValue>>,
    /// VAPID keys for browsers.
    vapid_keys: Option<VapidKeys>,
    /// What FCM took until 2024: only to say what replaced it. The content is not looked at.
    #[serde(alias = "api_key")]
    #[schema(ignore)]
    server_key: Option<IgnoredAny>,
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

/// VAPID keys: who is pushing, in the eyes of the browsers' push services.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VapidKeys {
    /// Where a push service may write to: `mailto:` or `https:`.
    #[schema(example = "mailto:push@example.com")]
    contact: String,
    /// A private key that you have: PKCS#8 or EC in PEM. Without it Carillon makes one.
    private_key_pem: Option<String>,
    /// Keep the keys of the credential that is replaced: subscriptions made with them go on working.
    /// Default `true`; `false` ends all of them.
    #[serde(default = "yes")]
    keep_previous: bool,
}

fn yes() -> bool {
    true
}

/// Keys of one credential that are kept: each was current once.
const MAX_VAPID_KEYS: usize = 4;

impl PutCredential {
    fn split(
        self,
        former: Option<&CredentialSecret>,
        make: impl FnOnce() -> Result<String, Problem>,
    ) -> Result<(Gateway, CredentialSecret, ClaimedFacts), Problem> {
        if self.server_key.is_some() {
            return Err(Problem::invalid(vec![FieldProblem::new(
                "/server_key",
                "credential.service_account",
                "no gateway takes a server key or API key any more: Google switched off FCM's legacy API in 2024; create a service account key (Firebase console, Project settings, Service accounts, Generate new private key) and give its JSON file as service_account",
            )]));
        }
        let given = [
            self.signing_key.is_some(),
            self.certificate.is_some(),
            self.service_account.is_some(),
            self.vapid_keys.is_some(),
        ];
        let count = given.into_iter().filter(|is_given| *is_given).count();
        if count != 1 {
            return Err(Problem::invalid(vec![FieldProblem::new(
                "",
                "credential.secret",
                format!(
                    "expected exactly one of signing_key, certificate, service_account and vapid_keys, found {count}"
                ),
            )]));
        }
        let mut claimed = ClaimedFacts {
            environments: self.environments,
            topics: self.topics,
            team_id: None,
            key_id: None,
        };
        let (of, secret) = if let Some(key) = self.signing_key {
            claimed.team_id = Some(key.team_id);
            claimed.key_id = Some(key.key_id);
            (Gateway::Apns, CredentialSecret::SigningKey { pem: key.pem })
        } else if let Some(certificate) = self.certificate {
            let secret = CredentialSecret::Certificate {
                chain_pem: certificate.chain_pem,
                private_key_pem: certificate.private_key_pem,
            };
            (Gateway::Apns, secret)
        } else if let Some(account) = self.service_account {
            // A string holds the file's text; anything else is the file itself.
            let json = serde_json::from_str::<String>(account.get());
            let json = json.unwrap_or_else(|_| account.get().to_owned());
            (Gateway::Fcm, CredentialSecret::ServiceAccount { json })
        } else if let Some(keys) = self.vapid_keys {
            let current = keys.private_key_pem.map_or_else(make, Ok)?;
            let mut pems = vec![current];
            if let (true, Some(CredentialSecret::VapidKeys { pems: kept, .. })) =
                (keys.keep_previous, former)
            {
                let others = kept.iter().filter(|pem| **pem != pems[0]).cloned();
                let others: Vec<_> = others.take(MAX_VAPID_KEYS - 1).collect();
                pems.extend(others);
            }
            let contact = keys.contact;
            (
                Gateway::WebPush,
                CredentialSecret::VapidKeys { pems, contact },
            )
        } else {
            return Err(Problem::internal("one secret was counted and none found"));
        };
        if of != self.gateway {
            return Err(Problem::invalid(vec![FieldProblem::new(
                "/gateway",
                "credential.gateway",
                format!(
                    "expected {}, which takes this kind of secret, found {}",
                    of.as_str(),
                    self.gateway.as_str()
                ),
            )]));
        }
        Ok((of, secret, claimed))
    }
}

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Set a credential.
///
/// It is parsed and checked at once, sealed, and never shown again. Pushes that wait because the
/// former one was refused go out. VAPID keys without a private key are made here, and shown are their
/// public halves: the first of `public_keys` is what a page gives to `pushManager.subscribe`. Needs the
/// scope `admin`.
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
    let former = api
        .engine
        .pool_spec(app.no, &name, Environment::Production)
        .map(|spec| spec.secret);
    let make = || {
        api.gateway(Gateway::WebPush)?
            .make_secret(&*api.random)
            .ok_or_else(|| Problem::internal("the adapter to browsers makes no keys"))
    };
    let (gateway, secret, claimed) = body.split(former.as_deref(), make)?;
    let adapter = api.gateway(gateway)?;
    let facts = adapter
        .inspect(&secret, &claimed, api.now())
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
