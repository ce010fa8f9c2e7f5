//! Settling: outcomes, tries, done work, new work, the fate of push tokens, counters and events, in
//! one transaction.

use super::ledger::{self, Ledger, Why};
use super::{activity_phones, campaigns, claim, live_activities, records, rows};
use crate::db::{Connection, params};
use crate::error::{At, Done};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::environment::TokenEnvironment;
use carillon_model::event::RetiredPushToken;
use carillon_model::id::{DeviceNo, NotificationNo};
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::TokenKind;
use carillon_ports::fault::{Bug, planted, stage};
use carillon_ports::store::{
    BatchSettlement, EnvironmentRepair, RefusedDelivery, Retirement, Settlement, Work,
};

/// About how many rows it writes.
pub(super) fn weight(settlement: &Settlement) -> usize {
    settlement
        .batches
        .iter()
        .map(|b| 1 + b.verdicts.len() / 50 + b.attempts.len())
        .sum::<usize>()
        + settlement.retirements.len()
        + settlement.refused.len()
        + settlement.repairs.len()
        + settlement.counts.len()
        + settlement.events.len()
}

pub(super) fn settle(tx: &mut Tx<'_>, settlement: &Settlement) -> Done<Vec<NotificationNo>> {
    let mut ledger = Ledger::default();
    let learning = settlement
        .batches
        .iter()
        .filter(|batch| !batch.verdicts.is_empty());
    rows::batches_ahead(tx.conn, learning.map(|batch| batch.batch))?;
    for batch in &settlement.batches {
        settle_batch(tx, &mut ledger, batch, settlement.now)?;
    }
    stage("settle.in_transaction");
    for retirement in &settlement.retirements {
        if retire(tx.conn, retirement, settlement.now)? {
            let dead = RetiredPushToken {
                delivery: retirement.delivery.to_string(),
                device: rows::device_name(tx.conn, retirement.device)?,
                kind: retirement.kind.as_str().to_owned(),
                reason: retirement.reason.clone(),
            };
            ledger.news.retired(retirement.app, dead);
            campaigns::retired(tx.conn, retirement.delivery.batch.notification())?;
            tell_activities(tx, retirement, settlement.now)?;
        }
    }
    for refusal in &settlement.refused {
        live_activities::refuse(tx, refusal, settlement.now)?;
    }
    for repair in &settlement.repairs {
        mend(tx.conn, repair)?;
    }
    for count in &settlement.counts {
        records::add_count(tx.conn, count, settlement.now)?;
    }
    for event in &settlement.events {
        records::add_event(tx, event, settlement.now)?;
    }
    ledger.close(tx, settlement.now)
}

fn settle_batch(
    tx: &mut Tx<'_>,
    ledger: &mut Ledger,
    settlement: &BatchSettlement,
    now: UnixMs,
) -> Done<()> {
    let no = settlement.batch;
    let done = match settlement.verdicts[..] {
        [] => true,
        [(0, state)] => ledger.learn_single(tx, no, state, &settlement.failures, now)?,
        _ => false,
    };
    if !done && let Some(mut batch) = ledger::batch(tx.conn, no)? {
        let why = Why::each(&settlement.failures);
        ledger.learn(tx.conn, &mut batch, &settlement.verdicts, &why, now)?;
    }
    for attempt in &settlement.attempts {
        records::add_attempt(tx, no, attempt)?;
    }
    for id in &settlement.done {
        claim::delete(tx, *id)?;
    }
    for work in &settlement.follow_ups {
        insert_work(tx, work)?;
    }
    Ok(())
}

/// Stores a retry or a repair: due, or held by this epoch. Saying it again replaces it.
fn insert_work(tx: &Tx<'_>, work: &Work) -> Done<()> {
    let holder = work.due_at.is_none().then_some(tx.epoch);
    tx.conn
        .prepare_cached(
            "INSERT INTO work (batch_no, seq, lane, class, attempt, due_at, holder, watermark, in_doubt, positions)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (batch_no, seq) DO UPDATE SET lane = excluded.lane, class = excluded.class,
                attempt = excluded.attempt, due_at = excluded.due_at, holder = excluded.holder,
                watermark = excluded.watermark, in_doubt = excluded.in_doubt, positions = excluded.positions",
        )?
        .run(params![
            work.id.batch.0,
            work.id.seq,
            work.lane.code(),
            work.class.code(),
            work.attempt,
            work.due_at,
            holder,
            work.watermark,
            work.in_doubt,
            work.positions.as_ref().map(|positions| positions.encode())
        ])?;
    Ok(())
}

/// Whether it died by this.
fn retire(conn: &Connection, retirement: &Retirement, now: UnixMs) -> Done<bool> {
    let Some(push_token) = push_token(conn, retirement.device, retirement.kind)? else {
        return Ok(false);
    };
    let dies = push_token.dies_by(retirement.generation, retirement.since)
        || (planted(Bug::RetireAgainstRule) && push_token.retired_at.is_none());
    if dies {
        conn.prepare_cached(
            "UPDATE push_tokens SET retired_at = ?3, retired_reason = ?4 WHERE device_no = ?1 AND kind = ?2",
        )?
        .run(params![
            retirement.device.0,
            retirement.kind.code(),
            now,
            retirement.reason
        ])?;
    }
    Ok(dies)
}

/// A push token of a Live Activity died.
fn tell_activities(tx: &mut Tx<'_>, dead: &Retirement, now: UnixMs) -> Done<()> {
    if dead.kind.starts_activity() {
        return activity_phones::forget_start_token(tx.conn, dead.device);
    }
    if !dead.kind.updates_activity() {
        return Ok(());
    }
    let refusal = RefusedDelivery {
        delivery: dead.delivery,
        device: dead.device,
        is_start: false,
        reason: dead.reason.clone(),
    };
    live_activities::refuse(tx, &refusal, now)
}

fn mend(conn: &Connection, repair: &EnvironmentRepair) -> Done<()> {
    conn.prepare_cached(
        "UPDATE push_tokens SET environment = ?4
         WHERE device_no = ?1 AND kind = ?2 AND generation = ?3 AND environment = ?5",
    )?
    .run(params![
        repair.device.0,
        repair.kind.code(),
        repair.generation,
        TokenEnvironment::from(repair.environment).code(),
        TokenEnvironment::Auto.code()
    ])?;
    Ok(())
}

const PUSH_TOKEN: &str =
    "SELECT environment, generation, registered_at, retired_at, address FROM push_tokens
     WHERE device_no = ?1 AND kind = ?2";

/// Push tokens of these devices are about to be read.
pub(super) fn push_tokens_ahead(
    conn: &Connection,
    devices: &[DeviceNo],
    kind: TokenKind,
) -> Done<()> {
    let all = devices.iter().map(|device| [device.0, kind.code().into()]);
    Ok(conn.prepare_cached(PUSH_TOKEN)?.ahead(all)?)
}

/// Reads a push token.
pub(super) fn push_token(
    conn: &Connection,
    device: DeviceNo,
    kind: TokenKind,
) -> Done<Option<PushToken>> {
    let mut statement = conn.prepare_cached(PUSH_TOKEN)?;
    let mut found = statement.query(params![device.0, kind.code()])?;
    let Some(row) = found.next()? else {
        return Ok(None);
    };
    Ok(Some(PushToken {
        device,
        kind,
        bytes: PushTokenBytes(bytes::Bytes::copy_from_slice(rows::blob(row.get_ref(4)?))),
        environment: TokenEnvironment::from_code(row.get(0)?).at(
            "push_tokens",
            "environment",
            device,
        )?,
        generation: row.get(1)?,
        registered_at: rows::registered_at(row.get(2)?),
        retired_at: row.get(3)?,
    }))
}
