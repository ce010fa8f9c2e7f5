//! Apps.

use super::audit;
use crate::db::{Connection, OptionalExtension, Row, params};
use crate::error::{Done, corrupt};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::app::{App, AppSettings};
use carillon_model::id::AppNo;
use carillon_ports::registry::Actor;
use carillon_ports::store::StoreError;

const COLUMNS: &str = "app_no, id, name, settings, created_at, updated_at";

fn app(row: Row<'_>) -> Done<App> {
    let no = AppNo(row.get(0)?);
    let settings: String = row.get(3)?;
    Ok(App {
        no,
        id: row.get(1)?,
        name: row.get(2)?,
        settings: serde_json::from_str(&settings)
            .map_err(|error| corrupt("apps", "settings", no, error))?,
        created_at: row.get(4)?,
        updated_at: row.get(5)?,
    })
}

pub(super) fn all(conn: &Connection) -> Done<Vec<App>> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM apps ORDER BY app_no"))?;
    let mut found = statement.query([])?;
    let mut apps = Vec::new();
    while let Some(row) = found.next()? {
        apps.push(app(row)?);
    }
    Ok(apps)
}

pub(super) fn put(
    tx: &mut Tx<'_>,
    id: &str,
    name: &str,
    settings: &AppSettings,
    now: UnixMs,
    by: &Actor,
) -> Done<(App, bool)> {
    let known: Option<(i64, UnixMs)> = tx
        .conn
        .prepare_cached("SELECT app_no, created_at FROM apps WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (no, created_at) = match known {
        Some(known) => known,
        None => (tx.marks.app.take(tx.conn)?, now),
    };
    let json = serde_json::to_string(settings)
        .map_err(|error| StoreError::Failed(format!("cannot write settings: {error}")))?;
    tx.conn
        .prepare_cached(
            "INSERT INTO apps (app_no, id, name, settings, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (app_no) DO UPDATE SET name = excluded.name, settings = excluded.settings,
                updated_at = excluded.updated_at",
        )?
        .run(params![no, id, name, json, created_at, now])?;
    audit::note(tx, now, by, "app.put", id)?;
    let app = App {
        no: AppNo(no),
        id: id.to_owned(),
        name: name.to_owned(),
        settings: settings.clone(),
        created_at,
        updated_at: now,
    };
    Ok((app, known.is_none()))
}

pub(super) fn delete(tx: &mut Tx<'_>, app: AppNo, now: UnixMs, by: &Actor) -> Done<bool> {
    let id: Option<String> = tx
        .conn
        .prepare_cached("SELECT id FROM apps WHERE app_no = ?1")?
        .query_row([app.0], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Ok(false) };
    for sql in [
        "DELETE FROM apps WHERE app_no = ?1",
        "DELETE FROM credentials WHERE app_no = ?1",
        "DELETE FROM api_keys WHERE app_no = ?1",
        "DELETE FROM digests WHERE app_no = ?1",
        "DELETE FROM throttles WHERE app_no = ?1",
        "DELETE FROM definition_versions WHERE definition_no IN (SELECT definition_no FROM definitions WHERE app_no = ?1)",
        "DELETE FROM definitions WHERE app_no = ?1",
        "DELETE FROM webhook_cursors WHERE app_no = ?1",
    ] {
        tx.conn.prepare_cached(sql)?.run([app.0])?;
    }
    crate::hot::unname_lists(tx, app, now)?;
    tx.conn
        .prepare_cached("INSERT INTO deleted_apps (app_no, deleted_at) VALUES (?1, ?2)")?
        .run(params![app.0, now])?;
    audit::note(tx, now, by, "app.delete", &id)?;
    Ok(true)
}
