//! What was sent more than once was refused for now, or its doubt stands in the record.
//!
//! Every request that was followed by another one for the same delivery needs its reason: an answer that allows another
//! try, or one recorded doubt of its own.

use crate::books::Books;
use crate::books::received::Meaning;

pub(super) fn check(books: &Books) -> Vec<String> {
    books
        .stories()
        .filter_map(|story| {
            let (_, before) = story.receipts.split_last()?;
            let to_explain = before
                .iter()
                .filter(|receipt| receipt.meaning() != Meaning::TryAgain)
                .count();
            let doubts = story.kept.doubts as usize;
            (to_explain > doubts).then(|| {
                format!(
                    "{} was sent {} times, of which {to_explain} need a recorded doubt and {doubts} have one; the simulator saw {}",
                    story.name(),
                    story.receipts.len(),
                    story.seen()
                )
            })
        })
        .collect()
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn a_repeat_without_a_doubt_is_found() {
        let mut books = true_books();
        books.receive(0, 0, 200, "");
        books.breaks(
            &[Law::Doubt],
            "dlv_0_0 (notification 0 of App 0) was sent 2 times",
        );
    }

    #[test]
    fn a_repeat_after_silence_needs_a_doubt_too() {
        let mut books = true_books();
        books.receive_nothing(0);
        books.receive_silently(0, 0);
        books.receive(0, 0, 200, "");
        books.breaks(&[Law::Doubt], "200 unanswered");
    }

    #[test]
    fn each_repeat_needs_its_own() {
        let mut books = true_books();
        books.receive(0, 0, 200, "");
        books.receive(0, 0, 200, "");
        books.delivery(0, 0).doubts = 1;
        books.breaks(&[Law::Doubt], "2 need a recorded doubt and 1 have one");
    }

    #[test]
    fn doubts_and_refusals_for_now_explain_repeats() {
        let mut books = true_books();
        books.receive(0, 0, 200, "");
        books.delivery(0, 0).doubts = 1;
        books.receipt(1).status = 503;
        books.receive(0, 1, 200, "");
        books.holds();
    }
}
