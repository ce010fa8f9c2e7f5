//! What is learnt of deliveries in one command: merged into the verdicts of their batches and into
//! the totals of their notifications, and told by events.

use super::rows::{self, Batch, blob};
use super::{campaigns, records};
use crate::db::{Connection, OptionalExtension, params};
use crate::error::{At, Done, corrupt};
use crate::statements::Statement;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::codec::{Reader, put_uint};
use carillon_model::delivery::FinalState;
use carillon_model::id::{AppNo, BatchNo, DeliveryId, NotificationNo};
use carillon_model::lane::Gateway;
use carillon_model::verdicts::Verdicts;
use carillon_ports::fault::{Bug, planted};
use carillon_ports::news::{News, Owner};
use carillon_ports::store::Failure;
use std::collections::{BTreeMap, HashMap};

/// Version byte of the stored states of a tally.
const VERSION: u8 = 1;

/// Changes of totals, gathered over one command.
#[derive(Default)]
pub(super) struct Ledger {
    changes: BTreeMap<NotificationNo, Change>,
    completed: Vec<NotificationNo>,
    /// What else is to be told.
    pub(super) news: News,
}

/// Why deliveries that are learnt of ended, where they reached nobody.
pub(super) enum Why<'a> {
    /// Each as it was said.
    Each(HashMap<u16, &'a Failure>),
    /// All for one reason.
    All(Gateway, &'a str),
}

impl<'a> Why<'a> {
    pub(super) fn each(failures: &'a [Failure]) -> Self {
        Self::Each(failures.iter().map(|f| (f.position, f)).collect())
    }

    fn of(&self, position: u16) -> Option<(Gateway, &str)> {
        match self {
            Self::Each(each) => each.get(&position).map(|f| (f.gateway, &*f.reason)),
            Self::All(gateway, reason) => Some((*gateway, reason)),
        }
    }
}

/// States by their code; how many.
type States = BTreeMap<u8, i64>;

#[derive(Default)]
struct Change {
    deliveries: i64,
    open: i64,
    states: States,
}

impl Ledger {
    /// A batch of one that ends for the first time, which is nearly all there is: one statement.
    /// `false`: it is something else, nothing was done. On a server nothing is gained by it: whether it is one would
    /// have to be waited for, where many batches are read at once and what they become is written at once.
    pub(super) fn learn_single(
        &mut self,
        tx: &mut Tx<'_>,
        no: BatchNo,
        state: FinalState,
        failures: &[Failure],
        now: UnixMs,
    ) -> Done<bool> {
        if planted(Bug::OverwriteOutcome) || tx.conn.session().is_some() {
            return Ok(false);
        }
        let mut verdicts = Verdicts::open(1);
        verdicts.learn(0, state);
        let changed =
            tx.statement(Statement::EndSingle)?
                .execute(params![no.0, verdicts.encode(), now])?;
        if changed == 1 {
            self.completed.push(no.notification());
            if let Some(why) = failures.iter().rfind(|why| why.position == 0) {
                let id = DeliveryId {
                    batch: no,
                    position: 0,
                };
                self.news.ended(id, why.gateway, None, state, &why.reason);
            }
        }
        Ok(changed == 1)
    }

    /// Merges what was learnt into a batch. Positions that it does not have are passed over.
    pub(super) fn learn(
        &mut self,
        conn: &Connection,
        batch: &mut Batch,
        learnt: &[(u16, FinalState)],
        why: &Why<'_>,
        now: UnixMs,
    ) -> Done<()> {
        let open_before = batch.verdicts.still_open();
        let mut change = Change::default();
        let mut touched = false;
        for (position, state) in learnt {
            if *position >= batch.count {
                continue;
            }
            if planted(Bug::OverwriteOutcome) {
                batch.verdicts = without(&batch.verdicts, *position);
            }
            let (before, after) = batch.verdicts.learn(*position, *state);
            if before == Some(after) {
                continue;
            }
            touched = true;
            if let Some((gateway, reason)) = why.of(*position) {
                let id = DeliveryId {
                    batch: batch.no,
                    position: *position,
                };
                self.news.ended(id, gateway, before, after, reason);
            }
            if let Some(before) = before {
                *change.states.entry(before.code()).or_default() -= 1;
            }
            *change.states.entry(after.code()).or_default() += 1;
        }
        if !touched {
            return Ok(());
        }
        let open = batch.verdicts.still_open();
        let ends = batch.sole && open == 0 && open_before > 0;
        if ends {
            batch.settled_at = Some(now);
        }
        write(conn, batch, open, open_before)?;
        let no = batch.no.notification();
        if !batch.sole {
            change.open = i64::from(open) - i64::from(open_before);
            self.changes.entry(no).or_default().add(change);
        } else if ends {
            self.completed.push(no);
        }
        Ok(())
    }

    /// More deliveries of a notification that has a tally.
    pub(super) fn more(&mut self, no: NotificationNo, deliveries: u64) {
        self.changes.entry(no).or_default().add(Change {
            deliveries: deliveries as i64,
            open: deliveries as i64,
            states: States::new(),
        });
    }

    /// The notification's audience is complete now: it may be done.
    pub(super) fn touch(&mut self, no: NotificationNo) {
        self.changes.entry(no).or_default();
    }

    /// A notification that was done when it was accepted.
    pub(super) fn completed_at_once(&mut self, no: NotificationNo) {
        self.completed.push(no);
    }

    /// Writes the totals and the events. Returns the notifications that are done now.
    pub(super) fn close(mut self, tx: &mut Tx<'_>, now: UnixMs) -> Done<Vec<NotificationNo>> {
        for (no, change) in std::mem::take(&mut self.changes) {
            if apply(tx.conn, no, change, now)? {
                self.completed.push(no);
            }
        }
        for no in &self.completed {
            if planted(Bug::ForgetCompletion) && no.0 % 7 == 0 {
                continue;
            }
            self.news.completed(*no);
        }
        tell(tx, self.news, now)?;
        Ok(self.completed)
    }
}

/// Appends the events of what happened.
pub(super) fn tell(tx: &mut Tx<'_>, news: News, now: UnixMs) -> Done<()> {
    if news.is_empty() {
        return Ok(());
    }
    let about = news.notifications().map(|no| [no.0]);
    tx.statement(Statement::Owner)?.ahead(about)?;
    for (no, failed) in news.failed() {
        campaigns::count_failures(tx.conn, no, failed)?;
    }
    let events = news.into_events(|no| owner(tx, no))?;
    events
        .iter()
        .try_for_each(|event| records::add_event(tx, event, now))
}

pub(super) fn owner(tx: &mut Tx<'_>, no: NotificationNo) -> Done<Owner> {
    Ok(tx
        .statement(Statement::Owner)?
        .query_row([no.0], |row| Ok((AppNo(row.get(0)?), row.get(1)?)))
        .optional()?)
}

impl Change {
    fn add(&mut self, other: Self) {
        self.deliveries += other.deliveries;
        self.open += other.open;
        for (state, count) in other.states {
            *self.states.entry(state).or_default() += count;
        }
    }
}

/// Totals of a notification.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) deliveries: i64,
    pub(super) open: i64,
    pub(super) completed_at: Option<UnixMs>,
    states: States,
}

impl Tally {
    /// Reads one; `None`: the notification is exactly one batch, or gone.
    pub(super) fn read(conn: &Connection, no: NotificationNo) -> Done<Option<Self>> {
        let mut statement = conn.prepare_cached(
            "SELECT deliveries, open, completed_at, states FROM tallies WHERE notification_no = ?1",
        )?;
        let mut rows = statement.query([no.0])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            deliveries: row.get(0)?,
            open: row.get(1)?,
            completed_at: row.get(2)?,
            states: decode(blob(row.get_ref(3)?), no)?,
        }))
    }

    /// How many ended in which state, those that are not none.
    pub(super) fn states(&self) -> Vec<(FinalState, u64)> {
        self.states
            .iter()
            .filter_map(|(code, count)| {
                let count = u64::try_from(*count).ok().filter(|count| *count > 0)?;
                Some((FinalState::from_code(*code)?, count))
            })
            .collect()
    }
}

/// Begins the totals of a notification that is not exactly one batch.
pub(super) fn open_tally(
    tx: &Tx<'_>,
    no: NotificationNo,
    deliveries: u64,
    completed_at: Option<UnixMs>,
) -> Done<()> {
    tx.conn
        .prepare_cached(
            "INSERT INTO tallies (notification_no, deliveries, open, completed_at, states) VALUES (?1, ?2, ?2, ?3, ?4)",
        )?
        .run(params![no.0, deliveries as i64, completed_at, [VERSION]])?;
    Ok(())
}

/// Reads a batch for [`Ledger::learn`]; `None`: retention took it.
pub(super) fn batch(conn: &Connection, no: BatchNo) -> Done<Option<Batch>> {
    rows::batch(conn, no)
}

fn write(conn: &Connection, batch: &Batch, open: u16, open_before: u16) -> Done<()> {
    let verdicts = batch.verdicts.encode();
    if !batch.is_large() {
        conn.prepare_cached(
            "UPDATE batches SET open = ?2, verdicts = ?3, settled_at = ?4 WHERE batch_no = ?1",
        )?
        .run(params![batch.no.0, open, verdicts, batch.settled_at])?;
        return Ok(());
    }
    conn.prepare_cached(
        "INSERT INTO batch_verdicts (batch_no, verdicts) VALUES (?1, ?2)
         ON CONFLICT (batch_no) DO UPDATE SET verdicts = excluded.verdicts",
    )?
    .run(params![batch.no.0, verdicts])?;
    if open != open_before {
        conn.prepare_cached("UPDATE batches SET open = ?2, settled_at = ?3 WHERE batch_no = ?1")?
            .run(params![batch.no.0, open, batch.settled_at])?;
    }
    Ok(())
}

fn apply(conn: &Connection, no: NotificationNo, change: Change, now: UnixMs) -> Done<bool> {
    let Some(mut tally) = Tally::read(conn, no)? else {
        return Ok(false);
    };
    tally.deliveries += change.deliveries;
    tally.open += change.open;
    for (state, count) in change.states {
        *tally.states.entry(state).or_default() += count;
    }
    let completes = tally.open == 0
        && tally.completed_at.is_none()
        && !conn
            .prepare_cached("SELECT 1 FROM fanouts WHERE notification_no = ?1")?
            .exists([no.0])?;
    if completes {
        tally.completed_at = Some(now);
    }
    conn.prepare_cached(
        "UPDATE tallies SET deliveries = ?2, open = ?3, completed_at = ?4, states = ?5 WHERE notification_no = ?1",
    )?
    .run(params![
        no.0,
        tally.deliveries,
        tally.open,
        tally.completed_at,
        encode(&tally.states)
    ])?;
    Ok(completes)
}

fn encode(states: &States) -> Vec<u8> {
    let mut out = vec![VERSION];
    for (code, count) in states {
        if let Some(count) = u64::try_from(*count).ok().filter(|count| *count > 0) {
            out.push(*code);
            put_uint(&mut out, count);
        }
    }
    out
}

fn decode(bytes: &[u8], no: NotificationNo) -> Done<States> {
    let place = ("tallies", "states");
    let mut reader = Reader::new("states", VERSION, bytes).at(place.0, place.1, no)?;
    let mut states = States::new();
    while !reader.is_empty() {
        let code = reader.byte().at(place.0, place.1, no)?;
        let count = reader.uint().at(place.0, place.1, no)?;
        let count = i64::try_from(count)
            .map_err(|_| corrupt(place.0, place.1, no, "count over 63 bits"))?;
        states.insert(code, count);
    }
    Ok(states)
}

/// The planted bug: forgets what was known of a position.
fn without(verdicts: &Verdicts, position: u16) -> Verdicts {
    let mut copy = Verdicts::open(verdicts.count());
    for (other, state) in verdicts.iter() {
        if let Some(state) = state.filter(|_| other != position) {
            copy.learn(other, state);
        }
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_golden() {
        let states = States::from([(1, 300), (4, 0), (2, 1)]);
        let bytes = encode(&states);
        assert_eq!(bytes, [1, 1, 0xac, 0x02, 2, 1]);
        let read = decode(&bytes, NotificationNo(1)).unwrap();
        assert_eq!(read, States::from([(1, 300), (2, 1)]));
        assert!(decode(&[2], NotificationNo(1)).is_err(), "another version");
        assert!(decode(&[1, 1], NotificationNo(1)).is_err(), "cut short");
    }
}
