//! A definition into what is rendered: every text compiled and checked, every variant complete.

use super::definition::{
    BadgeTemplate, ContentTemplate, Given, TemplateDefinition, VariableDefinition,
};
use super::error::TemplateProblem;
use super::json::{Json, escaped};
use super::language::environment;
use super::plural;
use super::scope::{NAMESPACES, Uses};
use super::text::{Text, TextCompiler};
use super::{MAX_VARIABLES, MAX_VARIANTS};
use crate::content::Urgency;
use crate::nearest::did_you_mean;
use minijinja::Environment;
use serde_json::value::RawValue;
use std::sync::Arc;

/// What a template says in one locale, complete: what it does not say itself it has from the others.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) locale: String,
    pub(super) fields: VariantFields,
    pub(super) uses: Uses,
}

/// The fields of [`crate::content::Content`].
#[derive(Debug, Default)]
pub(super) struct VariantFields {
    pub(super) title: Field<Text>,
    pub(super) body: Field<Text>,
    pub(super) subtitle: Field<Text>,
    pub(super) badge: Field<Badge>,
    pub(super) sound: Field<Text>,
    pub(super) image: Field<Text>,
    pub(super) link: Field<Text>,
    pub(super) data: Field<Json>,
    pub(super) thread: Field<Text>,
    pub(super) category: Field<Text>,
    pub(super) urgency: Field<Urgency>,
    pub(super) apns: Field<Json>,
    pub(super) fcm: Field<Json>,
    pub(super) webpush: Field<Json>,
}

/// A field, shared by the variants that have it from the same place, and what it uses.
pub(super) type Field<T> = Option<Arc<(T, Uses)>>;

#[derive(Debug)]
pub(super) enum Badge {
    Number(u32),
    Text(Text),
}

/// A definition, compiled.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) environment: Environment<'static>,
    pub(super) variables: Vec<(String, VariableDefinition)>,
    pub(super) variants: Vec<Variant>,
    pub(super) default: usize,
    /// What any variant uses.
    pub(super) uses: Uses,
    pub(super) category: Option<String>,
}

pub(super) fn compile(definition: &TemplateDefinition) -> Result<Compiled, Vec<TemplateProblem>> {
    let mut problems = shape_problems(definition);
    let locales: Vec<&String> = definition.content.keys().collect();
    let mut rules = Vec::new();
    for locale in &locales {
        rules.extend(plural::rules(locale).or_else(|| plural::rules("und")));
    }
    let mut environment = environment(rules);
    let mut own: Vec<OwnFields> = Vec::new();
    for (number, (locale, content)) in definition.content.iter().enumerate() {
        let mut compiler = FieldCompiler {
            at: format!("/content/{}", escaped(locale)),
            texts: TextCompiler {
                environment: &mut environment,
                variables: &definition.variables,
                locale,
                locale_number: number,
                problems: &mut problems,
            },
        };
        own.push(compiler.fields(content));
    }
    let default = locales
        .iter()
        .position(|locale| **locale == definition.default_locale);
    let Some(default) = default.filter(|_| problems.is_empty()) else {
        return Err(problems);
    };
    let variants: Vec<Variant> = (0..locales.len())
        .map(|at| {
            let chain = chain(&locales, at, default);
            let mut uses = Uses::default();
            let fields = complete(&own, &chain, &mut uses);
            Variant {
                locale: locales[at].clone(),
                fields,
                uses,
            }
        })
        .collect();
    for variant in variants.iter().filter(|variant| variant.is_empty()) {
        problems.push(TemplateProblem {
            locale: variant.locale.clone(),
            ..TemplateProblem::new(
                format!("/content/{}", escaped(&variant.locale)),
                "template.empty",
                "says nothing: expected at least one field, here or in the default locale",
            )
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut uses = Uses::default();
    for variant in &variants {
        uses.join(variant.uses);
    }
    let variables = &definition.variables;
    Ok(Compiled {
        environment,
        variables: variables
            .iter()
            .map(|(name, variable)| (name.clone(), variable.clone()))
            .collect(),
        variants,
        default,
        uses,
        category: definition.category.clone(),
    })
}

/// What is wrong beside the texts.
fn shape_problems(definition: &TemplateDefinition) -> Vec<TemplateProblem> {
    let mut problems = Vec::new();
    let mut problem = |pointer: String, code, message: String| {
        problems.push(TemplateProblem::new(pointer, code, message));
    };
    let locales = definition.content.len();
    if locales > MAX_VARIANTS {
        problem(
            "/content".into(),
            "template.too_large",
            format!("expected at most {MAX_VARIANTS} locales, found {locales}"),
        );
    }
    if !definition.content.contains_key(&definition.default_locale) {
        let known = definition.content.keys().map(String::as_str);
        let hint = did_you_mean(&definition.default_locale, known);
        problem(
            "/default_locale".into(),
            "template.default_locale",
            format!(
                "`{}` has no content{hint}: expected one of the locales in `content`",
                definition.default_locale
            ),
        );
    }
    for locale in definition.content.keys() {
        if plural::rules(locale).is_none() || locale.len() > 35 {
            problem(
                format!("/content/{}", escaped(locale)),
                "template.locale",
                format!("expected a BCP 47 tag such as ko or pt-BR, found {locale:?}"),
            );
        }
    }
    let mut seen: Vec<(String, &String)> = Vec::new();
    for locale in definition.content.keys() {
        let lower = locale.to_ascii_lowercase();
        match seen.iter().find(|(other, _)| *other == lower) {
            Some((_, other)) => problem(
                format!("/content/{}", escaped(locale)),
                "template.locale",
                format!("is the same locale as {other:?}: keep one of them"),
            ),
            None => seen.push((lower, locale)),
        }
    }
    if definition.variables.len() > MAX_VARIABLES {
        problem(
            "/variables".into(),
            "template.too_large",
            format!(
                "expected at most {MAX_VARIABLES} variables, found {}",
                definition.variables.len()
            ),
        );
    }
    for (name, variable) in &definition.variables {
        let pointer = format!("/variables/{}", escaped(name));
        if let Some(message) = name_problem(name) {
            problem(pointer.clone(), "template.variable_name", message);
        }
        if let Some(default) = &variable.default {
            if variable.required == Some(true) {
                problem(
                    format!("{pointer}/required"),
                    "template.variable_default",
                    "a required variable never takes its default: leave one of them out".into(),
                );
            }
            if !variable.kind.holds(default) {
                problem(
                    format!("{pointer}/default"),
                    "template.variable_default",
                    format!(
                        "expected {} as declared, found {default}",
                        variable.kind.as_str()
                    ),
                );
            }
        }
    }
    problems
}

/// Words of the language, which cannot name a variable.
const WORDS: &[&str] = &[
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "loop",
    "self",
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "elif",
    "else",
    "for",
    "set",
    "with",
    "filter",
    "raw",
    "super",
    "caller",
    "dict",
    "namespace",
    "range",
];

fn name_problem(name: &str) -> Option<String> {
    let is_plain = name.len() <= 64
        && name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
    if !is_plain {
        Some(format!(
            "expected up to 64 letters, digits and `_`, not beginning with a digit, found {name:?}"
        ))
    } else if NAMESPACES.iter().any(|(taken, _)| *taken == name) {
        Some(format!(
            "`{name}` is always given by Carillon: choose another name"
        ))
    } else if WORDS.contains(&name) {
        Some(format!(
            "`{name}` is a word of the template language: choose another name"
        ))
    } else {
        None
    }
}

/// Where the variant `at` takes its fields from, first to last: itself, the more general locales, the
/// default.
fn chain(locales: &[&String], at: usize, default: usize) -> Vec<usize> {
    let mut chain = vec![at];
    let mut tag = locales[at].as_str();
    while let Some((general, _)) = tag.rsplit_once('-') {
        let next = locales
            .iter()
            .position(|locale| locale.eq_ignore_ascii_case(general));
        chain.extend(next);
        tag = general;
    }
    if !chain.contains(&default) {
        chain.push(default);
    }
    chain
}

/// What one locale says itself: `None` inherits, `Some(None)` is nothing.
type Own<T> = Option<Field<T>>;

#[derive(Default)]
struct OwnFields {
    title: Own<Text>,
    body: Own<Text>,
    subtitle: Own<Text>,
    badge: Own<Badge>,
    sound: Own<Text>,
    image: Own<Text>,
    link: Own<Text>,
    data: Own<Json>,
    thread: Own<Text>,
    category: Own<Text>,
    urgency: Own<Urgency>,
    apns: Own<Json>,
    fcm: Own<Json>,
    webpush: Own<Json>,
}

fn complete(own: &[OwnFields], chain: &[usize], uses: &mut Uses) -> VariantFields {
    fn first<T>(
        own: &[OwnFields],
        chain: &[usize],
        uses: &mut Uses,
        field: impl Fn(&OwnFields) -> &Own<T>,
    ) -> Field<T> {
        let found = chain.iter().find_map(|at| field(&own[*at]).clone())?;
        if let Some(field) = &found {
            uses.join(field.1);
        }
        found
    }
    VariantFields {
        title: first(own, chain, uses, |own| &own.title),
        body: first(own, chain, uses, |own| &own.body),
        subtitle: first(own, chain, uses, |own| &own.subtitle),
        badge: first(own, chain, uses, |own| &own.badge),
        sound: first(own, chain, uses, |own| &own.sound),
        image: first(own, chain, uses, |own| &own.image),
        link: first(own, chain, uses, |own| &own.link),
        data: first(own, chain, uses, |own| &own.data),
        thread: first(own, chain, uses, |own| &own.thread),
        category: first(own, chain, uses, |own| &own.category),
        urgency: first(own, chain, uses, |own| &own.urgency),
        apns: first(own, chain, uses, |own| &own.apns),
        fcm: first(own, chain, uses, |own| &own.fcm),
        webpush: first(own, chain, uses, |own| &own.webpush),
    }
}

impl Variant {
    fn is_empty(&self) -> bool {
        let fields = &self.fields;
        let texts = [
            &fields.title,
            &fields.body,
            &fields.subtitle,
            &fields.sound,
            &fields.image,
            &fields.link,
            &fields.thread,
            &fields.category,
        ];
        let objects = [&fields.data, &fields.apns, &fields.fcm, &fields.webpush];
        texts.iter().all(|text| text.is_none())
            && objects.iter().all(|object| object.is_none())
            && fields.badge.is_none()
            && fields.urgency.is_none()
    }
}

struct FieldCompiler<'a> {
    /// Pointer of the locale's content.
    at: String,
    texts: TextCompiler<'a>,
}

impl FieldCompiler<'_> {
    fn fields(&mut self, content: &ContentTemplate) -> OwnFields {
        OwnFields {
            title: self.text("title", &content.title),
            body: self.text("body", &content.body),
            subtitle: self.text("subtitle", &content.subtitle),
            badge: self.field(
                "badge",
                &content.badge,
                |texts, pointer, badge, uses| match badge {
                    BadgeTemplate::Number(number) => Badge::Number(*number),
                    BadgeTemplate::Text(source) => {
                        Badge::Text(texts.compile(pointer, source, uses))
                    }
                },
            ),
            sound: self.text("sound", &content.sound),
            image: self.text("image", &content.image),
            link: self.text("link", &content.link),
            data: self.object("data", &content.data),
            thread: self.text("thread", &content.thread),
            category: self.text("category", &content.category),
            urgency: self.field("urgency", &content.urgency, |_, _, urgency, _| *urgency),
            apns: self.object("apns", &content.apns),
            fcm: self.object("fcm", &content.fcm),
            webpush: self.object("webpush", &content.webpush),
        }
    }

    fn text(&mut self, name: &str, given: &Given<String>) -> Own<Text> {
        self.field(name, given, |texts, pointer, source, uses| {
            texts.compile(pointer, source, uses)
        })
    }

    fn object(&mut self, name: &str, given: &Given<Box<RawValue>>) -> Own<Json> {
        self.field(name, given, |texts, pointer, raw, uses| {
            texts.compile_object(&pointer, raw, uses)
        })
    }

    fn field<G, T>(
        &mut self,
        name: &str,
        given: &Given<G>,
        compile: impl FnOnce(&mut TextCompiler<'_>, String, &G, &mut Uses) -> T,
    ) -> Own<T> {
        match given {
            Given::Inherited => None,
            Given::Nothing => Some(None),
            Given::Value(value) => {
                let mut uses = Uses::default();
                let pointer = format!("{}/{name}", self.at);
                let compiled = compile(&mut self.texts, pointer, value, &mut uses);
                Some(Some(Arc::new((compiled, uses))))
            }
        }
    }
}
