//! What a store is asked of segments, and answers: which of its devices an expression holds for.
//!
//! The expression's evaluator is the rule; a store may ask in its own language as long as it answers the
//! same.

use crate::store::{Person, Recipient};
use carillon_model::UnixMs;
use carillon_model::expression::{Expression, Fact, Lookup, Path, Step};
use carillon_model::id::{DeviceNo, NotificationNo};
use carillon_model::receipts::ReceiptKind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What devices are asked.
#[derive(Clone, Debug)]
pub struct SegmentFilter {
    /// Must hold.
    pub expression: Arc<Expression>,
    /// The instant that `ago(…)` counts back from.
    pub now: UnixMs,
    /// The campaigns that it asks about, by name: their notifications. Of others nothing came.
    pub campaigns: Arc<BTreeMap<String, NotificationNo>>,
}

impl SegmentFilter {
    /// What is asked as of `now`.
    #[must_use]
    pub fn new(expression: Expression, now: UnixMs) -> Self {
        Self {
            expression: Arc::new(expression),
            now,
            campaigns: Arc::default(),
        }
    }

    /// The same, about these campaigns.
    #[must_use]
    pub fn about(self, campaigns: BTreeMap<String, NotificationNo>) -> Self {
        Self {
            campaigns: Arc::new(campaigns),
            ..self
        }
    }

    /// What of campaigns it asks a device, each once.
    #[must_use]
    pub fn asks(&self) -> Vec<(NotificationNo, ReceiptKind)> {
        if self.campaigns.is_empty() {
            return Vec::new();
        }
        let asked = self.expression.campaigns().into_iter();
        let known = asked.filter_map(|(kind, name, ..)| Some((*self.campaigns.get(&name)?, kind)));
        known.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether a device is meant; `told` says whether it told so much of a notification.
    #[must_use]
    pub fn holds(
        &self,
        device: &Person,
        told: impl Fn(NotificationNo, ReceiptKind) -> bool,
    ) -> bool {
        let facts = device.facts();
        let asked = Asked {
            facts: &facts,
            campaigns: &self.campaigns,
            told: &told,
        };
        self.expression.evaluate_at(&asked, self.now)
    }
}

/// A device with what it told of campaigns.
struct Asked<'a> {
    facts: &'a dyn Lookup,
    campaigns: &'a BTreeMap<String, NotificationNo>,
    told: &'a dyn Fn(NotificationNo, ReceiptKind) -> bool,
}

impl Lookup for Asked<'_> {
    fn lookup(&self, path: &Path) -> Fact<'_> {
        match (ReceiptKind::from_word(&path.root), &path.steps[..]) {
            (Some(kind), [Step::Field(name)]) => {
                let no = self.campaigns.get(name);
                Fact::Boolean(no.is_some_and(|no| (self.told)(*no, kind)))
            }
            _ => self.facts.lookup(path),
        }
    }
}

/// A page of the devices that a fan-out to a segment means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentPage {
    /// Ascending.
    pub recipients: Vec<Recipient>,
    /// Devices up to this number were looked at.
    pub looked_to: DeviceNo,
    /// Whether there are none after them.
    pub finished: bool,
}

/// A slice of an exact count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSlice {
    /// How many devices were looked at.
    pub looked_at: u64,
    /// For how many of them it holds.
    pub matched: u64,
    /// Devices up to this number were looked at.
    pub looked_to: DeviceNo,
    /// Whether there are none after them.
    pub finished: bool,
}
