//! A delivery has one id of its own, the same at every attempt, and shares it with no other delivery: Apple is told it as
//! `apns-id`, the others as a tag where the push may be sent again. An alert that may be sent again has one collapse id
//! besides, so that the second one replaces the first on the screen.

use std::collections::HashMap;

use crate::books::Books;
use crate::books::accepted::{Gateway, Kind, OnUnknown};

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    let mut owners: HashMap<u128, String> = HashMap::new();
    for story in books.stories() {
        let Some(first) = story.receipts.first() else {
            continue;
        };
        if story
            .receipts
            .iter()
            .any(|receipt| receipt.own_id != first.own_id)
        {
            found.push(format!("{} was sent under several ids", story.name()));
        }
        let is_replaceable = story
            .receipts
            .iter()
            .all(|receipt| receipt.collapse.is_some() && receipt.collapse == first.collapse);
        let policy = (story.asked.kind, story.asked.on_unknown);
        if policy == (Kind::Alert, OnUnknown::Resend) && !is_replaceable {
            found.push(format!(
                "{} may be sent again, and would not replace itself",
                story.name()
            ));
        }
        let is_replacing = policy == (Kind::Alert, OnUnknown::Resend);
        let Some(own_id) = first.own_id else {
            if is_replacing || first.gateway == Gateway::Apns {
                found.push(format!(
                    "{} was sent without an id of its own",
                    story.name()
                ));
            }
            continue;
        };
        if story.kept.gateway_id.is_some_and(|id| id != own_id) {
            found.push(format!(
                "{} was sent under another id than the store says",
                story.name()
            ));
        }
        if let Some(other) = owners.insert(own_id, story.name()) {
            found.push(format!(
                "{} and {other} were sent under one id",
                story.name()
            ));
        }
    }
    found
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use crate::laws::Law;
    use crate::laws::forge::true_books;

    #[test]
    fn an_id_that_changes_is_found() {
        let mut books = true_books();
        books.receipt(0).status = 503;
        books.receive(0, 0, 200, "").own_id = Some(77);
        books.breaks(&[Law::Identity], "under several ids");
    }

    #[test]
    fn an_alert_that_would_not_replace_itself_is_found() {
        let mut books = true_books();
        books.receipt(0).collapse = None;
        books.breaks(&[Law::Identity], "would not replace itself");

        let mut books = true_books();
        books.receive(0, 0, 200, "").collapse = Some(77);
        books.delivery(0, 0).doubts = 1;
        books.breaks(&[Law::Identity], "would not replace itself");
    }

    #[test]
    fn an_id_that_the_store_does_not_know_is_found() {
        let mut books = true_books();
        books.delivery(0, 0).gateway_id = Some(77);
        books.breaks(&[Law::Identity], "another id than the store says");
    }

    #[test]
    fn an_id_that_is_shared_is_found() {
        let mut books = true_books();
        books.receipt(0).own_id = Some(77);
        books.receipt(1).own_id = Some(77);
        books.breaks(&[Law::Identity], "under one id");
    }
}
