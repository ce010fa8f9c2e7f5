//! Where the demo's stories happen: a server and a simulator of their own, whose clocks run fast from an hour of the
//! story's choice.

use super::configure;
use crate::client::ApiClient;
use crate::exit::{Exit, Failure};
use crate::lifecycle::{Lifecycle, Stop};
use crate::scratch::Scratch;
use crate::wire::{self, Running};
use push_sim::{Clock, Simulator};

/// The day of the stories, in a place where it is nine hours later than in Greenwich.
const DAY: &str = "2026-12-01";
const ZONE_HOURS: i8 = 9;

/// See the module.
pub(super) struct Stage {
    pub(super) ours: ApiClient,
    pub(super) apple: ApiClient,
    pub(super) clock: Clock,
    running: Running,
    lifecycle: Lifecycle,
    // Both are there as long as the server is.
    simulator: Simulator,
    scratch: Scratch,
}

impl Stage {
    /// Both run when this returns, and it is that hour; with `more` settings.
    pub(super) async fn set(
        name: &'static str,
        begins: &str,
        speed: f64,
        more: impl IntoIterator<Item = (&'static str, toml::Value)>,
    ) -> Result<Self, Failure> {
        let scratch = Scratch::new(name)
            .map_err(|error| Failure::io("make a directory in", &std::env::temp_dir(), &error))?;
        let clock = Clock::at_ms(ms(begins)?);
        clock.set_speed(speed);
        let simulator = Simulator::start(push_sim::Config {
            clock: clock.clone(),
            ..push_sim::Config::default()
        });
        let simulator =
            simulator.map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))?;
        let now = jiff::Timestamp::from_millisecond(clock.now_ms());
        let now = now.map_err(|error| Failure::new(Exit::Software, error.to_string()))?;
        let moved = [
            ("clock.at", toml::Value::from(now.to_string())),
            ("clock.speed", toml::Value::from(speed)),
        ];
        let config = configure(&simulator, scratch.path(), moved.into_iter().chain(more))?;
        let lifecycle = Lifecycle::new();
        let running = wire::start(&config, &lifecycle, None).await?;
        let key = running
            .admin_key()
            .cloned()
            .ok_or_else(|| Failure::new(Exit::Software, "a fresh store made no admin key"))?;
        Ok(Self {
            ours: ApiClient::with_key(running.url(), &key)?,
            apple: ApiClient::open(&format!("http://{}", simulator.addresses().admin))?,
            clock,
            running,
            lifecycle,
            simulator,
            scratch,
        })
    }

    /// The server stops, and nothing is left.
    pub(super) async fn clear(self) -> Result<(), Failure> {
        self.lifecycle.stop();
        let stopped = self.running.until_stopped().await;
        self.simulator.shutdown();
        drop(self.scratch);
        match stopped {
            Stop::Failed(exit, why) => Err(Failure::new(exit, why)),
            Stop::Clean | Stop::Cut => Ok(()),
        }
    }
}

/// An hour of the day as RFC 3339 writes it.
pub(super) fn at(hour: &str) -> String {
    format!("{DAY}T{hour}+{ZONE_HOURS:02}:00")
}

/// The same as Unix milliseconds.
pub(super) fn ms(hour: &str) -> Result<i64, Failure> {
    let instant = at(hour).parse::<jiff::Timestamp>();
    let instant = instant.map_err(|error| Failure::new(Exit::Software, error.to_string()))?;
    Ok(instant.as_millisecond())
}

/// What the clocks of the place show.
pub(super) fn hour(ms: i64) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(ZONE_HOURS));
    let instant = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    instant.to_zoned(zone).strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_the_place() {
        assert_eq!(at("16:00:00"), "2026-12-01T16:00:00+09:00");
        assert_eq!(hour(ms("16:45:30").unwrap()), "16:45:30");
    }
}
