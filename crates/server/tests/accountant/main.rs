//! The accountant: see `arguments.rs`.
fn main() {}
