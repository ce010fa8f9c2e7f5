//! push-sim
