//! `carillon import ini`: reads the file, makes the plan, carries it out by the API, and tells.

mod database;
mod file;
mod plan;
mod section;

use super::apply::{Made, apply};
use super::users::{self, Table};
use crate::client::ApiClient;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use carillon_model::nearest::did_you_mean;
use database::{MAP, PUSH_TOKEN_COLUMN};
use plan::{Choices, Plan};
pub(super) use plan::{Fate, app_id};
pub(super) use section::{FETCH, service_account};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Arguments of `import ini`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The INI file: a section for each app, with push_type APNs or FCM
    file: PathBuf,
    /// The id of a section's App; without it the section's name in lower case, with - for what an id cannot have
    /// (repeat)
    #[arg(long = "app", value_name = "SECTION=ID")]
    apps: Vec<String>,
    /// Google's key file of a service account for a section, in place of the legacy server key (repeat)
    #[arg(long = "service-account", value_name = "SECTION=FILE")]
    service_accounts: Vec<String>,
    /// Bring the users of a section over as well, from the database that the file names: a query, e.g. "Shop=SELECT *
    /// FROM users" (repeat)
    #[arg(long, value_name = "SECTION=SQL", conflicts_with = "dry_run")]
    users: Vec<String>,
    /// The column of push tokens in that, by its name or its number from 1
    #[arg(long, value_name = "COLUMN", default_value = PUSH_TOKEN_COLUMN)]
    push_token_column: String,
    /// What other columns of it are, as for import users
    #[arg(long, value_name = "FIELD=COLUMN,…", value_delimiter = ',', default_value = MAP)]
    map: Vec<String>,
    /// Go on with users after the last row that was registered before an interruption
    #[arg(long, requires = "users")]
    resume: bool,
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
    let bytes =
        std::fs::read(&args.file).map_err(|error| Failure::io("read", &args.file, &error))?;
    let file = file::read(&bytes).map_err(|mistakes| unreadable(&args.file, &mistakes, output))?;
    let sections: Vec<&str> = file.sections.iter().map(|it| it.name.as_str()).collect();
    let queries = choices("--users", &args.users, &sections)?;
    let choices = Choices {
        apps: choices("--app", &args.apps, &sections)?,
        service_accounts: choices("--service-account", &args.service_accounts, &sections)?
            .into_iter()
            .map(|(section, file)| (section, PathBuf::from(file)))
            .collect(),
    };
    let directory = args.file.parent().unwrap_or(Path::new(""));
    let plan = plan::make(&file, directory, &choices);
    let tables = tables(&plan, queries, &args)?;
    let client = if args.dry_run { None } else { Some(client()?) };
    let made = match &client {
        None => plan.apps.iter().map(Made::planned).collect(),
        Some(client) => apply(client, &plan.apps).await?,
    };
    tell(&plan, &made, !tables.is_empty(), output);
    let refused = made.iter().filter(|made| made.is_refused()).count();
    let errors = plan.findings.iter().filter(|it| it.fate == Fate::Error);
    let errors = errors.count();
    if refused == 0 && errors == 0 {
        if let Some(client) = &client {
            for table in tables {
                output.line(format!("\nThe users of {}:", table.app));
                users::from_table(client, table, output).await?;
            }
        }
        return Ok(());
    }
    let message = format!(
        "{refused} of {} Apps were not imported, {errors} keys are wrong",
        made.len()
    );
    Err(Failure::new(Exit::Data, message)
        .mend("mend what is marked as error and run it again: what is there already stays as it is")
        .into())
}

/// What is asked for the users of sections.
fn tables(
    plan: &Plan,
    queries: BTreeMap<String, String>,
    args: &Args,
) -> Result<Vec<Table>, Failure> {
    let mut tables = Vec::new();
    for (section, query) in queries {
        let Some(database) = &plan.database else {
            let message = "--users: the file has no [Database] to ask for users";
            return Err(Failure::new(Exit::Usage, message));
        };
        let Some(app) = plan.apps.iter().find(|app| app.section == section) else {
            let message = format!("--users: [{section}] is no app's section");
            return Err(Failure::new(Exit::Usage, message));
        };
        tables.push(Table {
            place: database.place()?,
            query,
            app: app.app.clone(),
            push_token_column: args.push_token_column.clone(),
            map: args.map.clone(),
            resume: args.resume,
        });
    }
    Ok(tables)
}

/// A file that Python would not have read either: nothing of it is imported.
fn unreadable(file: &Path, mistakes: &[file::Mistake], output: Output) -> Failure {
    if output.is_json() {
        let lines = mistakes
            .iter()
            .map(|it| json!({ "line": it.line, "detail": it.message }));
        output.json(&json!({ "mistakes": lines.collect::<Vec<_>>() }));
    }
    let lines: Vec<String> = mistakes.iter().map(|it| format!("\n  {it}")).collect();
    Failure::new(
        Exit::Data,
        format!(
            "{} is no INI file as Python's configparser reads it:{}",
            file.display(),
            lines.concat()
        ),
    )
    .mend("mend these lines; nothing was imported")
}

/// `SECTION=VALUE`, each of a section that is there. A name may have a `=` itself: the longest that fits is meant.
pub(super) fn choices(
    flag: &str,
    written: &[String],
    sections: &[&str],
) -> Result<BTreeMap<String, String>, Failure> {
    let mut choices = BTreeMap::new();
    for text in written {
        let fits = |section: &&&str| {
            let rest = text.strip_prefix(**section);
            rest.is_some_and(|rest| rest.starts_with('=') && rest.len() > 1)
        };
        let Some(section) = sections.iter().filter(fits).max_by_key(|it| it.len()) else {
            let name = text.split('=').next().unwrap_or_default();
            let hint = did_you_mean(name, sections.iter().copied());
            let message = format!(
                "{flag}: expected SECTION=… with a section of the file, found {text:?}{hint}"
            );
            let mend = format!("its sections are {}", sections.join(", "));
            return Err(Failure::new(Exit::Usage, message).mend(mend));
        };
        let value = text[section.len() + 1..].to_owned();
        if choices.insert((*section).to_owned(), value).is_some() {
            let message = format!("{flag}: [{section}] has two");
            return Err(Failure::new(Exit::Usage, message));
        }
    }
    Ok(choices)
}

fn tell(plan: &Plan, made: &[Made], has_users: bool, output: Output) {
    if output.is_json() {
        let keys = plan.findings.iter().map(|it| {
            json!({ "section": it.section, "key": it.key, "line": it.line, "fate": it.fate.as_str(), "what": it.what })
        });
        output.json(&json!({
            "apps": made.iter().map(Made::json).collect::<Vec<_>>(),
            "keys": keys.collect::<Vec<_>>(),
            "commands": plan.commands,
        }));
        return;
    }
    let rows = plan.findings.iter().map(|it| {
        vec![
            it.line.to_string(),
            format!("[{}]", it.section),
            it.key.clone(),
            it.fate.as_str().to_owned(),
            it.what.clone(),
        ]
    });
    output.table(&["line", "section", "key", "", "what"], rows.collect());
    output.line("");
    let rows = made.iter().map(|made| made.row());
    output.table(&["section", "app", "", "credential", ""], rows.collect());
    for problem in made.iter().filter_map(Made::problem) {
        output.line(format!("\n{problem}"));
    }
    if plan.commands.is_empty() || has_users {
        return;
    }
    output.line("\nTo bring the users over:");
    for command in &plan.commands {
        output.line(format!("  {command}"));
    }
    if plan.commands.len() > 1 {
        output.line(
            "The file does not say which users are whose: run it for the Apps whose users the table has, each with a \
             --query that picks them.",
        );
    }
    output.line(
        "FILE has the password of [Database]. Or let --users 'SECTION=SELECT …' of this command do it, which takes the \
         password from the INI file.",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_name_sections_that_are_there() {
        let sections = ["Shop", "a=b", "a"];
        let of = |text: &str| choices("--app", &[text.to_owned()], &sections);
        assert_eq!(of("Shop=x=y").unwrap()["Shop"], "x=y");
        assert_eq!(of("a=b=c").unwrap()["a=b"], "c");
        assert_eq!(of("a=c").unwrap()["a"], "c");
        for wrong in ["Shopp=x", "shop=x", "Shop=", "Shop", ""] {
            let error = of(wrong).unwrap_err();
            assert_eq!(error.exit, Exit::Usage, "{wrong}");
        }
        assert!(
            of("Shpo=x")
                .unwrap_err()
                .message
                .contains("did you mean `Shop`")
        );
        let twice = ["a=1".to_owned(), "a=2".to_owned()];
        assert!(choices("--app", &twice, &sections).is_err());
    }
}
