//! Places where a rule is knowingly not followed, each with its reason.
//!
//! An exception that no longer excuses anything is itself a finding, so the list cannot rot.

use super::Finding;

const NAME: &str = "exceptions";

/// One file that may break one rule.
pub(super) struct Exception {
    check: &'static str,
    path: &'static str,
    reason: &'static str,
}

/// The list. A new line here is for a reviewer to question.
pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        check: super::places::NAME,
        path: "xtask/src/tidy/places.rs",
        reason: "spells out what the rule looks for",
    },
    Exception {
        check: super::length::NAME,
        path: "crates/api/src/problem/fields.rs",
        reason: "one list, a code to an entry, that a test holds against the sources",
    },
    Exception {
        check: super::sql::NAME,
        path: "xtask/src/tidy/sql.rs",
        reason: "spells out what the rule looks for",
    },
    Exception {
        check: super::sql::NAME,
        path: "crates/server/tests/it/activity_sources.rs",
        reason: "makes a database of another program's, which no store of ours knows",
    },
    Exception {
        check: super::sql::NAME,
        path: "crates/server/tests/it/import.rs",
        reason: "makes a database of another program's, which no store of ours knows",
    },
    Exception {
        check: super::sql::NAME,
        path: "crates/server/tests/it/sources.rs",
        reason: "makes a database of another program's, which no store of ours knows",
    },
    Exception {
        check: super::sql::NAME,
        path: "crates/server/tests/it/rpush.rs",
        reason: "makes a database of another program's, which no store of ours knows",
    },
    Exception {
        check: super::sql::NAME,
        path: "crates/server/tests/it/old_server.rs",
        reason: "makes a database of another program's, which no store of ours knows",
    },
];

/// Takes out what is excused.
pub(super) fn apply(exceptions: &[Exception], mut findings: Vec<Finding>) -> Vec<Finding> {
    for exception in exceptions {
        let before = findings.len();
        findings
            .retain(|finding| finding.check != exception.check || finding.path != exception.path);
        if findings.len() == before {
            let message = format!(
                "`{}` has nothing to excuse there any more ({}); take it out of xtask/src/tidy/exceptions.rs",
                exception.check, exception.reason
            );
            findings.push(Finding::new(NAME, exception.path, 0, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[Exception] = &[Exception {
        check: "length",
        path: "a.rs",
        reason: "a table",
    }];

    #[test]
    fn an_exception_excuses_its_rule_in_its_file_and_nothing_else() {
        let findings = ["length", "todo"].iter().flat_map(|check| {
            ["a.rs", "b.rs"]
                .iter()
                .map(|path| Finding::new(check, path, 1, "x"))
                .collect::<Vec<_>>()
        });
        let left: Vec<_> = apply(LIST, findings.collect())
            .into_iter()
            .map(|finding| (finding.check, finding.path))
            .collect();
        let expected = [("length", "b.rs"), ("todo", "a.rs"), ("todo", "b.rs")];
        assert_eq!(left, expected.map(|(check, path)| (check, path.to_owned())));
    }

    #[test]
    fn an_exception_without_use_is_a_finding() {
        let left = apply(LIST, Vec::new());
        assert_eq!(left.len(), 1);
        assert!(left[0].message.contains("nothing to excuse"), "{}", left[0]);
    }
}
