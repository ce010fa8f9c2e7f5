//! Signed user ids: JWTs (RFC 7519) by which an App's back end says who is using a device.
//!
//! Whoever holds a publishable key can try as often as he likes, so every failure has the same answer;
//! which part failed is in the log at level debug. The time is ours: the library's own clock is not used.

use crate::auth::Caller;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::identity_keys::{Algorithm, IdentityKey};
use carillon_model::app::App;
use carillon_model::definition::DefinitionKind;
use carillon_ports::secret::Place;
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize;

/// Longest text that is looked at, in bytes.
const MAX_BYTES: usize = 4_096;
/// How far two clocks may be apart, in seconds.
const SKEW: f64 = 60.0;
/// Longest time that one may be valid from now on, in seconds.
const LONGEST: f64 = 86_400.0;
/// Longest user id, in bytes.
const MAX_USER: usize = 128;

/// The user that a user_token names.
pub(crate) fn user(api: &Api, caller: &Caller, app: &App, text: &str) -> Result<String, Problem> {
    let keys = caller
        .directory
        .definitions(app.no, DefinitionKind::IdentityKey);
    let keys = keys.filter_map(|(definition, sealed)| {
        let row = definition.no.to_string();
        let opened = api
            .engine
            .secrets()
            .open(Place::definition(&row), sealed?)
            .and_then(|plain| IdentityKey::decode(&plain));
        match opened {
            Ok(key) => Some((definition.name.as_str(), key)),
            Err(problem) => {
                let name = &definition.name;
                tracing::error!(app.id = %app.id, "identity key {name} cannot be opened: {problem}");
                None
            }
        }
    });
    let now = api.now() as f64 / 1_000.0;
    verify(keys, text, &app.id, now).map_err(|why| {
        let id = caller.request_id();
        tracing::debug!(request.id = %id, app.id = %app.id, "user_token of request {id} refused: {why}");
        Problem::new(
            &codes::AUTH_USER_TOKEN,
            "the user_token is not taken",
        )
    })
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    aud: Option<Audience>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The subject, if one of the keys signed it and it is valid at `now` (seconds). With a `kid` only the
/// key of that name is tried. The error says why, for the log.
fn verify<'a>(
    keys: impl Iterator<Item = (&'a str, IdentityKey)>,
    text: &str,
    audience: &str,
    now: f64,
) -> Result<String, &'static str> {
    if text.len() > MAX_BYTES {
        return Err("it is too long");
    }
    let header = jsonwebtoken::decode_header(text).map_err(|_| "its header cannot be read")?;
    if header.crit.is_some() {
        return Err("its header has crit, which we do not know");
    }
    let algorithm = match header.alg {
        jsonwebtoken::Algorithm::HS256 => Algorithm::Hs256,
        jsonwebtoken::Algorithm::ES256 => Algorithm::Es256,
        _ => return Err("its algorithm is neither HS256 nor ES256"),
    };
    let kid = header.kid.as_deref();
    // A key is used with its own algorithm and no other, whatever the header says: a public key must
    // never pass for a shared secret.
    let mut fitting = keys
        .filter(|(name, key)| key.algorithm() == algorithm && kid.is_none_or(|kid| kid == *name))
        .peekable();
    if fitting.peek().is_none() {
        return Err("there is no identity key of this algorithm and kid");
    }
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims = fitting.find_map(|(_, key)| {
        let key = decoding(&key).ok()?;
        let read = jsonwebtoken::decode::<Claims>(text, &key, &validation).ok()?;
        Some(read.claims)
    });
    let claims = claims.ok_or("its signature or its claims are wrong")?;
    if claims.exp <= now - SKEW {
        return Err("it has expired");
    }
    if claims.exp > now + LONGEST + SKEW {
        return Err("it is valid for more than 24 hours");
    }
    let begins = |at: Option<f64>| at.is_none_or(|at| at <= now + SKEW);
    if !begins(claims.iat) || !begins(claims.nbf) {
        return Err("it is not valid yet");
    }
    let is_for_app = match &claims.aud {
        None => true,
        Some(Audience::One(one)) => one == audience,
        Some(Audience::Many(many)) => many.iter().any(|one| one == audience),
    };
    if !is_for_app {
        return Err("it is for another audience than the App");
    }
    if claims.sub.is_empty() || claims.sub.len() > MAX_USER {
        return Err("its subject has not 1 to 128 bytes");
    }
    Ok(claims.sub)
}

/// The key as the library wants it.
pub(crate) fn decoding(key: &IdentityKey) -> Result<DecodingKey, jsonwebtoken::errors::Error> {
    match key {
        IdentityKey::Hs256 { secret } => Ok(DecodingKey::from_secret(secret.as_bytes())),
        IdentityKey::Es256 { public_key } => DecodingKey::from_ec_pem(public_key.as_bytes()),
    }
}

#[cfg(test)]
#[path = "user_token_tests.rs"]
mod tests;
