//! Users: people, known only by the ids that devices name.

pub(crate) mod erase;
