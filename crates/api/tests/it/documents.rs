//! What is committed equals what is served. `CARILLON_UPDATE=1` writes the committed files anew.

use crate::schema::Document;
use crate::world::World;
use std::path::Path;

fn holds(committed: &str, served: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(committed);
    if std::env::var_os("CARILLON_UPDATE").is_some() {
        std::fs::write(&path, served).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == served,
        "docs/{committed} is not what is served: run CARILLON_UPDATE=1 cargo test -p carillon-api documents, and look at the difference"
    );
}

#[tokio::test]
async fn the_openapi_document_is_the_committed_one() {
    let world = World::new().await;
    let served = world.get("/v1/openapi.json").await.is(200).text();
    holds("openapi.json", &served);
    let document: serde_json::Value = serde_json::from_str(&served).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[tokio::test]
async fn the_page_of_errors_is_the_committed_one_and_has_every_code() {
    let world = World::new().await;
    let served = world.get("/docs/errors").await.is(200).text();
    holds("errors.md", &served);
    for code in carillon_api::problem::codes::ALL {
        assert!(served.contains(&format!("<a id=\"{}\"></a>", code.code)));
    }
}

#[tokio::test]
async fn every_operation_says_who_may_and_every_code_is_in_the_table() {
    let document: serde_json::Value = serde_json::from_str(&carillon_api::openapi_text()).unwrap();
    let known: Vec<_> = carillon_api::problem::codes::ALL
        .iter()
        .map(|code| (code.status, code.code))
        .collect();
    for (operation, status, code) in Document::promised() {
        assert!(
            code.is_empty() || known.contains(&(*status, code.as_str())),
            "{operation} {status} {code}"
        );
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let words = operation["description"]
                .as_str()
                .unwrap_or_default()
                .replace('\n', " ");
            assert!(
                !operation["summary"].as_str().unwrap_or_default().is_empty(),
                "{method} {path}"
            );
            let open = operation["security"] == serde_json::json!([{}]);
            assert!(
                open || words.contains("Needs the scope"),
                "{method} {path} does not say who may"
            );
        }
    }
}

/// The codes of other crates' rules, as their sources write them.
fn codes_in(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let literals = text.split('"').map(str::to_owned);
            found.extend(literals.filter(|literal| is_field_code(literal)));
        }
    }
}

fn is_field_code(literal: &str) -> bool {
    let events = [
        "live_activity.channel_made",
        "live_activity.channel_trouble",
        "live_activity.ended",
        "live_activity.ends_soon",
        "live_activity.source_failed",
        "live_activity.start_unanswered",
        "live_activity.started",
        "live_activity.token_dead",
        "live_activity.token_missing",
        "campaign.halted",
        "credential.failing",
        "credential.recovered",
        "schedule.failed",
        "trigger.failed",
    ];
    let of_fields = [
        "apns.",
        "campaign.",
        "content.",
        "credential.",
        "event.",
        "expiry.",
        "expression.",
        "live_activity.",
        "fcm.",
        "ladder.",
        "monitor.",
        "on_call.",
        "options.",
        "send_at.",
        "schedule.",
        "segment.",
        "target.",
        "template.",
        "trigger.",
        "webpush.",
    ];
    of_fields.iter().any(|prefix| literal.starts_with(prefix))
        && literal
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || b"._".contains(&byte))
        && !events.contains(&literal)
        && !literal.ends_with(".put")
        && !literal.ends_with(".delete")
        && literal != "fcm.googleapis.com"
}

#[test]
fn every_code_of_the_other_crates_is_on_the_page() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for name in ["model", "engine", "gateways"] {
        codes_in(&crates.join(name).join("src"), &mut found);
    }
    assert!(
        found.len() > 30,
        "the sources are where they were: {}",
        found.len()
    );
    let known: Vec<_> = carillon_api::problem::fields::all()
        .map(|(code, _)| code)
        .collect();
    found.retain(|code| !known.contains(&code.as_str()));
    assert!(
        found.is_empty(),
        "write their rules into crates/api/src/problem/fields.rs: {found:?}"
    );
}
