//! Which kinds of events an endpoint is sent.
//!
//! Patterns are exact kinds, `noun.*`, or `*`; nothing cleverer, so that a reader of the settings knows what comes.

use serde::{Deserialize, Serialize};

use crate::event::EventKind;
use crate::problem::FieldProblem;

/// Patterns of which one must match. As JSON: `["delivery.*", "device.retired"]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventFilter(pub Vec<String>);

/// Most patterns in one filter.
const MAX_PATTERNS: usize = 32;

impl EventFilter {
    /// Whether an event of this kind is let through.
    #[must_use]
    pub fn matches(&self, kind: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, kind))
    }

    /// What is wrong with it, with pointers below the list. A pattern that matches no kind there is would keep silent for ever,
    /// so it is a mistake.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldProblem> {
        if !(1..=MAX_PATTERNS).contains(&self.0.len()) {
            let message = format!(
                "expected 1 to {MAX_PATTERNS} patterns such as \"*\" or \"delivery.*\", found {}",
                self.0.len()
            );
            return vec![FieldProblem::new("", "webhook.events", message)];
        }
        let patterns = (0..).zip(&self.0);
        let deaf = patterns.filter(|(_, pattern)| {
            !EventKind::ALL
                .iter()
                .any(|kind| matches(pattern, kind.as_str()))
        });
        deaf.map(|(at, pattern): (usize, _)| {
            let shown: String = pattern.chars().take(60).collect();
            let kinds = EventKind::ALL.map(EventKind::as_str).join(", ");
            let message = format!(
                "{shown:?} matches no kind of event; expected \"*\", a noun with \".*\", or one of: {kinds}"
            );
            FieldProblem::new(format!("/{at}"), "webhook.events", message)
        })
        .collect()
    }
}

fn matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(noun) => noun.ends_with('.') && noun.len() > 1 && kind.starts_with(noun),
        None => pattern == kind,
    }
}

impl Default for EventFilter {
    /// Everything.
    fn default() -> Self {
        Self(vec!["*".to_owned()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(patterns: &[&str]) -> EventFilter {
        EventFilter(
            patterns
                .iter()
                .map(|pattern| (*pattern).to_owned())
                .collect(),
        )
    }

    #[test]
    fn table_of_patterns_and_kinds() {
        for (patterns, kind, expected) in [
            (&["*"][..], "delivery.failed", true),
            (&["delivery.*"], "delivery.failed", true),
            (&["delivery.*"], "delivery", false),
            (&["delivery.*"], "device.retired", false),
            (&["delivery*"], "delivery.failed", false),
            (&["d*"], "delivery.failed", false),
            (&[".*"], "delivery.failed", false),
            (&["*.failed"], "delivery.failed", false),
            (&["delivery.failed"], "delivery.failed", true),
            (&["delivery.failed"], "delivery.failed.x", false),
            (&["device.retired", "trigger.*"], "trigger.failed", true),
            (&[], "delivery.failed", false),
        ] {
            assert_eq!(
                filter(patterns).matches(kind),
                expected,
                "{patterns:?} {kind}"
            );
        }
        for kind in EventKind::ALL {
            assert!(EventFilter::default().matches(kind.as_str()));
        }
    }

    #[test]
    fn what_would_keep_silent_is_a_problem() {
        assert_eq!(
            filter(&["*", "delivery.*", "webhook.disabled"]).problems(),
            []
        );
        let problems = filter(&["*", "delivery.lost", "Delivery.*", "", "push.*"]).problems();
        let pointers: Vec<_> = problems
            .iter()
            .map(|problem| problem.pointer.as_str())
            .collect();
        assert_eq!(pointers, ["/1", "/2", "/3", "/4"]);
        assert!(
            problems[0].message.contains("\"delivery.lost\"")
                && problems[0].message.contains("delivery.failed,")
        );
        assert_eq!(filter(&[]).problems().len(), 1);
        assert_eq!(filter(&["*"; 33]).problems().len(), 1);
    }
}
