//! Push tokens are retired by the rule of their gateway, and only so.
//!
//! Apple's 410 retires the registration that it is about, unless the app has registered again after the time that the gateway
//! names. So: who is retired was refused, by a time stamp that is not older than the last registration; and who was
//! refused like that is retired. Google's `UNREGISTERED` and a push service's 404 or 410 name no time: there the
//! registration counts that the push was sent to.

use crate::books::accepted::{Address, Call, Gateway};
use crate::books::received::{Answer, Receipt};
use crate::books::stored::{KeptToken, State};
use crate::books::{Books, Micros};
use std::collections::HashMap;

const MILLISECOND: Micros = 1000;

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut refusals: HashMap<u32, Vec<&Receipt>> = HashMap::new();
    for receipt in books.receipts.iter().filter(|receipt| is_dead_by(receipt)) {
        refusals.entry(receipt.address).or_default().push(receipt);
    }
    books
        .tokens
        .iter()
        .filter_map(|token| {
            let device = &books.devices[token.device as usize];
            let address = device
                .addresses
                .iter()
                .find(|address| books.addresses[**address as usize].kind == token.kind)?;
            let said = refusals.get(address).map(Vec::as_slice).unwrap_or_default();
            let entry = &books.addresses[*address as usize];
            let what = judge(books, token, entry, device.last_registered()?, said)?;
            Some(format!(
                "the push token ({:?}) of device {} {what}",
                token.kind, device.id
            ))
        })
        .collect()
}

fn is_dead_by(receipt: &Receipt) -> bool {
    let is_said = match receipt.gateway {
        Gateway::Apns => receipt.status == 410,
        Gateway::Fcm => receipt.status == 404 && receipt.reason == "UNREGISTERED",
        Gateway::WebPush => matches!(receipt.status, 404 | 410),
    };
    receipt.answer == Answer::Given && is_said
}

fn judge(
    books: &Books,
    token: &KeptToken,
    address: &Address,
    last: Call,
    refusals: &[&Receipt],
) -> Option<String> {
    let since = address.dead_since_ms.map(|ms| ms * MILLISECOND);
    // Rounding to milliseconds may put an instant just before a call that was sent in the same one.
    let may_retire = since.is_none_or(|since| since + MILLISECOND >= last.sent)
        && refusals.iter().any(|receipt| receipt.at >= last.sent);
    if token.is_retired && !may_retire {
        let why = match refusals.len() {
            0 => "and no refusal was ever given for it".to_owned(),
            count => format!("though none of its {count} refusals is about the last registration"),
        };
        return Some(format!("is retired, {why}"));
    }
    // Without a time stamp of Apple's the registration's generation decides, which only the store knows; the others never
    // have one, and what was asked for after the registration was sent to it.
    let is_newer = match address.gateway {
        Gateway::Apns => since.is_some_and(|since| since >= last.answered),
        Gateway::Fcm | Gateway::WebPush => true,
    };
    let must_retire = is_newer
        && refusals
            .iter()
            .any(|receipt| is_settled(books, receipt, last));
    (!token.is_retired && must_retire)
        .then(|| "is still active, though a newer refusal was given for it".to_owned())
}

/// Whether this refusal surely concerns the last registration, and was heard.
fn is_settled(books: &Books, receipt: &Receipt, last: Call) -> bool {
    let was_asked_later = books.asked[receipt.asked as usize].sent >= last.answered;
    let device = books.device_of(receipt);
    let kept = books.kept[receipt.asked as usize].as_ref();
    let state = kept.and_then(|kept| {
        let found = kept
            .deliveries
            .iter()
            .find(|delivery| delivery.device == Some(device))?;
        found.state
    });
    was_asked_later && state == Some(State::Rejected)
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::accepted::{Call, Gateway};
    use crate::books::received::Receipt;
    use crate::books::stored::State;
    use crate::books::{Micros, SECOND};
    use crate::laws::Law;
    use crate::laws::forge::{Forged, START, true_books};

    fn refused(dead_since: Micros) -> Forged {
        let mut books = true_books();
        books.receipt(0).status = 410;
        books.receipt(0).reason = "Unregistered".into();
        books.end(0, 0, State::Rejected);
        books.0.addresses[0].dead_since_ms = Some(dead_since / 1000);
        books
    }

    #[test]
    fn retired_without_a_refusal_is_found() {
        let mut books = true_books();
        books.0.tokens[0].is_retired = true;
        books.breaks(&[Law::PushTokens], "device-0 is retired, and no refusal");
    }

    #[test]
    fn retired_by_an_old_time_stamp_is_found() {
        let mut books = refused(START - 3600 * SECOND);
        books.0.tokens[0].is_retired = true;
        books.breaks(
            &[Law::PushTokens],
            "none of its 1 refusals is about the last registration",
        );
    }

    #[test]
    fn retired_though_registered_again_is_found() {
        let mut books = refused(START - SECOND);
        let again = Call {
            sent: START + 5 * SECOND,
            answered: START + 6 * SECOND,
        };
        books.0.devices[0].registered.push(again);
        books.0.tokens[0].is_retired = true;
        books.breaks(&[Law::PushTokens], "is retired, though");
    }

    #[test]
    fn still_active_after_a_newer_time_stamp_is_found() {
        refused(START - SECOND).breaks(&[Law::PushTokens], "is still active");
    }

    fn refused_elsewhere(gateway: Gateway, status: u16, reason: &str) -> Forged {
        let mut books = true_books();
        *books.receipt(0) = Receipt {
            gateway,
            status,
            reason: reason.into(),
            ..books.receipt(0).clone()
        };
        books.end(0, 0, State::Rejected);
        books.0.addresses[0].gateway = gateway;
        books
    }

    #[test]
    fn the_other_gateways_tell_no_time() {
        for (gateway, status, reason) in [
            (Gateway::Fcm, 404, "UNREGISTERED"),
            (Gateway::WebPush, 404, "BadPath"),
            (Gateway::WebPush, 410, "Unregistered"),
        ] {
            let mut books = refused_elsewhere(gateway, status, reason);
            books.0.tokens[0].is_retired = true;
            books.holds();
            let books = refused_elsewhere(gateway, status, reason);
            books.breaks(&[Law::PushTokens], "is still active");
        }
        let mut books = refused_elsewhere(Gateway::Fcm, 400, "INVALID_ARGUMENT");
        books.0.tokens[0].is_retired = true;
        books.breaks(&[Law::PushTokens], "and no refusal");
    }

    #[test]
    fn the_rule_itself_is_fine() {
        let mut dead = refused(START - SECOND);
        dead.0.tokens[0].is_retired = true;
        dead.holds();
        refused(START - 3600 * SECOND).holds();
    }
}
