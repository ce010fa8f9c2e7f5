//! Access tokens given out, and the `authorization` header that shows one.

use std::collections::HashMap;

use super::error::GoogleError;
use super::settings::FcmSettings;

/// Access tokens remembered; the oldest go first.
const MAX_GRANTS: usize = 10_000;
/// Scopes that may send, the small one first.
const SCOPES: [&str; 3] = [
    "https://www.googleapis.com/auth/firebase.messaging",
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/firebase",
];

/// What an access token stands for.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) client_email: String,
    pub(super) scope: String,
    pub(super) expires_at_ms: i64,
    /// Its place in the order of giving.
    number: u64,
}

impl Grant {
    pub(super) fn new(client_email: String, scope: String, expires_at_ms: i64) -> Grant {
        Grant {
            client_email,
            scope,
            expires_at_ms,
            number: 0,
        }
    }
}

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bearer {
    /// The holder of an access token from here.
    Account(String),
    /// Anybody, where the settings take anybody.
    Anybody,
}

/// All access tokens.
#[derive(Debug, Default)]
pub(super) struct Grants {
    by_text: HashMap<String, Grant>,
    given: u64,
}

impl Grants {
    /// Gives an access token.
    pub(super) fn give(&mut self, mut grant: Grant) -> String {
        self.given += 1;
        if self.by_text.len() >= MAX_GRANTS {
            let oldest = self.given - MAX_GRANTS as u64;
            self.by_text.retain(|_, grant| grant.number > oldest);
        }
        let text = format!("ya29.sim.{}", uuid::Uuid::new_v4().simple());
        grant.number = self.given;
        self.by_text.insert(text.clone(), grant);
        text
    }

    pub(super) fn expire_all(&mut self) {
        for grant in self.by_text.values_mut() {
            grant.expires_at_ms = i64::MIN;
        }
    }

    pub(super) fn clear(&mut self) {
        self.by_text.clear();
    }

    /// Judges an `authorization` header.
    pub(super) fn check(
        &self,
        header: Option<&str>,
        settings: &FcmSettings,
        now_ms: i64,
    ) -> Result<Bearer, GoogleError> {
        let header = header.ok_or_else(|| GoogleError::unauthenticated("CREDENTIALS_MISSING"))?;
        let text = header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, text)| text.trim())
            .filter(|text| !text.is_empty())
            .ok_or_else(|| GoogleError::unauthenticated("CREDENTIALS_MISSING"))?;
        match self.by_text.get(text) {
            Some(grant) if grant.expires_at_ms <= now_ms => {
                Err(GoogleError::unauthenticated("ACCESS_TOKEN_EXPIRED"))
            }
            Some(grant) => {
                if !grant.scope.split(' ').any(|one| SCOPES.contains(&one)) {
                    return Err(GoogleError::forbidden(
                        "Request had insufficient authentication scopes.",
                        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                    ));
                }
                Ok(Bearer::Account(grant.client_email.clone()))
            }
            None if settings.accept_any_access_token => Ok(Bearer::Anybody),
            None => Err(GoogleError::unauthenticated(
                "ACCESS_TOKEN_TYPE_UNSUPPORTED",
            )),
        }
    }
}
