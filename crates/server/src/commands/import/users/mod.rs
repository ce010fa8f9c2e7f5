//! `carillon import users` and `import onesignal`: rows become devices, page by page.

mod leave_out;
mod mapping;
mod one_signal;
mod progress;
mod send;
mod tally;

use crate::client::{ApiClient, escape};
use crate::commands::import::rows::{Row, Source};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use leave_out::LeaveOut;
use mapping::{Mapping, Prepared, To};
use progress::Progress;
use send::Sending;
use std::path::PathBuf;

/// Environments of Apple's push tokens.
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
    /// Where the rows are: FILE.csv, or sqlite:FILE
    #[arg(long, value_name = "FILE.csv|sqlite:FILE")]
    from: String,
    /// What a database is asked; without it every row of its table users
    #[arg(long, value_name = "SQL")]
    query: Option<String>,
    /// The column of push tokens, by its name or its number from 1
    #[arg(long, value_name = "COLUMN")]
    push_token_column: String,
    /// What other columns are: id, user_id, locale, time_zone, app_version, platform, tags, topics, environment,
    /// attributes.NAME; e.g. user_id=1,locale=lang
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
    #[arg(long, value_name = "ROWS", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    page_rows: u32,
}

/// Does it.
pub(super) async fn run(client: &ApiClient, args: Args, output: Output) -> anyhow::Result<()> {
    let source = Source::read(
        &args.from,
        args.query.as_deref(),
        args.delimiter.as_deref(),
        args.no_header,
    )?;
    let to = match args.gateway.as_deref().and_then(To::from_word) {
        Some(to) => to,
        None => gateway_of(client, &args.rest.app).await?,
    };
    let environment = ENVIRONMENTS.into_iter().find(|it| *it == args.environment);
    let what = format!(
        "{source:?} {} {:?} {to:?} {environment:?} {}",
        args.push_token_column, args.map, args.rest.app
    );
    let what = format!("{what} {:?}", args.rest.leave_out);
    let progress = Progress::new(source.file(), &what)?;
    let rows = source.open(args.rest.page_rows as usize).await?;
    let mapping = Mapping::new(
        &rows,
        &args.push_token_column,
        &args.map,
        to,
        environment.unwrap_or("auto"),
    )?;
    let leave_out = LeaveOut::read(args.rest.leave_out.as_deref())?;
    let sending = Sending::begin(client, &args.rest, progress, leave_out, output)?;
    sending.run(rows, &mapping).await
}

/// The same with what is known of OneSignal's columns.
pub(super) async fn one_signal(
    client: &ApiClient,
    args: OneSignal,
    output: Output,
) -> anyhow::Result<()> {
    let source = Source::read(&args.file.display().to_string(), None, None, false)?;
    let progress = Progress::new(
        source.file(),
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
