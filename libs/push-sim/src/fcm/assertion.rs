//! Reading the assertion of a JWT bearer grant, unbelieved.
//!
//! Source: RFC 7523; "Using OAuth 2.0 for server to server applications". Whether it is good is
//! judged in [`super::oauth`].

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// What an assertion says.
#[derive(Debug)]
pub(super) struct Assertion<'a> {
    pub(super) key_id: Option<String>,
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) scope: String,
    pub(super) subject: Option<String>,
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
    /// The bytes that were signed.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn text(map: &Map<String, Value>, name: &str) -> Option<String> {
    map.get(name)?.as_str().map(str::to_owned)
}

impl Assertion<'_> {
    /// Reads three base64url parts; the error is Google's sentence after `Invalid JWT: `.
    pub(super) fn parse(jwt: &str) -> Result<Assertion<'_>, String> {
        let parts = || {
            let (signed, signature) = jwt.rsplit_once('.')?;
            let (header, claims) = signed.split_once('.')?;
            let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
            Some((signed, object(header)?, object(claims)?, signature))
        };
        let (signed, header, claims, signature) =
            parts().ok_or("must be three base64url parts of which two are JSON objects")?;
        if text(&header, "alg").as_deref() != Some("RS256") {
            return Err("alg must be RS256".into());
        }
        let need = |name: &str| text(&claims, name).ok_or(format!("claim {name} is missing"));
        let time = |name: &str| {
            claims
                .get(name)
                .and_then(Value::as_i64)
                .ok_or(format!("claim {name} must be a whole number of seconds"))
        };
        Ok(Assertion {
            key_id: text(&header, "kid"),
            issuer: need("iss")?,
            audience: need("aud")?,
            scope: text(&claims, "scope").unwrap_or_default(),
            subject: text(&claims, "sub"),
            issued_at: time("iat")?,
            expires_at: time("exp")?,
            signed: signed.as_bytes(),
            signature,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signing input from the project's own vectors, with an empty signature.
    const VECTOR: &str = concat!(
        "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImstdGVzdC0xIn0.eyJpc3MiOiJwdXNoQGRlbW8tcHJv",
        "ai5pYW0uZ3NlcnZpY2VhY2NvdW50LmNvbSIsInNjb3BlIjoiaHR0cHM6Ly93d3cuZ29vZ2xlYXBpcy5jb20vYXV0",
        "aC9maXJlYmFzZS5tZXNzYWdpbmciLCJhdWQiOiJodHRwczovL29hdXRoMi5nb29nbGVhcGlzLmNvbS90b2tlbiIs",
        "ImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAzNjAwfQ."
    );

    #[test]
    fn the_vector_is_read() {
        let assertion = Assertion::parse(VECTOR).unwrap();
        assert_eq!(assertion.key_id.as_deref(), Some("k-test-1"));
        assert_eq!(assertion.issuer, "push@demo-proj.iam.gserviceaccount.com");
        assert_eq!(assertion.expires_at - assertion.issued_at, 3600);
        assert_eq!(assertion.signed.len() + 1, VECTOR.len());
    }

    #[test]
    fn what_is_not_an_assertion_is_named() {
        for (jwt, part) in [
            ("", "three"),
            ("a.b.c", "three"),
            ("e30.e30.", "RS256"),
            ("eyJhbGciOiJSUzI1NiJ9.e30.", "iss"),
        ] {
            let error = Assertion::parse(jwt).unwrap_err();
            assert!(error.contains(part), "{jwt}: {error}");
        }
    }
}
