//! One App's trouble does not stop another, and one gateway's trouble no other one: while a lane is broken, new work of the
//! others reaches its gateway.

use crate::books::{Books, Micros, SECOND};

/// Longest time from the question to the gateway's 200 in an App that has no trouble, on a busy small machine in a
/// debug build. A lane that waits for another one waits until the other's fault ends.
const LIMIT: Micros = 15 * SECOND;

pub(super) fn check(books: &Books) -> Vec<String> {
    let slow = books.neighbours.iter().filter(|probe| {
        // Under full load it may wait behind its own App's work: on some machines for long, but not for ever.
        probe.took.is_none_or(|took| probe.is_alone && took > LIMIT)
    });
    slow.map(|probe| {
        let (app, gateway) = (&books.apps[probe.app].id, probe.gateway.name());
        match probe.took {
            Some(took) => format!(
                "App {app} waited {} ms at {gateway} during {}",
                took / 1000,
                probe.fault
            ),
            None => format!(
                "nothing of App {app} went out at {gateway} during {}",
                probe.fault
            ),
        }
    })
    .collect()
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::SECOND;
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn a_neighbour_that_waits_is_found() {
        let mut books = true_books();
        books.0.neighbours[0].took = None;
        books.breaks(
            &[Law::Neighbours],
            "nothing of App app went out at apns during",
        );

        let mut books = true_books();
        books.0.neighbours[0].took = Some(20 * SECOND);
        books.breaks(&[Law::Neighbours], "waited 20000 ms at apns");

        // Under full load.
        let mut books = true_books();
        books.0.neighbours[0].took = Some(20 * SECOND);
        books.0.neighbours[0].is_alone = false;
        books.holds();
    }
}
