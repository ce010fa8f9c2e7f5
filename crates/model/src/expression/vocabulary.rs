//! The names that an expression may use where it stands, so that a mistyped one is found when it is
//! written and not when it silently never holds.

use super::ast::{Path, Step};
use crate::nearest::did_you_mean;

/// Names with what may follow them.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary {
    /// What it is the vocabulary of, for sentences: `an event`.
    of: &'static str,
    names: &'static [(&'static str, Follow)],
}

/// What may follow a first name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follow {
    /// Nothing: it is a value.
    Nothing,
    /// Fields of the caller's own.
    Fields,
    /// A position.
    Positions,
}

impl Vocabulary {
    /// Of an event: `name`, `subject`, `actor`, `data.…` ([`crate::facts::EventFacts`]).
    pub const EVENT: Self = Self {
        of: "an event",
        names: &[
            ("data", Follow::Fields),
            ("name", Follow::Nothing),
            ("subject", Follow::Nothing),
            ("actor", Follow::Nothing),
        ],
    };

    /// Of a device and its user ([`crate::facts::DeviceFacts`]).
    pub const DEVICE: Self = Self {
        of: "a device",
        names: &[
            ("id", Follow::Nothing),
            ("user_id", Follow::Nothing),
            ("tags", Follow::Positions),
            ("topics", Follow::Positions),
            ("locale", Follow::Nothing),
            ("language", Follow::Nothing),
            ("time_zone", Follow::Nothing),
            ("platform", Follow::Nothing),
            ("app_version", Follow::Nothing),
            ("attributes", Follow::Fields),
        ],
    };

    /// The first names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.names.iter().map(|(name, _)| *name)
    }

    /// Why `path` is none of it: whether the first name is at fault, and a sentence.
    pub(super) fn check(&self, path: &Path) -> Result<(), (bool, String)> {
        let root = path.root.as_str();
        let Some((_, follow)) = self.names.iter().find(|(name, _)| *name == root) else {
            let hint = did_you_mean(root, self.names());
            let names: Vec<_> = self.names().collect();
            let names = names.join(", ");
            let sentence = format!(
                "`{root}` is not a name of {}{hint} (its names: {names}; texts are quoted: '{root}')",
                self.of
            );
            return Err((true, sentence));
        };
        match (follow, path.steps.first()) {
            (Follow::Fields, Some(Step::Field(_)))
            | (Follow::Nothing | Follow::Positions, None)
            | (Follow::Positions, Some(Step::Index(_))) => Ok(()),
            (Follow::Fields, None) => Err((
                true,
                format!("`{root}` alone is an object: name a field of it, as in {root}.plan"),
            )),
            (Follow::Fields, Some(Step::Index(_))) => Err((
                false,
                format!("`{root}` is an object: its fields have names"),
            )),
            (Follow::Nothing | Follow::Positions, Some(_)) => {
                Err((false, format!("`{root}` has no such field")))
            }
        }
    }
}
