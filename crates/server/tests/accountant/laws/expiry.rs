//! Nothing is written after its expiry, and the gateway is told to keep nothing longer than that.

use crate::books::{Books, SECOND};

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    for (number, asked, _) in books.notifications() {
        let (Some(expires_at), Some((id, _))) = (asked.expires_at, &asked.accepted) else {
            continue;
        };
        for receipt in books.receipts_of_all(number) {
            let device = &books.devices[books.device_of(receipt) as usize].id;
            if receipt.at > expires_at + books.slack {
                let late = (receipt.at - expires_at) / 1000;
                found.push(format!(
                    "{id} reached device {device} {late} ms after its expiry"
                ));
            }
            // Whole seconds: rounding up is the gateway's unit, not ours to forbid.
            let latest = (expires_at + asked.ahead).div_euclid(SECOND) + 1;
            if receipt.expiration.is_some_and(|until| until > latest) {
                found.push(format!(
                    "{id} was given to the gateway to keep until {:?}, which is after its expiry",
                    receipt.expiration
                ));
            }
            // Longer than its whole life, from the question on.
            let most = (expires_at - asked.sent).div_euclid(SECOND) + 1;
            if receipt.ttl_secs.is_some_and(|ttl| ttl > most) {
                found.push(format!(
                    "{id} was given to the gateway to keep for {:?} s, which is after its expiry",
                    receipt.ttl_secs
                ));
            }
        }
    }
    found
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::books::SECOND;
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn a_push_after_its_expiry_is_found() {
        let mut books = true_books();
        let sent = books.0.asked[0].sent;
        books.0.asked[0].expires_at = Some(sent + SECOND);
        books.receipt(1).at = sent + 3 * SECOND;
        books.breaks(
            &[Law::Expiry],
            "ntf_0 reached device device-1 2000 ms after its expiry",
        );
    }

    #[test]
    fn a_gateway_told_to_keep_it_longer_is_found() {
        let mut books = true_books();
        let expires_at = books.0.asked[0].sent + 5 * SECOND;
        books.0.asked[0].expires_at = Some(expires_at);
        books.receipt(1).expiration = Some(expires_at / SECOND + 60);
        books.breaks(&[Law::Expiry], "to keep until");
    }

    #[test]
    fn a_gateway_told_to_keep_it_for_longer_is_found() {
        let mut books = true_books();
        let expires_at = books.0.asked[0].sent + 5 * SECOND;
        books.0.asked[0].expires_at = Some(expires_at);
        books.receipt(0).ttl_secs = Some(5);
        books.receipt(1).ttl_secs = Some(60);
        books.breaks(&[Law::Expiry], "to keep for");
    }

    #[test]
    fn a_push_in_time_is_not() {
        let mut books = true_books();
        let expires_at = books.0.asked[0].sent + 5 * SECOND;
        books.0.asked[0].expires_at = Some(expires_at);
        books.receipt(1).expiration = Some(expires_at / SECOND);
        books.holds();
    }
}
