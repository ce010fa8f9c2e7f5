//! One text of a template: what it says, or what it is rendered from.

use super::error::{RenderError, TemplateProblem};
use super::language::{FILTERS, FUNCTIONS, TESTS, text_name};
use super::scan::{Role, excess, has_tags, words};
use super::scope::{Fields, NAMESPACES, Uses};
use super::{MAX_SOURCE_BYTES, MAX_TEXT_BYTES, VariableDefinition, VariableKind};
use crate::expression::line_and_column;
use crate::nearest::did_you_mean;
use minijinja::{Environment, Error, ErrorKind, Value};
use std::collections::BTreeMap;

/// A text, compiled.
#[derive(Debug)]
pub(super) enum Text {
    /// Without tags: said as it is.
    Constant(String),
    /// The environment has it under this name.
    Template {
        name: String,
        /// Where it stands in the definition.
        pointer: String,
    },
}

/// What the texts of one locale are compiled with.
pub(super) struct TextCompiler<'a> {
    pub(super) environment: &'a mut Environment<'static>,
    pub(super) variables: &'a BTreeMap<String, VariableDefinition>,
    pub(super) locale: &'a str,
    /// Number of the locale: plural rules are found by it.
    pub(super) locale_number: usize,
    pub(super) problems: &'a mut Vec<TemplateProblem>,
}

impl TextCompiler<'_> {
    /// Compiles `source`; problems are kept, and the text is then whatever.
    pub(super) fn compile(&mut self, pointer: String, source: &str, uses: &mut Uses) -> Text {
        if source.len() > MAX_SOURCE_BYTES {
            self.problem(
                &pointer,
                source,
                None,
                "template.too_large",
                format!(
                    "expected at most {MAX_SOURCE_BYTES} bytes, found {}",
                    source.len()
                ),
            );
        } else if !has_tags(source) {
            return Text::Constant(source.to_owned());
        } else if let Some((at, sentence)) = excess(source) {
            self.problem(&pointer, source, Some(at), "template.too_large", sentence);
        } else {
            let name = text_name(self.locale_number, &pointer);
            let added = self
                .environment
                .add_template_owned(name.clone(), source.to_owned());
            match added {
                Ok(()) => {
                    self.check_words(&pointer, source);
                    self.check_names(&pointer, source, &name, uses);
                }
                Err(error) => self.syntax_problem(&pointer, source, &error),
            }
            return Text::Template { name, pointer };
        }
        Text::Constant(String::new())
    }

    fn syntax_problem(&mut self, pointer: &str, source: &str, error: &Error) {
        let at = error.range().map(|range| range.start);
        let sentence = error.detail().unwrap_or("cannot be read");
        let hint = match sentence {
            s if s.starts_with("unknown statement") => {
                ": if, for, set, with, filter and raw are the statements"
            }
            _ => "",
        };
        // A range that is not at hand still has its line.
        let at = at.or_else(|| {
            let line = error.line()?.checked_sub(1)?;
            let start = source.split_inclusive('\n').take(line).map(str::len).sum();
            Some(start)
        });
        self.problem(
            pointer,
            source,
            at,
            "template.syntax",
            format!("{sentence}{hint}"),
        );
    }

    /// Filters, tests and functions.
    fn check_words(&mut self, pointer: &str, source: &str) {
        for word in words(source) {
            let (known, kind, code) = match word.role {
                Role::Filter => (FILTERS, "filter", "template.unknown_filter"),
                Role::Test => (TESTS, "test", "template.unknown_test"),
                Role::Function => (FUNCTIONS, "function", "template.unknown_function"),
                Role::Name | Role::Field => continue,
            };
            // `is not` is read as the test `not` and then the test itself.
            if known.contains(&word.text) || (word.role == Role::Test && word.text == "not") {
                continue;
            }
            // `loop.cycle(…)` and the recursive `loop(…)` are minijinja's own.
            if word.role == Role::Function && word.text == "loop" {
                continue;
            }
            let hint = did_you_mean(word.text, known.iter().copied());
            let list = known.join(", ");
            let sentence = format!("`{}` is not a {kind}{hint} (there are: {list})", word.text);
            self.problem(pointer, source, Some(word.at), code, sentence);
        }
    }

    /// Variables: declared, or Carillon's own.
    fn check_names(&mut self, pointer: &str, source: &str, name: &str, uses: &mut Uses) {
        let Ok(template) = self.environment.get_template(name) else {
            return;
        };
        let mut paths: Vec<String> = template
            .undeclared_variables(true)
            .into_iter()
            .filter(|path| !FUNCTIONS.contains(&path.as_str()))
            .collect();
        paths.sort_unstable();
        let mut told: Option<String> = None;
        for path in paths {
            let root = path.split('.').next().unwrap_or(&path).to_owned();
            if told.as_ref() == Some(&root) {
                continue;
            }
            match unknown(&path, self.variables) {
                None => uses.add(&path),
                Some(sentence) => {
                    let at = words(source)
                        .into_iter()
                        .find(|word| {
                            word.text == root && matches!(word.role, Role::Name | Role::Function)
                        })
                        .map(|word| word.at);
                    // An unknown function was told already, with its place.
                    let is_function = words(source)
                        .iter()
                        .any(|word| word.text == root && word.role == Role::Function);
                    if !is_function {
                        self.problem(pointer, source, at, "template.unknown_variable", sentence);
                    }
                    told = Some(root);
                }
            }
        }
    }

    pub(super) fn problem(
        &mut self,
        pointer: &str,
        source: &str,
        at: Option<usize>,
        code: &'static str,
        message: String,
    ) {
        let (line, column) = line_and_column(source, at.unwrap_or(0));
        self.problems.push(TemplateProblem {
            locale: self.locale.to_owned(),
            pointer: pointer.to_owned(),
            line,
            column,
            code,
            message,
        });
    }
}

/// Why `path` (`device.locale`) names nothing.
fn unknown(path: &str, variables: &BTreeMap<String, VariableDefinition>) -> Option<String> {
    let mut parts = path.split('.');
    let (root, field) = (parts.next().unwrap_or(path), parts.next());
    if let Some(variable) = variables.get(root) {
        return match (variable.kind, field) {
            (VariableKind::Object, _) | (_, None) => None,
            (kind, Some(field)) => Some(format!(
                "`{root}` is declared as {}, which has no field `{field}`",
                kind.as_str()
            )),
        };
    }
    let Some((_, fields)) = NAMESPACES.iter().find(|(name, _)| *name == root) else {
        let known = variables.keys().map(String::as_str);
        let known = known.chain(NAMESPACES.iter().map(|(name, _)| *name));
        let hint = did_you_mean(root, known);
        return Some(format!(
            "`{root}` is not declared{hint}: add it to `variables`, with its type"
        ));
    };
    match (fields, field) {
        (Fields::None, None) => None,
        (Fields::None, Some(field)) => {
            Some(format!("`{root}` is a text, without a field `{field}`"))
        }
        (Fields::Of(known), None) => Some(format!(
            "`{root}` alone has no value: name a field of it ({})",
            known.join(", ")
        )),
        (Fields::Of(known), Some(field)) if known.contains(&field) => None,
        (Fields::Of(known), Some(field)) => {
            let hint = did_you_mean(field, known.iter().copied());
            Some(format!(
                "`{root}` has no field `{field}`{hint} (it has: {})",
                known.join(", ")
            ))
        }
    }
}

impl Text {
    /// The text for `names`. `locale` is that of the variant, for errors.
    pub(super) fn render(
        &self,
        environment: &Environment<'static>,
        locale: &str,
        names: &Value,
    ) -> Result<String, RenderError> {
        let (name, pointer) = match self {
            Self::Constant(text) => return Ok(text.clone()),
            Self::Template { name, pointer } => (name, pointer),
        };
        let rendered = environment
            .get_template(name)
            .and_then(|template| template.render(names.clone()));
        match rendered {
            Ok(text) if text.len() <= MAX_TEXT_BYTES => Ok(text),
            Ok(text) => Err(RenderError {
                locale: locale.to_owned(),
                pointer: pointer.clone(),
                variable: None,
                code: "template.too_large",
                message: format!(
                    "made {} bytes, at most {MAX_TEXT_BYTES} are allowed: shorten a variable with |truncate(…)",
                    text.len()
                ),
            }),
            Err(error) => Err(self.failed(locale, pointer, &error)),
        }
    }

    fn failed(&self, locale: &str, pointer: &str, error: &Error) -> RenderError {
        let variable = variable_of(error);
        let named = variable.as_deref().unwrap_or("a variable");
        let (code, message) = match error.kind() {
            ErrorKind::UndefinedError => (
                "template.undefined",
                format!("`{named}` has no value: give it, or write a stand-in with |default('…')"),
            ),
            ErrorKind::OutOfFuel => (
                "template.fuel",
                "takes too many steps to render: is there a loop over something long?".to_owned(),
            ),
            _ => {
                let detail = error
                    .detail()
                    .map_or_else(|| error.kind().to_string(), str::to_owned);
                let at = variable
                    .as_ref()
                    .map_or(String::new(), |at| format!(" at `{at}`"));
                ("template.failed", format!("{detail}{at}"))
            }
        };
        let line = error.line().filter(|line| *line > 1);
        let line = line.map_or(String::new(), |line| format!("line {line}: "));
        RenderError {
            locale: locale.to_owned(),
            pointer: pointer.to_owned(),
            variable,
            code,
            message: format!("{line}{message}"),
        }
    }
}

/// The piece of source that an error is about: `writer`, `device.locale`, `a.b ~ c`.
fn variable_of(error: &Error) -> Option<String> {
    let detail = error.detail().unwrap_or_default();
    let named = detail
        .strip_prefix('`')
        .and_then(|rest| rest.split_once("` is undefined"));
    if let Some((name, _)) = named {
        return Some(name.to_owned());
    }
    let source = error.template_source()?;
    let range = error.range()?;
    let mut start = range.start;
    if source.get(range.clone())?.starts_with('.') {
        // A later part of a path: the whole of it says more.
        let before = source.get(..start)?;
        start = before
            .char_indices()
            .rev()
            .take_while(|(_, c)| c.is_alphanumeric() || matches!(c, '_' | '.'))
            .last()
            .map_or(start, |(at, _)| at);
    }
    let text = source.get(start..range.end)?.trim();
    (!text.is_empty() && text.len() <= 100).then(|| text.to_owned())
}
