//! Schedules over years and around the world: against a clock that is watched minute by minute.

use super::*;
use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use serde_json::json;

/// With changes of half an hour (Lord Howe), at midnight and back again (Casablanca, twice a year around
/// Ramadan), none at all, and with offsets of three quarters of an hour.
const ZONES: [&str; 12] = [
    "UTC",
    "Asia/Seoul",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "America/Havana",
];

fn plan(cron: &str, zone: &str) -> SchedulePlan {
    let definition: ScheduleDefinition = serde_json::from_value(json!({
        "cron": cron, "time_zone": zone, "notification": {"target": {"all": true}}
    }))
    .unwrap();
    definition
        .plan()
        .unwrap_or_else(|problems| panic!("{cron} {zone}: {problems:?}"))
}

fn ms(text: &str) -> UnixMs {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

/// The times after `after`, by the zone's own clock.
fn local(cron: &str, zone: &str, after: &str, count: usize) -> Vec<(String, ClockChange)> {
    let plan = plan(cron, zone);
    let times = plan.preview(ms(after), count);
    times
        .iter()
        .map(|next| (next.local(plan.zone()), next.change))
        .collect()
}

#[test]
fn a_time_of_day_comes_once_whatever_the_clock_does() {
    use ClockChange::{FirstOfTwo, None, Skipped};
    // Berlin jumps on 2026-03-29 from 2:00 to 3:00, and on 2026-10-25 back from 3:00 to 2:00.
    for (cron, zone, after, expected) in [
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T00:00:00Z",
            vec![
                ("2026-03-28T02:30:00+01:00", None),
                ("2026-03-29T03:00:00+02:00", Skipped),
                ("2026-03-30T02:30:00+02:00", None),
            ],
        ),
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            vec![
                ("2026-10-25T02:30:00+02:00", FirstOfTwo),
                ("2026-10-26T02:30:00+01:00", None),
            ],
        ),
        // Two times in one gap, and one at its end, are one.
        (
            "15,45 2,3 * * *",
            "Europe/Berlin",
            "2026-03-29T00:00:00Z",
            vec![
                ("2026-03-29T03:00:00+02:00", Skipped),
                ("2026-03-29T03:15:00+02:00", None),
                ("2026-03-29T03:45:00+02:00", None),
                ("2026-03-30T02:15:00+02:00", None),
            ],
        ),
        // After the repeated hour, the time that ends it.
        (
            "0 3 * * *",
            "Europe/Berlin",
            "2026-10-25T01:30:00Z",
            vec![("2026-10-25T03:00:00+01:00", None)],
        ),
        // Half an hour, at 2:00, in April back.
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-03T15:30:00Z",
            vec![
                ("2026-04-05T01:45:00+11:00", FirstOfTwo),
                ("2026-04-06T01:45:00+10:30", None),
            ],
        ),
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T00:00:00Z",
            vec![
                ("2026-10-04T02:30:00+11:00", Skipped),
                ("2026-10-05T02:15:00+11:00", None),
            ],
        ),
        // Midnight itself is jumped over: the date begins at 1:00.
        (
            "0 0 * * *",
            "America/Havana",
            "2026-03-07T12:00:00Z",
            vec![
                ("2026-03-08T01:00:00-04:00", Skipped),
                ("2026-03-09T00:00:00-04:00", None),
            ],
        ),
        // Apia left out 2011-12-30, a Friday.
        (
            "0 9 * * *",
            "Pacific/Apia",
            "2011-12-29T00:00:00Z",
            vec![
                ("2011-12-29T09:00:00-10:00", None),
                ("2011-12-31T09:00:00+14:00", None),
            ],
        ),
        (
            "0 9 * * FRI",
            "Pacific/Apia",
            "2011-12-29T00:00:00Z",
            vec![("2012-01-06T09:00:00+14:00", None)],
        ),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(text, change)| (text.to_owned(), change))
            .collect();
        let found = local(cron, zone, after, expected.len());
        assert_eq!(found, expected, "{cron} {zone}");
    }
}

#[test]
fn ticking_goes_on_evenly() {
    use ClockChange::{Both, None};
    for (cron, after, expected) in [
        (
            "*/30 * * * *",
            "2026-03-29T00:20:00Z",
            vec![
                ("2026-03-29T01:30:00+01:00", None),
                ("2026-03-29T03:00:00+02:00", None),
                ("2026-03-29T03:30:00+02:00", None),
            ],
        ),
        (
            "*/30 * * * *",
            "2026-10-25T00:20:00Z",
            vec![
                ("2026-10-25T02:30:00+02:00", Both),
                ("2026-10-25T02:00:00+01:00", Both),
                ("2026-10-25T02:30:00+01:00", Both),
                ("2026-10-25T03:00:00+01:00", None),
            ],
        ),
        // What is jumped over does not come: on this day it rests.
        (
            "*/30 2 * * *",
            "2026-03-28T02:00:00Z",
            vec![("2026-03-30T02:00:00+02:00", None)],
        ),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(text, change)| (text.to_owned(), change))
            .collect();
        let found = local(cron, "Europe/Berlin", after, expected.len());
        assert_eq!(found, expected, "{cron}");
    }
}

#[test]
fn every_date_of_five_years_once() {
    for zone in ZONES {
        for time in ["0 0", "15 2", "30 2", "45 23"] {
            let plan = plan(&format!("{time} * * *"), zone);
            let mut date = Date::new(2024, 1, 1).unwrap();
            let before = date.to_zoned(plan.zone().clone()).unwrap();
            let mut at = before.timestamp().as_millisecond() - 1;
            while date.year() < 2029 {
                let next = plan.next(at).unwrap();
                assert!(next.at > at, "{time} {zone} {date}");
                assert_eq!(next.meant.date(), date, "{time} {zone}");
                (at, date) = (next.at, date.tomorrow().unwrap());
            }
        }
    }
}

#[test]
fn leap_days() {
    for zone in ZONES {
        let plan = plan("0 12 29 2 *", zone);
        let dates: Vec<_> = plan
            .preview(ms("2023-01-01T00:00:00Z"), 3)
            .iter()
            .map(|next| next.meant.date())
            .collect();
        let expected = [2024, 2028, 2032].map(|year| Date::new(year, 2, 29).unwrap());
        assert_eq!(dates, expected, "{zone}");
    }
}

#[test]
fn notes_say_what_the_clock_does() {
    let plan = plan("30 2 * * *", "Europe/Berlin");
    let note = |after: &str| plan.next(ms(after)).unwrap().note();
    assert_eq!(note("2026-03-27T12:00:00Z"), None);
    let skipped = note("2026-03-28T12:00:00Z").unwrap();
    assert!(skipped.contains("jumps over 02:30"), "{skipped}");
    let twice = note("2026-10-24T12:00:00Z").unwrap();
    assert!(twice.contains("the first time"), "{twice}");
}

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

/// What a clock that is looked at every minute would make of it, after `start` and up to `end`.
fn watched(plan: &SchedulePlan, start: UnixMs, end: UnixMs) -> Vec<UnixMs> {
    let shown = |at: UnixMs| -> DateTime {
        let at = Timestamp::from_millisecond(at).unwrap();
        plan.zone().to_datetime(at)
    };
    let rule = &plan.rule;
    let mut due = Vec::new();
    // What the clock has shown before, also before it was set back.
    let mut at = start - 2 * DAY;
    let mut furthest = shown(at);
    while at < end {
        at += MINUTE;
        let now = shown(at);
        let is_due = if rule.is_ticking() {
            rule.matches(now)
        } else {
            let mut reached = false;
            while furthest < now {
                furthest = furthest.checked_add(1.minute()).unwrap();
                reached |= rule.matches(furthest);
            }
            reached
        };
        if is_due && at > start {
            due.push(at);
        }
    }
    due
}

fn patterns() -> impl Strategy<Value = String> {
    let minute = prop::sample::select(vec![
        "0", "30", "59", "0,15,45", "20-25", "*", "*/7", "*/30",
    ]);
    let hour = prop::sample::select(vec![
        "0", "1", "2", "3", "23", "0-4", "1,2,3", "*", "*/2", "*/5",
    ]);
    let day = prop::sample::select(vec!["*", "*", "*", "L", "25-31", "*/2"]);
    let weekday = prop::sample::select(vec!["*", "*", "*", "SUN", "SAT,SUN,MON"]);
    (minute, hour, day, weekday)
        .prop_map(|(minute, hour, day, weekday)| format!("{minute} {hour} {day} * {weekday}"))
}

/// Minutes of 2024 to 2028, mostly near a change of the zone's clock.
fn starts() -> impl Strategy<Value = (&'static str, UnixMs)> {
    let minutes = ms("2024-01-01T00:00:00Z") / MINUTE..ms("2029-01-01T00:00:00Z") / MINUTE;
    (
        prop::sample::select(&ZONES[..]),
        minutes,
        -36i64 * 60..12 * 60,
        any::<bool>(),
    )
        .prop_map(|(name, minute, near, is_near)| {
            let zone = crate::time_zone::parse(name).unwrap();
            let at = Timestamp::from_millisecond(minute * MINUTE).unwrap();
            let change = zone.following(at).next().filter(|_| is_near);
            let minute = change.map_or(minute, |change| {
                change.timestamp().as_millisecond() / MINUTE + near
            });
            (name, minute * MINUTE)
        })
}

proptest! {
    #[test]
    fn it_is_due_when_a_watched_clock_says_so(
        cron in patterns(), (zone, start) in starts(), early in 0..MINUTE
    ) {
        let plan = plan(&cron, zone);
        let end = start + 2 * DAY;
        let found: Vec<_> = std::iter::successors(plan.next(start), |last| plan.next(last.at))
            .map(|next| next.at)
            .take_while(|at| *at <= end)
            .collect();
        prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert_eq!(&found, &watched(&plan, start, end));
        // Between two minutes it is the same.
        let between = plan.next(start - early).map(|next| next.at);
        let first = plan.next(start - MINUTE).map(|next| next.at);
        if early > 0 && first.is_some_and(|at| at < start) {
            prop_assert!(between >= first);
        }
        if let Some(at) = between {
            prop_assert!(at > start - early && at % MINUTE == 0);
        }
    }

    #[test]
    fn what_fires_matches_or_says_why_not(cron in patterns(), (zone, start) in starts()) {
        let plan = plan(&cron, zone);
        for next in plan.preview(start, 10) {
            let shown = plan.zone().to_datetime(Timestamp::from_millisecond(next.at).unwrap());
            prop_assert!(plan.rule.matches(next.meant));
            match next.change {
                ClockChange::Skipped => prop_assert!(shown > next.meant),
                _ => prop_assert_eq!(shown, next.meant),
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(cron in "[0-9A-Z*,/?#+@L -]{0,24}|.{0,24}", at in any::<i64>()) {
        let read = serde_json::from_value::<ScheduleDefinition>(json!({
            "cron": cron, "time_zone": "Europe/Berlin", "notification": {"target": {"all": true}}
        }));
        if let Ok(plan) = read.unwrap().plan() {
            for at in [at, 1_795_867_200_000] {
                if let Some(next) = plan.next(at) {
                    prop_assert!(next.at > at && plan.rule.matches(next.meant));
                }
            }
        }
    }
}
