//! A page, and by which means it goes to one device.
//!
//! iOS ends an app that gets a VoIP push and reports no call, and then stops waking it for VoIP pushes at all. So a device
//! is rung only where its app has declared a call screen, at most so often, and not again while it does not answer; else
//! it gets a critical alert instead, and the reason is written down.

use super::ladder::Sound;
use crate::UnixMs;
use crate::lane::Gateway;
use serde::{Deserialize, Serialize};

/// The capability that an app declares for a device when every VoIP push is reported to the system as an incoming call.
pub const CALL_SCREEN: &str = "voip_call_ui";

/// Why a ring needs [`CALL_SCREEN`]: the sentence that refusals end with.
pub const CALL_SCREEN_RULE: &str = "iOS ends an app that gets a VoIP push and does not report an incoming call at once, and then stops waking it for such pushes. If the app does report one, register its devices with \"capabilities\": [\"voip_call_ui\"]; else say \"critical\" instead of \"ring\"";

/// How somebody is paged, quietest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageHow {
    /// A time-sensitive alert: it breaks through a Focus, and not through silence.
    Alert,
    /// A critical alert: it sounds on a phone that is silent. The app needs Apple's entitlement.
    Critical,
    /// A VoIP push that rings like a call.
    Ring,
}

/// Which of an incident's pages it is: each comes once.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct PageNo {
    /// How often paging began anew, after an acknowledgement that did not last.
    pub run: u16,
    /// Which time through the ladder, from 0.
    pub round: u16,
    /// Which step of the ladder, from 0.
    pub step: u16,
}

/// A step of the ladder that is taken now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Which.
    #[serde(flatten)]
    pub no: PageNo,
    /// How, at most.
    pub how: PageHow,
    /// The sound of a critical alert.
    #[serde(default, skip_serializing_if = "Sound::is_default")]
    pub sound: Sound,
}

/// What counts for a device's means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhoneFacts {
    /// Its app has declared [`CALL_SCREEN`].
    pub has_call_screen: bool,
    /// It has a VoIP push token.
    pub has_voip_token: bool,
}

/// Why a device is paged more quietly than the step says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instead {
    /// Its app has declared no call screen.
    NoCallScreen,
    /// It has no VoIP push token.
    NoVoipToken,
    /// It was rung as often as one device may be.
    RingCap,
    /// It did not answer the last rings.
    Unanswered,
}

impl Instead {
    /// A sentence for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoCallScreen => {
                "not rung: its app has declared no call screen, and iOS would end it"
            }
            Self::NoVoipToken => "not rung: it has no VoIP push token",
            Self::RingCap => "not rung: it was rung as often as one device may be",
            Self::Unanswered => {
                "not rung: it did not answer the last rings, so its app may not show them"
            }
        }
    }
}

/// What is done with a page to a device because a gateway is in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detour {
    /// It goes by another gateway than usual.
    OtherGateway,
    /// Every gateway by which the device is reached is in trouble: the page waits for one.
    NoOtherGateway,
}

impl Detour {
    /// How a device is paged, and by which gateway alone, given those at which it has a push token for alerts, the
    /// usual one first, and those in trouble. Only Apple's rings: by another gateway it is a critical alert.
    #[must_use]
    pub fn take(
        how: PageHow,
        reached: &[Gateway],
        in_trouble: &[Gateway],
    ) -> (PageHow, Option<Gateway>, Option<Self>) {
        let usual = match how {
            PageHow::Ring => Some(Gateway::Apns),
            PageHow::Alert | PageHow::Critical => reached.first().copied(),
        };
        if !usual.is_some_and(|usual| in_trouble.contains(&usual)) {
            return (how, None, None);
        }
        let well = reached.iter().find(|gateway| !in_trouble.contains(gateway));
        match well {
            Some(well) => (
                how.min(PageHow::Critical),
                Some(*well),
                Some(Self::OtherGateway),
            ),
            None if reached.is_empty() => (how, None, Some(Self::NoOtherGateway)),
            // A ring would not wait for it.
            None => {
                let how = how.min(PageHow::Critical);
                (how, None, Some(Self::NoOtherGateway))
            }
        }
    }

    /// A sentence for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::OtherGateway => "by another gateway: the usual one is in trouble",
            Self::NoOtherGateway => {
                "waits for its gateway, which is in trouble: it has no push token of another"
            }
        }
    }
}

/// Somebody who was told of an incident, on one device: for the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Who.
    pub user: String,
    /// The device's public id; none: they have no device that a push reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// By which means, where it is a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<PageHow>,
    /// Why it is more quietly than the step says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<Instead>,
    /// What was done because a gateway is in trouble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detour: Option<Detour>,
    /// The notification's public id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<String>,
}

/// How often one device is rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RingRules {
    /// So many times at most …
    pub most: u16,
    /// … within so many milliseconds.
    pub within_ms: i64,
    /// After so many rings in a row that brought no word from the device it is rung no more, until it is heard of.
    pub unanswered: u16,
}

impl Default for RingRules {
    fn default() -> Self {
        Self {
            most: 10,
            within_ms: 86_400_000,
            unanswered: 3,
        }
    }
}

/// The rings of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rings {
    /// When the last ones were, within the time that counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    at: Vec<UnixMs>,
    /// How many in a row brought no word.
    #[serde(default)]
    unanswered: u16,
}

impl Rings {
    /// By which means a device is paged now; a ring is written down.
    pub fn page(
        &mut self,
        how: PageHow,
        phone: PhoneFacts,
        rules: &RingRules,
        now: UnixMs,
    ) -> (PageHow, Option<Instead>) {
        if how != PageHow::Ring {
            return (how, None);
        }
        // What a clock that was set back has before it counts, within reason: better a ring too few than one too many.
        let oldest = now.saturating_sub(rules.within_ms);
        let latest = now.saturating_add(rules.within_ms);
        self.at.retain(|at| *at > oldest && *at < latest);
        let instead = if !phone.has_call_screen {
            Some(Instead::NoCallScreen)
        } else if !phone.has_voip_token {
            Some(Instead::NoVoipToken)
        } else if self.unanswered >= rules.unanswered {
            Some(Instead::Unanswered)
        } else if self.at.len() >= usize::from(rules.most) {
            Some(Instead::RingCap)
        } else {
            None
        };
        if instead.is_some() {
            return (PageHow::Critical, instead);
        }
        self.at.push(now);
        self.unanswered += 1;
        (PageHow::Ring, None)
    }

    /// The device was heard of: a receipt, an acknowledgement, a registration.
    pub fn answered(&mut self) {
        self.unanswered = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PHONE: PhoneFacts = PhoneFacts {
        has_call_screen: true,
        has_voip_token: true,
    };

    #[test]
    fn what_cannot_be_rung_gets_a_critical_alert_and_a_reason() {
        let rules = RingRules {
            most: 3,
            within_ms: 1_000,
            unanswered: 2,
        };
        let mut rings = Rings::default();
        for how in [PageHow::Alert, PageHow::Critical] {
            assert_eq!(
                rings.page(how, PhoneFacts::default(), &rules, 0),
                (how, None)
            );
        }
        let mut ring = |phone, now| rings.page(PageHow::Ring, phone, &rules, now);
        let critical = |instead| (PageHow::Critical, Some(instead));
        let rung = (PageHow::Ring, None);
        let no_screen = PhoneFacts {
            has_call_screen: false,
            ..PHONE
        };
        let no_token = PhoneFacts {
            has_voip_token: false,
            ..PHONE
        };
        assert_eq!(ring(no_screen, 0), critical(Instead::NoCallScreen));
        assert_eq!(ring(no_token, 0), critical(Instead::NoVoipToken));
        assert_eq!(ring(PHONE, 0), rung);
        assert_eq!(ring(PHONE, 1), rung);
        assert_eq!(ring(PHONE, 2), critical(Instead::Unanswered));
        rings.answered();
        let mut ring = |now| rings.page(PageHow::Ring, PHONE, &rules, now);
        assert_eq!(ring(3), rung);
        rings.answered();
        let mut ring = |now| rings.page(PageHow::Ring, PHONE, &rules, now);
        assert_eq!(ring(4), critical(Instead::RingCap));
        assert_eq!(
            ring(1_000),
            rung,
            "the first is out of the time that counts"
        );
    }

    #[test]
    fn a_page_goes_by_a_gateway_that_works_where_there_is_one() {
        use Gateway::{Apns, Fcm, WebPush};
        use PageHow::{Alert, Critical, Ring};
        let (other, none) = (Some(Detour::OtherGateway), Some(Detour::NoOtherGateway));
        for (how, reached, in_trouble, expected) in [
            (Alert, &[Apns, Fcm][..], &[][..], (Alert, None, None)),
            (Alert, &[Apns, Fcm], &[Fcm], (Alert, None, None)),
            (Alert, &[Apns, Fcm], &[Apns], (Alert, Some(Fcm), other)),
            (
                Critical,
                &[Apns, Fcm, WebPush],
                &[Apns, Fcm],
                (Critical, Some(WebPush), other),
            ),
            (Ring, &[Apns, Fcm], &[Apns], (Critical, Some(Fcm), other)),
            (Ring, &[Fcm], &[Apns], (Critical, Some(Fcm), other)),
            (Ring, &[Apns, Fcm], &[Fcm], (Ring, None, None)),
            (Ring, &[], &[Apns], (Ring, None, none)),
            (Ring, &[Apns], &[Apns], (Critical, None, none)),
            (Alert, &[Apns], &[Apns, Fcm], (Alert, None, none)),
            (Alert, &[], &[Apns], (Alert, None, None)),
        ] {
            let taken = Detour::take(how, reached, in_trouble);
            assert_eq!(taken, expected, "{how:?} {reached:?} {in_trouble:?}");
        }
    }

    proptest! {
        /// However the clock jumps, never more in a row without a word; and while it only goes on, never more in a time.
        #[test]
        fn no_device_is_rung_more_often_than_the_rules_say(
            steps in proptest::collection::vec((-500..1_200i64, any::<bool>()), 1..80), jumps in any::<bool>()
        ) {
            let rules = RingRules { most: 3, within_ms: 1_000, unanswered: 2 };
            let (mut rings, mut now, mut rung, mut row) = (Rings::default(), 0, Vec::new(), 0);
            for (ms, is_heard) in steps {
                now += if jumps { ms } else { ms.abs() };
                if is_heard {
                    rings.answered();
                    row = 0;
                }
                let stored = serde_json::to_string(&rings).unwrap();
                rings = serde_json::from_str(&stored).unwrap();
                if rings.page(PageHow::Ring, PHONE, &rules, now).0 == PageHow::Ring {
                    rung.push(now);
                    row += 1;
                    prop_assert!(row <= 2);
                    let near = rung.iter().filter(|at| **at > now - 1_000).count();
                    prop_assert!(jumps || near <= 3);
                }
            }
        }
    }
}
