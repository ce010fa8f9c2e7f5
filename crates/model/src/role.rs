//! What a process does: its roles.
//!
//! One process has all of them, or several share a database and each has some.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Accepts: takes notifications, devices, events and receipts in, and answers.
    Api,
    /// Turns timers and digests that are due into rows.
    Scheduler,
    /// Does what may be slow: fan-out, webhooks, rescue, retention.
    Worker,
    /// Talks to the gateways.
    Sender,
}

impl Role {
    /// All, in the order in which they are named.
    pub const ALL: [Self; 4] = [Self::Api, Self::Scheduler, Self::Worker, Self::Sender];

    /// The word used in settings, JSON and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Scheduler => "scheduler",
            Self::Worker => "worker",
            Self::Sender => "sender",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Some roles, each once. Written as their words with commas between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Roles(u8);

impl Roles {
    /// All of them.
    pub const ALL: Self = Self(0b1111);

    /// Whether a role is among them.
    #[must_use]
    pub fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// These and one more.
    #[must_use]
    pub fn with(self, role: Role) -> Self {
        Self(self.0 | role.bit())
    }

    /// Each, in the order of [`Role::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }

    /// Reads words with commas between, in any order.
    ///
    /// # Errors
    /// A sentence: what was expected, and what was found.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut roles = Self::default();
        for word in text.split(',').map(str::trim) {
            let known = Role::ALL.into_iter().find(|role| role.as_str() == word);
            let role = known.ok_or_else(|| {
                format!(
                    "expected one or more of api, scheduler, worker, sender with commas between, found `{word}`"
                )
            })?;
            if roles.has(role) {
                return Err(format!("expected each role once, found `{word}` twice"));
            }
            roles = roles.with(role);
        }
        Ok(roles)
    }
}

impl TryFrom<String> for Roles {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, role) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{role}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_is_read_as_it_is_written() {
        for bits in 1..=Roles::ALL.0 {
            let roles = Roles(bits);
            assert_eq!(Roles::parse(&roles.to_string()), Ok(roles));
        }
        assert_eq!(Roles::ALL.to_string(), "api,scheduler,worker,sender");
        assert_eq!(Roles::parse(" sender, api "), Roles::parse("api,sender"));
    }

    #[test]
    fn nonsense_is_named() {
        for (text, found) in [
            ("", "``"),
            ("api,", "``"),
            ("api,sendr", "`sendr`"),
            ("API", "`API`"),
        ] {
            let said = Roles::parse(text).unwrap_err();
            assert!(
                said.contains(found) && said.contains("scheduler"),
                "{text}: {said}"
            );
        }
        assert!(Roles::parse("api,api").unwrap_err().contains("twice"));
    }
}
