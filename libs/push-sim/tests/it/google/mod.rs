//! Google's side, held against a plain HTTP client that knows nothing of Google.

mod admin;
mod clients;
mod faults;
mod http1;
mod phones;
mod send;
mod stage;
mod token;
mod topics;
