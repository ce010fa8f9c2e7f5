//! Numbered migrations, forward only, each in a transaction of its own. The number of the last one
//! stands in the file's `user_version`.

use rusqlite::Connection;

/// What marks a file as ours (`application_id`): "Caril" in five bits a letter.
pub(crate) const APPLICATION_ID: i64 = 0x0439_2d2c;

/// All of them, in order.
const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../migrations/sqlite/0001_spine.sql")),
    (2, include_str!("../migrations/sqlite/0002_reach.sql")),
    (3, include_str!("../migrations/sqlite/0003_people.sql")),
    (4, include_str!("../migrations/sqlite/0004_preferences.sql")),
    (5, include_str!("../migrations/sqlite/0005_definitions.sql")),
    (6, include_str!("../migrations/sqlite/0006_webhooks.sql")),
    (7, include_str!("../migrations/sqlite/0007_triggers.sql")),
    (8, include_str!("../migrations/sqlite/0008_timers.sql")),
    (9, include_str!("../migrations/sqlite/0009_schedules.sql")),
    (10, include_str!("../migrations/sqlite/0010_campaigns.sql")),
    (11, include_str!("../migrations/sqlite/0011_callouts.sql")),
    (12, include_str!("../migrations/sqlite/0012_lists.sql")),
    (13, include_str!("../migrations/sqlite/0013_instances.sql")),
    (15, include_str!("../migrations/sqlite/0015_activity.sql")),
    (
        16,
        include_str!("../migrations/sqlite/0016_live_activities.sql"),
    ),
    (17, include_str!("../migrations/sqlite/0017_reach.sql")),
    (
        18,
        include_str!("../migrations/sqlite/0018_activity_sources.sql"),
    ),
    (19, include_str!("../migrations/sqlite/0019_tokens.sql")),
    (20, include_str!("../migrations/sqlite/0020_urgent.sql")),
    (21, include_str!("../migrations/sqlite/0021_watches.sql")),
];

/// PostgreSQL's, by the same numbers, of which the first brings all before it.
pub(crate) const POSTGRES: &[(i64, &str)] = &[
    (9, include_str!("../migrations/postgres/0009_base.sql")),
    (
        10,
        include_str!("../migrations/postgres/0010_campaigns.sql"),
    ),
    (11, include_str!("../migrations/postgres/0011_callouts.sql")),
    (12, include_str!("../migrations/postgres/0012_lists.sql")),
    (
        13,
        include_str!("../migrations/postgres/0013_instances.sql"),
    ),
    (15, include_str!("../migrations/postgres/0015_activity.sql")),
    (
        16,
        include_str!("../migrations/postgres/0016_live_activities.sql"),
    ),
    (17, include_str!("../migrations/postgres/0017_reach.sql")),
    (
        18,
        include_str!("../migrations/postgres/0018_activity_sources.sql"),
    ),
    (19, include_str!("../migrations/postgres/0019_tokens.sql")),
    (20, include_str!("../migrations/postgres/0020_urgent.sql")),
    (21, include_str!("../migrations/postgres/0021_watches.sql")),
];

/// MySQL's and MariaDB's, by the same numbers.
pub(crate) const MYSQL: &[(i64, &str)] = &[
    (9, include_str!("../migrations/mariadb/0009_base.sql")),
    (10, include_str!("../migrations/mariadb/0010_campaigns.sql")),
    (11, include_str!("../migrations/mariadb/0011_callouts.sql")),
    (12, include_str!("../migrations/mariadb/0012_lists.sql")),
    (13, include_str!("../migrations/mariadb/0013_instances.sql")),
    (15, include_str!("../migrations/mariadb/0015_activity.sql")),
    (
        16,
        include_str!("../migrations/mariadb/0016_live_activities.sql"),
    ),
    (17, include_str!("../migrations/mariadb/0017_reach.sql")),
    (
        18,
        include_str!("../migrations/mariadb/0018_activity_sources.sql"),
    ),
    (19, include_str!("../migrations/mariadb/0019_tokens.sql")),
    (20, include_str!("../migrations/mariadb/0020_urgent.sql")),
    (21, include_str!("../migrations/mariadb/0021_watches.sql")),
];

/// SQLite's newest schema.
pub(crate) const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// Brings a database of schema `found` (0: empty) to [`KNOWN`].
pub(crate) fn migrate(conn: &Connection, found: i64) -> rusqlite::Result<()> {
    for &(number, sql) in MIGRATIONS {
        if number > found {
            conn.execute_batch(&format!(
                "BEGIN IMMEDIATE; {sql}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number}; COMMIT"
            ))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_one_of_them() {
        let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        for (database, known) in [
            ("sqlite", MIGRATIONS),
            ("postgres", POSTGRES),
            ("mariadb", MYSQL),
        ] {
            let files = std::fs::read_dir(place.join(database)).unwrap();
            let mut texts: Vec<(i64, String)> = files
                .map(|file| {
                    let path = file.unwrap().path();
                    let name = path.file_name().unwrap().to_string_lossy().into_owned();
                    let number = name.split('_').next().unwrap().parse().unwrap();
                    (number, std::fs::read_to_string(path).unwrap())
                })
                .collect();
            texts.sort();
            let known: Vec<(i64, String)> = known
                .iter()
                .map(|(number, text)| (*number, (*text).to_owned()))
                .collect();
            assert_eq!(texts, known, "{database}");
        }
    }
}
