//! Which column is what, and a row as a device of the API.

use crate::commands::import::rows::{Row, Rows};
use crate::exit::{Exit, Failure};
use aws_lc_rs::digest::{Digest, SHA256, digest};
use carillon_model::nearest::did_you_mean;
use serde_json::{Map, Value, json};

/// Fields of a device that a column can be.
const FIELDS: [&str; 10] = [
    "id",
    "user_id",
    "locale",
    "time_zone",
    "app_version",
    "platform",
    "tags",
    "topics",
    "environment",
    "registered_at",
];
/// What stands before the name of an attribute.
const ATTRIBUTE: &str = "attributes.";
/// What the API takes for an instant that nobody knows.
const UNKNOWN: &str = "unknown";
/// Bytes of the hash that are an id: no two push tokens share them.
const ID_BYTES: usize = 16;

/// A gateway whose push tokens a table may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// Apple's.
    Apns,
    /// Google's.
    Fcm,
}

impl To {
    /// By its word.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Apns, Self::Fcm]
            .into_iter()
            .find(|to| to.as_str() == word)
    }

    /// Its word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Apns => "alert",
            Self::Fcm => "fcm",
        }
    }
}

/// A column, as an error names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    at: usize,
    name: String,
}

impl Column {
    /// Its number and its name.
    pub(super) fn shown(&self) -> String {
        match self.name.is_empty() {
            true => format!("column {}", self.at + 1),
            false => format!("column {} ({})", self.at + 1, self.name),
        }
    }
}

/// Which column is what.
pub(super) struct Mapping {
    push_token: Column,
    fields: Vec<(String, Column)>,
    to: To,
    environment: &'static str,
}

/// A row that was looked at.
pub(super) enum Prepared {
    /// A device to register.
    Device {
        /// As the API takes it.
        body: Value,
        /// The beginning of the hash of its push token: equal for equal ones.
        push_token: u64,
    },
    /// It has no push token.
    Empty,
    /// It does not become a device, for a reason that is no mistake.
    LeftOut(&'static str),
    /// It cannot be read.
    Refused(String),
}

impl Mapping {
    /// Finds the columns, or says which there are.
    pub(super) fn new(
        rows: &Rows,
        push_token: &str,
        map: &[String],
        to: To,
        environment: &'static str,
    ) -> Result<Self, Failure> {
        let push_token = column("--push-token-column", rows, push_token)?;
        let mut fields: Vec<(String, Column)> = Vec::new();
        for written in map {
            let Some((field, of)) = written.split_once('=') else {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("--map: expected FIELD=COLUMN, found {written:?}"),
                ));
            };
            let is_attribute = field
                .strip_prefix(ATTRIBUTE)
                .is_some_and(|it| !it.is_empty());
            if !FIELDS.contains(&field) && !is_attribute {
                let hint = did_you_mean(field, FIELDS);
                let message = format!(
                    "--map: expected one of {} or {ATTRIBUTE}NAME, found {field:?}{hint}",
                    FIELDS.join(", ")
                );
                return Err(Failure::new(Exit::Usage, message));
            }
            if fields.iter().any(|(known, _)| known == field) {
                let message = format!("--map: {field} has two columns");
                return Err(Failure::new(Exit::Usage, message));
            }
            fields.push((field.to_owned(), column("--map", rows, of)?));
        }
        Ok(Self {
            push_token,
            fields,
            to,
            environment,
        })
    }

    /// A row as a device.
    pub(super) fn prepare(&self, row: &Row) -> Prepared {
        let cells = match &row.cells {
            Ok(cells) => cells,
            Err(why) => return Prepared::Refused(why.clone()),
        };
        let cell = |column: &Column| {
            let text = cells.get(column.at)?.as_deref()?.trim();
            (!text.is_empty()).then_some(text)
        };
        let Some(push_token) = cell(&self.push_token) else {
            return Prepared::Empty;
        };
        let mut device = Device::new(self.to, push_token, self.environment);
        for (field, column) in &self.fields {
            if let Some(text) = cell(column) {
                device.set(field, text);
            }
        }
        device.prepared()
    }

    /// The column that a field of a problem came from, by its JSON pointer.
    pub(super) fn column_of(&self, pointer: &str) -> Option<&Column> {
        let mut parts = pointer.trim_start_matches('/').split('/');
        let (first, second) = (parts.next()?, parts.next());
        let name = match (first, second) {
            ("push_tokens", _) => match parts.next() {
                Some("registered_at") => "registered_at".to_owned(),
                _ => return Some(&self.push_token),
            },
            ("attributes", Some(name)) => format!("{ATTRIBUTE}{name}"),
            _ => first.to_owned(),
        };
        let mut fields = self.fields.iter();
        fields
            .find(|(field, _)| *field == name)
            .map(|(_, column)| column)
    }

    /// The column of push tokens.
    pub(super) fn push_token(&self) -> &Column {
        &self.push_token
    }
}

/// A device as the API takes it, in the making.
pub(super) struct Device {
    body: Map<String, Value>,
    attributes: Map<String, Value>,
    environment: String,
    registered_at: String,
    push_token: String,
    to: To,
}

impl Device {
    /// With its push token alone.
    pub(super) fn new(to: To, push_token: &str, environment: &str) -> Self {
        Self {
            body: Map::new(),
            attributes: Map::new(),
            environment: environment.to_owned(),
            // The source's word for it is missing, and the import's own time would be later than many a push token's
            // end: a gateway's word about that would not be believed.
            registered_at: UNKNOWN.to_owned(),
            push_token: push_token.to_owned(),
            to,
        }
    }

    /// Sets a field to what a cell says.
    pub(super) fn set(&mut self, field: &str, text: &str) {
        if let Some(name) = field.strip_prefix(ATTRIBUTE) {
            self.attributes.insert(name.to_owned(), attribute(text));
            return;
        }
        let value = match field {
            "environment" => {
                self.environment = match text.to_ascii_lowercase().as_str() {
                    "development" => "sandbox".to_owned(),
                    other => other.to_owned(),
                };
                return;
            }
            "registered_at" => {
                self.registered_at = text.to_owned();
                return;
            }
            "tags" | "topics" => list(text),
            "locale" => locale(text).into(),
            _ => Value::from(text),
        };
        self.body.insert(field.to_owned(), value);
    }

    /// The whole; its id comes from its push token where no column has one, so that a second import finds it again.
    pub(super) fn prepared(mut self) -> Prepared {
        let (key, hash) = key_of(self.to, &self.push_token);
        if !self.body.contains_key("id") {
            let hex = hash.as_ref()[..ID_BYTES].iter();
            let id = hex.map(|byte| format!("{byte:02x}")).collect::<String>();
            self.body
                .insert("id".to_owned(), format!("imp_{id}").into());
        }
        let mut push_token = json!({
            "kind": self.to.kind(), "token": self.push_token, "registered_at": self.registered_at,
        });
        if self.to == To::Apns {
            push_token["environment"] = self.environment.into();
        }
        self.body
            .insert("push_tokens".to_owned(), json!([push_token]));
        if !self.attributes.is_empty() {
            self.body
                .insert("attributes".to_owned(), Value::Object(self.attributes));
        }
        Prepared::Device {
            body: Value::Object(self.body),
            push_token: key,
        }
    }
}

/// The beginning of a push token's hash, equal for equal ones; and the whole.
pub(super) fn key_of(to: To, push_token: &str) -> (u64, Digest) {
    let hash = digest(&SHA256, canonical(to, push_token).as_bytes());
    let mut key = [0; 8];
    key.copy_from_slice(&hash.as_ref()[..8]);
    (u64::from_be_bytes(key), hash)
}

/// A push token as it is hashed: Apple's in whatever way its bytes are written.
fn canonical(to: To, push_token: &str) -> String {
    let text = match to {
        To::Apns => {
            let digits = push_token
                .chars()
                .filter(|it| !matches!(it, '<' | '>' | ' '));
            digits.collect::<String>().to_ascii_lowercase()
        }
        To::Fcm => push_token.to_owned(),
    };
    format!("{}:{text}", to.as_str())
}

/// JSON where it is a number or a boolean, else text.
fn attribute(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(json @ (Value::Number(_) | Value::Bool(_))) => json,
        _ => Value::from(text),
    }
}

/// Separated by `|`, or a JSON list.
fn list(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(list @ Value::Array(_)) => list,
        _ => text.split('|').map(str::trim).collect(),
    }
}

/// `ko_KR.UTF-8` of POSIX and `ko_KR` of many tables are `ko-KR`.
fn locale(text: &str) -> String {
    let end = text.find(['.', '@']).unwrap_or(text.len());
    text[..end].replace('_', "-")
}

/// By its name, else by its number from 1.
fn column(flag: &str, rows: &Rows, written: &str) -> Result<Column, Failure> {
    let names = rows.names.as_deref().unwrap_or_default();
    let wrong = |what: String| {
        let there = match names.is_empty() {
            true => format!("there are {} columns, without names", rows.width),
            false => {
                let names = (1..).zip(names).map(|(at, name)| format!("{at} {name}"));
                format!("there are {}", names.collect::<Vec<_>>().join(", "))
            }
        };
        Failure::new(Exit::Usage, format!("{flag}: {what}"))
            .mend(format!("name one of them; {there}"))
    };
    let mut found = names
        .iter()
        .enumerate()
        .filter(|(_, name)| *name == written);
    let by_name = found.next();
    if found.next().is_some() {
        return Err(wrong(format!(
            "several columns are named {written:?}: give the number"
        )));
    }
    let at = match (by_name, written.parse::<usize>()) {
        (Some((at, _)), _) => at,
        (None, Ok(number)) if (1..=rows.width).contains(&number) => number - 1,
        _ => {
            let hint = did_you_mean(written, names.iter().map(String::as_str));
            return Err(wrong(format!("there is no column {written:?}{hint}")));
        }
    };
    Ok(Column {
        at,
        name: names.get(at).cloned().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn rows(names: Option<&[&str]>, width: usize) -> Rows {
        Rows {
            names: names.map(|names| names.iter().map(|it| (*it).to_owned()).collect()),
            width,
            pages: mpsc::channel(1).1,
        }
    }

    fn row(cells: &[&str]) -> Row {
        let cells = cells.iter().map(|cell| match *cell {
            "NULL" => None,
            text => Some(text.to_owned()),
        });
        Row {
            number: 1,
            cells: Ok(cells.collect()),
        }
    }

    fn maps(written: &[&str]) -> Vec<String> {
        written.iter().map(|it| (*it).to_owned()).collect()
    }

    fn device(mapping: &Mapping, cells: &[&str]) -> (Value, u64) {
        match mapping.prepare(&row(cells)) {
            Prepared::Device { body, push_token } => (body, push_token),
            _ => panic!("no device: {cells:?}"),
        }
    }

    #[test]
    fn columns_go_by_name_and_by_number() {
        let named = rows(Some(&["id", "7", "token", "x", "x"]), 5);
        let at = |rows: &Rows, written: &str| column("--map", rows, written).map(|it| it.at);
        assert_eq!(at(&named, "token").unwrap(), 2);
        assert_eq!(at(&named, "3").unwrap(), 2);
        assert_eq!(at(&named, "7").unwrap(), 1, "a name goes before a number");
        for (wrong, part) in [
            ("x", "several columns"),
            ("6", "no column \"6\""),
            ("0", "no column"),
            ("tokn", "did you mean `token`"),
            ("", "no column"),
        ] {
            let error = at(&named, wrong).unwrap_err();
            assert!(error.message.contains(part), "{error}");
            assert!(error.mend.unwrap().contains("1 id, 2 7, 3 token"));
        }
        let bare = rows(None, 2);
        assert_eq!(at(&bare, "2").unwrap(), 1);
        assert!(
            at(&bare, "id")
                .unwrap_err()
                .mend
                .unwrap()
                .contains("2 columns")
        );
    }

    #[test]
    fn rows_become_devices() {
        let names = ["id", "lang", "token", "tags", "plan", "env", "seen"];
        let map = maps(&[
            "user_id=1",
            "locale=lang",
            "tags=4",
            "attributes.plan=plan",
            "environment=env",
            "registered_at=seen",
        ]);
        let mapping = Mapping::new(&rows(Some(&names), 7), "3", &map, To::Apns, "auto")
            .unwrap_or_else(|e| panic!("{e}"));
        let cells = [
            "7",
            "ko_KR.UTF-8",
            " <00AA bb> ",
            "a| b",
            "3",
            "Development",
            "2026-08-01T12:00:00Z",
        ];
        let (body, key) = device(&mapping, &cells);
        let id = body["id"].as_str().unwrap();
        assert!(id.starts_with("imp_") && id.len() == 36, "{id}");
        assert_eq!(body["user_id"], "7");
        assert_eq!(body["locale"], "ko-KR");
        assert_eq!(body["tags"], json!(["a", "b"]));
        assert_eq!(body["attributes"], json!({"plan": 3}));
        let push_token = json!({
            "kind": "alert", "token": "<00AA bb>", "environment": "sandbox", "registered_at": "2026-08-01T12:00:00Z",
        });
        assert_eq!(body["push_tokens"], json!([push_token]));
        let (same, same_key) = device(&mapping, &["8", "NULL", "00aabb", "", "gold", "", ""]);
        assert_eq!(
            (&same["id"], same_key),
            (&body["id"], key),
            "one push token, one device"
        );
        assert_eq!(same["push_tokens"][0]["environment"], "auto");
        assert_eq!(same["push_tokens"][0]["registered_at"], "unknown");
        assert!(same.get("locale").is_none());
        for empty in ["NULL", "", "  "] {
            let cells = ["7", "ko", empty, "", "", "", ""];
            assert!(matches!(mapping.prepare(&row(&cells)), Prepared::Empty));
        }
        for (pointer, shown) in [
            ("/push_tokens/0/token", "column 3 (token)"),
            ("/push_tokens/0/registered_at", "column 7 (seen)"),
            ("/locale", "column 2 (lang)"),
            ("/attributes/plan", "column 5 (plan)"),
            ("/tags/0", "column 4 (tags)"),
        ] {
            assert_eq!(mapping.column_of(pointer).unwrap().shown(), shown);
        }
        assert!(mapping.column_of("/topics").is_none());
    }

    #[test]
    fn a_map_that_makes_no_sense_is_refused() {
        let rows = rows(Some(&["id", "token"]), 2);
        for (map, part) in [
            (&["user_id"][..], "expected FIELD=COLUMN"),
            (&["userid=1"], "did you mean `user_id`"),
            (&["attributes.=1"], "expected one of"),
            (&["user_id=1", "user_id=2"], "two columns"),
            (&["user_id=3"], "no column"),
        ] {
            let Err(error) = Mapping::new(&rows, "token", &maps(map), To::Fcm, "auto") else {
                panic!("{map:?}");
            };
            assert_eq!(error.exit, Exit::Usage);
            assert!(error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn ids_can_be_given_and_fcm_knows_no_environment() {
        let map = maps(&["id=1"]);
        let mapping = Mapping::new(&rows(None, 2), "2", &map, To::Fcm, "auto")
            .unwrap_or_else(|e| panic!("{e}"));
        let (body, _) = device(&mapping, &["mine", "aB:c"]);
        let expected = json!({"id": "mine", "push_tokens": [{"kind": "fcm", "token": "aB:c", "registered_at": "unknown"}]});
        assert_eq!(body, expected);
        let (other, _) = device(&mapping, &["", "ab:c"]);
        assert_ne!(other["id"], body["id"]);
    }
}
