//! Which of a gateway's worlds a push token lives in.

use serde::{Deserialize, Serialize};

/// A gateway's world. Apple keeps the two apart: a push token of one is `BadDeviceToken` in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Apps from the App Store and TestFlight.
    Production,
    /// Development builds.
    Sandbox,
}

impl Environment {
    /// Both, in the order in which an unknown push token is tried.
    pub const ALL: [Self; 2] = [Self::Production, Self::Sandbox];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Production => Self::Sandbox,
            Self::Sandbox => Self::Production,
        }
    }

    /// The word used in JSON, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sandbox => "sandbox",
        }
    }
}

/// What is known of a push token's environment.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum TokenEnvironment {
    /// Not known yet: Carillon finds out with the first push (environment repair).
    #[default]
    Auto,
    /// Declared or found to be production.
    Production,
    /// Declared or found to be sandbox.
    Sandbox,
}

impl TokenEnvironment {
    /// The environment, if it is known.
    #[must_use]
    pub fn known(self) -> Option<Environment> {
        match self {
            Self::Auto => None,
            Self::Production => Some(Environment::Production),
            Self::Sandbox => Some(Environment::Sandbox),
        }
    }

    /// The number that stands for it in the store: 0, 1, 2.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Auto => 0,
            Self::Production => 1,
            Self::Sandbox => 2,
        }
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Auto, Self::Production, Self::Sandbox]
            .into_iter()
            .find(|e| e.code() == code)
    }

    /// The word used in JSON, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.known().map_or("auto", Environment::as_str)
    }
}

impl From<Environment> for TokenEnvironment {
    fn from(environment: Environment) -> Self {
        match environment {
            Environment::Production => Self::Production,
            Environment::Sandbox => Self::Sandbox,
        }
    }
}
