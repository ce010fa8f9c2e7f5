//! What is printed: how the run went while it goes, and the accountant's table at the end.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::books::accepted::{Audience, Gateway};
use crate::books::activities::KeptActivity;
use crate::books::campaigns::{Answer, Switch};
use crate::books::monitors::What;
use crate::books::received::Meaning;
use crate::books::stored::{KeptToken, State};
use crate::books::{Books, Micros, Probe};
use crate::laws::{Breach, Law};
use crate::run::Outcome;

/// Breaches of one law that are printed in full.
const MAX_BREACHES: usize = 8;

pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// A line of a run in progress, with the time that it has taken.
pub(crate) fn progress(began: Instant, text: &str) {
    println!("{:>6.1} s  {text}", began.elapsed().as_secs_f64());
}

/// The table, and every broken law.
pub(crate) fn print(outcome: &Outcome, breaches: &[Breach]) {
    let books = &outcome.books;
    three_books(books);
    gateways(books);
    states(books);
    faults(books);
    hooks(books);
    campaigns(books);
    activities(books);
    monitors(books);
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

/// The three books of one App, or of all.
#[derive(Clone, Default)]
struct Sums {
    notifications: u64,
    due: u64,
    cancels: u64,
    deliveries: u64,
    accepted: u64,
    doubts: u64,
    retired: u64,
    requests: u64,
    taken: u64,
    shown: u64,
    repeated: u64,
}

/// The three books side by side, App by App.
fn three_books(books: &Books) {
    let mut sums = vec![Sums::default(); books.apps.len()];
    for (_, asked, kept) in books.notifications() {
        let sums = &mut sums[asked.app as usize];
        sums.notifications += 1;
        sums.cancels += u64::from(asked.cancelled.is_some());
        sums.due += match &asked.audience {
            Audience::Devices(devices) => devices.len() as u64,
            // How many these mean is for the store to say; the laws say whom they must not miss.
            Audience::Users(_) | Audience::Topic(_) | Audience::All => kept.deliveries.len() as u64,
        };
        sums.deliveries += kept.deliveries.len() as u64;
    }
    for story in books.stories() {
        let sums = &mut sums[story.asked.app as usize];
        sums.accepted += u64::from(story.kept.state == Some(State::Accepted));
        sums.doubts += u64::from(story.kept.doubts > 0);
        sums.taken += u64::from(story.count(Meaning::Taken) > 0);
        sums.repeated += u64::from(story.receipts.len() > 1);
    }
    for receipt in &books.receipts {
        let sums = &mut sums[books.asked[receipt.asked as usize].app as usize];
        sums.requests += 1;
        sums.shown += u64::from(receipt.is_shown);
    }
    for token in books.tokens.iter().filter(|token| token.is_retired) {
        sums[books.devices[token.device as usize].app as usize].retired += 1;
    }
    let all = sums.iter().fold(Sums::default(), |all, one| all.plus(one));
    println!();
    println!(
        "{:<10} | {:^31} | {:^39} | {:^39}",
        "", "accepted by the API", "in the store", "at the simulator"
    );
    println!(
        "{:<10} | {:>13} {:>9} {:>7} | {:>10} {:>9} {:>9} {:>8} | {:>10} {:>9} {:>9} {:>8}",
        "App",
        "notifications",
        "due",
        "cancels",
        "deliveries",
        "accepted",
        "in doubt",
        "retired",
        "requests",
        "2xx given",
        "shown",
        "repeated"
    );
    let names = books.apps.iter().map(|app| app.id.as_str()).chain(["all"]);
    for (name, sums) in names.zip(sums.iter().chain([&all])) {
        println!(
            "{name:<10} | {:>13} {:>9} {:>7} | {:>10} {:>9} {:>9} {:>8} | {:>10} {:>9} {:>9} {:>8}",
            sums.notifications,
            sums.due,
            sums.cancels,
            sums.deliveries,
            sums.accepted,
            sums.doubts,
            sums.retired,
            sums.requests,
            sums.taken,
            sums.shown,
            sums.repeated
        );
    }
}

impl Sums {
    fn plus(&self, other: &Self) -> Self {
        Self {
            notifications: self.notifications + other.notifications,
            due: self.due + other.due,
            cancels: self.cancels + other.cancels,
            deliveries: self.deliveries + other.deliveries,
            accepted: self.accepted + other.accepted,
            doubts: self.doubts + other.doubts,
            retired: self.retired + other.retired,
            requests: self.requests + other.requests,
            taken: self.taken + other.taken,
            shown: self.shown + other.shown,
            repeated: self.repeated + other.repeated,
        }
    }
}

/// What each gateway received, and what it said.
fn gateways(books: &Books) {
    println!();
    println!(
        "{:<12} {:>10} {:>10} {:>10} {:>12} {:>10} {:>10}",
        "gateway", "requests", "accepted", "refused", "not for now", "unanswered", "retired"
    );
    for gateway in Gateway::ALL {
        let receipts = books
            .receipts
            .iter()
            .filter(|receipt| receipt.gateway == gateway);
        let count = |meaning| {
            let of_it = receipts
                .clone()
                .filter(|receipt| receipt.meaning() == meaning);
            of_it.count()
        };
        let is_of_it = |token: &&KeptToken| {
            let device = &books.devices[token.device as usize];
            let mut addresses = device.addresses.iter();
            addresses.any(|address| books.addresses[*address as usize].gateway == gateway)
        };
        let retired = books.tokens.iter().filter(is_of_it);
        println!(
            "{:<12} {:>10} {:>10} {:>10} {:>12} {:>10} {:>10}",
            gateway.name(),
            receipts.clone().count(),
            count(Meaning::Taken),
            count(Meaning::Refused),
            count(Meaning::TryAgain),
            count(Meaning::Silent),
            retired.filter(|token| token.is_retired).count()
        );
    }
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
        "state", "deliveries", "2xx given", "refused", "unanswered"
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

/// What triggers and webhooks told.
fn hooks(books: &Books) {
    let hooks = &books.hooks;
    let told: u64 = books.tellings.iter().map(|telling| telling.count).sum();
    println!();
    println!(
        "{} events reported; {} notifications tell {told} of them",
        books.events.len(),
        books.tellings.len()
    );
    let taken = hooks.calls.iter().filter(|call| call.is_taken).count();
    let failures: Vec<String> = hooks
        .failures
        .iter()
        .map(|(what, count)| format!("{what} {count}x"))
        .collect();
    println!(
        "{} entries in the logs; {} webhook calls, {taken} taken; receivers failed: {}",
        hooks.log.len(),
        hooks.calls.len(),
        failures.join(", ")
    );
}

/// What Live Activities did.
fn activities(books: &Books) {
    let all = &books.activities;
    let plans: usize = all.iter().map(|one| one.plans.len()).sum();
    let pushes: usize = all.iter().map(|one| one.pushes.len()).sum();
    let kept = || all.iter().filter_map(|one| one.kept.as_ref());
    let records = |what: &str| {
        let of_one = |one: &KeptActivity| {
            one.records
                .iter()
                .filter(|record| record.what == what)
                .count()
        };
        kept().map(of_one).sum::<usize>()
    };
    let missed = kept().filter(|one| one.ended_by == "missed").count();
    println!(
        "{} Live Activities with {plans} plans: {pushes} pushes arrived; {} starts, {} phases on time, {} late, {} passed over, {} ended, {missed} missed",
        all.len(),
        records("started"),
        records("phase"),
        records("late_phase"),
        records("passed_over"),
        records("ended"),
    );
}

/// What monitors saw and whom they paged.
fn monitors(books: &Books) {
    let all = &books.monitors;
    let answers: usize = all.iter().map(|one| one.answers.len()).sum();
    let incidents = || all.iter().flat_map(|one| &one.incidents);
    let entries = |is_it: fn(&What) -> bool| {
        let all = incidents().flat_map(|incident| &incident.entries);
        all.filter(|entry| is_it(&entry.what)).count()
    };
    println!(
        "{} monitors: {answers} checks answered; {} incidents, {} pages, {} acknowledged, {} given back, {} given up",
        all.len(),
        incidents().count(),
        entries(|what| matches!(what, What::Paged { .. })),
        entries(|what| *what == What::Acknowledged),
        entries(|what| *what == What::Unacknowledged),
        entries(|what| *what == What::GivenUp),
    );
}

/// What campaigns did.
fn campaigns(books: &Books) {
    let calls = books.campaigns.iter().flat_map(|campaign| &campaign.calls);
    let pauses = calls.clone().filter_map(|call| match call.answered? {
        (_, Answer::Done { in_flight }) if call.what == Switch::Pause => Some(in_flight),
        _ => None,
    });
    let ended = |status: &str| {
        let seen = books.campaigns.iter().filter_map(|one| one.seen.as_ref());
        seen.filter(|seen| seen.status == status).count()
    };
    let halts: u32 = books.campaigns.iter().map(|one| one.halts).sum();
    println!(
        "{} campaigns: {} completed, {} cancelled; paused {}x with at most {} in flight, halted {halts}x",
        books.campaigns.len(),
        ended("completed"),
        ended("cancelled"),
        pauses.clone().count(),
        pauses.max().unwrap_or(0)
    );
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
    println!(
        "callers were held back for {:.1} s because enough waited already",
        outcome.held.as_secs_f64()
    );
    let mut refused: BTreeMap<&str, u32> = BTreeMap::new();
    for codes in books
        .asked
        .iter()
        .filter_map(|asked| asked.refused.as_deref())
    {
        *refused.entry(codes).or_default() += 1;
    }
    for (codes, count) in refused {
        println!("refused for good {count}x: {codes}");
    }
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

fn milliseconds(took: Micros) -> String {
    format!("{} ms", took / 1000)
}
