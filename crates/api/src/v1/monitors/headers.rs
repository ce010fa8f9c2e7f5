//! Values of the headers that a check sends: secrets. They are sealed beside the definition, which has an empty text for
//! each, and shown as `***`; stored as `***` again, a value stays.

use crate::problem::Problem;
use crate::state::Api;
use carillon_model::definition::Definition;
use carillon_model::id::DefinitionNo;
use carillon_model::monitor::{CheckDefinition, MonitorDefinition};
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Sealed;
use carillon_ports::secret::Place;
use std::collections::BTreeMap;

/// What stands for a value that there is.
pub(crate) const HIDDEN: &str = "***";

/// Values by the names of their headers.
pub(crate) type Values = BTreeMap<String, String>;

fn of(definition: &mut MonitorDefinition) -> Option<&mut Values> {
    match &mut definition.check {
        CheckDefinition::Http(http) => Some(&mut http.headers),
        _ => None,
    }
}

/// The values of a stored monitor.
pub(crate) fn open(
    api: &Api,
    stored: &Definition,
    sealed: Option<&Sealed>,
) -> Result<Values, Problem> {
    let Some(sealed) = sealed else {
        return Ok(Values::new());
    };
    let row = stored.no.to_string();
    let failed = |why: String| Problem::internal(format!("definition {}: {why}", stored.no));
    let plain = api.engine.secrets().open(Place::definition(&row), sealed);
    serde_json::from_slice(&plain.map_err(failed)?).map_err(|error| failed(error.to_string()))
}

/// Seals them for a monitor; none: nothing.
pub(crate) fn seal(api: &Api, no: DefinitionNo, values: &Values) -> Option<Sealed> {
    if values.is_empty() {
        return None;
    }
    let plain = serde_json::to_vec(values).ok()?;
    let row = no.to_string();
    Some(api.engine.secrets().seal(Place::definition(&row), &plain))
}

/// Puts the values that there are into a definition in place of `***`.
pub(crate) fn fill_in(definition: &mut MonitorDefinition, kept: &Values) -> Result<(), Problem> {
    let mut problems = Vec::new();
    for (name, value) in of(definition).into_iter().flatten() {
        if value != HIDDEN {
            continue;
        }
        match kept.get(name) {
            Some(known) => known.clone_into(value),
            None => problems.push(FieldProblem::new(
                format!("/check/http/headers/{}", name.replace('~', "~0").replace('/', "~1")),
                "monitor.header",
                format!("expected a value: {HIDDEN:?} stands for the one that is stored, and for {name} there is none"),
            )),
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Problem::invalid(problems)),
    }
}

/// Puts back the values of a stored definition.
pub(crate) fn put_back(definition: &mut MonitorDefinition, kept: &Values) {
    for (name, value) in of(definition).into_iter().flatten() {
        if let Some(known) = kept.get(name) {
            known.clone_into(value);
        }
    }
}

/// Takes the values out of a definition that is to be stored.
pub(crate) fn take_out(definition: &mut MonitorDefinition) -> Values {
    let Some(headers) = of(definition) else {
        return Values::new();
    };
    let values = headers.clone();
    headers.values_mut().for_each(String::clear);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_hidden_stays_and_what_is_new_is_taken() {
        let read = |headers| {
            let http = json!({"url": "https://a.example", "headers": headers});
            let definition: MonitorDefinition =
                serde_json::from_value(json!({"check": {"http": http}})).unwrap();
            definition
        };
        let kept = Values::from([("x-key".to_owned(), "old".to_owned())]);
        let mut definition = read(json!({"x-key": "***", "x-other": "new"}));
        fill_in(&mut definition, &kept).unwrap();
        let mut stored = definition.clone();
        let values = take_out(&mut stored);
        assert_eq!(
            serde_json::to_value(&values).unwrap(),
            json!({"x-key": "old", "x-other": "new"})
        );
        assert_eq!(stored, read(json!({"x-key": "", "x-other": ""})));
        put_back(&mut stored, &values);
        assert_eq!(stored, definition);

        let unknown = fill_in(&mut read(json!({"x-a/b": "***"})), &kept).unwrap_err();
        let told = serde_json::to_value(unknown.document(None)).unwrap();
        assert_eq!(told["errors"][0]["pointer"], "/check/http/headers/x-a~1b");
    }
}
