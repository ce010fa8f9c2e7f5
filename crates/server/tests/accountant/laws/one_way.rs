//! What is known of a delivery never becomes less: `accepted` stays, and a gateway's word is not replaced by our own.
//!
//! It is known what the API has shown, and what stands in the record of a delivery's attempts.

use std::collections::BTreeMap;

use crate::books::Books;
use crate::books::stored::{Heard, State};
use crate::books::story::Story;

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found: Vec<String> = books
        .stories()
        .filter_map(|story| forgotten(&story))
        .collect();
    for (_, asked, kept) in books.notifications() {
        let Some((id, _)) = &asked.accepted else {
            continue;
        };
        let later = asked
            .sightings
            .iter()
            .skip(1)
            .map(|sighting| &sighting.counts);
        let pairs = asked.sightings.iter().zip(later.chain([&kept.counts]));
        for (before, after) in pairs {
            if let Some(what) = weakened(&before.counts, after) {
                found.push(format!(
                    "{id} was seen as {:?} and is {after:?}: {what}",
                    before.counts
                ));
            }
        }
    }
    found
}

/// A word of the gateway that stands in the record and not in the state.
fn forgotten(story: &Story<'_>) -> Option<String> {
    let state = story.kept.state?;
    let word = match (story.kept.heard?, state) {
        (_, State::Accepted) | (Heard::No, State::Rejected) => return None,
        (Heard::Yes, _) => "200",
        (Heard::No, _) => "refusal",
    };
    let name = story.name();
    Some(format!(
        "{name} is {}, and its record has the gateway's {word}",
        state.as_str()
    ))
}

fn weakened(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Option<&'static str> {
    let count = |counts: &BTreeMap<String, u64>, state| counts.get(state).copied().unwrap_or(0);
    let by_gateway =
        |counts: &BTreeMap<String, u64>| count(counts, "accepted") + count(counts, "rejected");
    if before.values().sum::<u64>() != after.values().sum::<u64>() {
        Some("the number of deliveries changed")
    } else if count(after, "accepted") < count(before, "accepted") {
        Some("an acceptance is gone")
    } else if by_gateway(after) < by_gateway(before) {
        Some("a word of the gateway is gone")
    } else {
        None
    }
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::stored::{Heard, State};
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn an_acceptance_that_is_overwritten_is_found() {
        let mut books = true_books();
        books.sight(1, State::Accepted, 1);
        books.end(1, 2, State::Unknown);
        books.breaks(&[Law::OneWay], "an acceptance is gone");
    }

    #[test]
    fn a_refusal_that_is_overwritten_is_found() {
        let mut books = true_books();
        books.receive_nothing(2);
        books.receive_silently(1, 2);
        books.sight(1, State::Rejected, 1);
        books.end(1, 2, State::Unknown);
        books.breaks(&[Law::OneWay], "a word of the gateway is gone");
    }

    #[test]
    fn a_word_on_record_that_the_state_forgot_is_found() {
        let mut books = true_books();
        books.receive(0, 0, 413, "PayloadTooLarge");
        books.delivery(0, 0).doubts = 1;
        books.delivery(0, 0).heard = Some(Heard::Yes);
        books.end(0, 0, State::Rejected);
        books.breaks(&[Law::OneWay], "its record has the gateway's 200");

        let mut books = true_books();
        books.receipt(2).status = 413;
        books.delivery(1, 2).heard = Some(Heard::No);
        books.end(1, 2, State::Unknown);
        books.breaks(&[Law::OneWay], "its record has the gateway's refusal");
    }

    #[test]
    fn a_delivery_that_appears_later_is_found() {
        let mut books = true_books();
        books.sight(0, State::Accepted, 1);
        books.breaks(&[Law::OneWay], "the number of deliveries changed");
    }

    #[test]
    fn a_late_answer_may_replace_what_we_concluded() {
        let mut books = true_books();
        books.sight(1, State::Unknown, 1);
        books.holds();
    }
}
