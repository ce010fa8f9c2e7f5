//! Rates: how many in a second, and how many at once.
//!
//! Only what was asked for; who keeps to it, and how, is the engine's and the API's.

use crate::lane::Gateway;
use serde::{Deserialize, Serialize};

/// So many in a second, and so many at once after a quiet time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many in a second: 1 to [`Rate::MAX`].
    pub per_second: u32,
    /// Most at once, 1 to [`Rate::MAX`]; `None`: a fifth of a second's worth, at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
}

impl Rate {
    /// The highest rate and the largest burst that can be asked for.
    pub const MAX: u32 = 1_000_000;

    /// A rate with the usual burst.
    #[must_use]
    pub fn per_second(per_second: u32) -> Self {
        Self {
            per_second,
            burst: None,
        }
    }

    /// Most at once.
    #[must_use]
    pub fn burst(self) -> u32 {
        self.burst.unwrap_or(self.per_second / 5).max(1)
    }
}

/// The rates of an App's pushes. One that is `None` does not limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// All its pushes together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Rate>,
    /// Those to Apple, in all environments together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apns: Option<Rate>,
    /// Those to Google.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fcm: Option<Rate>,
    /// Those to browsers' push services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webpush: Option<Rate>,
}

impl Rates {
    /// One of them.
    #[must_use]
    pub fn get(&self, of: RateOf) -> Option<Rate> {
        match of {
            RateOf::Total => self.total,
            RateOf::Gateway(Gateway::Apns) => self.apns,
            RateOf::Gateway(Gateway::Fcm) => self.fcm,
            RateOf::Gateway(Gateway::WebPush) => self.webpush,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Which of an App's rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateOf {
    /// All its pushes.
    Total,
    /// Those through one gateway.
    Gateway(Gateway),
}

impl RateOf {
    /// The setting's name below `settings` of the App.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Self::Total => "rates.total",
            Self::Gateway(Gateway::Apns) => "rates.apns",
            Self::Gateway(Gateway::Fcm) => "rates.fcm",
            Self::Gateway(Gateway::WebPush) => "rates.webpush",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_a_fifth_of_a_second_unless_it_is_given() {
        for (rate, burst) in [
            (Rate::per_second(1), 1),
            (Rate::per_second(4), 1),
            (Rate::per_second(1_000), 200),
            (
                Rate {
                    per_second: 1_000,
                    burst: Some(7),
                },
                7,
            ),
        ] {
            assert_eq!(rate.burst(), burst, "{rate:?}");
        }
    }

    #[test]
    fn each_is_found_under_its_name() {
        for of in [RateOf::Total]
            .into_iter()
            .chain(Gateway::ALL.map(RateOf::Gateway))
        {
            let name = of.setting().strip_prefix("rates.").unwrap();
            let text = format!("{{\"{name}\":{{\"per_second\":3}}}}");
            let rates: Rates = serde_json::from_str(&text).unwrap();
            assert_eq!(rates.get(of), Some(Rate::per_second(3)), "{name}");
            assert!(!rates.are_none());
            assert_eq!(serde_json::to_string(&rates).unwrap(), text);
        }
    }
}
