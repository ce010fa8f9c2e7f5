//! Tables that Live Activities follow: the rows that were seen, and what came of the last reading.

use super::records;
use crate::db::{self, Connection, params};
use crate::error::Done;
use crate::queue::Class;
use crate::store::SqlStore;
use crate::writer::Tx;
use async_trait::async_trait;
use carillon_model::id::AppNo;
use carillon_ports::activity_source::{ActivitySourceStore, SeenRow, SourceNote};
use carillon_ports::store::Result;

#[async_trait]
impl ActivitySourceStore for SqlStore {
    async fn seen_rows(&self, app: AppNo, source: String) -> Result<Vec<SeenRow>> {
        self.read(move |conn| seen(conn, app, &source)).await
    }

    async fn note_source(&self, note: SourceNote) -> Result<()> {
        let rows = 1 + note.seen.len() + note.gone.len() + note.events.len();
        self.write(Class::Fanout, rows, move |tx| write_note(tx, &note))
            .await
    }

    async fn source_reports(&self, app: AppNo) -> Result<Vec<(String, String)>> {
        self.read(move |conn| reports(conn, app)).await
    }
}

fn seen(conn: &Connection, app: AppNo, source: &str) -> Done<Vec<SeenRow>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, hash FROM activity_source_rows WHERE app_no = ?1 AND source = ?2 ORDER BY id",
    )?;
    let found = statement.query_map(params![app.0, source], |row| {
        Ok(SeenRow {
            id: row.get(0)?,
            hash: row.get(1)?,
        })
    })?;
    Ok(found.collect::<db::Result<_>>()?)
}

fn write_note(tx: &mut Tx<'_>, note: &SourceNote) -> Done<()> {
    {
        let mut keep = tx.conn.prepare_cached(
            "INSERT INTO activity_source_rows (app_no, source, id, hash) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (app_no, source, id) DO UPDATE SET hash = excluded.hash",
        )?;
        for row in &note.seen {
            keep.run(params![note.app.0, note.source, row.id, row.hash])?;
        }
    }
    {
        let mut forget = tx.conn.prepare_cached(
            "DELETE FROM activity_source_rows WHERE app_no = ?1 AND source = ?2 AND id = ?3",
        )?;
        for id in &note.gone {
            forget.run(params![note.app.0, note.source, id])?;
        }
    }
    if let Some(report) = &note.report {
        tx.conn
            .prepare_cached(
                "INSERT INTO activity_sources (app_no, name, report) VALUES (?1, ?2, ?3)
                 ON CONFLICT (app_no, name) DO UPDATE SET report = excluded.report",
            )?
            .run(params![note.app.0, note.source, report])?;
    }
    for event in &note.events {
        records::add_event(tx, event, note.now)?;
    }
    Ok(())
}

fn reports(conn: &Connection, app: AppNo) -> Done<Vec<(String, String)>> {
    let mut statement = conn.prepare_cached(
        "SELECT name, report FROM activity_sources WHERE app_no = ?1 ORDER BY name",
    )?;
    let found = statement.query_map([app.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<db::Result<_>>()?)
}

/// Deletes some of a deleted App.
pub(super) fn prune_app(tx: &Tx<'_>, app: AppNo, slice: u32) -> Done<u64> {
    let mut rows = 0;
    let old: Vec<(String, String)> = tx
        .conn
        .prepare_cached("SELECT source, id FROM activity_source_rows WHERE app_no = ?1 LIMIT ?2")?
        .query_map(params![app.0, slice], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<db::Result<_>>()?;
    for (source, id) in old {
        rows += tx
            .conn
            .prepare_cached(
                "DELETE FROM activity_source_rows WHERE app_no = ?1 AND source = ?2 AND id = ?3",
            )?
            .execute(params![app.0, source, id])? as u64;
    }
    // As many as the operator has sources.
    rows += tx
        .conn
        .prepare_cached("DELETE FROM activity_sources WHERE app_no = ?1")?
        .execute([app.0])? as u64;
    Ok(rows)
}
