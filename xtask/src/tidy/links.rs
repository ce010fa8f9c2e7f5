//! Links between the documents lead somewhere, headings included.
//!
//! Only links inside the project are followed; whether somebody else's page is still there is not for a gate to ask.

use super::{Finding, tree::Tree};

pub(super) const NAME: &str = "links";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree.ending(".md") {
        for (number, line) in prose(text) {
            for target in targets(&line) {
                if let Some(problem) = problem(tree, path, target) {
                    found.push(Finding::new(
                        NAME,
                        path,
                        number,
                        format!("`{target}`: {problem}"),
                    ));
                }
            }
        }
    }
    found
}

fn problem(tree: &Tree, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    if target.starts_with('/') {
        return Some("begins at the root of some disk; write it relative to this file".to_owned());
    }
    let (file, heading) = match target.split_once('#') {
        Some((file, heading)) => (file, Some(heading)),
        None => (target, None),
    };
    let path = match file {
        "" => from.to_owned(),
        _ => match join(from, file) {
            Some(path) => path,
            None => return Some("leads out of the project".to_owned()),
        },
    };
    if !tree.has(&path) {
        return Some(format!("there is no {path}"));
    }
    let heading = heading?;
    let headings = headings(tree.text(&path)?);
    (path.ends_with(".md") && !headings.iter().any(|known| known == heading))
        .then(|| format!("{path} has no heading `#{heading}`"))
}

/// `target` as seen from the folder of `from`; `None` if it climbs above the root.
fn join(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The lines outside code fences, with inline code blanked.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fence: Option<&str> = None;
    (1..).zip(text.lines()).filter_map(move |(number, line)| {
        let start = line.trim_start();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(_)) => fence = mark,
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => return Some((number, without_inline_code(line))),
            _ => {}
        }
        None
    })
}

fn without_inline_code(line: &str) -> String {
    let pieces: Vec<&str> = line.split('`').collect();
    // A backtick that is never closed is just a character.
    let closed = pieces.len() - usize::from(pieces.len().is_multiple_of(2));
    let keep = |(index, piece): (usize, &&str)| {
        if index % 2 == 0 || index >= closed {
            (*piece).to_owned()
        } else {
            String::new()
        }
    };
    pieces.iter().enumerate().map(keep).collect()
}

/// Where the links of a line lead: `[text](target "title")` and `[name]: target`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let inline = line.match_indices("](").filter_map(|(at, start)| {
        let rest = &line[at + start.len()..];
        rest.split([')', ' ']).next()
    });
    let named = line.trim_start().strip_prefix('[').and_then(|rest| {
        let (name, target) = rest.split_once("]:")?;
        (!name.contains(']') && !name.starts_with('^'))
            .then(|| target.split_whitespace().next())
            .flatten()
    });
    inline
        .chain(named)
        .map(|target| target.trim_matches(['<', '>']))
        .filter(|target| !target.is_empty())
}

/// The names under which the headings of a document can be linked to.
fn headings(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut in_fence = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        let Some(title) = line.strip_prefix('#').filter(|_| !in_fence) else {
            continue;
        };
        let name = slug(title.trim_start_matches('#').trim());
        let again = names
            .iter()
            .filter(|known| **known == name || is_numbered(known, &name))
            .count();
        names.push(if again == 0 {
            name
        } else {
            format!("{name}-{again}")
        });
    }
    names
}

fn is_numbered(known: &str, name: &str) -> bool {
    let number = known
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Lower case, spaces become dashes, punctuation goes: as the forges that show these files do it.
fn slug(title: &str) -> String {
    let kept = title
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("docs/a.md", text),
            (
                "docs/adr/0001-b.md",
                "# 1. The *first*, and `last`\n\n## Why?\n## Why?\n```\n# not one\n```\n",
            ),
            ("README.md", "# Carillon\n"),
        ]);
        check(&tree)
            .into_iter()
            .map(|finding| format!("{}: {}", finding.line, finding.message))
            .collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let good = "# A\n[b](adr/0001-b.md) [why](adr/0001-b.md#why) [again](adr/0001-b.md#why-1)\n[up](../README.md#carillon) [here](#a)\n\
            [folder](adr) [net](https://a.example/x) [title](adr/0001-b.md#1-the-first-and-last \"t\")\n[n]: ../README.md\n\
            ```\n[no](nowhere.md)\n```\n`[no](nowhere.md)`\n";
        assert_eq!(findings(good), Vec::<String>::new());
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert!(findings("[b](adr/0002-c.md)\n")[0].contains("there is no docs/adr/0002-c.md"));
        assert!(findings("\n[b](adr/0001-b.md#how)\n")[0].starts_with("2: "));
        assert!(findings("[b](#nope)\n")[0].contains("has no heading"));
        assert!(findings("[b](adr/0001-b.md#not-one)\n")[0].contains("has no heading"));
        assert!(findings("[b](/etc/x)\n")[0].contains("some disk"));
        assert!(findings("[b](../../x.md)\n")[0].contains("out of the project"));
        assert!(findings("[n]: gone.md\n")[0].contains("there is no docs/gone.md"));
    }
}
