//! News: what one transaction has to tell, gathered here and grouped into events.
//!
//! Stores fill it where they learn of something and append its events before they commit, so that what
//! happened and that it happened are on disk together: a crash neither loses an event nor doubles it.
//! What is news is the stores' business; here it is only put together.

use crate::store::NewEvent;
use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use carillon_model::event::{
    DeliveryFailed, DeviceRetired, EventKind, NotificationCompleted, Receipts, RetiredPushToken,
};
use carillon_model::id::{AppNo, DeliveryId, NotificationNo};
use carillon_model::lane::Gateway;
use serde::Serialize;
use std::collections::BTreeMap;

/// See the module's words.
#[derive(Debug, Default)]
pub struct News {
    failed: BTreeMap<NotificationNo, DeliveryFailed>,
    retired: BTreeMap<AppNo, Vec<RetiredPushToken>>,
    receipts: BTreeMap<(EventKind, NotificationNo), Vec<String>>,
    completed: Vec<NotificationNo>,
}

/// Whose a notification is and when it was accepted: what its public id is made of. `None`: it is gone,
/// and there is nobody to tell.
pub type Owner = Option<(AppNo, UnixMs)>;

impl News {
    /// The notifications that it is about, whose owners will be asked for; one may be there more than once.
    pub fn notifications(&self) -> impl Iterator<Item = NotificationNo> + '_ {
        let failed = self.failed.keys().copied();
        let receipts = self.receipts.keys().map(|(_, no)| *no);
        failed.chain(receipts).chain(self.completed.iter().copied())
    }

    /// Nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.failed.is_empty()
            && self.retired.is_empty()
            && self.receipts.is_empty()
            && self.completed.is_empty()
    }

    /// What is known of a delivery went from one state to another. That is told when it ended without
    /// reaching anybody, and had not before.
    pub fn ended(
        &mut self,
        id: DeliveryId,
        gateway: Gateway,
        before: Option<FinalState>,
        after: FinalState,
        reason: &str,
    ) {
        if DeliveryFailed::tells(after) && !before.is_some_and(DeliveryFailed::tells) {
            self.failed
                .entry(id.batch.notification())
                // Its public id is filled in at the end.
                .or_insert_with(|| DeliveryFailed::new(String::new()))
                .add(id, gateway, after, reason);
        }
    }

    /// Deliveries that ended without reaching anybody, by notification.
    pub fn failed(&self) -> impl Iterator<Item = (NotificationNo, &DeliveryFailed)> {
        self.failed.iter().map(|(no, failed)| (*no, failed))
    }

    /// No delivery of this notification is open any more.
    pub fn completed(&mut self, no: NotificationNo) {
        self.completed.push(no);
    }

    /// A push token died.
    pub fn retired(&mut self, app: AppNo, entry: RetiredPushToken) {
        self.retired.entry(app).or_default().push(entry);
    }

    /// A receipt came: [`EventKind::ReceiptDelivered`] or [`EventKind::ReceiptOpened`].
    pub fn receipt(&mut self, kind: EventKind, id: DeliveryId) {
        let key = (kind, id.batch.notification());
        self.receipts.entry(key).or_default().push(id.to_string());
    }

    /// The events, in the order in which things happened to a notification.
    ///
    /// # Errors
    /// Whatever looking up an owner says.
    pub fn into_events<E>(
        self,
        mut owner: impl FnMut(NotificationNo) -> Result<Owner, E>,
    ) -> Result<Vec<NewEvent>, E> {
        let mut events = Vec::new();
        for (app, entries) in self.retired {
            for entries in groups(EventKind::DeviceRetired, entries) {
                let data = DeviceRetired { entries };
                events.push(event(app, EventKind::DeviceRetired, "", &data));
            }
        }
        for (no, mut failed) in self.failed {
            if let Some((app, accepted_at)) = owner(no)? {
                failed.notification = no.public(accepted_at);
                let subject = failed.notification.clone();
                events.push(event(app, EventKind::DeliveryFailed, &subject, &failed));
            }
        }
        for ((kind, no), deliveries) in self.receipts {
            if let Some((app, accepted_at)) = owner(no)? {
                let notification = no.public(accepted_at);
                for deliveries in groups(kind, deliveries) {
                    let data = Receipts {
                        notification: notification.clone(),
                        deliveries,
                    };
                    events.push(event(app, kind, &notification, &data));
                }
            }
        }
        let mut by_app: BTreeMap<AppNo, Vec<String>> = BTreeMap::new();
        for no in self.completed {
            if let Some((app, accepted_at)) = owner(no)? {
                by_app.entry(app).or_default().push(no.public(accepted_at));
            }
        }
        for (app, ids) in by_app {
            for notifications in groups(EventKind::NotificationCompleted, ids) {
                let subject = match &notifications[..] {
                    [one] => one.clone(),
                    _ => String::new(),
                };
                let data = NotificationCompleted { notifications };
                let kind = EventKind::NotificationCompleted;
                events.push(event(app, kind, &subject, &data));
            }
        }
        Ok(events)
    }
}

/// Cut so that each fits into one event.
fn groups<T>(kind: EventKind, entries: Vec<T>) -> Vec<Vec<T>> {
    let most = kind.max_entries().unwrap_or(usize::MAX);
    let mut groups = Vec::with_capacity(entries.len() / most + 1);
    let mut rest = entries;
    while rest.len() > most {
        let later = rest.split_off(most);
        groups.push(rest);
        rest = later;
    }
    groups.push(rest);
    groups
}

/// An event to append.
#[must_use]
pub fn event(app: AppNo, kind: EventKind, subject: &str, data: &impl Serialize) -> NewEvent {
    NewEvent {
        app,
        kind: kind.as_str(),
        subject: subject.to_owned(),
        // Plain structs of texts and numbers can always be written.
        data: serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn owner(no: NotificationNo) -> Result<Owner, Infallible> {
        Ok((no.0 < 1_000).then_some((AppNo(no.0 % 2), 0)))
    }

    fn id(no: i64, position: u16) -> DeliveryId {
        DeliveryId {
            batch: NotificationNo(no).batch(0),
            position,
        }
    }

    #[test]
    fn grouped_and_in_order() {
        let mut news = News::default();
        assert!(news.is_empty());
        for no in 1..=900 {
            news.completed(NotificationNo(no));
        }
        news.completed(NotificationNo(5_000));
        let rejected = FinalState::Rejected;
        for position in 0..30 {
            news.ended(id(3, position), Gateway::Fcm, None, rejected, "X");
        }
        news.ended(
            id(3, 30),
            Gateway::Fcm,
            Some(FinalState::Unknown),
            rejected,
            "X",
        );
        news.ended(id(4, 0), Gateway::Fcm, None, FinalState::Accepted, "");
        let retired = |n: usize| RetiredPushToken {
            delivery: format!("dlv_1_{n}"),
            device: None,
            kind: "alert".into(),
            reason: "Unregistered".into(),
        };
        (0..65).for_each(|n| news.retired(AppNo(1), retired(n)));
        let events = news.into_events(owner).unwrap();
        let told: Vec<_> = events.iter().map(|e| (e.app.0, e.kind)).collect();
        assert_eq!(
            told,
            [
                (1, "device.retired"),
                (1, "device.retired"),
                (1, "delivery.failed"),
                (0, "notification.completed"),
                (0, "notification.completed"),
                (1, "notification.completed"),
                (1, "notification.completed"),
            ]
        );
        let failed: DeliveryFailed = serde_json::from_str(&events[2].data).unwrap();
        assert_eq!((failed.count, failed.examples.len()), (30, 20));
        assert_eq!(failed.notification, events[2].subject);
        let completed: NotificationCompleted = serde_json::from_str(&events[3].data).unwrap();
        assert_eq!(completed.notifications.len(), 400);
        assert_eq!(events[3].subject, "", "not one thing");
    }

    #[test]
    fn one_is_its_subject() {
        let mut news = News::default();
        news.completed(NotificationNo(7));
        news.receipt(EventKind::ReceiptOpened, id(7, 2));
        let events = news.into_events(owner).unwrap();
        let ntf = NotificationNo(7).public(0);
        assert_eq!(events[0].kind, "receipt.opened");
        assert!(events[0].data.contains("dlv_7340032_2"));
        assert!(events.iter().all(|event| event.subject == ntf));
    }
}
