//! What is printed: how the run went while it goes, and the accountant's table at the end.

use std::collections::BTreeMap;

use crate::books::received::Meaning;
use crate::books::stored::State;
use crate::books::{Books, Micros, Probe};
use crate::laws::{Breach, Law};
use crate::run::Outcome;

/// Breaches of one law that are printed in full.
const MAX_BREACHES: usize = 8;

pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// The table, and every broken law.
pub(crate) fn print(outcome: &Outcome, breaches: &[Breach]) {
    let books = &outcome.books;
    three_books(books);
    states(books);
    faults(books);
    lives(outcome);
    probes(
        "Once a fault had ended, new work was at the gateway after",
        &books.recoveries,
    );
    probes(
        "While one App was in trouble, new work of the others was at the gateway after",
        &books.neighbours,
    );
    laws(breaches);
}

/// Who says how many.
fn three_books(books: &Books) {
    let accepted = books
        .asked
        .iter()
        .filter(|asked| asked.accepted.is_some())
        .count();
    let refused = books.asked.len() - accepted;
    let deliveries: usize = books
        .notifications()
        .map(|(_, _, kept)| kept.deliveries.len())
        .sum();
    let taken = books
        .stories()
        .filter(|story| story.count(Meaning::Taken) > 0)
        .count();
    let repeated = books
        .stories()
        .filter(|story| story.receipts.len() > 1)
        .count();
    let doubted = books
        .stories()
        .filter(|story| story.kept.doubts > 0)
        .count();
    let cancels = books
        .asked
        .iter()
        .filter(|asked| asked.cancelled.is_some())
        .count();
    let sightings: usize = books.asked.iter().map(|asked| asked.sightings.len()).sum();
    let retired = books.tokens.iter().filter(|token| token.is_retired).count();
    let kept = books.kept.iter().flatten().count() + books.strangers.len();
    println!();
    table(
        ["book", "", ""],
        &[
            row("accepted", "notifications that the API accepted", accepted),
            row("", "refused (expired or device deleted before)", refused),
            row("", "cancels acknowledged", cancels),
            row("", "looks at notifications that were final", sightings),
            row("stored", "notifications", kept),
            row("", "deliveries", deliveries),
            row("", "deliveries with a recorded doubt", doubted),
            row("", "push tokens retired", retired),
            row("received", "requests", books.receipts.len()),
            row("", "deliveries that the gateway took", taken),
            row("", "deliveries sent more than once", repeated),
        ],
    );
}

/// How deliveries ended, and what the gateway had said to each.
fn states(books: &Books) {
    let mut counts: BTreeMap<Option<State>, [usize; 4]> = BTreeMap::new();
    for story in books.stories() {
        let columns = counts.entry(story.kept.state).or_default();
        columns[0] += 1;
        columns[1] += usize::from(story.count(Meaning::Taken) > 0);
        columns[2] += usize::from(story.count(Meaning::Refused) > 0);
        columns[3] += usize::from(story.count(Meaning::Silent) > 0);
    }
    println!();
    println!(
        "{:<12} {:>10} {:>10} {:>10} {:>10}",
        "state", "deliveries", "200 given", "refused", "unanswered"
    );
    for (state, columns) in counts {
        let name = state.map_or("open", State::as_str);
        let [all, taken, refused, silent] = columns;
        println!("{name:<12} {all:>10} {taken:>10} {refused:>10} {silent:>10}");
    }
}

fn faults(books: &Books) {
    println!();
    println!("{:<46} {:>8}", "fault", "happened");
    for (name, count) in &books.faults {
        println!("{name:<46} {count:>8}");
    }
}

fn lives(outcome: &Outcome) {
    let books = &outcome.books;
    let peak = books
        .lives
        .iter()
        .map(|life| life.peak_kib)
        .max()
        .unwrap_or(0)
        / 1024;
    let ready = books
        .lives
        .iter()
        .map(|life| life.ready_after)
        .max()
        .unwrap_or(0);
    println!();
    println!(
        "{} lives; peak memory {peak} MiB; slowest start {}; drained after {:.1} s, {} open; clocks agree within {}",
        books.lives.len(),
        milliseconds(ready),
        outcome.drained_after.as_secs_f64(),
        outcome.open,
        milliseconds(books.slack),
    );
    let refusals: Vec<String> = outcome
        .refusals
        .iter()
        .map(|(kind, count)| format!("{kind} {count}x"))
        .collect();
    println!("asked again because of: {}", refusals.join(", "));
}

fn probes(title: &str, probes: &[Probe]) {
    let mut by_fault: BTreeMap<&str, Vec<Option<Micros>>> = BTreeMap::new();
    for probe in probes {
        by_fault.entry(probe.fault).or_default().push(probe.took);
    }
    if by_fault.is_empty() {
        return;
    }
    println!();
    println!("{title}");
    println!(
        "{:<46} {:>6} {:>10} {:>10}",
        "fault", "times", "median", "longest"
    );
    for (fault, mut took) in by_fault {
        // Never comes after everything else.
        took.sort_by_key(|took| took.unwrap_or(Micros::MAX));
        let show = |took: Option<Micros>| took.map_or("never".to_owned(), milliseconds);
        let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
        println!(
            "{fault:<46} {:>6} {:>10} {:>10}",
            took.len(),
            show(median),
            show(longest)
        );
    }
}

fn laws(breaches: &[Breach]) {
    println!();
    for law in Law::ALL {
        let broken: Vec<&Breach> = breaches.iter().filter(|breach| breach.law == law).collect();
        let verdict = match broken.len() {
            0 => "held".to_owned(),
            count => format!("BROKEN {count} times"),
        };
        println!("{:<16} {verdict:<18} {}", law.name(), law.sentence());
        for breach in broken.iter().take(MAX_BREACHES) {
            println!("    {}", breach.what);
        }
        if broken.len() > MAX_BREACHES {
            println!("    and {} more", broken.len() - MAX_BREACHES);
        }
    }
}

fn row(book: &str, what: &str, count: usize) -> [String; 3] {
    [book.to_owned(), what.to_owned(), count.to_string()]
}

fn table(head: [&str; 3], rows: &[[String; 3]]) {
    println!("{:<10} {:<46} {:>10}", head[0], head[1], head[2]);
    for [book, what, count] in rows {
        println!("{book:<10} {what:<46} {count:>10}");
    }
}

fn milliseconds(took: Micros) -> String {
    format!("{} ms", took / 1000)
}
