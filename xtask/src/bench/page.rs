//! `--write`: puts the figures of this run into docs/performance.md, between two marks. A case that was not run keeps
//! its row, each row has its day.

use anyhow::{Context, Result};

use super::report::Report;

const BEGIN: &str = "<!-- cargo xtask bench --write: from here -->";
const END: &str = "<!-- to here -->";

/// The page with the rows of `report` put in, or in the place of older ones.
pub(crate) fn with(page: &str, report: &Report) -> Result<String> {
    let missing = |mark| format!("docs/performance.md has no line `{mark}`");
    let (before, rest) = page.split_once(BEGIN).with_context(|| missing(BEGIN))?;
    let (old, after) = rest.split_once(END).with_context(|| missing(END))?;
    let fresh: Vec<(&str, String)> = report.rows().collect();
    let kept = old
        .lines()
        .filter_map(|line| Some((name_of(line)?, line)))
        .filter(|(name, _)| fresh.iter().all(|(of, _)| of != name));
    let mut rows: Vec<(&str, &str)> = kept.collect();
    rows.extend(fresh.iter().map(|(name, row)| (*name, row.as_str())));
    // In the order of the cases; rows of cases that are no more go.
    let place = |name: &str| super::CASES.iter().position(|case| case.name == name);
    rows.retain(|(name, _)| place(name).is_some());
    rows.sort_by_key(|(name, _)| place(name));
    let rows: String = rows.iter().map(|(_, row)| format!("{row}\n")).collect();
    let head = report.head();
    Ok(format!("{before}{BEGIN}\n\n{head}{rows}\n{END}{after}"))
}

/// The case that a row of the table is about.
fn name_of(line: &str) -> Option<&str> {
    let name = line.strip_prefix("| ")?.split(" | ").next()?;
    super::CASES
        .iter()
        .any(|case| case.name == name)
        .then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::cases::CASES;
    use super::super::report::tests::{report, with_cpu};
    use super::*;

    #[test]
    fn rows_are_replaced_by_name_and_the_others_stay() {
        let page = format!("# Page\n{BEGIN}\n{END}\nthe end\n");
        let first = with(&page, &report(with_cpu(0.2, 100_000), None, &CASES[1])).unwrap();
        let both = with(&first, &report(with_cpu(0.3, 100_000), None, &CASES[0])).unwrap();
        let again = with(&both, &report(with_cpu(0.4, 100_000), None, &CASES[1])).unwrap();
        assert!(
            again.starts_with("# Page\n") && again.ends_with("\nthe end\n"),
            "{again}"
        );
        let rows: Vec<&str> = again
            .lines()
            .filter(|line| name_of(line).is_some())
            .collect();
        assert_eq!(rows.len(), 2, "{again}");
        assert!(
            rows[0].starts_with(&format!("| {} | 0.300 |", CASES[0].name)),
            "{again}"
        );
        assert!(
            rows[1].starts_with(&format!("| {} | 0.400 |", CASES[1].name)),
            "{again}"
        );
        assert!(
            rows[1].ends_with("| 2026-11-22 |"),
            "each row has its day: {again}"
        );
    }

    #[test]
    fn the_page_itself_has_the_marks() {
        let page = include_str!("../../../docs/performance.md");
        let first = report(with_cpu(0.2, 100_000), None, &CASES[1]);
        assert!(with(page, &first).is_ok());
    }

    #[test]
    fn a_page_without_the_marks_is_not_touched() {
        let report = report(with_cpu(0.2, 1), None, &CASES[0]);
        assert!(
            with("# Page\n", &report)
                .unwrap_err()
                .to_string()
                .contains("no line")
        );
    }
}
