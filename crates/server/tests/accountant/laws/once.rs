//! Nothing that is final is sent again: once the API has shown a notification with every delivery final, nothing of it
//! arrives at the simulator any more.

use crate::books::Books;

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    for (number, asked, _) in books.notifications() {
        let Some(first) = asked.sightings.iter().map(|sighting| sighting.at).min() else {
            continue;
        };
        let late = books
            .receipts_of_all(number)
            .iter()
            .find(|receipt| receipt.at > first + books.slack);
        if let (Some(late), Some((id, _))) = (late, &asked.accepted) {
            let device = &books.devices[books.device_of(late) as usize].id;
            let after = (late.at - first) / 1000;
            found.push(format!(
                "{id} was seen final, and {after} ms later it was sent to device {device}"
            ));
        }
    }
    found
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::SECOND;
    use crate::books::stored::State;
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn a_push_after_the_end_is_found() {
        let mut books = true_books();
        let at = books.sight(0, State::Accepted, 2);
        books.receive(0, 1, 200, "").at = at + SECOND;
        books.breaks(
            &[Law::Once, Law::Doubt],
            "1000 ms later it was sent to device device-1",
        );
    }

    #[test]
    fn a_push_before_the_end_is_not() {
        let mut books = true_books();
        books.sight(0, State::Accepted, 2);
        books.holds();
    }
}
