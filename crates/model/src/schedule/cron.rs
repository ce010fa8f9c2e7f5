//! The pattern of a schedule: five fields, as cron has them, read strictly and searched by the calendar.
//! Knows no time zone: which instant a local time is says [`super::clock`].
//!
//! `croner` reads the fields and says which days match; what it would take by accident (a weekday's name
//! among hours, `JAN1` for November) and the words for people are ours.

use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Weekday};
use jiff::civil::{Date, DateTime, Time};

/// Longest pattern.
pub const MAX_CRON: usize = 200;
/// How far a next match is looked for. A 29th of February that must be a certain weekday comes back
/// after at most forty years, across a century that is no leap year.
const HORIZON_YEARS: i16 = 41;

/// A pattern, read.
#[derive(Clone, Debug)]
pub struct CronRule {
    cron: Cron,
    minutes: [bool; 60],
    hours: [bool; 24],
    /// From 1.
    months: [bool; 13],
    is_ticking: bool,
    /// Both days of the month and weekdays are given, and either is enough.
    is_either_day: bool,
    /// No month with only 28 days ever matches, for want of days.
    is_missing_short_months: bool,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronError {
    /// Where, in characters from 1; 0: it is about the whole.
    pub column: u32,
    /// What was expected, and what was found.
    pub message: String,
}

/// A field: its name, what may stand in it, the names it knows, the signs besides digits, its first and last value, and
/// in what it begins anew.
struct Field {
    name: &'static str,
    expected: &'static str,
    names: &'static [&'static str],
    signs: &'static str,
    values: (u32, u32),
    within: &'static str,
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        expected: "0 to 59, lists (0,30), ranges (10-20), * or steps (*/15)",
        names: &[],
        signs: "*/,-",
        values: (0, 59),
        within: "an hour",
    },
    Field {
        name: "hour",
        expected: "0 to 23, lists (9,18), ranges (9-17), * or steps (*/2)",
        names: &[],
        signs: "*/,-",
        values: (0, 23),
        within: "a day",
    },
    Field {
        name: "day",
        expected: "1 to 31, lists, ranges, *, L for the last day or 15W for the weekday nearest to the 15th",
        names: &["L", "W", "LW"],
        signs: "*/,-?",
        values: (1, 31),
        within: "a month",
    },
    Field {
        name: "month",
        expected: "1 to 12 or JAN to DEC, lists, ranges or *",
        names: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
        signs: "*/,-",
        values: (1, 12),
        within: "a year",
    },
    Field {
        name: "weekday",
        expected: "0 to 7 or SUN to SAT (0 and 7 are Sunday), lists, ranges, *, MON#2 for the second Monday or FRI#L for the last Friday of the month",
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "L"],
        signs: "*/,-?#+",
        values: (0, 6),
        within: "a week",
    },
];

const NICKNAMES: [(&str, &str); 6] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@weekly", "0 0 * * SUN"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

impl CronRule {
    /// Reads a pattern: `minute hour day month weekday`, or a nickname such as `@daily`.
    ///
    /// # Errors
    /// The first field that cannot be read: where it stands, what was expected, what was found.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        if text.len() > MAX_CRON {
            return Err(CronError {
                column: 0,
                message: format!(
                    "expected at most {MAX_CRON} bytes, found {}: split it into several schedules",
                    text.len()
                ),
            });
        }
        let nickname = NICKNAMES
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text.trim()));
        let pattern = nickname.map_or(text, |(_, pattern)| pattern);
        let fields: Vec<&str> = pattern.split_whitespace().collect();
        let Ok(fields) = <[&str; 5]>::try_from(fields) else {
            return Err(CronError {
                column: 0,
                message: format!(
                    "expected five fields (minute hour day month weekday) such as \"0 9 * * MON\", or @hourly, @daily, @weekly, @monthly, @yearly; found {text:?}: there are no fields for seconds and years"
                ),
            });
        };
        for (at, field) in fields.iter().enumerate() {
            if !is_readable(at, field) {
                let Field { name, expected, .. } = &FIELDS[at];
                return Err(CronError {
                    column: column(pattern, at),
                    message: format!(
                        "the field for the {name}: expected {expected}; found {field:?}"
                    ),
                });
            }
            if let Some(message) = long_step(at, field) {
                return Err(CronError {
                    column: column(pattern, at),
                    message,
                });
            }
        }
        let cron = parse(&fields.join(" ")).ok_or_else(|| CronError {
            column: 0,
            message: format!("expected a pattern such as \"0 9 * * MON\", found {text:?}"),
        })?;
        Ok(Self::compile(cron, &fields))
    }

    fn compile(cron: Cron, fields: &[&str; 5]) -> Self {
        let [minute, hour, day, _, weekday] = fields;
        let is_any = |field: &str| matches!(field, "*" | "?");
        let mut rule = Self {
            minutes: std::array::from_fn(|at| is_set(cron.pattern.minute_match(at as u32))),
            hours: std::array::from_fn(|at| is_set(cron.pattern.hour_match(at as u32))),
            months: std::array::from_fn(|at| is_set(cron.pattern.month_match(at as u32))),
            is_ticking: minute.starts_with('*') || hour.starts_with('*'),
            is_either_day: !is_any(day) && !is_any(weekday) && !weekday.starts_with('+'),
            is_missing_short_months: false,
            cron,
        };
        // February 2027 has 28 days.
        rule.is_missing_short_months = is_any(weekday)
            && (1..=28).all(|day| Date::new(2027, 2, day).is_ok_and(|date| !rule.is_day(date)));
        rule
    }

    /// Whether it goes by the clock's ticking rather than by times of day: its minutes or hours begin
    /// with `*`.
    #[must_use]
    pub fn is_ticking(&self) -> bool {
        self.is_ticking
    }

    /// Whether days of the month and weekdays are both given, so that either is enough.
    #[must_use]
    pub fn is_either_day(&self) -> bool {
        self.is_either_day
    }

    /// Whether it only names days that not every month has.
    #[must_use]
    pub fn is_missing_short_months(&self) -> bool {
        self.is_missing_short_months
    }

    /// Whether the pattern holds for a local time; seconds are not asked.
    #[must_use]
    pub fn matches(&self, time: DateTime) -> bool {
        self.is_date(time.date())
            && slot(&self.hours, time.hour())
            && slot(&self.minutes, time.minute())
    }

    /// Whether it holds at some time of a date.
    #[must_use]
    pub fn is_date(&self, date: Date) -> bool {
        slot(&self.months, date.month()) && self.is_day(date)
    }

    fn is_day(&self, date: Date) -> bool {
        let weekday = match date.weekday() {
            jiff::civil::Weekday::Sunday => Weekday::Sunday,
            jiff::civil::Weekday::Monday => Weekday::Monday,
            jiff::civil::Weekday::Tuesday => Weekday::Tuesday,
            jiff::civil::Weekday::Wednesday => Weekday::Wednesday,
            jiff::civil::Weekday::Thursday => Weekday::Thursday,
            jiff::civil::Weekday::Friday => Weekday::Friday,
            jiff::civil::Weekday::Saturday => Weekday::Saturday,
        };
        let (month, day) = (date.month() as u32, date.day() as u32);
        let pattern = &self.cron.pattern;
        is_set(pattern.day_match(date.year().into(), month, day, weekday))
    }

    /// The first local time at or after `from`, a whole minute, on a date that is `allowed`; `None`: not
    /// in the next 41 years.
    pub(super) fn next(&self, from: DateTime, allowed: impl Fn(Date) -> bool) -> Option<DateTime> {
        let last_year = from.year().saturating_add(HORIZON_YEARS);
        let (mut date, mut since) = (from.date(), Some(from.time()));
        while date.year() <= last_year {
            if !slot(&self.months, date.month()) {
                date = date.last_of_month().tomorrow().ok()?;
                since = None;
                continue;
            }
            if self.is_day(date)
                && allowed(date)
                && let Some(time) = self.time(since.unwrap_or(Time::midnight()))
            {
                return Some(date.to_datetime(time));
            }
            date = date.tomorrow().ok()?;
            since = None;
        }
        None
    }

    /// The first time of day at or after `from`.
    fn time(&self, from: Time) -> Option<Time> {
        (from.hour()..24).find_map(|hour| {
            let first = if hour == from.hour() {
                from.minute()
            } else {
                0
            };
            let minute = (first..60).find(|minute| slot(&self.minutes, *minute))?;
            slot(&self.hours, hour).then(|| Time::new(hour, minute, 0, 0).ok())?
        })
    }
}

/// Whether a field says something that it may say. What has letters is looked at by us first: `croner`
/// replaces names wherever they stand.
fn is_readable(at: usize, field: &str) -> bool {
    let Field { names, signs, .. } = &FIELDS[at];
    let upper = field.to_ascii_uppercase();
    let is_known = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || signs.contains(c);
    if !upper.chars().all(is_known) {
        return false;
    }
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let is_word = |part: &str| {
        // The day's signs follow a number (15W); a weekday's L follows a name or a number (FRIL, 5L).
        let digits = part.trim_start_matches(|c: char| c.is_ascii_digit());
        match at {
            2 => names.contains(&digits),
            4 => {
                names.contains(&part) || {
                    let day = part.strip_suffix('L').unwrap_or(part);
                    names.contains(&day) || is_number(day)
                }
            }
            _ => names.contains(&part),
        }
    };
    if upper.split(',').any(str::is_empty) {
        return false;
    }
    let mut parts = upper.split(|c: char| !c.is_ascii_alphanumeric());
    if !parts.all(|part| is_number(part) || is_word(part)) {
        return false;
    }
    let mut alone = ["*"; 5];
    alone[at] = field;
    parse(&alone.join(" ")).is_some()
}

/// What is wrong with a step that leaves its field at once: `*/90` is not every hour and a half. One of the field's size
/// does what it says.
fn long_step(at: usize, field: &str) -> Option<String> {
    let Field {
        name,
        values: (first, last),
        within,
        ..
    } = &FIELDS[at];
    let most = last - first + 1;
    field.split(',').find_map(|part| {
        let (from, step) = part.split_once('/')?;
        if step.parse::<u32>().ok()? <= most {
            return None;
        }
        let from = from.trim_start_matches('+').split('-').next()?;
        let once = match from {
            "*" | "?" => first.to_string(),
            from => from.to_owned(),
        };
        Some(format!(
            "the field for the {name}: expected a step of at most {most}, found {part:?}: it begins anew at {first} after {last}, so this comes once {within}; write {once:?} for that"
        ))
    })
}

/// By croner, with exactly five fields.
fn parse(pattern: &str) -> Option<Cron> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    parser.parse(pattern).ok()
}

/// Where a field begins, in characters from 1.
fn column(pattern: &str, at: usize) -> u32 {
    let mut begins =
        pattern
            .char_indices()
            .zip(1u32..)
            .scan(true, |was_space, ((_, c), column)| {
                let is_begin = *was_space && !c.is_whitespace();
                *was_space = c.is_whitespace();
                Some(is_begin.then_some(column))
            });
    begins.by_ref().flatten().nth(at).unwrap_or(0)
}

fn is_set<E>(matched: Result<bool, E>) -> bool {
    matched.unwrap_or(false)
}

fn slot<const N: usize>(of: &[bool; N], at: i8) -> bool {
    usize::try_from(at).is_ok_and(|at| of.get(at) == Some(&true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> CronRule {
        CronRule::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    fn at(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    #[test]
    fn next_by_the_calendar() {
        for (text, from, next) in [
            ("0 9 * * MON", "2026-11-28T12:00", "2026-11-30T09:00"),
            ("0 9 * * mon", "2026-11-30T09:00", "2026-11-30T09:00"),
            ("0 9 * * 1", "2026-11-30T09:01", "2026-12-07T09:00"),
            ("0 9 * * 7", "2026-11-28T12:00", "2026-11-29T09:00"),
            ("30 8 * * MON-FRI", "2026-11-27T08:31", "2026-11-30T08:30"),
            ("*/15 * * * *", "2026-11-28T12:46", "2026-11-28T13:00"),
            ("0 9,18 * * *", "2026-11-28T09:01", "2026-11-28T18:00"),
            ("59 23 31 12 *", "2026-12-31T23:59", "2026-12-31T23:59"),
            ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
            // 2100 is no leap year.
            ("0 0 29 2 *", "2096-03-01T00:00", "2104-02-29T00:00"),
            ("0 0 29 2 +MON", "2024-03-01T00:00", "2044-02-29T00:00"),
            ("0 0 L * *", "2028-02-01T00:00", "2028-02-29T00:00"),
            ("0 0 31 * *", "2026-04-01T00:00", "2026-05-31T00:00"),
            ("0 0 * * MON#2", "2026-12-01T00:00", "2026-12-14T00:00"),
            ("0 0 * * FRI#L", "2026-12-01T00:00", "2026-12-25T00:00"),
            // 2026-08-15 is a Saturday.
            ("0 0 15W 8 *", "2026-08-01T00:00", "2026-08-14T00:00"),
            // Either is enough, as cron has it; with + both must hold.
            ("0 0 13 * FRI", "2026-11-01T00:00", "2026-11-06T00:00"),
            ("0 0 13 * +FRI", "2026-11-01T00:00", "2026-11-13T00:00"),
            ("@daily", "2026-11-28T00:01", "2026-11-29T00:00"),
            ("@Weekly", "2026-11-28T00:01", "2026-11-29T00:00"),
            (" 0  9 * * *\t", "2026-11-28T00:01", "2026-11-28T09:00"),
            // Steps of the size of their field, and some that leave a shorter rest.
            ("*/60 * * * *", "2026-11-28T00:01", "2026-11-28T01:00"),
            ("*/45 * * * *", "2026-11-28T00:46", "2026-11-28T01:00"),
            ("0 */24 * * *", "2026-11-28T00:01", "2026-11-29T00:00"),
        ] {
            let found = rule(text).next(at(from), |_| true);
            assert_eq!(found, Some(at(next)), "{text} from {from}");
            assert!(rule(text).matches(at(next)), "{text}");
        }
    }

    #[test]
    fn what_never_comes_is_said_after_bounded_work() {
        for text in ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            assert_eq!(
                rule(text).next(at("2026-01-01T00:00"), |_| true),
                None,
                "{text}"
            );
        }
        let never = rule("* * * * *").next(at("2026-01-01T00:00"), |_| false);
        assert_eq!(never, None);
        let end = rule("0 0 1 1 *").next(at("9999-12-31T00:00"), |_| true);
        assert_eq!(end, None);
    }

    #[test]
    fn mistakes_have_their_place_and_say_what_was_expected() {
        for (text, column, part) in [
            ("", 0, "expected five fields"),
            ("0 9 * *", 0, "expected five fields"),
            ("0 0 9 * * MON", 0, "no fields for seconds"),
            ("@noon", 0, "@daily"),
            ("60 9 * * *", 1, "the minute: expected 0 to 59"),
            ("0 24 * * *", 3, "the hour: expected 0 to 23"),
            ("0  25 * * *", 4, "found \"25\""),
            ("0 9 32 * *", 5, "the day: expected 1 to 31"),
            ("0 9 0 * *", 5, "the day: expected 1 to 31"),
            ("0 9 * 13 *", 7, "the month: expected 1 to 12"),
            ("0 9 * * 8", 9, "the weekday: expected 0 to 7"),
            ("0 9 * * MONDAY", 9, "found \"MONDAY\""),
            // Taken by accident, if names were replaced anywhere.
            ("0 MON * * *", 3, "the hour"),
            ("0 9 * JAN1 *", 7, "found \"JAN1\""),
            ("0 9 * * SUNMON", 9, "SUNMON"),
            ("0 9 JAN * *", 5, "the day"),
            ("0 17-9 * * *", 3, "17-9"),
            ("0 */0 * * *", 3, "*/0"),
            ("0 9 * * é", 9, "the weekday"),
            ("0 9, * * *", 3, "9,"),
            (
                "*/90 * * * *",
                1,
                "the minute: expected a step of at most 60, found \"*/90\": it begins anew at 0 after 59, so this comes once an hour; write \"0\" for that",
            ),
            ("0 9-17/25 * * *", 3, "once a day; write \"9\""),
            ("0 9 15,*/40 * *", 5, "once a month; write \"1\""),
            ("0 9 * */13 *", 7, "a step of at most 12"),
            ("0 9 * * MON-FRI/8", 9, "once a week; write \"MON\""),
        ] {
            let error = CronRule::parse(text).expect_err(text);
            assert_eq!(error.column, column, "{text}: {error:?}");
            assert!(error.message.contains(part), "{text}: {error:?}");
        }
        let long = format!("0 9 * * {}", "1,".repeat(200));
        assert!(
            CronRule::parse(&long)
                .unwrap_err()
                .message
                .contains("at most 200")
        );
    }

    #[test]
    fn traps_are_known() {
        assert!(rule("0 9 13 * FRI").is_either_day());
        assert!(!rule("0 9 13 * +FRI").is_either_day());
        assert!(!rule("0 9 13 * *").is_either_day());
        assert!(rule("0 9 29-31 * *").is_missing_short_months());
        assert!(!rule("0 9 28,31 * *").is_missing_short_months());
        assert!(!rule("0 9 L * *").is_missing_short_months());
        assert!(!rule("0 9 31 * MON").is_missing_short_months());
        for (text, ticks) in [
            ("*/15 9 * * *", true),
            ("0 */2 * * *", true),
            ("0,30 9-17 * * *", false),
        ] {
            assert_eq!(rule(text).is_ticking(), ticks, "{text}");
        }
    }
}
