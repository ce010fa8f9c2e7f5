//! API keys: made here, shown once, and kept only as a hash.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;

use crate::instant;
use crate::words;
use carillon_engine::Directory;
use carillon_ports::registry::ApiKey;
use serde::Serialize;
use utoipa::ToSchema;

/// An API key, without the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyView {
    /// Its id.
    #[schema(example = "key_019876aa-bbbb-7000-8000-000000000007")]
    id: String,
    /// A name for people.
    name: String,
    /// The App it is bound to; null for all Apps.
    app: Option<String>,
    /// What it may do: `admin`, `send`, `devices`, `read`; a publishable one `register` alone.
    scopes: Vec<&'static str>,
    /// First characters, to recognise it by.
    #[schema(example = "crl_app_x7Kd")]
    hint: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was revoked.
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}

impl ApiKeyView {
    pub(crate) fn new(key: &ApiKey, directory: &Directory) -> Self {
        let app = key.app.map(|no| {
            directory
                .app_by_no(no)
                .map_or("(deleted)", |app| app.id.as_str())
        });
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            app: app.map(str::to_owned),
            scopes: key
                .scopes
                .iter()
                .map(|scope| words::scope(*scope))
                .collect(),
            hint: key.hint.clone(),
            created_at: instant::rfc3339(key.created_at),
            revoked_at: instant::optional(key.revoked_at),
        }
    }
}
