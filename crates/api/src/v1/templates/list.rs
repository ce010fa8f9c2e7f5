//! `GET /v1/apps/{app}/templates`

use crate::auth::Caller;
use crate::instant;
use crate::page::{Page, PageParams};
use crate::params::{Params, PathOf};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::v1::definitions::TEMPLATES;
use axum::response::Response;
use carillon_model::definition::Definition;
use carillon_model::template::TemplateDefinition;
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// A template, without what it says.
#[derive(Serialize, ToSchema)]
pub(crate) struct TemplateSummary {
    /// Its name, unique in the App.
    #[schema(example = "comment-created")]
    name: String,
    /// Rises with every change.
    version: u32,
    /// For people.
    description: Option<String>,
    /// The category of the notifications that it makes.
    category: Option<String>,
    /// The locale for everybody whom no other fits; null where a newer server wrote what this one cannot
    /// read.
    default_locale: Option<String>,
    /// The locales that it is written in.
    locales: Vec<String>,
    /// Its variables.
    variables: Vec<String>,
    /// When it was first made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<&Definition> for TemplateSummary {
    fn from(stored: &Definition) -> Self {
        let read: Option<TemplateDefinition> = serde_json::from_str(&stored.body).ok();
        let (locales, variables) = read.as_ref().map_or_else(Default::default, |read| {
            let locales = read.content.keys().cloned().collect();
            (locales, read.variables.keys().cloned().collect())
        });
        let (description, category, default_locale) = match read {
            Some(read) => (read.description, read.category, Some(read.default_locale)),
            None => (None, None, None),
        };
        Self {
            name: stored.name.clone(),
            version: stored.version,
            description,
            category,
            default_locale,
            locales,
            variables,
            created_at: instant::rfc3339(stored.created_at),
            updated_at: instant::rfc3339(stored.updated_at),
        }
    }
}

problems!(GUARDED, IN_APP, PAGES);

/// List the templates of an App, by name.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/templates", operation_id = "template_list", tag = "templates",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of templates.", body = Page<TemplateSummary>), Problems),
)]
pub(crate) async fn list(
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    TEMPLATES.list(&caller, app, &params, |row| Ok(TemplateSummary::from(row)))
}
