//! Work left for later stands in an issue, where somebody will look for it.

use super::{Finding, tree::Tree};

pub(super) const NAME: &str = "todos";

const MARKS: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let rust = tree
        .rust()
        .flat_map(|(path, rust)| numbered(path, &rust.comments));
    let settings = tree
        .ending(".toml")
        .chain(tree.ending(".sh"))
        .chain(tree.ending(".ci/run"));
    let lines = rust.chain(settings.flat_map(|(path, text)| numbered(path, text)));
    let loose = lines.filter(|(_, _, line)| has_loose_mark(line));
    let message = "says that something is missing without saying where it is tracked: do it, or write `#<issue>` beside it";
    loose
        .map(|(path, number, _)| Finding::new(NAME, path, number, message))
        .collect()
}

fn numbered<'a>(path: &'a str, text: &'a str) -> impl Iterator<Item = (&'a str, usize, &'a str)> {
    (1..)
        .zip(text.lines())
        .map(move |(number, line)| (path, number, line))
}

fn has_loose_mark(line: &str) -> bool {
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| MARKS.contains(&word)) && !names_an_issue(line)
}

/// Whether there is a `#` with a number after it.
fn names_an_issue(line: &str) -> bool {
    line.split('#')
        .skip(1)
        .any(|after| after.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_without_an_issue_is_found() {
        let text = "// TODO: later\n// FIXME(#12): tracked\nlet todo = \"TODO\";\n/* XXX */\n// mastodon\n";
        let tree = Tree::of(&[
            ("src/a.rs", text),
            ("a.toml", "# HACK\n"),
            (".ci/run", "# todo list\n"),
        ]);
        let found: Vec<_> = check(&tree)
            .into_iter()
            .map(|finding| (finding.path, finding.line))
            .collect();
        assert_eq!(
            found,
            [
                ("src/a.rs".to_owned(), 1),
                ("src/a.rs".to_owned(), 4),
                ("a.toml".to_owned(), 1)
            ]
        );
    }
}
