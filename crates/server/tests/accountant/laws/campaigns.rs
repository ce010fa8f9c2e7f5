//! A campaign goes as it was told to: nothing is sent while it rests, its pace and the wait after its canary are kept, no clock
//! is met too early, nobody is in it who came later, and what it says of itself is what the store says. That each device of
//! its audience is told once and ends in one state, and nobody is told after a cancel, is what the other laws say of every
//! notification.

use std::collections::{BTreeMap, BTreeSet};

use crate::books::accepted::Asked;
use crate::books::campaigns::{Answer, Campaign, Switch};
use crate::books::received::Receipt;
use crate::books::stored::KeptNotification;
use crate::books::{Books, Micros, SECOND};
use crate::laws::later::TOLERANCE;

/// What a pace makes up for when it was late.
const CATCH_UP: Micros = SECOND;

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    for campaign in &books.campaigns {
        let asked = &books.asked[campaign.number as usize];
        let kept = books.kept.get(campaign.number as usize);
        let (Some((id, _)), Some(Some(kept))) = (&asked.accepted, kept) else {
            continue;
        };
        let told = judge(books, campaign, asked, kept);
        found.extend(told.into_iter().map(|what| format!("{id} {what}")));
    }
    found
}

fn judge(
    books: &Books,
    campaign: &Campaign,
    asked: &Asked,
    kept: &KeptNotification,
) -> Vec<String> {
    let receipts = books.receipts_of_all(campaign.number);
    let mut found = rests(books, campaign, receipts);
    found.extend(early(books, campaign, asked, receipts));
    found.extend(strangers(books, receipts, kept));
    found.extend(figures(campaign, asked, kept));
    found
}

/// Between a pause that was acknowledged and the next resumption nothing is sent but what was in flight.
fn rests(books: &Books, campaign: &Campaign, receipts: &[Receipt]) -> Vec<String> {
    let mut found = Vec::new();
    for (place, call) in campaign.calls.iter().enumerate() {
        let (Switch::Pause, Some((at, Answer::Done { in_flight }))) = (call.what, call.answered)
        else {
            continue;
        };
        let resumed = campaign.calls[place..]
            .iter()
            .find(|call| call.what == Switch::Resume);
        let until = resumed.map_or(Micros::MAX, |call| call.sent);
        let late = receipts
            .iter()
            .filter(|receipt| receipt.at > at + books.slack && receipt.at < until);
        let devices: BTreeSet<u32> = late.clone().map(|late| books.device_of(late)).collect();
        if devices.len() as u64 > in_flight {
            let first = late.map(|receipt| receipt.at - at).min().unwrap_or(0) / 1000;
            found.push(format!(
                "was sent to {} devices while it was paused, with {in_flight} in flight, first {first} ms after the pause was acknowledged",
                devices.len()
            ));
        }
    }
    found
}

/// Nobody is told before the pace, the canary or his own clock allows it.
fn early(books: &Books, campaign: &Campaign, asked: &Asked, receipts: &[Receipt]) -> Vec<String> {
    let mut found = Vec::new();
    // Nothing was stored before it was asked for.
    let began = books.business(asked.sent);
    let mut first: BTreeMap<u32, Micros> = BTreeMap::new();
    for receipt in receipts {
        let at = books.business(receipt.at);
        let known = first.entry(books.device_of(receipt)).or_insert(at);
        *known = at.min(*known);
    }
    let mut instants: Vec<Micros> = first.values().copied().collect();
    instants.sort_unstable();
    if let Some(per_second) = campaign.per_second {
        let together = per_second.min(campaign.slice).max(1);
        let allowed = |at: Micros| {
            let passed = at - began + CATCH_UP + TOLERANCE;
            Micros::from(per_second) * passed / SECOND + Micros::from(together) + 1
        };
        let fast = (1..)
            .zip(&instants)
            .find(|(count, at)| *count > allowed(**at));
        if let Some((count, at)) = fast {
            let ms = (at - began) / 1000;
            found.push(format!(
                "was sent to {count} devices within {ms} ms, at a pace of {per_second} a second"
            ));
        }
    }
    if let Some(canary) = campaign.canary {
        let second = instants.get(canary.size as usize);
        if let Some(at) = second.filter(|at| **at < began + canary.hold - TOLERANCE) {
            let (size, hold, ms) = (canary.size, canary.hold / 1000, (at - began) / 1000);
            found.push(format!(
                "was sent to more than its canary of {size} devices after {ms} ms, and the others wait for {hold} ms"
            ));
        }
    }
    if let Some(wave) = campaign.wave {
        let of_zone = first
            .iter()
            .filter(|(device, _)| books.devices[**device as usize].zone == wave.zone);
        let early = of_zone
            .map(|(_, at)| wave.due - at)
            .max()
            .filter(|early| *early > TOLERANCE);
        if let Some(early) = early {
            found.push(format!(
                "was sent {} ms before the clocks of its devices showed its time",
                early / 1000
            ));
        }
    }
    found
}

/// Whoever was registered after the first was told came later than it began.
fn strangers(books: &Books, receipts: &[Receipt], kept: &KeptNotification) -> Option<String> {
    let first = receipts.iter().map(|receipt| receipt.at).min()?;
    let mut devices = kept.deliveries.iter().filter_map(|kept| kept.device);
    let late = devices.find(|device| {
        let device = &books.devices[*device as usize];
        // The store does not name those that were deleted: which of them it was is a guess.
        let first_call = device.registered.first();
        device.deleted.is_none() && first_call.is_some_and(|call| call.sent > first)
    })?;
    let device = &books.devices[late as usize].id;
    Some(format!(
        "has device {device}, which was registered after it had begun"
    ))
}

/// What it says of itself is what the store says of its deliveries, and all of its audience had their turn.
fn figures(campaign: &Campaign, asked: &Asked, kept: &KeptNotification) -> Vec<String> {
    let mut found = Vec::new();
    let Some(seen) = &campaign.seen else {
        return vec!["is not shown".to_owned()];
    };
    if seen.counts != kept.counts {
        found.push(format!(
            "says that its deliveries are {:?}, and its notification {:?}",
            seen.counts, kept.counts
        ));
    }
    let expected: &[&str] = match asked.is_cancel_asked {
        // It may have been over before.
        true => &["cancelled", "completed"],
        false => &["completed"],
    };
    if !expected.contains(&seen.status.as_str()) {
        found.push(format!("is {} at the end", seen.status));
    }
    if !campaign.is_frozen {
        return found;
    }
    match (seen.audience, seen.left) {
        (Some(audience), Some(left)) => {
            let made = kept.deliveries.len() as u64;
            if audience != left + made {
                found.push(format!(
                    "has {audience} devices, of which {left} had no turn, and {made} deliveries"
                ));
            }
            if left > 0 && !asked.is_cancel_asked {
                found.push(format!("ended although {left} devices had no turn"));
            }
        }
        _ if asked.is_cancel_asked => {}
        _ => found.push("ended without an audience".to_owned()),
    }
    found
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::SECOND;
    use crate::books::accepted::Audience;
    use crate::books::campaigns::{Answer, Canary, Switch, Wave};
    use crate::books::stored::State;
    use crate::laws::Law;
    use crate::laws::forge::{Forged, true_books};

    /// One to all three devices, each received half a second after it was asked for.
    fn books() -> (Forged, u32) {
        let mut books = true_books();
        let number = books.campaign(&[0, 1, 2]);
        (books, number)
    }

    #[test]
    fn one_that_goes_as_it_was_told_to_is_fine() {
        books().0.holds();
    }

    #[test]
    fn a_push_while_it_rests_is_found() {
        let late = |books: &mut Forged, in_flight| {
            let at = books.switch(Switch::Pause, SECOND, Answer::Done { in_flight });
            books.0.receipts.last_mut().unwrap().at = at + SECOND;
        };
        let (mut books, _) = books();
        late(&mut books, 0);
        books.breaks(
            &[Law::Campaigns],
            "to 1 devices while it was paused, with 0 in flight, first 1000 ms after",
        );
        // What was in flight may still arrive.
        let (mut books, _) = self::books();
        late(&mut books, 1);
        books.holds();
        // When it goes on, so does everything.
        let (mut books, _) = self::books();
        late(&mut books, 0);
        books.switch(
            Switch::Resume,
            3 * SECOND / 2,
            Answer::Done { in_flight: 0 },
        );
        books.holds();
        // A pause that came too late asks for nothing.
        let (mut books, _) = self::books();
        let at = books.switch(Switch::Pause, SECOND, Answer::Over);
        books.0.receipts.last_mut().unwrap().at = at + SECOND;
        books.holds();
    }

    #[test]
    fn a_pace_that_is_not_kept_is_found() {
        let (mut books, _) = books();
        books.last_campaign().per_second = Some(1);
        books.holds();
        // Two in the first second, one that is made up for, one for what cannot be measured.
        let mut books = true_books();
        for _ in 0..2 {
            let device = books.device();
            assert!(device > 2);
        }
        books.campaign(&[0, 1, 2, 3, 4]);
        books.last_campaign().per_second = Some(1);
        let first = books.0.asked.last().unwrap().sent;
        for receipt in books.0.receipts.iter_mut().rev().take(5) {
            receipt.at = first + SECOND / 10;
        }
        books.breaks(&[Law::Campaigns], "at a pace of 1 a second");
    }

    #[test]
    fn a_canary_that_is_not_waited_for_is_found() {
        let canary = |size| {
            let (mut books, _) = books();
            books.last_campaign().canary = Some(Canary {
                size,
                hold: 2 * SECOND,
            });
            books
        };
        canary(2).breaks(&[Law::Campaigns], "more than its canary of 2 devices");
        canary(3).holds();
    }

    #[test]
    fn a_clock_that_is_met_too_early_is_found() {
        let wave = |zone| {
            let (mut books, number) = books();
            let due = books.0.asked[number as usize].sent + 2 * SECOND;
            books.last_campaign().wave = Some(Wave { zone, due });
            books
        };
        wave(0).breaks(&[Law::Campaigns], "before the clocks of its devices");
        // Nobody is there.
        wave(2).holds();
    }

    #[test]
    fn whoever_came_later_is_found() {
        let (mut books, number) = books();
        let began = books.0.asked[number as usize].sent;
        let device = books.device();
        let registered = &mut books.0.devices[device as usize].registered;
        registered[0].sent = began + SECOND;
        registered[0].answered = began + 2 * SECOND;
        books.0.asked[number as usize].audience = Audience::All;
        books.holds();
        let (mut books, number) = self::books();
        books.0.asked[number as usize].audience = Audience::All;
        books.0.devices[2].registered[0].sent = began + SECOND;
        books.0.devices[2].registered[0].answered = began + 2 * SECOND;
        books.breaks(&[Law::Campaigns], "device-2, which was registered after");
    }

    #[test]
    fn figures_that_do_not_add_up_are_found() {
        let change = |change: fn(&mut Forged)| {
            let (mut books, _) = books();
            change(&mut books);
            books
        };
        let seen = |books: &mut Forged| books.last_campaign().seen.take();
        change(|books| books.last_campaign().seen = None).breaks(&[Law::Campaigns], "not shown");
        let mut books = change(|_| {});
        let mut wrong = seen(&mut books).unwrap();
        wrong.counts.insert("rejected".into(), 1);
        books.last_campaign().seen = Some(wrong);
        books.breaks(&[Law::Campaigns], "says that its deliveries are");
        for (audience, left, part) in [
            (Some(4), Some(0), "4 devices, of which 0 had no turn, and 3"),
            (Some(4), Some(1), "although 1 devices had no turn"),
            (None, None, "without an audience"),
        ] {
            let mut books = change(|_| {});
            let mut wrong = seen(&mut books).unwrap();
            (wrong.audience, wrong.left) = (audience, left);
            books.last_campaign().seen = Some(wrong);
            books.breaks(&[Law::Campaigns], part);
        }
        change(|books| books.last_campaign().seen.as_mut().unwrap().status = "paused".into())
            .breaks(&[Law::Campaigns], "is paused at the end");
    }

    #[test]
    fn one_that_was_cancelled_may_leave_devices_without_a_turn() {
        let (mut books, number) = books();
        let at = books.cancel(number, 1);
        for device in 0..2 {
            let receipt = books.0.receipts.iter_mut();
            let mut of_it = receipt.filter(|r| r.asked == number && r.address / 2 == device);
            of_it.next().unwrap().at = at - 1;
        }
        books.0.receipts.pop();
        books.end(number, 2, State::Cancelled);
        let counts = books.notification(number).counts.clone();
        let seen = books.last_campaign().seen.as_mut().unwrap();
        (seen.audience, seen.left, seen.counts) = (Some(9), Some(6), counts);
        seen.status = "cancelled".into();
        books.holds();
    }
}
