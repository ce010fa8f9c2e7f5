//! The push services of browsers, held against a plain sender.

mod delivery;
mod http1;
mod refusals;
mod sender;
mod trouble;
