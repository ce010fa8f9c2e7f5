//! Who asks, and whether he may: API keys as bearer tokens (RFC 6750 section 2.1), scopes, and keys
//! that are bound to one App.
//!
//! The key is looked up by its SHA-256, so the time of the look-up says nothing about a key. An API
//! key of one App learns nothing about others, not even whether they exist.

use crate::api_key;
use crate::guard::RequestId;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::FromRequestParts;
use axum::http::{header, request::Parts};
use carillon_engine::directory::Directory;
use carillon_model::app::App;
use carillon_model::id::{ApiKeyNo, AppNo};
use carillon_ports::registry::{Actor, Scope};
use std::sync::Arc;
use tokio::time::Instant;

/// Who asks: the API key, and the directory as it was when he asked.
pub(crate) struct Caller {
    pub(crate) directory: Arc<Directory>,
    pub(crate) api_key: ApiKeyNo,
    app: Option<AppNo>,
    scopes: Scopes,
    request_id: Arc<str>,
}

/// A set of [`Scope`]s in a byte.
#[derive(Clone, Copy)]
struct Scopes(u8);

impl Scopes {
    fn of(scopes: &[Scope]) -> Self {
        Self(
            scopes
                .iter()
                .fold(0, |bits, scope| bits | 1 << *scope as u8),
        )
    }

    /// `Admin` holds every other scope.
    fn hold_any(self, wanted: &[Scope]) -> bool {
        self.0 & (Self::of(wanted).0 | 1 << Scope::Admin as u8) != 0
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let secret = parts
            .headers
            .get(header::AUTHORIZATION)
            .ok_or_else(|| {
                Problem::new(
                    &codes::AUTH_MISSING,
                    "expected the header Authorization: Bearer <API key>",
                )
            })?
            .to_str()
            .ok()
            .and_then(bearer)
            .ok_or_else(|| {
                Problem::new(
                    &codes::AUTH_MISSING,
                    "expected Authorization: Bearer <API key>, found another scheme",
                )
            })?;
        let directory = api.engine.directory();
        let key = directory
            .api_key_by_hash(&api_key::hash(secret))
            .ok_or_else(|| Problem::new(&codes::AUTH_UNKNOWN, "no API key like this is in use"))?;
        let (api_key, app, scopes) = (key.no, key.app, Scopes::of(&key.scopes));
        let is_publishable = key.scopes == [Scope::Register];
        api.key_rates
            .admit(api_key, is_publishable, Instant::now())?;
        let request_id = parts
            .extensions
            .get::<RequestId>()
            .map_or_else(|| Arc::from(""), |id| Arc::clone(&id.0));
        Ok(Self {
            directory,
            api_key,
            app,
            scopes,
            request_id,
        })
    }
}

/// The token of `Bearer <token>`; the scheme's case does not matter (RFC 9110 section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl Caller {
    /// The App of the path, when the caller has one of these scopes for it.
    pub(crate) fn app(&self, id: &str, any_of: &[Scope]) -> Result<&App, Problem> {
        self.may(any_of)?;
        self.bound_to(id)?;
        self.directory
            .app(id)
            .ok_or_else(|| Problem::new(&codes::APP_UNKNOWN, format!("there is no App {id:?}")))
    }

    /// Whether the caller has one of these scopes at all.
    pub(crate) fn may(&self, any_of: &[Scope]) -> Result<(), Problem> {
        if self.scopes.hold_any(any_of) {
            return Ok(());
        }
        let words: Vec<_> = any_of
            .iter()
            .map(|scope| crate::words::scope(*scope))
            .collect();
        let words = if words == ["admin"] {
            "admin".into()
        } else {
            format!("{} or admin", words.join(", "))
        };
        Err(Problem::new(
            &codes::AUTH_SCOPE,
            format!("this needs an API key with the scope {words}"),
        ))
    }

    /// Whether the caller may be anybody who has the app, and so speaks for one device at most: its key
    /// is a publishable one.
    pub(crate) fn is_device(&self) -> bool {
        !self.scopes.hold_any(&[Scope::Devices])
    }

    /// Whether the caller's key may do everything, at least in its App.
    pub(crate) fn is_admin(&self) -> bool {
        self.scopes.hold_any(&[])
    }

    /// Whether the caller's key is for this App, or for all.
    pub(crate) fn bound_to(&self, id: &str) -> Result<(), Problem> {
        let Some(no) = self.app else { return Ok(()) };
        if self.directory.app_by_no(no).is_some_and(|app| app.id == id) {
            return Ok(());
        }
        Err(Problem::new(
            &codes::AUTH_APP,
            "the API key is bound to another App",
        ))
    }

    /// For what concerns everything: one of these scopes, and no bond to an App.
    pub(crate) fn global(&self, any_of: &[Scope]) -> Result<(), Problem> {
        self.may(any_of)?;
        match self.app {
            None => Ok(()),
            Some(_) => Err(Problem::new(
                &codes::AUTH_APP,
                "this concerns all Apps, and the API key is bound to one",
            )),
        }
    }

    /// For the log.
    pub(crate) fn request_id(&self) -> Arc<str> {
        Arc::clone(&self.request_id)
    }

    /// For the audit log.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            api_key: Some(self.api_key),
            request_id: Some(self.request_id.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_tokens() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        for bad in ["Basic abc", "Bearer", "", "abc"] {
            assert_eq!(bearer(bad), None, "{bad}");
        }
    }

    #[test]
    fn admin_holds_every_scope_and_others_only_themselves() {
        let all = [
            Scope::Admin,
            Scope::Send,
            Scope::Devices,
            Scope::Read,
            Scope::Register,
        ];
        for has in all {
            for wants in all {
                let may = Scopes::of(&[has]).hold_any(&[wants]);
                assert_eq!(
                    may,
                    has == wants || has == Scope::Admin,
                    "{has:?} {wants:?}"
                );
            }
        }
        assert!(!Scopes::of(&[]).hold_any(&[Scope::Read]));
    }
}
