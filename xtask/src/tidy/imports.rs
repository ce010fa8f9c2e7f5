//! Who may import whom: the layers of the house, and the dependencies that would break them.
//!
//! Whatever is not drawn in `LAYERS` is forbidden. Test dependencies are judged apart: they may add what is drawn in
//! `FOR_TESTS` and nothing else.

use super::{Finding, tree::Tree};
use crate::workspace::Package;

pub(super) const NAME: &str = "imports";

/// Each crate of ours and the crates of ours that it may use.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "carillon",
        &[
            "carillon-api",
            "carillon-engine",
            "carillon-gateways",
            "carillon-model",
            "carillon-outbound",
            "carillon-ports",
            "carillon-store-sql",
            "push-sim",
            // `carillon bench` measures these alone; whatever is sent for an App goes through carillon-gateways.
            "apns",
            "webpush",
        ],
    ),
    (
        "carillon-api",
        &["carillon-engine", "carillon-ports", "carillon-model"],
    ),
    ("carillon-engine", &["carillon-ports", "carillon-model"]),
    ("carillon-ports", &["carillon-model"]),
    ("carillon-model", &[]),
    ("carillon-store-sql", &["carillon-ports", "carillon-model"]),
    (
        "carillon-gateways",
        &["carillon-ports", "carillon-model", "apns", "fcm", "webpush"],
    ),
    (
        "carillon-outbound",
        &["carillon-ports", "carillon-model", "egress-guard"],
    ),
    ("apns", &["h2-pool"]),
    ("fcm", &["h2-pool"]),
    ("webpush", &["h2-pool", "egress-guard"]),
    ("h2-pool", &[]),
    ("egress-guard", &[]),
    // The simulator is a second reading of Apple's pages: it shares no code with the clients, so that a
    // misunderstanding cannot hide on both sides.
    ("push-sim", &[]),
    ("clients-check", &[]),
    ("xtask", &[]),
];

/// What tests may use besides. `apns` is not tested against push-sim but by a scripted peer, which can also do what
/// an honest server never does.
const FOR_TESTS: &[(&str, &[&str])] = &[("carillon-gateways", &["push-sim"])];

/// Crates of others that would carry a layer's secret out of it.
const WALLS: &[Wall] = &[
    Wall {
        crates: &["carillon-model"],
        banned: &[
            "tokio",
            "tokio-util",
            "parking_lot",
            "tracing",
            "metrics",
            "http",
        ],
        why: "model is plain types and pure rules: no runtime, no IO, no logging",
    },
    Wall {
        crates: &[
            "carillon-model",
            "carillon-ports",
            "carillon-engine",
            "carillon-store-sql",
        ],
        banned: &["axum", "h2", "hyper", "http", "reqwest", "utoipa"],
        why: "HTTP belongs to api, outbound, the gateways' clients and the binary",
    },
    Wall {
        crates: &["carillon-model", "carillon-ports", "carillon-engine"],
        banned: &["rustls", "tokio-rustls"],
        why: "TLS belongs to api, outbound, the gateways' clients, the store's connections to servers, and the binary",
    },
    Wall {
        crates: &[
            "apns",
            "fcm",
            "webpush",
            "h2-pool",
            "egress-guard",
            "push-sim",
            "carillon",
            "carillon-api",
            "carillon-engine",
            "carillon-gateways",
            "carillon-model",
            "carillon-outbound",
            "carillon-ports",
        ],
        banned: &["rusqlite", "sqlx"],
        why: "only store-sql writes SQL",
    },
    Wall {
        crates: &[
            "apns",
            "fcm",
            "webpush",
            "carillon-gateways",
            "carillon-api",
        ],
        banned: &["hyper", "reqwest"],
        why: "gateways are reached through libs/h2-pool alone, and the API calls nobody",
    },
    Wall {
        crates: &[
            "apns",
            "fcm",
            "webpush",
            "h2-pool",
            "egress-guard",
            "push-sim",
        ],
        banned: &["anyhow", "config", "clap"],
        why: "a library has an error type of its own and takes its settings as values",
    },
    Wall {
        crates: &["egress-guard"],
        banned: &["tokio", "h2", "hyper", "reqwest", "http"],
        why: "the guard judges what it is shown: it looks nothing up and connects nowhere",
    },
];

struct Wall {
    crates: &'static [&'static str],
    banned: &'static [&'static str],
    why: &'static str,
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let ours: Vec<&str> = tree
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut found: Vec<Finding> = tree
        .packages
        .iter()
        .flat_map(|package| edges(package, &ours).chain(walls(package)))
        .collect();
    for finding in &mut found {
        let relative = finding
            .path
            .strip_prefix(&tree.root)
            .unwrap_or(&finding.path);
        finding.path = relative.trim_start_matches('/').to_owned();
    }
    found
}

fn edges<'a>(package: &'a Package, ours: &'a [&str]) -> impl Iterator<Item = Finding> + 'a {
    let allowed = drawn(LAYERS, &package.name);
    let unknown = allowed.is_none().then(|| {
        finding(
            package,
            "is not drawn: say in LAYERS of xtask/src/tidy/imports.rs what it may use".to_owned(),
        )
    });
    let for_tests = drawn(FOR_TESTS, &package.name).unwrap_or_default();
    let allowed = allowed.unwrap_or_default();
    let edges = package.dependencies.iter().filter_map(move |dependency| {
        let name = dependency.name.as_str();
        let is_for_tests = dependency.kind.as_deref() == Some("dev");
        let is_fine = !ours.contains(&name)
            || name == package.name
            || allowed.contains(&name)
            || is_for_tests && for_tests.contains(&name);
        let how = if is_for_tests {
            "its tests may not use"
        } else {
            "may not use"
        };
        (!is_fine).then(|| {
            finding(
                package,
                format!("{how} {name}: that edge is not drawn in ARCHITECTURE.md"),
            )
        })
    });
    unknown.into_iter().chain(edges)
}

fn walls(package: &Package) -> impl Iterator<Item = Finding> + '_ {
    let walls = WALLS
        .iter()
        .filter(|wall| wall.crates.contains(&package.name.as_str()));
    walls.flat_map(move |wall| {
        let product = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind.as_deref() != Some("dev"));
        let banned = product.filter(|dependency| wall.banned.contains(&dependency.name.as_str()));
        banned.map(move |dependency| {
            finding(
                package,
                format!("may not use {}: {}", dependency.name, wall.why),
            )
        })
    })
}

fn drawn(table: &[(&str, &'static [&'static str])], name: &str) -> Option<&'static [&'static str]> {
    table
        .iter()
        .find(|(from, _)| *from == name)
        .map(|(_, to)| *to)
}

fn finding(package: &Package, message: String) -> Finding {
    Finding::new(
        NAME,
        &package.manifest_path.to_string_lossy(),
        0,
        format!("{} {message}", package.name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependencies = dependencies.iter().map(|(name, kind)| Dependency {
            name: (*name).to_owned(),
            kind: kind.map(str::to_owned),
        });
        Package {
            name: name.to_owned(),
            manifest_path: format!("/x/{name}/Cargo.toml").into(),
            dependencies: dependencies.collect(),
        }
    }

    fn findings(packages: Vec<Package>) -> Vec<String> {
        let tree = Tree {
            packages,
            ..Tree::default()
        };
        check(&tree)
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    fn all_of_ours() -> Vec<Package> {
        LAYERS.iter().map(|(name, _)| package(name, &[])).collect()
    }

    #[test]
    fn drawn_edges_pass() {
        let mut packages = all_of_ours();
        packages.push(package(
            "carillon-engine",
            &[("carillon-ports", None), ("tokio", None)],
        ));
        packages.push(package("carillon-gateways", &[("push-sim", Some("dev"))]));
        assert_eq!(findings(packages), Vec::<String>::new());
    }

    #[test]
    fn an_edge_that_is_not_drawn_is_found() {
        let mut packages = all_of_ours();
        packages.push(package("carillon-engine", &[("carillon-store-sql", None)]));
        let found = findings(packages);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].contains("carillon-engine may not use carillon-store-sql"),
            "{found:?}"
        );
    }

    #[test]
    fn tests_may_not_use_what_is_drawn_for_nobody() {
        let mut packages = all_of_ours();
        packages.push(package("apns", &[("push-sim", Some("dev"))]));
        packages.push(package("carillon-gateways", &[("push-sim", None)]));
        let found = findings(packages);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains("its tests may not use push-sim"),
            "{found:?}"
        );
        assert!(
            found[1].contains("carillon-gateways may not use push-sim"),
            "{found:?}"
        );
    }

    #[test]
    fn a_crate_that_nobody_drew_is_found() {
        let found = findings(vec![package("carillon-utils", &[])]);
        assert!(found[0].contains("is not drawn"), "{found:?}");
    }

    #[test]
    fn foreign_crates_stay_behind_their_wall() {
        let mut packages = all_of_ours();
        packages.push(package("carillon-model", &[("tokio", None)]));
        packages.push(package("carillon-api", &[("rusqlite", None)]));
        packages.push(package("carillon", &[("rusqlite", Some("dev"))]));
        let found = findings(packages);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains("carillon-model may not use tokio: model is plain"),
            "{found:?}"
        );
        assert!(found[1].contains("only store-sql writes SQL"), "{found:?}");
    }

    #[test]
    fn the_drawing_has_no_circle() {
        for (from, allowed) in LAYERS {
            for to in *allowed {
                let back = drawn(LAYERS, to).expect("every name in the drawing is drawn itself");
                assert!(!back.contains(from), "{from} and {to} import each other");
            }
        }
    }
}
