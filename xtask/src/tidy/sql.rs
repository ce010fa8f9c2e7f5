//! Only store-sql contains SQL.
//!
//! Looks at string literals that begin like a statement. The database of a test is read through the store as well,
//! or by way of an exception with a reason.

use super::{Finding, tree::Tree};

pub(super) const NAME: &str = "sql";

const HOME: &str = "crates/store-sql/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let elsewhere = tree.rust().filter(|(path, _)| !path.starts_with(HOME));
    let strings = elsewhere.flat_map(|(path, rust)| {
        rust.strings
            .iter()
            .map(move |(line, text)| (path, *line, text))
    });
    let sql = strings.filter(|(_, _, text)| is_sql(text));
    sql.map(|(path, line, _)| {
        Finding::new(
            NAME,
            path,
            line,
            "SQL outside crates/store-sql: ask the store for it",
        )
    })
    .collect()
}

/// Whether a text begins like a statement. English sentences begin with the same verbs, so those need their partner,
/// and are only taken for SQL in capitals.
fn is_sql(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().take(40).collect();
    let first = words.first().copied().unwrap_or_default();
    let second = words.get(1).copied().unwrap_or_default();
    let pair = format!("{first} {second}").to_ascii_uppercase();
    let is_one_case = first == first.to_ascii_uppercase() || first == first.to_ascii_lowercase();
    let has = |word: &str| words.iter().skip(1).any(|other| *other == word);
    match pair.as_str() {
        "INSERT INTO" | "INSERT OR" | "REPLACE INTO" | "DELETE FROM" | "CREATE TABLE"
        | "CREATE INDEX" | "CREATE UNIQUE" | "CREATE TRIGGER" | "CREATE VIEW" | "DROP TABLE"
        | "DROP INDEX" | "ALTER TABLE" | "BEGIN IMMEDIATE" | "BEGIN EXCLUSIVE" => {
            is_one_case && words.len() > 2 || second == second.to_ascii_uppercase()
        }
        _ => match first {
            "SELECT" => {
                has("FROM")
                    || second.starts_with(|c: char| c.is_ascii_digit() || c == '?' || c == '(')
            }
            "UPDATE" => has("SET"),
            "WITH" => has("AS"),
            "PRAGMA" | "VACUUM" | "SAVEPOINT" => true,
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_from_sentences() {
        for text in [
            "SELECT id FROM batch WHERE id = ?1",
            "select_is_not_here INSERT",
            "insert into batch values (?)",
            "UPDATE work SET holder = ?",
            "\n    DELETE FROM work\n    WHERE id = ?",
            "PRAGMA synchronous=FULL",
            "SELECT 1",
            "CREATE TABLE t (a)",
        ] {
            assert_eq!(is_sql(text), !text.starts_with("select_is"), "{text}");
        }
        for text in [
            "Select a device from the list",
            "update the devices and set their tags",
            "With this App as target",
            "insert into",
            "Delete from here on: nothing",
            "",
        ] {
            assert!(!is_sql(text), "{text}");
        }
    }

    #[test]
    fn sql_in_the_engine_is_found_and_in_the_store_is_not() {
        let text = "//! Docs.\n// DELETE FROM work\nlet a = \"DELETE FROM work\";\n";
        let tree = Tree::of(&[
            ("crates/engine/src/a.rs", text),
            ("crates/store-sql/src/a.rs", text),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].path.as_str(), found[0].line),
            ("crates/engine/src/a.rs", 3)
        );
    }
}
