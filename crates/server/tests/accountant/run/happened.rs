//! What really happened in a run: what the law of that name looks at.

use crate::books::Books;
use crate::books::accepted::{Asked, Gateway as Side};
use crate::books::later::Asked::Pause;
use crate::books::later::{self as book, RunResult};
use crate::books::received::Receipt;
use crate::campaigns;
use crate::gateway::Gateway;
use crate::plan::Plan;
use crate::plan::happening::Happening;

/// Enters how often each kind of fault happened; of those that had to also which never did.
pub(super) fn enter(books: &mut Books, gateway: &Gateway, plan: &Plan) {
    for happening in Happening::ALL {
        let count = match happening {
            Happening::DeadRegistration
            | Happening::EndedSubscription
            | Happening::ForgottenSubscription => dead_addresses(books, happening),
            _ => gateway.count(happening),
        };
        if count > 0 || plan.musts.contains(&happening) {
            books.faults.insert(happening.name(), count);
        }
    }
    if plan.is_complete {
        books.faults.extend(later(books));
        books.faults.extend(campaigns::happened(books));
    }
}

/// How often a gateway said that a push token is dead.
fn dead_addresses(books: &Books, happening: Happening) -> u64 {
    let is_it = |receipt: &&Receipt| match happening {
        Happening::DeadRegistration => receipt.reason == "UNREGISTERED",
        Happening::EndedSubscription => receipt.gateway == Side::WebPush && receipt.status == 410,
        _ => receipt.gateway == Side::WebPush && receipt.status == 404,
    };
    books.receipts.iter().filter(is_it).count() as u64
}

/// What the laws of what happens later need to have seen.
fn later(books: &Books) -> [(&'static str, u64); 7] {
    let planned = books.asked.iter().filter(|asked| asked.planned.is_some());
    let outcomes = |wanted| {
        let changes = planned
            .clone()
            .filter_map(|asked| asked.planned.as_ref()?.change);
        changes
            .filter(|change| change.outcome == Some(wanted))
            .count() as u64
    };
    let is_withdrawn = |asked: &&Asked| {
        let (planned, cancelled) = (asked.planned.as_ref(), asked.cancelled);
        planned
            .zip(cancelled)
            .is_some_and(|(planned, cancelled)| books.business(cancelled.at) < planned.due)
    };
    let runs = books.schedules.iter().flat_map(|schedule| &schedule.runs);
    let ended = |result| runs.clone().filter(|run| run.result == result).count() as u64;
    let calls = books.schedules.iter().flat_map(|schedule| &schedule.calls);
    [
        ("a notification for later", planned.clone().count() as u64),
        ("changed while it waited", outcomes(book::Outcome::Done)),
        ("changed too late", outcomes(book::Outcome::TooLate)),
        (
            "cancelled before its time",
            planned.clone().filter(is_withdrawn).count() as u64,
        ),
        ("a schedule ran", ended(RunResult::Sent)),
        (
            "a schedule skipped what it missed",
            ended(RunResult::Skipped),
        ),
        (
            "a schedule was paused",
            calls.filter(|call| call.what == Pause).count() as u64,
        ),
    ]
}
