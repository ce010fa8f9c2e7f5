//! Names that say nothing: modules called `utils`, types called `...Manager`, and secrets called just "token" or "key".
//!
//! A file whose name is a drawer collects whatever does not fit elsewhere. A bare `token` is a push token to one
//! reader and a provider token to the next; docs/glossary.md has a word for each.

use super::{Finding, tree::Tree};

pub(super) const NAME: &str = "names";

/// Names of modules, files and folders of Rust source.
const DRAWERS: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "managers", "misc",
];

/// Endings of type names.
const VAGUE_ENDINGS: &[&str] = &["Manager", "Helper", "Helpers", "Util", "Utils"];

/// Names too short to say which secret is meant.
const BARE: &[&str] = &["token", "key", "tokens", "keys", "Token", "Key"];

/// Where the outside world's own field names are spelled out (our HTTP bodies, the simulator's admin API, the command
/// line), a public field may be called as that interface calls it.
const SPELLED_BY_OTHERS: &[&str] = &["crates/api/", "crates/server/", "libs/push-sim/", "xtask/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, rust) in tree.rust() {
        let drawer = path
            .split('/')
            .map(|part| part.trim_end_matches(".rs"))
            .find(|part| DRAWERS.contains(part));
        if let Some(drawer) = drawer {
            found.push(Finding::new(NAME, path, 0, drawer_message(drawer)));
        }
        for (number, line) in rust.code_lines() {
            let mut words = line
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|word| !word.is_empty());
            while let Some(word) = words.next() {
                let Some(name) = is_item(word).then(|| words.next()).flatten() else {
                    continue;
                };
                if word == "mod" && DRAWERS.contains(&name) {
                    found.push(Finding::new(NAME, path, number, drawer_message(name)));
                }
                let vague = VAGUE_ENDINGS.iter().find(|ending| name.ends_with(*ending));
                if let (Some(ending), true) = (vague, is_type(word)) {
                    let message = format!(
                        "`{name}`: a {ending} does anything; call it by the one thing it does"
                    );
                    found.push(Finding::new(NAME, path, number, message));
                }
                if is_type(word) && BARE.contains(&name) {
                    found.push(Finding::new(NAME, path, number, bare_message(name)));
                }
            }
            if let Some(name) = public_name(line).filter(|name| BARE.contains(name))
                && !SPELLED_BY_OTHERS
                    .iter()
                    .any(|folder| path.starts_with(folder))
                && !rust.is_test(number)
            {
                found.push(Finding::new(NAME, path, number, bare_message(name)));
            }
        }
    }
    found
}

fn is_item(word: &str) -> bool {
    word == "mod" || is_type(word)
}

fn is_type(word: &str) -> bool {
    matches!(word, "struct" | "enum" | "trait" | "union")
}

/// The name of a public field or function declared on this line.
fn public_name(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let name = match rest.split_once("fn ") {
        Some((_, name)) => name,
        None => rest.split_once(':').map(|(name, _)| name)?,
    };
    let end = name
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(name.len());
    name.get(..end)
}

fn drawer_message(name: &str) -> String {
    format!("`{name}` is a drawer, not a noun: name the file by what it holds")
}

fn bare_message(name: &str) -> String {
    format!(
        "`{name}` does not say which: PushToken, ProviderToken, SigningKey, ApiKey, ... (docs/glossary.md)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<(usize, String)> {
        check(&Tree::of(&[(path, text)]))
            .into_iter()
            .map(|finding| (finding.line, finding.message))
            .collect()
    }

    #[test]
    fn drawers_are_found_as_files_folders_and_modules() {
        for path in [
            "crates/engine/src/utils.rs",
            "libs/apns/tests/common/mod.rs",
            "libs/apns/src/helper.rs",
        ] {
            assert_eq!(findings(path, "").len(), 1, "{path}");
        }
        assert_eq!(
            findings("libs/a/src/lib.rs", "//! A.\npub(crate) mod manager {\n}\n")[0].0,
            2
        );
    }

    #[test]
    fn types_named_by_nothing_are_found() {
        let found = findings(
            "libs/a/src/a.rs",
            "pub struct ConnectionManager<T>;\nenum TextUtils {}\n",
        );
        assert_eq!(
            found.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [1, 2]
        );
    }

    #[test]
    fn a_bare_secret_is_found_in_public_names() {
        let text = "pub struct Token;\npub struct A {\n    pub token: String,\n    token: u8,\n}\npub async fn key() {}\n";
        let lines: Vec<_> = findings("crates/model/src/a.rs", text)
            .into_iter()
            .map(|(line, _)| line)
            .collect();
        assert_eq!(lines, [1, 3, 6]);
    }

    #[test]
    fn names_that_others_spell_and_whole_words_pass() {
        assert_eq!(findings("crates/api/src/a.rs", "pub token: String,\n"), []);
        let text = "pub push_token: PushToken,\npub fn signing_key() {}\n// struct Token\nlet key = 1;\nmod uncommon;\n";
        assert_eq!(findings("crates/model/src/token_fate.rs", text), []);
    }
}
