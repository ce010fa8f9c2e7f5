//! What the teller remembers of one endpoint between rounds: how far it looked, which calls run. All of it
//! can be lost.

use carillon_ports::webhook::EndpointRow;
use std::collections::BTreeSet;

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// The cursor at which `seen` was true.
    cursor: i64,
    /// Events up to this number are not wanted, or are in the queue.
    seen: i64,
    /// The count of the bell when it looked to the log's end.
    looked: Option<u64>,
    /// Looks that a poll may leave out.
    calling: BTreeSet<i64>,
}

impl Desk {
    /// From where the log is to be read.
    pub(super) fn seen(&self, row: &EndpointRow) -> i64 {
        if self.cursor == row.cursor {
            self.seen.max(row.cursor)
        } else {
            row.cursor
        }
    }

    /// Whether the log may hold more than it has seen. Events are written elsewhere too than where the bell
    /// rings, so a poll looks again as well.
    pub(super) fn is_behind(&mut self, row: &EndpointRow, told: u64) -> bool {
        self.cursor != row.cursor || self.looked.take() != Some(told)
    }

    /// It looked up to this event, when the bell had rung so often.
    pub(super) fn saw(&mut self, row: &EndpointRow, up_to: i64, told: u64) {
        (self.cursor, self.seen) = (row.cursor, up_to.max(row.cursor));
        self.looked = Some(told);
    }

    /// There is more to read.
    pub(super) fn is_unread(&mut self) {
        self.looked = None;
    }

    pub(super) fn calling(&self) -> u32 {
        self.calling.len() as u32
    }

    pub(super) fn is_calling(&self) -> bool {
        !self.calling.is_empty()
    }

    /// A call begins. `false`: it runs already.
    pub(super) fn begin(&mut self, event: i64) -> bool {
        self.calling.insert(event)
    }

    pub(super) fn end(&mut self, event: i64) {
        self.calling.remove(&event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::id::{AppNo, WebhookNo};

    fn row(cursor: i64) -> EndpointRow {
        EndpointRow {
            cursor,
            ..EndpointRow::new(WebhookNo(1), AppNo(1), 0)
        }
    }

    #[test]
    fn what_nobody_wanted_is_not_read_again() {
        let mut desk = Desk::default();
        assert!(desk.is_behind(&row(5), 0));
        assert_eq!(desk.seen(&row(5)), 5);
        desk.saw(&row(5), 9, 0);
        assert_eq!(desk.seen(&row(5)), 9);
        assert!(!desk.is_behind(&row(5), 0), "nothing rang since");
        assert!(desk.is_behind(&row(5), 0), "a poll looks again");
        desk.saw(&row(5), 9, 0);
        assert!(desk.is_behind(&row(5), 1), "it rang");
        assert_eq!(desk.seen(&row(20)), 20, "enabled again, further on");
    }

    #[test]
    fn a_call_runs_once() {
        let mut desk = Desk::default();
        assert!(desk.begin(1) && !desk.begin(1));
        assert_eq!((desk.calling(), desk.is_calling()), (1, true));
        desk.end(1);
        assert!(!desk.is_calling());
    }
}
