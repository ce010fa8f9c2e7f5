//! A final state says what the gateway said: `accepted` stands for a 200 that was given, `rejected` for a refusal that
//! was given, `unknown` for silence; and everything else says that the gateway certainly took nothing.

use crate::books::Books;
use crate::books::received::{Meaning, Receipt};
use crate::books::stored::State;
use crate::books::story::Story;

pub(super) fn check(books: &Books) -> Vec<String> {
    books
        .stories()
        .filter_map(|story| {
            let state = story.kept.state?;
            let why = lie(&story, state)?;
            let (name, seen) = (story.name(), story.seen());
            Some(format!(
                "{name} is {}, but {why}; the simulator saw {seen}",
                state.as_str()
            ))
        })
        .collect()
}

fn lie(story: &Story<'_>, state: State) -> Option<&'static str> {
    let taken = story.count(Meaning::Taken) > 0;
    let is_in_doubt = story.kept.doubts > 0;
    match state {
        State::Accepted => {
            (!story.receipts.iter().any(Receipt::can_accept)).then_some("no 200 was given")
        }
        State::Rejected if !story.receipts.iter().any(Receipt::can_reject) => {
            Some("no refusal was given")
        }
        State::Rejected => {
            (taken && !is_in_doubt).then_some("a 200 was given and no doubt recorded")
        }
        State::Unknown => (!is_in_doubt && !story.is_dropped_in_doubt())
            .then_some("no doubt is recorded and its policy is to resend"),
        State::Failed | State::Expired | State::Cancelled | State::Suppressed => {
            let refused = story.count(Meaning::Refused) > 0;
            if taken {
                Some("a 200 was given")
            } else if story.may_be_taken() {
                Some("it was sent and never answered, so nobody can know that")
            } else if refused {
                Some("a final refusal was given")
            } else {
                is_in_doubt.then_some("a doubt is recorded, so nobody can know that")
            }
        }
    }
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::stored::State;
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn accepted_without_a_200_is_found() {
        let mut books = true_books();
        books.receive_nothing(0);
        books.breaks(&[Law::Truth], "no 200 was given; the simulator saw nothing");

        let mut books = true_books();
        books.receipt(0).status = 410;
        books.receipt(0).reason = "Unregistered".into();
        books.breaks(&[Law::Truth], "410 Unregistered");
    }

    #[test]
    fn a_200_that_is_not_believed_is_found() {
        for state in [
            State::Failed,
            State::Expired,
            State::Cancelled,
            State::Suppressed,
        ] {
            let mut books = true_books();
            books.end(0, 0, state);
            books.breaks(&[Law::Truth], "a 200 was given");
        }
        for state in [State::Rejected, State::Unknown] {
            let mut books = true_books();
            books.end(0, 0, state);
            books.breaks(&[Law::Truth], "dlv_0_0");
        }
    }

    #[test]
    fn silence_must_not_be_called_certainty() {
        for state in [State::Failed, State::Expired, State::Cancelled] {
            let mut books = true_books();
            books.receive_nothing(0);
            books.receive_silently(0, 0);
            books.end(0, 0, state);
            books.breaks(&[Law::Truth], "nobody can know");

            let mut books = true_books();
            books.receive_nothing(0);
            books.delivery(0, 0).doubts = 1;
            books.end(0, 0, state);
            books.breaks(&[Law::Truth], "a doubt is recorded");
        }
    }

    #[test]
    fn unknown_needs_a_doubt_or_a_policy() {
        let mut books = true_books();
        books.receive_nothing(0);
        books.end(0, 0, State::Unknown);
        books.breaks(&[Law::Truth], "no doubt is recorded");

        let mut books = true_books();
        books.receive_nothing(0);
        books.receive_silently(0, 0);
        books.delivery(0, 0).doubts = 1;
        books.end(0, 0, State::Unknown);
        books.receive_nothing(2);
        books.end(1, 2, State::Unknown);
        books.holds();
    }

    #[test]
    fn a_refusal_is_a_rejection() {
        let mut books = true_books();
        books.receipt(0).status = 400;
        books.receipt(0).reason = "BadDeviceToken".into();
        books.end(0, 0, State::Rejected);
        books.holds();
    }
}
