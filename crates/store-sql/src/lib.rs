//! carillon-store-sql
