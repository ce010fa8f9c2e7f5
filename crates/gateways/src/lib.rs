//! carillon-gateways
