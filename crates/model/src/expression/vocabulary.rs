//! The names that an expression may use where it stands, so that a mistyped one is found when it is
//! written and not when it silently never holds.

use super::ast::{Path, Step};
use super::types::Type;
use crate::nearest::did_you_mean;

/// Names with what may follow them.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary {
    /// What it is the vocabulary of, for sentences: `an event`.
    of: &'static str,
    names: &'static [(&'static str, Kind)],
}

/// What a first name stands for, and so what may follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A text.
    Text,
    /// A list of texts: a position may follow.
    Texts,
    /// An object of the caller's: a field must follow.
    Fields,
    /// A moment.
    Instant,
    /// Whether something came of a campaign: its name must follow.
    Campaigns,
}

impl Vocabulary {
    /// Of an event: `name`, `subject`, `actor`, `data.…` ([`crate::facts::EventFacts`]).
    pub const EVENT: Self = Self {
        of: "an event",
        names: &[
            ("data", Kind::Fields),
            ("name", Kind::Text),
            ("subject", Kind::Text),
            ("actor", Kind::Text),
        ],
    };

    /// Of a device and its user ([`crate::facts::DeviceFacts`]).
    pub const DEVICE: Self = Self {
        of: "a device",
        names: &[
            ("id", Kind::Text),
            ("user_id", Kind::Text),
            ("tags", Kind::Texts),
            ("topics", Kind::Texts),
            ("locale", Kind::Text),
            ("language", Kind::Text),
            ("time_zone", Kind::Text),
            ("platform", Kind::Text),
            ("app_version", Kind::Text),
            ("last_seen", Kind::Instant),
            ("registered", Kind::Instant),
            ("attributes", Kind::Fields),
        ],
    };

    /// Of a device and what it told of campaigns: `opened('spring-sale')`, `delivered('spring-sale')`.
    pub const SEGMENT: Self = Self {
        of: "a device",
        names: &[
            ("id", Kind::Text),
            ("user_id", Kind::Text),
            ("tags", Kind::Texts),
            ("topics", Kind::Texts),
            ("locale", Kind::Text),
            ("language", Kind::Text),
            ("time_zone", Kind::Text),
            ("platform", Kind::Text),
            ("app_version", Kind::Text),
            ("last_seen", Kind::Instant),
            ("registered", Kind::Instant),
            ("attributes", Kind::Fields),
            ("delivered", Kind::Campaigns),
            ("opened", Kind::Campaigns),
        ],
    };

    /// The first names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.names.iter().map(|(name, _)| *name)
    }

    /// What it is the vocabulary of, e.g. `a device`.
    pub(super) fn of(&self) -> &'static str {
        self.of
    }

    /// Whether it knows what came of campaigns.
    pub(super) fn has_campaigns(&self) -> bool {
        self.names.iter().any(|(_, kind)| *kind == Kind::Campaigns)
    }

    /// The names of moments.
    pub(super) fn moments(&self) -> Vec<&'static str> {
        let moments = self.names.iter().filter(|(_, kind)| *kind == Kind::Instant);
        moments.map(|(name, _)| *name).collect()
    }

    /// What stands at a path, where that is known.
    pub(super) fn type_of(&self, path: &Path) -> Option<Type> {
        let (_, kind) = self.names.iter().find(|(name, _)| *name == path.root)?;
        match (kind, path.steps.is_empty()) {
            (Kind::Text, _) | (Kind::Texts, false) => Some(Type::Text),
            (Kind::Texts, true) => Some(Type::List),
            (Kind::Instant, _) => Some(Type::Instant),
            (Kind::Campaigns, _) => Some(Type::Boolean),
            (Kind::Fields, _) => None,
        }
    }

    /// Why `path` is none of it: whether the first name is at fault, and a sentence.
    pub(super) fn check(&self, path: &Path) -> Result<(), (bool, String)> {
        let root = path.root.as_str();
        let Some((_, kind)) = self.names.iter().find(|(name, _)| *name == root) else {
            let hint = did_you_mean(root, self.names());
            let names: Vec<_> = self.names().collect();
            let names = names.join(", ");
            let sentence = format!(
                "`{root}` is not a name of {}{hint} (its names: {names}; texts are quoted: '{root}')",
                self.of
            );
            return Err((true, sentence));
        };
        if *kind == Kind::Campaigns {
            return match &path.steps[..] {
                [Step::Field(_)] => Ok(()),
                [] => Err((
                    true,
                    format!(
                        "`{root}` is asked of a campaign: name it, as in {root}('spring-sale')"
                    ),
                )),
                _ => Err((
                    false,
                    format!("`{root}` is asked of one campaign, as in {root}('spring-sale')"),
                )),
            };
        }
        match (kind, path.steps.first()) {
            (Kind::Fields, Some(Step::Field(_)))
            | (Kind::Text | Kind::Texts | Kind::Instant | Kind::Campaigns, None)
            | (Kind::Texts, Some(Step::Index(_))) => Ok(()),
            (Kind::Fields, None) => Err((
                true,
                format!("`{root}` alone is an object: name a field of it, as in {root}.plan"),
            )),
            (Kind::Fields, Some(Step::Index(_))) => Err((
                false,
                format!("`{root}` is an object: its fields have names"),
            )),
            (Kind::Text | Kind::Texts | Kind::Instant | Kind::Campaigns, Some(_)) => {
                Err((false, format!("`{root}` has no such field")))
            }
        }
    }
}
