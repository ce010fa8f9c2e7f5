//! Triggers: what becomes of an event that a back end tells. Which events, under which condition, to
//! whom, what is said, and how often at most. Only the rules; the engine carries them out.

use crate::body::BadgeChange;
use crate::content::Content;
use crate::digest::DigestRule;
use crate::duration;
use crate::expression::{Expression, Fact, Lookup, Path, TagFilter, Vocabulary};
use crate::facts::EventFacts;
use crate::notification::RequestOptions;
use crate::problem::FieldProblem;
use crate::target::{MAX_TARGET_ENTRIES, Target, segment_problem};
use crate::throttle::Throttle;
use serde::{Deserialize, Serialize};

/// Longest name of an event.
pub const MAX_EVENT_NAME: usize = 100;
/// Most bytes of an event as it is posted.
pub const MAX_EVENT_BYTES: usize = 65_536;

/// The body of `PUT /v1/apps/{app}/triggers/{name}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerDefinition {
    /// The events that it is for: a name such as `comment.created`, or all that begin alike:
    /// `comment.*`.
    pub event: String,
    /// Only when this holds for the event, e.g. `data.likes >= 3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Whom it is for.
    #[serde(default)]
    pub audience: TriggerAudience,
    /// Whether the event's actor gets it too. Default: he knows already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_actor: bool,
    /// Name of the template that says it; its variables are the event's data. Exactly one of `template`
    /// and `content`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The same words for every event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// How it is sent.
    #[serde(default)]
    pub options: RequestOptions,
    /// What becomes of each recipient's badge counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<BadgeChange>,
    /// For how long a notification makes sense, e.g. `"1h"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    /// Events of one recipient are gathered for so long and told as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestRule>,
    /// Where in the event stands what digests are kept apart by, e.g. `data.post_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest_key: Option<String>,
    /// At most so many notifications for each recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Throttle>,
    /// `false`: it rests.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enabled: bool,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

/// Whom a trigger is for: exactly one of the keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TriggerAudience {
    /// The users that the event names as its `recipients`; the value must be `true`.
    Recipients(bool),
    /// The users at a path in the event: one text or a list of them, e.g. `data.post.author`.
    UsersAt(String),
    /// Everybody subscribed to this topic.
    Topic(String),
    /// Everybody subscribed to the topic whose name stands at a path in the event.
    TopicAt(String),
    /// Devices for which an expression over their tags and attributes holds.
    Tags(TagFilter),
    /// Devices of a stored segment, by its name.
    Segment(String),
    /// All devices of the App; the value must be `true`.
    All(bool),
}

impl Default for TriggerAudience {
    fn default() -> Self {
        Self::Recipients(true)
    }
}

/// Whom an event is for, as a trigger has found out.
#[derive(Clone, Debug, PartialEq)]
pub enum EventAudience {
    /// These users, without the actor unless he is meant too.
    Users(Vec<String>),
    /// Whoever this target means.
    Crowd(Target),
    /// Nobody: why.
    Nobody(String),
}

impl TriggerDefinition {
    /// What is wrong with it; pointers are into the trigger's own body. Whether its template exists is
    /// not asked here.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let mut add = |pointer: &str, code, message: String| {
            problems.push(FieldProblem::new(pointer, code, message));
        };
        if !is_event_name(self.event.strip_suffix(".*").unwrap_or(&self.event)) {
            add(
                "/event",
                "trigger.event",
                format!(
                    "expected the name of an event such as comment.created, or comment.*, of at most {MAX_EVENT_NAME} characters of a-z A-Z 0-9 . _ -, found {:?}",
                    self.event
                ),
            );
        }
        if self.template.is_some() == self.content.is_some() {
            let found = if self.template.is_some() {
                "both"
            } else {
                "neither"
            };
            let message = format!("expected exactly one of template and content, found {found}");
            add("/template", "content.one_of", message);
        }
        match &self.audience {
            TriggerAudience::Recipients(false) | TriggerAudience::All(false) => add(
                "/audience",
                "trigger.audience",
                "expected true: a trigger for nobody is none".to_owned(),
            ),
            TriggerAudience::UsersAt(path) | TriggerAudience::TopicAt(path) => {
                if let Err(why) = path_of(path) {
                    add("/audience", "trigger.path", why);
                }
            }
            TriggerAudience::Topic(name) if !crate::device::is_plain_name(name, 64) => add(
                "/audience/topic",
                "target.topic",
                format!(
                    "expected a topic's name of 1 to 64 characters of A-Z a-z 0-9 . _ : @ -, found {name:?}"
                ),
            ),
            _ => {}
        }
        if let Some(text) = &self.expires_in
            && let Err(sentence) = duration::parse_ms(text)
        {
            add("/expires_in", "expiry.duration", sentence);
        }
        match (&self.digest_key, &self.digest) {
            (Some(_), None) => add(
                "/digest_key",
                "trigger.digest_key",
                "expected a digest beside it: it says what digests are kept apart by".to_owned(),
            ),
            (Some(path), Some(_)) => {
                if let Err(why) = path_of(path) {
                    add("/digest_key", "trigger.path", why);
                }
            }
            (None, _) => {}
        }
        match &self.audience {
            TriggerAudience::Tags(filter) => {
                problems.extend(filter.expression("/audience/tags").err());
            }
            TriggerAudience::Segment(name) => {
                problems.extend(segment_problem(name, "/audience/segment"));
            }
            _ => {}
        }
        if let Some(text) = &self.condition
            && let Err(error) = Expression::parse_in(text, &Vocabulary::EVENT)
        {
            problems.push(error.problem("/condition"));
        }
        problems
    }

    /// Whether it is for events of this name.
    #[must_use]
    pub fn is_for(&self, name: &str) -> bool {
        match self.event.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => self.event == name,
        }
    }

    /// Whom an event is for. `recipients` are those that the event names.
    #[must_use]
    pub fn audience_of(&self, event: &EventFacts<'_>, recipients: &[String]) -> EventAudience {
        let actor = event.actor.filter(|_| !self.include_actor);
        self.audience.meant(event, recipients, actor)
    }

    /// What digests of this event are kept apart by, besides the recipient.
    #[must_use]
    pub fn digest_key_of(&self, event: &EventFacts<'_>) -> String {
        let key = self.digest_key.as_ref().and_then(|path| {
            let path = path_of(path).ok()?;
            match event.lookup(&path) {
                Fact::Text(text) => Some(text.chars().take(128).collect()),
                Fact::Integer(number) => Some(number.to_string()),
                _ => None,
            }
        });
        key.unwrap_or_default()
    }
}

impl TriggerAudience {
    /// Whom it means, without the user `except`.
    #[must_use]
    pub fn meant(
        &self,
        event: &EventFacts<'_>,
        recipients: &[String],
        except: Option<&str>,
    ) -> EventAudience {
        let users = match self {
            Self::Recipients(_) if recipients.is_empty() => {
                return nobody(
                    "the event has no `recipients`: name the users whom it concerns, or let the trigger's `audience` say whom it is for"
                        .to_owned(),
                );
            }
            Self::Recipients(_) => recipients.to_vec(),
            Self::UsersAt(path) => match texts_at(path, event) {
                Some(users) if !users.is_empty() => users,
                _ => return nobody(format!("there is no user at {path}")),
            },
            Self::Topic(name) => return EventAudience::Crowd(Target::Topic(name.clone())),
            Self::TopicAt(path) => {
                return match texts_at(path, event).as_deref() {
                    Some([name]) if crate::device::is_plain_name(name, 64) => {
                        EventAudience::Crowd(Target::Topic(name.clone()))
                    }
                    _ => nobody(format!("there is no topic's name at {path}")),
                };
            }
            Self::Tags(filter) => return EventAudience::Crowd(Target::Tags(filter.clone())),
            Self::Segment(name) => return EventAudience::Crowd(Target::Segment(name.clone())),
            Self::All(_) => return EventAudience::Crowd(Target::All(true)),
        };
        let mut meant: Vec<String> = Vec::with_capacity(users.len());
        for user in users {
            let is_fine = (1..=128).contains(&user.len());
            let is_meant = is_fine && except != Some(&*user) && !meant.contains(&user);
            if is_meant && meant.len() < MAX_TARGET_ENTRIES {
                meant.push(user);
            }
        }
        if meant.is_empty() {
            return nobody("the event names nobody but its actor".to_owned());
        }
        EventAudience::Users(meant)
    }
}

fn nobody(why: String) -> EventAudience {
    EventAudience::Nobody(why)
}

/// Whether it may be an event's name.
#[must_use]
pub fn is_event_name(name: &str) -> bool {
    (1..=MAX_EVENT_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Reads a path in an event, such as `data.post.author`.
fn path_of(text: &str) -> Result<Path, String> {
    Path::parse_in(text, &Vocabulary::EVENT).map_err(|error| {
        format!("expected a path in the event such as data.post.author, found {text:?}: {error}")
    })
}

/// The texts at a path: one, or a list of them.
fn texts_at(path: &str, event: &EventFacts<'_>) -> Option<Vec<String>> {
    match event.lookup(&path_of(path).ok()?) {
        Fact::Text(text) => Some(vec![text.into_owned()]),
        Fact::List(entries) => {
            let texts = entries.into_iter().map(|entry| match entry {
                Fact::Text(text) => Some(text.into_owned()),
                Fact::Integer(number) => Some(number.to_string()),
                _ => None,
            });
            texts.collect()
        }
        Fact::Integer(number) => Some(vec![number.to_string()]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn trigger(json: serde_json::Value) -> TriggerDefinition {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn mistakes_have_their_pointer_and_code() {
        let table = [
            (
                json!({"event": "a b", "template": "t"}),
                "/event",
                "trigger.event",
            ),
            (json!({"event": "a"}), "/template", "content.one_of"),
            (
                json!({"event": "a", "template": "t", "content": {"body": "b"}}),
                "/template",
                "content.one_of",
            ),
            (
                json!({"event": "a", "template": "t", "audience": {"all": false}}),
                "/audience",
                "trigger.audience",
            ),
            (
                json!({"event": "a", "template": "t", "audience": {"users_at": "data["}}),
                "/audience",
                "trigger.path",
            ),
            (
                json!({"event": "a", "template": "t", "digest_key": "data.x"}),
                "/digest_key",
                "trigger.digest_key",
            ),
            (
                json!({"event": "a", "template": "t", "expires_in": "soon"}),
                "/expires_in",
                "expiry.duration",
            ),
            (
                json!({"event": "a", "template": "t", "condition": "dta.x == 1"}),
                "/condition",
                "",
            ),
        ];
        for (json, pointer, code) in table {
            let problems = trigger(json.clone()).problems();
            assert_eq!(problems.len(), 1, "{json}: {problems:?}");
            assert_eq!(problems[0].pointer, pointer, "{json}");
            assert!(
                code.is_empty() || problems[0].code == code,
                "{json}: {problems:?}"
            );
        }
        let whole = trigger(json!({
            "event": "comment.*", "condition": "data.likes >= 3", "template": "t",
            "audience": {"users_at": "data.post.author"}, "digest": {"window": "10m"},
            "digest_key": "data.post.id", "throttle": {"max": 3, "per": "1h"}
        }));
        assert_eq!(whole.problems(), []);
        assert!(whole.is_for("comment.created") && !whole.is_for("comments.created"));
    }

    #[test]
    fn the_actor_gets_nothing_unless_he_is_meant() {
        let data = json!({"author": "ann", "friends": ["bob", "ann", "bob", 7], "nobody": [], "topic": "post-1"});
        let event = EventFacts {
            name: "comment.created",
            subject: None,
            actor: Some("ann"),
            data: data.as_object().unwrap(),
        };
        let of = |audience: serde_json::Value, recipients: &[&str]| {
            let recipients: Vec<String> = recipients.iter().map(|r| (*r).to_owned()).collect();
            trigger(json!({"event": "c", "template": "t", "audience": audience}))
                .audience_of(&event, &recipients)
        };
        let users = |users: &[&str]| {
            EventAudience::Users(users.iter().map(|user| (*user).to_owned()).collect())
        };
        assert_eq!(
            of(json!({"recipients": true}), &["ann", "cat", "cat"]),
            users(&["cat"])
        );
        assert_eq!(
            of(json!({"users_at": "data.friends"}), &[]),
            users(&["bob", "7"])
        );
        assert!(matches!(
            of(json!({"users_at": "data.author"}), &[]),
            EventAudience::Nobody(_)
        ));
        assert!(matches!(
            of(json!({"users_at": "data.none"}), &[]),
            EventAudience::Nobody(_)
        ));
        let why = |audience: serde_json::Value, recipients: &[&str]| match of(audience, recipients)
        {
            EventAudience::Nobody(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(why(json!({"recipients": true}), &[]).contains("has no `recipients`"));
        assert!(why(json!({"recipients": true}), &["ann"]).contains("nobody but its actor"));
        assert!(why(json!({"users_at": "data.nobody"}), &[]).contains("data.nobody"));
        assert_eq!(
            of(json!({"topic_at": "data.topic"}), &[]),
            EventAudience::Crowd(Target::Topic("post-1".into()))
        );
        assert!(matches!(
            of(json!({"topic_at": "data.friends"}), &[]),
            EventAudience::Nobody(_)
        ));
        let included = trigger(json!({"event": "c", "template": "t", "include_actor": true}));
        assert_eq!(
            included.audience_of(&event, &["ann".into()]),
            users(&["ann"])
        );
    }
}
