//! A plan whose texts have holes for a row's values: compiled as a template whose variables are the columns, and what a
//! rendered text holds as JSON put into its place.

use crate::template::{
    CompiledTemplate, ContentTemplate, Given, TemplateDefinition, TemplateProblem,
    VariableDefinition, VariableKind,
};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The locale of the plan's texts: they have one only.
pub(super) const LOCALE: &str = "en";
/// Where the plan is in the template that it becomes.
pub(super) const PLACE: &str = "/content/en/data";

/// The plan as a template over the columns whose names can stand in one, and those columns' places.
pub(super) fn compile(
    plan: &Value,
    names: &[String],
) -> Result<(CompiledTemplate, Vec<usize>), String> {
    let raw = to_raw_value(plan).map_err(|error| format!("plan: {error}"))?;
    let of = |names: &[&String]| TemplateDefinition {
        default_locale: LOCALE.into(),
        variables: names
            .iter()
            .map(|name| ((*name).clone(), variable()))
            .collect(),
        content: BTreeMap::from([(
            LOCALE.to_owned(),
            ContentTemplate {
                data: Given::Value(raw.clone()),
                ..ContentTemplate::default()
            },
        )]),
        category: None,
        description: None,
    };
    // What cannot be a variable is not used as one, or is told with its place when it is.
    let can_be_named = |name: &String| {
        let of_it = TemplateDefinition {
            content: BTreeMap::from([(
                LOCALE.to_owned(),
                ContentTemplate {
                    title: Given::Value("x".into()),
                    ..ContentTemplate::default()
                },
            )]),
            ..of(&[name])
        };
        CompiledTemplate::compile(&of_it).is_ok()
    };
    let variables: Vec<usize> = (0..names.len())
        .filter(|at| can_be_named(&names[*at]))
        .collect();
    let named: Vec<&String> = variables.iter().map(|at| &names[*at]).collect();
    let told = |problems: Vec<TemplateProblem>| {
        let first = problems.first().map(TemplateProblem::field_problem);
        let first = first.map(|problem| {
            let place = problem.pointer.strip_prefix(PLACE).map(str::to_owned);
            let place = place.unwrap_or(problem.pointer);
            format!("plan{}: {}", place.replace('/', "."), problem.message)
        });
        first.unwrap_or_default()
    };
    let template = CompiledTemplate::compile(&of(&named)).map_err(told)?;
    Ok((template, variables))
}

/// A column: a text, empty where it is NULL.
fn variable() -> VariableDefinition {
    VariableDefinition {
        kind: VariableKind::String,
        required: None,
        default: Some(json!("")),
        description: None,
    }
}

/// Puts what a text holds as JSON into the place of each `{"$json": "…"}`; an empty text is null.
pub(super) fn typed(value: &mut Value, pointer: &str) -> Result<(), String> {
    match value {
        Value::Object(members) if members.contains_key("$json") => {
            let read = match members.get("$json") {
                Some(Value::String(text)) if members.len() == 1 => match text.trim() {
                    "" => Some(Value::Null),
                    text => serde_json::from_str(text).ok(),
                },
                _ => None,
            };
            *value = read.ok_or_else(|| {
                format!("{pointer}: expected {{\"$json\": \"…\"}} with a JSON value in its text and nothing beside it, found {value}")
            })?;
        }
        Value::Object(members) => {
            for (key, member) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                typed(member, &format!("{pointer}/{key}"))?;
            }
        }
        Value::Array(members) => {
            for (at, member) in members.iter_mut().enumerate() {
                typed(member, &format!("{pointer}/{at}"))?;
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Number(_) => {}
    }
    Ok(())
}
