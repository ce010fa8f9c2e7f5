//! `rpush_notifications` that rpush has not delivered yet: how many, for when, and what to do with them.

use super::apps::AppRow;
use super::table::Cells;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Bad rows that are told; the rest is counted.
const SHOWN: usize = 20;

/// What waits, by the rpush app.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    apps: BTreeMap<String, Count>,
    /// Rows that cannot be read.
    pub(super) bad: u64,
    /// The first of these.
    pub(super) problems: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    /// To be delivered at once.
    due: u64,
    /// To be delivered at a time that has not come.
    later: u64,
    /// The first and the last of these times, as rpush writes them: UTC.
    first: Option<String>,
    last: Option<String>,
}

impl Waiting {
    /// A notification. `now` as rpush writes instants.
    pub(super) fn add(&mut self, row: &Cells<'_>, apps: &[AppRow], now: &str) {
        if row.is("delivered") || row.is("failed") {
            return;
        }
        let (id, app) = (
            row.get("id").unwrap_or("?"),
            row.get("app_id").unwrap_or("none"),
        );
        let Some(app) = apps.iter().find(|known| known.id == app) else {
            self.bad += 1;
            if self.problems.len() < SHOWN {
                let problem = format!("rpush_notifications {id}: there is no rpush app {app}");
                self.problems.push(problem);
            }
            return;
        };
        let count = self.apps.entry(app.name.clone()).or_default();
        match row.get("deliver_after").filter(|at| *at > now) {
            None => count.due += 1,
            Some(at) => {
                count.later += 1;
                let at = at.to_owned();
                let is_first = count.first.as_ref().is_none_or(|first| at < *first);
                let is_last = count.last.as_ref().is_none_or(|last| at > *last);
                if is_first {
                    count.first = Some(at.clone());
                }
                if is_last {
                    count.last = Some(at);
                }
            }
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let apps = self.apps.iter().map(|(app, count)| {
            json!({ "rpush_app": app, "due": count.due, "later": count.later, "first": count.first, "last": count.last })
        });
        apps.collect()
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (app, count) in &self.apps {
            let mut line = format!("{app}: {} wait in rpush to be delivered now", count.due);
            if let (Some(first), Some(last)) = (&count.first, &count.last) {
                let later = format!(", {} later, from {first} to {last} UTC", count.later);
                line.push_str(&later);
            }
            lines.push(line);
        }
        lines.push(match lines.is_empty() {
            true => "nothing waits in rpush to be delivered".to_owned(),
            false => "What waits is not imported, so that nobody gets it twice: let your application send through Carillon \
                      from now on, and rpush run until it has delivered these; or delete those for later there and send \
                      them here with send_at."
                .to_owned(),
        });
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_final_waits() {
        let names = ["id", "app_id", "delivered", "failed", "deliver_after"].map(str::to_owned);
        let apps = [super::super::apps::tests_row("1", "shop")];
        let mut waiting = Waiting::default();
        let mut add = |id: &str, app: &str, delivered: &str, failed: &str, after: &str| {
            let cells = [id, app, delivered, failed, after].map(|cell| Some(cell.to_owned()));
            waiting.add(&Cells::of(&names, &cells), &apps, "2026-11-28 12:00:00");
        };
        add("1", "1", "1", "0", "");
        add("2", "1", "f", "t", "");
        add("3", "1", "0", "0", "");
        add("4", "1", "0", "0", "2026-11-28 11:00:00.5");
        add("5", "1", "f", "f", "2026-12-02 09:00:00");
        add("6", "1", "f", "f", "2026-12-01 09:00:00");
        add("7", "9", "0", "0", "");
        let count = Count {
            due: 2,
            later: 2,
            first: Some("2026-12-01 09:00:00".into()),
            last: Some("2026-12-02 09:00:00".into()),
        };
        assert_eq!((&waiting.apps["shop"], waiting.bad), (&count, 1));
        assert!(waiting.problems[0].contains("notifications 7"));
        assert!(waiting.lines()[0].contains("2 later"));
    }
}
