//! Texts in each reader's language: where a state or an alert names a template of the App, its place is filled for each phone
//! when that is told. Here: where such places are, and how one is filled.
//!
//! In a state `{"$template": "status"}` is the `body` of that template, as `{"$date": …}` is a date. An alert with a `template`
//! has its title, text and sound. The values of their variables are the activity's `data`.

use super::android::FcmPhones;
use super::push::ActivityPush;
use super::request::{ActivityAlert, ActivityChange, ActivityRequest, EndRequest};
use crate::body::TemplateSource;
use crate::content::Content;
use crate::lane::Gateway;
use crate::problem::FieldProblem;
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The member that names a template.
const KEY: &str = "$template";

/// Where a template is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplatePlace {
    /// JSON pointer of the name.
    pub pointer: String,
    /// The name.
    pub name: String,
    /// Whether it is an alert, which needs a title besides the text.
    pub is_alert: bool,
}

/// What a template says to one reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The first line.
    pub title: Option<String>,
    /// The text.
    pub body: Option<String>,
    /// A sound of the app.
    pub sound: Option<String>,
}

impl From<Content> for Said {
    fn from(content: Content) -> Self {
        Self {
            title: content.title,
            body: content.body,
            sound: content.sound,
        }
    }
}

// === where they are ===

impl ActivityRequest {
    /// All places in it.
    #[must_use]
    pub fn template_places(&self) -> Vec<TemplatePlace> {
        let mut places = Places::default();
        places.state("/content_state", Some(&self.content_state));
        places.alert("/alert", self.alert.as_ref());
        for (at, phase) in self.phases.iter().enumerate() {
            let pointer = format!("/phases/{at}");
            places.state(
                &format!("{pointer}/content_state"),
                Some(&phase.content_state),
            );
            places.alert(&format!("{pointer}/alert"), phase.alert.as_ref());
        }
        places.end("/end", &self.end);
        places.0
    }
}

impl ActivityChange {
    /// The places in what it changes now; those of the plan are the changed request's.
    #[must_use]
    pub fn template_places(&self) -> Vec<TemplatePlace> {
        let mut places = Places::default();
        places.state("/content_state", self.content_state.as_ref());
        places.alert("/alert", self.alert.as_ref());
        places.0
    }
}

impl EndRequest {
    /// All places in it.
    #[must_use]
    pub fn template_places(&self) -> Vec<TemplatePlace> {
        let mut places = Places::default();
        places.end("", self);
        places.0
    }
}

impl ActivityPush {
    /// The templates that it names.
    #[must_use]
    pub fn templates(&self) -> BTreeSet<String> {
        let mut places = Places::default();
        places.value("", &self.content_state);
        places.alert("", self.alert.as_ref());
        places.0.into_iter().map(|place| place.name).collect()
    }
}

#[derive(Default)]
struct Places(Vec<TemplatePlace>);

impl Places {
    fn end(&mut self, pointer: &str, end: &EndRequest) {
        self.state(
            &format!("{pointer}/content_state"),
            end.content_state.as_ref(),
        );
        self.alert(&format!("{pointer}/alert"), end.alert.as_ref());
    }

    fn alert(&mut self, pointer: &str, alert: Option<&ActivityAlert>) {
        let name = alert.and_then(|alert| alert.template.as_ref());
        self.0.extend(name.map(|name| TemplatePlace {
            pointer: format!("{pointer}/template"),
            name: name.clone(),
            is_alert: true,
        }));
    }

    fn state(&mut self, pointer: &str, state: Option<&Map<String, Value>>) {
        for (key, member) in state.into_iter().flatten() {
            self.value(&below(pointer, key), member);
        }
    }

    fn value(&mut self, pointer: &str, value: &Value) {
        match value {
            Value::Object(members) => match members.get(KEY) {
                Some(Value::String(name)) => self.0.push(TemplatePlace {
                    pointer: format!("{pointer}/{KEY}"),
                    name: name.clone(),
                    is_alert: false,
                }),
                _ => self.state(pointer, Some(members)),
            },
            Value::Array(members) => {
                for (at, member) in members.iter().enumerate() {
                    self.value(&format!("{pointer}/{at}"), member);
                }
            }
            _ => {}
        }
    }
}

fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// What is no place although it is written like one. In attributes there is none: they never change.
pub(super) fn misplaced(value: &Value, pointer: &str, problems: &mut Vec<FieldProblem>) {
    let is_attributes = pointer.starts_with("/attributes");
    match value {
        Value::Object(members) => {
            let place = members.get(KEY);
            let is_fine = matches!(place, Some(Value::String(_))) && members.len() == 1;
            if place.is_some() && (is_attributes || !is_fine) {
                problems.push(FieldProblem::new(
                    pointer,
                    "live_activity.template",
                    format!("expected {{\"$template\": \"name\"}}, the name of a template and nothing beside it, in a state and not in attributes, found {value}"),
                ));
                return;
            }
            for (key, member) in members {
                misplaced(member, &below(pointer, key), problems);
            }
        }
        Value::Array(members) => {
            for (at, member) in members.iter().enumerate() {
                misplaced(member, &format!("{pointer}/{at}"), problems);
            }
        }
        _ => {}
    }
}

impl ActivityAlert {
    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self, pointer: &str) -> Option<FieldProblem> {
        let says = !self.title.is_empty() && !self.body.is_empty();
        let says_some = !self.title.is_empty() || !self.body.is_empty();
        let found = match (&self.template, says) {
            (None, true) => return None,
            (Some(_), _) if !says_some => return None,
            (Some(_), _) => "both",
            (None, false) => "not both of title and body",
        };
        Some(FieldProblem::new(
            pointer,
            "live_activity.alert",
            format!("expected title and body, or a template in their place, found {found}"),
        ))
    }
}

// === filling them ===

/// Fills the places of a state for one reader. The error is a sentence.
///
/// # Errors
/// A template says no text.
pub(super) fn fill_state<'s>(
    state: &mut Value,
    said: &dyn Fn(&str) -> Option<&'s Said>,
) -> Result<(), String> {
    match state {
        Value::Object(members) => {
            if let Some(Value::String(name)) = members.get(KEY) {
                let body = said(name).and_then(|said| said.body.clone());
                let body = body.ok_or_else(|| format!("the template {name:?} says no body"))?;
                *state = Value::String(body);
                return Ok(());
            }
            members
                .values_mut()
                .try_for_each(|member| fill_state(member, said))
        }
        Value::Array(members) => members
            .iter_mut()
            .try_for_each(|member| fill_state(member, said)),
        _ => Ok(()),
    }
}

/// The alert as one reader gets it. The error is a sentence.
///
/// # Errors
/// Its template says no title or no text.
pub(super) fn filled_alert<'s>(
    alert: &ActivityAlert,
    said: &dyn Fn(&str) -> Option<&'s Said>,
) -> Result<ActivityAlert, String> {
    let Some(name) = &alert.template else {
        return Ok(alert.clone());
    };
    let missing =
        |what: &str| format!("the template {name:?} says no {what}, which an alert needs");
    let said = said(name).cloned().unwrap_or_default();
    Ok(ActivityAlert {
        title: said.title.ok_or_else(|| missing("title"))?,
        body: said.body.ok_or_else(|| missing("body"))?,
        sound: alert.sound.clone().or(said.sound),
        template: None,
    })
}

impl ActivityPush {
    /// As one reader gets it. The error is a sentence.
    ///
    /// # Errors
    /// A template does not say what is needed of it.
    pub fn filled<'s>(&self, said: &dyn Fn(&str) -> Option<&'s Said>) -> Result<Self, String> {
        let mut filled = self.clone();
        fill_state(&mut filled.content_state, said)?;
        if let Some(alert) = &self.alert {
            filled.alert = Some(filled_alert(alert, said)?);
        }
        Ok(filled)
    }
}

/// A push whose texts are written for each reader, with all that is needed for that.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordedPush {
    /// The activity, by the caller's id.
    pub id: String,
    /// The name of the app's attributes type.
    pub attributes_type: String,
    /// What never changes.
    pub attributes: Value,
    /// Its place among the app's activities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relevance: Option<f64>,
    /// The push, with the places that are to be filled.
    pub push: ActivityPush,
    /// The templates that are named there, each with its variables.
    pub templates: BTreeMap<String, TemplateSource>,
    /// Which device's person reads what goes to the push token of which: pairs of the push token's device and the phone.
    pub readers: BTreeMap<i64, i64>,
    /// Which of them are told by FCM.
    #[serde(
        default = "FcmPhones::android",
        skip_serializing_if = "FcmPhones::is_android_alone"
    )]
    pub fcm: FcmPhones,
}

impl WordedPush {
    /// The device whose person reads what goes to this one.
    #[must_use]
    pub fn reader(&self, device: i64) -> i64 {
        self.readers.get(&device).copied().unwrap_or(device)
    }

    /// What one reader gets at a gateway. The error is a sentence.
    ///
    /// # Errors
    /// A template does not say what is needed of it.
    pub fn content<'s>(
        &self,
        gateway: Gateway,
        said: &dyn Fn(&str) -> Option<&'s Said>,
    ) -> Result<Content, String> {
        let push = self.push.filled(said)?;
        let (of_type, attributes) = (&self.attributes_type, &self.attributes);
        let (json, is_fcm) = match gateway {
            Gateway::Fcm => {
                let attributes = (&**of_type, attributes);
                let json = push.fcm_of(attributes, self.relevance, &self.id, self.fcm);
                (json, true)
            }
            _ => (push.payload_of(of_type, attributes, self.relevance), false),
        };
        let raw = to_raw_value(&json).map_err(|error| error.to_string())?;
        let (apns, fcm) = if is_fcm {
            (None, Some(raw))
        } else {
            (Some(raw), None)
        };
        Ok(Content {
            apns,
            fcm,
            ..Content::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live_activity::Recipient;
    use serde_json::json;

    fn request(with: Value) -> ActivityRequest {
        let mut body = json!({
            "recipient": {"user": "kim"}, "attributes_type": "Lesson", "attributes": {"childId": "7"},
            "content_state": {"status": {"$template": "status"}, "list": [{"a/b": {"$template": "room"}}]},
            "alert": {"template": "begins"}, "data": {"room": 4},
            "phases": [{"name": "ending", "at": "starts_at + 5m", "content_state": {"status": {"$template": "ending"}},
                        "alert": {"template": "soon", "sound": "bell"}}],
            "end": {"content_state": {"status": "over"}, "alert": {"title": "Over", "body": "Bye"}}
        });
        for (key, value) in with.as_object().unwrap() {
            body[key] = value.clone();
        }
        serde_json::from_value(body).unwrap()
    }

    fn codes(with: Value) -> Vec<(String, &'static str)> {
        let problems = request(with).plan(0).unwrap_err();
        let said = problems
            .into_iter()
            .map(|problem| (problem.pointer, problem.code));
        said.collect()
    }

    fn says(name: &str) -> Said {
        Said {
            title: (name != "ending").then(|| format!("title of {name}")),
            body: (name != "silent").then(|| format!("body of {name}")),
            sound: Some("chime".into()),
        }
    }

    #[test]
    fn places_are_found_where_they_are() {
        let found = request(json!({})).template_places();
        let found: Vec<_> = found
            .iter()
            .map(|place| (&*place.pointer, &*place.name, place.is_alert))
            .collect();
        assert_eq!(
            found,
            [
                ("/content_state/list/0/a~1b/$template", "room", false),
                ("/content_state/status/$template", "status", false),
                ("/alert/template", "begins", true),
                ("/phases/0/content_state/status/$template", "ending", false),
                ("/phases/0/alert/template", "soon", true),
            ]
        );
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let template = "live_activity.template";
        let wrong = json!({"attributes": {"name": {"$template": "status"}}});
        assert_eq!(codes(wrong), [("/attributes/name".to_owned(), template)]);
        for place in [
            json!({"$template": 7}),
            json!({"$template": "status", "more": 1}),
        ] {
            let wrong = json!({"content_state": {"a": [place]}});
            assert_eq!(codes(wrong), [("/content_state/a/0".to_owned(), template)]);
        }
        let alert = "live_activity.alert";
        for wrong in [
            json!({}),
            json!({"title": "t"}),
            json!({"title": "t", "body": "b", "template": "begins"}),
        ] {
            let with = json!({"alert": wrong});
            assert_eq!(codes(with), [("/alert".to_owned(), alert)]);
        }
        let with = json!({"end": {"alert": {"body": "b"}}});
        assert_eq!(codes(with), [("/end/alert".to_owned(), alert)]);
    }

    #[test]
    fn a_place_is_one_value_when_states_are_merged() {
        let plan = request(json!({})).plan(0).unwrap().plan;
        let mut state = plan.content_state.clone();
        crate::live_activity::merge(&mut state, &plan.phases[0].content_state);
        assert_eq!(state["status"], json!({"$template": "ending"}));
        crate::live_activity::merge(&mut state, &json!({"status": "over"}));
        assert_eq!(state["status"], "over");
    }

    #[test]
    fn each_reader_gets_texts() {
        let plan = request(json!({})).plan(0).unwrap().plan;
        assert!(matches!(plan.recipient, Recipient::User(_)));
        let mut run = crate::live_activity::Run::new(0);
        let turn = run.turn(
            &plan,
            0,
            &crate::live_activity::Look::startable(&[1]),
            &crate::live_activity::Rules::default(),
        );
        let push = turn.push.unwrap();
        let names: Vec<_> = push.templates().into_iter().collect();
        assert_eq!(names, ["begins", "room", "status"]);
        let worded = WordedPush {
            id: "l".into(),
            attributes_type: plan.attributes_type.clone(),
            attributes: plan.attributes.clone(),
            relevance: None,
            push,
            templates: BTreeMap::new(),
            readers: BTreeMap::from([(70, 1)]),
            fcm: FcmPhones::android(),
        };
        assert_eq!((worded.reader(70), worded.reader(3)), (1, 3));
        // It is stored in between.
        let stored = serde_json::to_string(&worded).unwrap();
        let worded: WordedPush = serde_json::from_str(&stored).unwrap();
        let texts: BTreeMap<String, Said> = ["begins", "room", "status"]
            .map(|name| (name.to_owned(), says(name)))
            .into();
        let said = |name: &str| texts.get(name);
        let content = worded.content(Gateway::Apns, &said).unwrap();
        let payload: Value = serde_json::from_str(content.apns.unwrap().get()).unwrap();
        let aps = &payload["aps"];
        assert_eq!(
            aps["content-state"],
            json!({"status": "body of status", "list": [{"a/b": "body of room"}]})
        );
        assert_eq!(
            aps["alert"],
            json!({"title": "title of begins", "body": "body of begins", "sound": "chime"})
        );
        let content = worded.content(Gateway::Fcm, &said).unwrap();
        let message: Value = serde_json::from_str(content.fcm.unwrap().get()).unwrap();
        let data = &message["android"]["data"];
        assert_eq!(data["alert_title"], "title of begins");
        let state = data["content_state"].as_str().unwrap();
        assert!(state.contains("body of room"));
        // What does not say what is needed of it fails, and is named.
        let silent = |_: &str| None;
        let refused = worded.content(Gateway::Apns, &silent).unwrap_err();
        assert!(refused.contains("says no body"), "{refused}");
    }
}
