//! Every reason for which a push is refused, and how each service says it.
//!
//! Sources: Mozilla's autopush error table, Apple's "Sending web push notifications in web apps and
//! browsers", what users of Google's and Microsoft's services report.

use super::service::WebPushService;
use super::vapid::Distrust;

/// Why a push, or a cancellation, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No endpoint has this form.
    BadPath,
    /// Another method than POST at an endpoint, or than DELETE at a message.
    Method,
    /// The subscription was never made, or was forgotten.
    Unknown,
    /// The subscription has ended.
    Gone,
    /// Nothing to cancel: delivered, expired, cancelled before.
    MessageGone,
    Distrusted(Distrust),
    /// The signer's key is not the one the subscription was made with.
    KeyMismatch,
    TtlMissing,
    /// Not digits.
    TtlForm,
    TtlNegative,
    Urgency,
    Topic,
    /// A body with another `Content-Encoding` than aes128gcm.
    Encoding,
    /// A header that must stand once stands twice.
    Repeated,
    /// WNS: no `Content-Length`.
    LengthMissing,
    /// WNS: TTL 0 without `X-WNS-Cache-Policy: no-cache`, or the other way round.
    CachePolicy,
    TooLarge,
    TooMany,
}

impl Refusal {
    /// The status with which `service` refuses.
    pub(crate) fn status(self, service: WebPushService) -> u16 {
        use WebPushService::{Apple, Mozilla};
        match self {
            Refusal::BadPath | Refusal::Unknown | Refusal::MessageGone => 404,
            Refusal::Method => 405,
            Refusal::Gone => 410,
            Refusal::Distrusted(_) if service == Mozilla => 401,
            Refusal::Distrusted(Distrust::Missing) if service != Apple => 401,
            Refusal::Distrusted(_) => 403,
            // Apple's page files it under 400.
            Refusal::KeyMismatch if service == Apple => 400,
            Refusal::KeyMismatch => 403,
            Refusal::TtlMissing
            | Refusal::TtlForm
            | Refusal::TtlNegative
            | Refusal::Urgency
            | Refusal::Topic
            | Refusal::Encoding
            | Refusal::Repeated
            | Refusal::CachePolicy => 400,
            Refusal::LengthMissing => 411,
            Refusal::TooLarge => 413,
            Refusal::TooMany => 429,
        }
    }

    /// Apple's word for it, by which every service's refusal is also recorded.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Refusal::BadPath | Refusal::Unknown | Refusal::MessageGone => "BadPath",
            Refusal::Method => "MethodNotAllowed",
            Refusal::Gone => "Unregistered",
            Refusal::Distrusted(Distrust::Missing | Distrust::Scheme) => "BadAuthorizationHeader",
            Refusal::Distrusted(Distrust::PublicKey) => "BadVapidPublicKey",
            Refusal::Distrusted(_) => "BadJwtToken",
            Refusal::KeyMismatch => "VapidPkHashMismatch",
            Refusal::TtlMissing | Refusal::TtlForm | Refusal::TtlNegative => "BadTtl",
            Refusal::Urgency => "BadUrgency",
            Refusal::Topic => "BadWebPushTopic",
            Refusal::Encoding
            | Refusal::Repeated
            | Refusal::LengthMissing
            | Refusal::CachePolicy => "BadWebPushRequest",
            Refusal::TooLarge => "PayloadTooLarge",
            Refusal::TooMany => "TooManyRequests",
        }
    }

    /// Mozilla's number for it; `None` where its table has none.
    pub(crate) fn errno(self) -> Option<u32> {
        match self {
            Refusal::BadPath | Refusal::Unknown | Refusal::MessageGone => Some(102),
            Refusal::Gone => Some(106),
            Refusal::Distrusted(_) | Refusal::KeyMismatch => Some(109),
            Refusal::TtlMissing | Refusal::TtlForm => Some(111),
            Refusal::TtlNegative => Some(114),
            Refusal::Topic => Some(113),
            Refusal::Encoding => Some(110),
            Refusal::TooLarge => Some(104),
            Refusal::TooMany => Some(201),
            Refusal::Method
            | Refusal::Urgency
            | Refusal::Repeated
            | Refusal::LengthMissing
            | Refusal::CachePolicy => None,
        }
    }

    /// A sentence for a person.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Refusal::BadPath => "there is no endpoint of this form",
            Refusal::Method => "an endpoint takes POST, a message takes DELETE",
            Refusal::Unknown => "no such subscription",
            Refusal::Gone => "push subscription has unsubscribed or expired",
            Refusal::MessageGone => "no such message is waiting",
            Refusal::Distrusted(distrust) => distrust.text(),
            Refusal::KeyMismatch => {
                "the VAPID credentials do not correspond to those used to make the subscription"
            }
            Refusal::TtlMissing => "the TTL header is missing",
            Refusal::TtlForm => "TTL: expected whole seconds in digits",
            Refusal::TtlNegative => "TTL: expected no less than 0",
            Refusal::Urgency => "Urgency: expected very-low, low, normal or high, once",
            Refusal::Topic => "Topic: expected 1 to 32 characters of base64url, once",
            Refusal::Encoding => "Content-Encoding: expected aes128gcm",
            Refusal::Repeated => "a header stands more than once",
            Refusal::LengthMissing => "Length Required",
            Refusal::CachePolicy => "Ttl value conflicts with X-WNS-Cache-Policy.",
            Refusal::TooLarge => "the body is larger than this service takes",
            Refusal::TooMany => "too many pushes for this subscription",
        }
    }
}

/// Mozilla's number for an answer that a script made up.
pub(crate) fn errno_of_status(status: u16) -> Option<u32> {
    match status {
        401 => Some(109),
        404 => Some(102),
        410 => Some(106),
        413 => Some(104),
        429 | 503 => Some(201),
        502 => Some(901),
        500 => Some(999),
        _ => None,
    }
}
