//! Attributes that hide something: tests that are not run, and lints silenced without a reason.

use super::{
    Finding,
    rust_text::{RustText, line_of},
    tree::Tree,
};

pub(super) const NAME: &str = "attributes";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .flat_map(|(path, rust)| {
            ignored(path, rust)
                .chain(unreasoned(path, rust))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn ignored<'a>(path: &'a str, rust: &'a RustText) -> impl Iterator<Item = Finding> + 'a {
    let message = "a test that is not run proves nothing: mend it or delete it";
    let tests = rust
        .code
        .match_indices("#[ignore")
        .map(|(at, _)| line_of(&rust.code, at));
    let fences = (1..).zip(rust.comments.lines()).filter(|(_, line)| {
        let fence = line.trim_start().trim_start_matches(['/', '!', ' ']);
        fence
            .strip_prefix("```")
            .is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == "ignore"))
    });
    tests
        .chain(fences.map(|(number, _)| number))
        .map(move |line| Finding::new(NAME, path, line, message))
}

fn unreasoned<'a>(path: &'a str, rust: &'a RustText) -> impl Iterator<Item = Finding> + 'a {
    let starts = ["[allow(", "[expect(", "_attr("]
        .into_iter()
        .flat_map(|start| rust.code.match_indices(start));
    let silent = starts.filter(|(at, start)| {
        let body = arguments(&rust.code, at + start.len() - 1);
        let silences =
            !start.starts_with('_') || body.contains("allow(") || body.contains("expect(");
        silences && !body.contains("reason")
    });
    silent.map(move |(at, _)| {
        let message =
            "silences a lint without a reason: add `reason = \"...\"`, or mend what it says";
        Finding::new(NAME, path, line_of(&rust.code, at), message)
    })
}

/// The text from the parenthesis at `open` to the one that closes it.
fn arguments(code: &str, open: usize) -> &str {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 1 => return &code[open..offset],
            b')' => depth -= 1,
            _ => {}
        }
    }
    &code[open..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&Tree::of(&[("src/a.rs", text)]))
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn an_ignored_test_is_found() {
        assert_eq!(
            lines("#[test]\n#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\nfn b() {}\n"),
            [2, 4]
        );
        assert_eq!(
            lines("// no #[ignore] here\nlet a = \"#[ignore]\";\n"),
            [0; 0]
        );
    }

    #[test]
    fn an_ignored_example_is_found() {
        assert_eq!(
            lines(
                "//! ```ignore\n//! a\n//! ```\n/// ```no_run\n/// ```\n/// ```rust,ignore\n/// ```\n"
            ),
            [1, 6]
        );
    }

    #[test]
    fn a_silenced_lint_needs_a_reason() {
        assert_eq!(
            lines("#[allow(dead_code)]\nfn a() {}\n#![expect(clippy::all)]\n"),
            [1, 3]
        );
        assert_eq!(
            lines("#[cfg_attr(test, allow(dead_code))]\n#[cfg_attr(docsrs, doc(cfg))]\n"),
            [1]
        );
        assert_eq!(
            lines("#[expect(\n    dead_code,\n    reason = \"read by the macro (only)\"\n)]\n"),
            [0; 0]
        );
    }
}
