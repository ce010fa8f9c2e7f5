//! How far a campaign is: what the engine keeps with each step, and what is to be done next.

use super::CampaignPlan;
use crate::UnixMs;
use crate::id::DeviceNo;
use crate::list::UploadCounts;
use serde::{Deserialize, Serialize};

/// How far a campaign is. Stored as JSON, in the transaction that stores what the step made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignState {
    /// What is being done.
    pub phase: Phase,
    /// Devices after this one are not in it: they were registered after it began. 0: it has not begun.
    #[serde(default)]
    pub last_device: i64,
    /// Pieces of the audience that were written down.
    #[serde(default)]
    pub chunks: u32,
    /// When the pace lets the next slice go, where it is one for the whole campaign.
    #[serde(default)]
    pub next_at: UnixMs,
    /// Of an audience that is written down: those that go at the same instant, by that instant.
    #[serde(default)]
    pub waves: Vec<Wave>,
    /// Devices that get nothing, because their time had passed when it began.
    #[serde(default)]
    pub left_out: u64,
    /// Devices of the canary, once it went.
    #[serde(default)]
    pub canary: u32,
    /// Until when the others wait for what comes of it.
    #[serde(default)]
    pub hold_until: UnixMs,
    /// Why it stopped by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halted: Option<Halt>,
    /// Of an audience in a linked database: what came of reading it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRead>,
}

/// What came of reading an audience from a linked database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRead {
    /// How often it was tried in vain, since the campaign began or was let go on.
    #[serde(default)]
    pub failures: u32,
    /// Why, the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Devices that it named, once it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<u64>,
    /// What became of its rows.
    #[serde(default)]
    pub rows: UploadCounts,
}

/// What is being done for a campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing yet.
    #[default]
    Begin,
    /// The audience is being written down.
    Gather,
    /// The canary goes next.
    Canary,
    /// The others wait for what comes of the canary.
    Hold,
    /// Slices go.
    Send,
}

impl Phase {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Gather => "gather",
            Self::Canary => "canary",
            Self::Hold => "hold",
            Self::Send => "send",
        }
    }
}

/// Devices that go at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// When; 0: when the campaign begins.
    pub at: UnixMs,
    /// How many they are.
    pub devices: u64,
    /// How many of them did not have their turn yet.
    pub left: u64,
    /// When its next slice goes.
    pub next_at: UnixMs,
}

/// Why a campaign stopped by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// When.
    pub at: UnixMs,
    /// Stable word: `failed`, `opted_out` or `nothing_ended` of a canary; `source`: its audience cannot be read.
    pub reason: String,
    /// The same in words.
    pub message: String,
}

/// What is to be done next for an audience that is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// All had their turn.
    Done,
    /// Nothing before this instant.
    Wait(UnixMs),
    /// At most so many devices of the wave at this place.
    Take {
        /// Index in [`CampaignState::waves`].
        wave: usize,
        /// How many.
        devices: u32,
    },
}

impl CampaignState {
    /// It stopped by itself, and somebody lets it go on: he has seen what came of the canary, or thinks that its
    /// audience can be read now. `false`: it did not stop by itself.
    pub fn go_on(&mut self) -> bool {
        if self.halted.take().is_none() {
            return false;
        }
        if self.phase == Phase::Hold {
            self.phase = Phase::Send;
        }
        if let Some(source) = &mut self.source {
            source.failures = 0;
        }
        true
    }

    /// Whether a device was registered when it began.
    #[must_use]
    pub fn has(&self, device: DeviceNo) -> bool {
        device.0 <= self.last_device
    }

    /// Devices were written down that go at this instant.
    pub fn gathered(&mut self, at: UnixMs, devices: u64) {
        match self.waves.binary_search_by_key(&at, |wave| wave.at) {
            Ok(place) => {
                let wave = &mut self.waves[place];
                wave.devices += devices;
                wave.left += devices;
            }
            Err(place) => self.waves.insert(
                place,
                Wave {
                    at,
                    devices,
                    left: devices,
                    next_at: at,
                },
            ),
        }
    }

    /// How many devices were written down; `None`: the audience is not, or not yet.
    #[must_use]
    pub fn audience(&self) -> Option<u64> {
        match self.phase {
            Phase::Begin | Phase::Gather => None,
            Phase::Canary | Phase::Hold | Phase::Send if self.waves.is_empty() => None,
            Phase::Canary | Phase::Hold | Phase::Send => {
                Some(self.waves.iter().map(|wave| wave.devices).sum())
            }
        }
    }

    /// How many of them did not have their turn yet.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.waves.iter().map(|wave| wave.left).sum()
    }

    /// Which devices go next.
    #[must_use]
    pub fn turn(&self, plan: &CampaignPlan, now: UnixMs) -> Turn {
        let open = (0..).zip(&self.waves).filter(|(_, wave)| wave.left > 0);
        let next = open.min_by_key(|(_, wave)| (wave.next_at, wave.at));
        self.turn_of(next, plan, now)
    }

    /// Which devices of the canary go next: it is of the first wave alone.
    #[must_use]
    pub fn canary_turn(&self, plan: &CampaignPlan, now: UnixMs) -> Turn {
        let open = (0..).zip(&self.waves).filter(|(_, wave)| wave.left > 0);
        self.turn_of(open.min_by_key(|(_, wave)| wave.at), plan, now)
    }

    fn turn_of(&self, next: Option<(usize, &Wave)>, plan: &CampaignPlan, now: UnixMs) -> Turn {
        let Some((place, wave)) = next else {
            return Turn::Done;
        };
        let due_at = wave.next_at.max(self.next_at);
        if due_at > now {
            return Turn::Wait(due_at);
        }
        let together = match &plan.pace {
            Some(pace) => pace.rate(wave.devices).together(plan.slice_size),
            None => plan.slice_size,
        };
        Turn::Take {
            wave: place,
            devices: together,
        }
    }

    /// So many devices of a wave had their turn.
    pub fn took(&mut self, plan: &CampaignPlan, wave: usize, devices: u32, now: UnixMs) {
        use super::Pace;
        let wave = &mut self.waves[wave];
        wave.left = wave.left.saturating_sub(devices.into());
        match &plan.pace {
            None => {}
            Some(pace @ Pace::PerSecond(_)) => {
                self.next_at = pace.rate(0).next_at(self.next_at, now, devices);
            }
            Some(pace @ Pace::Over(_)) => {
                wave.next_at = pace.rate(wave.devices).next_at(wave.next_at, now, devices);
            }
        }
    }

    /// When all will have had their turn by the plan alone; `None` where it goes as fast as it can and
    /// waits for nothing.
    #[must_use]
    pub fn ends_at(&self, plan: &CampaignPlan, now: UnixMs) -> Option<UnixMs> {
        use super::Pace;
        let rate = |devices| plan.pace.as_ref().map(|pace| pace.rate(devices));
        // From when on the others go, and how many of the canary go before them.
        let (hold, canary) = match (self.phase, &plan.canary) {
            (Phase::Hold, _) => (Some(self.hold_until), 0),
            (Phase::Canary, Some(canary)) => {
                let open = self.waves.iter().filter(|wave| wave.left > 0);
                let first = open.min_by_key(|wave| wave.at);
                let missing = u64::from(canary.size.saturating_sub(self.canary));
                let missing = first.map_or(0, |wave| missing.min(wave.left));
                let takes = first.and_then(|wave| rate(wave.devices));
                let takes = takes.map_or(0, |rate| rate.takes_ms(missing));
                let begins = first.map_or(now, |wave| wave.at.max(now));
                let ends = begins.saturating_add(takes);
                (Some(ends.saturating_add(canary.hold_ms())), missing)
            }
            _ => (None, 0),
        };
        let from = hold.unwrap_or(now).max(now);
        let last_wave = self.waves.iter().filter(|wave| wave.left > 0);
        let waves = last_wave.map(|wave| {
            let takes = match &plan.pace {
                Some(pace @ Pace::Over(_)) => pace.rate(wave.devices).takes_ms(wave.left),
                _ => 0,
            };
            wave.at.max(from).saturating_add(takes)
        });
        let paced = match &plan.pace {
            Some(pace @ Pace::PerSecond(_)) => {
                let left = self.left() - canary;
                Some(from.saturating_add(pace.rate(0).takes_ms(left)))
            }
            _ => None,
        };
        waves.chain(paced).chain(hold).max().filter(|at| *at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AudienceMode, Canary, HaltIf, Pace};
    use super::*;
    use crate::target::Target;
    use proptest::prelude::*;

    fn plan(pace: Option<Pace>) -> CampaignPlan {
        CampaignPlan {
            audience: Target::All(true),
            audience_mode: AudienceMode::Frozen,
            slice_size: 100,
            pace,
            canary: None,
            local_time: None,
            if_past: None,
        }
    }

    #[test]
    fn waves_go_at_their_times() {
        let mut state = CampaignState {
            phase: Phase::Send,
            ..CampaignState::default()
        };
        for (at, devices) in [(5_000, 150), (1_000, 40), (5_000, 50)] {
            state.gathered(at, devices);
        }
        let plan = plan(None);
        assert_eq!((state.audience(), state.left()), (Some(240), 240));
        assert_eq!(state.turn(&plan, 0), Turn::Wait(1_000));
        assert_eq!(
            state.turn(&plan, 1_000),
            Turn::Take {
                wave: 0,
                devices: 100
            }
        );
        state.took(&plan, 0, 40, 1_000);
        assert_eq!(state.turn(&plan, 1_001), Turn::Wait(5_000));
        assert_eq!(state.ends_at(&plan, 1_001), Some(5_000));
        state.took(&plan, 1, 100, 5_000);
        assert_eq!(
            state.turn(&plan, 5_000),
            Turn::Take {
                wave: 1,
                devices: 100
            }
        );
        state.took(&plan, 1, 100, 5_000);
        assert_eq!(state.turn(&plan, 5_000), Turn::Done);
        assert_eq!((state.left(), state.ends_at(&plan, 5_000)), (0, None));
    }

    #[test]
    fn a_canary_is_of_the_first_wave_whatever_its_pace() {
        let canary = Canary {
            size: 8,
            hold: "1m".into(),
            halt_if: HaltIf::default(),
        };
        let plan = CampaignPlan {
            canary: Some(canary),
            ..plan(Some(Pace::Over("10s".into())))
        };
        let mut state = CampaignState {
            phase: Phase::Canary,
            ..CampaignState::default()
        };
        state.gathered(1_000, 10);
        state.gathered(2_000, 1);
        let one = Turn::Take {
            wave: 0,
            devices: 1,
        };
        assert_eq!(state.canary_turn(&plan, 5_000), one);
        state.took(&plan, 0, 1, 5_000);
        // The second wave waits for what comes of the canary, though its time has come.
        assert_eq!(state.canary_turn(&plan, 5_000), Turn::Wait(6_000));
        assert_eq!(state.canary_turn(&plan, 6_000), one);
        state.canary = 1;
        // Seven of the canary, the hold, and what takes longest then.
        assert_eq!(
            state.ends_at(&plan, 6_000),
            Some(6_000 + 7_000 + 60_000 + 10_000)
        );
        // A wave that is later than all of that waits for its own time alone.
        state.gathered(1_000_000, 5);
        assert_eq!(state.ends_at(&plan, 6_000), Some(1_000_000 + 10_000));
    }

    #[test]
    fn waves_over_a_time_go_beside_each_other() {
        let mut state = CampaignState {
            phase: Phase::Send,
            ..CampaignState::default()
        };
        state.gathered(1_000, 10);
        state.gathered(2_000, 10);
        let plan = plan(Some(Pace::Over("10s".into())));
        let mut order = Vec::new();
        let mut now = 0;
        loop {
            match state.turn(&plan, now) {
                Turn::Done => break,
                Turn::Wait(at) => now = at,
                Turn::Take { wave, devices } => {
                    assert_eq!(devices, 1, "one a second");
                    state.took(&plan, wave, devices, now);
                    order.push(wave);
                }
            }
        }
        assert_eq!(order.iter().filter(|wave| **wave == 0).count(), 10);
        assert_eq!(
            order[..5],
            [0, 0, 1, 0, 1],
            "the second does not wait for the first"
        );
        assert_eq!(now, 11_000);
    }

    #[test]
    fn what_halted_goes_on_where_it_was() {
        let halted = |phase| CampaignState {
            phase,
            halted: Some(Halt {
                at: 1,
                reason: "x".into(),
                message: "y".into(),
            }),
            source: Some(SourceRead {
                failures: 5,
                ..SourceRead::default()
            }),
            ..CampaignState::default()
        };
        for (phase, then) in [(Phase::Hold, Phase::Send), (Phase::Begin, Phase::Begin)] {
            let mut state = halted(phase);
            assert!(state.go_on());
            assert_eq!((state.phase, state.halted.is_none()), (then, true));
            assert_eq!(state.source.as_ref().unwrap().failures, 0);
            assert!(!state.go_on());
        }
    }

    #[test]
    fn the_stored_form_reads_back_and_the_first_is_empty() {
        let first: CampaignState = serde_json::from_str(r#"{"phase":"begin"}"#).unwrap();
        assert_eq!(first, CampaignState::default());
        let mut state = CampaignState {
            phase: Phase::Hold,
            hold_until: 7,
            ..first
        };
        state.gathered(3, 4);
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<CampaignState>(&json).unwrap(), state);
    }

    proptest! {
        /// All of every wave have their turn, none before its time, and it comes to an end.
        #[test]
        fn all_have_their_turn(
            waves in proptest::collection::btree_map(0i64..100_000, 1u64..2_000, 1..20),
            pace in proptest::option::of(prop_oneof![
                (1u32..3_000).prop_map(Pace::PerSecond),
                (1u32..600).prop_map(|s| Pace::Over(format!("{s}s"))),
            ]),
            late in 0i64..5_000,
        ) {
            let plan = plan(pace);
            let mut state = CampaignState { phase: Phase::Send, ..CampaignState::default() };
            for (at, devices) in &waves {
                state.gathered(*at, *devices);
            }
            let total: u64 = waves.values().sum();
            let (mut now, mut made) = (0, 0u64);
            for _ in 0..200_000 {
                match state.turn(&plan, now) {
                    Turn::Done => break,
                    Turn::Wait(at) => { prop_assert!(at > now); now = at + late; }
                    Turn::Take { wave, devices } => {
                        prop_assert!(state.waves[wave].at <= now);
                        let taken = u64::from(devices).min(state.waves[wave].left) as u32;
                        state.took(&plan, wave, taken, now);
                        made += u64::from(taken);
                    }
                }
            }
            prop_assert_eq!((made, state.left()), (total, 0));
        }
    }
}
