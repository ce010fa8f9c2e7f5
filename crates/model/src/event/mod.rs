//! Events: what Carillon tells by `GET …/events`, by the stream of the same, and by webhooks.
//!
//! Here is what kinds there are and what stands in each one's `data`. When one is written is the engine's business, whom it
//! is told to is the [webhook's](crate::webhook).

mod data;
mod failures;

pub use self::data::{
    CampaignHalted, CredentialFailing, CredentialRecovered, DeviceEvicted, DeviceRetired,
    EnvironmentFlood, EnvironmentRepaired, IncidentNews, LiveActivityNews,
    LiveActivitySourceFailed, NotificationCompleted, PageNews, Receipts, RepairedEnvironment,
    RetiredPushToken, ScheduleFailed, TimerFailed, TriggerFailed, WebhookDisabled,
};
pub use self::failures::{DeliveryFailed, FailureCount};

/// What an event is about, and what happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// Every delivery of some notifications has ended: [`NotificationCompleted`].
    NotificationCompleted,
    /// Deliveries of a notification ended without reaching anybody: [`DeliveryFailed`].
    DeliveryFailed,
    /// Push tokens were declared dead by their gateway: [`DeviceRetired`].
    DeviceRetired,
    /// A device was deleted because its user has more of them than the App allows: [`DeviceEvicted`].
    DeviceEvicted,
    /// The environment of push tokens was found out: [`EnvironmentRepaired`].
    EnvironmentRepaired,
    /// So many push tokens are refused at once that none of them is believed to be dead: [`EnvironmentFlood`].
    EnvironmentFlood,
    /// A gateway refuses a credential: [`CredentialFailing`].
    CredentialFailing,
    /// The credential works again: [`CredentialRecovered`].
    CredentialRecovered,
    /// Apps say that pushes arrived: [`Receipts`].
    ReceiptDelivered,
    /// Apps say that people opened pushes: [`Receipts`].
    ReceiptOpened,
    /// A trigger matched an event of the caller's and could not send: [`TriggerFailed`].
    TriggerFailed,
    /// A schedule was due and could not send: [`ScheduleFailed`].
    ScheduleFailed,
    /// A campaign stopped by itself after its canary: [`CampaignHalted`].
    CampaignHalted,
    /// A Live Activity was started: [`LiveActivityNews`].
    LiveActivityStarted,
    /// A Live Activity ended: [`LiveActivityNews`].
    LiveActivityEnded,
    /// A Live Activity will be ended in half an hour, before the system does it: [`LiveActivityNews`].
    LiveActivityEndsSoon,
    /// No phone of a Live Activity's recipient can start it: [`LiveActivityNews`].
    LiveActivityUnstartable,
    /// A phone was asked to start a Live Activity and told no update token: [`LiveActivityNews`].
    LiveActivityUnanswered,
    /// The broadcast channel of a Live Activity is made: [`LiveActivityNews`].
    LiveActivityChannelMade,
    /// The broadcast channel of a Live Activity cannot be made or deleted, or channels run out: [`LiveActivityNews`].
    LiveActivityChannelTrouble,
    /// The update token of a phone died, which shows a Live Activity: [`LiveActivityNews`].
    LiveActivityTokenDead,
    /// A table that Live Activities follow could not be read several times in a row: [`LiveActivitySourceFailed`].
    LiveActivitySourceFailed,
    /// A monitor opened an incident: [`IncidentNews`].
    IncidentOpened,
    /// A step of a ladder was taken for an incident: [`IncidentNews`].
    IncidentPaged,
    /// Somebody has an incident in hand: [`IncidentNews`].
    IncidentAcknowledged,
    /// An incident is closed: [`IncidentNews`].
    IncidentResolved,
    /// Nobody acknowledged an incident, and nobody is paged for it any more: [`IncidentNews`].
    IncidentGivenUp,
    /// Something that was to happen later could not, and is not tried again: [`TimerFailed`].
    TimerFailed,
    /// Carillon stopped calling a webhook endpoint: [`WebhookDisabled`]. The others are told.
    WebhookDisabled,
}

impl EventKind {
    /// Every kind, once.
    pub const ALL: [Self; 29] = [
        Self::NotificationCompleted,
        Self::DeliveryFailed,
        Self::DeviceRetired,
        Self::DeviceEvicted,
        Self::EnvironmentRepaired,
        Self::EnvironmentFlood,
        Self::CredentialFailing,
        Self::CredentialRecovered,
        Self::ReceiptDelivered,
        Self::ReceiptOpened,
        Self::TriggerFailed,
        Self::ScheduleFailed,
        Self::CampaignHalted,
        Self::LiveActivityStarted,
        Self::LiveActivityEnded,
        Self::LiveActivityEndsSoon,
        Self::LiveActivityUnstartable,
        Self::LiveActivityUnanswered,
        Self::LiveActivityChannelMade,
        Self::LiveActivityChannelTrouble,
        Self::LiveActivityTokenDead,
        Self::LiveActivitySourceFailed,
        Self::IncidentOpened,
        Self::IncidentPaged,
        Self::IncidentAcknowledged,
        Self::IncidentResolved,
        Self::IncidentGivenUp,
        Self::TimerFailed,
        Self::WebhookDisabled,
    ];

    /// The word used in JSON, logs and metrics: a noun, a dot, what happened to it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotificationCompleted => "notification.completed",
            Self::DeliveryFailed => "delivery.failed",
            Self::DeviceRetired => "device.retired",
            Self::DeviceEvicted => "device.evicted",
            Self::EnvironmentRepaired => "environment.repaired",
            Self::EnvironmentFlood => "environment.flood",
            Self::CredentialFailing => "credential.failing",
            Self::CredentialRecovered => "credential.recovered",
            Self::ReceiptDelivered => "receipt.delivered",
            Self::ReceiptOpened => "receipt.opened",
            Self::TriggerFailed => "trigger.failed",
            Self::ScheduleFailed => "schedule.failed",
            Self::CampaignHalted => "campaign.halted",
            Self::LiveActivityStarted => "live_activity.started",
            Self::LiveActivityEnded => "live_activity.ended",
            Self::LiveActivityEndsSoon => "live_activity.ends_soon",
            Self::LiveActivityUnstartable => "live_activity.token_missing",
            Self::LiveActivityUnanswered => "live_activity.start_unanswered",
            Self::LiveActivityChannelMade => "live_activity.channel_made",
            Self::LiveActivityChannelTrouble => "live_activity.channel_trouble",
            Self::LiveActivityTokenDead => "live_activity.token_dead",
            Self::LiveActivitySourceFailed => "live_activity.source_failed",
            Self::IncidentOpened => "incident.opened",
            Self::IncidentPaged => "incident.paged",
            Self::IncidentAcknowledged => "incident.acknowledged",
            Self::IncidentResolved => "incident.resolved",
            Self::IncidentGivenUp => "incident.given_up",
            Self::TimerFailed => "timer.failed",
            Self::WebhookDisabled => "webhook.disabled",
        }
    }

    /// Reads [`Self::as_str`], and the words of stores that an older version wrote.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        if word == "push_token.retired" {
            return Some(Self::DeviceRetired);
        }
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Most entries that one event of this kind lists, so that it fits into a webhook's body (20 kB) with identifiers of usual
    /// length. What is more goes into further events. `None`: it lists nothing.
    #[must_use]
    pub fn max_entries(self) -> Option<usize> {
        match self {
            Self::NotificationCompleted | Self::ReceiptDelivered | Self::ReceiptOpened => Some(400),
            Self::EnvironmentRepaired => Some(200),
            Self::DeviceRetired => Some(64),
            Self::DeliveryFailed => Some(DeliveryFailed::MAX_EXAMPLES),
            Self::DeviceEvicted
            | Self::EnvironmentFlood
            | Self::CredentialFailing
            | Self::CredentialRecovered
            | Self::TriggerFailed
            | Self::ScheduleFailed
            | Self::CampaignHalted
            | Self::LiveActivityStarted
            | Self::LiveActivityEnded
            | Self::LiveActivityEndsSoon
            | Self::LiveActivityUnstartable
            | Self::LiveActivityUnanswered
            | Self::LiveActivityChannelMade
            | Self::LiveActivityChannelTrouble
            | Self::LiveActivityTokenDead
            | Self::LiveActivitySourceFailed
            | Self::IncidentOpened
            | Self::IncidentPaged
            | Self::IncidentAcknowledged
            | Self::IncidentResolved
            | Self::IncidentGivenUp
            | Self::TimerFailed
            | Self::WebhookDisabled => None,
        }
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_dotted_and_read_back() {
        for kind in EventKind::ALL {
            let word = kind.as_str();
            assert_eq!(EventKind::parse(word), Some(kind));
            let is_plain = |part: &str| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            };
            assert!(
                word.split('.').count() == 2 && word.split('.').all(is_plain),
                "{word}"
            );
        }
        assert_eq!(
            EventKind::parse("push_token.retired"),
            Some(EventKind::DeviceRetired)
        );
        assert_eq!(EventKind::parse("delivery"), None);
    }
}
