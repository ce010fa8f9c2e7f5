//! A schedule is due at every full minute while it is active: each of these times comes to exactly one run, which is on
//! record with the one notification that it sent; not before its time, not while it is paused, with the text of its
//! definition. A time is left out by its rule for missed ones alone.

use std::collections::{BTreeMap, HashSet};

use super::later::TOLERANCE;
use crate::books::later::{Asked, Missed, Run, RunResult, Schedule};
use crate::books::{Books, Micros, SECOND};

const MINUTE: Micros = 60 * SECOND;
/// Late by at most so long was not missed: `scheduler.grace`.
const GRACE: Micros = 60 * SECOND;
/// A time so near the end may have met the end.
const NEAR_END: Micros = 90 * SECOND;
/// So long after one schedule of an App was about to fire, all that were due at that time have: they are one transaction,
/// which on a busy machine has to wait for its turn.
const SAME_ROUND: Micros = 30 * SECOND;

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    let mut owners: BTreeMap<&str, u32> = BTreeMap::new();
    for (number, schedule) in (0u32..).zip(&books.schedules) {
        for id in schedule.runs.iter().filter_map(|run| run.id.as_deref()) {
            if let Some(other) = owners.insert(id, number) {
                found.push(format!(
                    "{id} is two runs, of schedules {other} and {number}"
                ));
            }
        }
        let told = judge(books, schedule);
        found.extend(
            told.into_iter()
                .map(|what| format!("schedule {} {what}", schedule.name)),
        );
    }
    found
}

fn judge(books: &Books, schedule: &Schedule) -> Vec<String> {
    let mut found = Vec::new();
    let due: Vec<&Run> = schedule.runs.iter().filter(|run| !run.is_asked).collect();
    for pair in due.windows(2) {
        if pair[1].due <= pair[0].last_due {
            found.push(format!("has two runs for {}", shown(pair[1].due)));
        }
    }
    for run in &schedule.runs {
        found.extend(judge_run(books, schedule, run));
    }
    found.extend(judge_asked(schedule));
    found.extend(missing(books, schedule, &due));
    found
}

fn judge_run(books: &Books, schedule: &Schedule, run: &Run) -> Vec<String> {
    let mut found = Vec::new();
    let at = shown(run.due);
    if run.fired < run.due - TOLERANCE {
        found.push(format!("ran before its time {at}"));
    }
    match run.result {
        RunResult::Failed => found.push(format!("failed at {at}")),
        RunResult::Skipped => found.extend(judge_skipped(books, schedule, run)),
        RunResult::Sent => {
            let is_late = run.fired - run.due > GRACE + TOLERANCE;
            if schedule.missed == Missed::Skip && is_late {
                found.push(format!("made up for {at}, which was missed"));
            }
            if !run.is_asked
                && is_paused(schedule, run.fired - books.slack, run.fired + books.slack)
            {
                found.push(format!("ran at {at} while it was paused"));
            }
            let Some(number) = run.number else {
                found.push(format!(
                    "sent {:?} at {at}, which the store has not",
                    run.id
                ));
                return found;
            };
            let receipts = books.receipts_of_all(number);
            let texts = texts(schedule, run.fired - books.slack, run.fired + books.slack);
            let is_other = |text: Option<u32>| text.is_none_or(|text| !texts.contains(&text));
            if let Some(other) = receipts.iter().find(|receipt| is_other(receipt.text)) {
                let (text, texts) = (other.text, &texts);
                found.push(format!(
                    "said {text:?} at {at}, and is to say one of {texts:?}"
                ));
            }
        }
    }
    found
}

/// Missed times are skipped only where a later one fires for them, or where none is made up for; and only if they were
/// missed.
fn judge_skipped(books: &Books, schedule: &Schedule, run: &Run) -> Option<String> {
    let at = shown(run.due);
    let late = run.fired - run.last_due;
    let has_successor = || {
        schedule.runs.iter().any(|other| {
            other.result == RunResult::Sent
                && !other.is_asked
                && other.fired == run.fired
                && other.due > run.last_due
        })
    };
    match schedule.missed {
        Missed::Fire if !has_successor() => {
            Some(format!("skipped {at}, and nothing made up for it"))
        }
        Missed::Skip if late + books.slack < GRACE && !has_successor() => Some(format!(
            "skipped {at}, which was late by {} ms only",
            late / 1000
        )),
        Missed::Fire | Missed::Skip => None,
    }
}

/// Who asked for a run got one, and nobody else.
fn judge_asked(schedule: &Schedule) -> Vec<String> {
    let mut found = Vec::new();
    let runs: Vec<&str> = schedule
        .runs
        .iter()
        .filter(|run| run.is_asked)
        .map(|run| run.id.as_deref().unwrap_or_default())
        .collect();
    let mut named = HashSet::new();
    let mut open = 0;
    for call in &schedule.calls {
        match &call.what {
            Asked::Run(Some(id)) => {
                named.insert(id.as_str());
                match runs.iter().filter(|run| *run == id).count() {
                    1 => {}
                    count => found.push(format!(
                        "was asked to run ({id}), and has {count} runs of it"
                    )),
                }
            }
            Asked::Run(None) => open += 1,
            _ => {}
        }
    }
    let more = runs.iter().filter(|run| !named.contains(*run)).count();
    if more > open {
        found.push(format!(
            "has {more} runs that somebody asked for and nobody did"
        ));
    }
    found
}

/// Whether it was certainly paused all the time from one instant to another.
fn is_paused(schedule: &Schedule, from: Micros, to: Micros) -> bool {
    let switches = schedule
        .calls
        .iter()
        .filter(|call| !matches!(call.what, Asked::Run(_)));
    let known = switches
        .clone()
        .rfind(|call| call.answered.is_some_and(|at| at < from));
    let is_changed = switches
        .clone()
        .any(|call| call.sent <= to && call.answered.is_none_or(|at| at >= from));
    known.is_some_and(|call| call.what == Asked::Pause) && !is_changed
}

/// The texts that it may say.
fn texts(schedule: &Schedule, from: Micros, to: Micros) -> Vec<u32> {
    let mut texts = Vec::new();
    for call in &schedule.calls {
        let Asked::Put(text) = call.what else {
            continue;
        };
        if call.answered.is_some_and(|at| at < from) {
            texts.clear();
        }
        if call.sent <= to {
            texts.push(text);
        }
    }
    texts
}

/// Times of which nothing is on record, although it was active and nobody changed it before it could fire. When it could
/// is known of those that are left alone: the program may have been down for long.
fn missing(books: &Books, schedule: &Schedule, due: &[&Run]) -> Vec<String> {
    let (Some(first), Some(last)) = (schedule.calls.first(), schedule.calls.last()) else {
        return Vec::new();
    };
    let begin = first.answered.unwrap_or(last.sent) + books.slack;
    let mut at = begin.div_euclid(MINUTE) * MINUTE + MINUTE;
    let mut found = Vec::new();
    while at + NEAR_END < last.sent {
        let fired = match is_left_alone(schedule) {
            true => Some(at),
            false => fired_for(books, schedule.app, at).map(|fired| fired + SAME_ROUND),
        };
        let switches = schedule
            .calls
            .iter()
            .filter(|call| !matches!(call.what, Asked::Run(_)));
        // Where none of those that are left alone has a run, that is the breach.
        let is_in_question = fired.is_none_or(|fired| {
            let since = at - books.slack;
            let is_near = |answered| answered >= since;
            switches
                .clone()
                .any(|call| call.sent <= fired && call.answered.is_none_or(is_near))
        });
        let is_covered = due.iter().any(|run| (run.due..=run.last_due).contains(&at));
        if !is_covered && !is_in_question && !is_paused(schedule, at, at) {
            found.push(format!("has no run for {}", shown(at)));
        }
        at += MINUTE;
    }
    found
}

/// Stored when all began, paused when all ended.
fn is_left_alone(schedule: &Schedule) -> bool {
    schedule.calls.len() <= 2
}

/// When a time of one that is left alone was carried out.
fn fired_for(books: &Books, app: u32, at: Micros) -> Option<Micros> {
    let left_alone = books.schedules.iter();
    let left_alone = left_alone.filter(|other| other.app == app && is_left_alone(other));
    let runs = left_alone.flat_map(|other| &other.runs);
    let of_it = runs.filter(|run| !run.is_asked && (run.due..=run.last_due).contains(&at));
    of_it.map(|run| run.fired).max()
}

fn shown(at: Micros) -> String {
    jiff::Timestamp::from_microsecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use super::*;
    use crate::books::later::ScheduleCall;
    use crate::laws::Law;
    use crate::laws::forge::{Forged, START, true_books};

    /// A schedule that was active for ten minutes, then paused.
    fn books(missed: Missed) -> Forged {
        let mut books = true_books();
        books.schedule(missed);
        for minute in 1..=10 {
            books.fire(minute * MINUTE);
        }
        books
    }

    fn runs(books: &mut Forged) -> &mut Vec<Run> {
        &mut books.0.schedules[0].runs
    }

    fn skip(books: &mut Forged, first: usize, last: usize) {
        let runs = runs(books);
        let last_due = runs[last].due;
        runs.drain(first + 1..=last);
        let run = &mut runs[first];
        (run.last_due, run.result) = (last_due, RunResult::Skipped);
        run.fired = last_due + MINUTE + 5;
        (run.id, run.number) = (None, None);
        runs[first + 1].fired = last_due + MINUTE + 5;
    }

    #[test]
    fn every_minute_once_is_fine() {
        books(Missed::Fire).holds();
        let mut missed = books(Missed::Fire);
        skip(&mut missed, 3, 6);
        missed.holds();
    }

    #[test]
    fn a_time_without_a_run_is_found() {
        let mut books = books(Missed::Fire);
        runs(&mut books).remove(4);
        books.breaks(&[Law::Schedules], "has no run for");
    }

    #[test]
    fn a_time_that_a_change_met_is_not_missed() {
        let changed = |at| {
            let mut books = books(Missed::Fire);
            let mut other = books.0.schedules[0].clone();
            other.name = "changed".into();
            for run in &mut other.runs {
                run.id = None;
            }
            other.runs.remove(4);
            let call = ScheduleCall {
                what: Asked::Put(1),
                sent: START + at,
                answered: Some(START + at + SECOND),
            };
            other.calls.insert(1, call);
            books.0.schedules.push(other);
            books
        };
        changed(5 * MINUTE - SECOND / 2).holds();
        changed(5 * MINUTE + SECOND).holds();
        changed(6 * MINUTE).breaks(&[Law::Schedules], "schedule changed has no run for");
        // The program was down until then.
        let mut down = changed(7 * MINUTE);
        let run = &mut down.0.schedules[0].runs[4];
        run.fired += 2 * MINUTE;
        down.holds();
    }

    #[test]
    fn a_time_with_two_runs_is_found() {
        let mut books = books(Missed::Fire);
        let due = runs(&mut books)[4].due;
        books.fire(due - START);
        runs(&mut books).sort_by_key(|run| run.due);
        books.breaks(&[Law::Schedules], "has two runs for");
    }

    #[test]
    fn a_run_before_its_time_or_without_its_notification_is_found() {
        let mut early = books(Missed::Fire);
        runs(&mut early)[4].fired -= SECOND;
        early.breaks(&[Law::Schedules], "ran before its time");

        let mut lost = books(Missed::Fire);
        runs(&mut lost)[4].number = None;
        lost.breaks(&[Law::Schedules], "which the store has not");

        let mut same = books(Missed::Fire);
        let id = runs(&mut same)[4].id.clone();
        runs(&mut same)[5].id = id;
        same.breaks(&[Law::Schedules], "is two runs");

        let mut failed = books(Missed::Fire);
        runs(&mut failed)[4].result = RunResult::Failed;
        failed.breaks(&[Law::Schedules], "failed at");
    }

    #[test]
    fn a_time_is_left_out_by_its_rule_alone() {
        // Nothing is sent for those that were skipped.
        let mut alone = books(Missed::Fire);
        skip(&mut alone, 3, 6);
        runs(&mut alone)[4].fired += 1;
        alone.breaks(&[Law::Schedules], "nothing made up for it");

        let mut punctual = books(Missed::Skip);
        skip(&mut punctual, 3, 6);
        let run = &mut runs(&mut punctual)[3];
        run.fired = run.last_due + 5;
        punctual.breaks(&[Law::Schedules], "which was late by 0 ms only");

        let mut made_up = books(Missed::Skip);
        runs(&mut made_up)[3].fired += 2 * GRACE;
        made_up.breaks(&[Law::Schedules], "which was missed");
    }

    #[test]
    fn a_run_while_it_is_paused_is_found() {
        let mut paused = books(Missed::Fire);
        paused.0.schedules[0].calls.insert(
            1,
            ScheduleCall {
                what: Asked::Pause,
                sent: START + 9 * MINUTE + 10 * SECOND,
                answered: Some(START + 9 * MINUTE + 11 * SECOND),
            },
        );
        paused.breaks(&[Law::Schedules], "while it was paused");
    }

    #[test]
    fn a_run_that_says_what_it_was_changed_from_is_found() {
        let put = |sent| ScheduleCall {
            what: Asked::Put(2),
            sent,
            answered: Some(sent + SECOND),
        };
        let mut changed = books(Missed::Fire);
        let at = START + 9 * MINUTE + 10 * SECOND;
        changed.0.schedules[0].calls.insert(1, put(at));
        changed.breaks(&[Law::Schedules], "said Some(1)");
        // While it is being changed it may say either.
        let mut changing = books(Missed::Fire);
        let at = START + 10 * MINUTE - SECOND / 2;
        changing.0.schedules[0].calls.insert(1, put(at));
        changing.holds();
    }

    #[test]
    fn who_asks_for_a_run_gets_one() {
        let asked = |id: &str| {
            let mut books = books(Missed::Fire);
            let sent = START + 3 * MINUTE + SECOND;
            books.0.schedules[0].calls.insert(
                1,
                ScheduleCall {
                    what: Asked::Run(Some(id.to_owned())),
                    sent,
                    answered: Some(sent + SECOND),
                },
            );
            books
        };
        asked("ntf_lost").breaks(&[Law::Schedules], "has 0 runs of it");
        let mut books = books(Missed::Fire);
        runs(&mut books)[0].is_asked = true;
        books.breaks(&[Law::Schedules], "that somebody asked for and nobody did");
    }
}
