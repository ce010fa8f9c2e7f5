//! A Live Activity shows each phase of a plan once and at its time, and its end last: over restarts, changes of plan and
//! pushes that were sent again, which carry the time by which the phone tells the newest.

use std::collections::{BTreeMap, HashSet};

use super::later::TOLERANCE;
use crate::books::activities::{Activity, Does, FIRST, KeptActivity, Plan, Pushed};
use crate::books::received::Meaning;
use crate::books::{Books, Micros};

pub(super) fn check(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    for activity in &books.activities {
        let told = judge(activity);
        let name = &activity.name;
        found.extend(
            told.into_iter()
                .map(|what| format!("activity {name} {what}")),
        );
    }
    found
}

fn judge(activity: &Activity) -> Vec<String> {
    let is_accepted = activity
        .plans
        .first()
        .is_some_and(|plan| plan.answered.is_some());
    let Some(kept) = &activity.kept else {
        return match is_accepted {
            true => vec!["was declared and is not in the store".to_owned()],
            false => Vec::new(),
        };
    };
    let mut found = judge_pushes(activity);
    found.extend(judge_records(activity, kept));
    found
}

/// Pushes as the phone takes them: by their time, each once.
fn judge_pushes(activity: &Activity) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut order: Vec<&Pushed> = activity
        .pushes
        .iter()
        .filter(|push| seen.insert(push.own_id))
        .collect();
    order.sort_by_key(|push| push.timestamp);
    for push in &order {
        if let Some(early) = early(activity, push) {
            found.push(format!(
                "showed {} of plan {} {early} ms early",
                push.shows, push.plan
            ));
        }
    }
    for pair in order.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        let shown = |push: &Pushed| format!("{:?} {} of plan {}", push.does, push.shows, push.plan);
        let is_again = before.does == Does::Start && after.does == Does::Start;
        if before.timestamp == after.timestamp {
            found.push(format!(
                "was pushed {} and {} with one time",
                shown(before),
                shown(after)
            ));
        }
        if is_again {
            if !is_shown_by_nobody(activity, before) {
                found.push("was started twice".to_owned());
            }
        } else if (after.plan, after.shows) <= (before.plan, before.shows) {
            found.push(format!(
                "was pushed {} and then {}",
                shown(before),
                shown(after)
            ));
        }
        if before.does == Does::End {
            found.push(format!("was pushed {} after its end", shown(after)));
        }
    }
    found
}

/// Whether a push was refused, for good or for now, as often as it was sent. Of activities, which go to Apple's gateway alone,
/// a refusal leaves no doubt.
fn is_shown_by_nobody(activity: &Activity, push: &Pushed) -> bool {
    let mut tries = activity
        .pushes
        .iter()
        .filter(|other| other.own_id == push.own_id);
    tries.all(|one| matches!(one.meaning, Meaning::Refused | Meaning::TryAgain))
}

/// How many milliseconds a push came before its time.
fn early(activity: &Activity, push: &Pushed) -> Option<i64> {
    let Some(plan) = (push.plan as usize)
        .checked_sub(1)
        .and_then(|at| activity.plans.get(at))
    else {
        return Some(0);
    };
    let [(_, one), (_, two)] = activity.phases(plan);
    let due = match push.shows {
        FIRST if activity.is_pushed => activity.starts_at,
        FIRST => plan.sent,
        1 => one,
        2 => two,
        _ => activity
            .end_asked
            .map_or(plan.ends_at, |asked| asked.min(plan.ends_at)),
    };
    // A later plan is shown after somebody asked for it.
    let early = due.max(plan.sent) - TOLERANCE - push.at;
    (early > 0).then_some(early / 1000)
}

fn judge_records(activity: &Activity, kept: &KeptActivity) -> Vec<String> {
    let mut found = Vec::new();
    let ends: Vec<_> = kept
        .records
        .iter()
        .filter(|record| matches!(record.what.as_str(), "ended" | "cancelled"))
        .collect();
    let [end] = ends.as_slice() else {
        found.push(format!(
            "is {} and has {} ends on record",
            kept.state,
            ends.len()
        ));
        return found;
    };
    let mut times: BTreeMap<(&str, Micros), u32> = BTreeMap::new();
    for record in &kept.records {
        if let Some(phase) = &record.phase {
            *times.entry((phase, record.due)).or_default() += 1;
        }
        if record.at < record.due - TOLERANCE {
            found.push(format!("has {} on record before its time", record.what));
        }
    }
    found.extend(
        times
            .iter()
            .filter(|(_, count)| **count > 1)
            .map(|((phase, due), count)| {
                format!("has phase {phase} of {due} on record {count} times")
            }),
    );
    // It never began, or ended before anything could.
    if end.what == "cancelled" || kept.ended_by == "missed" {
        return found;
    }
    let last = activity.plans.last().filter(|_| !is_in_question(activity));
    let Some(last) = last else {
        return found;
    };
    for (phase, due) in activity.phases(last) {
        // A change that came after its time, or that was asked for before it and done after, may leave it as it was.
        let is_known = last.answered.is_some_and(|answered| answered < due);
        let is_there = kept.records.iter().any(|record| {
            record.phase.as_deref() == Some(phase) && (record.due == due || !is_known)
        });
        if due <= end.due && !is_there {
            found.push(format!(
                "has nothing on record of phase {phase}, due at {due}"
            ));
        }
    }
    if activity.end_asked.is_none() && end.due != last.ends_at {
        found.push(format!(
            "ended at {}, and is to end at {}",
            end.due, last.ends_at
        ));
    }
    found
}

/// Whether nobody knows which plan counts.
fn is_in_question(activity: &Activity) -> bool {
    activity
        .plans
        .iter()
        .any(|plan: &Plan| plan.answered.is_none())
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use super::*;
    use crate::books::SECOND;
    use crate::books::activities::LAST;
    use crate::laws::Law;
    use crate::laws::forge::{Forged, START, true_books};

    /// One that went well: declared for ten seconds, from its second second on.
    fn books() -> Forged {
        let mut books = true_books();
        books.activity();
        books
    }

    fn activity(books: &mut Forged) -> &mut Activity {
        &mut books.0.activities[0]
    }

    fn records(books: &mut Forged) -> &mut Vec<crate::books::activities::Record> {
        &mut activity(books).kept.as_mut().unwrap().records
    }

    #[test]
    fn each_phase_once_and_the_end_last_is_fine() {
        books().holds();
        // Sent again, in doubt.
        let mut again = books();
        let push = activity(&mut again).pushes[1];
        activity(&mut again).pushes.push(push);
        again.holds();
    }

    /// Its plan was changed two seconds before its end, to another one eight seconds later.
    fn changed() -> Forged {
        let mut changed = books();
        let one = activity(&mut changed);
        let end = one.pushes.pop().unwrap();
        let sent = START + 10 * SECOND;
        one.plans.push(Plan {
            ends_at: START + 20 * SECOND,
            sent,
            answered: Some(sent + 1),
        });
        for (place, shows) in [1, 2, LAST].into_iter().enumerate() {
            let second = [11, 17, 20][place];
            one.pushes.push(Pushed {
                does: if shows == LAST {
                    Does::End
                } else {
                    Does::Update
                },
                own_id: Some(100 + place as u128),
                at: START + second * SECOND,
                timestamp: end.timestamp + second,
                plan: 2,
                shows,
                meaning: Meaning::Taken,
            });
        }
        let mut two = records(&mut changed)[1].clone();
        (two.due, two.at) = (START + 17 * SECOND, START + 17 * SECOND);
        records(&mut changed).insert(2, two);
        let end = records(&mut changed).last_mut().unwrap();
        (end.due, end.at) = (START + 20 * SECOND, START + 20 * SECOND);
        changed
    }

    #[test]
    fn a_change_of_plan_goes_back() {
        changed().holds();
        // By the plan before.
        let mut changed = changed();
        records(&mut changed).last_mut().unwrap().due = START + 12 * SECOND;
        changed.breaks(&[Law::Activities], "and is to end at");
    }

    #[test]
    fn a_phase_that_is_shown_twice_is_found() {
        let mut twice = books();
        let mut push = activity(&mut twice).pushes[1];
        (push.own_id, push.timestamp) = (Some(77), push.timestamp + 1);
        activity(&mut twice).pushes.insert(2, push);
        twice.breaks(
            &[Law::Activities],
            "was pushed Update 1 of plan 1 and then Update 1 of plan 1",
        );

        let mut recorded = books();
        let record = records(&mut recorded)[0].clone();
        records(&mut recorded).insert(1, record);
        recorded.breaks(&[Law::Activities], "on record 2 times");
    }

    #[test]
    fn a_phase_before_its_time_is_found() {
        let mut early = books();
        activity(&mut early).pushes[2].at -= SECOND;
        early.breaks(&[Law::Activities], "showed 2 of plan 1 950 ms early");

        let mut recorded = books();
        records(&mut recorded)[1].at -= SECOND;
        recorded.breaks(&[Law::Activities], "on record before its time");
    }

    #[test]
    fn times_that_do_not_rise_are_found() {
        let mut same = books();
        activity(&mut same).pushes[1].timestamp = activity(&mut same).pushes[0].timestamp;
        same.breaks(&[Law::Activities], "with one time");

        let mut back = books();
        activity(&mut back).pushes[3].timestamp -= 1_000;
        back.breaks(&[Law::Activities], "after its end");
    }

    #[test]
    fn what_is_missing_is_found() {
        let mut phase = books();
        records(&mut phase).remove(1);
        phase.breaks(&[Law::Activities], "nothing on record of phase two");

        let mut end = books();
        records(&mut end).pop();
        end.breaks(&[Law::Activities], "has 0 ends on record");

        let mut lost = books();
        activity(&mut lost).kept = None;
        lost.breaks(&[Law::Activities], "is not in the store");
    }

    /// One that was started, got these answers to its tries, and was started again by another push.
    fn started_again(answers: &[Meaning]) -> Forged {
        let mut books = books();
        let pushes = &mut activity(&mut books).pushes;
        let mut push = pushes.remove(0);
        push.does = Does::Start;
        for (place, meaning) in answers.iter().enumerate() {
            push.meaning = *meaning;
            pushes.insert(place, push);
        }
        (push.own_id, push.timestamp) = (Some(55), push.timestamp + 1);
        push.meaning = Meaning::Taken;
        pushes.insert(answers.len(), push);
        books
    }

    #[test]
    fn what_nobody_shows_may_be_started_again() {
        started_again(&[Meaning::Refused]).holds();
        started_again(&[Meaning::TryAgain; 3]).holds();
        started_again(&[Meaning::TryAgain, Meaning::Refused]).holds();
    }

    #[test]
    fn one_that_is_started_twice_is_found() {
        for last in [Meaning::Taken, Meaning::Silent] {
            for answers in [
                &[last][..],
                &[Meaning::TryAgain, last],
                &[Meaning::Refused, last],
                &[last, Meaning::TryAgain],
            ] {
                started_again(answers).breaks(&[Law::Activities], "was started twice");
            }
        }
    }
}
