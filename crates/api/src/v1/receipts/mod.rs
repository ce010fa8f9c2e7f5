//! Receipts: what apps say of the pushes that they got.

pub(crate) mod create;
