//! Every Swift source parses. No more than that: names and types are the compiler's, where there is one.

use crate::{files, read, root};
use tree_sitter::{Node, Parser};

/// What does not parse, each with its line.
fn faults(text: &str) -> Vec<String> {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_swift::LANGUAGE.into())
        .unwrap();
    let tree = parser.parse(text, None).unwrap();
    let mut found = Vec::new();
    look(tree.root_node(), text, &mut found);
    found
}

fn look(node: Node<'_>, text: &str, found: &mut Vec<String>) {
    if !node.has_error() {
        return;
    }
    if node.is_error() || node.is_missing() {
        let line = node.start_position().row + 1;
        let begin = text[node.byte_range()].lines().next().unwrap_or_default();
        let what = if node.is_missing() {
            format!("{} is missing", node.kind())
        } else {
            format!("unexpected: {begin}")
        };
        found.push(format!("line {line}: {what}"));
        return;
    }
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        look(child, text, found);
    }
}

#[test]
fn every_source_parses() {
    let sources = files(&root().join("clients/swift"), ".swift");
    assert!(sources.len() > 15, "too few to be all: {sources:?}");
    let mut all = Vec::new();
    for path in sources {
        let faults = faults(&read(&path));
        all.extend(
            faults
                .into_iter()
                .map(|fault| format!("{}: {fault}", path.display())),
        );
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn what_does_not_parse_is_found() {
    for broken in [
        "func send( {\n}\n",
        "struct A {\n    let a: Int\n",
        "let a = \n",
        "actor A { func b() async throws -> { } }\n",
        "switch a { case .b let c: break }\n",
        "guard let a else return\n",
        "let a = [1, 2\nlet b = 3\n",
    ] {
        assert!(!faults(broken).is_empty(), "{broken}");
    }
}

/// Each source of the package, with one brace or parenthesis too few somewhere in the middle, is found out: so a fault
/// cannot hide in a part that the grammar passes over.
#[test]
fn a_source_that_is_damaged_is_found() {
    for path in files(&root().join("clients/swift/Sources"), ".swift") {
        let text = read(&path);
        for bracket in ['}', ')'] {
            let places: Vec<_> = code_places(&text, bracket);
            let at = places[places.len() / 2];
            let damaged = format!("{}{}", &text[..at], &text[at + 1..]);
            assert!(
                !faults(&damaged).is_empty(),
                "{}: nobody misses {bracket} at byte {at}",
                path.display()
            );
        }
    }
}

/// Where a character stands on lines that are neither comments nor have strings.
fn code_places(text: &str, wanted: char) -> Vec<usize> {
    let mut places = Vec::new();
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        if !line.contains("//") && !line.contains('"') {
            let here = line.match_indices(wanted).map(|(at, _)| begin + at);
            places.extend(here);
        }
        begin += line.len();
    }
    places
}
