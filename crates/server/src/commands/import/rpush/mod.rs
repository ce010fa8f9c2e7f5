//! `carillon import rpush`: the apps of an rpush installation with their credentials, what waits there to be
//! delivered, and the push tokens that it knows to be dead.

mod apps;
mod dead;
mod table;
mod waiting;

use super::apply::{Made, PlannedApp, apply};
use super::database::Connection;
use super::ini::{Fate, choices};
use crate::client::ApiClient;
use crate::clock::machine_now;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use apps::PlannedRow;
use carillon_store_sql::{RPUSH_FEEDBACK, RPUSH_NOTIFICATIONS};
use dead::Dead;
use serde_json::json;
use std::path::{Path, PathBuf};
use waiting::Waiting;

/// Arguments of `import rpush`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// rpush's database: sqlite:FILE, or mysql://USER@HOST:PORT/DATABASE, or mariadb:// or postgres:// likewise
    #[arg(long, value_name = "sqlite:FILE|URL")]
    from: String,
    #[command(flatten)]
    connection: Connection,
    /// The id of an rpush app's App; without it its name in lower case, with - for what an id cannot have (repeat).
    /// Several may have one: a credential each
    #[arg(long = "app", value_name = "NAME=ID")]
    apps: Vec<String>,
    /// Google's key file of a service account for an rpush app that has none (repeat)
    #[arg(long = "service-account", value_name = "NAME=FILE")]
    service_accounts: Vec<String>,
    /// Write the push tokens that rpush knows to be dead into this CSV file, for `import users --leave-out`; there
    /// must be none yet
    #[arg(long, value_name = "FILE")]
    dead: Option<PathBuf>,
    /// Only say what would be made; asks no server
    #[arg(long)]
    dry_run: bool,
}

/// Does it.
pub(super) async fn run(
    client: impl FnOnce() -> Result<ApiClient, Failure>,
    args: Args,
    output: Output,
) -> anyhow::Result<()> {
    let source = args.connection.place(&args.from, None)?;
    let rows = apps::read(&source).await?;
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let ids = choices("--app", &args.apps, &names)?;
    let accounts = choices("--service-account", &args.service_accounts, &names)?;
    let mut plan = apps::plan(&rows, &ids, &accounts);
    let (mut waiting, mut dead, now) = (Waiting::default(), Dead::default(), now()?);
    table::each(&source, RPUSH_NOTIFICATIONS, |row| {
        waiting.add(row, &rows, &now);
        dead.failed(row, &rows);
    })
    .await?;
    table::each(&source, RPUSH_FEEDBACK, |row| dead.feedback(row)).await?;
    if let Some(file) = &args.dead {
        dead.write(file)?;
    }
    let planned: Vec<PlannedApp> = plan.iter_mut().filter_map(|row| row.app.take()).collect();
    let made = if args.dry_run {
        planned.iter().map(Made::planned).collect()
    } else {
        apply(&client()?, &planned).await?
    };
    tell(&plan, &made, &waiting, &dead, args.dead.as_deref(), output);
    let refused = made.iter().filter(|made| made.is_refused()).count();
    let errors = plan.iter().filter(|row| row.fate == Fate::Error).count();
    let bad = waiting.bad + dead.bad;
    if refused == 0 && errors == 0 && bad == 0 {
        return Ok(());
    }
    let message = format!(
        "{errors} of {} rpush apps cannot be imported, the server refused {refused}, {bad} rows cannot be read",
        plan.len()
    );
    Err(Failure::new(Exit::Data, message)
        .mend("mend what is marked as error and run it again: what is there already stays as it is")
        .into())
}

/// Now, as rpush writes instants.
fn now() -> Result<String, Failure> {
    let now = jiff::Timestamp::from_millisecond(machine_now());
    let now = now.map_err(|error| Failure::new(Exit::Software, error.to_string()))?;
    Ok(now.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn tell(
    plan: &[PlannedRow],
    made: &[Made],
    waiting: &Waiting,
    dead: &Dead,
    file: Option<&Path>,
    output: Output,
) {
    if output.is_json() {
        output.json(&json!({
            "rpush_apps": plan.iter().map(PlannedRow::json).collect::<Vec<_>>(),
            "apps": made.iter().map(Made::json).collect::<Vec<_>>(),
            "waiting": waiting.json(),
            "dead": dead.json(file),
            "bad_rows": waiting.problems.iter().chain(&dead.problems).collect::<Vec<_>>(),
        }));
        return;
    }
    let rows = plan.iter().map(PlannedRow::row);
    output.table(&["id", "rpush app", "service", "", "what"], rows.collect());
    output.line("");
    let rows = made.iter().map(Made::row);
    output.table(&["rpush app", "app", "", "credential", ""], rows.collect());
    for problem in made.iter().filter_map(Made::problem) {
        output.line(format!("\n{problem}"));
    }
    output.line("");
    for line in waiting.lines().into_iter().chain(dead.lines(file)) {
        output.line(line);
    }
    for problem in waiting.problems.iter().chain(&dead.problems) {
        output.line(format!("  {problem}"));
    }
}
