//! The values of `apns-push-type`, and the kinds of push token a phone has.
//!
//! Source: "Sending notification requests to APNs", table of push types.

use serde::{Deserialize, Serialize};

/// Bytes allowed in most bodies.
pub(crate) const MAX_PAYLOAD: usize = 4096;
/// Bytes allowed in a VoIP body and in a broadcast.
pub(crate) const MAX_PAYLOAD_LARGE: usize = 5120;

/// A value of the `apns-push-type` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PushType {
    Alert,
    Background,
    Location,
    Voip,
    Complication,
    FileProvider,
    Mdm,
    LiveActivity,
    PushToTalk,
    Controls,
    Widgets,
}

impl PushType {
    pub(crate) const ALL: [PushType; 11] = [
        PushType::Alert,
        PushType::Background,
        PushType::Location,
        PushType::Voip,
        PushType::Complication,
        PushType::FileProvider,
        PushType::Mdm,
        PushType::LiveActivity,
        PushType::PushToTalk,
        PushType::Controls,
        PushType::Widgets,
    ];

    pub(crate) fn text(self) -> &'static str {
        match self {
            PushType::Alert => "alert",
            PushType::Background => "background",
            PushType::Location => "location",
            PushType::Voip => "voip",
            PushType::Complication => "complication",
            PushType::FileProvider => "fileprovider",
            PushType::Mdm => "mdm",
            PushType::LiveActivity => "liveactivity",
            PushType::PushToTalk => "pushtotalk",
            PushType::Controls => "controls",
            PushType::Widgets => "widgets",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<PushType> {
        PushType::ALL.into_iter().find(|known| known.text() == text)
    }

    pub(crate) fn max_payload(self) -> usize {
        if self == PushType::Voip {
            MAX_PAYLOAD_LARGE
        } else {
            MAX_PAYLOAD
        }
    }

    /// What follows the bundle ID in `apns-topic`.
    pub(crate) fn topic_suffix(self) -> &'static str {
        match self {
            PushType::Alert | PushType::Background | PushType::Mdm => "",
            PushType::Location => ".location-query",
            PushType::Voip => ".voip",
            PushType::Complication => ".complication",
            PushType::FileProvider => ".pushkit.fileprovider",
            PushType::LiveActivity => ".push-type.liveactivity",
            PushType::PushToTalk => ".voip-ptt",
            PushType::Controls => ".push-type.controls",
            PushType::Widgets => ".push-type.widgets",
        }
    }

    /// Types that Apple serves only on connections with provider tokens.
    pub(crate) fn needs_provider_token(self) -> bool {
        matches!(
            self,
            PushType::Location | PushType::FileProvider | PushType::LiveActivity
        )
    }
}

/// What a push token of a phone is for. Tokens are separate for each (app, phone, kind).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushTokenKind {
    /// Alerts and background pushes (and MDM, whose topic is the bundle ID itself).
    Alert,
    /// Location queries.
    Location,
    /// VoIP pushes of PushKit.
    Voip,
    /// Watch complications.
    Complication,
    /// File providers.
    FileProvider,
    /// Push to talk.
    PushToTalk,
    /// Controls.
    Controls,
    /// Widgets.
    Widgets,
    /// Starts Live Activities.
    LiveActivityStart,
    /// Updates and ends one running Live Activity; made by the phone when an activity starts.
    LiveActivityUpdate,
}

impl PushTokenKind {
    pub(crate) fn topic_suffix(self) -> &'static str {
        match self {
            PushTokenKind::Alert => "",
            PushTokenKind::Location => PushType::Location.topic_suffix(),
            PushTokenKind::Voip => PushType::Voip.topic_suffix(),
            PushTokenKind::Complication => PushType::Complication.topic_suffix(),
            PushTokenKind::FileProvider => PushType::FileProvider.topic_suffix(),
            PushTokenKind::PushToTalk => PushType::PushToTalk.topic_suffix(),
            PushTokenKind::Controls => PushType::Controls.topic_suffix(),
            PushTokenKind::Widgets => PushType::Widgets.topic_suffix(),
            PushTokenKind::LiveActivityStart | PushTokenKind::LiveActivityUpdate => {
                PushType::LiveActivity.topic_suffix()
            }
        }
    }
}

/// The bundle ID in a topic: the topic without the suffix of any push type.
pub(crate) fn bundle_of(topic: &str) -> &str {
    PushType::ALL
        .into_iter()
        .map(PushType::topic_suffix)
        .filter(|suffix| !suffix.is_empty())
        .find_map(|suffix| topic.strip_suffix(suffix))
        .unwrap_or(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suffix_leads_back_to_the_bundle() {
        for push_type in PushType::ALL {
            let topic = format!("net.example.pager{}", push_type.topic_suffix());
            assert_eq!(bundle_of(&topic), "net.example.pager", "{push_type:?}");
            assert_eq!(PushType::parse(push_type.text()), Some(push_type));
        }
        assert_eq!(PushType::parse("Alert"), None);
    }
}
