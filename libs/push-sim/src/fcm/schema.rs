//! The shape of a request as Google's JSON front end knows it, and the reading of one against it.
//!
//! Sources: the REST reference of the HTTP v1 API for the fields; the proto3 JSON mapping for what
//! a value may look like (both spellings of a name, `null` for absent, numbers as text). Rules
//! about what is *in* a field are in [`super::rules`].

use serde_json::{Map, Value};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Bool,
    Int,
    Float,
    /// `3.5s`.
    Duration,
    /// RFC 3339.
    Timestamp,
    /// Text to text.
    TextMap,
    /// Any JSON object.
    Free,
    /// One of these names; the first part is the type's name.
    Enum(&'static str, &'static [&'static str]),
    /// The same in any case, as clients send it.
    AnyCaseEnum(&'static str, &'static [&'static str]),
    Record(&'static Shape),
    Texts,
    Durations,
}

/// A message type: its fields.
#[derive(Debug)]
pub(super) struct Shape(pub(super) &'static [(&'static str, Kind)]);

/// Field and description of everything that does not fit.
pub(super) type Violations = Vec<(String, String)>;

/// Reads `value` as a `shape` at `path`; the result has snake_case names and no nulls.
pub(super) fn read(
    value: &Value,
    shape: &Shape,
    path: &str,
    found: &mut Violations,
) -> Map<String, Value> {
    let Value::Object(fields) = value else {
        let place = if path.is_empty() { "the request" } else { path };
        let text = format!("Invalid value at '{place}' (object expected), {value}");
        found.push((path.to_owned(), text));
        return Map::new();
    };
    let mut out = Map::new();
    for (name, value) in fields {
        let snake = snake_case(name);
        let known = shape
            .0
            .iter()
            .find(|(known, _)| *known == name || *known == snake);
        let Some((known, kind)) = known else {
            let at = match path {
                "" => String::new(),
                path => format!(" at '{path}'"),
            };
            let text = format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field."
            );
            found.push((path.to_owned(), text));
            continue;
        };
        if value.is_null() {
            continue;
        }
        let at = match path {
            "" => (*known).to_owned(),
            path => format!("{path}.{known}"),
        };
        if out.contains_key(*known) {
            let text = format!("Invalid value at '{at}', the field is given twice");
            found.push((at, text));
            continue;
        }
        if let Some(read) = read_field(value, *kind, &at, found) {
            out.insert((*known).to_owned(), read);
        }
    }
    out
}

fn read_field(value: &Value, kind: Kind, at: &str, found: &mut Violations) -> Option<Value> {
    let wrong = |kind: &str, found: &mut Violations| {
        let text = format!("Invalid value at '{at}' ({kind}), {value}");
        found.push((at.to_owned(), text));
        None
    };
    match kind {
        Kind::Text => match value {
            Value::String(_) => Some(value.clone()),
            _ => wrong("TYPE_STRING", found),
        },
        Kind::Bool => match value {
            Value::Bool(_) => Some(value.clone()),
            _ => wrong("TYPE_BOOL", found),
        },
        Kind::Int => match whole(value) {
            Some(number) => Some(number.into()),
            None => wrong("TYPE_INT32", found),
        },
        Kind::Float => match number(value) {
            Some(number) => Some(number.into()),
            None => wrong("TYPE_FLOAT", found),
        },
        Kind::Duration => match value.as_str().map(duration_ms) {
            Some(Ok(_)) => Some(value.clone()),
            Some(Err(why)) => {
                let name = at.rsplit('.').next().unwrap_or(at);
                let text = format!(
                    "Invalid value at '{at}' (type.googleapis.com/google.protobuf.Duration), \
                     Field '{name}', {why}"
                );
                found.push((at.to_owned(), text));
                None
            }
            None => wrong("type.googleapis.com/google.protobuf.Duration", found),
        },
        Kind::Timestamp => match value.as_str().is_some_and(is_timestamp) {
            true => Some(value.clone()),
            false => wrong("type.googleapis.com/google.protobuf.Timestamp", found),
        },
        Kind::Free => match value {
            Value::Object(_) => Some(value.clone()),
            _ => wrong("type.googleapis.com/google.protobuf.Struct", found),
        },
        Kind::Enum(name, known) => match value.as_str() {
            Some(text) if known.contains(&text) => Some(value.clone()),
            _ => wrong(
                &format!("type.googleapis.com/google.firebase.fcm.v1.{name}"),
                found,
            ),
        },
        Kind::AnyCaseEnum(name, known) => {
            let text = value.as_str().map(str::to_ascii_uppercase);
            match text.filter(|text| known.contains(&text.as_str())) {
                Some(text) => Some(text.into()),
                None => wrong(
                    &format!("type.googleapis.com/google.firebase.fcm.v1.{name}"),
                    found,
                ),
            }
        }
        Kind::Record(shape) => match value {
            Value::Object(_) => Some(read(value, shape, at, found).into()),
            _ => wrong("object expected", found),
        },
        Kind::TextMap => match value {
            Value::Object(entries) => {
                for (index, (_, value)) in entries.iter().enumerate() {
                    if !value.is_string() {
                        let at = format!("{at}[{index}].value");
                        let text = format!("Invalid value at '{at}' (TYPE_STRING), {value}");
                        found.push((at, text));
                    }
                }
                Some(value.clone())
            }
            _ => wrong("object expected", found),
        },
        Kind::Texts | Kind::Durations => {
            let Value::Array(items) = value else {
                return wrong("list expected", found);
            };
            let one = match kind {
                Kind::Texts => Kind::Text,
                _ => Kind::Duration,
            };
            for (index, item) in items.iter().enumerate() {
                read_field(item, one, &format!("{at}[{index}]"), found);
            }
            Some(value.clone())
        }
    }
}

/// `notificationCount` is `notification_count`.
fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// An int32, also as text or with a fraction of zero.
fn whole(value: &Value) -> Option<i32> {
    let number = number(value)?;
    let fits =
        number.fract() == 0.0 && number >= f64::from(i32::MIN) && number <= f64::from(i32::MAX);
    fits.then_some(number as i32)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

/// Milliseconds of a duration in JSON, rounded down.
pub(super) fn duration_ms(text: &str) -> Result<i64, &'static str> {
    let illegal = "Illegal duration format; duration must end with 's'";
    let digits = text.strip_suffix('s').ok_or(illegal)?;
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || whole.len() > 12 || fraction.len() > 9 {
        return Err("Illegal duration format; expected seconds with up to 9 fractional digits");
    }
    let seconds: i64 = whole.parse().map_err(|_| illegal)?;
    let millis: i64 = format!("{fraction:0<9}")[..3]
        .parse()
        .map_err(|_| illegal)?;
    Ok(sign * (seconds * 1000 + millis))
}

/// `2026-01-02T03:04:05.678Z` or with an offset.
fn is_timestamp(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else {
        return false;
    };
    let digits = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|c| c.is_ascii_digit())
    };
    let mut date = date.split('-');
    let date_fits = [4, 2, 2]
        .iter()
        .all(|length| date.next().is_some_and(|part| digits(part, *length)))
        && date.next().is_none();
    let (clock, zone_fits) = match time.strip_suffix('Z') {
        Some(clock) => (clock, true),
        None => match time.rfind(['+', '-']) {
            Some(at) => (&time[..at], time[at + 1..].len() == 5),
            None => return false,
        },
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.split(':');
    let clock_fits = [2, 2, 2]
        .iter()
        .all(|length| clock.next().is_some_and(|part| digits(part, *length)))
        && clock.next().is_none();
    let fraction_fits = (1..=9).contains(&fraction.len()) && digits(fraction, fraction.len());
    date_fits && clock_fits && fraction_fits && zone_fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static INNER: Shape = Shape(&[("light_color", Kind::Float), ("on", Kind::Bool)]);
    static OUTER: Shape = Shape(&[
        ("data", Kind::TextMap),
        ("ttl", Kind::Duration),
        ("inner", Kind::Record(&INNER)),
        ("count", Kind::Int),
    ]);

    fn judge(value: Value) -> (Map<String, Value>, Violations) {
        let mut found = Violations::new();
        let read = read(&value, &OUTER, "message", &mut found);
        (read, found)
    }

    #[test]
    fn both_spellings_and_nulls() {
        let (read, found) =
            judge(json!({"inner": {"lightColor": "0.5", "on": null}, "count": "7"}));
        assert_eq!(found, []);
        assert_eq!(read["inner"], json!({"light_color": 0.5}));
        assert_eq!(read["count"], 7);
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        for (value, field, text) in [
            (
                json!({"data": {"a": "x", "b": 17}}),
                "message.data[1].value",
                "TYPE_STRING), 17",
            ),
            (
                json!({"ttl": 3600}),
                "message.ttl",
                "google.protobuf.Duration",
            ),
            (json!({"ttl": "3600"}), "message.ttl", "must end with 's'"),
            (
                json!({"colour": 1}),
                "message",
                "Unknown name \"colour\" at 'message'",
            ),
            (
                json!({"inner": {"on": "yes"}}),
                "message.inner.on",
                "TYPE_BOOL",
            ),
            (json!({"inner": 3}), "message.inner", "object expected"),
            (json!({"count": 1.5}), "message.count", "TYPE_INT32"),
            (json!([]), "message", "object expected"),
        ] {
            let (_, found) = judge(value.clone());
            assert_eq!(found.len(), 1, "{value}");
            assert_eq!(found[0].0, field, "{value}");
            assert!(found[0].1.contains(text), "{value}: {}", found[0].1);
        }
    }

    #[test]
    fn durations() {
        for (text, ms) in [
            ("0s", 0),
            ("3.5s", 3500),
            ("0.001s", 1),
            ("2419200s", 2_419_200_000),
        ] {
            assert_eq!(duration_ms(text), Ok(ms));
        }
        assert_eq!(duration_ms("-1s"), Ok(-1000));
        for text in ["", "s", "1", "1.s", ".5s", "1.0000000001s", "1e3s", "1 s"] {
            assert!(duration_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn timestamps() {
        for text in [
            "2026-01-02T03:04:05.000Z",
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05+09:00",
        ] {
            assert!(is_timestamp(text), "{text}");
        }
        for text in [
            "2026-01-02",
            "2026-01-02 03:04:05Z",
            "2026-01-02T03:04Z",
            "yesterdayT",
        ] {
            assert!(!is_timestamp(text), "{text}");
        }
    }
}
