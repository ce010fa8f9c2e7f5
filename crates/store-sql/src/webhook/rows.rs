//! Rows of endpoints, and places in the event log.

use crate::db::{Connection, OptionalExtension, Row, params};
use crate::error::{Done, corrupt};
use crate::hot::add_event;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, WebhookNo};
use carillon_model::webhook::DisabledReason;
use carillon_ports::store::StoreError;
use carillon_ports::webhook::{EndpointRow, WebhookDefinition};

const COLUMNS: &str = "webhook_no, app_no, cursor, queued, quiet_until, state, health";

fn row(row: Row<'_>) -> Done<EndpointRow> {
    let no = WebhookNo(row.get(0)?);
    let bad = |column: &'static str| {
        move |error: serde_json::Error| corrupt("webhook_cursors", column, no, error)
    };
    let (state, health): (String, String) = (row.get(5)?, row.get(6)?);
    Ok(EndpointRow {
        no,
        app: AppNo(row.get(1)?),
        cursor: row.get(2)?,
        queued: row.get::<_, i64>(3)?.max(0) as u64,
        quiet_until: row.get(4)?,
        state: serde_json::from_str(&state).map_err(bad("state"))?,
        health: serde_json::from_str(&health).map_err(bad("health"))?,
    })
}

pub(super) fn all(conn: &Connection) -> Done<Vec<EndpointRow>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM webhook_cursors ORDER BY webhook_no"
    ))?;
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(next) = found.next()? {
        rows.push(row(next)?);
    }
    Ok(rows)
}

pub(super) fn one(conn: &Connection, no: WebhookNo) -> Done<Option<EndpointRow>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM webhook_cursors WHERE webhook_no = ?1"
    ))?;
    let mut found = statement.query([no.0])?;
    found.next()?.map(row).transpose()
}

pub(super) fn write(conn: &Connection, endpoint: &EndpointRow) -> Done<()> {
    let json = |error: serde_json::Error| {
        StoreError::Failed(format!("cannot write a webhook's row: {error}"))
    };
    conn.prepare_cached(
        "INSERT INTO webhook_cursors (webhook_no, app_no, cursor, queued, quiet_until, state, health)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (webhook_no) DO UPDATE SET app_no = excluded.app_no, cursor = excluded.cursor,
            queued = excluded.queued, quiet_until = excluded.quiet_until, state = excluded.state,
            health = excluded.health",
    )?
    .run(params![
        endpoint.no.0,
        endpoint.app.0,
        endpoint.cursor,
        endpoint.queued as i64,
        endpoint.quiet_until,
        serde_json::to_string(&endpoint.state).map_err(json)?,
        serde_json::to_string(&endpoint.health).map_err(json)?
    ])?;
    Ok(())
}

/// An endpoint is defined: a new one begins with what happens from now on.
pub(crate) fn open(tx: &Tx<'_>, no: WebhookNo, app: AppNo) -> Done<()> {
    if one(tx.conn, no)?.is_none() {
        let newest = newest_event(tx.conn, app)?;
        write(tx.conn, &EndpointRow::new(no, app, newest))?;
    }
    Ok(())
}

/// An endpoint is defined no more. What waited for it goes in slices.
pub(crate) fn close(tx: &Tx<'_>, no: WebhookNo) -> Done<()> {
    tx.conn
        .prepare_cached("DELETE FROM webhook_cursors WHERE webhook_no = ?1")?
        .run([no.0])?;
    Ok(())
}

pub(super) fn enable(tx: &Tx<'_>, no: WebhookNo) -> Done<Option<EndpointRow>> {
    let Some(mut endpoint) = one(tx.conn, no)? else {
        return Ok(None);
    };
    if endpoint.enable(newest_event(tx.conn, endpoint.app)?) {
        write(tx.conn, &endpoint)?;
    }
    Ok(Some(endpoint))
}

pub(super) fn disable(
    tx: &mut Tx<'_>,
    definition: &WebhookDefinition,
    reason: DisabledReason,
    now: UnixMs,
) -> Done<Option<EndpointRow>> {
    let Some(mut endpoint) = one(tx.conn, definition.no)? else {
        return Ok(None);
    };
    if let Some(event) = endpoint.disable(definition, reason, now) {
        write(tx.conn, &endpoint)?;
        add_event(tx, &event, now)?;
    }
    Ok(Some(endpoint))
}

pub(super) fn newest_event(conn: &Connection, app: AppNo) -> Done<i64> {
    let mut newest = conn.prepare_cached(
        "SELECT event_no FROM events WHERE app_no = ?1 ORDER BY event_no DESC LIMIT 1",
    )?;
    let newest = newest.query_row([app.0], |row| row.get(0)).optional()?;
    Ok(newest.unwrap_or(0))
}

/// Times rise with numbers, so this halves its way there instead of reading the log.
pub(super) fn events_since(conn: &Connection, app: AppNo, at: UnixMs) -> Done<i64> {
    let mut next = conn.prepare_cached(
        "SELECT event_no, at FROM events WHERE app_no = ?1 AND event_no > ?2 ORDER BY event_no LIMIT 1",
    )?;
    // Events up to `low` are older than `at`; those after `high` are not.
    let (mut low, mut high) = (0, newest_event(conn, app)?);
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<(i64, UnixMs)> = next
            .query_row(params![app.0, middle], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        match found {
            Some((no, found_at)) if found_at < at => low = no,
            _ => high = middle,
        }
    }
    Ok(low)
}
