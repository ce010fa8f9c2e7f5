//! carillon-engine
