//! The tests of the accountant's pure parts: its laws on forged books, its plans, its arguments.
//!
//! The accountant itself (`main.rs`) is built with the feature `faults` and has no test runner, so the unit tests are left
//! out there; here they are built without it.
#![expect(dead_code, reason = "what only a run uses is used by the other target")]

mod arguments;
mod books;
mod dice;
mod laws;
mod plan;
mod store;
