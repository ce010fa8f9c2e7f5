//! What is in `clients/` and in the documents' snippets, held against the server and against its language's grammar.
//!
//! All of it is tests. They are apart from every other crate because the grammar of Swift takes a while to compile, and
//! nobody else needs it. Where a Swift compiler is present, `cargo xtask test` builds and tests the package with it.
