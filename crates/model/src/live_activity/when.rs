//! Times of a timeline as they are written: an instant, or one that hangs on another time of the same
//! timeline (`"ends_at - 15m"`).

use crate::device::is_plain_name;
use crate::problem::FieldProblem;
use crate::{UnixMs, duration};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashMap;

/// A time as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum When {
    At(UnixMs),
    /// So many milliseconds after (below zero: before) the time of that name.
    From(String, i64),
}

impl When {
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        let text = match value {
            Value::String(text) => text.trim(),
            Value::Number(number) => return Err(bare_number(number)),
            other => return Err(expected(other)),
        };
        if text.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(number) = text.parse::<u64>()
        {
            return Err(bare_number(&number.into()));
        }
        let is_name = |text: &str| {
            matches!(text, "starts_at" | "ends_at")
                || text
                    .strip_prefix("phases.")
                    .is_some_and(|name| is_plain_name(name, 64))
        };
        if is_name(text) {
            return Ok(Self::From(text.to_owned(), 0));
        }
        for (sign, factor) in [(" + ", 1), (" - ", -1), ("+", 1), ("-", -1)] {
            // A phase's name may have a hyphen: the last sign counts.
            if let Some((name, offset)) = text.rsplit_once(sign)
                && is_name(name.trim())
            {
                let offset = duration::parse_ms(offset.trim())?;
                return Ok(Self::From(name.trim().to_owned(), offset * factor));
            }
        }
        let read = text.parse::<Timestamp>();
        read.map(|instant| Self::At(instant.as_millisecond()))
            .map_err(|_| expected(value))
    }
}

fn expected(found: &Value) -> String {
    format!(
        "expected an RFC 3339 time such as \"2026-01-31T12:00:00Z\", or starts_at, ends_at or phases.NAME with + or - and a duration, such as \"ends_at - 15m\"; found {found}"
    )
}

fn bare_number(number: &serde_json::Number) -> String {
    let meant = number.as_f64().and_then(|number| {
        let ms = if number >= 1e11 {
            number
        } else {
            number * 1_000.0
        };
        Timestamp::from_millisecond(ms as i64).ok()
    });
    let unit = if number.as_f64().is_some_and(|number| number >= 1e11) {
        "Unix milliseconds"
    } else {
        "Unix seconds"
    };
    match meant {
        Some(meant) => format!(
            "expected an RFC 3339 time, found the bare number {number}; if these are {unit}, write \"{meant}\""
        ),
        None => format!("expected an RFC 3339 time, found the bare number {number}"),
    }
}

/// One time of a timeline: its name, where it is written, what it says.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) pointer: String,
    /// Nothing where what is written cannot be read, which is told already.
    pub(super) when: Option<When>,
}

/// Works all of them out. What names a time that is not there, or that hangs on itself, is a problem;
/// what hangs on a time that cannot be read is not one more.
pub(super) fn resolve(
    times: &[Named],
    problems: &mut Vec<FieldProblem>,
) -> HashMap<String, UnixMs> {
    let mut known: HashMap<String, UnixMs> = HashMap::new();
    let by_name: HashMap<&str, &Named> = times
        .iter()
        .map(|time| (time.name.as_str(), time))
        .collect();
    for time in times {
        // Along the chain until something known, then back.
        let mut chain: Vec<&Named> = Vec::new();
        let mut at = time;
        let found = loop {
            if let Some(ms) = known.get(&at.name) {
                break Some(*ms);
            }
            if let Some(from) = chain.iter().position(|before| before.name == at.name) {
                // Told once, at the first of the ring, which is met first.
                let ring = &chain[from..];
                let is_told = problems.iter().any(|problem| {
                    problem.code == "live_activity.cycle"
                        && ring.iter().any(|time| time.pointer == problem.pointer)
                });
                if !is_told {
                    let names: Vec<&str> = ring.iter().map(|time| time.name.as_str()).collect();
                    problems.push(FieldProblem::new(
                        ring[0].pointer.clone(),
                        "live_activity.cycle",
                        format!("expected times that hang on an instant in the end, found a ring: {} -> {}; give one of them as an RFC 3339 time", names.join(" -> "), ring[0].name),
                    ));
                }
                break None;
            }
            chain.push(at);
            match &at.when {
                None => break None,
                Some(When::At(ms)) => break Some(*ms),
                Some(When::From(name, _)) => match by_name.get(name.as_str()) {
                    Some(next) => at = next,
                    None if chain.len() == 1 => {
                        problems.push(FieldProblem::new(
                            at.pointer.clone(),
                            "live_activity.time",
                            format!("it hangs on {name}, which this activity does not have"),
                        ));
                        break None;
                    }
                    None => break None,
                },
            }
        };
        let Some(mut ms) = found else { continue };
        for time in chain.iter().rev() {
            ms = match &time.when {
                None => break,
                Some(When::At(ms)) => *ms,
                Some(When::From(_, offset)) => ms.saturating_add(*offset),
            };
            known.insert(time.name.clone(), ms);
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_people_write() {
        let from = |name: &str, ms| When::From(name.to_owned(), ms);
        for (written, read) in [
            (json!("1970-01-01T00:00:01Z"), When::At(1_000)),
            (json!("1970-01-01T09:00:00+09:00"), When::At(0)),
            (json!("ends_at - 15m"), from("ends_at", -900_000)),
            (json!("starts_at+1h30m"), from("starts_at", 5_400_000)),
            (
                json!("phases.soon-over - 5s"),
                from("phases.soon-over", -5_000),
            ),
            (json!(" ends_at "), from("ends_at", 0)),
        ] {
            assert_eq!(When::parse(&written), Ok(read), "{written}");
        }
        for (written, says) in [
            (json!(1_796_112_000_000_i64), "milliseconds"),
            (json!("1796112000000"), "2026-12-01T08:00:00Z"),
            (json!(1_796_112_000), "2026-12-01T08:00:00Z"),
            (json!("tomorrow"), "RFC 3339"),
            (json!("ends_at - soon"), "duration"),
            (json!("phases. - 1m"), "RFC 3339"),
            (json!(null), "RFC 3339"),
        ] {
            let why = When::parse(&written).unwrap_err();
            assert!(why.contains(says), "{written}: {why}");
        }
    }

    fn times(written: &[(&str, &str)]) -> (HashMap<String, UnixMs>, Vec<FieldProblem>) {
        let times: Vec<Named> = written
            .iter()
            .map(|(name, when)| Named {
                name: (*name).to_owned(),
                pointer: format!("/{name}"),
                when: When::parse(&json!(when)).ok(),
            })
            .collect();
        let mut problems = Vec::new();
        let known = resolve(&times, &mut problems);
        (known, problems)
    }

    #[test]
    fn times_hang_on_each_other_in_any_order() {
        let (known, problems) = times(&[
            ("phases.c", "phases.b + 1s"),
            ("phases.b", "ends_at - 2s"),
            ("ends_at", "starts_at + 10s"),
            ("starts_at", "1970-01-01T00:00:00Z"),
        ]);
        assert_eq!(problems, []);
        assert_eq!(
            (known["ends_at"], known["phases.b"], known["phases.c"]),
            (10_000, 8_000, 9_000)
        );
    }

    #[test]
    fn what_hangs_on_an_unreadable_time_is_no_problem_of_its_own() {
        let (known, problems) = times(&[
            ("phases.a", "ends_at - 1m"),
            ("ends_at", "starts_at + 1h"),
            ("starts_at", "morgen"),
            ("phases.b", "1970-01-01T00:00:00Z"),
            ("phases.c", "phases.nobody"),
        ]);
        assert_eq!(known.keys().collect::<Vec<_>>(), ["phases.b"]);
        let found: Vec<_> = problems.iter().map(|found| &*found.pointer).collect();
        assert_eq!(found, ["/phases.c"]);
    }

    #[test]
    fn rings_and_strangers_are_refused_once() {
        let (known, problems) = times(&[
            ("starts_at", "1970-01-01T00:00:00Z"),
            ("phases.a", "phases.b - 1m"),
            ("phases.b", "phases.c"),
            ("phases.c", "phases.b + 1m"),
            ("phases.d", "phases.d + 1m"),
            ("phases.e", "phases.nobody"),
            ("phases.f", "phases.e"),
        ]);
        assert_eq!(known.len(), 1);
        let found: Vec<_> = problems
            .iter()
            .map(|found| (found.pointer.as_str(), found.code))
            .collect();
        assert_eq!(
            found,
            [
                ("/phases.b", "live_activity.cycle"),
                ("/phases.d", "live_activity.cycle"),
                ("/phases.e", "live_activity.time"),
            ]
        );
        assert!(
            problems[0]
                .message
                .contains("phases.b -> phases.c -> phases.b"),
            "{}",
            problems[0].message
        );
    }
}
