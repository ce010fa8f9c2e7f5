//! The tests of the accountant's pure parts: its laws on forged books, its plans, its arguments. The accountant itself
//! has no test runner (`main.rs`).
#![expect(dead_code, reason = "what only a run uses is used by the other target")]

mod arguments;
mod books;
mod dice;
mod laws;
mod plan;
