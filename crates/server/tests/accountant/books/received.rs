//! The third book: what the simulator received, and what it said.

use super::Micros;

/// A request that arrived completely.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    /// The simulator's number for it, in order of arrival.
    pub(crate) seq: u64,
    /// When it had arrived.
    pub(crate) at: Micros,
    /// The notification: the number in its payload.
    pub(crate) asked: u32,
    /// The push token it went to: the place in [`super::Books::addresses`].
    pub(crate) address: u32,
    pub(crate) apns_id: u128,
    /// `apns-collapse-id`: what tells two of them apart, `None` for none.
    pub(crate) collapse: Option<u64>,
    /// Whether its phone showed it, or would have: a banner, a call.
    pub(crate) is_shown: bool,
    /// `apns-expiration`, Unix seconds.
    pub(crate) expiration: Option<i64>,
    /// The status that was decided; 0 before a decision.
    pub(crate) status: u16,
    /// The reason that was decided, empty for none.
    pub(crate) reason: String,
    pub(crate) answer: Answer,
}

/// What became of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Handed to the connection.
    Given,
    /// Only its head was, then the connection ended: whoever reads so much may believe it, or doubt it.
    Begun,
    /// Never, or not before the connection or the stream had ended.
    Withheld,
}

/// What a receipt means for the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The gateway took it and said so.
    Taken,
    /// The gateway refused it for good and said so.
    Refused,
    /// The gateway refused it for now, or in this environment, and said so: it may be sent again.
    TryAgain,
    /// The gateway said nothing: the sender cannot know.
    Silent,
}

/// Refusals after which the same push may be sent again, by Apple's table: the credential, the connection, the load or
/// the environment was at fault and not the push. `BadDeviceToken` is one of them because the push token may live in
/// the other environment.
const NOT_FOR_GOOD: &[&str] = &[
    "BadCertificate",
    "BadCertificateEnvironment",
    "BadDeviceToken",
    "BadEnvironmentKeyIdInToken",
    "ExpiredProviderToken",
    "Forbidden",
    "IdleTimeout",
    "InvalidProviderToken",
    "MissingProviderToken",
    "TopicDisallowed",
    "UnrelatedKeyIdInToken",
];

impl Receipt {
    pub(crate) fn meaning(&self) -> Meaning {
        match (self.answer, self.status) {
            (Answer::Withheld | Answer::Begun, _) | (_, 0) => Meaning::Silent,
            (Answer::Given, 200) => Meaning::Taken,
            (Answer::Given, 429 | 500..) => Meaning::TryAgain,
            (Answer::Given, _) if NOT_FOR_GOOD.contains(&self.reason.as_str()) => Meaning::TryAgain,
            (Answer::Given, _) => Meaning::Refused,
        }
    }

    /// Whether the delivery may be called `accepted` on the strength of it.
    pub(crate) fn can_accept(&self) -> bool {
        self.answer != Answer::Withheld && self.status == 200
    }

    /// Whether the delivery may be called `rejected` on the strength of it.
    pub(crate) fn can_reject(&self) -> bool {
        self.answer == Answer::Given && (400..500).contains(&self.status) && self.status != 429
    }
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use super::*;

    fn receipt(status: u16, reason: &str, answer: Answer) -> Receipt {
        Receipt {
            seq: 1,
            at: 0,
            asked: 0,
            address: 0,
            apns_id: 0,
            collapse: None,
            is_shown: false,
            expiration: None,
            status,
            reason: reason.to_owned(),
            answer,
        }
    }

    #[test]
    fn answers_mean_what_apples_table_says() {
        for (status, reason, meaning) in [
            (200, "", Meaning::Taken),
            (400, "BadTopic", Meaning::Refused),
            (400, "BadDeviceToken", Meaning::TryAgain),
            (403, "ExpiredProviderToken", Meaning::TryAgain),
            (403, "InvalidProviderToken", Meaning::TryAgain),
            (410, "Unregistered", Meaning::Refused),
            (413, "PayloadTooLarge", Meaning::Refused),
            (429, "TooManyRequests", Meaning::TryAgain),
            (500, "InternalServerError", Meaning::TryAgain),
            (503, "Shutdown", Meaning::TryAgain),
        ] {
            assert_eq!(
                receipt(status, reason, Answer::Given).meaning(),
                meaning,
                "{reason}"
            );
            let unheard = receipt(status, reason, Answer::Withheld);
            assert_eq!(unheard.meaning(), Meaning::Silent, "{reason}");
        }
        assert_eq!(receipt(200, "", Answer::Begun).meaning(), Meaning::Silent);
        assert!(receipt(200, "", Answer::Begun).can_accept());
        assert!(!receipt(200, "", Answer::Withheld).can_accept());
        assert!(receipt(400, "BadDeviceToken", Answer::Given).can_reject());
        assert!(!receipt(429, "TooManyRequests", Answer::Given).can_reject());
        assert!(!receipt(410, "Unregistered", Answer::Withheld).can_reject());
    }
}
