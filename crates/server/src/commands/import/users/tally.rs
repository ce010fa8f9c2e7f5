//! What became of the rows, counted; with `--resume` also of those before.

use crate::exit::{Exit, Failure};
use crate::output::Output;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bad rows that are printed for people; the rest is counted.
const SHOWN: usize = 20;
/// Bad rows that are kept for programs.
const KEPT: usize = 10_000;

/// The count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// All.
    pub(super) rows: u64,
    /// Devices that are new.
    pub(super) registered: u64,
    /// Devices that were there.
    pub(super) updated: u64,
    /// Rows whose push token an earlier row had.
    pub(super) doubled: u64,
    /// Rows without a push token.
    pub(super) empty: u64,
    /// Rows that are left out for a reason, by it.
    pub(super) left_out: BTreeMap<String, u64>,
    /// Rows that are wrong.
    pub(super) refused: u64,
    /// The first of these.
    pub(super) problems: Vec<RowProblem>,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RowProblem {
    /// Its number.
    pub(super) row: u64,
    /// The column, where it is one.
    pub(super) column: Option<String>,
    /// Why.
    pub(super) detail: String,
}

impl Tally {
    /// One row is wrong.
    pub(super) fn refuse(&mut self, problem: RowProblem) {
        self.refused += 1;
        if self.problems.len() < KEPT {
            self.problems.push(problem);
        }
    }

    /// Tells it; an error when a row was refused, or nothing went in. `push_token` names the column.
    pub(super) fn tell(&self, push_token: &str, output: Output) -> anyhow::Result<()> {
        if output.is_json()
            && let Ok(json) = serde_json::to_value(self)
        {
            output.json(&json);
        }
        output.line(format!(
            "{} rows: {} registered, {} updated, {} refused",
            self.rows, self.registered, self.updated, self.refused
        ));
        if self.doubled > 0 {
            output.line(format!(
                "{} more have the push token of an earlier row: one device, as the last of them says",
                self.doubled
            ));
        }
        if self.empty > 0 {
            output.line(format!("{} have no push token in {push_token}", self.empty));
        }
        for (why, count) in &self.left_out {
            output.line(format!("{count} left out: {why}"));
        }
        for problem in self.problems.iter().take(SHOWN) {
            let column = problem.column.as_ref();
            let column = column.map_or(String::new(), |column| format!("{column}: "));
            output.line(format!("  row {}: {column}{}", problem.row, problem.detail));
        }
        if self.refused > SHOWN as u64 {
            let more = self.refused - SHOWN as u64;
            output.line(format!("  and {more} more; --json lists them"));
        }
        let failed =
            |message: String, mend: &str| Err(Failure::new(Exit::Data, message).mend(mend).into());
        if self.registered + self.updated + self.doubled == 0 {
            let message = match (self.rows, self.empty) {
                (0, _) => "there are no rows: nothing was imported".to_owned(),
                (rows, empty) if rows == empty => {
                    format!("{push_token} is empty in all {rows} rows: nothing was imported")
                }
                (rows, _) => format!("none of {rows} rows could be imported"),
            };
            let mend = "check that --from and --push-token-column name the right ones";
            return failed(message, mend);
        }
        if self.refused > 0 {
            let mend = "mend those rows and import again: the others are only updated";
            return failed(format!("{} rows were refused", self.refused), mend);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::code_of;

    #[test]
    fn nothing_in_is_an_error_with_its_reason() {
        let output = Output::new(true);
        let tell = |tally: &Tally| tally.tell("column 7", output);
        let mut tally = Tally::default();
        assert!(tell(&tally).unwrap_err().to_string().contains("no rows"));
        tally.rows = 2;
        tally.empty = 2;
        let error = tell(&tally).unwrap_err();
        assert_eq!(
            error.to_string(),
            "column 7 is empty in all 2 rows: nothing was imported"
        );
        assert_eq!(code_of(&error), Exit::Data);
        tally.rows = 3;
        tally.refuse(RowProblem {
            row: 3,
            column: None,
            detail: "no".into(),
        });
        assert!(tell(&tally).unwrap_err().to_string().contains("none of 3"));
        tally.updated = 1;
        assert_eq!(tell(&tally).unwrap_err().to_string(), "1 rows were refused");
        tally.refused = 0;
        assert!(tell(&tally).is_ok());
    }
}
