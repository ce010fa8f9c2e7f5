//! Templates: what a notification says, in several languages, with places for what is different each
//! time.
//!
//! A [`TemplateDefinition`] is compiled once, when it is stored or loaded; all that can be wrong with
//! it is said then, with the place. For each notification it is bound to the values of its variables,
//! and for each device rendered to a [`Content`], which is checked and sent like one that a caller
//! wrote.
//!
//! ```
//! use carillon_model::facts::DeviceFacts;
//! use carillon_model::template::{CompiledTemplate, SharedScope};
//! use serde_json::json;
//!
//! let template = CompiledTemplate::compile(&serde_json::from_value(json!({
//!     "default_locale": "en",
//!     "variables": {"writer": {"type": "string"}},
//!     "content": {
//!         "en": {"title": "{{ writer }}'s new comment"},
//!         "ko": {"title": "{{ writer }}님의 새 댓글"}
//!     }
//! })).unwrap()).unwrap();
//! let data = json!({"writer": "지수"});
//! let bound = template.bind(&SharedScope {
//!     variables: data.as_object().unwrap(),
//!     app_name: "Shop",
//!     event: None,
//!     digest: None,
//! }).unwrap();
//! let content = bound.render(Some("ko-KR"), &DeviceFacts::default()).unwrap();
//! assert_eq!(content.title.as_deref(), Some("지수님의 새 댓글"));
//! ```
//!
//! What it does not do: store, count versions, or know what a gateway allows.

mod compile;
mod definition;
mod error;
mod json;
mod language;
mod plural;
mod preview;
mod render;
mod scan;
mod scope;
mod text;

#[cfg(test)]
mod tests;

pub use definition::{
    BadgeTemplate, ContentTemplate, Given, TemplateDefinition, VariableDefinition, VariableKind,
};
pub use error::{RenderError, TemplateProblem};
pub use language::FUEL;
pub use preview::{Preview, preview};
pub use render::BoundTemplate;
pub use scope::{RenderScope, SharedScope};

use crate::content::Content;
use crate::locale;
use std::sync::Arc;

/// Most bytes of one text as written.
pub const MAX_SOURCE_BYTES: usize = 8_192;
/// Most bytes of one text when rendered. No push carries more.
pub const MAX_TEXT_BYTES: usize = 4_096;
/// Most locales of a template.
pub const MAX_VARIANTS: usize = 100;
/// Most declared variables.
pub const MAX_VARIABLES: usize = 100;

/// A variant of one template, by its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VariantNo(u16);

/// A template that is known to be well formed. Cheap to clone, and shared between threads.
#[derive(Clone, Debug)]
pub struct CompiledTemplate(Arc<compile::Compiled>);

impl CompiledTemplate {
    /// Compiles a definition, or says everything that is wrong with it.
    pub fn compile(definition: &TemplateDefinition) -> Result<Self, Vec<TemplateProblem>> {
        compile::compile(definition).map(|compiled| Self(Arc::new(compiled)))
    }

    /// Gives the variables their values: once for each notification. Fails when a required one is
    /// missing, or one has another type than declared.
    pub fn bind(&self, scope: &SharedScope<'_>) -> Result<BoundTemplate, RenderError> {
        BoundTemplate::new(self.clone(), scope)
    }

    /// Everything that [`Self::bind`] would refuse, which says only the first.
    #[must_use]
    pub fn refusals(&self, scope: &SharedScope<'_>) -> Vec<RenderError> {
        render::refusals(&self.0, scope)
    }

    /// Binds and renders for one device: for a single one.
    pub fn render(
        &self,
        locale: Option<&str>,
        scope: &RenderScope<'_>,
    ) -> Result<Content, RenderError> {
        self.bind(&scope.shared)?.render(locale, &scope.device)
    }

    /// Which variant somebody with this locale gets ([`crate::locale`]); the default without one.
    #[must_use]
    pub fn variant_for(&self, locale: Option<&str>) -> VariantNo {
        let variants = &self.0.variants;
        let found = locale.and_then(|locale| locale::negotiate(locale, variants));
        VariantNo(found.unwrap_or(self.0.default) as u16)
    }

    /// The locale that a variant is written in.
    #[must_use]
    pub fn locale_of(&self, variant: VariantNo) -> &str {
        &self.0.variant(variant).locale
    }

    /// The locales of all variants.
    pub fn locales(&self) -> impl Iterator<Item = &str> {
        self.0
            .variants
            .iter()
            .map(|variant| variant.locale.as_str())
    }

    /// Whether what a variant says depends on the device or the user beyond the locale. If not, it is
    /// rendered once for all of a notification's devices.
    #[must_use]
    pub fn uses_device(&self, variant: VariantNo) -> bool {
        self.0.variant(variant).uses.device
    }

    /// The category of the notifications that it makes.
    #[must_use]
    pub fn category(&self) -> Option<&str> {
        self.0.category.as_deref()
    }
}

impl AsRef<str> for compile::Variant {
    fn as_ref(&self) -> &str {
        &self.locale
    }
}
