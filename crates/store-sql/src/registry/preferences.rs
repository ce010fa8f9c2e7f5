//! Users' preferences and badge counters, as callers read and set them.

use crate::db::{self, Connection, OptionalExtension, params};
use crate::error::{Done, corrupt};
use crate::instances::directory_changed;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::id::AppNo;
use carillon_model::preferences::Preferences;
use carillon_ports::preferences::{PreferencesPut, StoredPreferences};
use carillon_ports::store::StoreError;

/// Apps that have, or had, preferences.
pub(super) fn preferring(conn: &Connection) -> Done<Vec<AppNo>> {
    let mut statement =
        conn.prepare_cached("SELECT app_no FROM apps WHERE has_preferences = 1 ORDER BY app_no")?;
    let found = statement.query_map([], |row| row.get(0).map(AppNo))?;
    Ok(found.collect::<db::Result<_>>()?)
}

pub(super) fn put(
    tx: &Tx<'_>,
    app: AppNo,
    user_id: &str,
    preferences: &Preferences,
    now: UnixMs,
) -> Done<PreferencesPut> {
    let json = serde_json::to_string(preferences)
        .map_err(|error| StoreError::Failed(format!("cannot write preferences: {error}")))?;
    let is_first_of_app = tx
        .conn
        .prepare_cached(
            "UPDATE apps SET has_preferences = 1 WHERE app_no = ?1 AND has_preferences = 0",
        )?
        .execute([app.0])?
        == 1;
    if is_first_of_app {
        directory_changed(tx.conn)?;
    }
    let known = tx
        .conn
        .prepare_cached("SELECT 1 FROM user_preferences WHERE app_no = ?1 AND user_id = ?2")?
        .exists(params![app.0, user_id])?;
    tx.conn
        .prepare_cached(
            "INSERT INTO user_preferences (app_no, user_id, updated_at, preferences) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (app_no, user_id) DO UPDATE SET updated_at = excluded.updated_at,
                preferences = excluded.preferences",
        )?
        .run(params![app.0, user_id, now, json])?;
    Ok(PreferencesPut {
        created: !known,
        is_first_of_app,
    })
}

pub(super) fn get(conn: &Connection, app: AppNo, user_id: &str) -> Done<Option<StoredPreferences>> {
    let found: Option<(String, UnixMs)> = conn
        .prepare_cached(
            "SELECT preferences, updated_at FROM user_preferences WHERE app_no = ?1 AND user_id = ?2",
        )?
        .query_row(params![app.0, user_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((json, updated_at)) = found else {
        return Ok(None);
    };
    Ok(Some(StoredPreferences {
        preferences: serde_json::from_str(&json)
            .map_err(|error| corrupt("user_preferences", "preferences", user_id, error))?,
        updated_at,
    }))
}

pub(super) fn delete(tx: &Tx<'_>, app: AppNo, user_id: &str) -> Done<bool> {
    Ok(tx
        .conn
        .prepare_cached("DELETE FROM user_preferences WHERE app_no = ?1 AND user_id = ?2")?
        .execute(params![app.0, user_id])?
        == 1)
}

pub(super) fn badge(conn: &Connection, app: AppNo, user_id: &str) -> Done<u32> {
    let found: Option<u32> = conn
        .prepare_cached("SELECT badge FROM user_badges WHERE app_no = ?1 AND user_id = ?2")?
        .query_row(params![app.0, user_id], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or_default())
}

pub(super) fn set_badge(
    tx: &Tx<'_>,
    app: AppNo,
    user_id: &str,
    badge: u32,
    now: UnixMs,
) -> Done<()> {
    tx.conn
        .prepare_cached(
            "INSERT INTO user_badges (app_no, user_id, badge, notification_no, updated_at) VALUES (?1, ?2, ?3, NULL, ?4)
             ON CONFLICT (app_no, user_id) DO UPDATE SET badge = excluded.badge, notification_no = NULL,
                updated_at = excluded.updated_at",
        )?
        .run(params![app.0, user_id, badge, now])?;
    Ok(())
}

/// Everything of a user that hangs on no device.
const TABLES: [&str; 3] = ["user_preferences", "user_sends", "user_badges"];

/// Forgets it all.
pub(super) fn erase(tx: &Tx<'_>, app: AppNo, user_id: &str) -> Done<()> {
    for table in TABLES {
        tx.conn
            .prepare_cached(&format!(
                "DELETE FROM {table} WHERE app_no = ?1 AND user_id = ?2"
            ))?
            .run(params![app.0, user_id])?;
    }
    Ok(())
}

/// Deletes some of what a deleted App's users left: at most `limit` rows of each table.
pub(crate) fn prune_app(tx: &Tx<'_>, app: AppNo, limit: u32) -> Done<u64> {
    let mut rows = 0;
    for table in TABLES {
        rows += tx
            .conn
            .prepare_cached(&format!(
                "DELETE FROM {table} WHERE app_no = ?1 AND user_id IN
                    (SELECT user_id FROM {table} WHERE app_no = ?1 ORDER BY user_id LIMIT ?2)"
            ))?
            .execute(params![app.0, limit])? as u64;
    }
    Ok(rows)
}
