//! `PUT /v1/apps/{app}/identity-keys/{name}`

use super::{Algorithm, Facts, IdentityKey, IdentityKeyView, MOST};
use crate::answer;
use crate::api_key::hash;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::{PathOf, plain_name};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::user_token;
use axum::extract::State;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Scope;
use carillon_ports::secret::Place;
use serde::Deserialize;
use std::fmt::Write as _;
use utoipa::ToSchema;

/// Lengths of a shared secret, in bytes: at least as long as the hash (RFC 7518 section 3.2).
const SECRET: std::ops::RangeInclusive<usize> = 32..=1_024;
/// Longest PEM, in bytes. A P-256 key has about 180.
const MAX_PEM: usize = 4_096;

/// An identity key to set: `secret` for `HS256`, `public_key` for `ES256`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutIdentityKey {
    /// `HS256` or `ES256`.
    #[schema(value_type = String, example = "HS256")]
    algorithm: Algorithm,
    /// The shared secret: 32 to 1,024 bytes, used as they are.
    secret: Option<String>,
    /// The public key as PEM (`BEGIN PUBLIC KEY`), of the curve P-256.
    public_key: Option<String>,
}

impl PutIdentityKey {
    fn read(self) -> Result<IdentityKey, FieldProblem> {
        let problem = |field: &str, message: &str| {
            FieldProblem::new(format!("/{field}"), "identity_key.key", message)
        };
        match (self.algorithm, self.secret, self.public_key) {
            (Algorithm::Hs256, Some(secret), None) => {
                if SECRET.contains(&secret.len()) {
                    Ok(IdentityKey::Hs256 { secret })
                } else {
                    let (least, most) = (SECRET.start(), SECRET.end());
                    let message = format!(
                        "expected {least} to {most} bytes that nobody can guess, found {}",
                        secret.len()
                    );
                    Err(problem("secret", &message))
                }
            }
            (Algorithm::Es256, None, Some(public_key)) => {
                let key = IdentityKey::Es256 { public_key };
                if is_p256(&key) {
                    Ok(key)
                } else {
                    Err(problem(
                        "public_key",
                        "expected the public key of a P-256 pair as PEM (-----BEGIN PUBLIC KEY-----)",
                    ))
                }
            }
            (Algorithm::Hs256, ..) => Err(problem(
                "secret",
                "expected secret, and no public_key, for HS256",
            )),
            (Algorithm::Es256, ..) => Err(problem(
                "public_key",
                "expected public_key, and no secret, for ES256",
            )),
        }
    }
}

/// Whether a public key is a point of the curve.
fn is_p256(key: &IdentityKey) -> bool {
    let IdentityKey::Es256 { public_key } = key else {
        return false;
    };
    if public_key.len() > MAX_PEM || public_key.contains("PRIVATE") {
        return false;
    }
    let Ok(key) = user_token::decoding(key) else {
        return false;
    };
    let point = key.try_get_as_bytes().unwrap_or_default();
    let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED;
    aws_lc_rs::signature::ParsedPublicKey::new(algorithm, point).is_ok()
}

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Set an identity key.
///
/// To rotate, set another under a new name, let your back end sign with it, and delete the old one when
/// the last user_token of it has expired. An App has at most 10. Needs the scope `admin`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/identity-keys/{name}", operation_id = "identity_key_put", tag = "identity-keys",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Its name: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`"),
    ),
    request_body = PutIdentityKey,
    responses(
        (status = 200, description = "Changed.", body = IdentityKeyView),
        (status = 201, description = "Set.", body = IdentityKeyView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(body): Json<PutIdentityKey>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?.no;
    plain_name("name", &name, 64)?;
    let key = body
        .read()
        .map_err(|problem| Problem::invalid(vec![problem]))?;
    let kind = DefinitionKind::IdentityKey;
    let is_new = caller.directory.definition(app, kind, &name).is_none();
    if is_new && caller.directory.definitions(app, kind).count() >= MOST {
        return Err(Problem::invalid(vec![FieldProblem::new(
            "",
            "identity_key.many",
            format!(
                "expected at most {MOST} identity keys of an App: delete one that nothing is signed with"
            ),
        )]));
    }
    let facts = Facts {
        algorithm: key.algorithm(),
        fingerprint: fingerprint(&key),
    };
    let facts =
        serde_json::to_string(&facts).map_err(|error| Problem::internal(error.to_string()))?;
    let plain = key.encode()?;
    let (by, shared) = (caller.actor(), Api::clone(&api));
    let definition = answer::change(&api, async move {
        let registry = shared.registry();
        let no = registry.definition_no(app, kind, name.clone()).await?;
        let row = no.to_string();
        let sealed = shared
            .engine
            .secrets()
            .seal(Place::definition(&row), &plain);
        let now = shared.now();
        Ok(registry
            .put_definition(no, app, kind, name, facts, Some(sealed), now, by)
            .await?)
    })
    .await?;
    answer::stored(definition.version == 1, &IdentityKeyView::new(&definition)?)
}

fn fingerprint(key: &IdentityKey) -> String {
    let text = match key {
        IdentityKey::Hs256 { secret } => secret,
        IdentityKey::Es256 { public_key } => public_key,
    };
    hash(text)[..4].iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
