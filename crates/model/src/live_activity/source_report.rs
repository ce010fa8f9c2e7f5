//! What came of reading a table that Live Activities follow: stored, and shown to people.

use crate::UnixMs;
use serde::{Deserialize, Serialize};

/// Most rows of which it is said what is wrong with them; the others are counted.
const MAX_PROBLEMS: usize = 20;
/// Most characters of what is said of one.
const MAX_MESSAGE: usize = 300;

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowProblem {
    /// Its id; where it has none, `row` and its number from 1.
    pub row: String,
    /// What is wrong with it, in words.
    pub message: String,
}

/// What came of the last readings of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceReport {
    /// When the last reading began, in Unix milliseconds.
    pub read_at: UnixMs,
    /// When the last one began that came to its end, in Unix milliseconds.
    pub complete_at: Option<UnixMs>,
    /// How many failed since.
    pub failures: u32,
    /// Why the last one failed, if it did.
    pub error: Option<String>,
    /// Rows that the last complete one found.
    pub rows: u64,
    /// Of them: new or different ones whose activity was declared or changed.
    pub changed: u64,
    /// Activities that it ended: their rows said so, or were gone.
    pub ended: u64,
    /// New or different rows of activities that were over before.
    pub over: u64,
    /// New or different rows without a token, user or device.
    pub waiting: u64,
    /// Rows that could not be followed.
    pub bad: u64,
    /// Some of these.
    pub problems: Vec<RowProblem>,
}

impl SourceReport {
    /// The report of a reading that begins now, after this one.
    #[must_use]
    pub fn next(&self, now: UnixMs) -> Self {
        Self {
            read_at: now,
            complete_at: self.complete_at,
            failures: self.failures,
            ..Self::default()
        }
    }

    /// A row could not be followed.
    pub fn bad_row(&mut self, row: String, message: &str) {
        self.bad += 1;
        if self.problems.len() < MAX_PROBLEMS {
            let message = shortened(message);
            self.problems.push(RowProblem { row, message });
        }
    }

    /// It came to its end.
    pub fn complete(&mut self) {
        (self.complete_at, self.failures) = (Some(self.read_at), 0);
    }

    /// It did not; what the last complete one found stays known.
    #[must_use]
    pub fn failed(before: &Self, now: UnixMs, error: &str) -> Self {
        Self {
            read_at: now,
            failures: before.failures.saturating_add(1),
            error: Some(shortened(error)),
            ..before.clone()
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_until_one_is_complete() {
        let mut first = SourceReport::default().next(10);
        first.rows = 3;
        first.complete();
        let second = SourceReport::failed(&first, 20, "away");
        let third = SourceReport::failed(&second, 30, &"x".repeat(1_000));
        assert_eq!(
            (third.failures, third.rows, third.complete_at),
            (2, 3, Some(10))
        );
        assert!(third.error.as_ref().unwrap().chars().count() <= 301);
        let mut fourth = third.next(40);
        assert_eq!((fourth.failures, fourth.rows), (2, 0));
        fourth.complete();
        assert_eq!(
            (fourth.failures, fourth.complete_at, fourth.error),
            (0, Some(40), None)
        );
    }

    #[test]
    fn some_bad_rows_are_told_and_all_are_counted() {
        let mut report = SourceReport::default();
        for row in 0..50 {
            report.bad_row(row.to_string(), "why");
        }
        assert_eq!((report.bad, report.problems.len()), (50, MAX_PROBLEMS));
    }
}
