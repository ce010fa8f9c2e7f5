//! What a text must be like: it contains something, lacks something, or matches a regular expression, by an engine
//! whose time is linear in the text.

use super::http::MAX_ANSWER_BYTES;
use crate::problem::FieldProblem;
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Longest text to be found, and longest regular expression, in bytes.
const MAX_PATTERN: usize = 1_024;

/// Most bytes of a compiled regular expression: `(a{100}){100}` is refused by it. Each `\w` takes some 20 kB.
const MAX_COMPILED: usize = 128 * 1_024;

/// Most bytes that the engine may remember while it searches; beyond it, it is slower and not larger.
const MAX_CACHE: usize = 512 * 1_024;

/// A rule as it is written: exactly one of the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TextRule {
    /// It contains this text.
    Contains(String),
    /// It does not contain this text.
    Lacks(String),
    /// Somewhere in it this regular expression matches.
    Matches(String),
}

/// A rule, read.
#[derive(Clone, Debug)]
pub struct TextTest {
    rule: TextRule,
    regex: Regex,
}

impl TextRule {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, with a pointer below `pointer`.
    pub fn compile(&self, pointer: &str) -> Result<TextTest, FieldProblem> {
        let (place, text, pattern) = match self {
            Self::Contains(text) => ("contains", text, regex::escape(text)),
            Self::Lacks(text) => ("lacks", text, regex::escape(text)),
            Self::Matches(text) => ("matches", text, text.clone()),
        };
        let pointer = format!("{pointer}/{place}");
        let wrong = |message| FieldProblem::new(pointer.clone(), "monitor.pattern", message);
        if !(1..=MAX_PATTERN).contains(&text.len()) {
            return Err(wrong(format!(
                "expected 1 to {MAX_PATTERN} bytes, found {}",
                text.len()
            )));
        }
        let built = RegexBuilder::new(&pattern)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_CACHE)
            .nest_limit(50)
            .build();
        let regex = built.map_err(|error| wrong(sentence(&error)))?;
        Ok(TextTest {
            rule: self.clone(),
            regex,
        })
    }
}

fn sentence(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => format!(
            "expected a regular expression of at most {limit} bytes when compiled: make its counted repetitions, such as {{100}}, smaller, and write [0-9A-Za-z_] for \\w where that is meant"
        ),
        other => {
            // The crate draws a picture over several lines; its last line says what is wrong.
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            let why = last.trim_start_matches("error: ");
            format!(
                "expected a regular expression without look-around and back-references, such as \"v[0-9]+ ok\": {why}"
            )
        }
    }
}

impl TextTest {
    /// Whether it takes long to judge a long text: a plain text is looked for at once.
    pub(super) fn is_pattern(&self) -> bool {
        matches!(self.rule, TextRule::Matches(_))
    }

    /// What is wrong with a text, in words that follow its name; `None`: nothing. Where it was cut off, a fault is also what
    /// hangs on the rest.
    #[must_use]
    pub fn fault(&self, text: &[u8], is_cut: bool) -> Option<String> {
        // Where it is known that it matches; at the cut it may be for the cut.
        let found = self.regex.shortest_match(text);
        let where_to = if is_cut {
            " in what was read of it"
        } else {
            ""
        };
        let not_known = |what: &str, of: &str| {
            let of = short(of);
            format!(
                "is longer than the {MAX_ANSWER_BYTES} bytes that are read: whether it {what} {of:?} is not known"
            )
        };
        match (&self.rule, found) {
            (TextRule::Contains(wanted), None) => {
                Some(format!("does not contain {:?}{where_to}", short(wanted)))
            }
            (TextRule::Lacks(unwanted), Some(_)) => Some(format!("contains {:?}", short(unwanted))),
            (TextRule::Lacks(unwanted), None) if is_cut => Some(not_known("lacks", unwanted)),
            (TextRule::Matches(wanted), None) => {
                Some(format!("does not match {:?}{where_to}", short(wanted)))
            }
            (TextRule::Matches(wanted), Some(end)) if is_cut && end == text.len() => {
                Some(not_known("matches", wanted))
            }
            _ => None,
        }
    }
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> TextRule {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn texts_are_judged() {
        for (json, text, expected) in [
            (r#"{"contains":"a.c"}"#, "xa.cx", None),
            (
                r#"{"contains":"a.c"}"#,
                "abc",
                Some("does not contain \"a.c\""),
            ),
            (r#"{"lacks":"error"}"#, "fine", None),
            (
                r#"{"lacks":"error"}"#,
                "an error",
                Some("contains \"error\""),
            ),
            (r#"{"matches":"^v\\d+$"}"#, "v12", None),
            (
                r#"{"matches":"^v\\d+$"}"#,
                "v12b",
                Some("does not match \"^v\\\\d+$\""),
            ),
        ] {
            let test = rule(json).compile("/body").unwrap();
            let found = test.fault(text.as_bytes(), false);
            assert_eq!(found.as_deref(), expected, "{json} {text}");
        }
        let cut = rule(r#"{"contains":"end"}"#).compile("").unwrap();
        let found = cut.fault(b"\xff\x00 not text", true).unwrap();
        assert!(found.ends_with("in what was read of it"), "{found}");
    }

    #[test]
    fn what_hangs_on_what_was_cut_off_is_a_fault() {
        for (json, text, expected) in [
            (r#"{"contains":"ok"}"#, "it is ok", None),
            (r#"{"lacks":"error"}"#, "fine", Some("lacks \"error\"")),
            (
                r#"{"lacks":"error"}"#,
                "an error",
                Some("contains \"error\""),
            ),
            (r#"{"matches":"^it.*ok"}"#, "it is ok, and more", None),
            (
                r#"{"matches":"ok$"}"#,
                "it is ok",
                Some("matches \"ok$\" is not known"),
            ),
            (
                r#"{"matches":"ok$"}"#,
                "it is down",
                Some("in what was read of it"),
            ),
        ] {
            let test = rule(json).compile("/body").unwrap();
            let found = test.fault(text.as_bytes(), true);
            match (&found, expected) {
                (None, None) => {}
                (Some(found), Some(part)) => assert!(found.contains(part), "{json}: {found}"),
                _ => panic!("{json} {text}: {found:?}"),
            }
        }
    }

    #[test]
    fn what_could_blow_up_is_refused_with_its_place() {
        for (json, part) in [
            (r#"{"matches":"(a{200}){200}"}"#, "when compiled"),
            // Some 190 kB.
            (r#"{"matches":"a{6000}"}"#, "when compiled"),
            (r#"{"matches":"(a+)+\\1"}"#, "backreferences"),
            (r#"{"matches":"(?=a)"}"#, "look-around"),
            (r#"{"matches":"("}"#, "unclosed group"),
            (r#"{"matches":""}"#, "found 0"),
        ] {
            let problem = rule(json).compile("/body").unwrap_err();
            assert_eq!(problem.pointer, "/body/matches", "{json}");
            assert!(problem.message.contains(part), "{json}: {problem}");
        }
        let long = TextRule::Contains("x".repeat(MAX_PATTERN + 1));
        assert_eq!(long.compile("").unwrap_err().pointer, "/contains");
    }

    #[test]
    fn what_takes_others_for_ever_is_linear() {
        // Back-tracking engines need 2^30 steps for this.
        let test = rule(r#"{"matches":"^(a+)+$"}"#).compile("").unwrap();
        let text = format!("{}b", "a".repeat(100_000));
        assert!(test.fault(text.as_bytes(), false).is_some());
    }
}
