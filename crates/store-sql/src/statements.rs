//! The six statements that nearly every notification needs, looked up once for each transaction: the
//! cache's look-up hashes the whole text, which as often for each push is seen in a profile.

use crate::db::{Connection, Result, Statement as Prepared};

/// Which one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Statement {
    InsertNotification,
    InsertBatch,
    InsertWork,
    EndSingle,
    Owner,
    /// The last one: see [`COUNT`].
    DeleteWork,
}

const COUNT: usize = Statement::DeleteWork as usize + 1;

impl Statement {
    fn sql(self) -> &'static str {
        match self {
            Self::InsertNotification => {
                "INSERT INTO notifications (notification_no, app_no, accepted_at, expires_at, options, payload)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
            }
            Self::InsertBatch => {
                "INSERT INTO batches (batch_no, count, open, sole, devices) VALUES (?1, ?2, ?2, ?3, ?4)"
            }
            Self::InsertWork => {
                "INSERT INTO work (batch_no, seq, lane, class, attempt, due_at, holder, watermark, in_doubt)
                 VALUES (?1, 0, ?2, ?3, 0, ?4, ?5, 0, 0)"
            }
            Self::EndSingle => {
                "UPDATE batches SET open = 0, verdicts = ?2, settled_at = ?3
                 WHERE batch_no = ?1 AND open = 1 AND count = 1 AND sole = 1"
            }
            Self::Owner => "SELECT app_no, accepted_at FROM notifications WHERE notification_no = ?1",
            Self::DeleteWork => "DELETE FROM work WHERE batch_no = ?1 AND seq = ?2",
        }
    }
}

/// Those that a transaction has looked up.
#[derive(Default)]
pub(crate) struct Statements<'c>([Option<Prepared<'c>>; COUNT]);

impl<'c> Statements<'c> {
    pub(crate) fn get(
        &mut self,
        conn: &'c Connection,
        which: Statement,
    ) -> Result<&mut Prepared<'c>> {
        match &mut self.0[which as usize] {
            Some(statement) => Ok(statement),
            empty => Ok(empty.insert(conn.prepare_cached(which.sql())?)),
        }
    }
}
