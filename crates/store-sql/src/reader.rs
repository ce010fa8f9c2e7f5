//! Reader threads: each has a connection that cannot write. One of them takes only what the hot
//! path asks, so that no page of somebody's list delays a push.

use crate::db::driver::Server;
use crate::db::{Connection, Session, Step};
use carillon_ports::upkeep::Upkeep;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::time::Duration;

/// A read: gets the connection, and answers by itself. It does not, and returns `false`, where the connection is lost and
/// it may be run once more, which the second argument says.
pub(crate) type Read = Box<dyn FnMut(&Connection, bool) -> bool + Send>;

/// How long a reader has nothing to do before it gives its memory back. The hot one is asked four
/// times a second even at rest.
const IDLE: Duration = Duration::from_millis(100);

/// Most reads under one snapshot.
const GROUP: usize = 64;

/// Reads that wait, bounded by the callers' permits.
#[derive(Default)]
pub(crate) struct Reads {
    waiting: Mutex<Waiting>,
    /// Wakes the reader that takes only hot reads.
    came_hot: Condvar,
    /// Wakes one that takes all.
    came: Condvar,
}

#[derive(Default)]
struct Waiting {
    hot: VecDeque<Read>,
    other: VecDeque<Read>,
    /// Whether the reader that takes only hot reads has nothing to do.
    hot_is_idle: bool,
    closed: bool,
}

impl Reads {
    /// Appends. `false`: closed.
    pub(crate) fn push(&self, hot: bool, read: Read) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return false;
        }
        if hot {
            waiting.hot.push_back(read);
        } else {
            waiting.other.push_back(read);
        }
        let hot_is_idle = hot && std::mem::take(&mut waiting.hot_is_idle);
        // The hot reader takes all that came while it was busy: another one is woken only when that is more
        // than a group, since a wake-up costs more than a read.
        let is_enough = hot && waiting.hot.len() <= GROUP;
        drop(waiting);
        if hot_is_idle {
            self.came_hot.notify_one();
        } else if !is_enough {
            self.came.notify_one();
        }
        true
    }

    /// Nothing comes in any more; what waits is still done.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.came_hot.notify_all();
        self.came.notify_all();
    }

    /// Serves until closed and empty.
    pub(crate) fn serve(
        &self,
        conn: &Connection,
        server: Option<&dyn Server>,
        hot_only: bool,
        upkeep: Upkeep,
    ) {
        while let Some(group) = self.next_group(hot_only, upkeep) {
            match (conn.session(), server) {
                (Some(session), Some(server)) => {
                    for read in group {
                        from_server(conn, session, server, read);
                    }
                }
                _ => from_file(conn, group),
            }
        }
    }

    fn next_group(&self, hot_only: bool, upkeep: Upkeep) -> Option<Vec<Read>> {
        let mut waiting = self.waiting.lock();
        let mut is_rested = false;
        let mut has_yielded = false;
        loop {
            if !waiting.hot.is_empty() {
                let n = waiting.hot.len().min(GROUP);
                return Some(waiting.hot.drain(..n).collect());
            }
            if !hot_only && let Some(read) = waiting.other.pop_front() {
                return Some(vec![read]);
            }
            if waiting.closed {
                return None;
            }
            if !has_yielded {
                // Under load whoever asks is about to ask again: let him, rather than sleep and be woken.
                has_yielded = true;
                MutexGuard::unlocked(&mut waiting, std::thread::yield_now);
                continue;
            }
            let came = if hot_only { &self.came_hot } else { &self.came };
            waiting.hot_is_idle |= hot_only;
            if is_rested {
                came.wait(&mut waiting);
            } else if came.wait_for(&mut waiting, IDLE).timed_out() {
                is_rested = true;
                MutexGuard::unlocked(&mut waiting, || upkeep.once());
            }
            waiting.hot_is_idle &= !hot_only;
        }
    }
}

fn from_file(conn: &Connection, group: Vec<Read>) {
    // One snapshot for the group saves the locks of one each. Without it each is on its own.
    let snapshot = group.len() > 1 && conn.step(Step::BeginReading).is_ok();
    for mut read in group {
        read(conn, false);
    }
    if snapshot && let Err(error) = conn.step(Step::Commit) {
        tracing::warn!(%error, "could not end a read transaction");
    }
}

/// Each read has a snapshot of its own: a statement that fails would end one that it shares.
fn from_server(conn: &Connection, session: &Session, server: &dyn Server, mut read: Read) {
    if !session.with(|driver| driver.is_alive()) {
        renew(session, server);
    }
    if !in_snapshot(conn, &mut read, true) {
        renew(session, server);
        in_snapshot(conn, &mut read, false);
    }
}

fn in_snapshot(conn: &Connection, read: &mut Read, may_repeat: bool) -> bool {
    // Whatever is wrong, the read's own statements meet it, and whoever asked is told.
    if let Err(error) = conn.step(Step::BeginReading) {
        tracing::debug!(%error, "could not begin a read transaction");
    }
    let is_answered = read(conn, may_repeat);
    if let Err(error) = conn.step(Step::Commit) {
        tracing::debug!(%error, "could not end a read transaction");
    }
    is_answered
}

fn renew(session: &Session, server: &dyn Server) {
    if let Err(error) = session.renew(server) {
        tracing::debug!(%error, "no new connection to read");
    }
}
