//! Every accepted delivery ends in exactly one final state: nothing lost, nothing made up, nothing still open.

use std::collections::BTreeMap;

use crate::books::Books;
use crate::books::accepted::{Asked, Audience, DeviceEntry};
use crate::books::stored::KeptNotification;

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found: Vec<String> = books
        .strangers
        .iter()
        .map(|what| format!("the store has {what}, which the API never acknowledged"))
        .collect();
    for (number, asked) in (0u32..).zip(&books.asked) {
        let kept = books.kept.get(number as usize).and_then(Option::as_ref);
        match (&asked.accepted, kept) {
            (Some((id, _)), None) => {
                found.push(format!("{id} was accepted and is not in the store"))
            }
            (None, _) if asked.refused.is_none() => {
                found.push(format!("notification {number} never had an answer"));
            }
            (None, _) if !books.receipts_of_all(number).is_empty() => found.push(format!(
                "notification {number} was refused and still reached the simulator"
            )),
            (Some((id, _)), Some(kept)) => found.extend(
                judge(books, number, asked, kept)
                    .into_iter()
                    .map(|what| format!("{id}: {what}")),
            ),
            (None, _) => {}
        }
    }
    found
}

fn judge(books: &Books, number: u32, asked: &Asked, kept: &KeptNotification) -> Vec<String> {
    let mut found = Vec::new();
    if kept.open > 0 {
        found.push(format!("the store counts {} deliveries as open", kept.open));
    }
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for delivery in &kept.deliveries {
        match delivery.state {
            Some(state) => *counts.entry(state.as_str()).or_default() += 1,
            None => found.push(format!("{} has no final state", delivery.id)),
        }
    }
    let said = kept
        .counts
        .iter()
        .map(|(state, count)| (state.as_str(), *count));
    if !said
        .clone()
        .eq(counts.iter().map(|(state, count)| (*state, *count)))
    {
        let said: Vec<_> = said.collect();
        found.push(format!(
            "the store counts {said:?}, its deliveries are {counts:?}"
        ));
    }
    let devices: Vec<u32> = kept
        .deliveries
        .iter()
        .filter_map(|delivery| delivery.device)
        .collect();
    for pair in devices.windows(2).filter(|pair| pair[0] == pair[1]) {
        let device = &books.devices[pair[0] as usize].id;
        found.push(format!("device {device} has two deliveries"));
    }
    match &asked.audience {
        // What is cancelled before its time never has any.
        _ if asked.planned.is_some() && asked.is_cancel_asked && devices.is_empty() => {}
        Audience::Devices(wanted) if *wanted != devices => {
            let difference: Vec<&str> = wanted
                .iter()
                .filter(|device| !devices.contains(device))
                .chain(devices.iter().filter(|device| !wanted.contains(device)))
                .map(|device| books.devices[*device as usize].id.as_str())
                .collect();
            found.push(format!(
                "missing, or there without being asked for: {difference:?}"
            ));
        }
        Audience::Devices(_) => {}
        Audience::Users(_) | Audience::Topic(_) | Audience::All => {
            found.extend(judge_fanout(books, asked, &devices));
        }
    }
    let unknown = books
        .receipts_of_all(number)
        .iter()
        .map(|receipt| books.device_of(receipt))
        .find(|device| devices.binary_search(device).is_err());
    if let Some(device) = unknown {
        let device = &books.devices[device as usize].id;
        found.push(format!(
            "was sent to {device}, for which the store has no delivery"
        ));
    }
    found
}

/// A fan-out reaches every device that was there all the time, and no device of another App; what is for some people
/// reaches all of theirs, and no other.
fn judge_fanout(books: &Books, asked: &Asked, devices: &[u32]) -> Vec<String> {
    let is_meant = |device: &DeviceEntry| asked.audience.has(device) && device.app == asked.app;
    let is_due = |device: &DeviceEntry| {
        device.is_steady
            && is_meant(device)
            && device
                .registered
                .first()
                .is_some_and(|call| call.answered < asked.sent)
            && device
                .addresses
                .iter()
                .any(|address| books.addresses[*address as usize].kind == asked.kind)
    };
    let mut found = Vec::new();
    // A fan-out that was cancelled on its way is complete as far as it got.
    if !asked.is_cancel_asked {
        let missed = (0u32..)
            .zip(&books.devices)
            .filter(|(place, device)| is_due(device) && devices.binary_search(place).is_err());
        found.extend(missed.map(|(_, device)| format!("did not reach device {}", device.id)));
    }
    let strange = devices
        .iter()
        .filter(|place| !is_meant(&books.devices[**place as usize]));
    found.extend(strange.map(|place| {
        format!(
            "reached device {} of somebody else",
            books.devices[*place as usize].id
        )
    }));
    found
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::accepted::{Audience, Kind};
    use crate::books::stored::State;
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn an_open_delivery_is_found() {
        let mut books = true_books();
        books.delivery(0, 1).state = None;
        books.notification(0).counts.insert("accepted".into(), 1);
        books.notification(0).open = 1;
        books.breaks(&[Law::OneFinalState], "dlv_0_1 has no final state");
    }

    #[test]
    fn a_lost_notification_is_found() {
        let mut books = true_books();
        books.0.kept[0] = None;
        books.breaks(
            &[Law::OneFinalState],
            "ntf_0 was accepted and is not in the store",
        );
    }

    #[test]
    fn a_notification_that_nobody_was_told_of_is_found() {
        let mut books = true_books();
        books.0.strangers.push("ntf_9".into());
        books.breaks(&[Law::OneFinalState], "ntf_9, which the API never");
    }

    #[test]
    fn two_deliveries_for_one_device_are_found() {
        let mut books = true_books();
        let again = books.delivery(0, 0).clone();
        books.notification(0).deliveries.push(again);
        books.notification(0).counts.insert("accepted".into(), 3);
        books.breaks(
            &[Law::OneFinalState, Law::Identity],
            "device-0 has two deliveries",
        );
    }

    #[test]
    fn counts_that_do_not_add_up_are_found() {
        let mut books = true_books();
        books.notification(0).counts.insert("accepted".into(), 3);
        books.breaks(&[Law::OneFinalState], "the store counts");
    }

    #[test]
    fn a_device_that_was_not_asked_for_is_found() {
        let mut books = true_books();
        books.0.asked[0].audience = Audience::Devices(vec![0]);
        books.breaks(&[Law::OneFinalState], "device-1");
    }

    #[test]
    fn a_fanout_must_reach_whoever_was_there_all_the_time() {
        let mut books = true_books();
        books.0.asked[0].audience = Audience::All;
        books.breaks(&[Law::OneFinalState], "did not reach device device-2");

        let mut books = true_books();
        books.0.asked[0].audience = Audience::All;
        books.0.devices[2].is_steady = false;
        books.holds();

        let mut books = true_books();
        books.0.asked[0].audience = Audience::All;
        books.cancel(0, 0);
        books.receipt(0).at -= 400_000;
        books.receipt(1).at -= 400_000;
        books.holds();

        // A cancel that was never acknowledged ends a fan-out all the same.
        let mut books = true_books();
        books.0.asked[0].audience = Audience::All;
        books.0.asked[0].is_cancel_asked = true;
        books.holds();
    }

    #[test]
    fn what_is_for_people_reaches_all_their_devices_and_no_other() {
        let mut books = true_books();
        books.0.asked[0].audience = Audience::Users(vec![0, 1]);
        books.holds();

        let mut books = true_books();
        books.0.asked[0].audience = Audience::Users(vec![0]);
        books.breaks(&[Law::OneFinalState], "reached device device-1 of somebody");

        let mut books = true_books();
        books.0.asked[0].audience = Audience::Topic(1);
        books.holds();

        let mut books = true_books();
        books.0.asked[0].audience = Audience::Topic(1);
        books.0.devices[1].topic = 2;
        books.breaks(&[Law::OneFinalState], "reached device device-1 of somebody");

        let mut books = true_books();
        books.0.asked[0].audience = Audience::Users(vec![0, 1, 2]);
        books.breaks(&[Law::OneFinalState], "did not reach device device-2");
    }

    #[test]
    fn what_was_refused_must_not_be_sent() {
        let mut books = true_books();
        let refused = books.ask(Kind::Alert, &[0]);
        books.0.asked[refused as usize].accepted = None;
        books.0.asked[refused as usize].refused = Some("request.invalid".into());
        books.0.kept[refused as usize] = None;
        books.receive(refused, 0, 200, "");
        books.breaks(&[Law::OneFinalState], "was refused and still reached");
    }

    #[test]
    fn a_question_without_an_answer_is_found() {
        let mut books = true_books();
        let open = books.ask(Kind::Alert, &[0]);
        books.0.asked[open as usize].accepted = None;
        books.0.kept[open as usize] = None;
        books.breaks(&[Law::OneFinalState], "notification 2 never had an answer");
    }

    #[test]
    fn a_push_without_a_delivery_is_found() {
        let mut books = true_books();
        books.receive(0, 2, 200, "").address = 4;
        books.breaks(&[Law::OneFinalState], "was sent to device-2");
    }

    #[test]
    fn states_may_be_of_every_kind() {
        let mut books = true_books();
        books.receive_nothing(0);
        books.end(0, 0, State::Suppressed);
        books.holds();
    }
}
