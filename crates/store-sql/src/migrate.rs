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
    (12, include_str!("../migrations/sqlite/0012_lists.sql")),
];

/// PostgreSQL's, by the same numbers, of which the first brings all before it.
pub(crate) const POSTGRES: &[(i64, &str)] = &[
    (9, include_str!("../migrations/postgres/0009_base.sql")),
    (
        10,
        include_str!("../migrations/postgres/0010_campaigns.sql"),
    ),
    (12, include_str!("../migrations/postgres/0012_lists.sql")),
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
    fn servers_have_the_same_numbers() {
        let ours: Vec<_> = MIGRATIONS.iter().map(|(number, _)| *number).collect();
        let theirs: Vec<_> = POSTGRES.iter().map(|(number, _)| *number).collect();
        let begin = ours.iter().position(|number| *number == theirs[0]).unwrap();
        assert_eq!(ours[begin..], theirs);
    }
}
