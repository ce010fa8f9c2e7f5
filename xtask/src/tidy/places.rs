//! Nothing that is committed depends on one person's machine: no home folders, no path of this checkout, no addresses
//! to download from, nothing of a server that was tried here.
//!
//! Packages are named and their ordinary clients know where they are; a lock file that remembers addresses would tie
//! everyone to the mirror of whoever ran the client last.

use super::{Finding, tree::Tree};

pub(super) const NAME: &str = "places";

/// First folders that exist on every machine, so that a path under them says nothing about this one.
const EVERYWHERE: &[&str] = &[
    "bin", "dev", "etc", "home", "lib", "mnt", "opt", "private", "proc", "root", "run",
];
const EVERYWHERE_TOO: &[&str] = &["srv", "sys", "tmp", "usr", "Users", "var", "data"];

/// The folder that a server makes where it is started.
const DATA: &str = "carillon-data";

/// Words by which a client is told where to download from, and the ending of the files they would stand in.
const SOURCES: &[(&str, &str)] = &[
    ("package-lock.json", "\"resolved\": \"http"),
    (".npmrc", "registry"),
    ("requirements.txt", "--index-url"),
    ("requirements.txt", "--extra-index-url"),
    ("requirements.txt", "--find-links"),
    ("requirements.txt", "://"),
    (".cargo/config.toml", "[source"),
    (".cargo/config.toml", "[registries"),
    ("", "PIP_INDEX_URL="),
    ("", "--registry=http"),
    ("", "--registry http"),
    ("", "config set registry"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let ours = own_places(tree);
    let mut found = Vec::new();
    for (path, file) in &tree.files {
        if path.split('/').any(|folder| folder == DATA) {
            let message =
                "is the data of a server that was tried here, with its master key: take it back";
            found.push(Finding::new(NAME, path, 0, message));
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            let mut homes = ["/home/", "/Users/"]
                .into_iter()
                .filter(|home| has_path(line, home, char::is_alphanumeric));
            let is_home = homes.next().is_some() || has_path(line, "/root/", |_| true);
            let ends = |c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
            if is_home || ours.iter().any(|ours| has_path(line, ours, ends)) {
                let message =
                    "names a folder of one machine: use a relative path, or say it in words";
                found.push(Finding::new(NAME, path, number, message));
            }
            if SOURCES
                .iter()
                .any(|(ending, word)| path.ends_with(ending) && line.contains(word))
            {
                let message = "names an address to download from: name the package only, its client knows the rest";
                found.push(Finding::new(NAME, path, number, message));
            }
        }
    }
    found
}

/// What betrays this checkout: its own path, and what lies beside it where that is not a folder everybody has.
///
/// Whole paths, not their first folder: a checkout may well lie in a folder whose name is also the first word of a
/// JSON pointer or of a URL's path (`/check/…`, `/v1/…`).
fn own_places(tree: &Tree) -> Vec<String> {
    let Some((parent, _)) = tree.root.rsplit_once('/').filter(|(at, _)| !at.is_empty()) else {
        return Vec::new();
    };
    let first = parent.split('/').nth(1).unwrap_or_default();
    let is_everywhere = EVERYWHERE.contains(&first) || EVERYWHERE_TOO.contains(&first);
    let beside = tree.beside.iter().filter(|_| !is_everywhere);
    let mut places = vec![tree.root.clone()];
    places.extend(beside.map(|name| format!("{parent}/{name}")));
    places
}

/// Whether an absolute path that begins with `prefix` stands in the line, and what follows, if anything, is as `next`
/// says.
fn has_path(line: &str, prefix: &str, next: impl Fn(char) -> bool) -> bool {
    line.match_indices(prefix).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + prefix.len()..].chars().next();
        let begins = before.is_none_or(|c| {
            !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '}' | '/' | '*' | '~' | '>')
        });
        begins && after.map_or(!prefix.ends_with('/'), &next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(root: &str, path: &str, text: &str) -> Vec<usize> {
        let tree = Tree {
            root: root.to_owned(),
            beside: vec!["other".to_owned()],
            ..Tree::of(&[(path, text)])
        };
        check(&tree)
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    fn lines(path: &str, text: &str) -> Vec<usize> {
        at("/builds/carillon", path, text)
    }

    #[test]
    fn folders_of_one_machine_are_found() {
        let text = "cd /home/alice/x\n\"/root/.cache\"\n/builds/other/y\n/Users/bob\nsee /home/ or /v1/users/\n\
                    in /builds/carillon\n";
        assert_eq!(lines("docs/a.md", text), [1, 2, 3, 4, 6]);
    }

    #[test]
    fn relative_paths_and_urls_pass() {
        assert_eq!(
            lines(
                "docs/a.md",
                "../builds/other target/builds/other https://a.example/home/x {dir}/root/ /tmp/x /builds/others\n"
            ),
            [0; 0]
        );
    }

    #[test]
    fn a_folder_whose_name_begins_pointers_or_urls_is_no_trouble() {
        let text = "\"/check/http/url\" and GET /check/status\n";
        assert_eq!(at("/check/carillon", "docs/a.md", text), [0; 0]);
        assert_eq!(at("/check", "docs/a.md", text), [0; 0]);
    }

    #[test]
    fn a_checkout_under_a_folder_that_everybody_has_is_known_by_its_whole_path() {
        let text = "/tmp/carillon/docs\n/tmp/other\n";
        assert_eq!(at("/tmp/carillon", "docs/a.md", text), [1]);
        assert_eq!(at("", "docs/a.md", text), [0; 0]);
    }

    #[test]
    fn the_data_of_a_server_is_found() {
        assert_eq!(lines("carillon-data/master.key", "a key\n"), [0]);
        assert_eq!(lines("a/carillon-data/notes", "\n"), [0]);
        let text = "path = \"carillon-data/carillon.db\"\n";
        assert_eq!(lines("config.example.toml", text), [0; 0]);
    }

    #[test]
    fn addresses_to_download_from_are_found() {
        assert_eq!(
            lines(
                "a/package-lock.json",
                "{\n  \"resolved\": \"https://a.example/x.tgz\"\n}\n"
            ),
            [2]
        );
        assert_eq!(
            lines(
                "a/requirements.txt",
                "aioapns==4.0\n--index-url https://a.example\n"
            ),
            [2]
        );
        assert_eq!(
            lines("a/setup.sh", "npm config set registry https://a.example\n"),
            [1]
        );
        assert_eq!(
            lines(
                "a/package.json",
                "{ \"repository\": \"https://a.example\" }\n"
            ),
            [0; 0]
        );
    }
}
