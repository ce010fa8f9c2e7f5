//! What a phone does with Live Activity pushes.
//!
//! Source: "Starting and updating Live Activities with ActivityKit push notifications" and
//! "Displaying live data with Live Activities". The wire says 200 to all of this; only the phone
//! knows whether anything happened.

use serde::Serialize;
use serde_json::Value;

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

/// A Live Activity on a phone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Activity {
    pub(crate) attributes_type: String,
    pub(crate) attributes: Value,
    pub(crate) content_state: Value,
    pub(crate) update_token: Option<Box<[u8]>>,
    pub(crate) channel: Option<String>,
    pub(crate) started_at: i64,
    pub(crate) timestamp: i64,
    pub(crate) stale_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) dismissal_at: Option<i64>,
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
    let complete = aps.get("event").and_then(Value::as_str) == Some("start")
        && aps.get("alert").is_some_and(|alert| !alert.is_null())
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
        content_state: aps["content-state"].clone(),
        update_token: None,
        channel: aps
            .get("input-push-channel")
            .and_then(Value::as_str)
            .map(str::to_owned),
        started_at: now,
        timestamp,
        stale_at: number(aps, "stale-date"),
        ended_at: None,
        dismissal_at: None,
        updates: 0,
        ignored: 0,
    }))
}

impl Activity {
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
        if self.end_of_life(now).is_some() || timestamp <= self.timestamp {
            return Happened::Nothing;
        }
        let content_state = aps.get("content-state").filter(|state| state.is_object());
        match aps.get("event").and_then(Value::as_str) {
            Some("update") => {
                let Some(content_state) = content_state else {
                    return Happened::Nothing;
                };
                self.content_state = content_state.clone();
                self.timestamp = timestamp;
                self.stale_at = number(aps, "stale-date");
                Happened::Updated
            }
            Some("end") => {
                if let Some(content_state) = content_state {
                    self.content_state = content_state.clone();
                }
                self.timestamp = timestamp;
                self.ended_at = Some(now);
                self.dismissal_at = number(aps, "dismissal-date");
                Happened::Ended
            }
            _ => Happened::Nothing,
        }
    }

    /// When the activity stopped taking updates, if it has.
    pub(crate) fn end_of_life(&self, now: i64) -> Option<i64> {
        let system_end = self.started_at + MAX_ACTIVE_SECS;
        self.ended_at.or((now >= system_end).then_some(system_end))
    }

    pub(crate) fn state(&self, now: i64) -> ActivityState {
        let Some(ended) = self.end_of_life(now) else {
            return match self.stale_at {
                Some(stale) if now >= stale => ActivityState::Stale,
                _ => ActivityState::Active,
            };
        };
        let latest = ended + MAX_LINGER_SECS;
        let gone = self.dismissal_at.map_or(latest, |at| at.min(latest));
        if now >= gone {
            ActivityState::Dismissed
        } else {
            ActivityState::Ended
        }
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
        assert_eq!(activity.content_state, json!({"n": 1}));
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
}
