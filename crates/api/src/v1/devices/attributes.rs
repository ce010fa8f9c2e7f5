//! The rules of a device's attributes. What they are asked for later is the expressions' business.

use carillon_model::problem::FieldProblem;
use serde_json::{Map, Value};

/// Most attributes of a device.
const MAX: usize = 64;
/// Longest name, in bytes.
const MAX_NAME: usize = 64;
/// Largest of all together, in bytes of JSON without spaces.
const MAX_BYTES: usize = 4_096;

/// Checks them, and writes them as they are stored: `None` where there are none.
pub(crate) fn read(
    written: Option<Map<String, Value>>,
    problems: &mut Vec<FieldProblem>,
) -> Option<String> {
    let written = written.filter(|written| !written.is_empty())?;
    if written.len() > MAX {
        problems.push(FieldProblem::new(
            "/attributes",
            "device.attributes",
            format!("expected at most {MAX} names, found {}", written.len()),
        ));
        return None;
    }
    for (name, value) in &written {
        let problem = |message: String| {
            let pointer = format!("/attributes/{}", crate::json::escape(name));
            FieldProblem::new(pointer, "device.attribute", message)
        };
        if name.is_empty() || name.len() > MAX_NAME {
            problems.push(problem(format!(
                "expected a name of 1 to {MAX_NAME} bytes, found {}",
                name.len()
            )));
        } else if let Some(found) = foreign(value) {
            problems.push(problem(format!(
                "expected a string, a number, a boolean or a list of strings, found {found}"
            )));
        }
    }
    let json = Value::Object(written).to_string();
    if json.len() > MAX_BYTES {
        problems.push(FieldProblem::new(
            "/attributes",
            "device.attributes",
            format!(
                "expected at most {MAX_BYTES} bytes as JSON, found {}",
                json.len()
            ),
        ));
    }
    Some(json)
}

/// What a value is, if it may not stand there.
fn foreign(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => Some("null: leave the name out instead"),
        Value::Object(_) => Some("an object"),
        Value::Array(entries) if !entries.iter().all(Value::is_string) => {
            Some("a list with something else than strings")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_json(value: Value) -> Result<Option<String>, (String, &'static str)> {
        let mut problems = Vec::new();
        let read = read(value.as_object().cloned(), &mut problems);
        match problems.into_iter().next() {
            None => Ok(read),
            Some(problem) => Err((problem.pointer, problem.code)),
        }
    }

    #[test]
    fn plain_values_are_taken_and_nothing_else() {
        let all = json!({"s": "x", "n": -1.5, "b": true, "l": ["a", "b"], "e": []});
        assert_eq!(read_json(all.clone()), Ok(Some(all.to_string())));
        assert_eq!(read_json(json!({})), Ok(None));
        assert_eq!(read(None, &mut Vec::new()), None);
        for (value, pointer) in [
            (json!({"a": null}), "/attributes/a"),
            (json!({"a": {}}), "/attributes/a"),
            (json!({"a": ["x", 1]}), "/attributes/a"),
            (json!({"a/b": [["x"]]}), "/attributes/a~1b"),
            (json!({"": 1}), "/attributes/"),
        ] {
            assert_eq!(
                read_json(value.clone()),
                Err((pointer.to_owned(), "device.attribute")),
                "{value}"
            );
        }
    }

    #[test]
    fn there_is_an_end_to_them() {
        let many = |count: usize| {
            let names = (0..count).map(|n| (format!("n{n}"), json!(1)));
            Value::Object(names.collect())
        };
        assert!(read_json(many(64)).is_ok());
        let of_all = Err(("/attributes".to_owned(), "device.attributes"));
        assert_eq!(read_json(many(65)), of_all);
        let text = |bytes: usize| json!({ "a": "x".repeat(bytes) });
        assert!(read_json(text(4_096 - 8)).is_ok());
        assert_eq!(read_json(text(4_096 - 7)), of_all);
    }
}
