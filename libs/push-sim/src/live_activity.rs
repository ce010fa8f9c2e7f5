//! What a phone does with Live Activity pushes.
//!
//! Source: "Starting and updating Live Activities with ActivityKit push notifications" and
//! "Displaying live data with Live Activities". The wire says 200 to all of this; only the phone
//! knows whether anything happened.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longest time an activity is updated.
const MAX_ACTIVE_SECS: i64 = 8 * 3600;
/// Longest time an ended activity stays on the Lock Screen.
const MAX_LINGER_SECS: i64 = 4 * 3600;

/// How an activity looks on the phone at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityState {
    /// Shown and up to date.
    Active,
    /// Shown, but its stale date has passed.
    Stale,
    /// Ended, its last state still on the Lock Screen.
    Ended,
    /// Gone from the screen.
    Dismissed,
}

/// Most changes of one activity that are remembered; beyond it the second oldest is forgotten.
const MAX_SCREENS: usize = 500;

/// What happened to an activity on a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityChange {
    /// It appeared.
    Started,
    /// A push changed what it shows.
    Updated,
    /// Its stale date passed without an update.
    Stale,
    /// It ended: by push, or by the system after eight hours.
    Ended,
    /// It left the Lock Screen.
    Left,
}

/// What an activity shows from a moment on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Screen {
    /// When it came, Unix seconds by the phone's clock.
    pub(crate) at: i64,
    /// Started, updated or ended.
    pub(crate) change: ActivityChange,
    /// Of the push.
    pub(crate) timestamp: i64,
    pub(crate) content_state: Value,
    /// What called attention then.
    pub(crate) alert: Option<Value>,
    pub(crate) stale_at: Option<i64>,
    pub(crate) dismissal_at: Option<i64>,
}

impl Screen {
    /// When it stopped taking updates, if it has by `now`.
    fn ended_at(&self, started_at: i64, now: i64) -> Option<i64> {
        if self.change == ActivityChange::Ended {
            return Some(self.at);
        }
        let system_end = started_at + MAX_ACTIVE_SECS;
        (now >= system_end).then_some(system_end)
    }

    /// When it leaves the Lock Screen, having ended.
    fn leaves_at(&self, ended_at: i64) -> i64 {
        let latest = ended_at + MAX_LINGER_SECS;
        self.dismissal_at.map_or(latest, |at| at.min(latest))
    }

    pub(crate) fn state(&self, started_at: i64, now: i64) -> ActivityState {
        match self.ended_at(started_at, now) {
            Some(ended) if now >= self.leaves_at(ended) => ActivityState::Dismissed,
            Some(_) => ActivityState::Ended,
            None if self.stale_at.is_some_and(|stale| now >= stale) => ActivityState::Stale,
            None => ActivityState::Active,
        }
    }
}

/// An activity that the app starts itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewActivity {
    /// Bundle ID, where the phone has several apps.
    #[serde(default)]
    pub app: Option<String>,
    /// Swift type of the attributes.
    pub attributes_type: String,
    /// Static data.
    #[serde(default)]
    pub attributes: Map<String, Value>,
    /// What it shows at first.
    #[serde(default)]
    pub content_state: Map<String, Value>,
    /// When that is outdated, Unix seconds.
    #[serde(default)]
    pub stale_at: Option<i64>,
}

/// A Live Activity on a phone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Activity {
    pub(crate) attributes_type: String,
    pub(crate) attributes: Value,
    pub(crate) update_token: Option<Box<[u8]>>,
    pub(crate) channel: Option<String>,
    pub(crate) started_at: i64,
    /// What it showed over time, the start first; never empty.
    screens: Vec<Screen>,
    pub(crate) updates: u32,
    pub(crate) ignored: u32,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happened {
    Started(Box<Activity>),
    Updated,
    Ended,
    Nothing,
}

fn number(aps: &Value, name: &str) -> Option<i64> {
    aps.get(name)?.as_f64().map(|value| value as i64)
}

/// The `aps` dictionary of a payload.
pub(crate) fn aps_of(payload: &[u8]) -> Option<Value> {
    let mut payload: Value = serde_json::from_slice(payload).ok()?;
    payload.get_mut("aps").map(Value::take)
}

/// A push to the push-to-start token. Every part that Apple demands must be there, `alert` too.
pub(crate) fn start(aps: &Value, now: i64) -> Happened {
    let alert = aps.get("alert").filter(|alert| !alert.is_null());
    let complete = aps.get("event").and_then(Value::as_str) == Some("start")
        && alert.is_some()
        && aps.get("attributes").is_some_and(Value::is_object)
        && aps.get("content-state").is_some_and(Value::is_object);
    let (true, Some(timestamp), Some(attributes_type)) = (
        complete,
        number(aps, "timestamp"),
        aps.get("attributes-type").and_then(Value::as_str),
    ) else {
        return Happened::Nothing;
    };
    Happened::Started(Box::new(Activity {
        attributes_type: attributes_type.to_owned(),
        attributes: aps["attributes"].clone(),
        update_token: None,
        channel: aps
            .get("input-push-channel")
            .and_then(Value::as_str)
            .map(str::to_owned),
        started_at: now,
        screens: vec![Screen {
            at: now,
            change: ActivityChange::Started,
            timestamp,
            content_state: aps["content-state"].clone(),
            alert: alert.cloned(),
            stale_at: number(aps, "stale-date"),
            dismissal_at: None,
        }],
        updates: 0,
        ignored: 0,
    }))
}

impl Activity {
    /// One that the app starts: any push is newer than what it shows.
    pub(crate) fn by_app(new: &NewActivity, now: i64) -> Activity {
        Activity {
            attributes_type: new.attributes_type.clone(),
            attributes: Value::Object(new.attributes.clone()),
            update_token: None,
            channel: None,
            started_at: now,
            screens: vec![Screen {
                at: now,
                change: ActivityChange::Started,
                timestamp: 0,
                content_state: Value::Object(new.content_state.clone()),
                alert: None,
                stale_at: new.stale_at,
                dismissal_at: None,
            }],
            updates: 0,
            ignored: 0,
        }
    }

    /// A push to the update token, or a broadcast on the channel.
    pub(crate) fn receive(&mut self, aps: &Value, now: i64) -> Happened {
        let happened = self.apply(aps, now);
        match happened {
            Happened::Nothing => self.ignored += 1,
            _ => self.updates += 1,
        }
        happened
    }

    fn apply(&mut self, aps: &Value, now: i64) -> Happened {
        let Some(timestamp) = number(aps, "timestamp") else {
            return Happened::Nothing;
        };
        let shown = self.shown();
        if shown.ended_at(self.started_at, now).is_some() || timestamp <= shown.timestamp {
            return Happened::Nothing;
        }
        let content_state = aps.get("content-state").filter(|state| state.is_object());
        let mut screen = Screen {
            at: now,
            change: ActivityChange::Updated,
            timestamp,
            content_state: content_state.unwrap_or(&shown.content_state).clone(),
            alert: aps.get("alert").filter(|alert| !alert.is_null()).cloned(),
            stale_at: number(aps, "stale-date"),
            dismissal_at: None,
        };
        let happened = match aps.get("event").and_then(Value::as_str) {
            Some("update") if content_state.is_some() => Happened::Updated,
            Some("end") => {
                screen.change = ActivityChange::Ended;
                screen.dismissal_at = number(aps, "dismissal-date");
                Happened::Ended
            }
            _ => return Happened::Nothing,
        };
        if self.screens.len() >= MAX_SCREENS {
            // The start stays: it says since when the activity is there.
            self.screens.remove(1);
        }
        self.screens.push(screen);
        happened
    }

    /// What it shows now.
    pub(crate) fn shown(&self) -> &Screen {
        #[expect(
            clippy::expect_used,
            reason = "made with one, and none is taken out of the last"
        )]
        self.screens.last().expect("an activity shows something")
    }

    /// What it showed at a moment; `None`: it was not there yet.
    pub(crate) fn shown_at(&self, at: i64) -> Option<&Screen> {
        self.screens.iter().rev().find(|screen| screen.at <= at)
    }

    pub(crate) fn state(&self, now: i64) -> ActivityState {
        self.shown().state(self.started_at, now)
    }

    /// Whether it takes updates.
    pub(crate) fn is_running(&self, now: i64) -> bool {
        self.shown().ended_at(self.started_at, now).is_none()
    }

    /// All that happened to it by `now`, oldest first: when, what, and what it showed from then on.
    pub(crate) fn changes(&self, now: i64) -> Vec<(i64, ActivityChange, &Screen)> {
        let mut changes = Vec::new();
        for (at, screen) in self.screens.iter().enumerate() {
            changes.push((screen.at, screen.change, screen));
            if screen.change == ActivityChange::Ended {
                continue;
            }
            let next = self.screens.get(at + 1).map(|next| next.at);
            let until = next.unwrap_or(self.started_at + MAX_ACTIVE_SECS);
            let stale = screen.stale_at.map(|stale| stale.max(screen.at));
            changes.extend(
                stale
                    .filter(|stale| *stale < until)
                    .map(|stale| (stale, ActivityChange::Stale, screen)),
            );
        }
        let last = self.shown();
        if let Some(ended) = last.ended_at(self.started_at, now) {
            if last.change != ActivityChange::Ended {
                changes.push((ended, ActivityChange::Ended, last));
            }
            changes.push((last.leaves_at(ended).max(ended), ActivityChange::Left, last));
        }
        changes.retain(|(at, ..)| *at <= now);
        changes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn started() -> Activity {
        let aps = json!({"timestamp": 100, "event": "start", "attributes-type": "T",
            "attributes": {}, "content-state": {"n": 0}, "alert": {"title": "x"}});
        match start(&aps, 1000) {
            Happened::Started(activity) => *activity,
            other => panic!("{other:?}"),
        }
    }

    fn update(timestamp: i64, n: i64) -> Value {
        json!({"timestamp": timestamp, "event": "update", "content-state": {"n": n}})
    }

    #[test]
    fn older_or_equal_timestamps_do_nothing() {
        let mut activity = started();
        assert_eq!(activity.receive(&update(160, 1), 1001), Happened::Updated);
        assert_eq!(activity.receive(&update(159, 2), 1002), Happened::Nothing);
        assert_eq!(activity.receive(&update(160, 3), 1002), Happened::Nothing);
        assert_eq!(activity.shown().content_state, json!({"n": 1}));
        assert_eq!((activity.updates, activity.ignored), (1, 2));
    }

    #[test]
    fn start_needs_every_part() {
        let whole = json!({"timestamp": 100, "event": "start", "attributes-type": "T",
            "attributes": {}, "content-state": {}, "alert": {}});
        assert!(matches!(start(&whole, 0), Happened::Started(_)));
        for part in [
            "timestamp",
            "event",
            "attributes-type",
            "attributes",
            "content-state",
            "alert",
        ] {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().remove(part);
            assert_eq!(start(&less, 0), Happened::Nothing, "without {part}");
        }
    }

    #[test]
    fn end_is_final_and_the_screen_clears_later() {
        let mut activity = started();
        let end = json!({"timestamp": 400, "event": "end", "content-state": {"n": 9},
            "dismissal-date": 1700});
        assert_eq!(activity.receive(&end, 1400), Happened::Ended);
        assert_eq!(activity.receive(&update(500, 1), 1401), Happened::Nothing);
        assert_eq!(activity.state(1500), ActivityState::Ended);
        assert_eq!(activity.state(1700), ActivityState::Dismissed);
    }

    #[test]
    fn the_system_ends_it_after_eight_hours() {
        let mut activity = started();
        let end = 1000 + 8 * 3600;
        assert_eq!(activity.state(end - 1), ActivityState::Active);
        assert_eq!(activity.state(end), ActivityState::Ended);
        assert_eq!(activity.receive(&update(500, 1), end), Happened::Nothing);
        assert_eq!(activity.state(end + 4 * 3600), ActivityState::Dismissed);
    }

    #[test]
    fn stale_until_the_next_update() {
        let mut activity = started();
        let mut aps = update(160, 1);
        aps["stale-date"] = json!(2000);
        activity.receive(&aps, 1500);
        assert_eq!(activity.state(1999), ActivityState::Active);
        assert_eq!(activity.state(2000), ActivityState::Stale);
        activity.receive(&update(170, 2), 2001);
        assert_eq!(activity.state(2001), ActivityState::Active);
    }

    #[test]
    fn what_happened_can_be_read_for_any_moment() {
        let mut activity = started();
        let mut aps = update(160, 1);
        aps["stale-date"] = json!(2000);
        activity.receive(&aps, 1500);
        activity.receive(&update(170, 2), 2001);
        let end = json!({"timestamp": 400, "event": "end", "dismissal-date": 2700});
        activity.receive(&end, 2400);
        let told = |now| -> Vec<_> {
            let changes = activity.changes(now).into_iter();
            changes
                .map(|(at, change, screen)| (at, change, screen.content_state["n"].clone()))
                .collect()
        };
        use ActivityChange::{Ended, Left, Stale, Started, Updated};
        let all = [
            (1000, Started, json!(0)),
            (1500, Updated, json!(1)),
            (2000, Stale, json!(1)),
            (2001, Updated, json!(2)),
            (2400, Ended, json!(2)),
            (2700, Left, json!(2)),
        ];
        assert_eq!(told(2700), all);
        assert_eq!(told(2699), all[..5]);
        assert_eq!(activity.shown_at(999), None);
        assert_eq!(activity.shown_at(1999).unwrap().content_state["n"], 1);
    }

    #[test]
    fn what_the_system_ends_is_told_too() {
        let activity = started();
        let end = 1000 + 8 * 3600;
        let told: Vec<_> = activity
            .changes(end + 4 * 3600)
            .into_iter()
            .map(|(at, change, _)| (at, change))
            .collect();
        assert_eq!(
            told[1..],
            [
                (end, ActivityChange::Ended),
                (end + 4 * 3600, ActivityChange::Left)
            ]
        );
    }

    #[test]
    fn a_long_life_is_not_remembered_without_end() {
        let mut activity = started();
        for n in 1..=2 * MAX_SCREENS as i64 {
            activity.receive(&update(100 + n, n), 1000 + n);
        }
        assert_eq!(activity.screens.len(), MAX_SCREENS);
        assert_eq!(activity.screens[0].change, ActivityChange::Started);
        assert_eq!(activity.shown().content_state["n"], 2 * MAX_SCREENS);
    }
}
