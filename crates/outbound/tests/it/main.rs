//! The webhook client and the prober against scripted places on the loopback: honest ones, and those that do what no client likes.
//!
//! Real sockets and real time throughout: no runtime's time is paused.

mod answers;
mod asking;
mod failures;
mod guard;
mod guide;
mod probes;
mod receiver;
mod rig;
