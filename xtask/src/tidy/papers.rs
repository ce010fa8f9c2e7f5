//! The documents that every reader counts on exist, and the map shows every crate.

use super::{Finding, tree::Tree};

pub(super) const NAME: &str = "papers";

const REQUIRED: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "docs/glossary.md",
    "docs/performance.md",
];

const MAP: &str = "ARCHITECTURE.md";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let missing = REQUIRED
        .iter()
        .filter(|path| tree.text(path).is_none_or(|text| text.trim().is_empty()));
    let mut found: Vec<_> = missing
        .map(|path| Finding::new(NAME, path, 0, "is missing or empty; readers count on it"))
        .collect();
    if let Some(map) = tree.text(MAP) {
        let folders = tree
            .ending("/Cargo.toml")
            .filter_map(|(path, _)| path.strip_suffix("/Cargo.toml"));
        let absent =
            folders.filter(|folder| !map.contains(folder.rsplit('/').next().unwrap_or(folder)));
        found.extend(absent.map(|folder| {
            Finding::new(
                NAME,
                MAP,
                0,
                format!("does not show {folder}; put it on the map"),
            )
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_empty_paper_is_found() {
        let mut files: Vec<_> = REQUIRED.iter().map(|path| (*path, "text")).collect();
        assert_eq!(check(&Tree::of(&files)), []);
        files[2].1 = "\n";
        files.remove(0);
        let found: Vec<_> = check(&Tree::of(&files))
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(found, ["README.md", "CHANGELOG.md"]);
    }

    #[test]
    fn a_crate_that_is_not_on_the_map_is_found() {
        let mut files: Vec<_> = REQUIRED
            .iter()
            .map(|path| (*path, "shows `h2-pool`"))
            .collect();
        files.extend([
            ("libs/h2-pool/Cargo.toml", ""),
            ("libs/apns/Cargo.toml", ""),
        ]);
        let found = check(&Tree::of(&files));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.contains("libs/apns"), "{}", found[0]);
    }
}
