//! What is kept of a campaign: whom it is for and how it goes, without what it says.

use super::{Canary, Pace};
use crate::send_at::{IfPast, instant_of, read_local};
use crate::target::Target;
use crate::{UnixMs, time_zone};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

/// Whether the audience is written down when the campaign begins. Of both, only devices are in it that
/// were registered by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudienceMode {
    /// Who is meant is written down when it begins.
    Frozen,
    /// Who is meant is asked when his slice is made.
    Live,
}

impl AudienceMode {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Live => "live",
        }
    }
}

/// Delivery when the clocks of each device's own place show a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalDelivery {
    /// Date and time without offset, e.g. `2026-12-01T09:00`.
    pub at: String,
    /// The zone of devices whose own is not known, or is no zone: an IANA name.
    pub default_time_zone: String,
}

impl LocalDelivery {
    /// The time, as it was read when the campaign was accepted.
    fn time(&self) -> Option<DateTime> {
        read_local(&self.at).ok()
    }

    /// When the clocks of a zone show the time: the wave of its devices. Without a zone that there is,
    /// that of the default. `None` only for what a newer server wrote.
    #[must_use]
    pub fn wave_at(&self, zone: Option<&str>) -> Option<UnixMs> {
        let own = zone.and_then(|name| time_zone::parse(name).ok());
        let zone = own.or_else(|| time_zone::parse(&self.default_time_zone).ok())?;
        instant_of(self.time()?, &zone)
    }

    /// The first and the last instant at which clocks anywhere show the time: UTC+14 and UTC-12.
    #[must_use]
    pub fn first_and_last(&self) -> Option<(UnixMs, UnixMs)> {
        let time = self.time()?;
        let at = |hours| {
            let zone = TimeZone::fixed(Offset::from_hours(hours).ok()?);
            instant_of(time, &zone)
        };
        Some((at(14)?, at(-12)?))
    }
}

/// Whom a campaign is for and how it goes, with every default filled in. Stored as JSON, and shown so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CampaignPlan {
    /// Whom it is for.
    pub audience: Target,
    /// Whether that is written down when it begins.
    pub audience_mode: AudienceMode,
    /// Most devices of one slice: 1 to 1,000.
    pub slice_size: u32,
    /// How fast slices follow each other; as fast as possible without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// Who goes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Delivery by each device's own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_time: Option<LocalDelivery>,
    /// What becomes of devices where that time has passed already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_past: Option<IfPast>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> UnixMs {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn nine_in_the_morning_is_at_another_instant_everywhere() {
        let local = LocalDelivery {
            at: "2026-12-01T09:00".into(),
            default_time_zone: "Europe/Berlin".into(),
        };
        for (zone, instant) in [
            (Some("Asia/Seoul"), "2026-12-01T00:00:00Z"),
            (Some("America/New_York"), "2026-12-01T14:00:00Z"),
            (Some("Asia/Kathmandu"), "2026-12-01T03:15:00Z"),
            (None, "2026-12-01T08:00:00Z"),
            (Some("Mars/Olympus"), "2026-12-01T08:00:00Z"),
        ] {
            assert_eq!(local.wave_at(zone), Some(utc(instant)), "{zone:?}");
        }
        let (first, last) = local.first_and_last().unwrap();
        assert_eq!(
            (first, last),
            (utc("2026-11-30T19:00:00Z"), utc("2026-12-01T21:00:00Z"))
        );
    }
}
