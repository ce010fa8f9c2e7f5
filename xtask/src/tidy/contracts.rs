//! What users rely on by name is explained: every configuration key and every error code.
//!
//! Both names come from files that tests hold equal to what the program says: `config.example.toml` (what
//! `carillon config` prints) and the OpenAPI snapshot. A file that is there but yields no name is a finding, so that
//! this cannot go blind.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Finding, tree::Tree};

pub(super) const NAME: &str = "contracts";

const CONFIG: &str = "config.example.toml";
const CONFIG_DOCS: &str = "docs/configuration.md";
const OPENAPI: &str = "docs/openapi.json";
const ERROR_DOCS: &str = "docs/errors.md";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(text) = tree.text(CONFIG) {
        found.extend(explained(
            tree,
            CONFIG,
            &config_keys(text),
            CONFIG_DOCS,
            "configuration key",
        ));
    }
    if let Some(text) = tree.text(OPENAPI) {
        match serde_json::from_str(text) {
            Ok(document) => {
                let mut codes = BTreeSet::new();
                error_codes(&document, &mut codes);
                found.extend(explained(tree, OPENAPI, &codes, ERROR_DOCS, "error code"));
                found.extend(unknown_codes(tree, &codes));
            }
            Err(error) => found.push(Finding::new(
                NAME,
                OPENAPI,
                error.line(),
                format!("is not JSON: {error}"),
            )),
        }
    }
    found
}

fn explained(
    tree: &Tree,
    source: &str,
    names: &BTreeSet<String>,
    docs: &str,
    kind: &str,
) -> Vec<Finding> {
    if names.is_empty() {
        let message = format!(
            "names no {kind}: either it is broken or xtask/src/tidy/contracts.rs reads it wrongly"
        );
        return vec![Finding::new(NAME, source, 0, message)];
    }
    let text = tree.text(docs).unwrap_or_default();
    let silent = names
        .iter()
        .filter(|name| !text.contains(&format!("`{name}`")));
    silent
        .map(|name| {
            Finding::new(
                NAME,
                docs,
                0,
                format!("does not explain the {kind} `{name}` (from {source})"),
            )
        })
        .collect()
}

/// A heading of a code that the API no longer has.
fn unknown_codes(tree: &Tree, codes: &BTreeSet<String>) -> Vec<Finding> {
    let lines = (1..).zip(tree.text(ERROR_DOCS).unwrap_or_default().lines());
    let headings = lines.filter_map(|(number, line)| {
        let title = line.strip_prefix('#')?.trim_start_matches('#').trim();
        Some((number, title.strip_prefix('`')?.strip_suffix('`')?))
    });
    let gone = headings.filter(|(_, code)| !codes.contains(*code));
    gone.map(|(line, code)| {
        Finding::new(
            NAME,
            ERROR_DOCS,
            line,
            format!("explains `{code}`, which the API does not have"),
        )
    })
    .collect()
}

/// `section.key` for each key of a commented default: `key = value` and `# key = value` alike.
fn config_keys(text: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        let line = line
            .trim_start()
            .trim_start_matches("# ")
            .trim_start_matches('#')
            .trim();
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            name.trim_start_matches('[').clone_into(&mut section);
        } else if let Some((key, _)) = line.split_once('=')
            && is_key(key.trim())
        {
            keys.insert(if section.is_empty() {
                key.trim().to_owned()
            } else {
                format!("{section}.{}", key.trim())
            });
        }
    }
    keys
}

fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Every value that a property called `code` can have: `enum`, `const`, `example` and the examples of problem
/// documents; and every `x-codes` list.
fn error_codes(value: &Value, codes: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("code", Value::String(code)) if is_code(code) => {
                        codes.insert(code.clone());
                    }
                    ("code", Value::Object(schema)) => {
                        let lists = ["enum", "examples"]
                            .into_iter()
                            .filter_map(|list| schema.get(list)?.as_array())
                            .flatten();
                        let singles = ["const", "example"]
                            .into_iter()
                            .filter_map(|name| schema.get(name));
                        let named = lists.chain(singles).filter_map(Value::as_str);
                        codes.extend(named.filter(|code| is_code(code)).map(str::to_owned));
                    }
                    ("x-codes", Value::Array(list)) => {
                        codes.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    _ => error_codes(value, codes),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| error_codes(item, codes)),
        _ => {}
    }
}

/// Our codes are dotted: `notification.payload_too_large`.
fn is_code(text: &str) -> bool {
    text.contains('.') && text.split('.').all(is_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "# Where things are kept.\n[store]\n# The file. Default:\n# path = \"carillon.db\"\ngroup_max = 500 # rows\n\n[http.tls]\n#cert = \"\"\n";
    const DOCUMENT: &str = r#"{"paths": {"/v1/apps": {"get": {"responses": {"404": {"x-codes": ["app.not_found"]}}}}},
        "components": {"schemas": {"Problem": {"properties": {"code": {"type": "string", "enum": ["request.bad_json"]}}}}}}"#;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files))
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn keys_are_read_from_a_commented_default() {
        let keys: Vec<_> = config_keys(EXAMPLE).into_iter().collect();
        assert_eq!(keys, ["http.tls.cert", "store.group_max", "store.path"]);
    }

    #[test]
    fn a_key_that_nobody_explains_is_found() {
        let docs = "`store.path` is. `store.group_max` is.";
        let found = findings(&[(CONFIG, EXAMPLE), (CONFIG_DOCS, docs)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`http.tls.cert`"), "{found:?}");
        assert_eq!(findings(&[(CONFIG, EXAMPLE)]).len(), 3);
    }

    #[test]
    fn a_code_that_nobody_explains_is_found() {
        let found = findings(&[(OPENAPI, DOCUMENT), (ERROR_DOCS, "## `app.not_found`\n")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`request.bad_json`"), "{found:?}");
    }

    #[test]
    fn an_explanation_of_a_code_that_is_gone_is_found() {
        let docs = "## `app.not_found`\n## `request.bad_json`\n## `app.lost`\n";
        let found = findings(&[(OPENAPI, DOCUMENT), (ERROR_DOCS, docs)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`app.lost`"), "{found:?}");
    }

    #[test]
    fn a_source_without_names_is_found() {
        assert!(findings(&[(OPENAPI, "{}")])[0].contains("names no error code"));
        assert!(findings(&[(CONFIG, "# nothing\n")])[0].contains("names no configuration key"));
        assert!(findings(&[(OPENAPI, "{")])[0].contains("is not JSON"));
    }

    #[test]
    fn nothing_is_asked_before_the_sources_exist() {
        assert_eq!(findings(&[("README.md", "x")]), Vec::<String>::new());
    }
}
