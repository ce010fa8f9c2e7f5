//! What a definition says, read as plainly as can be, with steady clocks and no holds.

use super::{SEC, Setting};
use crate::UnixMs;
use proptest::prelude::*;

/// Whether each check is good: at random, or for some time up and then for some time down.
pub(super) fn histories() -> impl Strategy<Value = Vec<bool>> {
    let run = prop_oneof![6 => 1..5usize, 1 => 20..25usize];
    let runs = proptest::collection::vec(run, 1..16).prop_map(|runs| {
        let runs = runs.iter().enumerate();
        let checks = runs.flat_map(|(place, count)| vec![place % 2 == 0; *count]);
        checks.collect::<Vec<bool>>()
    });
    prop_oneof![proptest::collection::vec(any::<bool>(), 1..80), runs]
}

/// What comes of these checks, a minute apart, and when.
pub(super) fn expected(
    setting: &Setting,
    checks: &[bool],
    start: UnixMs,
    end: UnixMs,
) -> Vec<(UnixMs, &'static str)> {
    let mut expected = Vec::new();
    let (mut bad, mut good, mut open_at, mut was_up) = (0, 0, None, None);
    let (mut changes, mut is_flapping) = (Vec::new(), false);
    let most = usize::from(setting.changes);
    for (place, is_up) in (0..).zip(checks) {
        let at = start + place * 60 * SEC;
        (bad, good) = if *is_up { (0, good + 1) } else { (bad + 1, 0) };
        let before = was_up.replace(*is_up);
        if before.is_some_and(|before| before != *is_up) {
            changes.push(at);
        }
        // The last change, or as many as there are to be, within 20 minutes; they count anew when that is over.
        let count = if is_flapping { 1 } else { most };
        let first = changes.len().checked_sub(count);
        let first = first.and_then(|first| changes.get(first));
        let flaps = most > 0 && first.is_some_and(|first| at - *first < 1_200 * SEC);
        if is_flapping && !flaps {
            changes.clear();
        }
        is_flapping = flaps;
        if open_at.is_none() && (bad >= setting.failures || is_flapping) {
            expected.push((at, "opened"));
            open_at = Some(at);
        } else if let Some(opened_at) = open_at
            && good >= setting.recoveries
            && !is_flapping
        {
            pages(setting, opened_at, at, &mut expected);
            expected.push((at, "resolved"));
            (open_at, bad) = (None, 0);
        }
    }
    if let Some(opened_at) = open_at {
        pages(setting, opened_at, end, &mut expected);
    }
    expected
}

fn pages(
    setting: &Setting,
    from: UnixMs,
    until: UnixMs,
    expected: &mut Vec<(UnixMs, &'static str)>,
) {
    let mut at = from;
    for round in 0..setting.rounds {
        at += if round > 0 { 240 * SEC } else { 0 };
        for secs in &setting.waits {
            at += secs * SEC;
            if at < until {
                expected.push((at, "paged"));
            }
        }
    }
}
