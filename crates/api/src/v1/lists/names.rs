//! What a row of an upload calls a device by: which column or field says it, and what may stand there.

use crate::problem::Problem;
use crate::stream::csv::Row;
use crate::stream::lines::Line;
use crate::v1::devices::push_tokens;
use carillon_model::problem::FieldProblem;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::TokenKind;
use carillon_ports::gateway::Gateways;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Query of an upload.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadParams {
    /// What the rows call devices by. Without it, the one of the columns `device`, `user` and `push_token` that
    /// there is.
    pub(crate) by: Option<By>,
    /// The column (CSV) or field (NDJSON) that says it, where that has another name; goes with `by`. A number, from 1,
    /// where `header` is false.
    pub(crate) column: Option<String>,
    /// Whether the first row of a CSV body names the columns. Default true.
    pub(crate) header: Option<bool>,
    /// The kind of the push tokens: `alert` (default) and the other kinds of Apple's, `fcm`, or `webpush`.
    #[param(value_type = Option<String>)]
    pub(crate) kind: Option<TokenKind>,
}

/// What devices are called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ListBy)]
pub(crate) enum By {
    /// Their ids.
    Device,
    /// Their users' ids: all of a user's devices.
    User,
    /// One of their push tokens.
    PushToken,
}

impl By {
    const ALL: [Self; 3] = [Self::Device, Self::User, Self::PushToken];

    fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::User => "user",
            Self::PushToken => "push_token",
        }
    }
}

/// What one row calls a device by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Device(String),
    User(String),
    PushToken(PushTokenBytes),
}

/// How the rows of one upload are read.
pub(crate) struct Reader {
    kind: TokenKind,
    gateways: Gateways,
    place: Place,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// The column of a CSV body, from 0, and how many there are.
    Column(By, usize, usize),
    /// The field of this name in every line.
    Field(By, String),
    /// Exactly one of the fields that are called as [`By`] is.
    AnyField,
}

impl Reader {
    /// For NDJSON.
    pub(crate) fn of_lines(params: &UploadParams, gateways: &Gateways) -> Result<Self, Problem> {
        if params.header.is_some() {
            let message = "expected it with CSV only: the lines of NDJSON name their fields";
            return Err(Problem::parameter("header", "query.parameter", message));
        }
        let place = match (params.by, &params.column) {
            (Some(by), Some(field)) => Place::Field(by, field.clone()),
            (Some(by), None) => Place::Field(by, by.as_str().to_owned()),
            (None, None) => Place::AnyField,
            (None, Some(_)) => return Err(column_alone()),
        };
        Self::new(params, gateways, place)
    }

    /// For CSV, by its first row. The second: whether that is a row of the upload itself.
    pub(crate) fn of_rows(
        params: &UploadParams,
        gateways: &Gateways,
        first: Option<&Row>,
    ) -> Result<(Self, bool), Problem> {
        let Some(first) = first else {
            let message = "expected rows, found an empty body".to_owned();
            return Err(invalid("list.columns", message));
        };
        let first = first
            .as_ref()
            .map_err(|problem| Problem::invalid(vec![problem.clone()]))?;
        let has_header = params.header.unwrap_or(true);
        let place = match has_header {
            true => named_column(params, first)?,
            false => numbered_column(params, first.len())?,
        };
        Ok((Self::new(params, gateways, place)?, !has_header))
    }

    fn new(params: &UploadParams, gateways: &Gateways, place: Place) -> Result<Self, Problem> {
        let by_other =
            matches!(&place, Place::Column(by, ..) | Place::Field(by, _) if *by != By::PushToken);
        if params.kind.is_some() && by_other {
            let message = "expected it with push tokens only";
            return Err(Problem::parameter("kind", "query.parameter", message));
        }
        Ok(Self {
            kind: params.kind.unwrap_or_default(),
            gateways: gateways.clone(),
            place,
        })
    }

    /// The kind of all push tokens.
    pub(crate) fn kind(&self) -> TokenKind {
        self.kind
    }

    /// What a row of CSV says; the error is a sentence.
    pub(crate) fn row(&self, row: &Row) -> Result<Name, String> {
        let cells = row.as_ref().map_err(|problem| problem.message.clone())?;
        let Place::Column(by, at, width) = self.place else {
            return Err("expected a line of NDJSON".to_owned());
        };
        match cells.get(at) {
            Some(cell) if cells.len() == width => self.name(by, cell),
            _ => Err(format!(
                "expected {width} values like the first row, found {}",
                cells.len()
            )),
        }
    }

    /// What a line of NDJSON says; the error is a sentence.
    pub(crate) fn line(&self, line: &Line) -> Result<Name, String> {
        let text = match line {
            Line::Text(text) => text,
            Line::TooLong { most } => {
                return Err(format!("expected at most {most} bytes in one line"));
            }
        };
        let read = serde_json::from_slice(text);
        let fields: serde_json::Map<String, Value> =
            read.map_err(|error| format!("expected a JSON object: {error}"))?;
        let found = |by: By, field: &str| {
            let value = fields.get(field).filter(|value| !value.is_null())?;
            Some((by, value))
        };
        let said: Vec<_> = match &self.place {
            Place::Field(by, field) => found(*by, field).into_iter().collect(),
            _ => By::ALL
                .iter()
                .filter_map(|by| found(*by, by.as_str()))
                .collect(),
        };
        let [(by, value)] = said[..] else {
            let expected = match &self.place {
                Place::Field(_, field) => format!("the field {field:?}"),
                _ => "exactly one of the fields device, user and push_token".to_owned(),
            };
            return Err(format!("expected {expected}"));
        };
        match value {
            Value::String(text) => self.name(by, text),
            Value::Number(number) => self.name(by, &number.to_string()),
            // A browser's subscription.
            Value::Object(_) if by == By::PushToken => self.name(by, &value.to_string()),
            _ => Err(format!("expected the {} as text", by.as_str())),
        }
    }

    fn name(&self, by: By, text: &str) -> Result<Name, String> {
        let most = match by {
            By::Device | By::User => 128,
            By::PushToken => usize::MAX,
        };
        if text.is_empty() || text.len() > most {
            let word = by.as_str();
            return Err(match text.len() {
                0 => format!("expected a {word}, found nothing"),
                found => format!("expected a {word} of at most {most} bytes, found {found}"),
            });
        }
        Ok(match by {
            By::Device => Name::Device(text.to_owned()),
            By::User => Name::User(text.to_owned()),
            By::PushToken => {
                Name::PushToken(push_tokens::read_one(self.kind, &self.gateways, text)?)
            }
        })
    }
}

fn invalid(code: &'static str, message: String) -> Problem {
    Problem::invalid(vec![FieldProblem::new("", code, message)])
}

fn column_alone() -> Problem {
    let message = "expected by beside it: what the column calls devices by";
    Problem::parameter("column", "query.parameter", message)
}

fn named_column(params: &UploadParams, names: &[String]) -> Result<Place, Problem> {
    let at = |wanted: &str| {
        let is_it = |name: &String| name.trim().eq_ignore_ascii_case(wanted);
        names.iter().position(is_it)
    };
    let place = |(by, at)| Place::Column(by, at, names.len());
    let expected = match (params.by, &params.column) {
        (None, Some(_)) => return Err(column_alone()),
        (Some(by), column) => {
            let wanted = column.as_deref().unwrap_or(by.as_str());
            if let Some(at) = at(wanted) {
                return Ok(place((by, at)));
            }
            format!("the column {wanted:?}")
        }
        (None, None) => {
            let found = By::ALL.map(|by| Some((by, at(by.as_str())?)));
            if let [one] = found.iter().flatten().collect::<Vec<_>>()[..] {
                return Ok(place(*one));
            }
            "exactly one of the columns device, user and push_token, or by and column in the query"
                .to_owned()
        }
    };
    let shown: String = names.join(", ").chars().take(200).collect();
    Err(invalid(
        "list.columns",
        format!("expected in the first row {expected}; found {shown}"),
    ))
}

fn numbered_column(params: &UploadParams, width: usize) -> Result<Place, Problem> {
    let Some(by) = params.by else {
        let message = "expected it beside header=false: what the rows call devices by";
        return Err(Problem::parameter("by", "query.parameter", message));
    };
    let number = params.column.as_deref().map_or(Ok(1), str::parse);
    match number {
        Ok(number) if (1..=width).contains(&number) => Ok(Place::Column(by, number - 1, width)),
        _ => {
            let message = format!("expected the number of a column, 1 to {width}");
            Err(Problem::parameter("column", "query.parameter", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn row(cells: &[&str]) -> Row {
        Ok(cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    fn reader(params: &UploadParams, first: &[&str]) -> Result<(Reader, bool), Problem> {
        Reader::of_rows(params, &Gateways::default(), Some(&row(first)))
    }

    fn by(by: By, column: Option<&str>) -> UploadParams {
        UploadParams {
            by: Some(by),
            column: column.map(str::to_owned),
            ..UploadParams::default()
        }
    }

    #[test]
    fn the_first_row_or_the_query_says_which_column() {
        let none = UploadParams::default();
        let (found, is_row) = reader(&none, &["city", " Device "]).unwrap();
        assert_eq!(
            (found.place, is_row),
            (Place::Column(By::Device, 1, 2), false)
        );
        let (found, _) = reader(&by(By::User, Some("customer_no")), &["a", "customer_no"]).unwrap();
        assert_eq!(found.place, Place::Column(By::User, 1, 2));
        let (found, _) = reader(&by(By::User, None), &["user", "device"]).unwrap();
        assert_eq!(found.place, Place::Column(By::User, 0, 2));
        for (params, first) in [
            (none.clone(), &["id", "name"][..]),
            (none.clone(), &["user", "device"]),
            (by(By::User, Some("nobody")), &["user"]),
        ] {
            let problem = reader(&params, first).err().unwrap();
            assert_eq!(problem.code().code, "request.invalid", "{first:?}");
        }
        let column_only = UploadParams {
            column: Some("a".into()),
            ..none.clone()
        };
        let kind = UploadParams {
            kind: Some(TokenKind::Fcm),
            ..by(By::User, None)
        };
        for params in [column_only, kind] {
            let problem = reader(&params, &["a", "user"]).err().unwrap();
            assert_eq!(problem.code().code, "request.parameter", "{params:?}");
        }
        assert!(Reader::of_rows(&none, &Gateways::default(), None).is_err());
    }

    #[test]
    fn without_a_header_columns_have_numbers() {
        let numbered = |by, column: Option<&str>| UploadParams {
            by,
            column: column.map(str::to_owned),
            header: Some(false),
            kind: None,
        };
        let (found, is_row) = reader(&numbered(Some(By::User), Some("2")), &["x", "ann"]).unwrap();
        assert_eq!(
            (found.row(&row(&["x", "ann"])), is_row),
            (Ok(Name::User("ann".into())), true)
        );
        for params in [
            numbered(None, Some("1")),
            numbered(Some(By::User), Some("3")),
            numbered(Some(By::User), Some("0")),
            numbered(Some(By::User), Some("name")),
        ] {
            let problem = reader(&params, &["x", "ann"]).err().unwrap();
            assert_eq!(problem.code().code, "request.parameter", "{params:?}");
        }
    }

    #[test]
    fn rows_say_who_or_why_not() {
        let (reader, _) = reader(&by(By::Device, None), &["device", "x"]).unwrap();
        assert_eq!(reader.row(&row(&["d1", ""])), Ok(Name::Device("d1".into())));
        for (bad, part) in [
            (row(&["", "x"]), "found nothing"),
            (row(&["d1"]), "expected 2 values"),
            (row(&[&"x".repeat(129), ""]), "at most 128 bytes"),
            (
                Err(FieldProblem::new("", "import.row", "expected UTF-8")),
                "UTF-8",
            ),
        ] {
            let message = reader.row(&bad).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn lines_have_fields() {
        let line = |text: &str| Line::Text(Bytes::copy_from_slice(text.as_bytes()));
        let gateways = Gateways::default();
        let any = Reader::of_lines(&UploadParams::default(), &gateways).unwrap();
        let token = "ab".repeat(32);
        for (text, name) in [
            (
                r#"{"device": "d1", "x": 1}"#.to_owned(),
                Name::Device("d1".into()),
            ),
            (
                r#"{"user": 17, "device": null}"#.to_owned(),
                Name::User("17".into()),
            ),
            (
                format!(r#"{{"push_token": "{token}"}}"#),
                Name::PushToken(PushTokenBytes::from_hex(&token).unwrap()),
            ),
        ] {
            assert_eq!(any.line(&line(&text)), Ok(name), "{text}");
        }
        for text in [
            "nope",
            "[1]",
            "{}",
            r#"{"device": "a", "user": "b"}"#,
            r#"{"device": true}"#,
            r#"{"push_token": "xyz"}"#,
            r#"{"user": {}}"#,
        ] {
            assert!(any.line(&line(text)).is_err(), "{text}");
        }
        assert!(any.line(&Line::TooLong { most: 9 }).is_err());
        let named = Reader::of_lines(&by(By::User, Some("uid")), &gateways).unwrap();
        assert_eq!(
            named.line(&line(r#"{"uid": "ann"}"#)),
            Ok(Name::User("ann".into()))
        );
        assert!(named.line(&line(r#"{"user": "ann"}"#)).is_err());
        let header = UploadParams {
            header: Some(true),
            ..UploadParams::default()
        };
        assert!(Reader::of_lines(&header, &gateways).is_err());
    }
}
