//! An event that is told at once is told to each recipient once, or he has been told enough; and nobody is told more often
//! than the throttle lets through, in any window.

use std::collections::{HashMap, HashSet};

use crate::books::events::{Manner, Telling};
use crate::books::{Books, Micros, SECOND};

/// Notifications that the throttle lets through for each user in any [`PER`].
pub(crate) const MAX: usize = 2;
/// See [`MAX`].
pub(crate) const PER: Micros = 3 * SECOND;

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    let mut by_event: HashMap<u32, Vec<&Telling>> = HashMap::new();
    let mut by_user: HashMap<u32, Vec<Micros>> = HashMap::new();
    for telling in &books.tellings {
        let Some(first) = telling.events.first() else {
            continue;
        };
        let event = books.events.get(*first as usize);
        if event.is_some_and(|event| event.manner == Manner::AtOnce) {
            by_event.entry(*first).or_default().push(telling);
            by_user
                .entry(telling.user)
                .or_default()
                .push(telling.accepted_at);
        }
    }
    for (number, event) in (0u32..).zip(&books.events) {
        if event.manner != Manner::AtOnce {
            continue;
        }
        let told = by_event.get(&number).map_or(&[][..], Vec::as_slice);
        let users: HashSet<u32> = told.iter().map(|telling| telling.user).collect();
        if users.len() < told.len() {
            found.push(format!("event {number} was told twice to somebody"));
        }
        let Some(said) = &event.acknowledged else {
            continue;
        };
        let (all, throttled) = (event.recipients.len(), said.throttled as usize);
        if said.notifications.len() + throttled != all {
            let told = said.notifications.len();
            found.push(format!(
                "event {number} has {all} recipients, of whom {told} were told and {throttled} kept back"
            ));
        }
        let ids: HashSet<&str> = told.iter().map(|telling| telling.id.as_str()).collect();
        let is_missing = |id: &&String| !ids.contains(id.as_str());
        if let Some(id) = said.notifications.iter().find(is_missing) {
            found.push(format!(
                "event {number} was acknowledged with {id}, which does not tell it"
            ));
        }
    }
    for (user, mut times) in by_user {
        times.sort_unstable();
        let too_many = times
            .windows(MAX + 1)
            .find(|some| some[MAX] - some[0] < PER);
        if let Some(some) = too_many {
            found.push(format!(
                "user {user} was told {} times within {} ms",
                some.len(),
                (some[MAX] - some[0]) / 1000
            ));
        }
    }
    found
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use super::*;
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn one_too_many_in_a_window_is_found() {
        let mut books = true_books();
        for number in 0..3 {
            let event = books.report(Manner::AtOnce, &[0]);
            let telling = books.tell(0, &[event]);
            telling.accepted_at = Micros::from(number) * SECOND;
            let id = telling.id.clone();
            books.acknowledge(event, &[&id], 0);
        }
        books.breaks(&[Law::Throttles], "user 0 was told 3 times within 2000 ms");
    }

    #[test]
    fn enough_in_a_window_is_fine() {
        let mut books = true_books();
        for number in 0..3 {
            let event = books.report(Manner::AtOnce, &[0]);
            let telling = books.tell(0, &[event]);
            telling.accepted_at = Micros::from(number) * PER / 2;
            let id = telling.id.clone();
            books.acknowledge(event, &[&id], 0);
        }
        let kept_back = books.report(Manner::AtOnce, &[0]);
        books.acknowledge(kept_back, &[], 1);
        books.holds();
    }

    #[test]
    fn an_event_that_is_told_twice_or_to_nobody_is_found() {
        let mut books = true_books();
        let event = books.report(Manner::AtOnce, &[0]);
        let first = books.tell(0, &[event]).id.clone();
        books.tell(0, &[event]);
        books.acknowledge(event, &[&first], 0);
        books.breaks(&[Law::Throttles], "event 0 was told twice");

        let mut books = true_books();
        let event = books.report(Manner::AtOnce, &[0, 1]);
        let first = books.tell(0, &[event]).id.clone();
        books.acknowledge(event, &[&first], 0);
        books.breaks(&[Law::Throttles], "of whom 1 were told and 0 kept back");

        let mut books = true_books();
        let event = books.report(Manner::AtOnce, &[0]);
        books.acknowledge(event, &["ntf_77"], 0);
        books.breaks(&[Law::Throttles], "ntf_77, which does not tell it");
    }
}
