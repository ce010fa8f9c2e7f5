//! One delivery through all three books.

use super::Books;
use super::accepted::{Asked, OnUnknown};
use super::received::{Meaning, Receipt};
use super::stored::{KeptDelivery, KeptNotification};

/// One delivery: what was asked, what the store says, what the simulator received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Story<'a> {
    /// The notification's place in the first book.
    pub(crate) number: u32,
    pub(crate) asked: &'a Asked,
    pub(crate) kept: &'a KeptDelivery,
    /// In order of arrival.
    pub(crate) receipts: &'a [Receipt],
}

impl<'a> Story<'a> {
    /// How it is called in messages.
    pub(crate) fn name(&self) -> String {
        let app = self.asked.app;
        format!(
            "{} (notification {} of App {app})",
            self.kept.id, self.number
        )
    }

    pub(crate) fn count(&self, meaning: Meaning) -> usize {
        self.receipts
            .iter()
            .filter(|receipt| receipt.meaning() == meaning)
            .count()
    }

    /// Whether the gateway may have taken it, as far as the sender can know.
    pub(crate) fn may_be_taken(&self) -> bool {
        self.count(Meaning::Taken) + self.count(Meaning::Silent) > 0
    }

    pub(crate) fn is_dropped_in_doubt(&self) -> bool {
        self.asked.on_unknown == OnUnknown::Drop
    }

    /// What the simulator saw of it, for messages.
    pub(crate) fn seen(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for receipt in self.receipts {
            words.push(match receipt.meaning() {
                Meaning::Silent => format!("{} unanswered at {}", receipt.status, receipt.at),
                _ if receipt.reason.is_empty() => format!("{} at {}", receipt.status, receipt.at),
                _ => format!("{} {} at {}", receipt.status, receipt.reason, receipt.at),
            });
        }
        match words.len() {
            0 => "nothing".to_owned(),
            _ => words.join(", "),
        }
    }
}

impl Books {
    /// Every delivery that the store names together with a device, in the order of the first book.
    pub(crate) fn stories(&self) -> impl Iterator<Item = Story<'_>> {
        self.notifications().flat_map(move |(number, asked, kept)| {
            kept.deliveries.iter().filter_map(move |delivery| {
                let device = delivery.device?;
                let receipts = self.receipts_of(number, device);
                Some(Story {
                    number,
                    asked,
                    kept: delivery,
                    receipts,
                })
            })
        })
    }

    /// Every notification that was asked for and that the store knows.
    pub(crate) fn notifications(&self) -> impl Iterator<Item = (u32, &Asked, &KeptNotification)> {
        let both = self.asked.iter().zip(&self.kept);
        (0u32..)
            .zip(both)
            .filter_map(|(number, (asked, kept))| Some((number, asked, kept.as_ref()?)))
    }

    /// What was received for one device of a notification. The book must be closed.
    pub(crate) fn receipts_of(&self, number: u32, device: u32) -> &[Receipt] {
        let place = |receipt: &Receipt| (receipt.asked, self.device_of(receipt));
        let from = self
            .receipts
            .partition_point(|receipt| place(receipt) < (number, device));
        let rest = &self.receipts[from..];
        let length = rest.partition_point(|receipt| place(receipt) == (number, device));
        &rest[..length]
    }

    /// What was received for a notification. The book must be closed.
    pub(crate) fn receipts_of_all(&self, number: u32) -> &[Receipt] {
        let from = self
            .receipts
            .partition_point(|receipt| receipt.asked < number);
        let rest = &self.receipts[from..];
        let length = rest.partition_point(|receipt| receipt.asked == number);
        &rest[..length]
    }
}
