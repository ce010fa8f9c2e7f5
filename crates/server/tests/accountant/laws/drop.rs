//! Calls and whatever else must not be sent in doubt: after a request that the gateway may have taken, nothing follows.

use crate::books::Books;
use crate::books::received::Meaning;

pub(super) fn check(books: &Books) -> Vec<String> {
    books
        .stories()
        .filter(|story| story.is_dropped_in_doubt())
        .filter_map(|story| {
            let (_, before) = story.receipts.split_last()?;
            let is_broken = before
                .iter()
                .any(|receipt| receipt.meaning() != Meaning::TryAgain || receipt.is_doubtful());
            is_broken.then(|| {
                format!(
                    "{} was sent again; the simulator saw {}",
                    story.name(),
                    story.seen()
                )
            })
        })
        .collect()
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::accepted::{Gateway, OnUnknown};
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn a_call_that_rings_twice_is_found_even_with_a_doubt() {
        let mut books = true_books();
        books.receive_nothing(2);
        books.receive_silently(1, 2);
        books.receive(1, 2, 200, "");
        books.delivery(1, 2).doubts = 1;
        books.breaks(&[Law::Drop], "dlv_1_2");
    }

    #[test]
    fn a_fault_of_googles_is_a_doubt() {
        let mut books = true_books();
        books.0.asked[0].on_unknown = OnUnknown::Drop;
        books.receipt(0).gateway = Gateway::Fcm;
        books.receipt(0).status = 503;
        books.receive(0, 0, 200, "").gateway = Gateway::Fcm;
        books.holds();

        let mut books = true_books();
        books.0.asked[0].on_unknown = OnUnknown::Drop;
        books.receipt(0).gateway = Gateway::Fcm;
        books.receipt(0).status = 500;
        books.receive(0, 0, 200, "").gateway = Gateway::Fcm;
        books.breaks(&[Law::Drop], "dlv_0_0");
    }

    #[test]
    fn a_call_that_was_refused_for_now_may_be_sent_again() {
        let mut books = true_books();
        books.receipt(2).status = 429;
        books.receipt(2).reason = "TooManyRequests".into();
        books.receive(1, 2, 200, "");
        books.holds();
    }
}
