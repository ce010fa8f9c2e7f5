//! The documents' JavaScript is JavaScript: each snippet goes through Node's own parser, which runs nothing.

use crate::{files, read, root};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The snippets of a page in one language, each with the line on which it begins.
fn snippets(page: &str, language: &str) -> Vec<(usize, String)> {
    let fence = format!("```{language}");
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(page.lines()) {
        match &mut open {
            Some((_, text)) if line.trim() != "```" => {
                text.push_str(line);
                text.push('\n');
            }
            Some(_) => found.extend(open.take()),
            None if line.trim() == fence => open = Some((number + 1, String::new())),
            None => {}
        }
    }
    found
}

/// Whether Node is there. If not, says so where such things are gathered; the gate wants it.
fn has_node() -> bool {
    let node = Command::new("node").arg("--version").output();
    if node.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let what = "the documents' JavaScript (no `node`; get it by `cargo xtask test --setup`)";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}");
    if let Some(file) = std::env::var_os("PUSH_TEST_SKIPS") {
        let mut file = fs::OpenOptions::new().append(true).open(file).unwrap();
        writeln!(file, "{what}").unwrap();
    }
    false
}

/// What Node says against it; `None`: nothing.
fn fault(folder: &Path, snippet: &str) -> Option<String> {
    // As a module, since pages and service workers may await and export.
    let file = folder.join("snippet.mjs");
    fs::write(&file, snippet).unwrap();
    let output = Command::new("node")
        .arg("--check")
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_snippet_of_javascript_parses() {
    if !has_node() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    let mut pages = files(&root().join("docs"), ".md");
    pages.push(root().join("README.md"));
    for path in pages {
        for (line, snippet) in snippets(&read(&path), "js") {
            count += 1;
            if let Some(fault) = fault(folder.path(), &snippet) {
                panic!("{}, snippet at line {line}: {fault}", path.display());
            }
        }
    }
    assert!(count >= 4, "only {count} snippets were found");
}

#[test]
fn a_broken_snippet_is_found() {
    let page =
        "# A\n```js\nexport const a = await f(;\n```\n```sh\nls\n```\n  ```js\n  ok();\n  ```\n";
    let found = snippets(page, "js");
    assert_eq!(found[1], (9, "  ok();\n".to_owned()));
    assert_eq!(found.len(), 2);
    if has_node() {
        let folder = tempfile::tempdir().unwrap();
        let fault_of = |at: usize| fault(folder.path(), &found[at].1);
        assert!(fault_of(0).unwrap().contains("SyntaxError"));
        assert_eq!(fault_of(1), None);
    }
}

#[test]
fn the_guide_for_apps_has_each_language() {
    let page = read(&root().join("docs/guide/apps.md"));
    for language in ["swift", "kotlin", "js"] {
        assert!(!snippets(&page, language).is_empty(), "{language}");
    }
}
