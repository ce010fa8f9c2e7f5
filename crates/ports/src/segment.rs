//! What a store is asked of segments, and answers: which of its devices an expression holds for.
//!
//! The expression's evaluator is the rule; a store may ask in its own language as long as it answers the
//! same.

use crate::store::{Person, Recipient};
use carillon_model::UnixMs;
use carillon_model::expression::Expression;
use carillon_model::id::DeviceNo;
use std::sync::Arc;

/// What devices are asked.
#[derive(Clone, Debug)]
pub struct SegmentFilter {
    /// Must hold.
    pub expression: Arc<Expression>,
    /// The instant that `ago(…)` counts back from.
    pub now: UnixMs,
}

impl SegmentFilter {
    /// What is asked as of `now`.
    #[must_use]
    pub fn new(expression: Expression, now: UnixMs) -> Self {
        Self {
            expression: Arc::new(expression),
            now,
        }
    }

    /// Whether a device is meant.
    #[must_use]
    pub fn holds(&self, device: &Person) -> bool {
        self.expression.evaluate_at(&device.facts(), self.now)
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
