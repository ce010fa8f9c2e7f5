//! carillon-model
