//! `live_activities` in a section of `sources.file`: how rows of its query become Live Activities.

use crate::config::Span;
use carillon_model::live_activity::{TableColumns, TableDefinition};
use carillon_model::time_zone;
use carillon_ports::source::FollowedTable;
use serde::Deserialize;

/// How often a table is read.
const USUAL_EVERY_MS: i64 = 15_000;
const EVERY_MS: std::ops::RangeInclusive<i64> = 1_000..=3_600_000;
/// Rows of a table: as many are kept in memory by id, and compared at each reading.
const USUAL_ROWS: u64 = 10_000;
const MOST_ROWS: u64 = 100_000;

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Followed {
    every: Option<Span>,
    zone: Option<String>,
    ended: Option<Vec<String>>,
    columns: TableColumns,
    plan: toml::Table,
}

/// The error is a sentence with the key.
pub(crate) fn max_rows(written: Option<u64>) -> Result<u64, String> {
    let rows = written.unwrap_or(USUAL_ROWS);
    if rows > MOST_ROWS {
        return Err(format!(
            "max_rows: expected at most {MOST_ROWS} for a table that is read again and again, found {rows}"
        ));
    }
    Ok(rows)
}

/// The error is a sentence with the key.
pub(crate) fn table(
    name: &str,
    apps: &[String],
    written: Followed,
) -> Result<FollowedTable, String> {
    let app = match apps {
        [app] if app != "*" => app.clone(),
        _ => {
            return Err(
                "apps: expected the id of one App: whose Live Activities the rows are".into(),
            );
        }
    };
    let within = |key: &str, why: String| format!("live_activities.{key}: {why}");
    let every_ms = written.every.map_or(USUAL_EVERY_MS, Span::ms);
    if !EVERY_MS.contains(&every_ms) {
        return Err(within("every", "expected 1s to 1h".into()));
    }
    let zone = written.zone.as_deref().map(time_zone::parse).transpose();
    let zone = zone.map_err(|why| within("zone", why))?;
    let ended = written.ended.unwrap_or_else(|| {
        let has_status = written.columns.status.is_some();
        has_status.then(|| "ended".to_owned()).into_iter().collect()
    });
    let plan = serde_json::to_value(written.plan);
    let definition = TableDefinition {
        columns: written.columns,
        zone,
        ended,
        plan: plan.map_err(|error| within("plan", error.to_string()))?,
    };
    definition
        .check()
        .map_err(|why| format!("live_activities.{why}"))?;
    Ok(FollowedTable {
        name: name.to_owned(),
        app,
        every_ms: u32::try_from(every_ms).unwrap_or(u32::MAX),
        definition,
    })
}

#[cfg(test)]
mod tests {
    use crate::exit::Failure;
    use carillon_ports::source::Sources;
    use std::sync::Arc;

    const LESSONS: &str = r#"
[lessons]
url = "sqlite:lessons.db"
query = "SELECT * FROM lessons"
apps = ["academy"]
[lessons.live_activities]
zone = "Asia/Seoul"
[lessons.live_activities.columns]
id = "id"
ends_at = "ends_at"
status = "status"
push_token = "push_token"
[lessons.live_activities.plan]
attributes_type = "LessonAttributes"
content_state = { title = "{{ title }}", end = { "$date" = "{{ ends_at }}" } }
phases = [{ name = "ending", at = "ends_at - 15m", content_state = { status = "ending" } }]
"#;

    fn read(text: &str) -> Result<Arc<dyn Sources>, Failure> {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("sources.toml");
        std::fs::write(&file, text).unwrap();
        crate::sources::open(Some(&file))
    }

    #[test]
    fn a_table_of_live_activities_is_read() {
        let sources = read(LESSONS).unwrap();
        assert!(sources.of_app("academy").is_empty(), "it is no audience");
        let tables = sources.tables();
        let table = &tables[0];
        assert_eq!((&*table.name, &*table.app), ("lessons", "academy"));
        assert_eq!(table.every_ms, 15_000);
        assert_eq!(table.definition.ended, ["ended"]);
        let more = LESSONS.replace("zone =", "every = \"1m\"\nended = []\nzone =");
        let tables = read(&more).unwrap().tables();
        assert_eq!(tables[0].every_ms, 60_000);
        assert!(tables[0].definition.ended.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key() {
        for (from, to, part) in [
            ("[\"academy\"]", "[\"*\"]", "[lessons]: apps"),
            (
                "[\"academy\"]",
                "[\"a\", \"b\"]",
                "apps: expected the id of one",
            ),
            ("Asia/Seoul", "Asia/Soul", "live_activities.zone"),
            ("zone =", "every = \"1ms\"\nzone =", "live_activities.every"),
            ("zone =", "evry = \"1m\"\nzone =", "unknown field `evry`"),
            ("id = \"id\"\n", "", "live_activities.columns.id"),
            ("push_token =", "token =", "unknown field `token`"),
            (
                "phases =",
                "phase =",
                "live_activities.plan: unknown field `phase`",
            ),
            ("apps =", "by = \"user\"\napps =", "by: a table"),
            (
                "apps =",
                "max_rows = 100001\napps =",
                "max_rows: expected at most",
            ),
        ] {
            let error = read(&LESSONS.replace(from, to)).unwrap_err();
            assert!(error.message.contains(part), "{part}: {error}");
        }
    }
}
