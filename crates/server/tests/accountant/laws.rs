//! The laws: what must hold between the three books, each in its own file with a test that sees it broken.
//!
//! A law looks at books and at nothing else. What it finds is a sentence that names the delivery.

mod activities;
mod campaigns;
mod cancel;
pub(crate) mod digests;
mod doubt;
mod drop;
mod expiry;
#[cfg(all(test, not(feature = "faults")))]
mod forge;
mod happened;
mod identity;
mod later;
mod memory;
mod monitors;
mod neighbours;
mod once;
mod one_final_state;
mod one_way;
mod push_tokens;
mod recovery;
mod schedules;
pub(crate) mod throttles;
mod truth;
mod webhooks;

use crate::books::Books;

/// A law by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Law {
    OneFinalState,
    Truth,
    Once,
    Doubt,
    Drop,
    Expiry,
    Cancel,
    OneWay,
    PushTokens,
    Identity,
    Digests,
    Throttles,
    Later,
    Schedules,
    Campaigns,
    Activities,
    Monitors,
    Webhooks,
    Neighbours,
    Memory,
    Recovery,
    Happened,
}

/// A law that is broken.
#[derive(Clone, Debug)]
pub(crate) struct Breach {
    pub(crate) law: Law,
    pub(crate) what: String,
}

impl Law {
    pub(crate) const ALL: [Self; 22] = [
        Self::OneFinalState,
        Self::Truth,
        Self::Once,
        Self::Doubt,
        Self::Drop,
        Self::Expiry,
        Self::Cancel,
        Self::OneWay,
        Self::PushTokens,
        Self::Identity,
        Self::Digests,
        Self::Throttles,
        Self::Later,
        Self::Schedules,
        Self::Campaigns,
        Self::Activities,
        Self::Monitors,
        Self::Webhooks,
        Self::Neighbours,
        Self::Memory,
        Self::Recovery,
        Self::Happened,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneFinalState => "one-final-state",
            Self::Truth => "truth",
            Self::Once => "once",
            Self::Doubt => "doubt",
            Self::Drop => "drop",
            Self::Expiry => "expiry",
            Self::Cancel => "cancel",
            Self::OneWay => "one-way",
            Self::PushTokens => "push-tokens",
            Self::Identity => "identity",
            Self::Digests => "digests",
            Self::Throttles => "throttles",
            Self::Later => "later",
            Self::Schedules => "schedules",
            Self::Campaigns => "campaigns",
            Self::Activities => "live-activities",
            Self::Monitors => "monitors",
            Self::Webhooks => "webhooks",
            Self::Neighbours => "neighbours",
            Self::Memory => "memory",
            Self::Recovery => "recovery",
            Self::Happened => "happened",
        }
    }

    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::OneFinalState => "every accepted delivery ends in exactly one final state",
            Self::Truth => "a final state says what the gateway said, or that nobody knows",
            Self::Once => "nothing that is final is sent again",
            Self::Doubt => "sent twice only what is recorded as in doubt, or was refused for now",
            Self::Drop => "what must not be sent in doubt is never sent in doubt",
            Self::Expiry => "nothing is written after its expiry",
            Self::Cancel => "nothing is written after an acknowledged cancel",
            Self::OneWay => "what is known of a delivery never becomes less",
            Self::PushTokens => "push tokens are retired by the rule of their gateway, and only so",
            Self::Identity => "a delivery has one id, and what is sent again replaces itself",
            Self::Digests => "each event that was acknowledged is told in exactly one digest",
            Self::Throttles => "each event is told once or kept back, and never more than allowed",
            Self::Later => "what waits is sent at its time, as it was changed last",
            Self::Schedules => "each time of a schedule comes to one run, or is missed by its rule",
            Self::Campaigns => "a campaign rests when it is paused, and tells its whole audience",
            Self::Activities => "a Live Activity shows each phase once, at its time, its end last",
            Self::Monitors => "an incident is opened and closed once, and takes each step once",
            Self::Webhooks => "each event of the log is told, and each completion logged once",
            Self::Neighbours => "the trouble of one App or gateway does not stop another",
            Self::Memory => "memory stays bounded",
            Self::Recovery => "once a fault has ended, new work goes out",
            Self::Happened => "every kind of fault really happened",
        }
    }

    /// Every place where the books break it.
    pub(crate) fn check(self, books: &Books) -> Vec<Breach> {
        let found = match self {
            Self::OneFinalState => one_final_state::check(books),
            Self::Truth => truth::check(books),
            Self::Once => once::check(books),
            Self::Doubt => doubt::check(books),
            Self::Drop => drop::check(books),
            Self::Expiry => expiry::check(books),
            Self::Cancel => cancel::check(books),
            Self::OneWay => one_way::check(books),
            Self::PushTokens => push_tokens::check(books),
            Self::Identity => identity::check(books),
            Self::Digests => digests::check(books),
            Self::Throttles => throttles::check(books),
            Self::Later => later::check(books),
            Self::Schedules => schedules::check(books),
            Self::Campaigns => campaigns::check(books),
            Self::Activities => activities::check(books),
            Self::Monitors => monitors::check(books),
            Self::Webhooks => webhooks::check(books),
            Self::Neighbours => neighbours::check(books),
            Self::Memory => memory::check(books),
            Self::Recovery => recovery::check(books),
            Self::Happened => happened::check(books),
        };
        found
            .into_iter()
            .map(|what| Breach { law: self, what })
            .collect()
    }
}

/// All laws on closed books.
pub(crate) fn check(books: &Books) -> Vec<Breach> {
    Law::ALL
        .into_iter()
        .flat_map(|law| law.check(books))
        .collect()
}
