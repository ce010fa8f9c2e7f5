//! The `apns-push-type` header and everything that depends on it: topic suffix, priorities, size, authentication.
//!
//! The rules of the payload itself stand in `payload`.

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::expiration::Expiration;
use crate::invalid::{Invalid, quoted};
use crate::priority::Priority;

/// What kind of push this is. APNs answers an unknown one with `400 InvalidPushType`, so the list is closed here and
/// grows with Apple's (hence `non_exhaustive`).
///
/// Source: Apple, *Sending notification requests to APNs*, table of `apns-push-type`.
///
/// ```
/// use apns::{Priority, PushType};
/// let voip: PushType = "voip".parse()?;
/// assert_eq!(voip.topic_suffix(), ".voip");
/// assert_eq!(voip.max_body_bytes(), 5120);
/// assert_eq!(PushType::Background.allowed_priorities(), [Priority::PowerAware]);
/// # Ok::<(), apns::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PushType {
    /// Shows an alert, plays a sound or sets a badge.
    Alert,
    /// Wakes the app silently; priority 5 only, and only a few an hour.
    Background,
    /// Asks a location push service extension where the device is.
    Location,
    /// Announces an incoming call through PushKit.
    Voip,
    /// Updates a watchOS complication.
    Complication,
    /// Tells a File Provider extension that something changed.
    FileProvider,
    /// Tells a managed device to ask its MDM server for commands.
    Mdm,
    /// Starts, updates or ends a Live Activity.
    LiveActivity,
    /// Wakes a Push to Talk app that has joined a channel.
    PushToTalk,
    /// Reloads a control in Control Center.
    Controls,
    /// Reloads a widget.
    Widgets,
}

/// How a provider may authenticate for a push type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthRule {
    /// With a provider token or with a certificate that lists the topic.
    Either,
    /// Only with a provider token.
    TokenOnly,
    /// Only with a certificate.
    CertificateOnly,
}

impl PushType {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Alert,
        Self::Background,
        Self::Location,
        Self::Voip,
        Self::Complication,
        Self::FileProvider,
        Self::Mdm,
        Self::LiveActivity,
        Self::PushToTalk,
        Self::Controls,
        Self::Widgets,
    ];

    /// The header's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Background => "background",
            Self::Location => "location",
            Self::Voip => "voip",
            Self::Complication => "complication",
            Self::FileProvider => "fileprovider",
            Self::Mdm => "mdm",
            Self::LiveActivity => "liveactivity",
            Self::PushToTalk => "pushtotalk",
            Self::Controls => "controls",
            Self::Widgets => "widgets",
        }
    }

    /// The value for `apns-push-type`; nothing is allocated.
    pub const fn header_value(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }

    /// What follows the bundle id in the topic; empty for alert, background and MDM.
    ///
    /// (Apple's page prints `h.complication` for the complication; the certificate lists `.complication`.)
    pub const fn topic_suffix(self) -> &'static str {
        match self {
            Self::Alert | Self::Background | Self::Mdm => "",
            Self::Location => ".location-query",
            Self::Voip => ".voip",
            Self::Complication => ".complication",
            Self::FileProvider => ".pushkit.fileprovider",
            Self::LiveActivity => ".push-type.liveactivity",
            Self::PushToTalk => ".voip-ptt",
            Self::Controls => ".push-type.controls",
            Self::Widgets => ".push-type.widgets",
        }
    }

    /// The priorities Apple allows, the default first.
    pub const fn allowed_priorities(self) -> &'static [Priority] {
        const TEN_FIVE: &[Priority] = &[Priority::Immediate, Priority::PowerAware];
        match self {
            // Apple: "Specifying priority 10 is an error."
            Self::Background => &[Priority::PowerAware],
            Self::Location | Self::LiveActivity => TEN_FIVE,
            Self::Alert
            | Self::Voip
            | Self::Complication
            | Self::FileProvider
            | Self::Mdm
            | Self::PushToTalk
            | Self::Controls
            | Self::Widgets => &Priority::ALL,
        }
    }

    /// The priority to take when the caller names none: 5 for background, else 10 as APNs itself would.
    pub const fn default_priority(self) -> Priority {
        match self {
            Self::Background => Priority::PowerAware,
            _ => Priority::Immediate,
        }
    }

    /// Whether the priority is allowed.
    pub fn allows(self, priority: Priority) -> bool {
        self.allowed_priorities().contains(&priority)
    }

    /// The most bytes of body APNs takes on the device path: 5120 for VoIP, else 4096.
    ///
    /// A Live Activity *broadcast* may have [`BROADCAST_MAX_BODY_BYTES`](Self::BROADCAST_MAX_BODY_BYTES), though the
    /// device keeps at most 4 KB of its data.
    pub const fn max_body_bytes(self) -> usize {
        match self {
            Self::Voip => 5120,
            _ => 4096,
        }
    }

    /// The most bytes of a broadcast's body.
    pub const BROADCAST_MAX_BODY_BYTES: usize = 5120;

    /// How to authenticate for it.
    pub const fn auth_rule(self) -> AuthRule {
        match self {
            Self::Location
            | Self::FileProvider
            | Self::LiveActivity
            | Self::Controls
            | Self::Widgets => AuthRule::TokenOnly,
            Self::Mdm => AuthRule::CertificateOnly,
            Self::Alert | Self::Background | Self::Voip | Self::Complication | Self::PushToTalk => {
                AuthRule::Either
            }
        }
    }

    /// The expiration Apple advises, where it does: a call or a talk burst is worth nothing later, so
    /// [`Expiration::once`]. `None` means APNs' own policy.
    pub const fn customary_expiration(self) -> Option<Expiration> {
        match self {
            Self::Voip | Self::PushToTalk => Some(Expiration::once()),
            _ => None,
        }
    }

    /// Whether a second copy could do harm that nothing hides: a VoIP push rings again. (A Live Activity `start` does
    /// too, but that is the payload's `event`, not the type.)
    pub const fn is_dangerous_to_repeat(self) -> bool {
        matches!(self, Self::Voip)
    }
}

// === impl PushType ===

impl fmt::Display for PushType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PushType {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|push_type| push_type.as_str() == text).ok_or_else(|| {
            Invalid::new(
                "apns-push-type",
                quoted(text),
                "must be one of Apple's push types, in lower case",
                "use alert, background, location, voip, complication, fileprovider, mdm, liveactivity, pushtotalk, \
                 controls or widgets",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Push type, header, suffix, priorities, bytes, authentication, expiration.
    type Row = (
        PushType,
        &'static str,
        &'static str,
        &'static [u8],
        usize,
        AuthRule,
        Option<u64>,
    );

    #[test]
    fn every_row_of_apples_table() {
        use AuthRule::{CertificateOnly, Either, TokenOnly};
        let table: [Row; 11] = [
            (
                PushType::Alert,
                "alert",
                "",
                &[10, 5, 1],
                4096,
                Either,
                None,
            ),
            (
                PushType::Background,
                "background",
                "",
                &[5],
                4096,
                Either,
                None,
            ),
            (
                PushType::Location,
                "location",
                ".location-query",
                &[10, 5],
                4096,
                TokenOnly,
                None,
            ),
            (
                PushType::Voip,
                "voip",
                ".voip",
                &[10, 5, 1],
                5120,
                Either,
                Some(0),
            ),
            (
                PushType::Complication,
                "complication",
                ".complication",
                &[10, 5, 1],
                4096,
                Either,
                None,
            ),
            (
                PushType::FileProvider,
                "fileprovider",
                ".pushkit.fileprovider",
                &[10, 5, 1],
                4096,
                TokenOnly,
                None,
            ),
            (
                PushType::Mdm,
                "mdm",
                "",
                &[10, 5, 1],
                4096,
                CertificateOnly,
                None,
            ),
            (
                PushType::LiveActivity,
                "liveactivity",
                ".push-type.liveactivity",
                &[10, 5],
                4096,
                TokenOnly,
                None,
            ),
            (
                PushType::PushToTalk,
                "pushtotalk",
                ".voip-ptt",
                &[10, 5, 1],
                4096,
                Either,
                Some(0),
            ),
            (
                PushType::Controls,
                "controls",
                ".push-type.controls",
                &[10, 5, 1],
                4096,
                TokenOnly,
                None,
            ),
            (
                PushType::Widgets,
                "widgets",
                ".push-type.widgets",
                &[10, 5, 1],
                4096,
                TokenOnly,
                None,
            ),
        ];
        for ((push_type, text, suffix, priorities, bytes, auth, expiration), listed) in
            table.into_iter().zip(PushType::ALL)
        {
            assert_eq!(push_type, listed);
            assert_eq!(push_type.as_str(), text);
            assert_eq!(text.parse(), Ok(push_type));
            assert_eq!(push_type.header_value(), text);
            assert_eq!(
                serde_json::to_string(&push_type).unwrap(),
                format!("{text:?}")
            );
            assert_eq!(push_type.topic_suffix(), suffix);
            let allowed: Vec<u8> = push_type
                .allowed_priorities()
                .iter()
                .map(|p| p.as_u8())
                .collect();
            assert_eq!(allowed, priorities);
            assert_eq!(
                push_type.default_priority(),
                push_type.allowed_priorities()[0]
            );
            assert_eq!(push_type.max_body_bytes(), bytes);
            assert_eq!(push_type.auth_rule(), auth);
            assert_eq!(
                push_type.customary_expiration().map(Expiration::as_secs),
                expiration
            );
        }
    }

    #[test]
    fn a_wrong_word_or_case_is_explained() {
        for bad in ["banner", "LiveActivity", "Alert", ""] {
            assert_eq!(
                bad.parse::<PushType>().unwrap_err().field(),
                "apns-push-type"
            );
        }
    }
}
