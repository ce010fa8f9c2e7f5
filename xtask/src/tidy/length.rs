//! A file that has grown past one noun.
//!
//! Tests and comments are not counted: neither many cases nor good documentation makes a file long. A list that is long by nature (all reasons of a
//! gateway, all keys of the configuration) stands in the exceptions, with that as the reason.

use super::{Finding, tree::Tree};

pub(super) const NAME: &str = "length";

/// The most lines of code outside tests.
const LIMIT: usize = 500;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let lengths = tree.rust().map(|(path, rust)| (path, rust.product_lines()));
    let long = lengths.filter(|(_, lines)| *lines > LIMIT);
    long.map(|(path, lines)| {
        let message = format!("{lines} lines of code outside tests (at most {LIMIT}): is it two nouns? Split it, or list it in xtask/src/tidy/exceptions.rs with the reason");
        Finding::new(NAME, path, 0, message)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found_and_long_tests_are_not() {
        let long = "let a = 1;\n".repeat(LIMIT + 1);
        let tested = format!("let a = 1;\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        let at_the_limit = "let a = 1;\n".repeat(LIMIT);
        let tree = Tree::of(&[
            ("src/a.rs", &long),
            ("src/b.rs", &tested),
            ("src/c.rs", &at_the_limit),
        ]);
        let found: Vec<_> = check(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(found, ["src/a.rs"]);
    }
}
