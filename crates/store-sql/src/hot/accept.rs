//! Intake: notification, batches, work and idempotency key in one transaction.

use super::badges::Counting;
use super::ledger::{self, Ledger};
use super::{activity_steps, batches, campaigns, fanout, gathering, prune, schedules, timers};
use crate::db::{Connection, OptionalExtension, params};
use crate::error::{At, Done};
use crate::statements::Statement;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::id::NotificationNo;
use carillon_ports::fault::{Bug, planted, stage};
use carillon_ports::store::{Acceptance, Idempotency, NewNotification};
use carillon_ports::timer::When;

/// About how many rows they are.
pub(super) fn weight<'n>(items: impl IntoIterator<Item = &'n NewNotification>) -> usize {
    items
        .into_iter()
        .map(|item| {
            let rows_of = if item.badge.is_some() { 1 } else { 50 };
            let devices = item.batches.iter().map(|b| usize::from(b.devices.count()));
            1 + devices.map(|count| count / rows_of).sum::<usize>()
        })
        .sum()
}

pub(super) fn accept(tx: &mut Tx<'_>, items: &[NewNotification]) -> Done<Vec<Acceptance>> {
    let steps = items.iter().filter_map(|item| item.activity.as_ref());
    activity_steps::fences_ahead(tx.conn, steps)?;
    items.iter().map(|item| accept_one(tx, item)).collect()
}

pub(super) fn accept_one(tx: &mut Tx<'_>, item: &NewNotification) -> Done<Acceptance> {
    if let Some(idempotency) = &item.idempotency {
        match remember_key(tx, item.no, item.accepted_at, idempotency)? {
            Remembered::New => {}
            Remembered::Reused => return Ok(Acceptance::KeyReused),
            Remembered::Repeated { no, accepted_at } => {
                return Ok(Acceptance::Repeated { no, accepted_at });
            }
        }
    }
    if let Some(refused) = pass(tx, item)? {
        forget_key(tx, item.idempotency.as_ref())?;
        return Ok(refused);
    }
    if let Some(step) = &item.activity
        && !activity_steps::write_step(tx, step, Some(item.no))?
    {
        forget_key(tx, item.idempotency.as_ref())?;
        return Ok(Acceptance::Stale);
    }
    if let Some(turn) = &item.turn
        && !schedules::write_turn(tx, turn, Some(item.no))?
    {
        forget_key(tx, item.idempotency.as_ref())?;
        return Ok(Acceptance::Stale);
    }
    if is_by_timer(item) {
        stage("timer.in_transaction");
        if planted(Bug::LoseTimer) && item.no.0 % 7 == 0 {
            return Ok(Acceptance::Stale);
        }
    }
    match &item.when {
        When::Fired(fired) => begin(tx, item.no, fired.at)?,
        When::AtOnce => {
            insert(tx, item)?;
            with_campaign(tx, item)?;
        }
        When::Later(timer) => {
            insert_for_later(tx, item, timer.due_at)?;
            with_campaign(tx, item)?;
            timers::set(tx, item.app, item.no, timer)?;
            return Ok(Acceptance::New);
        }
    }
    let begins_at = item.begins_at();
    let sole = item.batches.len() == 1 && item.fanout.is_none();
    for batch in &item.batches {
        batches::insert(tx, item.app, batch, sole, begins_at)?;
        if let Some(change) = item.badge {
            let counting = Counting {
                no: item.no,
                app: item.app,
                change,
                is_fanout: item.fanout.is_some(),
                now: begins_at,
            };
            counting.batch(tx, batch)?;
        }
    }
    if !sole {
        let deliveries = item
            .batches
            .iter()
            .map(|b| u64::from(b.devices.count()))
            .sum();
        let completed_at = (deliveries == 0 && item.fanout.is_none()).then_some(begins_at);
        ledger::open_tally(tx, item.no, deliveries, completed_at)?;
        if completed_at.is_some() {
            let mut done = Ledger::default();
            done.completed_at_once(item.no);
            done.close(tx, begins_at)?;
        }
    }
    if let Some(audience) = &item.fanout {
        let target = fanout::audience_json(audience)?;
        tx.conn
            .prepare_cached(
                "INSERT INTO fanouts (notification_no, after_device, next_place, target) VALUES (?1, 0, ?2, ?3)",
            )?
            .run(params![item.no.0, item.batches.len() as i64, target])?;
    }
    Ok(Acceptance::New)
}

/// Whether it is a timer's effect: its own, or a schedule's.
fn is_by_timer(item: &NewNotification) -> bool {
    let is_turn = item.turn.as_ref().is_some_and(|turn| turn.timer.is_some());
    is_turn || matches!(item.when, When::Fired(_))
}

fn with_campaign(tx: &Tx<'_>, item: &NewNotification) -> Done<()> {
    match &item.campaign {
        Some(campaign) => campaigns::insert(tx, item.app, item.no, campaign),
        None => Ok(()),
    }
}

fn insert(tx: &mut Tx<'_>, item: &NewNotification) -> Done<()> {
    prune::is_numbered(tx, item.no)?;
    tx.statement(Statement::InsertNotification)?.run(params![
        item.no.0,
        item.app.0,
        item.accepted_at,
        item.expires_at,
        item.options.encode(),
        &item.payload[..]
    ])?;
    Ok(())
}

fn insert_for_later(tx: &mut Tx<'_>, item: &NewNotification, send_at: UnixMs) -> Done<()> {
    prune::is_numbered(tx, item.no)?;
    tx.conn
        .prepare_cached(
            "INSERT INTO notifications (notification_no, app_no, accepted_at, expires_at, options, payload, send_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .run(params![
            item.no.0,
            item.app.0,
            item.accepted_at,
            item.expires_at,
            item.options.encode(),
            &item.payload[..],
            send_at
        ])?;
    Ok(())
}

/// The time of a notification that is stored already has come.
fn begin(tx: &Tx<'_>, no: NotificationNo, at: UnixMs) -> Done<()> {
    tx.conn
        .prepare_cached("UPDATE notifications SET begun_at = ?2 WHERE notification_no = ?1")?
        .run([no.0, at])?;
    Ok(())
}

/// The timer that sends it, the digest that it tells, and the throttle that it must pass. A digest that is throttled is gone: it
/// was one too many.
fn pass(tx: &Tx<'_>, item: &NewNotification) -> Done<Option<Acceptance>> {
    if let Some(campaign) = &item.campaign
        && let Some(no) = campaigns::named(tx.conn, item.app, &campaign.name)?
    {
        let accepted_at = tx
            .conn
            .prepare_cached("SELECT accepted_at FROM notifications WHERE notification_no = ?1")?
            .query_row([no.0], |row| row.get(0))?;
        return Ok(Some(Acceptance::NameTaken { no, accepted_at }));
    }
    if let When::Fired(fired) = &item.when
        && !timers::take(tx, fired.claim)?
    {
        return Ok(Some(Acceptance::Stale));
    }
    if let Some(claim) = item.consumes
        && !gathering::consume(tx, claim)?
    {
        return Ok(Some(Acceptance::Stale));
    }
    let Some(throttle) = &item.throttle else {
        return Ok(None);
    };
    if planted(Bug::IgnoreThrottle) {
        return Ok(None);
    }
    let denied = gathering::take(tx, item.app, throttle, item.accepted_at)?;
    Ok(denied.map(|next_allowed_at| Acceptance::Throttled { next_allowed_at }))
}

/// What was refused used no key.
fn forget_key(tx: &Tx<'_>, idempotency: Option<&Idempotency>) -> Done<()> {
    if let Some(idempotency) = idempotency {
        tx.conn
            .prepare_cached("DELETE FROM idempotency WHERE scoped_key = ?1")?
            .run([&idempotency.scoped_key])?;
    }
    Ok(())
}

/// What a key stands for.
pub(super) enum Remembered {
    /// Nothing before.
    New,
    /// The same before.
    Repeated {
        no: NotificationNo,
        accepted_at: UnixMs,
    },
    /// Something else before.
    Reused,
}

/// Remembers the key, or tells what it was used for before. A key whose time is over is as good as new.
pub(super) fn remember_key(
    tx: &mut Tx<'_>,
    of: NotificationNo,
    now: UnixMs,
    idempotency: &Idempotency,
) -> Done<Remembered> {
    let inserted = tx
        .conn
        .prepare_cached(
            "INSERT INTO idempotency (scoped_key, body_hash, keep_until, notification_no, accepted_at)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (scoped_key) DO NOTHING",
        )?
        .execute(params![
            idempotency.scoped_key,
            idempotency.body_hash,
            idempotency.keep_until,
            of.0,
            now
        ])?;
    if inserted == 1 {
        return Ok(Remembered::New);
    }
    let (body_hash, keep_until, no, accepted_at) = tx
        .conn
        .prepare_cached(
            "SELECT body_hash, keep_until, notification_no, accepted_at FROM idempotency WHERE scoped_key = ?1",
        )?
        .query_row([&idempotency.scoped_key], |row| {
            Ok((
                row.get::<_, Vec<u8>>(0)?,
                row.get::<_, i64>(1)?,
                NotificationNo(row.get(2)?),
                row.get(3)?,
            ))
        })
        .optional()?
        .at("idempotency", "scoped_key", of)?;
    if keep_until <= now {
        tx.conn
            .prepare_cached("DELETE FROM idempotency WHERE scoped_key = ?1")?
            .run([&idempotency.scoped_key])?;
        return remember_key(tx, of, now, idempotency);
    }
    Ok(if body_hash == idempotency.body_hash {
        Remembered::Repeated { no, accepted_at }
    } else {
        Remembered::Reused
    })
}

/// What these keys and bodies stand for.
pub(super) fn accepted_before(
    conn: &Connection,
    keys: &[(String, [u8; 32])],
    now: UnixMs,
) -> Done<Vec<Option<(NotificationNo, UnixMs)>>> {
    let mut find = conn.prepare_cached(
        "SELECT notification_no, accepted_at FROM idempotency
         WHERE scoped_key = ?1 AND body_hash = ?2 AND keep_until > ?3",
    )?;
    let mut found = Vec::with_capacity(keys.len());
    for (scoped_key, body_hash) in keys {
        let before = find
            .query_row(params![scoped_key, body_hash, now], |row| {
                Ok((NotificationNo(row.get(0)?), row.get(1)?))
            })
            .optional()?;
        found.push(before);
    }
    Ok(found)
}
