//! What an operator asks of the server itself: a backup, a new master key.

pub(crate) mod backup;
pub(crate) mod rotate_master_key;
