//! Dates inside attributes and content states. Swift's default decoder reads a `Date` as seconds since
//! 2001-01-01; who sends Unix seconds shows a time 31 years off. Here `{"$date": "2026-12-01T17:00:00Z"}` is written
//! so that the decoder reads that instant, and bare numbers of a suspicious size are pointed at.

use crate::problem::FieldProblem;
use jiff::Timestamp;
use serde_json::Value;

/// 2001-01-01T00:00:00Z in Unix milliseconds.
const REFERENCE_MS: i64 = 978_307_200_000;

/// Unix seconds from 2001-09-09 to 2038-01-19.
const SECONDS: std::ops::Range<f64> = 1e9..2_147_483_648.0;

/// The same in milliseconds.
const MILLISECONDS: std::ops::Range<f64> = 1e12..2_147_483_648_000.0;

/// Writes every `{"$date": …}` below `value` as Swift reads it: seconds since 2001-01-01, whole ones as an integer.
/// What is wrong goes to `problems`, what is suspicious to `warnings`, both with pointers below `pointer`.
pub(super) fn encode(
    value: &mut Value,
    pointer: &str,
    problems: &mut Vec<FieldProblem>,
    warnings: &mut Vec<FieldProblem>,
) {
    match value {
        Value::Object(members) if members.contains_key("$date") => {
            let read = match members.get("$date") {
                Some(Value::String(text)) if members.len() == 1 => text.parse::<Timestamp>().ok(),
                _ => None,
            };
            match read {
                Some(instant) => *value = seconds_since_2001(instant.as_millisecond()),
                None => problems.push(FieldProblem::new(
                    pointer,
                    "live_activity.date",
                    format!("expected {{\"$date\": \"2026-01-31T12:00:00Z\"}}, an RFC 3339 time and nothing beside it, found {value}"),
                )),
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                encode(member, &format!("{pointer}/{key}"), problems, warnings);
            }
        }
        Value::Array(members) => {
            for (at, member) in members.iter_mut().enumerate() {
                encode(member, &format!("{pointer}/{at}"), problems, warnings);
            }
        }
        Value::Number(number) => {
            let unit = match number.as_f64() {
                Some(number) if SECONDS.contains(&number) => "seconds",
                Some(number) if MILLISECONDS.contains(&number) => "milliseconds",
                _ => return,
            };
            warnings.push(FieldProblem::new(
                pointer,
                "live_activity.unix_time",
                format!("{number} looks like Unix {unit}; if the app decodes it into a Date, it shows a wrong one, because Swift counts seconds from 2001: write {{\"$date\": \"2026-01-31T12:00:00Z\"}}"),
            ));
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn seconds_since_2001(ms: i64) -> Value {
    let ms = ms - REFERENCE_MS;
    if ms % 1_000 == 0 {
        Value::from(ms / 1_000)
    } else {
        Value::from(ms as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn encoded(mut value: Value) -> (Value, Vec<FieldProblem>, Vec<FieldProblem>) {
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        encode(&mut value, "/content_state", &mut problems, &mut warnings);
        (value, problems, warnings)
    }

    #[test]
    fn dates_are_what_swift_reads() {
        let (value, problems, warnings) = encoded(json!({
            "end": {"$date": "2026-12-01T17:00:00+09:00"},
            "list": [{"at": {"$date": "2001-01-01T00:00:01.500Z"}}],
            "before": {"$date": "2000-12-31T23:59:59Z"},
            "name": "Minji", "room": 4
        }));
        assert_eq!(
            value,
            json!({"end": 817_804_800, "list": [{"at": 1.5}], "before": -1, "name": "Minji", "room": 4})
        );
        assert!(problems.is_empty() && warnings.is_empty());
    }

    #[test]
    fn what_is_no_date_is_refused_with_its_place() {
        for (wrong, pointer) in [
            (json!({"a": {"$date": 1_796_112_000}}), "/content_state/a"),
            (json!({"a": {"$date": "tomorrow"}}), "/content_state/a"),
            (
                json!({"a/b": [{"$date": "2026-12-01T17:00:00Z", "zone": "UTC"}]}),
                "/content_state/a~1b/0",
            ),
        ] {
            let (_, problems, _) = encoded(wrong.clone());
            assert_eq!(problems.len(), 1, "{wrong}");
            assert_eq!(
                (problems[0].pointer.as_str(), problems[0].code),
                (pointer, "live_activity.date")
            );
        }
    }

    #[test]
    fn bare_unix_times_are_pointed_at() {
        for (number, is_suspicious) in [
            (json!(1_796_112_000), true),
            (json!(1_796_112_000_000_i64), true),
            (json!(1_796_112_000.5), true),
            (json!(817_804_800), false),
            (json!(42), false),
            (json!(-1_796_112_000), false),
            (json!(5_000_000_000_i64), false),
        ] {
            let (kept, problems, warnings) = encoded(json!({"endTime": number}));
            assert!(problems.is_empty());
            assert_eq!(kept["endTime"], number);
            assert_eq!(!warnings.is_empty(), is_suspicious, "{number}");
            if is_suspicious {
                assert_eq!(warnings[0].pointer, "/content_state/endTime");
            }
        }
    }
}
