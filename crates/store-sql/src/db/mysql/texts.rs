//! Every text of the crate that is written out in it, for tests: found in its source.

use super::translate::translate;
use std::collections::BTreeSet;
use std::path::Path;

/// Files whose texts are SQLite's only: they never come to a server.
const OTHERS: [&str; 5] = ["/db/", "/sqlite/", "copying.rs", "/foreign/", "tests.rs"];

/// Place and text, with one blank where there were more.
pub(super) fn texts() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read(&source, &mut found);
    assert!(found.len() > 150, "only {} texts were found", found.len());
    found
}

fn read(folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let shown = path.display().to_string();
        if path.is_dir() {
            read(&path, found);
        } else if shown.ends_with(".rs") && !OTHERS.iter().any(|other| shown.contains(other)) {
            let place = shown
                .split_once("/src/")
                .unwrap_or_default()
                .1
                .rsplit_once("/src/");
            let place = place.map_or_else(
                || shown.rsplit("/src/").next().unwrap_or_default(),
                |(_, place)| place,
            );
            let source = std::fs::read_to_string(&path).unwrap();
            let source = source.split("#[cfg(test)]").next().unwrap_or_default();
            let texts = literals(source).into_iter().filter(|text| is_sql(text));
            found.extend(texts.map(|text| (place.to_owned(), text)));
        }
    }
}

/// What stands between double quotes, outside of comments.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let code = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let mut rest = code.as_str();
    while let Some(start) = rest.find('"') {
        rest = &rest[start + 1..];
        let mut end = 0;
        while !rest[end..].starts_with('"') {
            let Some(more) = rest[end..].find(['"', '\\']) else {
                return found;
            };
            end += more;
            if rest[end..].starts_with('\\') {
                end += 2;
            }
        }
        let text = rest[..end].replace("\\\n", " ");
        found.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        rest = &rest[end + 1..];
    }
    found
}

/// Whole statements: pieces of longer ones have a place for the rest.
fn is_sql(text: &str) -> bool {
    let starts = ["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM ", "WITH "];
    starts.iter().any(|start| text.starts_with(start))
        && !text.contains('{')
        && text.contains(' ')
        && (text.starts_with("SELECT 1")
            || [" FROM ", " INTO ", " SET "]
                .iter()
                .any(|word| text.contains(word)))
}

/// What MySQL 8 gets as well as MariaDB. No MySQL is at hand for tests: a change is looked at here.
#[test]
fn translations_are_as_they_were_looked_at() {
    let mut shown = String::new();
    let mut last = String::new();
    for (place, sql) in texts() {
        if place != last {
            shown.push_str(&format!("== {place}\n"));
            last = place;
        }
        let translated = translate(&sql);
        let is_same = translated.sql == super::tokens::written(&super::tokens::tokens(&sql)).0;
        if is_same {
            shown.push_str(&format!("  {}\n", translated.sql));
        } else {
            shown.push_str(&format!("- {sql}\n+ {}\n", translated.sql));
        }
        if let Some(uncounted) = translated.uncounted {
            shown.push_str(&format!("+ {uncounted}\n"));
        }
    }
    insta::assert_snapshot!(shown);
}
