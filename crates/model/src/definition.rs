//! What an App's people define by name and change without a restart: templates, triggers, webhook
//! endpoints, identity keys, schedules, segments, lists, call-outs, monitors, rotations, ladders. Stored alike: a name, a version that rises, a JSON body,
//! and for some a sealed secret. What a body means is each kind's own business.

use crate::UnixMs;
use crate::id::{AppNo, DefinitionNo};

/// What is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DefinitionKind {
    /// Text with holes, in several languages.
    Template,
    /// What becomes of an event.
    Trigger,
    /// Where events are told to.
    Webhook,
    /// What signed user ids are checked with.
    IdentityKey,
    /// What is sent again and again, by the calendar.
    Schedule,
    /// A condition over devices.
    Segment,
    /// Devices that were uploaded.
    List,
    /// Where an App's own code is asked what a notification says.
    Callout,
    /// A service that is watched.
    Monitor,
    /// Who is on call when.
    Rotation,
    /// Who is paged how and when.
    Ladder,
}

impl DefinitionKind {
    /// All, in the order of [`Self::code`].
    pub const ALL: [Self; 11] = [
        Self::Template,
        Self::Trigger,
        Self::Webhook,
        Self::IdentityKey,
        Self::Schedule,
        Self::Segment,
        Self::List,
        Self::Callout,
        Self::Monitor,
        Self::Rotation,
        Self::Ladder,
    ];

    /// The number that stands for it in the store: from 1.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Template => 1,
            Self::Trigger => 2,
            Self::Webhook => 3,
            Self::IdentityKey => 4,
            Self::Schedule => 5,
            Self::Segment => 6,
            Self::List => 7,
            Self::Callout => 8,
            Self::Monitor => 9,
            Self::Rotation => 10,
            Self::Ladder => 11,
        }
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The word used in the audit log and in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Trigger => "trigger",
            Self::Webhook => "webhook",
            Self::IdentityKey => "identity_key",
            Self::Schedule => "schedule",
            Self::Segment => "segment",
            Self::List => "list",
            Self::Callout => "callout",
            Self::Monitor => "monitor",
            Self::Rotation => "rotation",
            Self::Ladder => "ladder",
        }
    }

    /// Whether older versions are kept: what was accepted with one is sent with it.
    #[must_use]
    pub fn keeps_versions(self) -> bool {
        self == Self::Template
    }
}

/// A definition as stored, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its number.
    pub no: DefinitionNo,
    /// Whose.
    pub app: AppNo,
    /// What it is.
    pub kind: DefinitionKind,
    /// Name, unique in the App among its kind: 1 to 64 characters (see
    /// [`crate::device::is_plain_name`]).
    pub name: String,
    /// Rises by one with every change.
    pub version: u32,
    /// What it says: JSON.
    pub body: String,
    /// When it was first made.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back() {
        for kind in DefinitionKind::ALL {
            assert_eq!(DefinitionKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(DefinitionKind::from_code(0), None);
    }
}
