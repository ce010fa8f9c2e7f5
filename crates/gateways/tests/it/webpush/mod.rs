//! The Web Push adapter against simulated push services, over real TLS and HTTP/2.

mod rig;
mod sending;
mod trouble;
