//! Conditions over topics, such as `'sports' in topics && !('muted' in topics)`: checked, not evaluated.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::invalid::{Invalid, quoted};
use crate::topic::FcmTopic;

/// A boolean expression over topics, at most five of them.
///
/// `'name' in topics`, joined by `&&` and `||`, with `!` and parentheses; names in **single** quotes. FCM reads
/// parentheses first, then from left to right. Source: Firebase, *Send to topics*.
///
/// ```
/// use fcm::Condition;
/// let both = Condition::new("'sports' in topics && ('seoul' in topics || 'busan' in topics)")?;
/// assert_eq!(both.topic_count(), 3);
/// let error = Condition::new("\"sports\" in topics").unwrap_err();
/// assert!(error.to_string().contains("single quotes"));
/// # Ok::<(), fcm::Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    text: Arc<str>,
    topics: u8,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A topic, `!` or `(`.
    Operand,
    /// `&&`, `||`, `)` or the end.
    Operator,
}

impl Condition {
    /// The most topics in one condition.
    pub const MAX_TOPICS: usize = 5;

    /// The longest text taken, in bytes: five of the longest topics and what joins them.
    pub const MAX_BYTES: usize = 8 * 1024;

    /// Checks and keeps it, as it stands.
    ///
    /// # Errors
    /// If FCM could not read it, or it names too many topics.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
        let text = text.as_ref();
        if text.len() > Self::MAX_BYTES {
            return Err(invalid(
                format!("{} bytes", text.len()),
                "at most 8192 bytes are taken",
            ));
        }
        let topics = read(text)?;
        if topics > Self::MAX_TOPICS {
            return Err(invalid(
                format!("{topics} topics"),
                "at most 5 topics are allowed in one condition",
            ));
        }
        Ok(Self {
            text: text.into(),
            topics: topics as u8,
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How many topics it names, repetitions counted.
    pub fn topic_count(&self) -> usize {
        usize::from(self.topics)
    }
}

fn invalid(found: String, rule: &'static str) -> Invalid {
    Invalid::new(
        "condition",
        found,
        rule,
        "write it like 'a' in topics && ('b' in topics || !('c' in topics))",
    )
}

/// Reads the whole; the number of topics in it.
fn read(text: &str) -> Result<usize, Invalid> {
    let mut rest = text.trim_start();
    let (mut topics, mut depth, mut expect) = (0, 0_usize, Expect::Operand);
    while !rest.is_empty() {
        let refused = |rule| Err(invalid(quoted(rest), rule));
        rest = match expect {
            Expect::Operand => {
                if let Some(after) = rest.strip_prefix('!') {
                    after
                } else if let Some(after) = rest.strip_prefix('(') {
                    depth += 1;
                    after
                } else if let Some(after) = rest.strip_prefix('\'') {
                    topics += 1;
                    expect = Expect::Operator;
                    membership(after)?
                } else if rest.starts_with('"') {
                    return refused("topics stand in single quotes");
                } else {
                    return refused("expected a topic in single quotes, ! or ( here");
                }
            }
            Expect::Operator => {
                if let Some(after) = rest.strip_prefix("&&").or(rest.strip_prefix("||")) {
                    expect = Expect::Operand;
                    after
                } else if let Some(after) = rest.strip_prefix(')') {
                    let Some(outer) = depth.checked_sub(1) else {
                        return refused("a ) without its (");
                    };
                    depth = outer;
                    after
                } else {
                    return refused("expected &&, || or ) here");
                }
            }
        }
        .trim_start();
    }
    if expect == Expect::Operand {
        return Err(invalid("its end".into(), "expected another topic"));
    }
    if depth > 0 {
        return Err(invalid("its end".into(), "a ( without its )"));
    }
    Ok(topics)
}

/// What is left after `name' in topics`.
fn membership(text: &str) -> Result<&str, Invalid> {
    let Some((name, after)) = text.split_once('\'') else {
        return Err(invalid(quoted(text), "a quote without its other half"));
    };
    if name.starts_with("/topics/") || FcmTopic::new(name).is_err() {
        return Err(invalid(
            quoted(name),
            "a topic's bare name has only letters, digits and -_.~%",
        ));
    }
    let mut words = after.trim_start().strip_prefix("in");
    words = words
        .filter(|words| words.starts_with(char::is_whitespace))
        .and_then(|words| words.trim_start().strip_prefix("topics"));
    match words {
        Some(after) if !after.starts_with(|next: char| next.is_alphanumeric()) => Ok(after),
        _ => Err(invalid(quoted(after), "expected: in topics")),
    }
}

// === impl Condition ===

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Condition {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fcm_reads_is_taken() {
        for (text, topics) in [
            ("'a' in topics", 1),
            (" 'a'  in  topics ", 1),
            ("!('A' in topics)", 1),
            ("'A' in topics && ('B' in topics || 'C' in topics)", 3),
            ("((('a' in topics)))&&!'b' in topics", 2),
            (
                "'a' in topics||'b' in topics||'c' in topics||'d' in topics||'e' in topics",
                5,
            ),
        ] {
            assert_eq!(
                Condition::new(text).unwrap().topic_count(),
                topics,
                "{text}"
            );
        }
    }

    #[test]
    fn what_fcm_cannot_read_is_refused_with_the_place() {
        let six = ["'a' in topics"; 6].join(" || ");
        for (text, rule) in [
            ("", "another topic"),
            ("a in topics", "single quotes, ! or ("),
            ("\"a\" in topics", "stand in single quotes"),
            ("'a in topics", "other half"),
            ("'a b' in topics", "bare name"),
            ("'/topics/a' in topics", "bare name"),
            ("'a' topics", "in topics"),
            ("'a' intopics", "in topics"),
            ("'a' in topicsx", "in topics"),
            ("'a' in topics 'b' in topics", "&&, || or )"),
            ("'a' in topics & 'b' in topics", "&&, || or )"),
            ("'a' in topics &&", "another topic"),
            ("('a' in topics", "without its )"),
            ("'a' in topics)", "without its ("),
            ("()", "single quotes, ! or ("),
            (&six, "at most 5"),
            (&*"(".repeat(9_000), "8192"),
        ] {
            let error = Condition::new(text).unwrap_err();
            assert!(error.to_string().contains(rule), "{text:.40}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "['ab!&|() ü\"]{0,40}") {
            drop(Condition::new(text));
        }
    }
}
