//! The template language: minijinja without loading, including, macros and HTML escaping, strict about
//! what is not there, bounded by fuel; and our filters beside its own.
//!
//! Each text is rendered alone and becomes a value: nothing is pasted into JSON, so nothing must be
//! escaped for it.

use super::plural::{PluralForms, category};
use icu_plurals::PluralRules;
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use std::sync::Arc;

/// Filters that a template may use: minijinja's that make sense for texts, and ours.
pub(super) const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "format",
    "groupby",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "plural",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "zip",
];

/// Tests that a template may use after `is`.
pub(super) const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// Functions that a template may call.
pub(super) const FUNCTIONS: &[&str] = &["dict", "namespace", "range"];

/// How much work the rendering of one text may do: about as many steps, or 64 bytes of made text for
/// each.
pub const FUEL: u64 = 10_000;

/// Deepest nesting of what is rendered.
const RECURSION: usize = 64;

/// An environment for texts that [`text_name`] names; `rules` by their locale's number.
pub(super) fn environment(rules: Vec<PluralRules>) -> Environment<'static> {
    let mut environment = Environment::new();
    // Places and names in errors; it costs nothing while there is no error.
    environment.set_debug(true);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    let syntax = minijinja::syntax::SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .build();
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    environment.set_formatter(write_value);
    environment.remove_global("debug");
    environment.add_filter("truncate", truncate);
    let rules = Arc::new(rules);
    environment.add_filter(
        "plural",
        move |state: &State, number: &Value, forms: Kwargs| plural(&rules, state, number, &forms),
    );
    environment
}

/// The name of a text in the environment: the number of the locale that it is written in, and its
/// pointer.
pub(super) fn text_name(locale: usize, pointer: &str) -> String {
    format!("{locale}{pointer}")
}

fn locale_of(name: &str) -> Option<usize> {
    name.split('/').next()?.parse().ok()
}

/// How a value becomes text. Only what a reader would expect has a text.
fn write_value(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        return Ok(out.write_str(text)?);
    }
    match value.kind() {
        ValueKind::Bool => Ok(out.write_str(if value.is_true() { "true" } else { "false" })?),
        ValueKind::Number => Ok(write!(out, "{value}")?),
        ValueKind::Undefined | ValueKind::None => {
            Err(Error::new(ErrorKind::UndefinedError, "there is no value"))
        }
        ValueKind::Seq | ValueKind::Iterable => Err(Error::new(
            ErrorKind::InvalidOperation,
            "a list has no text: loop over it, or use |join(', ') or |length",
        )),
        ValueKind::Map | ValueKind::Plain => Err(Error::new(
            ErrorKind::InvalidOperation,
            "an object has no text: name a field of it, or use |tojson",
        )),
        _ => Err(Error::new(ErrorKind::InvalidOperation, "this has no text")),
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// `text|truncate(40)`, `text|truncate(40, end='')`: at most so many characters, the end included.
fn truncate(text: &Value, length: Option<i64>, options: Kwargs) -> Result<String, Error> {
    let end: Option<String> = options.get("end")?;
    let by_name: Option<i64> = options.get("length")?;
    options.assert_all_used()?;
    let end = end.unwrap_or_else(|| "…".to_owned());
    let Some(text) = text.as_str() else {
        return Err(wrong(format!(
            "truncate expected a text, found {}",
            kind_name(text)
        )));
    };
    let length = length.or(by_name);
    let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else {
        return Err(wrong(
            "truncate expected a length in characters, as in |truncate(40)".to_owned(),
        ));
    };
    if text.char_indices().nth(length).is_none() {
        return Ok(text.to_owned());
    }
    let kept = length.saturating_sub(end.chars().count());
    let mut cut = text
        .char_indices()
        .nth(kept)
        .map_or(text.len(), |(at, _)| at);
    // A letter and the marks on it, or the parts of one emoji, stay together.
    while let (Some(next), Some(last)) = (text[cut..].chars().next(), text[..cut].chars().last()) {
        if !joins_before(next) && last != ZERO_WIDTH_JOINER {
            break;
        }
        cut -= last.len_utf8();
    }
    let end_cut = end
        .char_indices()
        .nth(length)
        .map_or(end.len(), |(at, _)| at);
    Ok(format!("{}{}", text[..cut].trim_end(), &end[..end_cut]))
}

const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Whether a character is shown as a part of the one before it.
fn joins_before(c: char) -> bool {
    matches!(c,
        ZERO_WIDTH_JOINER
        | '\u{0300}'..='\u{036f}' // combining marks
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{0900}'..='\u{0903}' | '\u{093a}'..='\u{094f}' // Devanagari signs
        | '\u{0e31}' | '\u{0e34}'..='\u{0e3a}' | '\u{0e47}'..='\u{0e4e}' // Thai signs
        | '\u{1160}'..='\u{11ff}' // conjoining Hangul
        | '\u{fe00}'..='\u{fe0f}' // variation selectors
        | '\u{1f3fb}'..='\u{1f3ff}' // skin tones
        | '\u{e0020}'..='\u{e007f}' // flags of regions
    )
}

/// `count|plural(one='comment', other='comments')`: the form of the text's locale.
fn plural(
    rules: &[PluralRules],
    state: &State,
    number: &Value,
    forms: &Kwargs,
) -> Result<String, Error> {
    let given = PluralForms::read(forms)?;
    let rules = locale_of(state.name()).and_then(|locale| rules.get(locale));
    let Some(rules) = rules else {
        return Err(wrong("plural has no rules here".to_owned()));
    };
    let category = category(rules, number).ok_or_else(|| {
        wrong(format!(
            "plural expected a number, found {}",
            kind_name(number)
        ))
    })?;
    Ok(given.choose(category))
}

pub(super) fn kind_name(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => "no value",
        ValueKind::Bool => "a boolean",
        ValueKind::Number => "a number",
        ValueKind::String => "a text",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map | ValueKind::Plain => "an object",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn render(source: &str, text: &str) -> Result<String, Error> {
        let environment = environment(Vec::new());
        environment.render_str(source, minijinja::context!(text => text))
    }

    #[test]
    fn every_name_in_the_lists_is_there() {
        let environment = environment(Vec::new());
        let mut state = environment.empty_state();
        for name in FILTERS {
            let answer = state.apply_filter(name, &[]);
            let kind = answer.err().map(|error| error.kind());
            assert_ne!(kind, Some(ErrorKind::UnknownFilter), "{name}");
        }
        for name in TESTS {
            let answer = state.perform_test(name, &[]);
            let kind = answer.err().map(|error| error.kind());
            assert_ne!(kind, Some(ErrorKind::UnknownTest), "{name}");
        }
        let globals: Vec<_> = environment.globals().map(|(name, _)| name).collect();
        for name in FUNCTIONS {
            assert!(globals.contains(name), "{name}");
        }
    }

    #[test]
    fn truncate_counts_characters_and_keeps_them_whole() {
        for (text, length, cut) in [
            ("hello", 5, "hello"),
            ("hello!", 5, "hell…"),
            ("안녕하세요 여러분", 6, "안녕하세요…"),
            ("hello world", 7, "hello…"),
            ("", 0, ""),
            ("ab", 1, "…"),
            ("ab", 0, ""),
            ("ae\u{301}xyz", 3, "a…"),
            ("a👩\u{200d}👩\u{200d}👧b", 4, "a…"),
            ("👍🏽👍🏽", 2, "…"),
        ] {
            let source = format!("{{{{ text|truncate({length}) }}}}");
            assert_eq!(render(&source, text).unwrap(), cut, "{text} {length}");
        }
        assert_eq!(
            render("{{ text|truncate(length=3, end='') }}", "abcdef").unwrap(),
            "abc"
        );
        for bad in [
            "{{ text|truncate }}",
            "{{ 3|truncate(2) }}",
            "{{ text|truncate(-1) }}",
            "{{ text|truncate(1, ende='') }}",
        ] {
            assert!(render(bad, "x").is_err(), "{bad}");
        }
    }

    #[test]
    fn only_what_has_a_text_is_written() {
        for (source, text) in [
            (
                "{{ true }} {{ 1.5 }} {{ -3 }} {{ 'x' }}\n",
                "true 1.5 -3 x\n",
            ),
            ("<b>{{ '<&\"' }}</b>", "<b><&\"</b>"),
            ("{{ [1, 2]|join(', ') }}", "1, 2"),
        ] {
            assert_eq!(render(source, "").unwrap(), text, "{source}");
        }
        for bad in ["{{ none }}", "{{ nothing }}", "{{ [1] }}", "{{ {'a': 1} }}"] {
            assert!(render(bad, "").is_err(), "{bad}");
        }
    }

    #[test]
    fn work_and_memory_end() {
        for source in [
            "{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}",
            "{% set x = 'x' * 1000 %}{% set x = x * 1000 %}{{ x * 1000 }}",
            "{{ 'x' * 10000000 }}",
            "{{ text|replace('', text)|replace('', text)|replace('', text) }}",
        ] {
            let error = render(source, &"x".repeat(4_000)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfFuel, "{source}");
        }
    }

    proptest! {
        #[test]
        fn truncated_is_never_longer(text in "\\PC{0,20}", length in 0usize..20) {
            let cut = render(&format!("{{{{ text|truncate({length}) }}}}"), &text).unwrap();
            prop_assert!(cut.chars().count() <= length.max(text.chars().count().min(length)));
        }
    }
}
