//! What everybody may read of an App's monitors.

use carillon_model::app::{AppSettings, StatusPageSettings};
use carillon_model::device::is_plain_name;
use carillon_model::problem::FieldProblem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest heading, in characters.
const MAX_TITLE: usize = 100;
/// Most tags.
const MAX_TAGS: usize = 20;

/// What everybody may read of the monitors of an App, without an API key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = StatusPageSettings)]
pub(crate) struct StatusPage {
    /// Whether there is such a page: `/status/{app}`, and `/status/{app}.json`.
    #[schema(default = false)]
    public: bool,
    /// Its heading: at most 100 characters; empty: the App's name.
    title: String,
    /// Only monitors with one of these tags are on it: at most 20; without, all are.
    tags: Vec<String>,
}

impl StatusPage {
    pub(super) fn of(settings: &AppSettings) -> Self {
        let page = &settings.status_page;
        Self {
            public: page.public,
            title: page.title.clone(),
            tags: page.tags.clone(),
        }
    }

    /// Checks it. Problems have pointers into the App.
    pub(super) fn read(&self, problems: &mut Vec<FieldProblem>) -> StatusPageSettings {
        let mut wrong = |pointer: String, message: String| {
            let pointer = format!("/settings/status_page/{pointer}");
            problems.push(FieldProblem::new(pointer, "app.status_page", message));
        };
        if self.title.chars().count() > MAX_TITLE || self.title.chars().any(char::is_control) {
            let message = format!("expected one line of at most {MAX_TITLE} characters");
            wrong("title".into(), message);
        }
        if self.tags.len() > MAX_TAGS {
            let found = self.tags.len();
            wrong(
                "tags".into(),
                format!("expected at most {MAX_TAGS}, found {found}"),
            );
        }
        for (place, tag) in self.tags.iter().enumerate() {
            if !is_plain_name(tag, 64) {
                let message = "expected a tag of 1 to 64 characters of A-Z a-z 0-9 . _ : @ -";
                wrong(format!("tags/{place}"), message.to_owned());
            }
        }
        StatusPageSettings {
            public: self.public,
            title: self.title.clone(),
            tags: self.tags.clone(),
        }
    }
}
