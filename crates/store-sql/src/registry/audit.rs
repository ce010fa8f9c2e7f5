//! The audit log: written in the transaction of what it tells.

use crate::db::{self, Connection, params};
use crate::error::Done;
use crate::instances::directory_changed;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::id::ApiKeyNo;
use carillon_ports::registry::{Actor, AuditEntry};

/// Notes who did what; all that a directory holds is changed with a note.
pub(super) fn note(tx: &Tx<'_>, now: UnixMs, by: &Actor, action: &str, subject: &str) -> Done<()> {
    tx.conn
        .prepare_cached(
            "INSERT INTO audit (at, api_key_no, request_id, action, subject) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .run(params![
            now,
            by.api_key.map(|no| no.0),
            by.request_id,
            action,
            subject
        ])?;
    // Devices and people are in no directory.
    if action.starts_with("device.") || action.starts_with("user.") {
        return Ok(());
    }
    directory_changed(tx.conn)
}

pub(super) fn list(conn: &Connection, before: Option<i64>, limit: u32) -> Done<Vec<AuditEntry>> {
    let mut statement = conn.prepare_cached(
        "SELECT audit_no, at, api_key_no, request_id, action, subject FROM audit
         WHERE audit_no < ?1 ORDER BY audit_no DESC LIMIT ?2",
    )?;
    let found = statement.query_map(params![before.unwrap_or(i64::MAX), limit], |row| {
        Ok(AuditEntry {
            no: row.get(0)?,
            at: row.get(1)?,
            actor: Actor {
                api_key: row.get::<_, Option<i64>>(2)?.map(ApiKeyNo),
                request_id: row.get(3)?,
            },
            action: row.get(4)?,
            subject: row.get(5)?,
        })
    })?;
    Ok(found.collect::<db::Result<_>>()?)
}
