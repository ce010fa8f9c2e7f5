//! carillon-api
