//! `--at`, `--if-past` and `--in`, and what flags like them are made of: when something is to happen, as people type it.

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
        self.read(machine_now(), &home())
    }

    fn read(&self, now: UnixMs, zone: &TimeZone) -> Result<Option<String>, Failure> {
        let (flag, at) = match (&self.at, &self.after) {
            (Some(text), _) => ("--at", instant("--at", text, now, zone)?),
            (None, Some(text)) => ("--in", after("--in", text, now)?),
            (None, None) => return Ok(None),
        };
        written(flag, at).map(Some)
    }
}

/// This machine's zone.
pub(super) fn home() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// The instant that a flag names.
pub(super) fn instant(
    flag: &str,
    text: &str,
    now: UnixMs,
    zone: &TimeZone,
) -> Result<UnixMs, Failure> {
    when_text::parse(text, now, zone)
        .map_err(|problem| wrong(flag, &problem.message).mend(pointed(text, problem.column)))
}

/// The instant that is as much later as a flag says.
pub(super) fn after(flag: &str, text: &str, begin: UnixMs) -> Result<UnixMs, Failure> {
    let ms = duration::parse_ms(text).map_err(|why| wrong(flag, &why))?;
    Ok(begin.saturating_add(ms))
}

/// As the API takes it.
pub(super) fn written(flag: &str, at: UnixMs) -> Result<String, Failure> {
    let at = Timestamp::from_millisecond(at)
        .map_err(|error| wrong(flag, &format!("no calendar reaches it ({error})")))?;
    Ok(at.to_string())
}

fn wrong(flag: &str, why: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{flag}: {why}"))
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
