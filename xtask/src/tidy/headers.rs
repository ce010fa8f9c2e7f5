//! Every file of Rust begins by saying what it is for.

use super::{Finding, tree::Tree};

pub(super) const NAME: &str = "headers";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let sources = tree.files.iter().filter(|(_, file)| file.rust.is_some());
    let bare = sources.filter(|(_, file)| !begins_with_a_header(&file.text));
    let message =
        "begins without `//!`: say what the module is for and what it deliberately does not do";
    bare.map(|(path, _)| Finding::new(NAME, path, 1, message))
        .collect()
}

fn begins_with_a_header(text: &str) -> bool {
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("#!["));
    first.is_some_and(|line| line.starts_with("//!") && line.len() > 4 || line.starts_with("#!/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_introduce_itself_is_found() {
        let tree = Tree::of(&[
            ("src/a.rs", "//! What it is for.\nfn a() {}\n"),
            ("src/b.rs", "// Copyright\nfn a() {}\n"),
            ("src/c.rs", "//!\nfn a() {}\n"),
            ("src/d.rs", "#![no_std]\n//! What it is for.\n"),
            ("src/e.rs", ""),
        ]);
        let found: Vec<_> = check(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(found, ["src/b.rs", "src/c.rs", "src/e.rs"]);
    }
}
