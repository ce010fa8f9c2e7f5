//! `cargo xtask faults`: the accountant, run by hand for as long as one likes.
//!
//! The accountant itself is a test target of the binary (`crates/server/tests/accountant`): it starts the real program
//! against the simulator, hurts it by a seeded plan, and holds three books against each other. Here it is only built
//! and started; a short run of it is part of `cargo xtask test`.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::{
    args::Args,
    databases::Own,
    process,
    workspace::{self, Workspace},
};

/// How Cargo builds and starts it: the program has the named stages, and the bugs to plant, only with this feature.
pub(crate) const ACCOUNTANT: [&str; 7] = [
    "test",
    "--package",
    "carillon",
    "--features",
    "faults",
    "--test",
    "accountant",
];

const DEFAULT_MINUTES: f64 = 1.0;
const DEFAULT_SEED: u64 = 1;
/// The store that needs no server.
const SQLITE: &str = "sqlite";

/// What the accountant is asked for.
#[derive(Debug, PartialEq)]
struct Plan {
    minutes: f64,
    seed: u64,
    /// Where the program keeps its store.
    store: String,
    /// Whether many processes share the work: the accountant's own words.
    roles: Option<String>,
    /// Where its store moves to on the way.
    move_to: Option<String>,
    /// Install a database server that is missing.
    installs: bool,
    /// Plant bugs one by one and see each caught.
    is_self_test: bool,
    /// Optimised: more deliveries for each fault, after a longer build.
    is_release: bool,
    /// Handed on as they are.
    more: Vec<String>,
}

/// `cargo xtask faults`.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::read(args)?;
    let mut cargo = workspace::cargo();
    cargo.args(plan.arguments()).stdin(Stdio::null());
    let own = match plan.server() {
        None => None,
        Some(word) => Some(Own::make(&Workspace::load()?, word, plan.installs)?),
    };
    cargo.envs(own.as_ref().map(Own::variable));
    let what = process::line(&cargo);
    println!("{what}");
    // No deadline here: the accountant has its own for every step, and was asked for a length of time.
    let status = cargo
        .status()
        .with_context(|| format!("cannot start `{what}`"))?;
    ensure!(
        status.success(),
        "the accountant found a law broken, or could not run: {status} (its table is above)"
    );
    Ok(())
}

// === impl Plan ===

impl Plan {
    fn read(mut args: Args) -> Result<Self> {
        let minutes = args.value::<f64>("--minutes")?.unwrap_or(DEFAULT_MINUTES);
        ensure!(
            minutes.is_finite() && minutes > 0.0,
            "--minutes: expected a number above 0, found {minutes}"
        );
        let known = |name: &str, word: &str| {
            let words: Vec<&str> = Own::words().collect();
            ensure!(
                words.contains(&word),
                "{name}: expected one of {}, found {word}",
                words.join(", ")
            );
            Ok(())
        };
        let store = args.value::<String>("--store")?;
        let store = store.unwrap_or_else(|| SQLITE.to_owned());
        if store != SQLITE {
            known("--store (or sqlite)", &store)?;
        }
        let move_to = args.value::<String>("--move-to")?;
        if let Some(word) = &move_to {
            known("--move-to", word)?;
            ensure!(store == SQLITE, "--move-to: only a SQLite store moves");
        }
        Ok(Self {
            minutes,
            seed: args.value("--seed")?.unwrap_or(DEFAULT_SEED),
            store,
            roles: args.value("--roles")?,
            move_to,
            installs: args.flag("--setup"),
            is_self_test: args.flag("--self-test"),
            is_release: args.flag("--release"),
            more: args.finish()?,
        })
    }

    /// The kind of server that it needs.
    fn server(&self) -> Option<&str> {
        match (&self.move_to, self.store.as_str()) {
            (Some(word), _) => Some(word),
            (None, SQLITE) => None,
            (None, word) => Some(word),
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut words: Vec<String> = ACCOUNTANT.map(str::to_owned).into();
        if self.is_release {
            words.push("--release".to_owned());
        }
        words.push("--".to_owned());
        // What is split goes on until its steps are done.
        if self.roles.is_none() {
            words.extend(["--minutes".to_owned(), self.minutes.to_string()]);
        }
        words.extend(["--seed".to_owned(), self.seed.to_string()]);
        if self.store != SQLITE {
            words.extend(["--store".to_owned(), self.store.clone()]);
        }
        if let Some(word) = &self.roles {
            words.extend(["--roles".to_owned(), word.clone()]);
        }
        if let Some(word) = &self.move_to {
            words.extend(["--move-to".to_owned(), word.clone()]);
        }
        if self.is_self_test {
            words.push("--self-test".to_owned());
        }
        words.extend(self.more.iter().cloned());
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan> {
        Plan::read(Args::new(line.split_whitespace().map(str::to_owned)))
    }

    #[test]
    fn a_plain_run_has_a_length_and_a_seed() {
        let words = plan("").unwrap().arguments().join(" ");
        assert_eq!(
            words,
            "test --package carillon --features faults --test accountant -- --minutes 1 --seed 1"
        );
    }

    #[test]
    fn what_stands_after_the_dashes_is_handed_on() {
        let words = plan("--minutes 0.5 --seed 3 --self-test --release -- --only no-fence")
            .unwrap()
            .arguments()
            .join(" ");
        assert_eq!(
            words,
            "test --package carillon --features faults --test accountant --release \
             -- --minutes 0.5 --seed 3 --self-test --only no-fence"
        );
    }

    #[test]
    fn a_store_is_on_a_server_that_there_is() {
        let on = plan("--store mariadb").unwrap();
        assert_eq!(on.server(), Some("mariadb"));
        let words = on.arguments().join(" ");
        assert!(words.ends_with("--seed 1 --store mariadb"), "{words}");
        let moving = plan("--move-to postgres").unwrap();
        assert_eq!(moving.server(), Some("postgres"));
        let words = moving.arguments().join(" ");
        assert!(words.ends_with("--seed 1 --move-to postgres"), "{words}");
        assert_eq!(plan("--store sqlite").unwrap().server(), None);
        for (line, part) in [
            ("--store oracle", "found oracle"),
            ("--move-to sqlite", "found sqlite"),
            (
                "--store mariadb --move-to postgres",
                "only a SQLite store moves",
            ),
        ] {
            let error = plan(line).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_length_that_is_none_is_refused() {
        assert!(
            plan("--minutes 0")
                .unwrap_err()
                .to_string()
                .contains("above 0")
        );
        assert!(
            plan("--minutes nan")
                .unwrap_err()
                .to_string()
                .contains("above 0")
        );
    }
}
