//! Nothing is written after an acknowledged cancel, and its answer told the truth: at least as many deliveries end unsent
//! as it said will never be sent.

use crate::books::Books;
use crate::books::stored::State;

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    for (number, asked, kept) in books.notifications() {
        let (Some(cancelled), Some((id, _))) = (asked.cancelled, &asked.accepted) else {
            continue;
        };
        let late: Vec<_> = books
            .receipts_of_all(number)
            .iter()
            .filter(|receipt| receipt.at > cancelled.at + books.slack)
            .collect();
        if let Some(first) = late.first() {
            let after = (first.at - cancelled.at) / 1000;
            let count = late.len();
            found.push(format!(
                "{id} was sent {count} times after its cancel was acknowledged, first {after} ms after"
            ));
        }
        // Others may end unsent, too: what was on its way, and then refused for now.
        let unsent = kept
            .deliveries
            .iter()
            .filter(|delivery| is_unsent(delivery.state))
            .count() as u64;
        if unsent < cancelled.not_sent {
            found.push(format!(
                "{id} was cancelled with {} never to be sent, and only {unsent} of {} ended so",
                cancelled.not_sent,
                kept.deliveries.len()
            ));
        }
    }
    found
}

/// Whether a delivery ended without having been taken: the law of truth holds the simulator against it.
fn is_unsent(state: Option<State>) -> bool {
    matches!(
        state,
        Some(State::Cancelled | State::Expired | State::Suppressed | State::Failed)
    )
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::SECOND;
    use crate::books::stored::State;
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn a_push_after_the_cancel_is_found() {
        let mut books = true_books();
        let at = books.cancel(0, 0);
        books.receipt(0).at = at - 1;
        books.receipt(1).at = at + SECOND;
        books.breaks(
            &[Law::Cancel],
            "sent 1 times after its cancel was acknowledged, first 1000 ms",
        );
    }

    #[test]
    fn a_cancel_that_counted_wrong_is_found() {
        let mut books = true_books();
        let at = books.cancel(0, 2);
        books.receipt(0).at = at - 1;
        books.receive_nothing(1);
        books.end(0, 1, State::Cancelled);
        books.breaks(
            &[Law::Cancel],
            "with 2 never to be sent, and only 1 of 2 ended so",
        );
    }

    #[test]
    fn a_cancel_in_the_middle_is_fine() {
        let mut books = true_books();
        let at = books.cancel(0, 1);
        books.receipt(0).at = at - 1;
        books.receive_nothing(1);
        books.end(0, 1, State::Cancelled);
        books.holds();
    }
}
