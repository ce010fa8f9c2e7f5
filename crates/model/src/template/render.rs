//! A template with the values of one notification, rendered for each device.

use super::compile::{Badge, Compiled, Field, Variant};
use super::definition::VariableDefinition;
use super::error::RenderError;
use super::json::{Json, escaped};
use super::scope::{Names, Shared, SharedScope, value};
use super::text::Text;
use super::{CompiledTemplate, VariantNo};
use crate::content::Content;
use crate::facts::DeviceFacts;
use crate::nearest::did_you_mean;
use minijinja::Environment;
use minijinja::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// A template whose variables have their values. Made once for a notification; cheap to clone.
#[derive(Clone, Debug)]
pub struct BoundTemplate {
    template: CompiledTemplate,
    shared: Arc<Shared>,
    /// The names for what asks nothing of the device.
    names: Value,
}

impl BoundTemplate {
    pub(super) fn new(
        template: CompiledTemplate,
        scope: &SharedScope<'_>,
    ) -> Result<Self, RenderError> {
        let variables = checked(&template.0, scope)?;
        let shared = Arc::new(Shared::new(variables, scope, template.0.uses));
        let names = Names::shared(&shared);
        Ok(Self {
            template,
            shared,
            names,
        })
    }

    /// The template.
    #[must_use]
    pub fn template(&self) -> &CompiledTemplate {
        &self.template
    }

    /// What a device with this locale gets.
    pub fn render(
        &self,
        locale: Option<&str>,
        device: &DeviceFacts<'_>,
    ) -> Result<Content, RenderError> {
        self.render_variant(self.template.variant_for(locale), device)
    }

    /// What a device gets in the given variant. Where the variant does not use the device
    /// ([`CompiledTemplate::uses_device`]), every device gets the same.
    pub fn render_variant(
        &self,
        variant: VariantNo,
        device: &DeviceFacts<'_>,
    ) -> Result<Content, RenderError> {
        let compiled = &*self.template.0;
        let variant = compiled.variant(variant);
        let names = match variant.uses.device {
            true => Names::with_device(&self.shared, device, variant.uses),
            false => self.names.clone(),
        };
        let rendering = Rendering {
            environment: &compiled.environment,
            locale: &variant.locale,
            names: &names,
        };
        rendering.content(variant)
    }
}

impl Compiled {
    pub(super) fn variant(&self, no: VariantNo) -> &Variant {
        // A number of another template: the default is better than a panic.
        self.variants
            .get(usize::from(no.0))
            .unwrap_or(&self.variants[self.default])
    }
}

struct Rendering<'a> {
    environment: &'a Environment<'static>,
    locale: &'a str,
    names: &'a Value,
}

impl Rendering<'_> {
    fn content(&self, variant: &Variant) -> Result<Content, RenderError> {
        let fields = &variant.fields;
        Ok(Content {
            title: self.text(&fields.title)?,
            body: self.text(&fields.body)?,
            subtitle: self.text(&fields.subtitle)?,
            badge: self.badge(&fields.badge)?,
            sound: self.text(&fields.sound)?,
            image: self.text(&fields.image)?,
            link: self.text(&fields.link)?,
            data: self.object(&fields.data)?,
            thread: self.text(&fields.thread)?,
            category: self.text(&fields.category)?,
            urgency: fields.urgency.as_ref().map(|urgency| urgency.0),
            apns: self.object(&fields.apns)?,
            fcm: self.object(&fields.fcm)?,
            webpush: self.object(&fields.webpush)?,
        })
    }

    fn text(&self, field: &Field<Text>) -> Result<Option<String>, RenderError> {
        let text = field.as_ref().map(|text| &text.0);
        text.map(|text| text.render(self.environment, self.locale, self.names))
            .transpose()
    }

    fn object(&self, field: &Field<Json>) -> Result<Option<Box<RawValue>>, RenderError> {
        let json = field.as_ref().map(|json| &json.0);
        json.map(|json| json.render(self.environment, self.locale, self.names))
            .transpose()
    }

    fn badge(&self, field: &Field<Badge>) -> Result<Option<u32>, RenderError> {
        match field.as_ref().map(|badge| &badge.0) {
            None => Ok(None),
            Some(Badge::Number(number)) => Ok(Some(*number)),
            Some(Badge::Text(text)) => {
                let written = text.render(self.environment, self.locale, self.names)?;
                match written.trim().parse() {
                    Ok(number) => Ok(Some(number)),
                    Err(_) => Err(RenderError {
                        locale: self.locale.to_owned(),
                        pointer: text.pointer().to_owned(),
                        variable: None,
                        code: "template.badge",
                        message: format!(
                            "expected a whole number from 0, found {:?}",
                            written.chars().take(40).collect::<String>()
                        ),
                    }),
                }
            }
        }
    }
}

impl Text {
    fn pointer(&self) -> &str {
        match self {
            Self::Constant(_) => "/badge",
            Self::Template { pointer, .. } => pointer,
        }
    }
}

/// The values of the declared variables.
fn checked(
    template: &Compiled,
    scope: &SharedScope<'_>,
) -> Result<Vec<(Box<str>, Value)>, RenderError> {
    let mut values = Vec::with_capacity(template.variables.len() + 4);
    for (name, variable) in &template.variables {
        if let Some(value) = value_of(template, scope, name, variable)? {
            values.push((name.as_str().into(), value));
        }
    }
    Ok(values)
}

/// Every variable that is missing or has another type than declared.
pub(super) fn refusals(template: &Compiled, scope: &SharedScope<'_>) -> Vec<RenderError> {
    let variables = template.variables.iter();
    variables
        .filter_map(|(name, variable)| value_of(template, scope, name, variable).err())
        .collect()
}

/// The value of a declared variable; `None`: it has none, and needs none.
fn value_of(
    template: &Compiled,
    scope: &SharedScope<'_>,
    name: &str,
    variable: &VariableDefinition,
) -> Result<Option<Value>, RenderError> {
    let refused = |code, message: String| RenderError {
        locale: String::new(),
        pointer: format!("/variables/{}", escaped(name)),
        variable: Some(name.to_owned()),
        code,
        message,
    };
    let given = scope.variables.get(name).filter(|given| !given.is_null());
    match (given, &variable.default) {
        (Some(given), _) if !variable.kind.holds(given) => {
            let expected = variable.kind.as_str();
            let found = found(given);
            let message = format!("`{name}`: expected {expected} as declared, found {found}");
            Err(refused("template.variable_type", message))
        }
        (Some(given), _) => Ok(Some(value(given))),
        (None, Some(default)) => Ok(Some(value(default))),
        (None, None) if variable.is_required() => {
            let declared = |given: &&String| !template.variables.iter().any(|(n, _)| n == *given);
            let strangers = scope.variables.keys().filter(declared);
            let hint = did_you_mean(name, strangers.map(String::as_str));
            let message = match hint.as_str() {
                "" => format!("`{name}` is required and was not given"),
                _ => format!(
                    "`{name}` is required and was not given, but one that is not declared was{hint}"
                ),
            };
            Err(refused("template.variable_missing", message))
        }
        (None, None) => Ok(None),
    }
}

/// What a value is, without saying its content: it may be private.
fn found(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "a boolean",
        serde_json::Value::Number(number) if number.is_f64() => "a number with a fraction",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::String(_) => "a string",
        serde_json::Value::Array(_) => "a list",
        serde_json::Value::Object(_) => "an object",
    }
}
