//! What the accountant is asked for on its command line.

use std::time::Duration;

use crate::store::Store;

pub(crate) const USAGE: &str = "\
usage: accountant [--minutes N] [--seed S] [--store STORE | --move-to STORE] [--deliveries N] [--self-test [--only BUG]] [--keep]

  (nothing)     the short run: at least ten kill -9 during 50,000 accepted deliveries; on a server fewer
  --minutes N   as long as that
  --seed S      another plan; default 1
  --store STORE  sqlite (the default), postgres or mariadb: `cargo xtask faults` makes the server
  --roles split  on a server: two processes of each role instead of one that does everything
  --move-to STORE  begins on SQLite, and moves to a server in the middle
  --deliveries N  so many instead, and as many fewer in a second: for a slow or busy machine
  --self-test   plants each bug and must see it caught; then a clean run, which must hold
  --only BUG    only this bug, or these with commas between them
  --keep        keeps the data folder of a run that went well, too
";

/// The arguments, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) task: Task,
    pub(crate) seed: u64,
    /// Where the store is at the beginning.
    pub(crate) store: Store,
    /// Where it moves to.
    pub(crate) move_to: Option<Store>,
    /// Whether many processes share the work.
    pub(crate) is_split: bool,
    /// Instead of the plan's own number.
    pub(crate) deliveries: Option<u64>,
    pub(crate) keeps_folder: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Task {
    Short,
    Long(Duration),
    SelfTest { only: Option<String> },
}

impl Arguments {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// A sentence, for words that nobody asked for.
    pub(crate) fn read(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let (mut seed, mut minutes, mut only, mut deliveries) = (1, None, None, None);
        let (mut is_self_test, mut keeps_folder) = (false, false);
        let (mut store, mut move_to, mut is_split) = (Store::Sqlite, None, false);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--seed" => seed = number(&word, &value()?)?,
                "--minutes" => minutes = Some(number::<f64>(&word, &value()?)?),
                "--deliveries" => deliveries = Some(number::<u64>(&word, &value()?)?.max(1)),
                "--store" => store = known(&word, &value()?)?,
                "--roles" => match value()?.as_str() {
                    "split" => is_split = true,
                    "all" => is_split = false,
                    other => return Err(format!("--roles: expected all or split, found {other}")),
                },
                "--move-to" => move_to = Some(known(&word, &value()?)?),
                "--only" => only = Some(value()?),
                "--self-test" => is_self_test = true,
                "--keep" => keeps_folder = true,
                // Cargo hands these to every test program.
                "--nocapture" | "--quiet" | "-q" => {}
                _ => return Err(format!("{word} is not an argument")),
            }
        }
        if let Some(to) = move_to
            && (store.is_server() || !to.is_server())
        {
            return Err("--move-to: only a SQLite store moves, and only to a server".to_owned());
        }
        if is_split && (!store.is_server() || minutes.is_some()) {
            return Err(
                "--roles split: expected --store with a server, and no --minutes: it takes as long as its steps"
                    .to_owned(),
            );
        }
        if is_self_test && (store.is_server() || move_to.is_some()) {
            return Err("--self-test is made on SQLite".to_owned());
        }
        let task = match (is_self_test, minutes) {
            (true, _) => Task::SelfTest { only },
            (false, _) if only.is_some() => return Err("--only belongs to --self-test".to_owned()),
            (false, Some(minutes)) if minutes.is_finite() && minutes > 0.0 => {
                Task::Long(Duration::from_secs_f64(minutes * 60.0))
            }
            (false, Some(minutes)) => {
                return Err(format!(
                    "--minutes: expected a number above 0, found {minutes}"
                ));
            }
            (false, None) => Task::Short,
        };
        Ok(Self {
            task,
            seed,
            store,
            move_to,
            is_split,
            deliveries,
            keeps_folder,
        })
    }

    /// How to do the same again.
    pub(crate) fn repeat(&self) -> String {
        let deliveries = self
            .deliveries
            .map(|deliveries| format!(" --deliveries {deliveries}"));
        let deliveries = deliveries.unwrap_or_default();
        let rest = match &self.task {
            Task::Short if self.is_split => self.after_dashes(&deliveries),
            // Whoever makes a server makes it for a run of some length, whose first part this is.
            Task::Short if self.store.is_server() || self.move_to.is_some() => {
                format!("--minutes 1{}", self.after_dashes(&deliveries))
            }
            Task::Short => {
                return format!(
                    "cargo test -p carillon --features faults --test accountant -- --seed {}{deliveries}",
                    self.seed
                );
            }
            Task::Long(length) => {
                let minutes = length.as_secs_f64() / 60.0;
                format!("--minutes {minutes}{}", self.after_dashes(&deliveries))
            }
            Task::SelfTest { only: None } => "--self-test".to_owned(),
            Task::SelfTest { only: Some(bug) } => format!("--self-test -- --only {bug}"),
        };
        let place = match (self.move_to, self.store) {
            (Some(to), _) => format!("--move-to {} ", to.word()),
            (None, Store::Sqlite) => String::new(),
            (None, store) if self.is_split => format!("--store {} --roles split ", store.word()),
            (None, store) => format!("--store {} ", store.word()),
        };
        let words = format!("cargo xtask faults --seed {} {place}{rest}", self.seed);
        words.trim_end().to_owned()
    }

    /// What the accountant alone understands.
    fn after_dashes(&self, deliveries: &str) -> String {
        let more = self.deliveries.map(|_| format!(" --{deliveries}"));
        more.unwrap_or_default()
    }
}

fn known(name: &str, word: &str) -> Result<Store, String> {
    Store::from_word(word)
        .ok_or_else(|| format!("{name}: expected sqlite, postgres or mariadb, found {word}"))
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{name}: expected a number, found {text}"))
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, String> {
        Arguments::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_task_is_read() {
        let short = Arguments {
            task: Task::Short,
            seed: 1,
            store: Store::Sqlite,
            move_to: None,
            is_split: false,
            deliveries: None,
            keeps_folder: false,
        };
        assert_eq!(read("").unwrap(), short);
        let few = read("--deliveries 5000 --seed 2").unwrap();
        assert_eq!((few.deliveries, few.seed), (Some(5_000), 2));
        assert!(few.repeat().ends_with("-- --seed 2 --deliveries 5000"));
        let long = read("--minutes 2 --deliveries 7 --seed 7").unwrap();
        assert_eq!(
            long.repeat(),
            "cargo xtask faults --seed 7 --minutes 2 -- --deliveries 7"
        );
        let long = read("--minutes 0.5 --seed 7 --keep").unwrap();
        assert_eq!(long.task, Task::Long(Duration::from_secs(30)));
        assert_eq!((long.seed, long.keeps_folder), (7, true));
        assert_eq!(long.repeat(), "cargo xtask faults --seed 7 --minutes 0.5");
        let moving = read("--move-to mariadb --minutes 2").unwrap();
        assert_eq!(moving.move_to, Some(Store::Mariadb));
        assert_eq!(
            moving.repeat(),
            "cargo xtask faults --seed 1 --move-to mariadb --minutes 2"
        );
        let split = read("--store mariadb --roles split --seed 4").unwrap();
        assert!(split.is_split);
        assert_eq!(
            split.repeat(),
            "cargo xtask faults --seed 4 --store mariadb --roles split"
        );
        let server = read("--store postgres --deliveries 5").unwrap();
        assert_eq!(
            server.repeat(),
            "cargo xtask faults --seed 1 --store postgres --minutes 1 -- --deliveries 5"
        );
        let test = read("--self-test --only no-fence --minutes 1").unwrap();
        assert_eq!(
            test.task,
            Task::SelfTest {
                only: Some("no-fence".to_owned())
            }
        );
    }

    #[test]
    fn mistakes_are_told() {
        for (line, part) in [
            ("--seed", "--seed needs a value"),
            ("--seed x", "found x"),
            ("--minutes 0", "above 0"),
            ("--minutes nan", "above 0"),
            ("--self-tset", "--self-tset is not"),
            ("--only x", "belongs to"),
            ("--store oracle", "found oracle"),
            ("--move-to sqlite", "only to a server"),
            ("--roles split", "a server"),
            ("--store mariadb --roles none", "found none"),
            ("--store mariadb --self-test", "is made on SQLite"),
        ] {
            assert!(read(line).unwrap_err().contains(part), "{line}");
        }
    }
}
