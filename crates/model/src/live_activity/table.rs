//! Live Activities out of a table of somebody's own: which column means what, how times without a zone are read, and a
//! plan whose texts have holes for the row's values. Only the rules: who reads the table, and when, is the engine's business.

use super::request::{ActivityRequest, Recipient, StartBy, UpdateToken};
use super::row_template::{LOCALE, PLACE, compile, typed};
use super::row_time::{RowTime, read_time};
use crate::UnixMs;
use crate::device::is_plain_name;
use crate::environment::TokenEnvironment;
use crate::facts::DeviceFacts;
use crate::nearest::did_you_mean;
use crate::problem::FieldProblem;
use crate::template::{BoundTemplate, CompiledTemplate, RenderError, SharedScope};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Longest id of a Live Activity, in bytes.
const MAX_ID: usize = 128;
/// Members of a plan that a row gives.
const OF_THE_ROW: [&str; 3] = ["recipient", "starts_at", "ends_at"];
/// The system ends an activity after 8 hours, so that one of which nothing is known but its end began later than that.
const LONGEST_MS: i64 = 8 * 3_600_000;
/// What is wrong with one row is told as far as this.
const PROBLEMS_TOLD: usize = 3;

/// Which column of a row is what, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableColumns {
    /// The activity's id. A row without one is not followed.
    pub id: Option<String>,
    /// When it starts; without such a column, when its row is first seen.
    pub starts_at: Option<String>,
    /// When it ends.
    pub ends_at: Option<String>,
    /// A word, of which some say that it is over.
    pub status: Option<String>,
    /// The update token of the phone on which the app started it, in hexadecimal.
    pub push_token: Option<String>,
    /// Where that is valid: `sandbox`, `development` or `production`; empty: Carillon finds out.
    pub environment: Option<String>,
    /// The user whose phones show it.
    pub user: Option<String>,
    /// The one device that shows it.
    pub device: Option<String>,
}

impl TableColumns {
    fn all(&self) -> [(&'static str, Option<&String>); 8] {
        [
            ("id", self.id.as_ref()),
            ("starts_at", self.starts_at.as_ref()),
            ("ends_at", self.ends_at.as_ref()),
            ("status", self.status.as_ref()),
            ("push_token", self.push_token.as_ref()),
            ("environment", self.environment.as_ref()),
            ("user", self.user.as_ref()),
            ("device", self.device.as_ref()),
        ]
    }
}

/// How rows become Live Activities.
#[derive(Clone, Debug)]
pub struct TableDefinition {
    /// Which column is what.
    pub columns: TableColumns,
    /// The zone of times that are written without one.
    pub zone: Option<TimeZone>,
    /// Words of the column `status` of which each says that it is over.
    pub ended: Vec<String>,
    /// The body of `PUT …/live-activities/{id}` without what the row gives (recipient, `starts_at`, `ends_at`); its texts may
    /// have holes for columns: `{{ title }}`. `{"$json": "{{ seats }}"}` is the number, or whatever JSON, of that text.
    pub plan: Value,
}

impl TableDefinition {
    /// What is wrong with it as far as that is known before a row is read: a sentence that begins with the key.
    ///
    /// # Errors
    /// The sentence.
    pub fn check(&self) -> Result<(), String> {
        let columns = &self.columns;
        if columns.id.is_none() {
            return Err(
                "columns.id: expected the name of the column with the activity's id".into(),
            );
        }
        let recipients = [&columns.push_token, &columns.user, &columns.device];
        if recipients.iter().filter(|column| column.is_some()).count() != 1 {
            return Err("columns: expected exactly one of push_token, user and device: by which a row says who shows it".into());
        }
        if columns.environment.is_some() && columns.push_token.is_none() {
            return Err("columns.environment: it goes with columns.push_token only".into());
        }
        if !self.ended.is_empty() && columns.status.is_none() {
            return Err("ended: it goes with columns.status only".into());
        }
        let Some(plan) = self.plan.as_object() else {
            return Err("plan: expected the members of a Live Activity".into());
        };
        if let Some(member) = OF_THE_ROW.iter().find(|member| plan.contains_key(**member)) {
            return Err(format!(
                "plan.{member}: expected none: each row gives its own, see columns"
            ));
        }
        if columns.push_token.is_some() && plan.contains_key("start") {
            return Err(
                "plan.start: expected none: who has an update token was started by the app".into(),
            );
        }
        let recipient = Recipient::User("u".into());
        self.request(plan.clone(), recipient)
            .map(drop)
            .map_err(|why| format!("plan: {why}"))
    }

    /// The plan with a recipient.
    fn request(
        &self,
        mut plan: Map<String, Value>,
        recipient: Recipient,
    ) -> Result<ActivityRequest, String> {
        let recipient = serde_json::to_value(recipient).map_err(|error| error.to_string())?;
        plan.insert("recipient".into(), recipient);
        serde_json::from_value(Value::Object(plan)).map_err(|error| error.to_string())
    }
}

/// What a row wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// It runs, or will.
    Run {
        /// The declaration.
        request: Box<ActivityRequest>,
        /// When it ends, where the row says so.
        ends_at: Option<UnixMs>,
    },
    /// It is over.
    End,
    /// Nobody shows it yet: the row has no token, user or device.
    Wait,
}

/// Reads the rows of one table, whose columns are known now. Cheap to keep, made once for many readings.
#[derive(Debug)]
pub struct TableReader {
    definition: TableDefinition,
    app_name: String,
    names: Vec<String>,
    template: CompiledTemplate,
    /// The columns that the template sees, by place.
    variables: Vec<usize>,
    at: Places,
    /// What rows are marked with beside their own values: another plan makes all of them new.
    mark: u64,
}

/// Where the columns are.
#[derive(Debug)]
struct Places {
    id: usize,
    starts_at: Option<usize>,
    ends_at: Option<usize>,
    status: Option<usize>,
    push_token: Option<usize>,
    environment: Option<usize>,
    user: Option<usize>,
    device: Option<usize>,
}

/// A row as it was read: a text for each column, or NULL.
pub type Cells = [Option<String>];

impl TableReader {
    /// For a table with these columns, of the App of this name.
    ///
    /// # Errors
    /// In words: a column that is not there, or what is wrong with the plan as a template.
    pub fn new(
        definition: &TableDefinition,
        app_name: &str,
        names: &[String],
    ) -> Result<Self, String> {
        let place = |key: &str, column: Option<&String>| -> Result<Option<usize>, String> {
            let Some(column) = column else {
                return Ok(None);
            };
            let found = names.iter().position(|name| name == column);
            found.map(Some).ok_or_else(|| {
                let hint = did_you_mean(column, names.iter().map(String::as_str));
                let names = names.join(", ");
                format!("columns.{key}: its query gives no column {column:?}{hint}, only {names}")
            })
        };
        let mut places = Vec::new();
        for (key, column) in definition.columns.all() {
            places.push(place(key, column)?);
        }
        let [
            Some(id),
            starts_at,
            ends_at,
            status,
            push_token,
            environment,
            user,
            device,
        ] = places[..]
        else {
            return Err(
                "columns.id: expected the name of the column with the activity's id".into(),
            );
        };
        let (template, variables) = compile(&definition.plan, names)?;
        let mut mark = Fnv::new();
        mark.add(app_name.as_bytes());
        mark.add(format!("{definition:?}").as_bytes());
        Ok(Self {
            mark: mark.0,
            definition: definition.clone(),
            app_name: app_name.to_owned(),
            names: names.to_vec(),
            template,
            variables,
            at: Places {
                id,
                starts_at,
                ends_at,
                status,
                push_token,
                environment,
                user,
                device,
            },
        })
    }

    /// Whether it reads a table with these columns, of the App of this name.
    #[must_use]
    pub fn is_for(&self, app_name: &str, names: &[String]) -> bool {
        self.app_name == app_name && self.names == names
    }

    /// The id of a row.
    ///
    /// # Errors
    /// In words: it has none, or one that no Live Activity can have.
    pub fn id<'a>(&self, cells: &'a Cells) -> Result<&'a str, String> {
        let column = &self.names[self.at.id];
        match text(cells, Some(self.at.id)) {
            None => Err(format!(
                "{column}: expected the activity's id, found nothing"
            )),
            Some(id) if !is_plain_name(id, MAX_ID) => Err(format!(
                "{column}: expected an id of 1 to {MAX_ID} characters of A-Z a-z 0-9 . _ : @ -, found {id:?}"
            )),
            Some(id) => Ok(id),
        }
    }

    /// A number that is another one when anything in the row, or in the plan, is different.
    #[must_use]
    pub fn hash(&self, cells: &Cells) -> i64 {
        let mut hash = Fnv(self.mark);
        for cell in cells {
            match cell {
                // Not what an empty text is, nor the end of the one before.
                None => hash.add(&[0xfe]),
                Some(text) => {
                    hash.add(&[0xff]);
                    hash.add(text.as_bytes());
                }
            }
        }
        // 0 is a row that was seen and not followed yet.
        (hash.0 as i64).wrapping_add(i64::from(hash.0 == 0))
    }

    /// What a row wants. `seen_at`: when its activity was declared, for one that is there; else now.
    ///
    /// # Errors
    /// In words: what is wrong with the row, with the column or the member of the plan.
    pub fn wish(&self, cells: &Cells, seen_at: UnixMs) -> Result<Wish, String> {
        let status = text(cells, self.at.status).unwrap_or_default();
        if self.definition.ended.iter().any(|word| word == status) {
            return Ok(Wish::End);
        }
        let Some(recipient) = self.recipient(cells)? else {
            return Ok(Wish::Wait);
        };
        let starts_at = self.time(cells, self.at.starts_at)?;
        let ends_at = self.time(cells, self.at.ends_at)?;
        let plan = self.rendered(cells, [&starts_at, &ends_at])?;
        let is_adopted = matches!(recipient, Recipient::PushToken(_));
        let mut request = self.definition.request(plan, recipient)?;
        let written = |time: &RowTime| Value::String(time.written.clone());
        request.starts_at = starts_at.as_ref().map(written);
        request.ends_at = ends_at.as_ref().map(written);
        if is_adopted {
            request.start = StartBy::App;
        }
        let ends_at = ends_at.map(|time| time.at);
        check(&mut request, ends_at, seen_at).map_err(|problems| in_words(&problems))?;
        Ok(Wish::Run {
            request: Box::new(request),
            ends_at,
        })
    }

    fn recipient(&self, cells: &Cells) -> Result<Option<Recipient>, String> {
        let owned = |place| text(cells, place).map(str::to_owned);
        if let Some(user) = owned(self.at.user) {
            return Ok(Some(Recipient::User(user)));
        }
        if let Some(device) = owned(self.at.device) {
            return Ok(Some(Recipient::Device(device)));
        }
        let Some(push_token) = owned(self.at.push_token) else {
            return Ok(None);
        };
        let environment = match text(cells, self.at.environment) {
            None => TokenEnvironment::Auto,
            Some("production") => TokenEnvironment::Production,
            Some("sandbox" | "development") => TokenEnvironment::Sandbox,
            Some(other) => {
                let known = ["production", "sandbox", "development"];
                let hint = did_you_mean(other, known);
                return Err(self.of_column(
                    self.at.environment,
                    &format!(
                        "expected one of {}, or nothing, found {other:?}{hint}",
                        known.join(", ")
                    ),
                ));
            }
        };
        Ok(Some(Recipient::PushToken(UpdateToken {
            push_token,
            environment,
            fcm_token: None,
        })))
    }

    fn time(&self, cells: &Cells, place: Option<usize>) -> Result<Option<RowTime>, String> {
        let Some(text) = text(cells, place) else {
            return Ok(None);
        };
        let read = read_time(text, self.definition.zone.as_ref());
        read.map(Some).map_err(|why| self.of_column(place, &why))
    }

    fn of_column(&self, place: Option<usize>, message: &str) -> String {
        let column = place.map_or("", |at| &self.names[at]);
        format!("{column}: {message}")
    }

    /// The plan with the row's values. What is a time by its column is the instant, in RFC 3339.
    fn rendered(
        &self,
        cells: &Cells,
        [starts_at, ends_at]: [&Option<RowTime>; 2],
    ) -> Result<Map<String, Value>, String> {
        let mut values = Map::new();
        for place in &self.variables {
            let time = match Some(*place) {
                at if at == self.at.starts_at => starts_at.as_ref(),
                at if at == self.at.ends_at => ends_at.as_ref(),
                _ => None,
            };
            let value = match time {
                Some(time) => time.written.clone(),
                None => cells.get(*place).cloned().flatten().unwrap_or_default(),
            };
            values.insert(self.names[*place].clone(), Value::String(value));
        }
        let bound = self.template.bind(&SharedScope {
            variables: &values,
            app_name: &self.app_name,
            event: None,
            digest: None,
        });
        let content = bound
            .and_then(|bound: BoundTemplate| bound.render(Some(LOCALE), &DeviceFacts::default()));
        let content = content.map_err(|error: RenderError| {
            let pointer = error.pointer.strip_prefix(PLACE).unwrap_or(&error.pointer);
            format!("{pointer}: {}", error.message)
        })?;
        let raw = content.data.as_ref().map_or("{}", |raw| raw.get());
        let mut plan: Value = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        typed(&mut plan, "")?;
        match plan {
            Value::Object(plan) => Ok(plan),
            other => Err(format!("expected an object, found {other}")),
        }
    }
}

/// What an activity's row says must hold together. One without a start of its own that is seen late began before its phases.
fn check(
    request: &mut ActivityRequest,
    ends_at: Option<UnixMs>,
    seen_at: UnixMs,
) -> Result<(), Vec<FieldProblem>> {
    let problems = match request.plan(seen_at) {
        Ok(_) => return Ok(()),
        Err(problems) => problems,
    };
    let is_late = |problem: &FieldProblem| {
        matches!(
            problem.code,
            "live_activity.phase_outside" | "live_activity.ends_before_start"
        )
    };
    let (None, Some(ends_at)) = (&request.starts_at, ends_at) else {
        return Err(problems);
    };
    if !problems.iter().all(is_late) {
        return Err(problems);
    }
    let began = RowTime::utc(ends_at.saturating_sub(LONGEST_MS));
    request.starts_at = Some(Value::String(began.written));
    request.plan(seen_at).map(drop)
}

/// The first of what is wrong with a declaration, in one sentence.
#[must_use]
pub fn in_words(problems: &[FieldProblem]) -> String {
    let told = problems.iter().take(PROBLEMS_TOLD);
    let told: Vec<String> = told.map(ToString::to_string).collect();
    told.join("; ")
}

/// A cell that says something.
fn text(cells: &Cells, place: Option<usize>) -> Option<&str> {
    let text = cells.get(place?)?.as_deref()?.trim();
    (!text.is_empty()).then_some(text)
}

/// FNV-1a: the same number in every process, also one that was built later.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
