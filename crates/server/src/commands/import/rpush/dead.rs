//! Push tokens that rpush knows to be dead: from Apple's feedback, and from what gateways said of notifications that
//! failed. Only what says that the app is gone counts: a `BadDeviceToken` may as well be one of the other environment.

use super::apps::AppRow;
use super::table::Cells;
use crate::commands::import::dead_file::{self, DeadToken};
use crate::exit::Failure;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Bad rows that are told; the rest is counted.
const SHOWN: usize = 20;

/// All of them, each once.
#[derive(Debug, Default)]
pub(super) struct Dead {
    tokens: BTreeMap<String, DeadToken>,
    feedback: u64,
    failed: u64,
    /// Rows that cannot be read.
    pub(super) bad: u64,
    /// The first of these.
    pub(super) problems: Vec<String>,
}

impl Dead {
    /// A row of Apple's feedback.
    pub(super) fn feedback(&mut self, row: &Cells<'_>) {
        let Some(token) = row.get("device_token") else {
            self.bad += 1;
            if self.problems.len() < SHOWN {
                let id = row.get("id").unwrap_or("?");
                self.problems
                    .push(format!("rpush_feedback {id}: it has no device_token"));
            }
            return;
        };
        self.feedback += 1;
        // Feedback is Apple's alone.
        self.add(token, row, "alert", "feedback");
    }

    /// A notification.
    pub(super) fn failed(&mut self, row: &Cells<'_>, apps: &[AppRow]) {
        let (Some(token), true) = (row.get("device_token"), row.is("failed")) else {
            return;
        };
        let app = apps.iter().find(|app| Some(&*app.id) == row.get("app_id"));
        let code = row.get("error_code");
        let kind = match (app, code) {
            (Some(app), Some("410")) if app.is_apple() => "alert",
            (Some(app), Some("404")) if app.is_google() => "fcm",
            _ => return,
        };
        self.failed += 1;
        let reason = row.get("error_description").unwrap_or("Unregistered");
        self.add(token, row, kind, reason);
    }

    fn add(&mut self, token: &str, row: &Cells<'_>, kind: &'static str, reason: &str) {
        let found = DeadToken {
            push_token: token.to_owned(),
            kind,
            failed_at: row.get("failed_at").unwrap_or_default().to_owned(),
            reason: reason.to_owned(),
        };
        let known = self.tokens.entry(token.to_owned());
        let known = known.or_insert_with(|| found.clone());
        if known.failed_at < found.failed_at {
            *known = found;
        }
    }

    /// Writes them into a new file.
    pub(super) fn write(&self, file: &Path) -> Result<(), Failure> {
        dead_file::write(file, self.tokens.values())
    }

    /// For programs.
    pub(super) fn json(&self, file: Option<&Path>) -> Value {
        json!({ "push_tokens": self.tokens.len(), "from_feedback": self.feedback, "from_failures": self.failed, "file": file })
    }

    /// For people.
    pub(super) fn lines(&self, file: Option<&Path>) -> Vec<String> {
        let mut lines = vec![format!(
            "{} push tokens are dead, by {} rows of feedback and {} failed notifications",
            self.tokens.len(),
            self.feedback,
            self.failed
        )];
        lines.extend(dead_file::advice(self.tokens.len(), file));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::apps::tests_row;
    use super::*;

    #[test]
    fn only_what_says_that_the_app_is_gone_counts() {
        let apps = [tests_row("1", "shop")];
        let mut dead = Dead::default();
        let names = ["id", "app_id", "device_token", "failed_at"].map(str::to_owned);
        let mut feedback = |token: Option<&str>, at: &str| {
            let cells = [Some("7"), Some("1"), token, Some(at)].map(|cell| cell.map(str::to_owned));
            dead.feedback(&Cells::of(&names, &cells));
        };
        feedback(Some("aa"), "2026-01-01 00:00:00");
        feedback(Some("aa"), "2026-02-01 00:00:00");
        feedback(None, "2026-02-01 00:00:00");
        let names = [
            "id",
            "app_id",
            "device_token",
            "failed",
            "failed_at",
            "error_code",
            "error_description",
        ]
        .map(str::to_owned);
        for (token, failed, code, reason) in [
            ("bb", "1", "410", "Unregistered"),
            ("cc", "1", "400", "BadDeviceToken"),
            ("dd", "0", "", ""),
            ("ee", "t", "410", "ExpiredToken"),
            // Of an app of Apple's that means no such thing.
            ("ff", "1", "404", "BadPath"),
        ] {
            let cells = ["8", "1", token, failed, "2026-03-01 00:00:00", code, reason];
            let cells = cells.map(|cell| Some(cell.to_owned()));
            dead.failed(&Cells::of(&names, &cells), &apps);
        }
        let tokens: Vec<_> = dead.tokens.keys().map(String::as_str).collect();
        assert_eq!(tokens, ["aa", "bb", "ee"]);
        assert_eq!(dead.tokens["aa"].failed_at, "2026-02-01 00:00:00");
        assert_eq!((dead.feedback, dead.failed, dead.bad), (2, 2, 1));
    }
}
