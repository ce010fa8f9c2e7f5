//! What apps call is what the server has: the calls of `Endpoints.swift` and of the guide for apps, held against the
//! OpenAPI snapshot by path, method and member.

use crate::calls::{Call, Endpoints};
use crate::{files, read, root};
use serde_json::{Map, Value};

const SECRET: &str = "Carillon-Device-Secret";

fn endpoints() -> Endpoints {
    let file = "clients/swift/Sources/CarillonKit/Endpoints.swift";
    let read = Endpoints::read(&read(&root().join(file)));
    assert!(read.calls.len() >= 8, "{:?}", read.calls);
    read
}

fn document() -> Value {
    serde_json::from_str(&read(&root().join("docs/openapi.json"))).unwrap()
}

/// `/v1/apps/{app}` and `/v1/apps/{id}` are the same path.
fn plain(path: &str) -> String {
    let mut plain = String::new();
    let mut is_name = false;
    for c in path.chars() {
        is_name &= c != '}';
        if !is_name {
            plain.push(c);
        }
        is_name |= c == '{';
    }
    plain
}

fn operation<'a>(document: &'a Value, method: &str, path: &str) -> Option<&'a Value> {
    let paths = document["paths"].as_object().unwrap();
    let wanted = plain(path);
    let (_, found) = paths.iter().find(|(path, _)| plain(path) == wanted)?;
    found.get(method.to_lowercase())
}

/// The schema itself, where it stands under a name.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(name) => document.pointer(&name[1..]).unwrap(),
        None => schema,
    }
}

/// What is wrong with the members of `of` where the document wants `schema`.
fn misfits(
    document: &Value,
    endpoints: &Endpoints,
    of: &str,
    schema: &Value,
    found: &mut Vec<String>,
) {
    let schema = resolved(document, schema);
    if let Some(several) = schema["oneOf"]
        .as_array()
        .or_else(|| schema["anyOf"].as_array())
    {
        // One of them must take it.
        let each = several.iter().map(|schema| {
            let mut found = Vec::new();
            misfits(document, endpoints, of, schema, &mut found);
            found
        });
        found.extend(each.min_by_key(Vec::len).unwrap_or_default());
        return;
    }
    if schema.get("items").is_some() {
        return misfits(document, endpoints, of, &schema["items"], found);
    }
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let members = &endpoints.types[of];
    for member in members {
        match properties.get(&member.name) {
            None => found.push(format!("{of}: the server knows no member {}", member.name)),
            Some(inner) if endpoints.types.contains_key(&member.of) => {
                misfits(document, endpoints, &member.of, inner, found);
            }
            Some(_) => {}
        }
    }
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if !members
            .iter()
            .any(|member| member.name == name && !member.is_optional)
        {
            found.push(format!("{of}: the server requires {name}"));
        }
    }
}

/// What is wrong with one call.
fn faults(document: &Value, endpoints: &Endpoints, call: &Call) -> Vec<String> {
    let Some(operation) = operation(document, &call.method, &call.path) else {
        return vec![format!("the server has no {} {}", call.method, call.path)];
    };
    let mut found = Vec::new();
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let takes_secret = parameters
        .into_iter()
        .any(|parameter| parameter["name"] == SECRET);
    if call.path.contains("{device}") != takes_secret {
        found.push(format!("{SECRET}: the server takes it: {takes_secret}"));
    }
    let schema = operation.pointer("/requestBody/content/application~1json/schema");
    match (call.body.as_str(), schema) {
        ("NoBody", None) => {}
        ("NoBody", Some(_)) => found.push("the server wants a body".to_owned()),
        (_, None) => found.push("the server takes no body".to_owned()),
        (body, Some(schema)) => {
            let of = body.trim_matches(['[', ']']);
            misfits(document, endpoints, of, schema, &mut found);
        }
    }
    found
        .into_iter()
        .map(|fault| format!("{}: {fault}", call.name))
        .collect()
}

#[test]
fn every_call_of_the_package_is_the_servers() {
    let (document, endpoints) = (document(), endpoints());
    let mut found = Vec::new();
    for call in &endpoints.calls {
        found.extend(faults(&document, &endpoints, call));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_the_package_reads_of_a_problem_is_there() {
    let (document, endpoints) = (document(), endpoints());
    let properties = &document["components"]["schemas"]["Problem"]["properties"];
    for member in &endpoints.types["Problem"] {
        assert!(properties.get(&member.name).is_some(), "{}", member.name);
    }
    let errors = read(&root().join("docs/errors.md"));
    assert!(!endpoints.codes.is_empty());
    for code in &endpoints.codes {
        assert!(errors.contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn no_other_source_names_a_path() {
    for path in files(&root().join("clients/swift/Sources"), ".swift") {
        let is_theirs = path.ends_with("Endpoints.swift");
        let text = read(&path);
        for root in ["\"/v1/", "\"/i/"] {
            assert_eq!(text.contains(root), is_theirs, "{}", path.display());
        }
    }
}

/// `METHOD /v1/…` or `METHOD /i/…` in backticks.
fn named_in(page: &str) -> Vec<(String, String)> {
    let pieces = page.split('`').skip(1).step_by(2);
    pieces
        .filter_map(|piece| {
            let (method, path) = piece.split_once(' ')?;
            ["/v1/", "/i/"]
                .iter()
                .any(|root| path.starts_with(root))
                .then(|| (method.to_owned(), path.to_owned()))
        })
        .collect()
}

#[test]
fn the_guide_for_apps_names_every_call_and_no_other() {
    let document = document();
    let named = named_in(&read(&root().join("docs/guide/apps.md")));
    for call in endpoints().calls {
        assert!(
            named
                .iter()
                .any(|(method, path)| *method == call.method && plain(path) == plain(&call.path)),
            "docs/guide/apps.md does not name {} {}",
            call.method,
            call.path
        );
    }
    for (method, path) in named {
        assert!(
            operation(&document, &method, &path).is_some(),
            "docs/guide/apps.md names {method} {path}, which the API does not have"
        );
    }
}

/// The check itself can fail: each kind of difference is found in a copy of the real file or document.
#[test]
fn each_difference_is_found() {
    let document = document();
    let text = read(&root().join("clients/swift/Sources/CarillonKit/Endpoints.swift"));
    let found = |document: &Value, from: &str, to: &str| {
        assert!(from.is_empty() || text.contains(from), "{from}");
        let endpoints = Endpoints::read(&text.replacen(from, to, 1));
        let calls = endpoints.calls.iter();
        calls
            .flat_map(|call| faults(document, &endpoints, call))
            .collect::<Vec<_>>()
    };
    for (from, to, expected) in [
        ("/v1/receipts", "/v1/receipt", "the server has no POST"),
        (
            "\"PUT\", \"/v1/apps/{app}/devices/{device}\"",
            "\"PATCH\", \"/v1/apps/{app}/devices/{device}\"",
            "has no PATCH",
        ),
        ("\"time_zone\"", "\"timezone\"", "no member timezone"),
        ("\"environment\"", "\"world\"", "no member world"),
        ("\"receipt\"", "\"receipt_token\"", "requires receipt"),
        (
            "registerDevice = Endpoint<DeviceRegistration>",
            "registerDevice = Endpoint<NoBody>",
            "wants a body",
        ),
        (
            "deleteDevice = Endpoint<NoBody>",
            "deleteDevice = Endpoint<DeviceRegistration>",
            "takes no body",
        ),
    ] {
        let found = found(&document, from, to);
        assert!(
            found.iter().any(|fault| fault.contains(expected)),
            "{from} for {to}: {found:?}"
        );
    }
    let mut other = document.clone();
    let operation = &mut other["paths"]["/v1/apps/{app}/devices/{id}"]["delete"];
    operation["parameters"] = Value::Array(Vec::new());
    assert!(found(&other, "", "")[0].contains(SECRET));
}
