//! The few flags that tasks take, read without a parser crate.
//!
//! An argument that nobody asked for is an error: a mistyped flag must not turn a strict run into a lenient one.

use std::{collections::VecDeque, str::FromStr};

use anyhow::{Context, Result, bail};

/// What was typed after `cargo xtask`.
#[derive(Debug)]
pub(crate) struct Args {
    words: VecDeque<String>,
    after_dashes: Vec<String>,
}

// === impl Args ===

impl Args {
    pub(crate) fn new(words: impl IntoIterator<Item = String>) -> Self {
        let mut words: VecDeque<String> = words.into_iter().collect();
        let after_dashes = match words.iter().position(|word| word == "--") {
            Some(at) => words.split_off(at).into_iter().skip(1).collect(),
            None => Vec::new(),
        };
        Self {
            words,
            after_dashes,
        }
    }

    /// The next word, whatever it is.
    pub(crate) fn word(&mut self) -> Option<String> {
        self.words.pop_front()
    }

    /// Whether `name` was given.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() < before
    }

    /// The value after `name`, given as `--name value` or `--name=value`.
    pub(crate) fn value<T>(&mut self, name: &str) -> Result<Option<T>>
    where
        T: FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let prefix = format!("{name}=");
        let Some(at) = self
            .words
            .iter()
            .position(|word| word == name || word.starts_with(&prefix))
        else {
            return Ok(None);
        };
        let found = self.words.remove(at).unwrap_or_default();
        let value = match found.strip_prefix(&prefix) {
            Some(value) => value.to_owned(),
            None => self
                .words
                .remove(at)
                .with_context(|| format!("{name} needs a value"))?,
        };
        let parsed = value
            .parse()
            .with_context(|| format!("{name}: cannot read `{value}`"))?;
        Ok(Some(parsed))
    }

    /// Ends the reading of flags; returns what stood after `--`.
    pub(crate) fn finish(self) -> Result<Vec<String>> {
        if let Some(word) = self.words.front() {
            bail!("`{word}` is not an argument of this task; `cargo xtask help` lists them");
        }
        Ok(self.after_dashes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::new(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_values_and_the_rest_are_told_apart() {
        let mut args = args("faults --minutes 10 --seed=7 --self-test -- --seed 9");
        assert_eq!(args.word().as_deref(), Some("faults"));
        assert_eq!(args.value::<u64>("--minutes").unwrap(), Some(10));
        assert_eq!(args.value::<u64>("--seed").unwrap(), Some(7));
        assert!(args.flag("--self-test"));
        assert!(!args.flag("--self-test"));
        assert_eq!(args.finish().unwrap(), ["--seed", "9"]);
    }

    #[test]
    fn a_mistyped_flag_is_an_error() {
        let mut args = args("--setpu");
        assert!(!args.flag("--setup"));
        assert!(args.finish().unwrap_err().to_string().contains("`--setpu`"));
    }

    #[test]
    fn a_value_that_is_missing_or_unreadable_is_named() {
        assert!(
            args("--seed")
                .value::<u64>("--seed")
                .unwrap_err()
                .to_string()
                .contains("--seed needs a value")
        );
        assert!(
            args("--seed x")
                .value::<u64>("--seed")
                .unwrap_err()
                .to_string()
                .contains("`x`")
        );
    }
}
