//! Reading a provider token (JWT) and verifying its signature.
//!
//! Source: "Establishing a token-based connection to APNs"; RFC 7515 for the encoding. Judging
//! age, team and scope is left to [`super::auth`].

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value};

use crate::config::Mode;

/// What a provider token says, before anybody believes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) key_id: String,
    pub(crate) team_id: String,
    pub(crate) issued_at: i64,
    signature: Vec<u8>,
    signed_bytes: usize,
}

/// A P-256 public key.
#[derive(Debug, Clone)]
pub(crate) struct VerifyingKey {
    spki: Vec<u8>,
}

impl VerifyingKey {
    /// Reads a PEM block `PUBLIC KEY` (SubjectPublicKeyInfo).
    pub(crate) fn from_pem(pem: &str) -> Result<VerifyingKey, String> {
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| format!("not a PEM block \"PUBLIC KEY\": {error}"))?;
        VerifyingKey::from_der(spki.as_ref())
    }

    pub(crate) fn from_der(spki: &[u8]) -> Result<VerifyingKey, String> {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, spki)
            .map_err(|_| "not an ECDSA P-256 public key".to_owned())?;
        Ok(VerifyingKey {
            spki: spki.to_vec(),
        })
    }

    /// Whether `token`, which was read as `claims`, is signed by this key.
    pub(crate) fn verifies(&self, token: &str, claims: &Claims, mode: Mode) -> bool {
        let message = &token.as_bytes()[..claims.signed_bytes];
        let fixed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.spki);
        if fixed.verify(message, &claims.signature).is_ok() {
            return true;
        }
        let der = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.spki);
        mode == Mode::Lax && der.verify(message, &claims.signature).is_ok()
    }
}

/// The token in an `authorization` header: one lower-case `bearer`, one space.
pub(crate) fn from_header(value: &str, mode: Mode) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let scheme_fits = match mode {
        Mode::Strict => scheme == "bearer",
        Mode::Lax => scheme.eq_ignore_ascii_case("bearer"),
    };
    let token = if mode == Mode::Lax {
        token.trim()
    } else {
        token
    };
    (scheme_fits && !token.is_empty() && !token.contains(' ')).then_some(token)
}

fn decode(part: &str, mode: Mode) -> Option<Vec<u8>> {
    if let Ok(bytes) = URL_SAFE_NO_PAD.decode(part) {
        return Some(bytes);
    }
    if mode == Mode::Strict {
        return None;
    }
    [URL_SAFE, STANDARD, STANDARD_NO_PAD]
        .iter()
        .find_map(|engine| engine.decode(part).ok())
}

fn object(part: &str, mode: Mode) -> Option<Map<String, Value>> {
    serde_json::from_slice(&decode(part, mode)?).ok()
}

fn text(map: &Map<String, Value>, name: &str) -> Option<String> {
    map.get(name)?
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// Reads the three parts of a token. `None`: not a provider token in this mode.
pub(crate) fn parse(token: &str, mode: Mode) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    if claims.contains('.') {
        return None;
    }
    let header = object(header, mode)?;
    if header.get("alg")?.as_str()? != "ES256" {
        return None;
    }
    let claims = object(claims, mode)?;
    let issued_at = match claims.get("iat")? {
        Value::String(digits) if mode == Mode::Lax => digits.parse().ok()?,
        number => number.as_i64()?,
    };
    Some(Claims {
        key_id: text(&header, "kid")?,
        team_id: text(&claims, "iss")?,
        issued_at,
        signature: decode(signature, mode)?,
        signed_bytes: signed.len(),
    })
}
