//! What `GET` shows of notifications and deliveries.

use super::campaigns::PARKED;
use super::ledger::Tally;
use super::rows;
use super::{claim, records, timers};
use crate::db::{self, Connection, params};
use crate::error::Done;
use carillon_model::delivery::FinalState;
use carillon_model::id::{AppNo, BatchNo, DeliveryId, NotificationNo};
use carillon_ports::store::{
    Attempt, DeliveryFilter, DeliveryView, NotificationHead, NotificationView, Work, WorkId,
};
use carillon_ports::timer::SendState;
use std::collections::BTreeMap;

pub(super) fn notification(
    conn: &Connection,
    app: AppNo,
    no: NotificationNo,
) -> Done<Option<NotificationView>> {
    rows::notification(conn, no)?
        .filter(|head| head.app == app)
        .map(|head| view(conn, head))
        .transpose()
}

pub(super) fn notifications(
    conn: &Connection,
    app: AppNo,
    before: Option<NotificationNo>,
    limit: u32,
) -> Done<Vec<NotificationView>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {} FROM notifications n INDEXED BY notifications_app
         WHERE n.app_no = ?1 AND n.notification_no < ?2 ORDER BY n.notification_no DESC LIMIT ?3",
        rows::HEAD
    ))?;
    let before = before.map_or(i64::MAX, |no| no.0);
    let mut found = statement.query(params![app.0, before, limit])?;
    let mut views = Vec::new();
    while let Some(row) = found.next()? {
        views.push(view(conn, rows::head(row)?)?);
    }
    Ok(views)
}

pub(super) fn view(conn: &Connection, head: NotificationHead) -> Done<NotificationView> {
    let plan = timers::plan(conn, &head)?;
    if let Some(tally) = Tally::read(conn, head.no)? {
        let fanout_finished = !conn
            .prepare_cached("SELECT 1 FROM fanouts WHERE notification_no = ?1")?
            .exists([head.no.0])?;
        return Ok(NotificationView {
            plan,
            fanout_finished,
            deliveries: tally.deliveries as u64,
            open: tally.open as u64,
            states: tally.states(),
            completed_at: tally.completed_at,
            head,
        });
    }
    let batch = rows::batch(conn, head.no.batch(0))?;
    let mut states: BTreeMap<u8, (FinalState, u64)> = BTreeMap::new();
    for (_, state) in batch.iter().flat_map(|batch| batch.verdicts.iter()) {
        if let Some(state) = state {
            states.entry(state.code()).or_insert((state, 0)).1 += 1;
        }
    }
    let is_waiting = plan.as_ref().is_some_and(|plan| {
        matches!(
            plan.state,
            SendState::Waiting { .. } | SendState::SetAside { .. }
        )
    });
    Ok(NotificationView {
        plan,
        // Whom it is for is found out when it is sent.
        fanout_finished: !is_waiting,
        deliveries: batch.as_ref().map_or(0, |batch| batch.count.into()),
        open: batch
            .as_ref()
            .map_or(0, |batch| batch.verdicts.still_open().into()),
        states: states.into_values().collect(),
        completed_at: batch.and_then(|batch| batch.settled_at),
        head,
    })
}

fn is_of(conn: &Connection, app: AppNo, no: NotificationNo) -> Done<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM notifications WHERE notification_no = ?1 AND app_no = ?2")?
        .exists(params![no.0, app.0])?)
}

pub(super) fn deliveries(
    conn: &Connection,
    app: AppNo,
    no: NotificationNo,
    after: Option<DeliveryId>,
    filter: &DeliveryFilter,
    limit: u32,
) -> Done<Vec<DeliveryView>> {
    if !is_of(conn, app, no)? {
        return Ok(Vec::new());
    }
    let (first, last) = no.batches();
    // A cursor is the caller's: one of another notification begins at this one's edge.
    let from = after.map_or(first, |after| after.batch.max(first));
    let mut statement = conn.prepare_cached(
        "SELECT batch_no FROM batches WHERE batch_no BETWEEN ?1 AND ?2 ORDER BY batch_no",
    )?;
    let mut found = statement.query(params![from.0, last.0])?;
    let mut views = Vec::new();
    while let Some(row) = found.next()? {
        let batch_no = BatchNo(row.get(0)?);
        let start = match after {
            Some(after) if after.batch == batch_no => after.position.saturating_add(1),
            _ => 0,
        };
        let room = limit as usize - views.len();
        views.extend(batch_views(conn, batch_no, start, filter, room)?);
        if views.len() >= limit as usize {
            break;
        }
    }
    Ok(views)
}

/// Deliveries of one batch from a position on.
fn batch_views(
    conn: &Connection,
    no: BatchNo,
    start: u16,
    filter: &DeliveryFilter,
    limit: usize,
) -> Done<Vec<DeliveryView>> {
    let Some(batch) = rows::batch(conn, no)? else {
        return Ok(Vec::new());
    };
    let wanted: Vec<u16> = (start..batch.count)
        .filter(|position| filter.takes(batch.verdicts.get(*position)))
        .take(limit)
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let devices = rows::devices(conn, no)?;
    let works = if wanted.iter().any(|p| batch.verdicts.get(*p).is_none()) {
        works(conn, no)?
    } else {
        Vec::new()
    };
    wanted
        .into_iter()
        .filter_map(|position| Some((position, *devices.as_slice().get(usize::from(position))?)))
        .map(|(position, device)| {
            let state = batch.verdicts.get(position);
            let work = work_of(&works, position).filter(|_| state.is_none());
            Ok(DeliveryView {
                id: DeliveryId {
                    batch: no,
                    position,
                },
                device: rows::device_name(conn, device)?,
                device_no: device,
                state,
                // What is put aside says when it would be due.
                next_attempt_at: work
                    .and_then(|work| work.due_at)
                    .map(|due_at| due_at & (PARKED - 1)),
                lane: work.map(|work| work.lane),
            })
        })
        .collect()
}

/// The work of an open delivery: its own, before that of the whole batch.
fn work_of(works: &[Work], position: u16) -> Option<&Work> {
    let named = works.iter().find(|work| {
        work.positions
            .as_ref()
            .is_some_and(|some| some.as_slice().binary_search(&position).is_ok())
    });
    named.or_else(|| works.iter().find(|work| work.positions.is_none()))
}

fn works(conn: &Connection, no: BatchNo) -> Done<Vec<Work>> {
    let mut statement =
        conn.prepare_cached("SELECT seq FROM work WHERE batch_no = ?1 ORDER BY seq")?;
    let seqs = statement
        .query_map([no.0], |row| row.get(0))?
        .collect::<db::Result<Vec<i64>>>()?;
    let mut works = Vec::new();
    for seq in seqs {
        works.extend(claim::work(conn, WorkId { batch: no, seq })?);
    }
    Ok(works)
}

/// One delivery, whatever its App.
pub(super) fn delivery_view(conn: &Connection, id: DeliveryId) -> Done<Option<DeliveryView>> {
    let mut views = batch_views(conn, id.batch, id.position, &DeliveryFilter::All, 1)?;
    Ok(views.pop().filter(|view| view.id == id))
}

pub(super) fn delivery(
    conn: &Connection,
    app: AppNo,
    id: DeliveryId,
) -> Done<Option<(DeliveryView, Vec<Attempt>)>> {
    if !is_of(conn, app, id.batch.notification())? {
        return Ok(None);
    }
    let Some(view) = delivery_view(conn, id)? else {
        return Ok(None);
    };
    Ok(Some((view, records::attempts(conn, id)?)))
}
