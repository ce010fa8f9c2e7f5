//! Nothing is written after an acknowledged cancel, and its answer counted right: as many deliveries end `cancelled` as
//! it called not sent.

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
        let count = kept
            .deliveries
            .iter()
            .filter(|delivery| delivery.state == Some(State::Cancelled))
            .count() as u64;
        if count != cancelled.not_sent {
            found.push(format!(
                "{id} was cancelled with {} not sent, and {count} deliveries are cancelled",
                cancelled.not_sent
            ));
        }
    }
    found
}

#[cfg(test)]
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
            "with 2 not sent, and 1 deliveries are cancelled",
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
