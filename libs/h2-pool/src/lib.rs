//! h2-pool
