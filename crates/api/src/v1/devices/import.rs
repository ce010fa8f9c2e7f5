//! `POST /v1/apps/{app}/devices/import`: many devices as NDJSON or CSV, each row answered by its
//! line's number. Bad rows are reported, the rest goes in.

use super::cells::read_list;
use super::create::id_of_key;
use super::push_tokens::RegisterPushToken;
use super::registration::RegisterDevice;
use crate::auth::Caller;
use crate::body::{is_ndjson, media_type, wrong_media_type};
use crate::idempotency::Held;
use crate::json;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, ProblemDocument};
use crate::state::Api;
use crate::stream::csv::{Csv, Row};
use crate::stream::frames::Frames;
use crate::stream::lines::{Line, Lines};
use crate::stream::{Results, Rows, run, with_patience};
use axum::extract::{Request, State};
use axum::response::Response;
use carillon_model::device::DeviceRegistration;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::AppNo;
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::TokenKind;
use carillon_ports::registry::Scope;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// What became of one row.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportLineResult)]
pub(crate) struct RowResult<'a> {
    /// The number of the row's line, from 1.
    line: u64,
    /// Id of the device, if it was registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    /// Whether it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<bool>,
    /// What is wrong with it, if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemDocument<'a>>,
}

problems!(GUARDED, IN_APP;
    REQUEST_HEADER, IDEMPOTENCY_IN_PROGRESS, REQUEST_CONTENT_TYPE, REQUEST_INVALID, REQUEST_LATE, REQUEST_TOO_LARGE);

/// Import devices.
///
/// NDJSON: each line a device as in `POST …/devices`. CSV: the first row names the columns, of `id`,
/// `user_id`, `locale`, `time_zone`, `app_version`, `platform`, `tags`, `topics` and `capabilities` (separated by `|`, or
/// a JSON list), `attributes` (a JSON object), `push_token` (of kind `webpush` the subscription's JSON),
/// `kind`, `environment`, `registered_at`; a device with several push tokens has several rows. The answer streams one line
/// for each row, in order, `{"line", "id", "created"}` or `{"line", "problem"}`. Needs the scope
/// `devices`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/devices/import", operation_id = "device_import", tag = "devices",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the ids of rows without one, so that a file can be sent again"),
    ),
    request_body(content((String = "application/x-ndjson"), (String = "text/csv"))),
    responses(
        (status = 200, description = "One result for each row.", body = RowResult, content_type = "application/x-ndjson"),
        Problems
    ),
)]
pub(crate) async fn import(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    request: Request,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices])?.no;
    let held = Held::take(&api, &caller, app, request.headers())?;
    let scoped: Option<Arc<str>> = held.as_ref().map(|held| Arc::from(held.scoped()));
    let is_csv = media_type(request.headers()).eq_ignore_ascii_case("text/csv");
    if !is_csv && !is_ndjson(media_type(request.headers())) {
        return Err(wrong_media_type(
            request.headers(),
            "application/x-ndjson or text/csv",
        ));
    }
    let frames = Frames::new(request.into_body(), &api.limits);
    if is_csv {
        let mut rows = Csv::new(frames, api.limits.line_bytes);
        let columns = Columns::read(rows.first().await?)
            .map_err(|problem| Problem::invalid(vec![problem]))?;
        respond(&api, &caller, app, held, scoped, rows, move |row: &Row| {
            columns.device(row)
        })
    } else {
        let rows = Lines::new(frames, api.limits.line_bytes);
        respond(&api, &caller, app, held, scoped, rows, |line: &Line| {
            json::read_line(line.text()?)
        })
    }
}

fn respond<R: Rows<Row: Sync>>(
    api: &Api,
    caller: &Caller,
    app: AppNo,
    held: Option<Held>,
    scoped: Option<Arc<str>>,
    rows: R,
    read: impl Fn(&R::Row) -> Result<RegisterDevice, Problem> + Send + Sync + 'static,
) -> Result<Response, Problem> {
    let shared = Api::clone(api);
    let submit = move |group: Vec<(u64, R::Row)>| {
        let devices = group
            .iter()
            .map(|(line, row)| {
                let device = read(row).and_then(|device| {
                    device
                        .read(shared.engine.gateways())
                        .map_err(Problem::invalid)
                });
                let device = device.map(|mut device| {
                    if let (Some(scoped), None) = (&scoped, &device.id) {
                        device.id = Some(id_of_key(&format!("{scoped}:{line}")));
                    }
                    device
                });
                (*line, device)
            })
            .collect();
        register(Api::clone(&shared), app, devices)
    };
    run(api, caller, rows, submit, held)
}

/// Registers one group and writes its result lines.
async fn register(
    api: Api,
    app: AppNo,
    group: Vec<(u64, Result<DeviceRegistration, Problem>)>,
) -> Results {
    let good: Vec<_> = group
        .iter()
        .filter_map(|(_, device)| device.as_ref().ok().cloned())
        .collect();
    let work = || {
        api.registry()
            .register_devices(app, good.clone(), api.now())
    };
    let registered = with_patience(&api.limits, work, |_| false).await;
    let mut registered = registered.map(Vec::into_iter);
    let mut results = Results::default();
    for (line, device) in group {
        let answer = match (device, &mut registered) {
            (Err(problem), _) => Err(problem),
            (Ok(_), Err(error)) => Err(Problem::from(error.clone())),
            (Ok(_), Ok(registered)) => registered
                .next()
                .ok_or_else(|| Problem::internal("a device is missing")),
        };
        let nothing = RowResult {
            line,
            id: None,
            created: None,
            problem: None,
        };
        match &answer {
            Ok(device) => results.push(&RowResult {
                id: Some(&device.id),
                created: Some(device.created),
                ..nothing
            }),
            Err(problem) => {
                results.log(problem);
                results.push(&RowResult {
                    problem: Some(problem.document(None)),
                    ..nothing
                });
            }
        }
    }
    results
}

/// The columns of a CSV file, by its first row.
#[derive(Debug)]
struct Columns(Vec<Column>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Id,
    UserId,
    Locale,
    TimeZone,
    AppVersion,
    Platform,
    Tags,
    Topics,
    Attributes,
    Capabilities,
    PushToken,
    Kind,
    Environment,
    RegisteredAt,
}

const COLUMNS: [(&str, Column); 14] = [
    ("id", Column::Id),
    ("user_id", Column::UserId),
    ("locale", Column::Locale),
    ("time_zone", Column::TimeZone),
    ("app_version", Column::AppVersion),
    ("platform", Column::Platform),
    ("tags", Column::Tags),
    ("topics", Column::Topics),
    ("attributes", Column::Attributes),
    ("capabilities", Column::Capabilities),
    ("push_token", Column::PushToken),
    ("kind", Column::Kind),
    ("environment", Column::Environment),
    ("registered_at", Column::RegisteredAt),
];

impl Columns {
    fn read(first: Option<Row>) -> Result<Self, FieldProblem> {
        let problem = |found: String| {
            let known: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
            FieldProblem::new(
                "",
                "import.columns",
                format!(
                    "expected a first row with some of {}, each once; found {found}",
                    known.join(", ")
                ),
            )
        };
        let names = first.ok_or_else(|| problem("an empty body".into()))??;
        let mut columns: Vec<Column> = Vec::new();
        for name in names {
            let known = COLUMNS
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
            match known {
                Some((_, column)) if !columns.contains(column) => columns.push(*column),
                _ => return Err(problem(format!("{name:?}"))),
            }
        }
        Ok(Self(columns))
    }

    fn device(&self, row: &Row) -> Result<RegisterDevice, Problem> {
        let values = row
            .as_ref()
            .map_err(|problem| Problem::invalid(vec![problem.clone()]))?;
        if values.len() != self.0.len() {
            return Err(Problem::invalid(vec![FieldProblem::new(
                "",
                "import.row",
                format!(
                    "expected {} values like the first row, found {}",
                    self.0.len(),
                    values.len()
                ),
            )]));
        }
        let mut device = RegisterDevice::default();
        let (mut token, mut kind, mut environment) =
            (None, TokenKind::default(), TokenEnvironment::Auto);
        let mut registered_at = None;
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        let mut problems = Vec::new();
        for (column, value) in self
            .0
            .iter()
            .zip(values)
            .filter(|(_, value)| !value.is_empty())
        {
            let text = || Some(value.clone());
            match column {
                Column::Id => device.id = text(),
                Column::UserId => device.user_id = text(),
                Column::Locale => device.locale = text(),
                Column::TimeZone => device.time_zone = text(),
                Column::AppVersion => device.app_version = text(),
                Column::Platform => device.platform = text(),
                Column::Tags => device.tags = read_list(value),
                Column::Topics => device.topics = read_list(value),
                Column::Capabilities => device.capabilities = read_list(value),
                Column::Attributes => match json(value) {
                    Some(Value::Object(attributes)) => device.attributes = Some(attributes),
                    _ => problems.push(FieldProblem::new(
                        "/attributes",
                        "device.attributes",
                        "expected a JSON object",
                    )),
                },
                Column::PushToken => token = text(),
                Column::RegisteredAt => registered_at = text(),
                Column::Kind => match TokenKind::from_word(value) {
                    Some(known) => kind = known,
                    None => problems.push(unknown_word(
                        "/kind",
                        &TokenKind::ALL.map(TokenKind::as_str),
                        value,
                    )),
                },
                Column::Environment => match environment_of(value) {
                    Some(known) => environment = known,
                    None => problems.push(unknown_word(
                        "/environment",
                        &["auto", "production", "sandbox"],
                        value,
                    )),
                },
            }
        }
        if !problems.is_empty() {
            return Err(Problem::invalid(problems));
        }
        device.push_tokens = token
            .map(|address| {
                let (token, subscription) = match kind {
                    // What is no JSON is left for the rule about subscriptions to refuse.
                    TokenKind::WebPush => (None, Some(json(&address).unwrap_or_default())),
                    _ => (Some(address), None),
                };
                RegisterPushToken {
                    kind: Some(kind),
                    token,
                    subscription,
                    environment: Some(environment),
                    registered_at,
                    replaces: None,
                }
            })
            .into_iter()
            .collect();
        Ok(device)
    }
}

fn environment_of(word: &str) -> Option<TokenEnvironment> {
    (0..=2)
        .filter_map(TokenEnvironment::from_code)
        .find(|environment| environment.as_str() == word)
}

fn unknown_word(pointer: &str, known: &[&str], found: &str) -> FieldProblem {
    FieldProblem::new(
        pointer,
        "field.value",
        format!("expected one of {}, found {found:?}", known.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[&str]) -> Row {
        Ok(values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn columns_are_known_and_distinct() {
        assert_eq!(
            Columns::read(Some(row(&["id", "Push_Token"]))).unwrap().0,
            [Column::Id, Column::PushToken]
        );
        for bad in [
            Some(row(&["id", "colour"])),
            Some(row(&["id", "id"])),
            Some(row(&[""])),
            None,
        ] {
            assert_eq!(Columns::read(bad).unwrap_err().code, "import.columns");
        }
    }

    #[test]
    fn rows_become_devices() {
        let columns = Columns::read(Some(row(&[
            "id",
            "tags",
            "push_token",
            "kind",
            "environment",
        ])))
        .unwrap();
        let device = columns
            .device(&row(&["a", "x| y", "00aa", "voip", "sandbox"]))
            .unwrap()
            .read(&carillon_ports::gateway::Gateways::default())
            .unwrap();
        assert_eq!(
            (device.id.as_deref(), device.tags),
            (Some("a"), vec!["x".to_owned(), "y".to_owned()])
        );
        assert_eq!(device.push_tokens[0].kind, TokenKind::Voip);
        assert_eq!(device.push_tokens[0].environment, TokenEnvironment::Sandbox);
        assert!(
            columns
                .device(&row(&["a", "", "", "", ""]))
                .unwrap()
                .push_tokens
                .is_empty()
        );
        for bad in [
            row(&["a"]),
            row(&["a", "", "", "fax", ""]),
            row(&["a", "", "", "", "moon"]),
        ] {
            assert_eq!(
                columns.device(&bad).unwrap_err().code().code,
                "request.invalid"
            );
        }
    }
}
