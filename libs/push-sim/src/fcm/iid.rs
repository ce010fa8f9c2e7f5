//! Topic subscriptions: the two calls of `iid.googleapis.com` for many registrations at once, the
//! information about one, and the calls of 2026 for one registration.
//!
//! Source: "Manage topic subscriptions"; the Instance ID server reference.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Google;
use super::bearer::Bearer;
use super::call::{Reading, form};
use super::error::GoogleError;
use super::phones::{Found, Platform};
use super::reply::Reply;
use super::send::{Facts, authorise, refusal};

/// Registrations in one call.
const MAX_REGISTRATIONS: usize = 1000;

/// Failure of a whole call.
fn failure(status: u16, code: &str, why: &str) -> Reply {
    Reply::json(status, &json!({ "error": format!("{code}: {why}") })).coded(code)
}

/// The project whose registrations the bearer may see; `None`: all.
fn project_of(
    google: &Google,
    reading: &Reading<'_>,
    facts: Facts<'_>,
) -> Result<Option<String>, Box<Reply>> {
    let header = reading.header("authorization");
    let bearer = google
        .grants
        .check(header, facts.settings, facts.now_ms)
        .map_err(|error| Box::new(error.reply()))?;
    if reading.header("access_token_auth") != Some("true") {
        let why = "header access_token_auth: true is missing";
        return Err(Box::new(failure(401, "UNAUTHENTICATED", why)));
    }
    Ok(match bearer {
        Bearer::Anybody => None,
        Bearer::Account(email) => google
            .accounts
            .get(&email)
            .map(|account| account.project.clone()),
    })
}

/// Answers `iid/v1:batchAdd` (with `add`) and `iid/v1:batchRemove`.
pub(super) fn batch(
    google: &mut Google,
    reading: &Reading<'_>,
    facts: Facts<'_>,
    add: bool,
) -> Reply {
    let project = match project_of(google, reading, facts) {
        Ok(project) => project,
        Err(reply) => return *reply,
    };
    let Ok(body) = &reading.json else {
        return failure(400, "INVALID_ARGUMENT", "the body is not JSON");
    };
    let topic = body["to"]
        .as_str()
        .and_then(|to| to.strip_prefix("/topics/"));
    let Some(topic) = topic.filter(|topic| super::rules::is_topic(topic)) else {
        return failure(400, "INVALID_ARGUMENT", "to must be /topics/<name>");
    };
    let registrations = body["registration_tokens"].as_array();
    let Some(registrations) = registrations.filter(|all| !all.is_empty()) else {
        return failure(400, "INVALID_ARGUMENT", "registration_tokens is empty");
    };
    if registrations.len() > MAX_REGISTRATIONS {
        let why = "registration_tokens must not be more than 1000";
        return failure(400, "INVALID_ARGUMENT", why);
    }
    let results: Vec<Value> = registrations
        .iter()
        .map(|registration| {
            let done = one(google, registration, project.as_deref(), topic, add);
            match done {
                Ok(()) => json!({}),
                Err(code) => json!({ "error": code }),
            }
        })
        .collect();
    Reply::json(200, &json!({ "results": results }))
}

fn one(
    google: &mut Google,
    registration: &Value,
    project: Option<&str>,
    topic: &str,
    add: bool,
) -> Result<(), &'static str> {
    let registration = registration.as_str().ok_or("INVALID_ARGUMENT")?;
    let phone = match google.phones.find(registration) {
        Found::Unknown => return Err("INVALID_ARGUMENT"),
        Found::Gone { .. } => return Err("NOT_FOUND"),
        Found::Phone { phone } => phone,
    };
    if project.is_some_and(|project| project != google.phones.project(phone)) {
        return Err("PERMISSION_DENIED");
    }
    match add {
        true => {
            google.subscribe(phone, topic)?;
        }
        false => {
            google.unsubscribe(phone, topic);
        }
    }
    Ok(())
}

/// Answers `GET /iid/info/<registration>`.
pub(super) fn info(
    google: &mut Google,
    reading: &Reading<'_>,
    registration: &str,
    facts: Facts<'_>,
) -> Reply {
    let project = match project_of(google, reading, facts) {
        Ok(project) => project,
        Err(reply) => return *reply,
    };
    let registration = super::call::percent_decode(registration);
    let Found::Phone { phone } = google.phones.find(&registration) else {
        return failure(404, "NOT_FOUND", "no such registration");
    };
    let owner = google.phones.project(phone);
    if project.is_some_and(|project| project != owner) {
        return failure(
            403,
            "PERMISSION_DENIED",
            "a registration of another project",
        );
    }
    let mut answer = json!({
        "application": google.phones.app(phone),
        "authorizedEntity": owner,
        "platform": match google.phones.platform(phone) {
            Platform::Android => "ANDROID",
            Platform::Ios => "IOS",
            Platform::Web => "CHROME",
        },
    });
    let wants_details = form(reading.call.query.unwrap_or_default())
        .any(|(name, value)| name == "details" && value == "true");
    let topics = google.phones.topics(phone).filter(|all| !all.is_empty());
    if let Some(topics) = topics.filter(|_| wants_details) {
        let topics: Map<String, Value> = topics
            .iter()
            .map(|topic| (topic.clone(), json!({ "addDate": "2026-01-01" })))
            .collect();
        answer["rel"] = json!({ "topics": topics });
    }
    Reply::json(200, &answer)
}

/// Answers `/v1/projects/<project>/registrations/<registration>/topicSubscriptions[/<topic>]`.
pub(super) fn subscriptions(
    google: &mut Google,
    reading: &Reading<'_>,
    (project, registration, topic): (&str, &str, Option<&str>),
    facts: Facts<'_>,
) -> Reply {
    let judged = authorise(google, reading, project, facts)
        .and_then(|()| judge(google, reading, (project, registration, topic)));
    match judged {
        Ok(body) => Reply::json(200, &body),
        Err(error) => refusal(&error, facts.settings),
    }
}

fn judge(
    google: &mut Google,
    reading: &Reading<'_>,
    (project, registration, topic): (&str, &str, Option<&str>),
) -> Result<Value, GoogleError> {
    let Found::Phone { phone } = google.phones.find(registration) else {
        return Err(GoogleError::nothing_here());
    };
    if google.phones.project(phone) != project {
        return Err(GoogleError::sender_id_mismatch());
    }
    let view = |topic: &str| {
        json!({
            "name": format!(
                "projects/{project}/registrations/{registration}/topicSubscriptions/{topic}"
            ),
            "topic_name": topic,
        })
    };
    match (reading.call.method.as_str(), topic) {
        ("GET", None) => {
            let empty = BTreeSet::new();
            let topics = google.phones.topics(phone).unwrap_or(&empty);
            let all: Vec<Value> = topics.iter().map(|topic| view(topic)).collect();
            Ok(json!({ "topic_subscriptions": all }))
        }
        ("POST", None) => {
            let named = form(reading.call.query.unwrap_or_default())
                .find(|(name, _)| matches!(name.as_str(), "topic_name" | "topicName"))
                .map(|(_, topic)| topic)
                .unwrap_or_default();
            match google.subscribe(phone, &named) {
                Ok(true) => Ok(view(&named)),
                Ok(false) => Err(GoogleError::plain(409, "Requested entity already exists")),
                Err("TOO_MANY_TOPICS") => Err(GoogleError::plain(
                    429,
                    "Too many topics for this registration",
                )),
                Err(_) => Err(GoogleError::invalid("topic_name", "Invalid topic name")),
            }
        }
        ("DELETE", Some(topic)) => {
            let topic = super::call::percent_decode(topic);
            let may_miss = form(reading.call.query.unwrap_or_default())
                .any(|(name, value)| name == "allow_missing" && value == "true");
            match google.unsubscribe(phone, &topic) || may_miss {
                true => Ok(json!({})),
                false => Err(GoogleError::nothing_here()),
            }
        }
        _ => Err(GoogleError::nothing_here()),
    }
}
