//! Incidents: made of their entries, listed, and deleted when they are old.

use crate::db::{self, Connection, OptionalExtension, Row, params, params_from_iter};
use crate::error::{Done, corrupt};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DefinitionNo, NotificationNo};
use carillon_ports::store::StoreError;
use carillon_ports::watch::{
    INCIDENT_ENTRIES, IncidentFilter, StoredEntry, StoredIncident, WatchEntry, WatchStep,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;

/// Columns of [`stored`], of a table `i`.
const INCIDENT: &str = "i.monitor_no, i.incident_no, i.app_no, i.opened_at, i.fault, i.acknowledged_by, i.acknowledged_at, i.pages, i.is_given_up, i.resolved, i.resolved_at";
/// How many they are.
const INCIDENT_COLUMNS: usize = 11;

/// Which: its monitor and its number.
type Key = (DefinitionNo, u32);

/// The incidents that the steps of one command change, each with how many entries it has.
#[derive(Default)]
pub(super) struct Changing {
    known: BTreeMap<Key, Option<(StoredIncident, i64)>>,
}

impl Changing {
    pub(super) fn of(conn: &Connection, steps: &[WatchStep]) -> Done<Self> {
        let about = steps.iter().flat_map(|step| {
            let numbers = step.entries.iter().filter_map(|one| one.entry.incident);
            numbers.map(|no| [step.monitor.0, i64::from(no)])
        });
        conn.prepare_cached(&counted())?.ahead(about)?;
        Ok(Self::default())
    }

    /// Writes the entries and pages of a step that is written.
    pub(super) fn write(&mut self, tx: &mut Tx<'_>, step: &WatchStep) -> Done<()> {
        for entry in &step.entries {
            self.entry(tx, step, entry)?;
        }
        for (incident, page) in &step.pages {
            tx.conn
                .prepare_cached(
                    "INSERT INTO incident_pages (notification_no, monitor_no, incident_no) VALUES (?1, ?2, ?3)",
                )?
                .run(params![page.no.0, step.monitor.0, incident])?;
        }
        Ok(())
    }

    fn entry(&mut self, tx: &mut Tx<'_>, step: &WatchStep, one: &WatchEntry) -> Done<()> {
        let Some(no) = one.entry.incident else {
            return Ok(());
        };
        let key = (step.monitor, no);
        if let Some(opened) = StoredIncident::opened(step.monitor, step.app, &one.entry) {
            self.known.insert(key, Some((opened, 0)));
        }
        let known = match self.known.entry(key) {
            Place::Occupied(known) => known.into_mut(),
            Place::Vacant(place) => place.insert(read(tx.conn, key)?),
        };
        // It was opened before it was changed, and while it is open it is not deleted.
        let Some((incident, entries)) = known else {
            return Ok(());
        };
        incident.happened(&one.entry);
        *entries += 1;
        tx.conn
            .prepare_cached(
                "INSERT INTO incident_entries (monitor_no, incident_no, entry_no, what) VALUES (?1, ?2, ?3, ?4)",
            )?
            .run(params![step.monitor.0, no, *entries, json(serde_json::to_string(one))?])?;
        let most = i64::from(INCIDENT_ENTRIES);
        if *entries > most {
            tx.conn
                .prepare_cached(
                    "DELETE FROM incident_entries WHERE monitor_no = ?1 AND incident_no = ?2 AND entry_no = ?3",
                )?
                .run(params![step.monitor.0, no, *entries - most])?;
        }
        Ok(())
    }

    /// Writes the rows of the incidents.
    pub(super) fn store(self, tx: &Tx<'_>) -> Done<()> {
        for (one, entries) in self.known.into_values().flatten() {
            let (by, at) = one.acknowledged.unzip();
            let (resolved, resolved_at) = one.resolved.unzip();
            tx.conn
                .prepare_cached(
                    "INSERT INTO incidents (monitor_no, incident_no, app_no, opened_at, fault, acknowledged_by,
                        acknowledged_at, pages, is_given_up, resolved, resolved_at, entries)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                     ON CONFLICT (monitor_no, incident_no) DO UPDATE SET
                        acknowledged_by = excluded.acknowledged_by, acknowledged_at = excluded.acknowledged_at,
                        pages = excluded.pages, is_given_up = excluded.is_given_up, resolved = excluded.resolved,
                        resolved_at = excluded.resolved_at, entries = excluded.entries",
                )?
                .run(params![
                    one.monitor.0,
                    one.no,
                    one.app.0,
                    one.opened_at,
                    json(serde_json::to_string(&one.fault))?,
                    by,
                    at,
                    one.pages,
                    one.is_given_up,
                    resolved
                        .map(|by| json(serde_json::to_string(&by)))
                        .transpose()?,
                    resolved_at,
                    entries
                ])?;
        }
        Ok(())
    }
}

fn json(written: serde_json::Result<String>) -> Done<String> {
    Ok(
        written
            .map_err(|error| StoreError::Failed(format!("cannot write an incident: {error}")))?,
    )
}

/// One, with how many entries it has.
fn counted() -> String {
    format!(
        "SELECT {INCIDENT}, i.entries FROM incidents i WHERE i.monitor_no = ?1 AND i.incident_no = ?2"
    )
}

fn read(conn: &Connection, (monitor, no): Key) -> Done<Option<(StoredIncident, i64)>> {
    let mut statement = conn.prepare_cached(&counted())?;
    let mut found = statement.query(params![monitor.0, i64::from(no)])?;
    let Some(row) = found.next()? else {
        return Ok(None);
    };
    Ok(Some((stored(&row)?, row.get(INCIDENT_COLUMNS)?)))
}

fn stored(row: &Row<'_>) -> Done<StoredIncident> {
    let (monitor, no): (DefinitionNo, u32) = (DefinitionNo(row.get(0)?), row.get(1)?);
    let broken = |column: &'static str| {
        move |error: serde_json::Error| {
            corrupt("incidents", column, format!("{monitor}/{no}"), error)
        }
    };
    let fault: String = row.get(4)?;
    let by: Option<String> = row.get(5)?;
    let resolved: Option<String> = row.get(9)?;
    let resolved = resolved.map(|json| serde_json::from_str(&json)).transpose();
    let resolved = resolved.map_err(broken("resolved"))?;
    Ok(StoredIncident {
        monitor,
        no,
        app: AppNo(row.get(2)?),
        opened_at: row.get(3)?,
        fault: serde_json::from_str(&fault).map_err(broken("fault"))?,
        acknowledged: by.zip(row.get(6)?),
        pages: row.get(7)?,
        is_given_up: row.get(8)?,
        resolved: Option::zip(resolved, row.get(10)?),
    })
}

pub(super) fn one(
    conn: &Connection,
    monitor: DefinitionNo,
    no: u32,
) -> Done<Option<StoredIncident>> {
    Ok(read(conn, (monitor, no))?.map(|(one, _)| one))
}

/// The latest opened first.
pub(super) fn list(
    conn: &Connection,
    app: AppNo,
    filter: &IncidentFilter,
) -> Done<Vec<StoredIncident>> {
    // Those of one monitor, and those that are open, are few beside all.
    let (table, wanted) = match (filter.monitor, filter.is_open) {
        (Some(_), None) => ("incidents i", "i.monitor_no = ?7"),
        (Some(_), Some(true)) => ("incidents i", "i.monitor_no = ?7 AND i.resolved_at IS NULL"),
        (Some(_), Some(false)) => (
            "incidents i",
            "i.monitor_no = ?7 AND i.resolved_at IS NOT NULL",
        ),
        (None, None) => ("incidents i INDEXED BY incidents_opened", "i.app_no = ?1"),
        (None, Some(true)) => (
            "incidents i INDEXED BY incidents_open",
            "i.resolved_at IS NULL",
        ),
        (None, Some(false)) => (
            "incidents i INDEXED BY incidents_opened",
            "i.resolved_at IS NOT NULL",
        ),
    };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {INCIDENT} FROM {table} WHERE i.app_no = ?1 AND i.opened_at >= ?2 AND i.opened_at <= ?3
             AND (i.opened_at, i.monitor_no, i.incident_no) < (?3, ?4, ?5) AND {wanted}
         ORDER BY i.opened_at DESC, i.monitor_no DESC, i.incident_no DESC LIMIT ?6"
    ))?;
    let (at, monitor, no) = filter
        .before
        .map_or((i64::MAX, i64::MAX, i64::MAX), |(at, monitor, no)| {
            (at, monitor.0, i64::from(no))
        });
    let since = filter.since.unwrap_or(i64::MIN);
    let values = [app.0, since, at, monitor, no, i64::from(filter.limit)];
    let of_monitor = filter.monitor.map(|no| no.0);
    let mut found = statement.query(params_from_iter(values.into_iter().chain(of_monitor)))?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(stored(&row)?);
    }
    Ok(all)
}

/// The newest, the oldest of them first.
pub(super) fn entries(
    conn: &Connection,
    monitor: DefinitionNo,
    no: u32,
    limit: u32,
) -> Done<Vec<StoredEntry>> {
    let mut statement = conn.prepare_cached(
        "SELECT entry_no, what FROM incident_entries WHERE monitor_no = ?1 AND incident_no = ?2
         ORDER BY entry_no DESC LIMIT ?3",
    )?;
    let mut found = statement.query(params![monitor.0, no, limit])?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        let (entry_no, text): (i64, String) = (row.get(0)?, row.get(1)?);
        let key = || format!("{monitor}/{no}/{entry_no}");
        let what = serde_json::from_str(&text)
            .map_err(|error| corrupt("incident_entries", "what", key(), error))?;
        all.push(StoredEntry { no: entry_no, what });
    }
    all.reverse();
    Ok(all)
}

pub(super) fn of_notification(
    conn: &Connection,
    no: NotificationNo,
) -> Done<Option<(DefinitionNo, u32)>> {
    Ok(conn
        .prepare_cached(
            "SELECT monitor_no, incident_no FROM incident_pages WHERE notification_no = ?1",
        )?
        .query_row([no.0], |row| Ok((DefinitionNo(row.get(0)?), row.get(1)?)))
        .optional()?)
}

/// Deletes those that were closed before an instant, at most `slice`, with what happened to them.
pub(super) fn prune(tx: &Tx<'_>, before: UnixMs, slice: u32) -> Done<u64> {
    let old: Vec<(i64, i64)> = tx
        .conn
        .prepare_cached(
            "SELECT monitor_no, incident_no FROM incidents INDEXED BY incidents_closed
             WHERE resolved_at IS NOT NULL AND resolved_at < ?1 ORDER BY resolved_at LIMIT ?2",
        )?
        .query_map(params![before, slice], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<db::Result<_>>()?;
    let mut rows = 0;
    for (monitor, no) in old {
        for table in ["incident_pages", "incident_entries", "incidents"] {
            let sql = format!("DELETE FROM {table} WHERE monitor_no = ?1 AND incident_no = ?2");
            rows += tx.conn.prepare_cached(&sql)?.execute([monitor, no])? as u64;
        }
        if rows >= u64::from(slice) {
            break;
        }
    }
    Ok(rows)
}
