//! Times as people type them: `tomorrow 10:00 Asia/Seoul`, `friday 9:30`, `2026-12-01 09:00`,
//! `2026-12-01T09:00+09:00`.
//!
//! One line of words: a day, a time of day, and, if it is not the typist's own, a zone. What it means
//! depends on the clock and on the zone, and both are arguments.

use crate::nearest::did_you_mean;
use crate::send_at::instant_of;
use crate::{UnixMs, time_zone};
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use std::fmt;

/// Most bytes of a text: longer ones are no time.
const MAX_BYTES: usize = 200;

/// What is wrong with a text, and at which of its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhenProblem {
    /// Where the word begins: in characters, from 1.
    pub column: u32,
    /// What was expected, what was found.
    pub message: String,
}

impl fmt::Display for WhenProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)
    }
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// The instant that a text means at `now`, by the clocks of `home` unless it names a zone.
///
/// - A day is `today`, `tomorrow`, a weekday (the next one that is not today; three letters do) or a date
///   such as `2026-12-01`. Without a day it is the next time that clocks show the time of day.
/// - A time of day is `10:00`, `9:30` or `10:00:30`. A day without one is not enough: nobody means midnight.
/// - A time with an offset (RFC 3339) stands alone.
///
/// ```
/// use carillon_model::{time_zone, when_text};
/// let utc = time_zone::parse("UTC").unwrap();
/// let at = when_text::parse("tomorrow 10:00 Asia/Seoul", 0, &utc).unwrap();
/// assert_eq!(at, 25 * 3_600_000); // in Seoul it is 09:00 of the first day
/// ```
///
/// # Errors
/// With the word that is not understood, and what was expected there.
pub fn parse(text: &str, now: UnixMs, home: &TimeZone) -> Result<UnixMs, WhenProblem> {
    if text.len() > MAX_BYTES {
        return Err(WhenProblem {
            column: 1,
            message: format!(
                "expected a time of at most {MAX_BYTES} bytes, found {}",
                text.len()
            ),
        });
    }
    let words = words(text);
    if words.is_empty() {
        return Err(WhenProblem {
            column: 1,
            message: format!("expected {EXAMPLES}, found nothing"),
        });
    }
    if let Ok(instant) = text.trim().parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let mut said = Said::default();
    for word in &words {
        said.take(word)?;
    }
    said.resolve(now, home, last_column(text))
}

const EXAMPLES: &str =
    "a time such as \"tomorrow 10:00 Asia/Seoul\", \"friday 9:30\" or 2026-12-01T09:00+09:00";

/// A word and where it stands.
struct Word<'t> {
    column: u32,
    text: &'t str,
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start: Option<(usize, u32)> = None;
    let ended = std::iter::once((text.len(), ' '));
    for (column, (at, letter)) in (1u32..).zip(text.char_indices().chain(ended)) {
        // 2026-12-01T09:00 is a day and a time.
        let is_t = matches!(letter, 'T' | 't')
            && start.is_some_and(|(from, _)| text[from..at].parse::<Date>().is_ok());
        match start {
            Some((from, since)) if letter.is_whitespace() || letter == ',' || is_t => {
                words.push(Word {
                    column: since,
                    text: &text[from..at],
                });
                start = None;
            }
            None if !letter.is_whitespace() && letter != ',' => start = Some((at, column)),
            _ => {}
        }
    }
    words
}

fn last_column(text: &str) -> u32 {
    text.chars().count() as u32 + 1
}

#[derive(Clone, Copy)]
enum Day {
    Today,
    Tomorrow,
    Weekday(Weekday),
    Date(Date),
}

/// What the words said so far, and where each of it stands.
#[derive(Default)]
struct Said {
    day: Option<(Day, u32)>,
    time: Option<(Time, u32)>,
    zone: Option<TimeZone>,
}

impl Said {
    fn take(&mut self, word: &Word<'_>) -> Result<(), WhenProblem> {
        let problem = |message: String| WhenProblem {
            column: word.column,
            message,
        };
        let twice = |what: &str| {
            Err(problem(format!(
                "{what} stands there already, found {:?}",
                word.text
            )))
        };
        let lower = word.text.to_ascii_lowercase();
        if matches!(&*lower, "at" | "on" | "in") {
            return Ok(());
        }
        if let Some(day) = day(&lower) {
            if self.day.is_some() {
                return twice("a day");
            }
            self.day = Some((day, word.column));
        } else if lower.starts_with(|c: char| c.is_ascii_digit()) {
            if lower.contains(':') {
                if self.time.is_some() {
                    return twice("a time of day");
                }
                self.time = Some((time(&lower).map_err(problem)?, word.column));
            } else if lower.contains('-') {
                if self.day.is_some() {
                    return twice("a day");
                }
                let date = lower.parse().map_err(|error| {
                    problem(format!(
                        "expected a date such as 2026-12-01, found {:?} ({error})",
                        word.text
                    ))
                })?;
                self.day = Some((Day::Date(date), word.column));
            } else {
                return Err(problem(format!(
                    "expected a time of day such as 10:00 or a date such as 2026-12-01, found {:?}",
                    word.text
                )));
            }
        } else {
            if self.zone.is_some() {
                return twice("a time zone");
            }
            match time_zone::parse(word.text) {
                Ok(zone) => self.zone = Some(zone),
                Err(sentence) if word.text.contains('/') => return Err(problem(sentence)),
                Err(_) => {
                    let known = ["today", "tomorrow"].into_iter();
                    let known = known.chain(WEEKDAYS.iter().map(|(name, _)| *name));
                    let hint = time_zone::meant_by(word.text)
                        .unwrap_or_else(|| did_you_mean(&lower, known));
                    return Err(problem(format!(
                        "expected today, tomorrow, a weekday, a date, a time of day or a time zone such as Asia/Seoul, found {:?}{hint}",
                        word.text
                    )));
                }
            }
        }
        Ok(())
    }

    fn resolve(self, now: UnixMs, home: &TimeZone, end: u32) -> Result<UnixMs, WhenProblem> {
        let problem = |column: u32, message: &str| WhenProblem {
            column,
            message: message.to_owned(),
        };
        let Some((time, at)) = self.time else {
            return Err(problem(
                end,
                "expected a time of day such as 10:00 as well, found none",
            ));
        };
        let zone = self.zone.as_ref().unwrap_or(home);
        let unreachable = |column| problem(column, "expected a time that the calendar reaches");
        let today = Timestamp::from_millisecond(now)
            .map_err(|_| unreachable(at))?
            .to_zoned(zone.clone())
            .date();
        let days = |count: i64| today.checked_add(Span::new().days(count));
        let column = self.day.map_or(at, |(_, column)| column);
        let date = match self.day.map(|(day, _)| day) {
            None | Some(Day::Today) => Ok(today),
            Some(Day::Tomorrow) => days(1),
            Some(Day::Date(date)) => Ok(date),
            Some(Day::Weekday(weekday)) => match i64::from(today.weekday().until(weekday)) {
                0 => days(7),
                ahead => days(ahead),
            },
        };
        let date = date.map_err(|_| unreachable(column))?;
        let on = |date: Date| instant_of(date.to_datetime(time), zone);
        let instant = on(date).ok_or_else(|| unreachable(column))?;
        if self.day.is_none() && instant <= now {
            return days(1).ok().and_then(on).ok_or_else(|| unreachable(column));
        }
        Ok(instant)
    }
}

fn day(lower: &str) -> Option<Day> {
    match lower {
        "today" => Some(Day::Today),
        "tomorrow" => Some(Day::Tomorrow),
        _ => WEEKDAYS
            .iter()
            .find(|(name, _)| *name == lower || name[..3] == *lower)
            .map(|(_, weekday)| Day::Weekday(*weekday)),
    }
}

fn time(text: &str) -> Result<Time, String> {
    let mut parts = text.split(':');
    let mut part = |least: usize| -> Option<i8> {
        let part = parts.next()?;
        let is_number =
            (least..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|_| is_number)
    };
    let (hour, minute) = (part(1), part(2));
    let second = if text.matches(':').count() == 2 {
        part(2)
    } else {
        Some(0)
    };
    let is_whole = parts.next().is_none();
    hour.zip(minute)
        .zip(second)
        .filter(|_| is_whole)
        .and_then(|((hour, minute), second)| Time::new(hour, minute, second, 0).ok())
        .ok_or_else(|| format!("expected a time of day from 0:00 to 23:59, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Saturday, 28 November 2026, 12:00 in Berlin.
    const NOW: &str = "2026-11-28T11:00:00Z";

    fn ms(text: &str) -> UnixMs {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn read(text: &str) -> Result<UnixMs, WhenProblem> {
        parse(text, ms(NOW), &time_zone::parse("Europe/Berlin").unwrap())
    }

    #[test]
    fn what_people_type() {
        for (text, instant) in [
            ("tomorrow 10:00 Asia/Seoul", "2026-11-29T01:00:00Z"),
            ("10:00 tomorrow asia/seoul", "2026-11-29T01:00:00Z"),
            ("tomorrow at 9:30", "2026-11-29T08:30:00Z"),
            ("today 18:00", "2026-11-28T17:00:00Z"),
            ("today 08:00", "2026-11-28T07:00:00Z"),
            ("18:00", "2026-11-28T17:00:00Z"),
            ("8:00", "2026-11-29T07:00:00Z"),
            ("monday 9:00", "2026-11-30T08:00:00Z"),
            ("Sat, 9:00", "2026-12-05T08:00:00Z"),
            ("on friday 9:00:30 UTC", "2026-12-04T09:00:30Z"),
            ("2026-12-01 09:00", "2026-12-01T08:00:00Z"),
            ("2026-12-01T09:00", "2026-12-01T08:00:00Z"),
            ("2026-12-01T09:00 Asia/Seoul", "2026-12-01T00:00:00Z"),
            ("2026-12-01T09:00+09:00", "2026-12-01T00:00:00Z"),
            ("2026-12-01T09:00:00Z", "2026-12-01T09:00:00Z"),
            ("2027-03-28 02:30", "2027-03-28T01:00:00Z"),
        ] {
            assert_eq!(read(text), Ok(ms(instant)), "{text}");
        }
    }

    #[test]
    fn problems_point_at_the_word() {
        for (text, column, word) in [
            ("", 1, "nothing"),
            ("tomorow 10:00", 1, "tomorrow"),
            ("tomorrow 25:00", 10, "23:59"),
            ("tomorrow 10", 10, "10:00"),
            ("tomorrow", 9, "time of day"),
            ("tomorrow monday 10:00", 10, "already"),
            ("10:00 11:00", 7, "already"),
            ("10:00 Asia/Soul", 7, "Asia/Seoul"),
            ("10:00 PST", 7, "America/Los_Angeles"),
            ("10:00 UTC Asia/Seoul", 11, "already"),
            ("2026-02-31 10:00", 1, "2026-02-31"),
            ("übermorgen 10:00", 1, "weekday"),
            ("10:00:00:00", 1, "23:59"),
            ("1:2", 1, "23:59"),
        ] {
            let problem = read(text).unwrap_err();
            assert_eq!(problem.column, column, "{text}: {problem}");
            assert!(problem.message.contains(word), "{text}: {problem}");
        }
        assert!(read(&"x".repeat(500)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}", now: i64) {
            let zone = time_zone::parse("Asia/Seoul").unwrap();
            let _ = parse(&text, now, &zone);
        }

        #[test]
        fn dates_and_times_are_what_they_say(hour in 0i8..24, minute in 0i8..60, day in 1i8..29) {
            let zone = time_zone::parse("Asia/Seoul").unwrap();
            let at = parse(&format!("2027-05-{day:02} {hour}:{minute:02}"), 0, &zone).unwrap();
            let shown = Timestamp::from_millisecond(at).unwrap().to_zoned(zone).datetime();
            prop_assert_eq!(shown, jiff::civil::date(2027, 5, day).at(hour, minute, 0, 0));
        }
    }
}
