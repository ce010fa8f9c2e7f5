//! Why APNs refused: every reason Apple documents, and for each what it means, what to do and what becomes of the push
//! token. One table; nothing else in this crate or in a program using it needs to know a reason by name.
//!
//! It judges the answer only. How often to retry, and the retiring of push tokens itself, belong to the caller.

use std::fmt;

/// What a reason blames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// This request's headers: it will fail again as it is.
    Push,
    /// The push token in it.
    PushToken,
    /// The payload in it.
    Payload,
    /// The provider token, the certificate or what they may do: everything else with them fails too.
    Credential,
    /// This connection; another one will do.
    Connection,
    /// Apple's side.
    Gateway,
    /// Too much at once.
    Throttle,
    /// The broadcast channel.
    Channel,
}

/// Whether and how the same push may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryRule {
    /// Apple's never-retry list.
    Never,
    /// Only after somebody has mended the request, the program or the credential.
    AfterMend,
    /// At once, on another connection.
    NewConnection,
    /// Once, with a new provider token *and* on a new connection: one that saw an expired token stays unusable.
    FreshProviderToken,
    /// With the provider token this connection accepted before, while that is younger than an hour; else after about
    /// 20 minutes. Never sign another one in answer to this.
    HeldProviderToken,
    /// Later, with a growing pause for this push token (or channel) only.
    BackOff,
    /// After 15 minutes as Apple asks, with a growing pause and on another connection.
    AfterFifteenMinutes,
}

impl RetryRule {
    /// Whether sending again without anybody's help makes sense.
    pub const fn is_automatic(self) -> bool {
        match self {
            Self::Never | Self::AfterMend => false,
            Self::NewConnection
            | Self::FreshProviderToken
            | Self::HeldProviderToken
            | Self::BackOff
            | Self::AfterFifteenMinutes => true,
        }
    }
}

/// What the answer means for the push token it was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenFate {
    /// Nothing: keep it.
    Keep,
    /// Dead since a time: retire it if [`retire_by_timestamp`] says so.
    RetireByTimestamp,
    /// Malformed, or at home in the other environment: try that one, or retire it. If many come at once, suspect the
    /// host and retire none.
    SuspectEnvironment,
    /// Belongs to another app or another kind: stop using it for this topic, retire it only if the topic is known to
    /// be right.
    Quarantine,
}

/// The rule for a push token that APNs calls dead since `timestamp_ms` (milliseconds, from the body of a `410`).
///
/// `registered_at_ms` is *your* clock when the app last handed you this push token; it must move on every check-in of
/// the app. If the app registered after APNs found it dead, it is alive again: keep it.
///
/// Without a timestamp the answer is yes, and the only guard left is the caller's compare-and-swap: retire exactly the
/// registration this answer was about, never a newer one. (Do that in any case.)
///
/// Source: Apple, *Handling notification responses from APNs*.
///
/// ```
/// use apns::retire_by_timestamp;
/// assert!(retire_by_timestamp(1_699_999_999_999, Some(1_700_000_000_000)));
/// assert!(!retire_by_timestamp(1_700_000_000_001, Some(1_700_000_000_000)));
/// ```
pub const fn retire_by_timestamp(registered_at_ms: u64, timestamp_ms: Option<u64>) -> bool {
    match timestamp_ms {
        Some(timestamp_ms) => registered_at_ms <= timestamp_ms,
        None => true,
    }
}

/// One row of the table: all that is known about a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The HTTP status Apple documents for it.
    pub status: u16,
    /// What it blames.
    pub class: Class,
    /// Whether and how to send again.
    pub retry: RetryRule,
    /// What becomes of the push token.
    pub token_fate: TokenFate,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// What to do about it.
    pub mend: &'static str,
}

macro_rules! reasons {
    ($( $name:ident = $text:literal: $status:literal, $class:ident, $retry:ident, $fate:ident, $meaning:literal, $mend:literal; )+) => {
        /// Why APNs refused a request, from the body's `reason`.
        ///
        /// The list is open: Apple adds reasons without notice, and an unknown one must not cost the rest of the body.
        /// [`Unknown`](Self::Unknown) keeps the text; judge it by its HTTP status with [`Reason::rule`].
        ///
        /// ```
        /// use apns::{Class, Reason, RetryRule};
        /// let reason = Reason::from("ExpiredProviderToken");
        /// assert_eq!(reason, Reason::ExpiredProviderToken);
        /// assert_eq!(reason.rule(403).retry, RetryRule::FreshProviderToken);
        ///
        /// let news = Reason::from("SomethingNew");
        /// assert_eq!(news.as_str(), "SomethingNew");
        /// assert_eq!(news.rule(503).class, Class::Gateway); // judged by its status
        /// ```
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $( #[doc = concat!("`", $text, "` (", $status, "): ", $meaning)] $name, )+
            /// A reason this version does not know; empty if the answer named none.
            Unknown(Box<str>),
        }

        impl Reason {
            /// Every documented reason.
            pub const KNOWN: &[Self] = &[ $( Self::$name, )+ ];

            /// Apple's word for it; empty if the answer named none.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$name => $text, )+
                    Self::Unknown(text) => text,
                }
            }

            fn known_rule(&self) -> Option<&'static Rule> {
                match self {
                    $( Self::$name => {
                        const RULE: Rule = Rule {
                            status: $status,
                            class: Class::$class,
                            retry: RetryRule::$retry,
                            token_fate: TokenFate::$fate,
                            meaning: $meaning,
                            mend: $mend,
                        };
                        Some(&RULE)
                    } )+
                    Self::Unknown(_) => None,
                }
            }
        }

        impl From<&str> for Reason {
            fn from(text: &str) -> Self {
                match text {
                    $( $text => Self::$name, )+
                    // Two spellings seen beside the documented ones.
                    "Service Unavailable" => Self::ServiceUnavailable,
                    "BadEnvironmentKeyInToken" => Self::BadEnvironmentKeyIdInToken,
                    other => Self::Unknown(other.into()),
                }
            }
        }
    };
}

// Sorted by status, then by name. Sources: Apple, "Handling notification responses from APNs" and "Handling error
// responses from Apple Push Notification service" (broadcast and channel management).
reasons! {
    BadChannelId = "BadChannelId": 400, Channel, AfterMend, Keep,
        "The channel id cannot be decoded or is too long.",
        "Send the channel id exactly as it was issued.";
    BadCollapseId = "BadCollapseId": 400, Push, AfterMend, Keep,
        "The collapse id is longer than 64 bytes.",
        "Shorten it, or send a hash of it.";
    BadDeviceToken = "BadDeviceToken": 400, PushToken, Never, SuspectEnvironment,
        "The push token is malformed or belongs to the other environment.",
        "Check whether the app was signed for the sandbox or for production and send to that host.";
    BadExpirationDate = "BadExpirationDate": 400, Push, AfterMend, Keep,
        "The expiration cannot be read, or is not 0 on a channel that stores nothing.",
        "Send Unix seconds; send 0 to a channel without storage.";
    BadMessageId = "BadMessageId": 400, Push, AfterMend, Keep,
        "The apns-id is not a UUID.",
        "Send a lower-case UUID or leave the header out.";
    BadPriority = "BadPriority": 400, Push, AfterMend, Keep,
        "The priority is not 10, 5 or 1.",
        "Send a priority that the push type allows.";
    BadRequestParams = "BadRequestParams": 400, Channel, AfterMend, Keep,
        "The channel request has an attribute APNs does not know.",
        "Send only message-storage-policy and push-type.";
    BadRequestPayload = "BadRequestPayload": 400, Payload, AfterMend, Keep,
        "The body of the channel request is not the JSON APNs expects.",
        "Send {\"message-storage-policy\":0|1,\"push-type\":\"LiveActivity\"}.";
    BadTopic = "BadTopic": 400, Push, AfterMend, Keep,
        "The apns-topic is not valid.",
        "Send the bundle id with the suffix of the push type.";
    CannotCreateChannelConfig = "CannotCreateChannelConfig": 400, Channel, AfterMend, Keep,
        "The app has all the channels it may have in this environment (10,000).",
        "Delete channels that are no longer used.";
    ChannelNotRegistered = "ChannelNotRegistered": 400, Channel, AfterMend, Keep,
        "There is no such channel in this environment.",
        "Create a new channel and tell the app its id.";
    DeviceTokenNotForTopic = "DeviceTokenNotForTopic": 400, PushToken, Never, Quarantine,
        "The push token belongs to another app or another kind than the topic says.",
        "Check the bundle id, and that a VoIP, Live Activity or widget token is not used as an alert token.";
    DuplicateHeaders = "DuplicateHeaders": 400, Push, AfterMend, Keep,
        "A header was sent twice.",
        "Send each header once: this is a fault in the client.";
    FeatureNotEnabled = "FeatureNotEnabled": 400, Credential, AfterMend, Keep,
        "Broadcasting is not switched on for this App ID.",
        "Switch the broadcast capability on in the developer portal.";
    IdleTimeout = "IdleTimeout": 400, Connection, NewConnection, Keep,
        "The connection was idle for too long.",
        "Send again on a new connection.";
    InvalidPushType = "InvalidPushType": 400, Push, AfterMend, Keep,
        "The push type is not one APNs knows here.",
        "Send one of Apple's push types in lower case; channels take only LiveActivity.";
    MissingChannelId = "MissingChannelId": 400, Channel, AfterMend, Keep,
        "The apns-channel-id header is missing.",
        "Send the channel id.";
    MissingChannelQueueSize = "MissingChannelQueueSize": 400, Channel, AfterMend, Keep,
        "The storage policy is missing or not 0 or 1 (seen in the field, not documented).",
        "Send message-storage-policy 0 or 1.";
    MissingDeviceToken = "MissingDeviceToken": 400, Push, AfterMend, Keep,
        "The path names no push token.",
        "Send to /3/device/ followed by the push token: this is a fault in the client.";
    MissingPushType = "MissingPushType": 400, Push, AfterMend, Keep,
        "The push type is missing.",
        "Send apns-push-type (liveactivity for a broadcast).";
    MissingTopic = "MissingTopic": 400, Push, AfterMend, Keep,
        "The apns-topic is missing and the credential covers more than one topic.",
        "Send apns-topic.";
    PayloadEmpty = "PayloadEmpty": 400, Payload, AfterMend, Keep,
        "The body is empty.",
        "Send a JSON object.";
    TopicDisallowed = "TopicDisallowed": 400, Credential, AfterMend, Keep,
        "Pushing to this topic is not allowed, or a broadcast path carries a topic suffix.",
        "Check the bundle id and the app's push capability; broadcast paths take the bare bundle id.";
    BadCertificate = "BadCertificate": 403, Credential, AfterMend, Keep,
        "The certificate is not valid.",
        "Install a current push certificate.";
    BadCertificateEnvironment = "BadCertificateEnvironment": 403, Credential, AfterMend, Keep,
        "The certificate is for the other environment.",
        "Use a certificate for this environment, or the other host.";
    BadEnvironmentKeyIdInToken = "BadEnvironmentKeyIdInToken": 403, Credential, AfterMend, Keep,
        "The signing key is limited to the other environment.",
        "Use a key made for this environment.";
    ExpiredProviderToken = "ExpiredProviderToken": 403, Credential, FreshProviderToken, Keep,
        "The provider token is older than an hour, or this machine's clock is off by as much.",
        "Nothing if it happens once; else set the clock by NTP.";
    Forbidden = "Forbidden": 403, Credential, Never, Keep,
        "This action is not allowed.",
        "Check that the key is not revoked and may be used for this app.";
    InvalidProviderToken = "InvalidProviderToken": 403, Credential, AfterMend, Keep,
        "The provider token's signature, key id or team id is wrong, or the key may not be used for this topic.",
        "Check key id and team id against the developer portal, and that the key is not revoked.";
    MissingProviderToken = "MissingProviderToken": 403, Credential, AfterMend, Keep,
        "There was neither a provider token nor a certificate.",
        "Give the client a credential: this is a fault in the client.";
    TopicMismatch = "TopicMismatch": 403, Credential, AfterMend, Keep,
        "The credential does not cover the bundle id in the path.",
        "Use the key or certificate of the app's own team.";
    UnrelatedKeyIdInToken = "UnrelatedKeyIdInToken": 403, Connection, NewConnection, Keep,
        "The signing key is not related to the one this connection began with.",
        "Send again on a new connection.";
    BadPath = "BadPath": 404, Push, AfterMend, Keep,
        "The path is wrong.",
        "Check host and port: this is a fault in the client.";
    MethodNotAllowed = "MethodNotAllowed": 405, Push, AfterMend, Keep,
        "The method is wrong.",
        "Pushes are sent with POST: this is a fault in the client.";
    ExpiredToken = "ExpiredToken": 410, PushToken, Never, RetireByTimestamp,
        "The push token has expired.",
        "Stop using it; the app gets a new one and has to send it in.";
    Unregistered = "Unregistered": 410, PushToken, Never, RetireByTimestamp,
        "The push token is no longer active for the topic: most likely the app was removed.",
        "Stop using it until the app sends it in again.";
    PayloadTooLarge = "PayloadTooLarge": 413, Payload, Never, Keep,
        "The body is larger than the push type allows (4096 bytes; 5120 for VoIP and broadcasts).",
        "Shorten the payload; count bytes, not characters.";
    TooManyProviderTokenUpdates = "TooManyProviderTokenUpdates": 429, Throttle, HeldProviderToken, Keep,
        "The provider token was changed less than 20 minutes after the last change.",
        "Share one provider token between all connections and processes that use this key.";
    TooManyRequests = "TooManyRequests": 429, Throttle, BackOff, Keep,
        "Too many notifications in a row to this device (or, for broadcasts, this app or channel).",
        "Send less often; collapse what is outdated.";
    InternalServerError = "InternalServerError": 500, Gateway, AfterFifteenMinutes, Keep,
        "APNs had an internal error.",
        "Wait; if it lasts, see Apple's system status page.";
    ServiceUnavailable = "ServiceUnavailable": 503, Gateway, AfterFifteenMinutes, Keep,
        "APNs is not available.",
        "Wait; if it lasts, see Apple's system status page.";
    Shutdown = "Shutdown": 503, Connection, NewConnection, Keep,
        "This APNs server is shutting down.",
        "Send again on another connection.";
}

macro_rules! by_status {
    ($($status:literal, $class:ident, $retry:ident, $fate:ident, $meaning:literal, $mend:literal;)+) => {
        /// The judgement of an answer whose reason is unknown or missing: by its status.
        fn rule_by_status(status: u16) -> &'static Rule {
            match status {
                $( $status => {
                    const RULE: Rule = Rule {
                        status: $status, class: Class::$class, retry: RetryRule::$retry,
                        token_fate: TokenFate::$fate, meaning: $meaning, mend: $mend,
                    };
                    &RULE
                } )+
                500..=599 => rule_by_status(500),
                // Anything else, 3xx included, is a refusal nobody has documented: do not repeat it, blame no token.
                _ => rule_by_status(400),
            }
        }
    };
}

by_status! {
    400, Push, AfterMend, Keep,
        "APNs refused the request for a reason this version does not know.",
        "Look the reason up in Apple's documentation.";
    403, Credential, AfterMend, Keep,
        "APNs refused the credential for a reason this version does not know.",
        "Look the reason up in Apple's documentation and check the credential.";
    404, Push, AfterMend, Keep, "APNs does not know this path.", "Check host and port.";
    405, Push, AfterMend, Keep, "APNs does not take this method here.", "Check host and port.";
    410, PushToken, Never, RetireByTimestamp,
        "The push token is no longer active.",
        "Stop using it until the app sends it in again.";
    413, Payload, Never, Keep, "The body is too large.", "Shorten the payload.";
    429, Throttle, BackOff, Keep, "APNs asks for fewer requests.", "Send less often.";
    500, Gateway, AfterFifteenMinutes, Keep,
        "APNs failed for a reason this version does not know.",
        "Wait; if it lasts, see Apple's system status page.";
    503, Gateway, AfterFifteenMinutes, Keep,
        "APNs is not available.",
        "Wait; if it lasts, see Apple's system status page.";
}

// === impl Reason ===

impl Reason {
    /// All that is known about it. A known reason has its own row; an unknown or missing one is judged by the HTTP
    /// `status` it came with.
    pub fn rule(&self, status: u16) -> &'static Rule {
        self.known_rule().unwrap_or_else(|| rule_by_status(status))
    }

    /// Whether this version knows it.
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) if text.is_empty() => f.write_str("(no reason given)"),
            reason => f.write_str(reason.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Class::{
        Channel, Connection, Credential, Gateway, Payload, Push, PushToken, Throttle,
    };
    use super::RetryRule::{
        AfterFifteenMinutes, AfterMend, BackOff, FreshProviderToken, HeldProviderToken, Never,
        NewConnection,
    };
    use super::TokenFate::{Keep, Quarantine, RetireByTimestamp, SuspectEnvironment};
    use super::*;

    /// Written down a second time, from Apple's pages, so that a slip in the table above shows.
    const APPLE: &[(&str, u16, Class, RetryRule, TokenFate)] = &[
        ("BadCollapseId", 400, Push, AfterMend, Keep),
        ("BadDeviceToken", 400, PushToken, Never, SuspectEnvironment),
        ("BadExpirationDate", 400, Push, AfterMend, Keep),
        ("BadMessageId", 400, Push, AfterMend, Keep),
        ("BadPriority", 400, Push, AfterMend, Keep),
        ("BadTopic", 400, Push, AfterMend, Keep),
        ("DeviceTokenNotForTopic", 400, PushToken, Never, Quarantine),
        ("DuplicateHeaders", 400, Push, AfterMend, Keep),
        ("IdleTimeout", 400, Connection, NewConnection, Keep),
        ("InvalidPushType", 400, Push, AfterMend, Keep),
        ("MissingDeviceToken", 400, Push, AfterMend, Keep),
        ("MissingTopic", 400, Push, AfterMend, Keep),
        ("PayloadEmpty", 400, Payload, AfterMend, Keep),
        ("TopicDisallowed", 400, Credential, AfterMend, Keep),
        ("BadCertificate", 403, Credential, AfterMend, Keep),
        (
            "BadCertificateEnvironment",
            403,
            Credential,
            AfterMend,
            Keep,
        ),
        (
            "ExpiredProviderToken",
            403,
            Credential,
            FreshProviderToken,
            Keep,
        ),
        ("Forbidden", 403, Credential, Never, Keep),
        ("InvalidProviderToken", 403, Credential, AfterMend, Keep),
        ("MissingProviderToken", 403, Credential, AfterMend, Keep),
        (
            "UnrelatedKeyIdInToken",
            403,
            Connection,
            NewConnection,
            Keep,
        ),
        (
            "BadEnvironmentKeyIdInToken",
            403,
            Credential,
            AfterMend,
            Keep,
        ),
        ("BadPath", 404, Push, AfterMend, Keep),
        ("MethodNotAllowed", 405, Push, AfterMend, Keep),
        ("ExpiredToken", 410, PushToken, Never, RetireByTimestamp),
        ("Unregistered", 410, PushToken, Never, RetireByTimestamp),
        ("PayloadTooLarge", 413, Payload, Never, Keep),
        (
            "TooManyProviderTokenUpdates",
            429,
            Throttle,
            HeldProviderToken,
            Keep,
        ),
        ("TooManyRequests", 429, Throttle, BackOff, Keep),
        (
            "InternalServerError",
            500,
            Gateway,
            AfterFifteenMinutes,
            Keep,
        ),
        (
            "ServiceUnavailable",
            503,
            Gateway,
            AfterFifteenMinutes,
            Keep,
        ),
        ("Shutdown", 503, Connection, NewConnection, Keep),
        // Broadcast and channel management.
        ("FeatureNotEnabled", 400, Credential, AfterMend, Keep),
        ("MissingChannelId", 400, Channel, AfterMend, Keep),
        ("BadChannelId", 400, Channel, AfterMend, Keep),
        ("ChannelNotRegistered", 400, Channel, AfterMend, Keep),
        ("BadRequestParams", 400, Channel, AfterMend, Keep),
        ("BadRequestPayload", 400, Payload, AfterMend, Keep),
        ("MissingPushType", 400, Push, AfterMend, Keep),
        ("CannotCreateChannelConfig", 400, Channel, AfterMend, Keep),
        ("MissingChannelQueueSize", 400, Channel, AfterMend, Keep),
        ("TopicMismatch", 403, Credential, AfterMend, Keep),
    ];

    #[test]
    fn every_row_of_apples_tables() {
        for (text, status, class, retry, token_fate) in APPLE {
            let reason = Reason::from(*text);
            assert!(reason.is_known(), "{text}");
            assert_eq!(reason.as_str(), *text);
            assert_eq!(reason.to_string(), *text);
            let rule = reason.rule(*status);
            assert_eq!(rule.status, *status, "{text}");
            assert_eq!(
                (rule.class, rule.retry, rule.token_fate),
                (*class, *retry, *token_fate),
                "{text}"
            );
            assert_eq!(
                rule,
                reason.rule(999),
                "a known reason does not look at the status"
            );
        }
        let ours: HashSet<&str> = Reason::KNOWN.iter().map(Reason::as_str).collect();
        let apples: HashSet<&str> = APPLE.iter().map(|row| row.0).collect();
        assert_eq!(ours, apples);
        assert_eq!(Reason::KNOWN.len(), ours.len());
    }

    #[test]
    fn every_text_is_a_sentence() {
        for reason in Reason::KNOWN {
            let rule = reason.rule(0);
            for text in [rule.meaning, rule.mend] {
                assert!(text.ends_with('.') && text.len() > 10, "{reason}: {text:?}");
                assert!(!text.contains("  "), "{reason}: {text:?}");
            }
        }
    }

    #[test]
    fn apples_never_list_is_never_automatic() {
        for text in [
            "BadDeviceToken",
            "DeviceTokenNotForTopic",
            "Forbidden",
            "ExpiredToken",
            "Unregistered",
            "PayloadTooLarge",
        ] {
            assert_eq!(Reason::from(text).rule(0).retry, Never, "{text}");
        }
    }

    #[test]
    fn only_what_can_heal_by_itself_is_automatic() {
        for reason in Reason::KNOWN {
            let rule = reason.rule(0);
            let heals = matches!(
                rule.class,
                Class::Connection | Class::Gateway | Class::Throttle
            ) || *reason == Reason::ExpiredProviderToken;
            assert_eq!(rule.retry.is_automatic(), heals, "{reason}");
        }
    }

    #[test]
    fn only_answers_about_a_push_token_touch_it() {
        for reason in Reason::KNOWN {
            let rule = reason.rule(0);
            assert_eq!(
                rule.token_fate != Keep,
                rule.class == Class::PushToken,
                "{reason}"
            );
        }
    }

    #[test]
    fn other_spellings_are_understood() {
        assert_eq!(
            Reason::from("Service Unavailable"),
            Reason::ServiceUnavailable
        );
        assert_eq!(
            Reason::from("BadEnvironmentKeyInToken"),
            Reason::BadEnvironmentKeyIdInToken
        );
    }

    #[test]
    fn an_unknown_reason_is_judged_by_its_status() {
        let table = [
            (400, Class::Push, AfterMend, Keep),
            (403, Class::Credential, AfterMend, Keep),
            (404, Class::Push, AfterMend, Keep),
            (405, Class::Push, AfterMend, Keep),
            (410, Class::PushToken, Never, RetireByTimestamp),
            (413, Class::Payload, Never, Keep),
            (418, Class::Push, AfterMend, Keep),
            (301, Class::Push, AfterMend, Keep),
            (429, Class::Throttle, BackOff, Keep),
            (500, Class::Gateway, AfterFifteenMinutes, Keep),
            (502, Class::Gateway, AfterFifteenMinutes, Keep),
            (503, Class::Gateway, AfterFifteenMinutes, Keep),
        ];
        for (status, class, retry, token_fate) in table {
            for text in ["", "SomethingNew"] {
                let reason = Reason::from(text);
                assert!(!reason.is_known());
                let rule = reason.rule(status);
                assert_eq!(
                    (rule.class, rule.retry, rule.token_fate),
                    (class, retry, token_fate),
                    "{status}"
                );
            }
        }
        assert_eq!(Reason::from("").to_string(), "(no reason given)");
    }

    #[test]
    fn v4_a_push_token_dies_only_if_it_was_not_registered_since() {
        const DEAD_SINCE: Option<u64> = Some(1_700_000_000_000);
        assert!(retire_by_timestamp(1_699_999_999_999, DEAD_SINCE));
        assert!(retire_by_timestamp(1_700_000_000_000, DEAD_SINCE));
        assert!(!retire_by_timestamp(1_700_000_000_001, DEAD_SINCE));
        assert!(retire_by_timestamp(u64::MAX, None));
    }
}
