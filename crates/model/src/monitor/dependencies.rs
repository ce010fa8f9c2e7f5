//! What depends on what: circles are refused.

use crate::problem::FieldProblem;
use std::collections::BTreeSet;

/// Follows what a monitor depends on, from monitor to monitor, and says where it comes back to itself. `depends_on` are
/// what the monitor `name` is to depend on; `of` says what others do now.
#[must_use]
pub fn cycle<'a>(
    name: &str,
    depends_on: &'a [String],
    of: impl Fn(&str) -> &'a [String],
) -> Option<FieldProblem> {
    for (place, first) in depends_on.iter().enumerate() {
        // A path of names, each with what is still to be followed from it.
        let mut seen = BTreeSet::new();
        let mut path: Vec<(&str, std::slice::Iter<'_, String>)> = Vec::new();
        let mut next = Some(first.as_str());
        loop {
            if let Some(found) = next.take() {
                if found == name {
                    let between: Vec<&str> = path.iter().map(|(name, _)| *name).collect();
                    let circle = [&[name], &between[..], &[name]].concat().join(" → ");
                    let message = format!(
                        "expected no circle, found {circle}: while one is down, none of them would page"
                    );
                    let pointer = format!("/depends_on/{place}");
                    return Some(FieldProblem::new(pointer, "monitor.cycle", message));
                }
                if seen.insert(found) {
                    path.push((found, of(found).iter()));
                }
            }
            let Some((_, rest)) = path.last_mut() else {
                break;
            };
            match rest.next() {
                Some(name) => next = Some(name),
                None => {
                    path.pop();
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn found(name: &str, edges: &[(&str, &[&str])]) -> Option<String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let edges: BTreeMap<&str, Vec<String>> =
            edges.iter().map(|(name, to)| (*name, owned(to))).collect();
        let of = |name: &str| edges.get(name).map_or(&[][..], |to| &to[..]);
        cycle(name, of(name), of).map(|problem| problem.to_string())
    }

    #[test]
    fn circles_are_found_and_shown() {
        assert_eq!(
            found(
                "shop",
                &[
                    ("shop", &["db", "router"]),
                    ("db", &["router"]),
                    ("router", &["uplink"])
                ]
            ),
            None
        );
        let own = found("shop", &[("shop", &["shop"])]).unwrap();
        assert!(
            own.starts_with("/depends_on/0: ") && own.contains("shop → shop"),
            "{own}"
        );
        let long = found(
            "shop",
            &[
                ("shop", &["a", "db"]),
                ("db", &["b", "router"]),
                ("router", &["shop"]),
            ],
        )
        .unwrap();
        assert!(
            long.starts_with("/depends_on/1: ") && long.contains("shop → db → router → shop"),
            "{long}"
        );
        // A circle of others is theirs to be told of, and does not keep this one from being read.
        assert_eq!(
            found("shop", &[("shop", &["a"]), ("a", &["b"]), ("b", &["a"])]),
            None
        );
    }
}
