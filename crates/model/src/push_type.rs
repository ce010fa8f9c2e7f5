//! What kind of push a notification is, and which kind of push token it needs.

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
}

impl TokenKind {
    /// All, in the order of [`Self::code`].
    pub const ALL: [Self; 11] = [
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
    ];

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
        }
    }

    /// Reads [`Self::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
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
}
