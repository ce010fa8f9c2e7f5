//! What waits for its time is sent when that has come and not before, and says what it was changed to. That it is sent
//! once, to everybody, or after an acknowledged cancel to nobody, is what the other laws say of every notification.

use std::collections::BTreeSet;

use crate::books::accepted::Asked;
use crate::books::later::{CHANGED, Outcome, Planned, UNCHANGED};
use crate::books::{Books, Micros, SECOND};

/// How much two clocks that tell business time may differ. Independent of how late something is noticed: that only ever
/// makes it later.
pub(super) const TOLERANCE: Micros = SECOND / 20;

pub(super) fn check(books: &Books) -> Vec<String> {
    let planned = books.notifications().filter_map(|(number, asked, _)| {
        let planned = asked.planned.as_ref()?;
        let (id, _) = asked.accepted.as_ref()?;
        Some((number, asked, planned, id))
    });
    let mut found = Vec::new();
    for (number, asked, planned, id) in planned {
        let told = judge(books, number, asked, planned);
        found.extend(told.into_iter().map(|what| format!("{id} {what}")));
    }
    found
}

fn judge(books: &Books, number: u32, asked: &Asked, planned: &Planned) -> Vec<String> {
    let mut found = Vec::new();
    let receipts = books.receipts_of_all(number);
    let due = earliest(planned);
    let early = receipts
        .iter()
        .map(|receipt| due - books.business(receipt.at))
        .max()
        .filter(|early| *early > TOLERANCE);
    if let Some(early) = early {
        found.push(format!("was sent {} ms before its time", early / 1000));
    }
    let texts: BTreeSet<Option<u32>> = receipts.iter().map(|receipt| receipt.text).collect();
    let allowed = allowed(planned);
    if let Some(other) = texts
        .iter()
        .find(|text| text.is_none_or(|text| !allowed.contains(&text)))
    {
        found.push(format!("says the text {other:?}, and {allowed:?} was said"));
    }
    if texts.len() > 1 {
        found.push(format!(
            "says different things to different devices: {texts:?}"
        ));
    }
    let is_withdrawn = asked
        .cancelled
        .is_some_and(|cancelled| books.business(cancelled.at) < due - TOLERANCE);
    if is_withdrawn && !receipts.is_empty() {
        found.push("was sent although it was cancelled before its time".to_owned());
    }
    found
}

/// Before this it must not be sent.
fn earliest(planned: &Planned) -> Micros {
    match planned.change {
        None => planned.due,
        Some(change) if change.outcome == Some(Outcome::Done) => change.due,
        Some(change) => planned.due.min(change.due),
    }
}

/// What it may say.
fn allowed(planned: &Planned) -> &'static [u32] {
    match planned.change {
        None => &[UNCHANGED],
        Some(change) if change.outcome == Some(Outcome::Done) => &[CHANGED],
        Some(_) => &[UNCHANGED, CHANGED],
    }
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::SECOND;
    use crate::books::later::{Change, ClockMove, Outcome};
    use crate::books::stored::State;
    use crate::laws::Law;
    use crate::laws::forge::{Forged, true_books};

    /// One that waits half a second, to two devices, received in time.
    fn books() -> (Forged, u32) {
        let mut books = true_books();
        let number = books.plan(&[0, 1], SECOND / 2);
        for device in [0, 1] {
            books.receive(number, device, 200, "").text = Some(1);
        }
        (books, number)
    }

    #[test]
    fn at_its_time_is_fine() {
        books().0.holds();
    }

    #[test]
    fn one_that_is_sent_before_its_time_is_found() {
        let (mut books, number) = books();
        books.planned(number).due += SECOND;
        books.breaks(&[Law::Later], "ms before its time");
        // Where business time is ahead it is its time already.
        let (mut books, number) = self::books();
        books.planned(number).due += SECOND;
        let move_ = ClockMove {
            at: 0,
            ahead: 2 * SECOND,
        };
        books.0.clock.push(move_);
        books.holds();
    }

    #[test]
    fn one_that_says_what_it_was_changed_from_is_found() {
        let change = |outcome| {
            let (mut books, number) = books();
            let due = books.planned(number).due;
            books.planned(number).change = Some(Change { due, outcome });
            books
        };
        change(Some(Outcome::Done)).breaks(&[Law::Later], "says the text Some(1)");
        change(Some(Outcome::TooLate)).holds();
        change(None).holds();
        let mut other = change(None);
        other.0.receipts.last_mut().unwrap().text = Some(2);
        other.breaks(&[Law::Later], "different things to different devices");
        // Nobody was asked to say that.
        let (mut books, _) = books();
        books.0.receipts.last_mut().unwrap().text = Some(2);
        books.breaks(&[Law::Later], "says the text Some(2)");
    }

    #[test]
    fn one_that_is_cancelled_before_its_time_is_sent_to_nobody() {
        let (mut books, number) = books();
        books.cancel(number, 0);
        books.breaks(&[Law::Later], "although it was cancelled before its time");

        let mut books = true_books();
        let number = books.plan(&[0, 1], SECOND / 2);
        books.cancel(number, 0);
        books.notification(number).deliveries.clear();
        books.notification(number).counts.clear();
        books.holds();

        // What nobody cancelled reaches everybody.
        let mut books = true_books();
        let number = books.plan(&[0, 1], SECOND / 2);
        books.notification(number).deliveries.clear();
        books.notification(number).counts.clear();
        books.breaks(&[Law::OneFinalState], "missing");
    }

    #[test]
    fn one_that_never_begins_is_found() {
        let mut books = true_books();
        let number = books.plan(&[0], SECOND / 2);
        books.notification(number).open = 1;
        books.delivery(number, 0).state = Some(State::Suppressed);
        books.notification(number).counts = [("suppressed".to_owned(), 1)].into();
        books.breaks(&[Law::OneFinalState], "counts 1 deliveries as open");
    }
}
