//! The third book: what the simulator received, and what it said.

use super::Micros;
use super::accepted::Gateway;

/// A request that arrived completely.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    /// The simulator's number for it, in order of arrival.
    pub(crate) seq: u64,
    /// When it had arrived.
    pub(crate) at: Micros,
    /// The notification: the number in its payload.
    pub(crate) asked: u32,
    /// The text that it says, by its number, where that is to be told.
    pub(crate) text: Option<u32>,
    /// The push token it went to: the place in [`super::Books::addresses`].
    pub(crate) address: u32,
    pub(crate) gateway: Gateway,
    /// The delivery's own id: `apns-id`, or the tag that a push carries that may be sent twice. `None`: it carries none.
    pub(crate) own_id: Option<u128>,
    /// What replaces it on the screen: `apns-collapse-id`, the tag on Android, a web push's `Topic`. Told apart by this,
    /// `None` for none.
    pub(crate) collapse: Option<u64>,
    /// Whether its phone showed it, or would have: a banner, a call.
    pub(crate) is_shown: bool,
    /// `apns-expiration`, Unix seconds.
    pub(crate) expiration: Option<i64>,
    /// How long the gateway is asked to keep it, in seconds, where it is asked so: `ttl`, `TTL`.
    pub(crate) ttl_secs: Option<i64>,
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

/// What Google says of one registration or one message, and not of whoever sends: by its table of error codes.
const FCM_FOR_GOOD: &[&str] = &["INVALID_ARGUMENT", "SENDER_ID_MISMATCH", "UNREGISTERED"];

impl Receipt {
    pub(crate) fn meaning(&self) -> Meaning {
        match (self.answer, self.status) {
            (Answer::Withheld | Answer::Begun, _) | (_, 0) => Meaning::Silent,
            (Answer::Given, 200..300) => Meaning::Taken,
            (Answer::Given, 429 | 500..) => Meaning::TryAgain,
            (Answer::Given, _) if self.is_for_good() => Meaning::Refused,
            (Answer::Given, _) => Meaning::TryAgain,
        }
    }

    fn is_for_good(&self) -> bool {
        let reason = self.reason.as_str();
        match self.gateway {
            Gateway::Apns => !NOT_FOR_GOOD.contains(&reason),
            Gateway::Fcm => FCM_FOR_GOOD.contains(&reason),
            // Who may not push at all is told so by 401 and 403.
            Gateway::WebPush => !matches!(self.status, 401 | 403),
        }
    }

    /// Whether the gateway refused it for now and may have taken it all the same: Google says so of its own faults. It may
    /// be sent again where that does no harm.
    pub(crate) fn is_doubtful(&self) -> bool {
        let is_fault = matches!(self.status, 408 | 500 | 502 | 504);
        self.gateway == Gateway::Fcm && self.meaning() == Meaning::TryAgain && is_fault
    }

    /// Whether the delivery may be called `accepted` on the strength of it.
    pub(crate) fn can_accept(&self) -> bool {
        self.answer != Answer::Withheld && (200..300).contains(&self.status)
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
            text: None,
            address: 0,
            gateway: Gateway::Apns,
            own_id: Some(0),
            collapse: None,
            is_shown: false,
            expiration: None,
            ttl_secs: None,
            status,
            reason: reason.to_owned(),
            answer,
        }
    }

    #[test]
    fn answers_mean_what_googles_and_the_browsers_tables_say() {
        for (gateway, status, reason, meaning, is_doubtful) in [
            (Gateway::Fcm, 200, "", Meaning::Taken, false),
            (
                Gateway::Fcm,
                400,
                "INVALID_ARGUMENT",
                Meaning::Refused,
                false,
            ),
            (
                Gateway::Fcm,
                401,
                "UNAUTHENTICATED",
                Meaning::TryAgain,
                false,
            ),
            (
                Gateway::Fcm,
                401,
                "THIRD_PARTY_AUTH_ERROR",
                Meaning::TryAgain,
                false,
            ),
            (
                Gateway::Fcm,
                403,
                "SENDER_ID_MISMATCH",
                Meaning::Refused,
                false,
            ),
            (
                Gateway::Fcm,
                403,
                "PERMISSION_DENIED",
                Meaning::TryAgain,
                false,
            ),
            (Gateway::Fcm, 404, "UNREGISTERED", Meaning::Refused, false),
            (Gateway::Fcm, 404, "NOT_FOUND", Meaning::TryAgain, false),
            (
                Gateway::Fcm,
                429,
                "RATE_LIMIT_EXCEEDED",
                Meaning::TryAgain,
                false,
            ),
            (Gateway::Fcm, 500, "INTERNAL", Meaning::TryAgain, true),
            (Gateway::Fcm, 503, "UNAVAILABLE", Meaning::TryAgain, false),
            (Gateway::WebPush, 201, "", Meaning::Taken, false),
            (Gateway::WebPush, 404, "BadPath", Meaning::Refused, false),
            (
                Gateway::WebPush,
                410,
                "Unregistered",
                Meaning::Refused,
                false,
            ),
            (
                Gateway::WebPush,
                403,
                "BadJwtToken",
                Meaning::TryAgain,
                false,
            ),
            (
                Gateway::WebPush,
                429,
                "TooManyRequests",
                Meaning::TryAgain,
                false,
            ),
            (
                Gateway::WebPush,
                500,
                "InternalServerError",
                Meaning::TryAgain,
                false,
            ),
        ] {
            let receipt = Receipt {
                gateway,
                ..receipt(status, reason, Answer::Given)
            };
            assert_eq!(receipt.meaning(), meaning, "{gateway:?} {status} {reason}");
            assert_eq!(
                receipt.is_doubtful(),
                is_doubtful,
                "{gateway:?} {status} {reason}"
            );
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
