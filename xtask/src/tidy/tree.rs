//! What the rules look at: the text of every tracked file, and our crates as Cargo sees them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::rust_text::RustText;
use crate::workspace::{Package, Workspace};

/// A snapshot of the project.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Text files by path (relative to the root, with `/`). Files that are not UTF-8 are left out.
    pub(super) files: BTreeMap<String, File>,
    pub(super) packages: Vec<Package>,
    /// The folder the tree was read from; empty in tests.
    pub(super) root: String,
    /// The names of what lies beside that folder; empty in tests.
    pub(super) beside: Vec<String>,
}

/// One text file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) text: String,
    /// The same, told apart into code, comments and strings, if it is Rust.
    pub(super) rust: Option<RustText>,
}

// === impl Tree ===

impl Tree {
    pub(super) fn read(workspace: &Workspace) -> Result<Self> {
        let mut files = BTreeMap::new();
        for path in workspace.files()? {
            let full = workspace.root.join(&path);
            // A file that is tracked but deleted in the work tree, a link, a submodule: nothing to judge.
            if !full.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
                continue;
            }
            let bytes = std::fs::read(&full).with_context(|| format!("cannot read {path}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.insert(path.clone(), File::new(&path, text));
            }
        }
        let root = workspace.root.to_string_lossy().into_owned();
        // A neighbour that cannot be read is one that nobody named.
        let beside = workspace.root.parent().map(std::fs::read_dir);
        let beside = beside.into_iter().flatten().flatten().flatten();
        let beside = beside.map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(Self {
            files,
            packages: workspace.packages.clone(),
            root,
            beside: beside.collect(),
        })
    }

    /// A tree made of literals, for the tests of the rules.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), File::new(path, (*text).to_owned())));
        Self {
            files: files.collect(),
            ..Self::default()
        }
    }

    /// Every Rust file.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&str, &RustText)> {
        self.files
            .iter()
            .filter_map(|(path, file)| Some((path.as_str(), file.rust.as_ref()?)))
    }

    /// Every file whose name ends in `suffix`.
    pub(super) fn ending(&self, suffix: &str) -> impl Iterator<Item = (&str, &str)> {
        let files = self
            .files
            .iter()
            .filter(move |(path, _)| path.ends_with(suffix));
        files.map(|(path, file)| (path.as_str(), file.text.as_str()))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(|file| file.text.as_str())
    }

    /// Whether `path` is a file, or a folder with files in it.
    pub(super) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path)
            || folder == "/"
            || self
                .files
                .range(folder.clone()..)
                .next()
                .is_some_and(|(first, _)| first.starts_with(&folder))
    }
}

// === impl File ===

impl File {
    fn new(path: &str, text: String) -> Self {
        let rust = path.ends_with(".rs").then(|| RustText::new(path, &text));
        Self { text, rust }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_there_when_files_are() {
        let tree = Tree::of(&[("docs/adr/0001-a.md", ""), ("docs-old.md", "")]);
        assert!(tree.has("docs/adr") && tree.has("docs/adr/") && tree.has("docs"));
        assert!(tree.has("docs/adr/0001-a.md"));
        assert!(!tree.has("docs/ad") && !tree.has("doc") && !tree.has("docs/adr/0002-b.md"));
    }
}
