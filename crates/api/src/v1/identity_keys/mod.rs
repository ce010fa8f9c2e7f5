//! Identity keys: what an App's back end signs user ids with. Sealed at rest, and never shown again.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod put;

use crate::instant;
use crate::problem::{Problem, codes};
use carillon_model::definition::Definition;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// Most of an App: enough to rotate, and few enough to try one after the other.
pub(crate) const MOST: usize = 10;

/// What signatures are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    /// HMAC with SHA-256: a shared secret.
    #[serde(rename = "HS256")]
    Hs256,
    /// ECDSA with P-256 and SHA-256: the back end keeps the private key, Carillon gets the public one.
    #[serde(rename = "ES256")]
    Es256,
}

impl Algorithm {
    fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Es256 => "ES256",
        }
    }
}

/// An identity key as it is sealed. The public one too: who could change it could be anybody.
#[derive(Serialize, Deserialize)]
#[serde(tag = "algorithm")]
pub(crate) enum IdentityKey {
    #[serde(rename = "HS256")]
    Hs256 { secret: String },
    #[serde(rename = "ES256")]
    Es256 { public_key: String },
}

impl IdentityKey {
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hs256 { .. } => Algorithm::Hs256,
            Self::Es256 { .. } => Algorithm::Es256,
        }
    }

    fn encode(&self) -> Result<Vec<u8>, Problem> {
        serde_json::to_vec(self).map_err(|error| Problem::internal(error.to_string()))
    }

    /// Reads what was sealed. The error says nothing of what is in it.
    pub(crate) fn decode(plain: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(plain).map_err(|_| "what was sealed is no identity key".to_owned())
    }
}

/// Never the key.
impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({})", self.algorithm().as_str())
    }
}

/// What is stored of it in the clear.
#[derive(Serialize, Deserialize)]
struct Facts {
    algorithm: Algorithm,
    fingerprint: String,
}

/// An identity key, without the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = IdentityKey)]
pub(crate) struct IdentityKeyView {
    /// Its name: what a user_token may give as `kid`.
    #[schema(example = "2026")]
    name: String,
    /// `HS256` or `ES256`.
    #[schema(example = "HS256")]
    algorithm: &'static str,
    /// First digits of the SHA-256 of the secret or of the public key's PEM, to tell two apart.
    #[schema(example = "9f86d081")]
    fingerprint: String,
    /// Rises with every change.
    version: u32,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl IdentityKeyView {
    fn new(definition: &Definition) -> Result<Self, Problem> {
        let facts: Facts = serde_json::from_str(&definition.body).map_err(|error| {
            Problem::internal(format!("definitions.body of {}: {error}", definition.no))
        })?;
        Ok(Self {
            name: definition.name.clone(),
            algorithm: facts.algorithm.as_str(),
            fingerprint: facts.fingerprint,
            version: definition.version,
            created_at: instant::rfc3339(definition.created_at),
            updated_at: instant::rfc3339(definition.updated_at),
        })
    }
}

fn unknown(app: &str, name: &str) -> Problem {
    Problem::new(
        &codes::IDENTITY_KEY_UNKNOWN,
        format!("the App {app:?} has no identity key {name:?}"),
    )
}
