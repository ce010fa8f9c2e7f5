//! `--at`, `--if-past` and `--in`: when something is to happen, as people type it.

use crate::clock::machine_now;
use crate::exit::{Exit, Failure};
use carillon_model::{UnixMs, duration, when_text};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The flags.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct When {
    /// When: "tomorrow 10:00 Asia/Seoul", "friday 9:30", 2026-12-01T09:00+09:00. Without a zone: this machine's
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// After this time, e.g. 30m
    #[arg(long = "in", value_name = "DURATION", conflicts_with = "at")]
    after: Option<String>,
    /// When that time has passed: refuse it, or send it now [default: refuse]
    #[arg(long, value_name = "WHAT", value_parser = ["refuse", "send_now"], requires = "at")]
    if_past: Option<String>,
}

impl When {
    /// What becomes of it when its time has passed, as the API takes it.
    pub(crate) fn if_past(&self) -> Option<&str> {
        self.if_past.as_deref()
    }

    /// As the API takes it, if one of the flags is there; by this machine's clock and zone.
    pub(crate) fn send_at(&self) -> Result<Option<String>, Failure> {
        let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
        self.read(machine_now(), &zone)
    }

    fn read(&self, now: UnixMs, zone: &TimeZone) -> Result<Option<String>, Failure> {
        let wrong = |flag: &str, why: String| Failure::new(Exit::Usage, format!("{flag}: {why}"));
        let at = match (&self.at, &self.after) {
            (Some(text), _) => when_text::parse(text, now, zone).map_err(|problem| {
                wrong("--at", problem.message.clone()).mend(pointed(text, problem.column))
            })?,
            (None, Some(text)) => {
                let ms = duration::parse_ms(text).map_err(|why| wrong("--in", why))?;
                now.saturating_add(ms)
            }
            (None, None) => return Ok(None),
        };
        let at = Timestamp::from_millisecond(at)
            .map_err(|error| wrong("--in", format!("no calendar reaches it ({error})")))?;
        Ok(Some(at.to_string()))
    }
}

/// A text with a mark under the word that is not understood.
fn pointed(text: &str, column: u32) -> String {
    let before = (column as usize).saturating_sub(1);
    format!("look here:\n  {text}\n  {}^", " ".repeat(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Saturday, 28 November 2026, 11:00 UTC.
    const NOW: UnixMs = 1_795_863_600_000;

    fn read(at: Option<&str>, after: Option<&str>) -> Result<Option<String>, Failure> {
        let when = When {
            at: at.map(str::to_owned),
            after: after.map(str::to_owned),
            ..When::default()
        };
        when.read(NOW, &TimeZone::UTC)
    }

    #[test]
    fn flags_become_an_instant() {
        let at = |text: &str| Some(text.to_owned());
        assert_eq!(read(None, None).unwrap(), None);
        assert_eq!(read(None, Some("30m")).unwrap(), at("2026-11-28T11:30:00Z"));
        assert_eq!(
            read(Some("tomorrow 10:00 Asia/Seoul"), None).unwrap(),
            at("2026-11-29T01:00:00Z")
        );
    }

    #[test]
    fn the_word_is_pointed_at() {
        let failure = read(Some("tomorow 10:00"), None).unwrap_err();
        assert!(failure.message.contains("tomorrow"), "{failure}");
        let failure = read(Some("10:00 Asia/Soul"), None).unwrap_err();
        assert!(failure.mend.unwrap().ends_with("\n        ^"));
        assert!(read(None, Some("soon")).is_err());
    }
}
