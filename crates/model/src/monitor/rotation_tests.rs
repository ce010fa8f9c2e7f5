//! Who is on call when: turns, hours, overrides, clock changes and gaps.

use super::super::shifts::MAX_GAPS;
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn ms(text: &str) -> UnixMs {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn definition(body: Value) -> RotationDefinition {
    serde_json::from_value(body).unwrap()
}

const NOW: &str = "2026-03-02T00:00:00+01:00";

fn plan(body: Value) -> RotationPlan {
    definition(body).plan(ms(NOW)).unwrap()
}

#[test]
fn turns_go_from_one_to_the_next_by_the_clock_on_the_wall() {
    let plan = plan(json!({
        "time_zone": "Europe/Berlin",
        "layers": [{"members": ["ann", "bob", "cid"], "hand_over": {"weekday": "mon", "time": "09:00"}, "starts_on": "2026-03-02"}],
        "allow_gaps": true
    }));
    for (now, people) in [
        ("2026-03-02T08:59:59+01:00", vec![]),
        ("2026-03-02T09:00:00+01:00", vec!["ann", "bob", "cid"]),
        ("2026-03-09T08:59:59+01:00", vec!["ann", "bob", "cid"]),
        ("2026-03-09T09:00:00+01:00", vec!["bob", "cid", "ann"]),
        ("2026-03-23T09:00:00+01:00", vec!["ann", "bob", "cid"]),
        // The clock jumps on the 29th: 9:00 is an hour earlier.
        ("2026-03-30T08:59:59+02:00", vec!["ann", "bob", "cid"]),
        ("2026-03-30T09:00:00+02:00", vec!["bob", "cid", "ann"]),
    ] {
        assert_eq!(plan.people(ms(now)), people, "{now}");
    }
    assert_eq!(plan.everybody(ms(NOW)), ["ann", "bob", "cid"]);
    let shifts = plan.shifts(ms("2026-03-25T00:00:00Z"), ms("2026-04-10T00:00:00Z"), 2);
    assert_eq!(shifts.len(), 2);
    assert_eq!(shifts[0].until, ms("2026-03-30T09:00:00+02:00"));
    assert_eq!(
        (shifts[1].user.as_deref(), shifts[1].until),
        (Some("bob"), ms("2026-04-06T09:00:00+02:00"))
    );
}

#[test]
fn layers_with_hours_follow_each_other_and_overrides_come_first() {
    let plan = plan(json!({
        "time_zone": "Europe/Berlin",
        "layers": [
            {"members": ["day1", "day2"], "turn": "1d", "hours": {"from": "08:00", "to": "20:00"}, "hand_over": {"time": "08:00"}, "starts_on": "2026-01-01"},
            {"members": ["night1", "night2"]}
        ],
        "overrides": [{"user": "dora", "from": "2026-03-10T12:00:00+01:00", "until": "2026-03-10T14:00:00+01:00"}]
    }));
    for (now, people) in [
        (
            "2026-03-10T09:00:00+01:00",
            vec!["day1", "day2", "night2", "night1"],
        ),
        (
            "2026-03-10T12:00:00+01:00",
            vec!["dora", "day1", "day2", "night2", "night1"],
        ),
        (
            "2026-03-10T14:00:00+01:00",
            vec!["day1", "day2", "night2", "night1"],
        ),
        ("2026-03-10T20:00:00+01:00", vec!["night2", "night1"]),
        (
            "2026-03-11T08:00:00+01:00",
            vec!["day2", "day1", "night2", "night1"],
        ),
    ] {
        assert_eq!(plan.people(ms(now)), people, "{now}");
    }
    assert_eq!(plan.gaps(ms(NOW)), []);
    assert_eq!(
        plan.everybody(ms("2026-03-10T20:00:00+01:00")),
        ["night2", "night1", "day1", "day2"]
    );
}

#[test]
fn gaps_are_refused_and_shown() {
    let mut body = json!({
        "time_zone": "Europe/Berlin",
        "layers": [
            {"members": ["ann"], "hours": {"from": "08:00", "to": "20:00"}},
            {"members": ["bob"], "hours": {"from": "20:00", "to": "07:30"}}
        ]
    });
    let problems = definition(body.clone()).plan(ms(NOW)).unwrap_err();
    assert_eq!(
        (problems[0].pointer.as_str(), problems[0].code),
        ("/layers", "on_call.gap")
    );
    assert!(
        problems[0]
            .message
            .contains("from 2026-03-02T07:30:00+01:00 to 2026-03-02T08:00:00+01:00"),
        "{}",
        problems[0]
    );
    body["allow_gaps"] = json!(true);
    let plan = plan(body);
    let gaps = plan.gaps(ms(NOW));
    assert_eq!(
        (gaps.len(), gaps[0].until),
        (MAX_GAPS, Some(ms("2026-03-02T08:00:00+01:00")))
    );
    assert_eq!(plan.people(gaps[0].from), Vec::<&str>::new());
    // Hours that follow each other leave no gap where the clock jumps, forwards or back.
    let around = json!({
        "time_zone": "Europe/Berlin",
        "layers": [
            {"members": ["ann"], "hours": {"from": "02:30", "to": "14:00"}},
            {"members": ["bob"], "hours": {"from": "14:00", "to": "02:30"}}
        ]
    });
    for now in ["2026-03-15T00:00:00Z", "2026-10-15T00:00:00Z"] {
        assert!(definition(around.clone()).plan(ms(now)).is_ok(), "{now}");
    }
    let future =
        json!({"time_zone": "UTC", "layers": [{"members": ["ann"], "starts_on": "2030-01-01"}]});
    let problems = definition(future).plan(ms(NOW)).unwrap_err();
    assert!(
        problems[0]
            .message
            .contains("a gap from 2026-03-01T23:00:00"),
        "{}",
        problems[0]
    );
}

#[test]
fn mistakes_have_their_pointer() {
    let with = |change: Value| {
        let mut layer = json!({"members": ["ann"]});
        for (name, value) in change.as_object().unwrap() {
            layer[name] = value.clone();
        }
        json!({"time_zone": "UTC", "layers": [layer]})
    };
    let stand_in = |from: &str, until: &str| json!({"time_zone": "UTC", "layers": [{"members": ["ann"]}], "overrides": [{"user": "bob", "from": from, "until": until}]});
    for (body, pointer) in [
        (
            json!({"time_zone": "Berlin", "layers": [{"members": ["ann"]}]}),
            "/time_zone",
        ),
        (json!({"time_zone": "UTC", "layers": []}), "/layers"),
        (with(json!({"members": []})), "/layers/0/members"),
        (with(json!({"members": ["ann", ""]})), "/layers/0/members/1"),
        (with(json!({"turn": "12h"})), "/layers/0/turn"),
        (with(json!({"turn": "367d"})), "/layers/0/turn"),
        (
            with(json!({"hand_over": {"time": "24:00"}})),
            "/layers/0/hand_over/time",
        ),
        (
            with(json!({"turn": "3d", "hand_over": {"weekday": "mon"}})),
            "/layers/0/hand_over/weekday",
        ),
        (
            with(json!({"starts_on": "2026-03-03", "hand_over": {"weekday": "mon"}})),
            "/layers/0/starts_on",
        ),
        (
            with(json!({"starts_on": "2026-02-30"})),
            "/layers/0/starts_on",
        ),
        (
            with(json!({"hours": {"from": "8", "to": "20:00"}})),
            "/layers/0/hours",
        ),
        (
            stand_in("today", "2026-01-01T00:00:00Z"),
            "/overrides/0/from",
        ),
        (
            stand_in("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            "/overrides/0/until",
        ),
    ] {
        let problems = definition(body.clone()).plan(ms(NOW)).unwrap_err();
        assert_eq!(problems.len(), 1, "{body}: {problems:?}");
        assert_eq!(problems[0].pointer, pointer, "{body}");
    }
}

#[test]
fn golden() {
    let stored = r#"{"time_zone":"Asia/Seoul","layers":[{"members":["ann"],"turn":"14d","hand_over":{"weekday":"fri","time":"10:00"},"hours":{"from":"08:00","to":"20:00","days":["mon","tue"]}}],"overrides":[{"user":"bob","from":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}],"allow_gaps":true}"#;
    let read: RotationDefinition = serde_json::from_str(stored).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), stored);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Turns follow each other without a hole, and within one it is one person at every instant.
    #[test]
    fn shifts_tile_the_time(
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Tehran"]),
        turn in 1..15i64, members in 1..5usize, time in 0..24 * 60u16,
        hours in proptest::option::of((0..24 * 60u16, 0..24 * 60u16)),
        from in 1_300_000_000_000i64..1_860_000_000_000, inside in 0.0..1.0f64,
    ) {
        let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let mut layer = json!({
            "members": (0..members).map(|no| format!("u{no}")).collect::<Vec<_>>(),
            "turn": format!("{turn}d"), "hand_over": {"time": clock(time)}
        });
        if let Some((from, to)) = hours.filter(|(from, to)| from != to) {
            layer["hours"] = json!({"from": clock(from), "to": clock(to)});
        }
        let plan = definition(json!({"time_zone": zone, "layers": [layer], "allow_gaps": true})).plan(from).unwrap();
        let until = from + 40 * DAY_MS;
        let shifts = plan.shifts(from, until, usize::MAX);
        prop_assert_eq!(shifts.first().map(|shift| shift.from), Some(from));
        prop_assert_eq!(shifts.last().map(|shift| shift.until), Some(until));
        for pair in shifts.windows(2) {
            prop_assert_eq!(pair[0].until, pair[1].from);
            prop_assert!(pair[0].user != pair[1].user);
        }
        for shift in &shifts {
            let length = shift.until - shift.from;
            prop_assert!(length > 0);
            for at in [shift.from, shift.from + (length as f64 * inside) as i64, shift.until - 1] {
                prop_assert_eq!(plan.people(at).first().copied(), shift.user.as_deref());
            }
        }
    }
}
