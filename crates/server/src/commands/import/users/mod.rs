//! `carillon import users` and `import onesignal`: rows become devices, page by page.

mod leave_out;
mod mapping;
mod one_signal;
mod progress;
mod send;
mod tally;

use crate::client::{ApiClient, escape};
use crate::commands::import::database::Connection;
use crate::commands::import::rows::{Row, Source};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use carillon_store_sql::ForeignPlace;
use leave_out::LeaveOut;
use mapping::{Mapping, Prepared, To};
use progress::Progress;
use send::Sending;
use std::path::PathBuf;

/// Rows that are sent in one request, unless somebody says otherwise.
const PAGE_ROWS: u32 = 5_000;
/// Environments of Apple's push tokens, the usual one first.
const ENVIRONMENTS: [&str; 3] = ["auto", "production", "sandbox"];

/// How rows become devices.
trait Prepare {
    /// One row.
    fn prepare(&self, row: &Row) -> Prepared;
    /// The column that a field of a problem came from, as people read it.
    fn column_of(&self, pointer: &str) -> Option<String>;
    /// The column of push tokens, as people read it.
    fn push_token(&self) -> String;
}

/// Arguments of `import users`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the rows are: FILE.csv, sqlite:FILE, or a database on a server: mysql://USER@HOST:PORT/DATABASE, or
    /// mariadb:// or postgres:// likewise
    #[arg(long, value_name = "FILE.csv|sqlite:FILE|URL")]
    from: String,
    /// What a database is asked; without it every row of its table users
    #[arg(long, value_name = "SQL")]
    query: Option<String>,
    /// The column of push tokens, by its name or its number from 1
    #[arg(long, value_name = "COLUMN")]
    push_token_column: String,
    /// What other columns are: id, user_id, locale, time_zone, app_version, platform, tags, topics, environment,
    /// registered_at, attributes.NAME; e.g. user_id=1,locale=lang
    #[arg(long, value_name = "FIELD=COLUMN,…", value_delimiter = ',')]
    map: Vec<String>,
    /// Whose push tokens they are; without it what the App has a credential for
    #[arg(long, value_parser = ["apns", "fcm"])]
    gateway: Option<String>,
    /// Environment of Apple's push tokens, where no column says it
    #[arg(long, default_value = "auto", value_parser = ENVIRONMENTS)]
    environment: String,
    /// What divides the cells of a CSV file: one character, or the word tab
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<String>,
    /// The CSV file's first row is a user already: columns have numbers only
    #[arg(long)]
    no_header: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    rest: Rest,
}

/// Arguments of `import onesignal`.
#[derive(Debug, clap::Args)]
pub(super) struct OneSignal {
    /// The CSV file, unpacked
    file: PathBuf,
    #[command(flatten)]
    rest: Rest,
}

/// What every import of rows takes.
#[derive(Debug, clap::Args)]
struct Rest {
    /// The App
    #[arg(long)]
    app: String,
    /// Leave out the push tokens of this CSV file, of its column push_token: such as are known to be dead
    #[arg(long, value_name = "FILE")]
    leave_out: Option<PathBuf>,
    /// Go on after the last row that was registered before an interruption
    #[arg(long)]
    resume: bool,
    /// Rows sent in one request; after each the place is written down
    #[arg(long, value_name = "ROWS", default_value_t = PAGE_ROWS, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    page_rows: u32,
}

/// Does it.
pub(super) async fn run(client: &ApiClient, args: Args, output: Output) -> anyhow::Result<()> {
    let source = Source::read(
        &args.from,
        args.query.as_deref(),
        args.delimiter.as_deref(),
        args.no_header,
        &args.connection,
    )?;
    let environment = ENVIRONMENTS.into_iter().find(|it| *it == args.environment);
    let columns = Columns {
        push_token: args.push_token_column,
        map: args.map,
        gateway: args.gateway.as_deref().and_then(To::from_word),
        environment: environment.unwrap_or(ENVIRONMENTS[0]),
    };
    bring(client, source, columns, args.rest, output).await
}

/// The users of an App in the database of an INI file.
pub(super) struct Table {
    /// Where it is.
    pub(super) place: ForeignPlace,
    /// What it is asked.
    pub(super) query: String,
    /// The App.
    pub(super) app: String,
    /// As `--push-token-column` has it.
    pub(super) push_token_column: String,
    /// As `--map` has it.
    pub(super) map: Vec<String>,
    /// Whether to go on after an interruption.
    pub(super) resume: bool,
}

/// The same for such a table.
pub(super) async fn from_table(
    client: &ApiClient,
    table: Table,
    output: Output,
) -> anyhow::Result<()> {
    let source = Source::Database {
        place: table.place,
        query: table.query,
    };
    let columns = Columns {
        push_token: table.push_token_column,
        map: table.map,
        gateway: None,
        environment: ENVIRONMENTS[0],
    };
    let rest = Rest {
        app: table.app,
        leave_out: None,
        resume: table.resume,
        page_rows: PAGE_ROWS,
    };
    bring(client, source, columns, rest, output).await
}

/// What the columns are, as it is asked for.
struct Columns {
    push_token: String,
    map: Vec<String>,
    /// `None`: what the App has a credential for.
    gateway: Option<To>,
    environment: &'static str,
}

async fn bring(
    client: &ApiClient,
    source: Source,
    columns: Columns,
    rest: Rest,
    output: Output,
) -> anyhow::Result<()> {
    let to = match columns.gateway {
        Some(to) => to,
        None => gateway_of(client, &rest.app).await?,
    };
    let what = format!(
        "{} {} {:?} {to:?} {} {} {:?}",
        source.identity(),
        columns.push_token,
        columns.map,
        columns.environment,
        rest.app,
        rest.leave_out
    );
    let progress = Progress::new(&source, &rest.app, &what)?;
    let rows = source.open(rest.page_rows as usize).await?;
    let mapping = Mapping::new(
        &rows,
        &columns.push_token,
        &columns.map,
        to,
        columns.environment,
    )?;
    let leave_out = LeaveOut::read(rest.leave_out.as_deref())?;
    let sending = Sending::begin(client, &rest, progress, leave_out, output)?;
    sending.run(rows, &mapping).await
}

/// The same with what is known of OneSignal's columns.
pub(super) async fn one_signal(
    client: &ApiClient,
    args: OneSignal,
    output: Output,
) -> anyhow::Result<()> {
    let file = args.file.display().to_string();
    let source = Source::read(&file, None, None, false, &Connection::default())?;
    let progress = Progress::new(
        &source,
        &args.rest.app,
        &format!("onesignal {} {:?}", args.rest.app, args.rest.leave_out),
    )?;
    let rows = source.open(args.rest.page_rows as usize).await?;
    let mapping = one_signal::Columns::new(&rows)?;
    let leave_out = LeaveOut::read(args.rest.leave_out.as_deref())?;
    let sending = Sending::begin(client, &args.rest, progress, leave_out, output)?;
    sending.run(rows, &mapping).await
}

/// The gateway that the App speaks to, if it is one.
async fn gateway_of(client: &ApiClient, app: &str) -> Result<To, Failure> {
    let path = format!("/v1/apps/{}/credentials", escape(app));
    let credentials = client.list(&path, usize::MAX).await?;
    let mut found: Vec<To> = Vec::new();
    for credential in &credentials {
        match To::from_word(&shown(credential, "/gateway")) {
            Some(to) if !found.contains(&to) => found.push(to),
            _ => {}
        }
    }
    match found[..] {
        [to] => Ok(to),
        _ => {
            let message = format!(
                "--gateway is missing: {app} has credentials for {} of apns and fcm, so it does not tell whose push \
                 tokens these are",
                if found.is_empty() { "neither" } else { "both" }
            );
            Err(Failure::new(Exit::Usage, message).mend("give --gateway apns or --gateway fcm"))
        }
    }
}

impl Prepare for Mapping {
    fn prepare(&self, row: &Row) -> Prepared {
        self.prepare(row)
    }

    fn column_of(&self, pointer: &str) -> Option<String> {
        Some(self.column_of(pointer)?.shown())
    }

    fn push_token(&self) -> String {
        self.push_token().shown()
    }
}
