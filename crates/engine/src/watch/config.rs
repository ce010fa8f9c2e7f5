//! Settings of monitors.

use carillon_model::monitor::RingRules;
use serde::Deserialize;

/// Bounds and pauses of what watches. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchConfig {
    /// Most checks that one process makes at once.
    pub concurrency: u32,
    /// How long a good check of a monitor that is up anyway may stay only in memory, and what is counted of hours.
    pub flush_ms: u32,
    /// How long a result waits for others to be written with it.
    pub gather_ms: u32,
    /// How long a beat waits for others to be written with it.
    pub beat_pause_ms: u32,
    /// How long a link to an incident is good.
    pub link_life_ms: i64,
    /// A ring that was not sent so long after it was made is not sent at all.
    pub ring_life_ms: i64,
    /// How often one device is rung.
    pub rings: RingRules,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            concurrency: 512,
            flush_ms: 10_000,
            gather_ms: 20,
            beat_pause_ms: 50,
            link_life_ms: 86_400_000,
            ring_life_ms: 45_000,
            rings: RingRules::default(),
        }
    }
}

impl WatchConfig {
    /// The first setting that cannot work: its name, and a sentence with what was expected.
    ///
    /// # Errors
    /// See above.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let positive = [
            ("concurrency", i64::from(self.concurrency)),
            ("flush_every", i64::from(self.flush_ms)),
            ("link_life", self.link_life_ms),
            ("ring_life", self.ring_life_ms),
            ("ring_within", self.rings.within_ms),
        ];
        match positive.into_iter().find(|(_, value)| *value <= 0) {
            Some((name, _)) => Err((name, "expected more than zero".to_owned())),
            None => Ok(()),
        }
    }
}
