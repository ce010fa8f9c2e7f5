//! Whom a notification is for.

use crate::environment::TokenEnvironment;
use crate::expression::{Expression, TagFilter, Vocabulary};
use crate::list::FrozenList;
use crate::problem::FieldProblem;
use crate::segment::FrozenSegment;
use serde::{Deserialize, Serialize};

/// Most entries of a list in one target.
pub const MAX_TARGET_ENTRIES: usize = 1_000;

/// Whom a notification is for: exactly one of the keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// Devices by the caller's ids.
    Devices(Vec<String>),
    /// All devices of these users.
    Users(Vec<String>),
    /// Raw push tokens; each becomes an anonymous device.
    PushTokens(Vec<String>),
    /// All devices of the App; the value must be `true`.
    All(bool),
    /// Everybody subscribed to a topic of ours.
    Topic(String),
    /// Devices for which an expression over their tags and attributes holds.
    Tags(TagFilter),
    /// Devices of a stored segment, by its name, as it was when the notification was accepted.
    Segment(String),
    /// Devices of an uploaded list, by its name, as it was when the notification was accepted.
    List(String),
    /// Devices that a linked database names when a campaign begins, by the name of the source.
    Source(String),
    /// A broadcast channel (Live Activities, iOS 18+).
    Channel(String),
}

/// A target that is resolved page by page, and who is left out of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// Whom it is for.
    pub target: Target,
    /// Users whose devices are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except_users: Vec<String>,
    /// What the segment was when the notification was accepted, where the target is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<FrozenSegment>,
    /// What the list was then, where the target is one; of a source what was read of it, once it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<FrozenList>,
    /// Of a Live Activity's start on a channel: what is started on the devices' phones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<ActivityStart>,
}

/// A Live Activity that is started on the phones of an audience, by their push-to-start tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityStart {
    /// The caller's id of it.
    pub id: String,
    /// Its attributes type: those who can start it have a push-to-start token for that.
    pub attributes_type: String,
    /// Where its channel is: phones of the other environment are not started on it.
    pub environment: TokenEnvironment,
}

impl Audience {
    /// The expression that its devices must fulfil; `None`: there is none. What cannot be read any more
    /// is an error: it was read when it was accepted.
    ///
    /// # Errors
    /// What is wrong with the expression, or that the target is a segment without one, a list that was
    /// not frozen or a source that was not read.
    pub fn filter(&self) -> Result<Option<Expression>, FieldProblem> {
        match (&self.target, &self.segment) {
            (Target::Tags(filter), _) => filter.expression("/target/tags").map(Some),
            // By the rules of its reading only: those for saving may have grown since.
            (Target::Segment(_), Some(frozen)) => {
                Expression::parse_in(&frozen.filter, &Vocabulary::SEGMENT)
                    .map(Some)
                    .map_err(|error| error.problem("/target/segment"))
            }
            (Target::Segment(name), None) => Err(FieldProblem::new(
                "/target/segment",
                "target.unknown_segment",
                format!("the segment {name:?} was not frozen"),
            )),
            (Target::List(name), _) if self.list.is_none() => Err(FieldProblem::new(
                "/target/list",
                "target.unknown_list",
                format!("the list {name:?} was not frozen"),
            )),
            (Target::Source(name), _) if self.list.is_none() => Err(FieldProblem::new(
                "/target/source",
                "target.unknown_source",
                format!("the source {name:?} was not read"),
            )),
            _ => Ok(None),
        }
    }
}

impl Target {
    /// Whether it is resolved page by page after acceptance.
    #[must_use]
    pub fn is_fanned_out(&self) -> bool {
        matches!(
            self,
            Self::All(_)
                | Self::Topic(_)
                | Self::Tags(_)
                | Self::Segment(_)
                | Self::List(_)
                | Self::Source(_)
        )
    }

    /// What is wrong with its shape.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let (key, entries) = match self {
            Self::Devices(list) => ("devices", list),
            Self::Users(list) => ("users", list),
            Self::PushTokens(list) => ("push_tokens", list),
            Self::All(true) => return problems,
            Self::All(false) => {
                problems.push(FieldProblem::new(
                    "/target/all",
                    "target.all_is_true",
                    "expected true: to send to nobody, do not send",
                ));
                return problems;
            }
            Self::Topic(name) => {
                if !crate::device::is_plain_name(name, 64) {
                    problems.push(FieldProblem::new(
                        "/target/topic",
                        "target.topic",
                        format!("expected a topic's name of 1 to 64 characters of A-Z a-z 0-9 . _ : @ -, found {name:?}"),
                    ));
                }
                return problems;
            }
            Self::Segment(name) => {
                problems.extend(segment_problem(name, "/target/segment"));
                return problems;
            }
            Self::List(name) => {
                if !crate::device::is_plain_name(name, 64) {
                    problems.push(FieldProblem::new(
                        "/target/list",
                        "target.list",
                        format!("expected a list's name of 1 to 64 characters of A-Z a-z 0-9 . _ : @ -, found {name:?}"),
                    ));
                }
                return problems;
            }
            Self::Source(name) => {
                if !is_source_name(name) {
                    problems.push(FieldProblem::new(
                        "/target/source",
                        "target.source",
                        format!("expected a source's name of 1 to 64 characters of a-z 0-9 _, found {name:?}"),
                    ));
                }
                return problems;
            }
            Self::Tags(filter) => {
                problems.extend(filter.expression("/target/tags").err());
                return problems;
            }
            Self::Channel(id) => {
                if id.is_empty() || id.len() > 256 {
                    problems.push(FieldProblem::new(
                        "/target/channel",
                        "target.channel",
                        "expected a channel id of 1 to 256 bytes as Apple issued it",
                    ));
                }
                return problems;
            }
        };
        if entries.is_empty() || entries.len() > MAX_TARGET_ENTRIES {
            problems.push(FieldProblem::new(
                format!("/target/{key}"),
                "target.entries",
                format!("expected 1 to {MAX_TARGET_ENTRIES} entries, found {}: send several notifications, or one to a larger audience", entries.len()),
            ));
        }
        for (at, entry) in entries.iter().enumerate() {
            if entry.is_empty() || entry.len() > 512 {
                problems.push(FieldProblem::new(
                    format!("/target/{key}/{at}"),
                    "target.entry",
                    format!("expected 1 to 512 bytes, found {}", entry.len()),
                ));
            }
        }
        problems
    }
}

/// Whether a source may be called so: 1 to 64 characters of `a-z 0-9 _`, as environment variables can say it.
#[must_use]
pub fn is_source_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// What is wrong with a segment's name.
pub(crate) fn segment_problem(name: &str, pointer: &str) -> Option<FieldProblem> {
    (!crate::device::is_plain_name(name, 64)).then(|| {
        FieldProblem::new(
            pointer,
            "target.segment",
            format!("expected a segment's name of 1 to 64 characters of A-Z a-z 0-9 . _ : @ -, found {name:?}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_known_key() {
        let ok: Target = serde_json::from_str(r#"{"devices":["a"]}"#).unwrap();
        assert_eq!(ok, Target::Devices(vec!["a".into()]));
        assert!(ok.problems().is_empty());
        for bad in [
            r#"{}"#,
            r#"{"devices":["a"],"users":["b"]}"#,
            r#"{"everyone":true}"#,
            r#"{"devices":"a"}"#,
            r#"{"list":["a"]}"#,
        ] {
            assert!(serde_json::from_str::<Target>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_that_was_not_frozen_is_not_everybody() {
        let mut audience = Audience {
            target: Target::List("vips".into()),
            except_users: Vec::new(),
            segment: None,
            list: None,
            starts: None,
        };
        assert_eq!(audience.filter().unwrap_err().pointer, "/target/list");
        audience.list = Some(FrozenList {
            version: 1,
            no: crate::id::ListNo(7),
        });
        assert!(audience.filter().unwrap().is_none());
        audience.target = Target::Source("members".into());
        assert!(audience.filter().unwrap().is_none());
        audience.list = None;
        assert_eq!(audience.filter().unwrap_err().pointer, "/target/source");
    }

    #[test]
    fn bounds() {
        assert_eq!(Target::Devices(vec![]).problems()[0].code, "target.entries");
        assert_eq!(
            Target::Users(vec!["u".into(); 1001]).problems()[0].code,
            "target.entries"
        );
        assert_eq!(
            Target::PushTokens(vec![String::new()]).problems()[0].pointer,
            "/target/push_tokens/0"
        );
        assert_eq!(Target::All(false).problems()[0].pointer, "/target/all");
        assert_eq!(Target::List("a b".into()).problems()[0].code, "target.list");
        assert_eq!(Target::List("vips".into()).problems(), []);
        for name in ["", "Members", "a-b"] {
            let problems = Target::Source(name.into()).problems();
            assert_eq!(problems[0].code, "target.source");
        }
        assert_eq!(Target::Source("members_7".into()).problems(), []);
    }
}
