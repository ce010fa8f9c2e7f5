//! The SQLite store from outside.

mod suite;
