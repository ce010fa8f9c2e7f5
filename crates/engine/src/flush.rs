//! A job's progress goes to the ledger: at once for small batches, 4 to 8 times in the life of a
//! large one, and never later than `max_flush_delay_ms`.

use crate::core::Core;
use crate::job::{Job, JobKey, Move};
use crate::ledger::replace_work;
use crate::moment::{Moment, ms};
use carillon_model::positions::Positions;
use carillon_ports::store::{Work, WorkId};

/// Held deliveries that are due within so long go together, when the last of them is due: quiet hours are
/// told in minutes.
const HOLD_SLACK_MS: i64 = 1_000;

impl Core {
    pub(crate) fn progressed(&mut self, key: JobKey, moment: Moment) {
        self.progressing += 1;
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        if job.progress.since.is_none() {
            job.progress.since = Some(moment.at);
            if job.open > 0 {
                self.dirty.push(key);
            }
        }
        let progress = &job.progress;
        // Of a job whose doubt is dropped, only the verdicts can be handed over before its end.
        let moves = if job.note.drops_doubt() {
            0
        } else {
            progress.moves.len()
        };
        if job.open == 0 || progress.verdicts.len() + moves >= job.flush_at {
            self.flush(key);
        }
    }

    /// Hands a job's progress to the ledger. A job without open deliveries is gone after it.
    pub(crate) fn flush(&mut self, key: JobKey) {
        let Some(job) = self.jobs.get(key) else {
            return;
        };
        let is_over = job.open == 0;
        self.hand_over(key, None);
        if is_over {
            self.forget(key);
        }
    }

    /// Progress to the ledger. The work row is done when the job is over, is replaced by `row`, or
    /// otherwise by one without the deliveries that moved on, held as before.
    pub(crate) fn hand_over(&mut self, key: JobKey, row: Option<Work>) {
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        let is_over = job.open == 0;
        // Rewriting the row of a job whose doubt is dropped would race with its watermark.
        let keeps_moves = !is_over && row.is_none() && job.note.drops_doubt();
        let progress = &mut job.progress;
        let moves = if keeps_moves {
            Vec::new()
        } else {
            std::mem::take(&mut progress.moves)
        };
        let verdicts = std::mem::take(&mut progress.verdicts);
        let failures = std::mem::take(&mut progress.failures);
        let counts = std::mem::take(&mut progress.counts);
        let attempts = std::mem::take(&mut progress.attempts);
        progress.since = None;
        let handed = verdicts.len() + moves.len();
        if handed == 0 && attempts.is_empty() && !is_over && row.is_none() {
            return;
        }
        self.progressing -= handed;
        job.held -= handed as u32;
        let gauge = &self.lanes.all[job.lane].gauge;
        self.hub
            .gauges
            .free(gauge, job.work.class, handed as u32, 0);
        let old = job.work.id;
        let note = (job.note.app, job.note.accepted_at);
        let mut new = self.follow_ups(key, &moves);
        for work in &new {
            if let Some(due_at) = work.due_at {
                self.ledger.due(work.lane, work.class, due_at);
            }
        }
        let is_replaced = is_over || row.is_some() || !moves.is_empty();
        if let Some(row) = row {
            new.push(row);
        } else if is_replaced
            && !is_over
            && let Some(job) = self.jobs.get_mut(key)
        {
            job.work.id.seq = self.hub.parts.store.next_seq();
            new.push(held_row(job));
        }
        let batch = self.ledger.batch(old.batch, note);
        batch.verdicts.extend(verdicts);
        batch.failures.extend(failures);
        batch.attempts.extend(attempts);
        if is_replaced {
            replace_work(batch, old, new);
        }
        self.ledger.count(old.batch, counts);
        self.ledger.add(handed);
        self.hub.bells.settle.notify_one();
    }

    /// Work rows for deliveries that are tried again: those that are due at about the same time
    /// together.
    fn follow_ups(&self, key: JobKey, moves: &[Move]) -> Vec<Work> {
        let Some(job) = self.jobs.get(key) else {
            return Vec::new();
        };
        let mut moves = moves.to_vec();
        moves.sort_by_key(|moved| (moved.is_held, moved.in_doubt, moved.due_at, moved.position));
        let together = |first: &Move, next: &Move| {
            let slack = if first.is_held {
                HOLD_SLACK_MS
            } else {
                (first.delay_ms / 8).max(250)
            };
            let is_alike = first.in_doubt == next.in_doubt && first.is_held == next.is_held;
            is_alike && next.due_at - first.due_at <= slack
        };
        let mut works = Vec::new();
        let mut rest = moves.as_slice();
        while let Some(first) = rest.first() {
            let count = rest.partition_point(|moved| together(first, moved));
            let (group, later) = rest.split_at(count.max(1));
            rest = later;
            works.push(Work {
                id: WorkId {
                    batch: job.work.id.batch,
                    seq: self.hub.parts.store.next_seq(),
                },
                lane: job.work.lane,
                class: job.work.class,
                attempt: job.work.attempt.saturating_add((!first.is_held).into()),
                positions: Some(Positions::new(
                    group.iter().map(|moved| moved.position).collect(),
                )),
                due_at: group.iter().map(|moved| moved.due_at).max(),
                watermark: 0,
                in_doubt: first.in_doubt,
            });
        }
        works
    }

    /// Hands old progress of large batches to the ledger.
    pub(crate) fn flush_old(&mut self, moment: Moment) {
        let delay = ms(self.hub.parts.config.max_flush_delay_ms);
        for key in std::mem::take(&mut self.dirty) {
            let since = self.jobs.get(key).and_then(|job| job.progress.since);
            match since {
                None => {}
                Some(since) if since + delay <= moment.at => self.flush(key),
                Some(_) => self.dirty.push(key),
            }
        }
    }
}

/// The row of what is still open in a job.
pub(crate) fn held_row(job: &Job) -> Work {
    Work {
        positions: Some(Positions::new(job.open_positions())),
        due_at: None,
        ..job.work.clone()
    }
}
