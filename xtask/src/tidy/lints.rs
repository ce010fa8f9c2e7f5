//! The compiler's and clippy's settings reach every crate, and the three lists of banned calls agree.
//!
//! Clippy reads only the nearest `clippy.toml`, so what is banned everywhere stands in three files; a line added to
//! one and forgotten in another would silently ban nothing.

use super::{Finding, tree::Tree};

pub(super) const NAME: &str = "lints";

const EVERYWHERE: &str = "clippy.toml";
const STRICT: &str = "crates/clippy.toml";
const BINARY: &str = "crates/server/clippy.toml";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree
        .ending("Cargo.toml")
        .filter(|(path, _)| *path != "Cargo.toml")
    {
        let takes_lints = text
            .split_once("[lints]")
            .is_some_and(|(_, after)| after.trim_start().starts_with("workspace = true"));
        if !takes_lints {
            let message =
                "does not take the workspace's lints; add `[lints]` with `workspace = true`";
            found.push(Finding::new(NAME, path, 0, message));
        }
    }
    let (Some(everywhere), Some(strict), Some(binary)) =
        (tree.text(EVERYWHERE), tree.text(STRICT), tree.text(BINARY))
    else {
        let message = "the three lists of banned calls must exist: clippy.toml, crates/clippy.toml, crates/server/clippy.toml";
        found.push(Finding::new(NAME, EVERYWHERE, 0, message));
        return found;
    };
    let missing = |from: &str, to: &str, to_path: &str| -> Vec<Finding> {
        let there: Vec<&str> = entries(to).map(|(_, entry)| entry).collect();
        let lost = entries(from).filter(|(_, entry)| !there.contains(entry));
        lost.map(|(_, entry)| {
            Finding::new(
                NAME,
                to_path,
                0,
                format!("lacks a line that stands beside it: {entry}"),
            )
        })
        .collect()
    };
    found.extend(missing(everywhere, strict, STRICT));
    found.extend(missing(everywhere, binary, BINARY));
    found.extend(missing(binary, everywhere, EVERYWHERE));
    for (path, text) in [(EVERYWHERE, everywhere), (STRICT, strict), (BINARY, binary)] {
        let silent = entries(text).filter(|(_, entry)| !entry.contains("reason = \""));
        found.extend(silent.map(|(line, _)| {
            Finding::new(
                NAME,
                path,
                line,
                "bans a call without saying why: add `reason`",
            )
        }));
    }
    found
}

/// The lines that ban something.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines().map(str::trim))
        .filter(|(_, line)| line.starts_with("{ path ="))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "disallowed-methods = [\n    { path = \"a::b\", reason = \"because\" },\n]\n";
    const AB: &str = "disallowed-methods = [\n    { path = \"a::b\", reason = \"because\" },\n    { path = \"c::d\", reason = \"too\" },\n]\n";

    fn findings(everywhere: &str, strict: &str, binary: &str) -> Vec<String> {
        let tree = Tree::of(&[(EVERYWHERE, everywhere), (STRICT, strict), (BINARY, binary)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_strict_list_may_be_longer_and_the_others_are_equal() {
        assert_eq!(findings(A, AB, A), Vec::<String>::new());
    }

    #[test]
    fn a_line_that_one_list_lacks_is_found() {
        assert!(findings(AB, A, AB)[0].starts_with("crates/clippy.toml: "));
        assert!(findings(AB, AB, A)[0].starts_with("crates/server/clippy.toml: "));
        assert!(findings(A, AB, AB)[0].starts_with("clippy.toml: "));
    }

    #[test]
    fn a_ban_without_a_reason_is_found() {
        let silent = A.replace("because", "").replace(", reason = \"\"", "");
        assert!(
            findings(&silent, &silent, &silent)
                .iter()
                .all(|found| found.contains("without saying why"))
        );
    }

    #[test]
    fn a_crate_that_goes_its_own_way_is_found() {
        let good = (
            "libs/a/Cargo.toml",
            "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n",
        );
        let bad = ("libs/b/Cargo.toml", "[package]\nname = \"b\"\n");
        let tree = Tree::of(&[
            good,
            bad,
            (EVERYWHERE, A),
            (STRICT, A),
            (BINARY, A),
            ("Cargo.toml", "[workspace]"),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, "libs/b/Cargo.toml");
    }
}
