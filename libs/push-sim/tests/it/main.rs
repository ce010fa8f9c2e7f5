//! The simulator held against a plain `h2` client that knows nothing of Apple.

mod blind;
mod device;
mod support;
