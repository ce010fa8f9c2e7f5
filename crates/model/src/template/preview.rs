//! What a template says, without sending: for a person who writes it, and for a dry run that finds
//! whom it cannot be rendered for before anything is sent.

use super::{BoundTemplate, CompiledTemplate, RenderError, SharedScope};
use crate::content::Content;
use crate::facts::DeviceFacts;

/// What one locale gets.
#[derive(Debug)]
pub struct Preview {
    /// The locale that was asked for.
    pub requested: String,
    /// The locale of the variant that it gets.
    pub variant: String,
    /// What it says, or why it cannot.
    pub result: Result<Content, RenderError>,
}

/// What each of `locales` gets, with `device` otherwise as it is. Without locales: every variant.
#[must_use]
pub fn preview(
    template: &CompiledTemplate,
    scope: &SharedScope<'_>,
    device: &DeviceFacts<'_>,
    locales: &[&str],
) -> Vec<Preview> {
    let bound = template.bind(scope);
    let every: Vec<&str> = template.locales().collect();
    let locales = if locales.is_empty() { &every } else { locales };
    let one = |locale: &&str| {
        let variant = template.variant_for(Some(locale));
        let device = DeviceFacts {
            locale: Some(locale),
            ..*device
        };
        Preview {
            requested: (*locale).to_owned(),
            variant: template.locale_of(variant).to_owned(),
            result: match &bound {
                Ok(bound) => BoundTemplate::render_variant(bound, variant, &device),
                Err(error) => Err(error.clone()),
            },
        }
    };
    locales.iter().map(one).collect()
}
