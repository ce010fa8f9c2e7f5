//! An incident is opened once for a service that failed, and closed once; each step of its ladder is taken once and in order,
//! none left out, none while somebody has it in hand or after it is closed; over restarts, and whoever leads.

use super::later::TOLERANCE;
use crate::books::Books;
use crate::books::monitors::{Incident, Monitor, STEPS, What};
use crate::books::{Micros, SECOND};

/// So many failing answers in a row, over so long, are an incident, whatever else happens.
const SURELY: usize = 5;
const SURELY_FOR: Micros = 30 * SECOND;

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    for monitor in &books.monitors {
        let told = judge(books, monitor);
        let name = &monitor.name;
        found.extend(
            told.into_iter()
                .map(|what| format!("monitor {name} {what}")),
        );
    }
    let is_watched = books
        .monitors
        .iter()
        .any(|monitor| !monitor.answers.is_empty());
    let has_incident = books
        .monitors
        .iter()
        .any(|monitor| !monitor.incidents.is_empty());
    if is_watched && !has_incident {
        found.push("no monitor had an incident".to_owned());
    }
    found
}

fn judge(books: &Books, monitor: &Monitor) -> Vec<String> {
    let mut found = Vec::new();
    let mut closed_at = Micros::MIN;
    for (expected, incident) in (1..).zip(&monitor.incidents) {
        let no = incident.no;
        if no != expected {
            found.push(format!("has incident {no} where {expected} is expected"));
            return found;
        }
        let told = judge_entries(incident);
        found.extend(
            told.into_iter()
                .map(|what| format!("has incident {no}, which {what}")),
        );
        let at = |what: &What| {
            let mut entries = incident.entries.iter();
            entries
                .find(|entry| entry.what == *what)
                .map(|entry| entry.at)
        };
        let Some(opened_at) = at(&What::Opened) else {
            continue;
        };
        if opened_at < closed_at.saturating_sub(TOLERANCE) {
            found.push(format!(
                "has incident {no}, opened before the one before was closed"
            ));
        }
        let has_failed = monitor.answers.iter().any(|answer| {
            let at = books.business(answer.at);
            !answer.is_well
                && at >= closed_at.saturating_sub(TOLERANCE)
                && at <= opened_at + TOLERANCE + books.slack
        });
        if incident.fault == "status" && !has_failed {
            found.push(format!("has incident {no}, and the service had not failed"));
        }
        closed_at = at(&What::Resolved).unwrap_or(Micros::MAX);
    }
    found.extend(missed(books, monitor));
    found
}

fn judge_entries(incident: &Incident) -> Vec<String> {
    let mut found = Vec::new();
    let count = |what: &What| {
        incident
            .entries
            .iter()
            .filter(|entry| entry.what == *what)
            .count()
    };
    let (opened, resolved) = (count(&What::Opened), count(&What::Resolved));
    if opened != 1
        || incident
            .entries
            .first()
            .is_none_or(|first| first.what != What::Opened)
    {
        found.push(format!(
            "was opened {opened} times, or something happened before it"
        ));
    }
    if incident.is_open
        || resolved != 1
        || incident
            .entries
            .last()
            .is_none_or(|last| last.what != What::Resolved)
    {
        let state = if incident.is_open { "open" } else { "closed" };
        found.push(format!(
            "is {state}, was closed {resolved} times, or something happened after it"
        ));
    }
    let (mut next, mut is_in_hand, mut is_given_up) = ((0, 0, 0), false, false);
    for entry in &incident.entries {
        match &entry.what {
            What::Acknowledged => is_in_hand = true,
            What::Unacknowledged => {
                (next, is_in_hand, is_given_up) = ((next.0 + 1, 0, 0), false, false);
            }
            What::GivenUp => is_given_up = true,
            What::Paged {
                run,
                round,
                step,
                sent,
            } => {
                let page = (*run, *round, *step);
                if page != next {
                    found.push(format!("took step {page:?} where {next:?} is next"));
                }
                if is_in_hand {
                    found.push(format!("took step {page:?} while somebody had it in hand"));
                }
                if is_given_up {
                    found.push(format!("took step {page:?} after it was given up"));
                }
                if *sent == 0 {
                    found.push(format!("took step {page:?} and sent nothing"));
                }
                next = match step + 1 {
                    step if step < STEPS => (*run, *round, step),
                    _ => (*run, round + 1, 0),
                };
            }
            What::Opened | What::Resolved | What::Other(_) => {}
        }
    }
    found
}

/// Times of failing answers that surely were an incident, and are none.
fn missed(books: &Books, monitor: &Monitor) -> Vec<String> {
    let mut found = Vec::new();
    for failing in monitor.answers.split(|answer| answer.is_well) {
        let (Some(first), Some(last)) = (failing.first(), failing.last()) else {
            continue;
        };
        if failing.len() < SURELY || last.at - first.at < SURELY_FOR {
            continue;
        }
        let (from, until) = (books.business(first.at), books.business(last.at));
        let is_known = monitor.incidents.iter().any(|incident| {
            let at = |what: What| {
                incident
                    .entries
                    .iter()
                    .find(|entry| entry.what == what)
                    .map(|entry| entry.at)
            };
            at(What::Opened).is_some_and(|at| at <= until + TOLERANCE + books.slack)
                && at(What::Resolved).is_none_or(|at| at >= from - TOLERANCE)
        });
        if !is_known {
            let (count, secs) = (failing.len(), (last.at - first.at) / SECOND);
            found.push(format!(
                "had {count} failing answers in {secs} s, and no incident"
            ));
        }
    }
    found
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use super::*;
    use crate::books::monitors::{Answered, Entry};
    use crate::laws::Law;
    use crate::laws::forge::{Forged, START, true_books};

    fn page(round: u64, step: u64) -> What {
        What::Paged {
            run: 0,
            round,
            step,
            sent: 1,
        }
    }

    /// A service that failed for a while, and whose incident was gone through as it should be.
    fn books() -> Forged {
        let mut books = true_books();
        let at = |second: i64| START + second * SECOND;
        let entries = [
            (2, What::Opened),
            (2, page(0, 0)),
            (4, page(0, 1)),
            (34, page(1, 0)),
            (35, What::Acknowledged),
            (40, What::Resolved),
        ];
        let entries = entries.map(|(second, what)| Entry {
            at: at(second),
            what,
        });
        let answers = (0..40).step_by(2).map(|second| Answered {
            at: at(second),
            is_well: !(2..38).contains(&second),
        });
        books.0.monitors.push(Monitor {
            name: "forged".into(),
            answers: answers.collect(),
            incidents: vec![Incident {
                no: 1,
                fault: "status".into(),
                is_open: false,
                entries: entries.to_vec(),
            }],
        });
        books
    }

    fn entries(books: &mut Forged) -> &mut Vec<Entry> {
        &mut books.0.monitors[0].incidents[0].entries
    }

    #[test]
    fn each_step_once_and_in_order_is_fine() {
        books().holds();
        let mut again = books();
        let at = entries(&mut again)[4].at;
        entries(&mut again).insert(
            5,
            Entry {
                at,
                what: What::Unacknowledged,
            },
        );
        let what = What::Paged {
            run: 1,
            round: 0,
            step: 0,
            sent: 2,
        };
        entries(&mut again).insert(6, Entry { at, what });
        again.holds();
    }

    #[test]
    fn a_step_twice_or_left_out_is_found() {
        let mut twice = books();
        let one = entries(&mut twice)[2].clone();
        entries(&mut twice).insert(3, one);
        twice.breaks(
            &[Law::Monitors],
            "took step (0, 0, 1) where (0, 1, 0) is next",
        );
        let mut left_out = books();
        entries(&mut left_out).remove(1);
        left_out.breaks(
            &[Law::Monitors],
            "took step (0, 0, 1) where (0, 0, 0) is next",
        );
        let mut silent = books();
        entries(&mut silent)[1].what = What::Paged {
            run: 0,
            round: 0,
            step: 0,
            sent: 0,
        };
        silent.breaks(&[Law::Monitors], "and sent nothing");
    }

    #[test]
    fn a_step_that_nobody_needs_is_found() {
        let mut in_hand = books();
        entries(&mut in_hand).swap(3, 4);
        in_hand.breaks(&[Law::Monitors], "while somebody had it in hand");
        let mut given_up = books();
        let at = entries(&mut given_up)[2].at;
        entries(&mut given_up).insert(
            3,
            Entry {
                at,
                what: What::GivenUp,
            },
        );
        given_up.breaks(&[Law::Monitors], "after it was given up");
        let mut closed = books();
        let (at, what) = (START + 41 * SECOND, page(1, 1));
        entries(&mut closed).push(Entry { at, what });
        closed.breaks(&[Law::Monitors], "or something happened after it");
    }

    #[test]
    fn opened_and_closed_once() {
        let mut twice = books();
        let one = entries(&mut twice)[0].clone();
        entries(&mut twice).insert(1, one);
        twice.breaks(&[Law::Monitors], "was opened 2 times");
        let mut open = books();
        entries(&mut open).pop();
        open.0.monitors[0].incidents[0].is_open = true;
        open.breaks(&[Law::Monitors], "is open, was closed 0 times");
        let mut number = books();
        number.0.monitors[0].incidents[0].no = 2;
        number.breaks(&[Law::Monitors], "has incident 2 where 1 is expected");
    }

    #[test]
    fn only_what_failed_is_an_incident_and_all_that_did() {
        let mut well = books();
        for answer in &mut well.0.monitors[0].answers {
            answer.is_well = true;
        }
        well.breaks(&[Law::Monitors], "the service had not failed");
        let mut missed = books();
        missed.0.monitors[0].incidents.clear();
        missed.breaks(&[Law::Monitors], "failing answers in 34 s, and no incident");
    }
}
