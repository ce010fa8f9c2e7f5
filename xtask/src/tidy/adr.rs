//! Decisions are numbered without a gap, and each says at once what it is and whether it still holds.

use super::{Finding, tree::Tree};

pub(super) const NAME: &str = "adr";

const FOLDER: &str = "docs/adr/";
const TEMPLATE: &str = "docs/adr/0000-template.md";
const STATES: &[&str] = &["proposed", "accepted", "superseded by ", "rejected"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut expected = 1;
    let records = tree.ending(".md").filter(|(path, _)| {
        path.starts_with(FOLDER) && *path != TEMPLATE && !path.ends_with("/README.md")
    });
    for (path, text) in records {
        let mut report = |message: String| found.push(Finding::new(NAME, path, 0, message));
        let Some(number) = number(&path[FOLDER.len()..]) else {
            report("is not called `NNNN-what-was-decided.md`, with four digits".to_owned());
            continue;
        };
        if number != expected {
            report(format!(
                "has number {number:04} where {expected:04} is next: numbers have no gap and no double"
            ));
        }
        expected = number + 1;
        let title = format!("# {number:04}: ");
        if !text
            .lines()
            .next()
            .is_some_and(|line| line.starts_with(&title) && line.len() > title.len())
        {
            report(format!("does not begin with `{title}<what was decided>`"));
        }
        let state = text.lines().find_map(|line| line.strip_prefix("Status: "));
        if !state.is_some_and(|state| STATES.iter().any(|known| state.starts_with(known))) {
            report(
                "has no line `Status: accepted` (or proposed, rejected, superseded by NNNN)"
                    .to_owned(),
            );
        }
    }
    found
}

fn number(file: &str) -> Option<u32> {
    let (digits, rest) = file.split_at_checked(4)?;
    let title = rest.strip_prefix('-')?.strip_suffix(".md")?;
    let is_plain = !title.is_empty()
        && title
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    digits
        .parse()
        .ok()
        .filter(|_| is_plain && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# 0001: Use one writer\n\nStatus: accepted\n\nBecause.\n";

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files))
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn a_well_kept_series_passes() {
        let second = "# 0002: Use two\n\nStatus: superseded by 0001\n";
        let files = [
            ("docs/adr/0001-a.md", GOOD),
            ("docs/adr/0002-b-c.md", second),
            ("docs/adr/README.md", "x"),
            (TEMPLATE, "# NNNN: x"),
        ];
        assert_eq!(findings(&files), Vec::<String>::new());
    }

    #[test]
    fn gaps_doubles_and_other_names_are_found() {
        let third = GOOD.replace("0001", "0003");
        assert!(
            findings(&[("docs/adr/0001-a.md", GOOD), ("docs/adr/0003-b.md", &third)])[0]
                .contains("0002 is next")
        );
        assert!(
            findings(&[("docs/adr/0001-a.md", GOOD), ("docs/adr/0001-b.md", GOOD)])[0]
                .contains("0002 is next")
        );
        assert!(findings(&[("docs/adr/1-a.md", GOOD)])[0].contains("NNNN"));
        assert!(findings(&[("docs/adr/0001-Big_Words.md", GOOD)])[0].contains("NNNN"));
    }

    #[test]
    fn a_record_without_title_or_state_is_found() {
        assert!(
            findings(&[("docs/adr/0001-a.md", "# Use one\n\nStatus: accepted\n")])[0]
                .contains("`# 0001: ")
        );
        assert!(
            findings(&[("docs/adr/0001-a.md", "# 0001: Use one\n\nStatus: maybe\n")])[0]
                .contains("Status: accepted")
        );
    }
}
