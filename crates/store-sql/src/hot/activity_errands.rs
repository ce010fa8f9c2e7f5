//! What is to be asked of a gateway for a Live Activity, beside its pushes.

use super::live_activities::{DUE, stored_at};
use crate::db::{Connection, params};
use crate::error::Done;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_ports::live_activity::{ErrandChange, StoredActivity};

/// Something is to be asked of a gateway, or no more.
pub(super) fn set_errand(tx: &Tx<'_>, no: i64, errand: ErrandChange) -> Done<()> {
    match errand {
        ErrandChange::Keep => {}
        ErrandChange::At(due_at) => tx
            .conn
            .prepare_cached(
                "INSERT INTO live_activity_errands (activity_no, due_at) VALUES (?1, ?2)
                 ON CONFLICT (activity_no) DO UPDATE SET due_at = excluded.due_at",
            )?
            .run(params![no, due_at])?,
        ErrandChange::Done => tx
            .conn
            .prepare_cached("DELETE FROM live_activity_errands WHERE activity_no = ?1")?
            .run([no])?,
    }
    Ok(())
}

/// The errands that are due first.
pub(super) fn errands(conn: &Connection, limit: u32) -> Done<Vec<(UnixMs, StoredActivity)>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT e.due_at, {DUE} FROM live_activity_errands e
         JOIN live_activities l ON l.activity_no = e.activity_no
         ORDER BY e.due_at, e.activity_no LIMIT ?1"
    ))?;
    let mut found = statement.query([limit])?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push((row.get(0)?, stored_at(row, 1)?));
    }
    Ok(all)
}
