//! Lanes and classes: what waits behind what.

use crate::environment::TokenEnvironment;
use crate::id::AppNo;
use crate::push_type::TokenKind;
use serde::{Deserialize, Serialize};

/// A push gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gateway {
    /// Apple Push Notification service.
    Apns,
    /// Google's Firebase Cloud Messaging.
    Fcm,
    /// The browsers' push services (RFC 8030).
    WebPush,
}

impl Gateway {
    /// All, in the order of [`Self::code`].
    pub const ALL: [Self; 3] = [Self::Apns, Self::Fcm, Self::WebPush];

    /// The number that stands for it in the store: 1, 2, 3.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Apns => 1,
            Self::Fcm => 2,
            Self::WebPush => 3,
        }
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|gateway| gateway.code() == code)
    }

    /// The word used in JSON, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
            Self::WebPush => "webpush",
        }
    }

    /// The kind of its push tokens for alerts.
    #[must_use]
    pub fn alert_kind(self) -> TokenKind {
        match self {
            Self::Apns => TokenKind::Alert,
            Self::Fcm => TokenKind::Fcm,
            Self::WebPush => TokenKind::WebPush,
        }
    }

    /// Whether its push tokens live in one of two environments. Only Apple's do; at the others there is
    /// nothing but production.
    #[must_use]
    pub fn has_environments(self) -> bool {
        self == Self::Apns
    }
}

/// App × gateway × environment: the unit of fairness and of trouble. What fails in one lane delays
/// no other. Work whose environment is not known yet has a lane of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// The App.
    pub app: AppNo,
    /// The gateway.
    pub gateway: Gateway,
    /// The environment of the push tokens, as known when the work was made.
    pub environment: TokenEnvironment,
}

impl Lane {
    /// The number that stands for it in the store.
    #[must_use]
    pub fn code(self) -> i64 {
        (self.app.0 << 8) | i64::from(self.gateway.code()) << 4 | i64::from(self.environment.code())
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Some(Self {
            app: AppNo(code >> 8),
            gateway: Gateway::from_code((code >> 4 & 0xf) as u8)?,
            environment: TokenEnvironment::from_code((code & 0xf) as u8)?,
        })
    }
}

/// Priority class inside a lane: urgent work overtakes bulk without starving it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Somebody is waiting for it: calls, critical alerts.
    Urgent,
    /// A push to a person or a few.
    #[default]
    Normal,
    /// A push to a crowd.
    Bulk,
}

impl Class {
    /// All, most urgent first.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Normal, Self::Bulk];

    /// The number that stands for it in the store: 0, 1, 2.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Its share of a lane's sends when every class has work: urgent first by far, bulk never nothing.
    #[must_use]
    pub fn weight(self) -> u32 {
        match self {
            Self::Urgent => 16,
            Self::Normal => 4,
            Self::Bulk => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_read_back() {
        for app in [1, 2, 255, 1 << 40] {
            for environment in [
                TokenEnvironment::Auto,
                TokenEnvironment::Production,
                TokenEnvironment::Sandbox,
            ] {
                for gateway in Gateway::ALL {
                    let lane = Lane {
                        app: AppNo(app),
                        gateway,
                        environment,
                    };
                    assert_eq!(Lane::from_code(lane.code()), Some(lane));
                }
            }
        }
        assert_eq!(Lane::from_code(0), None);
    }
}
