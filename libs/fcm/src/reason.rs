//! Why FCM refused, as one word out of status, error code and details; and for each what it means, what to do and what
//! becomes of the push token. One table; nothing else in this crate or in a program using it needs to read an error body.
//!
//! It judges the answer only. How often to retry, and the retiring of push tokens itself, belong to the caller.
//! Sources: Firebase, *FCM error codes* and *REST reference, ErrorCode*; for the shapes that mean a dead push token, the
//! fixtures and issues of Google's own server libraries.

use std::fmt;
use std::time::Duration;

use crate::error_body::{ErrorBody, ErrorCode};

/// What a reason blames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The message: it will fail again as it is.
    Message,
    /// The push token in it.
    PushToken,
    /// Our access token or credential: everything else with it fails too.
    Credential,
    /// The project, its rights or its path: everything else for it fails too.
    Project,
    /// The key that the project has for APNs or web push: everything else for that platform fails too.
    ThirdPartyCredential,
    /// Too much at once.
    Throttle,
    /// Google's side.
    Gateway,
}

/// Whether and how the same message may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryRule {
    /// Never.
    Never,
    /// Only after somebody has mended the message, the project or the credential.
    AfterMend,
    /// Once, with a new access token; if that is refused too, it is the credential.
    FreshAccessToken,
    /// Later, with a growing pause for this message only, and not before `Retry-After` or 10 s.
    BackOff,
    /// Later, not before `Retry-After` or 60 s, and this device or topic only.
    AfterAMinute,
    /// The whole project pauses, for `Retry-After` or 60 s at least.
    PauseProject,
}

impl RetryRule {
    /// Whether sending again without anybody's help makes sense.
    pub const fn is_automatic(self) -> bool {
        match self {
            Self::Never | Self::AfterMend => false,
            Self::FreshAccessToken | Self::BackOff | Self::AfterAMinute | Self::PauseProject => {
                true
            }
        }
    }

    /// The shortest wait before sending again, if the answer asks for none or for a shorter one.
    pub const fn min_wait(self) -> Duration {
        match self {
            Self::Never | Self::AfterMend | Self::FreshAccessToken => Duration::ZERO,
            Self::BackOff => Duration::from_secs(10),
            Self::AfterAMinute | Self::PauseProject => Duration::from_secs(60),
        }
    }
}

/// What the answer means for the push token it was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenFate {
    /// Nothing: keep it.
    Keep,
    /// Dead: retire it, unless the app was seen with it since ([`retire_unless_seen_since`]).
    Retire,
    /// Malformed or at home in another build (development, production): as [`Retire`](Self::Retire), but if many come at
    /// once, suspect the project's settings and retire none.
    RetireUnlessMany,
    /// Alive, but another project's: retire it for this app. If many come at once, suspect the credential.
    RetireForApp,
}

impl TokenFate {
    /// Whether the push token is to be used no more.
    pub const fn is_dead(self) -> bool {
        !matches!(self, Self::Keep)
    }
}

/// The rule for a push token that FCM calls dead: retire it only if the app was last seen with it no later than the
/// message was sent (both in milliseconds, by your clock). FCM was seen to call live push tokens unregistered, and a
/// device may have come back between the sending and the answer.
///
/// It does not replace the caller's compare-and-swap, nor a brake for the day on which a fifth of all answers says
/// "dead".
///
/// ```
/// use fcm::retire_unless_seen_since;
/// assert!(retire_unless_seen_since(1_700_000_000_000, 1_700_000_000_001));
/// assert!(!retire_unless_seen_since(1_700_000_000_001, 1_700_000_000_000));
/// ```
pub const fn retire_unless_seen_since(last_seen_at_ms: u64, sent_at_ms: u64) -> bool {
    last_seen_at_ms <= sent_at_ms
}

/// One row of the table: all that is known about a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What it blames.
    pub class: Class,
    /// Whether and how to send again.
    pub retry: RetryRule,
    /// What becomes of the push token.
    pub token_fate: TokenFate,
    /// Whether the message may have been taken all the same.
    pub maybe_sent: bool,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// What to do about it.
    pub mend: &'static str,
}

macro_rules! reasons {
    ($( $name:ident = $text:literal: $class:ident, $retry:ident, $fate:ident, $maybe_sent:literal, $meaning:literal, $mend:literal; )+) => {
        /// Why FCM refused: what status, error code and details say together.
        ///
        /// ```
        /// use fcm::{ErrorBody, Reason, TokenFate};
        /// // A 404 without FCM's own error code is about the project's path, not about the device.
        /// let reason = Reason::of(404, &ErrorBody::default());
        /// assert_eq!(reason, Reason::NotFound);
        /// assert_eq!(reason.rule().token_fate, TokenFate::Keep);
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $( #[doc = $meaning] $name, )+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[ $( Self::$name, )+ ];

            /// A short stable name, fit for a metric label.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$name => $text, )+ }
            }

            /// All that is known about it.
            pub const fn rule(self) -> &'static Rule {
                match self {
                    $( Self::$name => {
                        const RULE: Rule = Rule {
                            class: Class::$class,
                            retry: RetryRule::$retry,
                            token_fate: TokenFate::$fate,
                            maybe_sent: $maybe_sent,
                            meaning: $meaning,
                            mend: $mend,
                        };
                        &RULE
                    } )+
                }
            }
        }
    };
}

reasons! {
    Unregistered = "unregistered": PushToken, Never, Retire, false,
        "The app instance is gone: uninstalled, its data cleared, idle for 270 days, or it has got another push token.",
        "Stop using this push token; the app registers the new one.";
    InvalidPushToken = "invalid_push_token": PushToken, Never, Retire, false,
        "The push token is no registration token.",
        "Stop using it; check that the app sends the whole of it.";
    ApnsUnregistered = "apns_unregistered": PushToken, Never, Retire, false,
        "APNs told FCM that the device's own push token is dead.",
        "Stop using this push token; the app registers the new one.";
    ApnsBadDeviceToken = "apns_bad_device_token": PushToken, Never, RetireUnlessMany, false,
        "APNs told FCM that the device's own push token is not of this app or environment.",
        "Stop using this push token; if many say so, compare the builds' APNs environment with the keys in the Firebase \
         console.";
    SenderIdMismatch = "sender_id_mismatch": PushToken, Never, RetireForApp, false,
        "The push token belongs to another Firebase project.",
        "Retire it for this app; if many say so, the credential is that of another project than the app's.";
    InvalidMessage = "invalid_message": Message, AfterMend, Keep, false,
        "The message breaks a rule of FCM's or of APNs'.",
        "Mend the field that is named, or shorten the message.";
    QuotaExceeded = "quota_exceeded": Throttle, AfterAMinute, Keep, false,
        "Too many messages at once, to this device or topic, or for the project.",
        "Send fewer: a device may get 240 a minute and 5,000 an hour.";
    ProjectQuotaExceeded = "project_quota_exceeded": Throttle, PauseProject, Keep, false,
        "The project's messages of this minute are used up.",
        "Spread the sending, or ask Google for a higher quota.";
    ThirdPartyAuth = "third_party_auth": ThirdPartyCredential, AfterMend, Keep, false,
        "APNs or a web push service refused the key that the Firebase project has for it.",
        "Upload a valid APNs key (or web push certificate) in the Firebase console, Project settings, Cloud Messaging.";
    Unauthenticated = "unauthenticated": Credential, FreshAccessToken, Keep, false,
        "Google does not take the access token.",
        "If a new one is refused too, check the service account and its key.";
    PermissionDenied = "permission_denied": Project, AfterMend, Keep, false,
        "The credential may not send for this project, or the API is switched off.",
        "Enable the Firebase Cloud Messaging API (V1), and give the service account the role Firebase Cloud Messaging API \
         Admin.";
    NotFound = "not_found": Project, AfterMend, Keep, false,
        "There is nothing at this address: the project does not exist.",
        "Check the project id.";
    Unavailable = "unavailable": Gateway, BackOff, Keep, false,
        "FCM is overloaded.",
        "Nothing but waiting.";
    Internal = "internal": Gateway, BackOff, Keep, true,
        "A fault at Google's.",
        "Nothing but waiting; if it lasts, look at Firebase's status page.";
    GatewayTimeout = "gateway_timeout": Gateway, BackOff, Keep, true,
        "One of Google's front ends got no answer in time; the message may have been taken.",
        "Nothing but waiting.";
    Other = "other": Message, Never, Keep, false,
        "FCM refused it without a reason that is known.",
        "Read the answer's text.";
}

/// APNs' reasons that are about the device's address, and those of them that may come from mixed-up builds.
const APNS_DEAD: &[&str] = &["Unregistered", "ExpiredToken"];
const APNS_FOREIGN: &[&str] = &["BadDeviceToken", "DeviceTokenNotForTopic"];

impl Reason {
    /// Judges an error answer. FCM's own error code counts first, then the details, then the HTTP status.
    pub fn of(status: u16, body: &ErrorBody) -> Self {
        match &body.error_code {
            Some(ErrorCode::Unregistered) => Self::Unregistered,
            Some(ErrorCode::SenderIdMismatch) => Self::SenderIdMismatch,
            Some(ErrorCode::InvalidArgument) => Self::of_invalid_argument(body),
            Some(ErrorCode::QuotaExceeded) if body.is_project_quota() => Self::ProjectQuotaExceeded,
            Some(ErrorCode::QuotaExceeded) => Self::QuotaExceeded,
            Some(ErrorCode::Unavailable) => Self::Unavailable,
            Some(ErrorCode::Internal) => Self::Internal,
            Some(ErrorCode::ThirdPartyAuthError) => Self::ThirdPartyAuth,
            // With a code of FCM's own, even an unknown one, it is FCM that speaks: 401, 403 and 404 are then not about
            // our access.
            Some(ErrorCode::Unknown(_)) if matches!(status, 401 | 403 | 404) => Self::Other,
            Some(ErrorCode::Unspecified | ErrorCode::Unknown(_)) | None => {
                Self::of_status(status, body)
            }
        }
    }

    fn of_status(status: u16, body: &ErrorBody) -> Self {
        match status {
            400 | 413 => Self::InvalidMessage,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            429 if body.is_project_quota() => Self::ProjectQuotaExceeded,
            429 => Self::QuotaExceeded,
            408 | 502 | 504 => Self::GatewayTimeout,
            503 => Self::Unavailable,
            500..=599 => Self::Internal,
            _ => Self::Other,
        }
    }

    /// A bad push token and a bad message share one error code. Only evidence about the push token makes it that: one bad
    /// release of a server would else retire every push token there is.
    fn of_invalid_argument(body: &ErrorBody) -> Self {
        if let Some(apns) = &body.apns {
            if APNS_DEAD.contains(&&*apns.reason) {
                return Self::ApnsUnregistered;
            }
            if APNS_FOREIGN.contains(&&*apns.reason) {
                return Self::ApnsBadDeviceToken;
            }
        }
        let names_push_token = body
            .field_violations
            .iter()
            .any(|violation| matches!(&*violation.field, "message.token" | "message.fid"));
        let names_others = body
            .field_violations
            .iter()
            .any(|violation| !matches!(&*violation.field, "message.token" | "message.fid"));
        let says_so = body
            .message
            .to_ascii_lowercase()
            .contains("not a valid fcm registration token");
        if (names_push_token || says_so) && !names_others {
            return Self::InvalidPushToken;
        }
        Self::InvalidMessage
    }
}

// === impl Reason ===

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_without_a_body_are_judged_by_themselves() {
        for (status, reason) in [
            (400, Reason::InvalidMessage),
            (401, Reason::Unauthenticated),
            (403, Reason::PermissionDenied),
            (404, Reason::NotFound),
            (408, Reason::GatewayTimeout),
            (413, Reason::InvalidMessage),
            (418, Reason::Other),
            (429, Reason::QuotaExceeded),
            (500, Reason::Internal),
            (502, Reason::GatewayTimeout),
            (503, Reason::Unavailable),
            (504, Reason::GatewayTimeout),
            (599, Reason::Internal),
        ] {
            assert_eq!(
                Reason::of(status, &ErrorBody::default()),
                reason,
                "{status}"
            );
        }
    }

    #[test]
    fn only_reasons_about_a_push_token_end_one() {
        for reason in Reason::ALL {
            let rule = reason.rule();
            assert_eq!(
                rule.token_fate.is_dead(),
                rule.class == Class::PushToken,
                "{reason}"
            );
            assert!(
                !(rule.token_fate.is_dead() && rule.retry.is_automatic()),
                "{reason}"
            );
            assert_eq!(
                rule.retry.min_wait() >= Duration::from_secs(60),
                rule.class == Class::Throttle,
                "{reason}"
            );
        }
    }

    #[test]
    fn no_status_and_no_detail_alone_ends_a_push_token() {
        let violation = crate::error_body::FieldViolation {
            field: "message.token".into(),
            description: "".into(),
        };
        let apns = crate::error_body::ApnsError {
            status: 410,
            reason: "Unregistered".into(),
        };
        let codes = [
            None,
            Some("UNSPECIFIED_ERROR"),
            Some("QUOTA_EXCEEDED"),
            Some("UNAVAILABLE"),
            Some("INTERNAL"),
            Some("THIRD_PARTY_AUTH_ERROR"),
            Some("SOMETHING_NEW"),
        ];
        for (code, status) in codes
            .iter()
            .flat_map(|code| (300..600).map(move |status| (code, status)))
        {
            let body = ErrorBody {
                message: "The registration token is not a valid FCM registration token".into(),
                error_code: code.map(ErrorCode::from),
                apns: Some(apns.clone()),
                field_violations: vec![violation.clone()],
                ..ErrorBody::default()
            };
            let rule = Reason::of(status, &body).rule();
            assert_eq!(rule.token_fate, TokenFate::Keep, "{status} {code:?}");
        }
    }

    #[test]
    fn a_fault_of_the_message_beside_the_push_token_keeps_the_push_token() {
        let violation = |field: &str| crate::error_body::FieldViolation {
            field: field.into(),
            description: "".into(),
        };
        let mut body = ErrorBody {
            error_code: Some(ErrorCode::InvalidArgument),
            field_violations: vec![violation("message.token")],
            ..ErrorBody::default()
        };
        assert_eq!(Reason::of(400, &body), Reason::InvalidPushToken);
        body.field_violations.push(violation("message.android.ttl"));
        assert_eq!(Reason::of(400, &body), Reason::InvalidMessage);
        body.field_violations.clear();
        for (apns, reason) in [
            ("Unregistered", Reason::ApnsUnregistered),
            ("BadDeviceToken", Reason::ApnsBadDeviceToken),
            ("DeviceTokenNotForTopic", Reason::ApnsBadDeviceToken),
            ("PayloadTooLarge", Reason::InvalidMessage),
            ("InvalidProviderToken", Reason::InvalidMessage),
        ] {
            body.apns = Some(crate::error_body::ApnsError {
                status: 400,
                reason: apns.into(),
            });
            assert_eq!(Reason::of(400, &body), reason, "{apns}");
        }
    }

    #[test]
    fn a_code_of_tomorrow_is_judged_by_its_status_but_never_blames_our_access() {
        let body = ErrorBody {
            error_code: Some("SOMETHING_NEW".into()),
            ..ErrorBody::default()
        };
        for (status, reason) in [
            (400, Reason::InvalidMessage),
            (401, Reason::Other),
            (404, Reason::Other),
            (503, Reason::Unavailable),
        ] {
            assert_eq!(Reason::of(status, &body), reason, "{status}");
        }
    }
}
