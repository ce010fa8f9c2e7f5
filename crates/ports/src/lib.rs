//! carillon-ports
