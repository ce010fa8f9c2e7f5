//! What kind of push a notification is, and which kind of push token it needs.

use crate::lane::Gateway;
use serde::{Deserialize, Serialize};

/// The kind of push, in Apple's words (`apns-push-type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushType {
    /// Something a person sees or hears.
    #[default]
    Alert,
    /// A silent wake-up (`content-available`).
    Background,
    /// A call: PushKit.
    Voip,
    /// Live Activity start, update or end.
    LiveActivity,
    /// A question for the device's location.
    Location,
    /// A watch complication.
    Complication,
    /// A File Provider change.
    FileProvider,
    /// Device management.
    Mdm,
    /// Push to Talk.
    PushToTalk,
    /// Control Center controls.
    Controls,
    /// WidgetKit reload.
    Widgets,
}

impl PushType {
    /// All, in the order of [`Self::code`].
    pub const ALL: [Self; 11] = [
        Self::Alert,
        Self::Background,
        Self::Voip,
        Self::LiveActivity,
        Self::Location,
        Self::Complication,
        Self::FileProvider,
        Self::Mdm,
        Self::PushToTalk,
        Self::Controls,
        Self::Widgets,
    ];

    /// The number that stands for it in stored records.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The word used in JSON, logs and metrics; also Apple's header value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Background => "background",
            Self::Voip => "voip",
            Self::LiveActivity => "liveactivity",
            Self::Location => "location",
            Self::Complication => "complication",
            Self::FileProvider => "fileprovider",
            Self::Mdm => "mdm",
            Self::PushToTalk => "pushtotalk",
            Self::Controls => "controls",
            Self::Widgets => "widgets",
        }
    }

    /// The kind of push token such a push goes to. A Live Activity `start` goes to
    /// [`TokenKind::LiveActivityStart`] instead; the caller says so by the target's kind.
    #[must_use]
    pub fn token_kind(self) -> TokenKind {
        match self {
            Self::Alert | Self::Background => TokenKind::Alert,
            Self::Voip => TokenKind::Voip,
            Self::LiveActivity => TokenKind::LiveActivity,
            Self::Location => TokenKind::Location,
            Self::Complication => TokenKind::Complication,
            Self::FileProvider => TokenKind::FileProvider,
            Self::Mdm => TokenKind::Mdm,
            Self::PushToTalk => TokenKind::PushToTalk,
            Self::Controls => TokenKind::Controls,
            Self::Widgets => TokenKind::Widgets,
        }
    }

    /// The gateways that can carry such a push, in the order in which a device with several push tokens is
    /// reached: one delivery a device, by the first of these for which it has a living push token.
    #[must_use]
    pub fn gateways(self) -> &'static [Gateway] {
        match self {
            Self::Alert | Self::Background => &Gateway::ALL,
            _ => &[Gateway::Apns],
        }
    }

    /// What becomes of a delivery in doubt when the notification does not say: pushes that act once
    /// and cannot be replaced on the device are dropped, the others resent.
    #[must_use]
    pub fn default_on_unknown(self, starts_live_activity: bool) -> OnUnknown {
        match self {
            Self::Voip | Self::PushToTalk => OnUnknown::Drop,
            Self::LiveActivity if starts_live_activity => OnUnknown::Drop,
            _ => OnUnknown::Resend,
        }
    }
}

/// The kind of a push token: a device has one address for each.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// The ordinary one, for `alert` and `background`.
    #[default]
    Alert,
    /// PushKit VoIP.
    Voip,
    /// Update token of a Live Activity.
    #[serde(rename = "liveactivity")]
    LiveActivity,
    /// Push-to-start token of a Live Activity.
    #[serde(rename = "liveactivity_start")]
    LiveActivityStart,
    /// Location push extension.
    Location,
    /// PushKit complication.
    Complication,
    /// PushKit File Provider.
    #[serde(rename = "fileprovider")]
    FileProvider,
    /// Device management.
    Mdm,
    /// Push to Talk channel.
    #[serde(rename = "pushtotalk")]
    PushToTalk,
    /// Controls.
    Controls,
    /// Widgets.
    Widgets,
    /// FCM registration token, of any platform.
    Fcm,
    /// A browser's push subscription.
    #[serde(rename = "webpush")]
    WebPush,
    /// Update token of a Live Activity that is reached through FCM: a [`crate::push_token::live_address`].
    #[serde(rename = "fcm_liveactivity")]
    FcmLiveActivity,
    /// Push-to-start token of a Live Activity that is reached through FCM: the same.
    #[serde(rename = "fcm_liveactivity_start")]
    FcmLiveActivityStart,
}

impl TokenKind {
    /// All, in the order of [`Self::code`].
    pub const ALL: [Self; 15] = [
        Self::Alert,
        Self::Voip,
        Self::LiveActivity,
        Self::LiveActivityStart,
        Self::Location,
        Self::Complication,
        Self::FileProvider,
        Self::Mdm,
        Self::PushToTalk,
        Self::Controls,
        Self::Widgets,
        Self::Fcm,
        Self::WebPush,
        Self::FcmLiveActivity,
        Self::FcmLiveActivityStart,
    ];

    /// The gateway that takes such a push token.
    #[must_use]
    pub fn gateway(self) -> Gateway {
        match self {
            Self::Fcm | Self::FcmLiveActivity | Self::FcmLiveActivityStart => Gateway::Fcm,
            Self::WebPush => Gateway::WebPush,
            _ => Gateway::Apns,
        }
    }

    /// Whether it starts a Live Activity.
    #[must_use]
    pub fn starts_activity(self) -> bool {
        matches!(self, Self::LiveActivityStart | Self::FcmLiveActivityStart)
    }

    /// Whether it is the update token of a Live Activity.
    #[must_use]
    pub fn updates_activity(self) -> bool {
        matches!(self, Self::LiveActivity | Self::FcmLiveActivity)
    }

    /// The kind of the same token where it is reached through FCM; `None`: it is not.
    #[must_use]
    pub fn through_fcm(self) -> Option<Self> {
        match self {
            Self::LiveActivity => Some(Self::FcmLiveActivity),
            Self::LiveActivityStart => Some(Self::FcmLiveActivityStart),
            _ => None,
        }
    }

    /// The kind that is used of a device that has none of this one: Android phones show a Live Activity by their registration.
    #[must_use]
    pub fn stand_in(self) -> Option<Self> {
        let is_live = matches!(self, Self::FcmLiveActivity | Self::FcmLiveActivityStart);
        is_live.then_some(Self::Fcm)
    }

    /// The number that stands for it in the store.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Voip => "voip",
            Self::LiveActivity => "liveactivity",
            Self::LiveActivityStart => "liveactivity_start",
            Self::Location => "location",
            Self::Complication => "complication",
            Self::FileProvider => "fileprovider",
            Self::Mdm => "mdm",
            Self::PushToTalk => "pushtotalk",
            Self::Controls => "controls",
            Self::Widgets => "widgets",
            Self::Fcm => "fcm",
            Self::WebPush => "webpush",
            Self::FcmLiveActivity => "fcm_liveactivity",
            Self::FcmLiveActivityStart => "fcm_liveactivity_start",
        }
    }

    /// Reads [`Self::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Kinds of push token by which a device may be reached: a set, which [`Self::iter`] gives in the order
/// of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reach(u32);

impl Reach {
    /// One kind and no other.
    #[must_use]
    pub fn only(kind: TokenKind) -> Self {
        Self(1 << kind.code())
    }

    /// All of these.
    #[must_use]
    pub fn any(kinds: impl IntoIterator<Item = TokenKind>) -> Self {
        kinds
            .into_iter()
            .fold(Self(0), |reach, kind| Self(reach.0 | Self::only(kind).0))
    }

    /// What carries a push of this type, where Apple's kind is `apns`.
    #[must_use]
    pub fn of(push_type: PushType, apns: TokenKind) -> Self {
        Self::any(push_type.gateways().iter().map(|gateway| match gateway {
            Gateway::Apns => apns,
            Gateway::Fcm => TokenKind::Fcm,
            Gateway::WebPush => TokenKind::WebPush,
        }))
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn has(self, kind: TokenKind) -> bool {
        self.0 & Self::only(kind).0 != 0
    }

    /// Its kinds, the preferred one first: Apple's own before FCM before Web Push.
    pub fn iter(self) -> impl Iterator<Item = TokenKind> {
        TokenKind::ALL
            .into_iter()
            .filter(move |kind| self.has(*kind))
    }

    /// The preferred one.
    #[must_use]
    pub fn first(self) -> TokenKind {
        self.iter().next().unwrap_or_default()
    }

    /// As bits, each at its kind's [`TokenKind::code`]: for a query.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }
}

/// What to do with a delivery of which nobody knows whether the gateway took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// Send again under the same gateway id; the delivery's doubt is recorded.
    Resend,
    /// Never send again: the delivery ends `unknown`.
    Drop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_read_back() {
        for (code, push_type) in PushType::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(push_type.code()), code);
            let json = serde_json::to_string(&push_type).unwrap();
            assert_eq!(json, format!("\"{}\"", push_type.as_str()));
        }
        for (code, kind) in TokenKind::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(kind.code()), code);
            assert_eq!(
                serde_json::to_string(&kind).unwrap(),
                format!("\"{}\"", kind.as_str())
            );
            assert_eq!(TokenKind::from_word(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn people_are_reached_by_apples_own_gateway_first() {
        let alert = Reach::of(PushType::Alert, TokenKind::Alert);
        let kinds: Vec<_> = alert.iter().collect();
        assert_eq!(
            kinds,
            [TokenKind::Alert, TokenKind::Fcm, TokenKind::WebPush]
        );
        let voip = Reach::of(PushType::Voip, TokenKind::Voip);
        assert_eq!(voip, Reach::only(TokenKind::Voip));
        assert_eq!((voip.first(), voip.bits()), (TokenKind::Voip, 2));
    }
}
