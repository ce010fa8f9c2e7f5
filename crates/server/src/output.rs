//! What commands print: JSON for programs, tables and sentences for people, progress on a terminal.
//!
//! Results go to stdout, everything else to stderr. A reader that closes early (`| head`) is not an
//! error.

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::io::{IsTerminal as _, Write as _};

/// How this run prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// `json`: one JSON document (or one for each line) on stdout and nothing for people.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read it.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// One JSON document on a line.
    pub(crate) fn json(self, value: &Value) {
        put(&value.to_string());
    }

    /// One line of the result for people; nothing with `--json`.
    pub(crate) fn line(self, text: impl AsRef<str>) {
        if !self.json {
            put(text.as_ref());
        }
    }

    /// Text as it is, for commands whose result is text.
    pub(crate) fn text(self, text: &str) {
        put(text.trim_end_matches('\n'));
    }

    /// A word to the person at the terminal, on stderr; nothing with `--json`.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        if !self.json {
            let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
        }
    }

    /// A table for people.
    pub(crate) fn table(self, head: &[&str], rows: Vec<Vec<String>>) {
        if self.json {
            return;
        }
        if rows.is_empty() {
            put("none");
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if std::io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        table.set_header(head.iter().map(|cell| cell.to_uppercase()));
        table.add_rows(rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for line in table.lines() {
            put(line.trim_end());
        }
    }

    /// Pairs of name and value for people; empty values are left out.
    pub(crate) fn facts(self, facts: &[(&str, String)]) {
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in facts {
            if !value.is_empty() {
                self.line(format!("{name:width$}  {value}"));
            }
        }
    }

    /// A progress bar: on a terminal only, never with `--json`.
    pub(crate) fn progress(self, what: &str, total: Option<u64>) -> ProgressBar {
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        if self.json || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = if total.is_some() {
            "{prefix} {bar:30} {human_pos}/{human_len} {elapsed} {msg}"
        } else {
            "{prefix} {spinner} {human_pos} {elapsed} {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        bar
    }
}

/// A field of a JSON document as a person reads it: texts bare, lists with commas, missing ones empty.
pub(crate) fn shown(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => list
            .iter()
            .map(|item| match item {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect::<Vec<_>>()
            .join(", "),
        Some(other) => other.to_string(),
    }
}

fn put(text: &str) {
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .is_err()
    {
        // Nobody reads any more; what the command does besides printing goes on.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_as_people_read_them() {
        let value = serde_json::json!({"a": {"b": "text"}, "n": 5, "l": ["x", 1], "z": null});
        assert_eq!(shown(&value, "/a/b"), "text");
        assert_eq!(shown(&value, "/n"), "5");
        assert_eq!(shown(&value, "/l"), "x, 1");
        assert_eq!(shown(&value, "/z"), "");
        assert_eq!(shown(&value, "/missing"), "");
    }
}
