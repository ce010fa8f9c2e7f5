//! Each event that is to be gathered, and that the API acknowledged, is told to each of its recipients in exactly one digest:
//! none is lost, none told twice, and what a digest counts is what it gathered, of one post.

use std::collections::HashMap;

use crate::books::Books;
use crate::books::events::{Event, Manner, Telling};

/// Events that a digest names at most; it may count more.
pub(crate) const MAX_NAMED: usize = 50;

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found: Vec<String> = books
        .unread
        .iter()
        .map(|id| format!("{id} was made by no request and told nobody anything"))
        .collect();
    let mut told: HashMap<(u32, u32), Vec<&Telling>> = HashMap::new();
    for telling in &books.tellings {
        for event in &telling.events {
            told.entry((*event, telling.user))
                .or_default()
                .push(telling);
        }
        found.extend(judge(books, telling).map(|what| format!("{} {what}", telling.id)));
    }
    for (number, event) in (0u32..).zip(&books.events) {
        if event.manner != Manner::Gathered {
            continue;
        }
        for user in &event.recipients {
            let told = told.get(&(number, *user)).map_or(&[][..], Vec::as_slice);
            let what = match told {
                [] if event.acknowledged.is_some() => "was never told".to_owned(),
                [] | [_] => continue,
                [first, second, ..] => {
                    format!(
                        "was told {} times, by {} and {}",
                        told.len(),
                        first.id,
                        second.id
                    )
                }
            };
            found.push(format!("event {number} to user {user} {what}"));
        }
    }
    found
}

fn judge(books: &Books, telling: &Telling) -> Option<String> {
    let events: Option<Vec<&Event>> = telling
        .events
        .iter()
        .map(|number| books.events.get(*number as usize))
        .collect();
    let Some(events) = events else {
        return Some(format!(
            "tells events that nobody reported: {:?}",
            telling.events
        ));
    };
    let first = events.first()?;
    if telling.is_contradictory {
        return Some("says different things to different devices".to_owned());
    }
    if telling.count != telling.events.len() as u64 && telling.events.len() < MAX_NAMED {
        let (count, named) = (telling.count, telling.events.len());
        return Some(format!("counts {count} events and names {named}"));
    }
    let is_alike = events.iter().all(|event| {
        (event.app, event.manner, event.post) == (first.app, first.manner, first.post)
    });
    if !is_alike {
        return Some(format!(
            "mixes what is to be kept apart: {:?}",
            telling.events
        ));
    }
    let is_for_him = events
        .iter()
        .all(|event| event.recipients.binary_search(&telling.user).is_ok());
    (!is_for_him).then(|| format!("tells user {} what does not concern him", telling.user))
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::events::Manner;
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn an_event_that_is_lost_is_found() {
        let mut books = true_books();
        books.report(Manner::Gathered, &[0, 1]);
        books.tell(0, &[0]);
        books.breaks(&[Law::Digests], "event 0 to user 1 was never told");
    }

    #[test]
    fn an_event_that_was_never_acknowledged_may_be_told_or_not() {
        let mut books = true_books();
        books.report(Manner::Gathered, &[0, 1]);
        books.0.events[0].acknowledged = None;
        books.tell(0, &[0]);
        books.holds();
    }

    #[test]
    fn an_event_that_is_told_twice_is_found() {
        let mut books = true_books();
        books.report(Manner::Gathered, &[0]);
        books.tell(0, &[0]);
        books.tell(0, &[0]);
        books.breaks(&[Law::Digests], "event 0 to user 0 was told 2 times");
    }

    #[test]
    fn a_digest_that_counts_wrong_or_mixes_is_found() {
        let mut books = true_books();
        books.report(Manner::Gathered, &[0]);
        books.tell(0, &[0]).count = 2;
        books.breaks(&[Law::Digests], "counts 2 events and names 1");

        let mut books = true_books();
        books.report(Manner::Gathered, &[0]);
        books.report(Manner::Gathered, &[0]);
        books.0.events[1].post = 9;
        books.tell(0, &[0, 1]);
        books.breaks(&[Law::Digests], "mixes what is to be kept apart");

        let mut books = true_books();
        books.report(Manner::Gathered, &[1]);
        books.tell(0, &[0]);
        books.tell(1, &[0]);
        books.breaks(&[Law::Digests], "tells user 0 what does not concern him");

        let mut books = true_books();
        books.report(Manner::Gathered, &[0]);
        books.tell(0, &[0, 7]);
        books.breaks(&[Law::Digests], "tells events that nobody reported");
    }

    #[test]
    fn a_notification_that_says_nothing_is_found() {
        let mut books = true_books();
        books.0.unread.push("ntf_9".into());
        books.breaks(&[Law::Digests], "ntf_9 was made by no request");
    }

    #[test]
    fn each_event_once_is_fine() {
        let mut books = true_books();
        books.report(Manner::Gathered, &[0, 1]);
        books.report(Manner::Gathered, &[0]);
        books.tell(0, &[0, 1]);
        books.tell(1, &[0]);
        books.holds();
    }
}
