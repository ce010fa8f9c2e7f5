//! What an answer means: one table over service, status and reason, the first row that fits.
//!
//! It judges the answer only. How often to retry, and the pruning itself, belong to the caller.

use crate::service::PushService;

/// What an answer blames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// This request: it will fail again as it is.
    Request,
    /// The subscription: it is over.
    Subscription,
    /// The message in it.
    Payload,
    /// The VAPID key or token itself: pushes to other subscriptions will fare no better.
    Credential,
    /// That the VAPID key is not the one this subscription was made with, or perhaps so: other subscriptions may do.
    KeyMismatch,
    /// This connection; another one will do.
    Connection,
    /// Too much at once.
    Throttle,
    /// The service's side.
    Service,
}

/// Whether and how the same push may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryRule {
    /// Never.
    Never,
    /// Only after somebody has mended the request, the program or the key.
    AfterMend,
    /// At once, on another connection.
    NewConnection,
    /// Later: after `Retry-After` if there is one, else with a growing pause; never beyond the push's life.
    BackOff,
}

impl RetryRule {
    /// Whether sending again without anybody's help makes sense.
    pub const fn is_automatic(self) -> bool {
        match self {
            Self::Never | Self::AfterMend => false,
            Self::NewConnection | Self::BackOff => true,
        }
    }
}

/// What becomes of the subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriptionFate {
    /// Nothing: keep it.
    Keep,
    /// It is over for good; delete it.
    Prune,
}

/// One row: all that is known about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What it blames.
    pub class: Class,
    /// Whether and how to send again.
    pub retry: RetryRule,
    /// What becomes of the subscription.
    pub fate: SubscriptionFate,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// What to do about it.
    pub mend: &'static str,
}

/// What makes a row fit.
struct Row {
    service: Option<PushService>,
    statuses: std::ops::RangeInclusive<u16>,
    why: Why,
    rule: Rule,
}

/// The service's own word for it.
enum Why {
    Any,
    /// Apple's `reason`, or a part of the text that FCM answers.
    Word(&'static str),
    /// Mozilla's `errno`.
    Errno(u16),
}

macro_rules! rows {
    ($( $service:ident $statuses:expr, $why:expr => $class:ident $retry:ident $fate:ident, $meaning:literal, $mend:literal; )+) => {
        &[ $( Row {
            service: service!($service),
            statuses: $statuses,
            why: $why,
            rule: Rule {
                class: Class::$class,
                retry: RetryRule::$retry,
                fate: SubscriptionFate::$fate,
                meaning: $meaning,
                mend: $mend,
            },
        }, )+ ]
    };
}

macro_rules! service {
    (Any) => {
        None
    };
    ($name:ident) => {
        Some(PushService::$name)
    };
}

use Why::{Any as ANY, Errno, Word};

// The services' own words first, then what a status means everywhere. Sources: Apple, "Sending web push notifications in
// web apps and browsers"; Mozilla autopush, its list of error numbers; RFC 8030 sections 5 to 8; RFC 8292 section 4.
static ROWS: &[Row] = rows! {
    Apple 400..=403, Word("VapidPkHashMismatch") => KeyMismatch AfterMend Keep,
        "The VAPID key is not the one the subscription was made with.",
        "Load the key that the subscription names, or let the browser subscribe again.";
    Apple 403..=403, Word("BadJwtToken") => Credential AfterMend Keep,
        "The VAPID token is refused.",
        "Check this machine's clock (NTP) and that the contact is an address that exists.";
    Apple 403..=403, Word("BadAuthorizationHeader") => Credential AfterMend Keep,
        "The authorization header cannot be read.",
        "Check that nothing on the way changes it.";
    Apple 403..=403, Word("BadVapidPublicKey") => Credential AfterMend Keep,
        "The VAPID public key cannot be read.",
        "Check that nothing on the way changes the authorization header.";
    Apple 400..=400, Word("IdleTimeout") => Connection NewConnection Keep,
        "The connection had been idle for too long; the push was not processed.",
        "None needed: send it on another connection.";
    Apple 400..=400, Word("BadTtl") => Request AfterMend Keep,
        "The TTL is refused.",
        "Send a positive number of seconds, up to 30 days.";
    Apple 400..=400, Word("BadUrgency") => Request AfterMend Keep,
        "The urgency is refused.",
        "Send one of very-low, low, normal, high, or none.";
    Apple 400..=400, Word("BadWebPushTopic") => Request AfterMend Keep,
        "The topic is refused.",
        "Send up to 32 characters of the base64url alphabet.";
    Apple 404..=404, Word("BadPath") => Request AfterMend Keep,
        "The path of the endpoint is none of Apple's: it was changed after the browser gave it.",
        "Store and send endpoints byte for byte.";
    Apple 503..=503, Word("Shutdown") => Connection BackOff Keep,
        "The server is going down.",
        "None needed: send it on another connection.";

    Fcm 400..=400, Word("UnauthorizedRegistration") => KeyMismatch AfterMend Keep,
        "The VAPID key is not the one the subscription was made with.",
        "Load the key that the subscription names, or let the browser subscribe again.";
    Fcm 403..=403, Word("do not correspond") => KeyMismatch AfterMend Keep,
        "The VAPID key is not the one the subscription was made with.",
        "Load the key that the subscription names, or let the browser subscribe again.";
    Fcm 403..=403, Word("invalid JWT") => Credential AfterMend Keep,
        "The VAPID token is refused.",
        "Check this machine's clock (NTP) and the key.";

    Mozilla 404..=404, Errno(102) => Subscription Never Prune,
        "The endpoint is not valid.",
        "Delete the subscription.";
    Mozilla 401..=401, Word("key mismatch") => KeyMismatch AfterMend Keep,
        "The VAPID key is not the one the subscription was made with.",
        "Load the key that the subscription names, or let the browser subscribe again.";
    Mozilla 401..=401, Errno(109) => Credential AfterMend Keep,
        "The VAPID token is refused: audience, end or signature.",
        "Check this machine's clock (NTP) and the key.";
    Mozilla 400..=400, Errno(111) => Request AfterMend Keep,
        "The TTL or another header is missing, or is not a number.",
        "Check that nothing on the way takes headers away.";
    Mozilla 400..=400, Errno(112) => Request AfterMend Keep,
        "The TTL is refused.",
        "Send a number of seconds, 0 or more.";
    Mozilla 400..=400, Errno(114) => Request AfterMend Keep,
        "The TTL is refused.",
        "Send a number of seconds, 0 or more.";
    Mozilla 400..=400, Errno(113) => Request AfterMend Keep,
        "The topic is refused.",
        "Send up to 32 characters of the base64url alphabet.";
    Mozilla 400..=400, Errno(108) => Request AfterMend Keep,
        "The kind of subscription in the endpoint is unknown.",
        "Store and send endpoints byte for byte.";
    Mozilla 500..=599, Errno(202) => Service BackOff Keep,
        "The service could not store it this time.",
        "None needed: send it again.";
    Mozilla 502..=502, ANY => Service BackOff Keep,
        "The service behind Mozilla's, which reaches phones, has trouble.",
        "None needed: send it later.";

    // Senders report it both for tokens it cannot read and for subscriptions that were made with another key.
    Wns 401..=401, ANY => KeyMismatch AfterMend Keep,
        "The VAPID key is refused, or is not the one the subscription was made with.",
        "Load the key that the subscription names. The subscription is alive.";
    Wns 406..=406, ANY => Throttle BackOff Keep,
        "Too many pushes at once.",
        "Send fewer; the pause grows by itself.";

    Any 300..=399, ANY => Request AfterMend Keep,
        "The service wants the push somewhere else. Redirects are never followed: they could lead anywhere.",
        "Look at the location; if it is right, let the browser subscribe again.";
    Any 400..=400, ANY => Request AfterMend Keep,
        "The service calls the request malformed.",
        "Read its answer; TTL, topic and encryption headers are the usual suspects.";
    Any 401..=401, ANY => Credential AfterMend Keep,
        "The VAPID token is missing or refused.",
        "Check the key, and this machine's clock (NTP). The subscription is alive.";
    // RFC 8292 section 4.2 answers both faults alike.
    Any 403..=403, ANY => KeyMismatch AfterMend Keep,
        "The VAPID key is refused, or is not the one the subscription was made with.",
        "Load the key that the subscription names. The subscription is alive.";
    Any 404..=404, ANY => Subscription Never Prune,
        "The subscription has ended.",
        "Delete it.";
    Any 410..=410, ANY => Subscription Never Prune,
        "The subscription is gone: the user took the permission back, or the browser is no more.",
        "Delete it.";
    Any 408..=408, ANY => Service BackOff Keep,
        "The service waited too long for the request.",
        "None needed: send it again.";
    Any 411..=411, ANY => Request AfterMend Keep,
        "The service misses the length of the body.",
        "Check that nothing on the way takes Content-Length away.";
    Any 413..=413, ANY => Payload AfterMend Keep,
        "The message is too large for this service.",
        "Shorten it, or send an id and let the browser fetch the rest.";
    Any 425..=425, ANY => Service BackOff Keep,
        "The service would not take the request so early in the connection.",
        "None needed: send it again.";
    Any 429..=429, ANY => Throttle BackOff Keep,
        "Too many pushes at once.",
        "Send fewer; Retry-After says how long to wait.";
    Any 400..=499, ANY => Request AfterMend Keep,
        "The service refuses the request.",
        "Read its answer.";
    Any 500..=599, ANY => Service BackOff Keep,
        "The service has trouble.",
        "None needed: send it later.";
};

/// For a status that is none.
const ODD: Rule = Rule {
    class: Class::Service,
    retry: RetryRule::AfterMend,
    fate: SubscriptionFate::Keep,
    meaning: "The answer has a status that means nothing here.",
    mend: "Look whether the endpoint is a push service at all.",
};

/// The rule for an answer of this service.
pub(crate) fn rule(
    service: PushService,
    status: u16,
    reason: &str,
    errno: Option<u16>,
) -> &'static Rule {
    let fits = |row: &&Row| {
        row.service.is_none_or(|of| of == service)
            && row.statuses.contains(&status)
            && match row.why {
                Why::Any => true,
                Why::Word(word) => reason.contains(word),
                Why::Errno(number) => errno == Some(number),
            }
    };
    ROWS.iter().find(fits).map_or(&ODD, |row| &row.rule)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use PushService::{Apple, Fcm, Mozilla, Other, Wns};

    type Expected = (Class, RetryRule, SubscriptionFate);

    const REQUEST: Expected = (Class::Request, RetryRule::AfterMend, SubscriptionFate::Keep);
    const KEY: Expected = (
        Class::Credential,
        RetryRule::AfterMend,
        SubscriptionFate::Keep,
    );
    const OTHER_KEY: Expected = (
        Class::KeyMismatch,
        RetryRule::AfterMend,
        SubscriptionFate::Keep,
    );
    const GONE: Expected = (
        Class::Subscription,
        RetryRule::Never,
        SubscriptionFate::Prune,
    );
    const LATER: Expected = (Class::Service, RetryRule::BackOff, SubscriptionFate::Keep);
    const CALM: Expected = (Class::Throttle, RetryRule::BackOff, SubscriptionFate::Keep);
    const LARGE: Expected = (Class::Payload, RetryRule::AfterMend, SubscriptionFate::Keep);

    #[test]
    fn every_answer_of_the_sheet() {
        let table: &[(PushService, u16, &str, Option<u16>, Expected)] = &[
            (Other, 301, "", None, REQUEST),
            (Mozilla, 301, "", None, REQUEST),
            (Other, 400, "", None, REQUEST),
            (Other, 401, "", None, KEY),
            (Other, 403, "", None, OTHER_KEY),
            (Wns, 401, "", None, OTHER_KEY),
            (Other, 404, "", None, GONE),
            (Other, 405, "", None, REQUEST),
            (Other, 406, "", None, REQUEST),
            (Other, 408, "", None, LATER),
            (Other, 410, "", None, GONE),
            (Other, 411, "", None, REQUEST),
            (Other, 413, "", None, LARGE),
            (Other, 425, "", None, LATER),
            (Other, 429, "", None, CALM),
            (Other, 451, "", None, REQUEST),
            (Other, 500, "", None, LATER),
            (Other, 503, "", None, LATER),
            (Other, 599, "", None, LATER),
            (Apple, 400, "BadTtl", None, REQUEST),
            (Apple, 400, "BadUrgency", None, REQUEST),
            (Apple, 400, "BadWebPushTopic", None, REQUEST),
            (Apple, 400, "BadWebPushRequest", None, REQUEST),
            (Apple, 400, "VapidPkHashMismatch", None, OTHER_KEY),
            (Apple, 403, "VapidPkHashMismatch", None, OTHER_KEY),
            (
                Apple,
                400,
                "IdleTimeout",
                None,
                (
                    Class::Connection,
                    RetryRule::NewConnection,
                    SubscriptionFate::Keep,
                ),
            ),
            (Apple, 403, "BadAuthorizationHeader", None, KEY),
            (Apple, 403, "BadJwtToken", None, KEY),
            (Apple, 403, "BadVapidPublicKey", None, KEY),
            (Apple, 404, "BadPath", None, REQUEST),
            (Apple, 404, "", None, GONE),
            (Apple, 405, "MethodNotAllowed", None, REQUEST),
            (Apple, 410, "", None, GONE),
            (Apple, 413, "PayloadTooLarge", None, LARGE),
            (Apple, 429, "TooManyRequests", None, CALM),
            (Apple, 500, "InternalServerError", None, LATER),
            (Apple, 503, "ServiceUnavailable", None, LATER),
            (
                Apple,
                503,
                "Shutdown",
                None,
                (
                    Class::Connection,
                    RetryRule::BackOff,
                    SubscriptionFate::Keep,
                ),
            ),
            (Fcm, 400, "UnauthorizedRegistration", None, OTHER_KEY),
            (Fcm, 400, "anything", None, REQUEST),
            (
                Fcm,
                403,
                "the credentials do not correspond to those",
                None,
                OTHER_KEY,
            ),
            (Fcm, 403, "invalid JWT provided", None, KEY),
            (Fcm, 404, "", None, GONE),
            (Fcm, 410, "", None, GONE),
            (Fcm, 429, "", None, CALM),
            (Mozilla, 400, "", Some(101), REQUEST),
            (Mozilla, 404, "", Some(102), GONE),
            (Mozilla, 410, "", Some(103), GONE),
            (Mozilla, 413, "", Some(104), LARGE),
            (Mozilla, 410, "", Some(105), GONE),
            (Mozilla, 410, "", Some(106), GONE),
            (Mozilla, 400, "", Some(108), REQUEST),
            (Mozilla, 401, "", Some(109), KEY),
            (
                Mozilla,
                401,
                "VAPID public key mismatch",
                Some(109),
                OTHER_KEY,
            ),
            (Mozilla, 400, "", Some(110), REQUEST),
            (Mozilla, 400, "", Some(111), REQUEST),
            (Mozilla, 400, "", Some(112), REQUEST),
            (Mozilla, 400, "", Some(113), REQUEST),
            (Mozilla, 400, "", Some(114), REQUEST),
            (Mozilla, 503, "", Some(201), LATER),
            (Mozilla, 429, "", Some(201), CALM),
            (Mozilla, 503, "", Some(202), LATER),
            (Mozilla, 502, "", Some(900), LATER),
            (Mozilla, 502, "", Some(903), LATER),
            (Mozilla, 500, "", Some(999), LATER),
            (Mozilla, 500, "", None, LATER),
            (Wns, 404, "", None, GONE),
            (Wns, 406, "", None, CALM),
            (Wns, 410, "", None, GONE),
            (Wns, 411, "", None, REQUEST),
            (Wns, 429, "", None, CALM),
        ];
        for (service, status, reason, errno, expected) in table {
            let rule = rule(*service, *status, reason, *errno);
            assert_eq!(
                (rule.class, rule.retry, rule.fate),
                *expected,
                "{service} {status} {reason} {errno:?}"
            );
        }
    }

    #[test]
    fn no_row_is_hidden_behind_another() {
        for (position, row) in ROWS.iter().enumerate() {
            let service = row.service.unwrap_or(Other);
            let (word, errno) = match row.why {
                Why::Any => ("", None),
                Why::Word(word) => (word, None),
                Why::Errno(number) => ("", Some(number)),
            };
            let found = row.statuses.clone().any(|status| {
                std::ptr::eq(rule(service, status, word, errno), &raw const row.rule)
            });
            assert!(
                found,
                "row {position} is never reached: {}",
                row.rule.meaning
            );
        }
    }

    #[test]
    fn one_services_words_mean_nothing_at_another() {
        assert_eq!(
            rule(Fcm, 404, "BadPath", None).fate,
            SubscriptionFate::Prune
        );
        assert_eq!(
            rule(Other, 400, "IdleTimeout", Some(109)).retry,
            RetryRule::AfterMend
        );
        assert_eq!(rule(Other, 700, "", None).class, Class::Service);
    }

    proptest! {
        #[test]
        fn only_404_and_410_prune(status in 0_u16..1000, reason in "\\PC{0,20}", errno: Option<u16>) {
            for service in [Apple, Mozilla, Fcm, Wns, Other] {
                let rule = rule(service, status, &reason, errno);
                let prunes = rule.fate == SubscriptionFate::Prune;
                prop_assert!(!prunes || matches!(status, 404 | 410));
                prop_assert!(!prunes || !rule.retry.is_automatic());
            }
        }
    }
}
