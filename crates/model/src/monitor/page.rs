//! A page, and by which means it goes to one device.
//!
//! iOS ends an app that gets a VoIP push and reports no call, and then stops waking it for VoIP pushes at all. So a device
//! is rung only where its app has declared a call screen, at most so often, and not again while it does not answer, unless
//! nothing but a ring reaches it; else it gets a critical alert instead, and the reason is written down.

use super::ladder::Sound;
use super::server::LaneTroubles;
use crate::UnixMs;
use crate::lane::{Gateway, Lane};
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

impl PageHow {
    /// The word used in JSON, events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Critical => "critical",
            Self::Ring => "ring",
        }
    }
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
    /// It has a push token for alerts.
    pub has_alert_token: bool,
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
    /// It goes by another gateway than usual, or by Apple's other environment.
    OtherGateway,
    /// All by which it could go is in trouble: the page waits for its lane.
    NoOtherGateway,
}

impl Detour {
    /// How a device is paged, and by which gateway alone, given the lane of its VoIP push token and those of its push
    /// tokens for alerts, the usual one first. What would ring is a critical alert by another lane.
    #[must_use]
    pub fn take(
        how: PageHow,
        ring: Option<Lane>,
        alerts: &[Lane],
        troubles: &LaneTroubles,
    ) -> (PageHow, Option<Gateway>, Option<Self>) {
        let usual = match how {
            PageHow::Ring => ring,
            PageHow::Alert | PageHow::Critical => alerts.first().copied(),
        };
        let Some(usual) = usual.filter(|usual| troubles.has(*usual)) else {
            return (how, None, None);
        };
        if let Some(well) = alerts.iter().find(|lane| !troubles.has(**lane)) {
            let how = how.min(PageHow::Critical);
            return (how, Some(well.gateway), Some(Self::OtherGateway));
        }
        // A ring would not wait until the lane is well, and an alert by another lane would never find out that it is.
        let how = match troubles.is_found_well_by(alerts, usual) {
            true => how.min(PageHow::Critical),
            false => how,
        };
        (how, None, Some(Self::NoOtherGateway))
    }

    /// A sentence for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::OtherGateway => "by another of its push tokens: the usual gateway is in trouble",
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
    /// After so many rings in a row that brought no word from the device it is rung no more, until it is heard of. But it
    /// is where it has no push token for alerts: nothing else would reach it.
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
        } else if phone.has_alert_token && self.unanswered >= rules.unanswered {
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
        self.unanswered = self.unanswered.saturating_add(1);
        (PageHow::Ring, None)
    }

    /// The device was heard of: a receipt of a page, or its user moved an incident.
    pub fn heard_of(&mut self) {
        self.unanswered = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::server::LaneFact;
    use super::*;
    use crate::environment::{Environment, TokenEnvironment};
    use crate::id::AppNo;
    use proptest::prelude::*;

    const PHONE: PhoneFacts = PhoneFacts {
        has_call_screen: true,
        has_voip_token: true,
        has_alert_token: true,
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
        rings.heard_of();
        let mut ring = |now| rings.page(PageHow::Ring, PHONE, &rules, now);
        assert_eq!(ring(3), rung);
        rings.heard_of();
        let mut ring = |now| rings.page(PageHow::Ring, PHONE, &rules, now);
        assert_eq!(ring(4), critical(Instead::RingCap));
        assert_eq!(
            ring(1_000),
            rung,
            "the first is out of the time that counts"
        );
    }

    #[test]
    fn what_only_a_ring_reaches_is_rung_on_until_the_cap() {
        let rules = RingRules {
            most: 3,
            within_ms: 1_000,
            unanswered: 1,
        };
        let mut rings = Rings::default();
        let mut ring = |has_alert_token, now| {
            let phone = PhoneFacts {
                has_alert_token,
                ..PHONE
            };
            rings.page(PageHow::Ring, phone, &rules, now)
        };
        for now in 0..3 {
            assert_eq!(ring(false, now), (PageHow::Ring, None));
        }
        let critical = |instead| (PageHow::Critical, Some(instead));
        assert_eq!(ring(false, 3), critical(Instead::RingCap));
        assert_eq!(ring(true, 1_000), critical(Instead::Unanswered));
        assert_eq!(ring(false, 1_000), (PageHow::Ring, None), "the next day");
    }

    fn lane(gateway: Gateway, environment: TokenEnvironment) -> Lane {
        Lane {
            app: AppNo(1),
            gateway,
            environment,
        }
    }

    /// What lanes of the App itself, and of another one whose gateway is in trouble, tell.
    fn troubles(own: &[Lane], elsewhere: &[Lane]) -> LaneTroubles {
        let fact = |lane: Lane, is_own: bool| LaneFact {
            app: "shop".to_owned(),
            lane: match is_own {
                true => lane,
                false => Lane {
                    app: AppNo(2),
                    ..lane
                },
            },
            reason: String::new(),
            mend: String::new(),
            is_credential: is_own,
            since: 0,
            tried_at: 0,
        };
        let own = own.iter().map(|lane| fact(*lane, true));
        let elsewhere = elsewhere.iter().map(|lane| fact(*lane, false));
        let all: Vec<LaneFact> = own.chain(elsewhere).collect();
        LaneTroubles::of(&all, Environment::Production, 0)
    }

    #[test]
    fn a_page_goes_by_a_gateway_that_works_where_there_is_one() {
        use PageHow::{Alert, Critical, Ring};
        let [apns, fcm, web] =
            Gateway::ALL.map(|gateway| lane(gateway, TokenEnvironment::Production));
        let (by_fcm, by_web) = (Some(Gateway::Fcm), Some(Gateway::WebPush));
        let (other, none) = (Some(Detour::OtherGateway), Some(Detour::NoOtherGateway));
        for (how, alerts, blocked, expected) in [
            (Alert, &[apns, fcm][..], &[][..], (Alert, None, None)),
            (Alert, &[apns, fcm], &[fcm], (Alert, None, None)),
            (Alert, &[apns, fcm], &[apns], (Alert, by_fcm, other)),
            (
                Critical,
                &[apns, fcm, web],
                &[apns, fcm],
                (Critical, by_web, other),
            ),
            (Ring, &[apns, fcm], &[apns], (Critical, by_fcm, other)),
            (Ring, &[fcm], &[apns], (Critical, by_fcm, other)),
            (Ring, &[apns, fcm], &[fcm], (Ring, None, None)),
            (Ring, &[], &[apns], (Ring, None, none)),
            (Ring, &[apns], &[apns], (Critical, None, none)),
            (Alert, &[apns], &[apns, fcm], (Alert, None, none)),
            (Alert, &[], &[apns], (Alert, None, None)),
        ] {
            let taken = Detour::take(how, Some(apns), alerts, &troubles(blocked, &[]));
            assert_eq!(taken, expected, "{how:?} {alerts:?} {blocked:?}");
        }
    }

    #[test]
    fn a_phone_is_rung_unless_its_own_lane_is_blocked() {
        use PageHow::{Critical, Ring};
        use TokenEnvironment::{Auto, Production, Sandbox};
        let [apple, sandbox, unknown] =
            [Production, Sandbox, Auto].map(|of| lane(Gateway::Apns, of));
        let (by_apns, by_fcm) = (Some(Gateway::Apns), Some(Gateway::Fcm));
        let (other, none) = (Some(Detour::OtherGateway), Some(Detour::NoOtherGateway));
        let fcm = lane(Gateway::Fcm, Production);
        for (ring, alerts, own, elsewhere, expected) in [
            (
                apple,
                &[apple][..],
                &[sandbox][..],
                &[][..],
                (Ring, None, None),
            ),
            (apple, &[apple], &[], &[sandbox], (Ring, None, None)),
            (sandbox, &[sandbox], &[sandbox], &[], (Critical, None, none)),
            // Nobody knows whether this App's own lane is well.
            (apple, &[apple], &[], &[apple], (Ring, None, none)),
            (
                apple,
                &[apple, fcm],
                &[],
                &[apple],
                (Critical, by_fcm, other),
            ),
            (
                unknown,
                &[apple],
                &[unknown],
                &[],
                (Critical, by_apns, other),
            ),
            (
                unknown,
                &[apple],
                &[unknown, apple],
                &[],
                (Ring, None, none),
            ),
        ] {
            let taken = Detour::take(Ring, Some(ring), alerts, &troubles(own, elsewhere));
            let found = format!("{ring:?} {alerts:?} {own:?} {elsewhere:?}");
            assert_eq!(taken, expected, "{found}");
        }
    }

    #[test]
    fn a_token_of_unknown_environment_goes_around_where_production_is_in_trouble() {
        use PageHow::{Alert, Critical, Ring};
        use TokenEnvironment::{Auto, Production, Sandbox};
        let [apple, sandbox, unknown] =
            [Production, Sandbox, Auto].map(|of| lane(Gateway::Apns, of));
        let fcm = lane(Gateway::Fcm, Production);
        let (by_apns, by_fcm) = (Some(Gateway::Apns), Some(Gateway::Fcm));
        let (other, none) = (Some(Detour::OtherGateway), Some(Detour::NoOtherGateway));
        let (down, refused) = (troubles(&[], &[apple]), troubles(&[apple], &[]));
        let aside = troubles(&[sandbox], &[sandbox]);
        for (how, alerts, troubles, expected) in [
            (Alert, &[unknown, fcm][..], &down, (Alert, by_fcm, other)),
            (Ring, &[unknown, fcm], &down, (Critical, by_fcm, other)),
            (Ring, &[unknown, fcm], &refused, (Critical, by_fcm, other)),
            (Ring, &[unknown], &down, (Ring, None, none)),
            // The same key would ring it.
            (Ring, &[unknown], &refused, (Critical, None, none)),
            (Ring, &[apple], &refused, (Critical, None, none)),
            (Ring, &[sandbox, fcm], &refused, (Critical, by_apns, other)),
            (Ring, &[unknown, fcm], &aside, (Ring, None, None)),
        ] {
            let taken = Detour::take(how, Some(unknown), alerts, troubles);
            assert_eq!(taken, expected, "{how:?} {alerts:?} {troubles:?}");
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
                    rings.heard_of();
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
