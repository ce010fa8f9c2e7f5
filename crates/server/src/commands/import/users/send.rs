//! Pages of rows to the import of the API, and what it says of each row.

use super::leave_out::{LEFT_OUT, LeaveOut};
use super::mapping::Prepared;
use super::progress::{Progress, Trail};
use super::tally::{RowProblem, Tally};
use super::{Prepare, Rest};
use crate::client::ApiClient;
use crate::commands::device::import_path;
use crate::commands::import::rows::{Row, Rows};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use serde_json::{Value, json};
use std::collections::HashSet;

/// An import under way.
pub(super) struct Sending<'a> {
    client: &'a ApiClient,
    path: String,
    progress: Progress,
    /// Rows that went in before an interruption.
    done: u64,
    tally: Tally,
    /// Beginnings of the hashes of the push tokens so far. Eight bytes each: two that are equal by chance would only
    /// be counted wrongly.
    seen: HashSet<u64>,
    /// What the rows so far were.
    trail: Trail,
    /// What those were that went in before an interruption, until they are read again.
    before: Option<String>,
    leave_out: LeaveOut,
    output: Output,
}

/// A row on its way.
struct Sent {
    row: u64,
    is_doubled: bool,
}

impl<'a> Sending<'a> {
    /// Before the first row, or where it was interrupted.
    pub(super) fn begin(
        client: &'a ApiClient,
        rest: &Rest,
        progress: Progress,
        leave_out: LeaveOut,
        output: Output,
    ) -> Result<Self, Failure> {
        let tally = if rest.resume { progress.load()? } else { None };
        match &tally {
            Some((tally, _)) => {
                output.note(format!("going on after row {} of the source", tally.rows))
            }
            None if rest.resume => {
                output.note("nothing was interrupted: beginning with the first row")
            }
            None => {}
        }
        let (tally, before) = match tally {
            Some((tally, rows)) => (tally, Some(rows)),
            None => (Tally::default(), None),
        };
        Ok(Self {
            client,
            path: import_path(&rest.app),
            progress,
            done: tally.rows,
            tally,
            seen: HashSet::new(),
            trail: Trail::new(),
            before,
            leave_out,
            output,
        })
    }

    /// To the end, and tells.
    pub(super) async fn run(mut self, mut rows: Rows, how: &impl Prepare) -> anyhow::Result<()> {
        let bar = self.output.progress("rows", None);
        let mut before = 0;
        while let Some(page) = rows.pages.recv().await {
            let page = page.map_err(|failure| self.interrupted(failure))?;
            let known = (self.done - before).min(page.len() as u64);
            let (skipped, fresh) = page.split_at(known as usize);
            before += known;
            for row in skipped {
                self.trail.add(row);
                if let Prepared::Device { push_token, .. } = how.prepare(row) {
                    self.seen.insert(push_token);
                }
            }
            if before == self.done {
                self.is_the_same()?;
            }
            if !fresh.is_empty() {
                let sent = self.page(fresh, how).await;
                sent.map_err(|failure| self.interrupted(failure))?;
            }
            bar.inc(page.len() as u64);
        }
        bar.finish_and_clear();
        // Fewer rows than before are not the same either.
        self.is_the_same()?;
        self.progress.forget();
        self.tally.tell(&how.push_token(), self.output)
    }

    /// Whether what went in before an interruption is what was read again now. Asked once.
    fn is_the_same(&mut self) -> Result<(), Failure> {
        match self.before.take() {
            Some(before) if before != self.trail.shown() => {
                let message = format!(
                    "the first {} rows are others than those that went in before, or in another order: some would never go in",
                    self.done
                );
                Err(Failure::new(Exit::Data, message).mend(
                    "leave out --resume: what went in is only updated. An ORDER BY in --query keeps the order",
                ))
            }
            _ => Ok(()),
        }
    }

    /// One page. Counted as a whole, after all of it is answered.
    async fn page(&mut self, rows: &[Row], how: &impl Prepare) -> Result<(), Failure> {
        let mut tally = self.tally.clone();
        let mut trail = self.trail.clone();
        let (mut body, mut sent) = (String::new(), Vec::new());
        for row in rows {
            tally.rows += 1;
            trail.add(row);
            match how.prepare(row) {
                Prepared::Device {
                    body: device,
                    push_token,
                } => {
                    if self.leave_out.has(push_token) {
                        *tally.left_out.entry(LEFT_OUT.to_owned()).or_default() += 1;
                        continue;
                    }
                    body.push_str(&device.to_string());
                    body.push('\n');
                    sent.push(Sent {
                        row: row.number,
                        is_doubled: !self.seen.insert(push_token),
                    });
                }
                Prepared::Empty => tally.empty += 1,
                Prepared::LeftOut(why) => *tally.left_out.entry(why.to_owned()).or_default() += 1,
                Prepared::Refused(detail) => tally.refuse(RowProblem {
                    row: row.number,
                    column: None,
                    detail,
                }),
            }
        }
        if !sent.is_empty() {
            self.send(body, &sent, &mut tally, how).await?;
        }
        (self.tally, self.trail) = (tally, trail);
        if let Err(failure) = self.progress.save(&self.tally, &self.trail) {
            self.output.note(format!(
                "{failure}: an interrupted import will have to begin again"
            ));
        }
        Ok(())
    }

    async fn send(
        &self,
        body: String,
        sent: &[Sent],
        tally: &mut Tally,
        how: &impl Prepare,
    ) -> Result<(), Failure> {
        let (mut answered, mut broken) = (0, None);
        let each = |line: &str| {
            let Ok(result) = serde_json::from_str::<Value>(line) else {
                return;
            };
            let at = result["line"].as_u64().unwrap_or(0) as usize;
            let Some(sent) = at.checked_sub(1).and_then(|at| sent.get(at)) else {
                broken = Some(shown(&result, "/problem/detail"));
                return;
            };
            // What the store could not do says nothing of the row.
            if matches!(result["problem"]["status"].as_u64(), Some(429 | 500..)) {
                broken = Some(shown(&result, "/problem/detail"));
                return;
            }
            answered += 1;
            count(&result, sent, tally, how);
        };
        self.client
            .stream_lines(&self.path, "application/x-ndjson", &[], body, each)
            .await?;
        if answered == sent.len() && broken.is_none() {
            return Ok(());
        }
        let why = broken.unwrap_or_else(|| "the answer broke off".into());
        let message = format!(
            "the server did not take {} of a page's {} rows: {why}",
            sent.len() - answered,
            sent.len()
        );
        Err(Failure::new(Exit::TempFail, message))
    }

    /// A failure that ends it before its end.
    fn interrupted(&self, failure: Failure) -> Failure {
        if self.tally.rows == 0 {
            return failure;
        }
        let message = format!(
            "{}; {} rows are done, as {} says",
            failure.message,
            self.tally.rows,
            self.progress.file().display()
        );
        let mend = match failure.mend {
            Some(mend) => format!("{mend}; then give the same command with --resume"),
            None => "give the same command with --resume".to_owned(),
        };
        Failure::new(failure.exit, message).mend(mend)
    }
}

/// What the server says of one row.
fn count(result: &Value, sent: &Sent, tally: &mut Tally, how: &impl Prepare) {
    if !result["problem"].is_null() {
        let fields = result["problem"]["errors"].as_array();
        let first = fields.and_then(|fields| fields.first());
        let (column, detail) = match first {
            Some(field) => (
                how.column_of(&shown(field, "/pointer")),
                shown(field, "/message"),
            ),
            None => (None, shown(result, "/problem/detail")),
        };
        tally.refuse(RowProblem {
            row: sent.row,
            column,
            detail,
        });
    } else if sent.is_doubled {
        tally.doubled += 1;
    } else if result["created"] == json!(true) {
        tally.registered += 1;
    } else {
        tally.updated += 1;
    }
}
