//! House rules that neither the compiler nor clippy checks.
//!
//! Each rule is a function from the tree to its findings, in a file of its own, with a test that shows it failing.
//! A rule judges text: it does not build, does not start programs, and does not change anything.

mod adr;
mod attributes;
mod contracts;
mod exceptions;
mod glossary;
mod headers;
mod imports;
mod length;
mod links;
mod lints;
mod names;
mod papers;
mod places;
mod rust_text;
mod sql;
mod todos;
mod tree;

use std::fmt;

use anyhow::{Result, bail};

use self::tree::Tree;
use crate::{args::Args, workspace::Workspace};

/// One place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// Counted from 1; 0 when it is about the file as a whole.
    line: usize,
    check: &'static str,
    /// What is wrong and what to do about it.
    message: String,
}

/// One rule: from the tree to what is wrong in it.
type Check = fn(&Tree) -> Vec<Finding>;

const CHECKS: &[Check] = &[
    imports::check,
    lints::check,
    names::check,
    sql::check,
    attributes::check,
    todos::check,
    headers::check,
    length::check,
    places::check,
    papers::check,
    links::check,
    adr::check,
    contracts::check,
    glossary::check,
];

/// `cargo xtask tidy`.
pub(crate) fn run(args: Args) -> Result<()> {
    args.finish()?;
    let tree = Tree::read(&Workspace::load()?)?;
    let findings = findings(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    println!(
        "tidy: {} checks over {} files, {} findings",
        CHECKS.len() + 1,
        tree.files.len(),
        findings.len()
    );
    if !findings.is_empty() {
        bail!(
            "the house is not tidy: {} findings (each line above says where and what to do)",
            findings.len()
        );
    }
    Ok(())
}

fn findings(tree: &Tree) -> Vec<Finding> {
    let all = CHECKS.iter().flat_map(|check| check(tree)).collect();
    let mut left = exceptions::apply(exceptions::EXCEPTIONS, all);
    left.sort();
    left
}

// === impl Finding ===

impl Finding {
    fn new(check: &'static str, path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            check,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            check,
            message,
        } = self;
        match line {
            0 => write!(f, "{path}: [{check}] {message}"),
            _ => write!(f, "{path}:{line}: [{check}] {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_like_a_compilers() {
        let finding = Finding::new("todo", "a/b.rs", 7, "say which issue");
        assert_eq!(finding.to_string(), "a/b.rs:7: [todo] say which issue");
        assert_eq!(
            Finding::new("adr", "a.md", 0, "x").to_string(),
            "a.md: [adr] x"
        );
    }
}
