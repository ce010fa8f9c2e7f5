//! Conditions: `'a' in topics && !('b' in topics || 'c' in topics)`.
//!
//! Source: "Send messages to topics": single quotes, at most five topics; parentheses first, then
//! from left to right, so `&&` and `||` bind alike.

use std::collections::BTreeSet;

const MAX_TOPICS: usize = 5;
/// Deepest nesting read, so that a long row of parentheses cannot exhaust the stack.
const MAX_DEPTH: usize = 32;

/// A condition that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    In(String),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    /// Reads a condition; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Condition, String> {
        let mut reader = Reader {
            rest: text,
            topics: 0,
        };
        let condition = reader.chain(0)?;
        reader.skip_space();
        if !reader.rest.is_empty() {
            return Err(format!("unexpected {:?}", reader.rest));
        }
        if reader.topics > MAX_TOPICS {
            return Err(format!(
                "{} topics, at most {MAX_TOPICS} are allowed",
                reader.topics
            ));
        }
        Ok(condition)
    }

    /// Whether it holds for a phone that follows `topics`.
    pub(super) fn holds(&self, topics: &BTreeSet<String>) -> bool {
        match self {
            Condition::In(topic) => topics.contains(topic),
            Condition::Not(inner) => !inner.holds(topics),
            Condition::And(a, b) => a.holds(topics) && b.holds(topics),
            Condition::Or(a, b) => a.holds(topics) || b.holds(topics),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    topics: usize,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, word: &str) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn chain(&mut self, depth: usize) -> Result<Condition, String> {
        let mut left = self.single(depth)?;
        loop {
            if self.take("&&") {
                left = Condition::And(Box::new(left), Box::new(self.single(depth)?));
            } else if self.take("||") {
                left = Condition::Or(Box::new(left), Box::new(self.single(depth)?));
            } else {
                return Ok(left);
            }
        }
    }

    fn single(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > MAX_DEPTH {
            return Err("nested too deeply".into());
        }
        if self.take("!") {
            return Ok(Condition::Not(Box::new(self.single(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.chain(depth + 1)?;
            return match self.take(")") {
                true => Ok(inner),
                false => Err("a parenthesis is not closed".into()),
            };
        }
        if !self.take("'") {
            return Err("expected a topic in single quotes".into());
        }
        let (topic, rest) = self.rest.split_once('\'').ok_or("a quote is not closed")?;
        self.rest = rest;
        if !super::rules::is_topic(topic) {
            return Err(format!("{topic:?} is not a topic"));
        }
        self.topics += 1;
        match self.take("in") && self.take("topics") {
            true => Ok(Condition::In(topic.to_owned())),
            false => Err("expected `in topics` after a topic".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str, topics: &[&str]) -> bool {
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        Condition::parse(condition).unwrap().holds(&topics)
    }

    #[test]
    fn parentheses_first_then_from_left_to_right() {
        let grouped = "'A' in topics && ('B' in topics || 'C' in topics)";
        assert!(holds(grouped, &["A", "C"]));
        assert!(!holds(grouped, &["C"]));
        let flat = "'A' in topics || 'B' in topics && 'C' in topics";
        assert!(!holds(flat, &["A"]), "(A or B) and C");
        assert!(holds("!('A' in topics)", &[]));
        assert!(!holds("!('A' in topics)", &["A"]));
    }

    #[test]
    fn what_is_not_a_condition() {
        let six = ["'a' in topics"; 6].join(" || ");
        let deep = "(".repeat(100);
        for (text, part) in [
            ("", "single quotes"),
            ("\"A\" in topics", "single quotes"),
            ("'A in topics", "not closed"),
            ("('A' in topics", "parenthesis"),
            ("'A' in topics &&", "single quotes"),
            ("'A' in topics 'B' in topics", "unexpected"),
            ("'A' topics", "in topics"),
            ("'A b' in topics", "not a topic"),
            (&six, "at most 5"),
            (&deep, "too deeply"),
        ] {
            let error = Condition::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(Condition::parse(&["'a' in topics"; 5].join("||")).is_ok());
    }
}
