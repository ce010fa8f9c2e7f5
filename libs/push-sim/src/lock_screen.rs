//! What the Lock Screen of a phone shows of Live Activities, for reading: now, at any moment before, and
//! how it came about. What a push does to an activity is in [`crate::live_activity`].

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use crate::live_activity::{Activity, ActivityChange, ActivityState, Screen};

/// What a phone shows at one moment.
///
/// As text it is what its owner would read:
///
/// ```text
/// phone 1 at Tue, 01 Dec 2026 07:45:30 GMT
///   LessonAttributes, active, since Tue, 01 Dec 2026 07:00:01 GMT
///     academyName: Seoul Piano
///     status: ending
///     told at Tue, 01 Dec 2026 07:45:00 GMT: "Lesson: Nearly over"
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LockScreen {
    /// Number of the phone.
    pub phone: u32,
    /// The moment, Unix milliseconds by the simulator's clock.
    pub at_ms: i64,
    /// What is there, oldest first.
    pub activities: Vec<LockScreenActivity>,
    /// The same as its owner would read it.
    pub text: String,
}

/// A Live Activity on a Lock Screen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LockScreenActivity {
    /// Bundle ID of its app.
    pub app: String,
    /// Swift type of the attributes.
    pub attributes_type: String,
    /// Static data.
    pub attributes: Value,
    /// What it shows.
    pub content_state: Value,
    /// How it looks: active, stale or ended.
    pub state: ActivityState,
    /// When it appeared, Unix milliseconds.
    pub started_at_ms: i64,
    /// When what it shows came, Unix milliseconds.
    pub changed_at_ms: i64,
    /// `timestamp` of the push that it came with; 0 where the app showed it.
    pub timestamp: i64,
    /// `alert` of that push.
    pub alert: Option<Value>,
    /// `dismissal-date` of the end, Unix seconds.
    pub dismissal_at: Option<i64>,
}

/// One change of a Lock Screen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LockScreenChange {
    /// When, Unix milliseconds by the simulator's clock; whole seconds.
    pub at_ms: i64,
    /// What happened.
    pub change: ActivityChange,
    /// Bundle ID of the app.
    pub app: String,
    /// Swift type of the attributes.
    pub attributes_type: String,
    /// Static data.
    pub attributes: Value,
    /// What it showed from then on, or last.
    pub content_state: Value,
    /// `timestamp` of the push that this came with; 0 where the app showed it.
    pub timestamp: i64,
    /// `alert` of that push.
    pub alert: Option<Value>,
}

impl LockScreen {
    pub(crate) fn new(phone: u32, at_ms: i64, activities: Vec<LockScreenActivity>) -> LockScreen {
        let mut screen = LockScreen {
            phone,
            at_ms,
            activities,
            text: String::new(),
        };
        screen.text = screen.to_string();
        screen
    }
}

pub(crate) fn activity(
    app: &str,
    activity: &Activity,
    screen: &Screen,
    state: ActivityState,
) -> LockScreenActivity {
    LockScreenActivity {
        app: app.to_owned(),
        attributes_type: activity.attributes_type.clone(),
        attributes: activity.attributes.clone(),
        content_state: screen.content_state.clone(),
        state,
        started_at_ms: activity.started_at * 1000,
        changed_at_ms: screen.at * 1000,
        timestamp: screen.timestamp,
        alert: screen.alert.clone(),
        dismissal_at: screen.dismissal_at,
    }
}

pub(crate) fn change(
    app: &str,
    activity: &Activity,
    (at, change, screen): (i64, ActivityChange, &Screen),
) -> LockScreenChange {
    LockScreenChange {
        at_ms: at * 1000,
        change,
        app: app.to_owned(),
        attributes_type: activity.attributes_type.clone(),
        attributes: activity.attributes.clone(),
        content_state: screen.content_state.clone(),
        timestamp: screen.timestamp,
        alert: screen.alert.clone(),
    }
}

impl fmt::Display for LockScreen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "phone {} at {}", self.phone, date(self.at_ms))?;
        if self.activities.is_empty() {
            writeln!(f, "  nothing")?;
        }
        for activity in &self.activities {
            let state = match activity.state {
                ActivityState::Active => "active",
                ActivityState::Stale => "outdated",
                ActivityState::Ended => "ended",
                ActivityState::Dismissed => "gone",
            };
            let since = date(activity.started_at_ms);
            writeln!(f, "  {}, {state}, since {since}", activity.attributes_type)?;
            for part in [&activity.attributes, &activity.content_state] {
                for (name, value) in part.as_object().into_iter().flatten() {
                    writeln!(f, "    {name}: {}", plain(value))?;
                }
            }
            if let Some(alert) = &activity.alert {
                let at = date(activity.changed_at_ms);
                writeln!(f, "    told at {at}: {:?}", spoken(alert))?;
            }
        }
        Ok(())
    }
}

/// As HTTP writes dates.
fn date(ms: i64) -> String {
    let since = Duration::from_millis(ms.max(0) as u64);
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

/// Text without its quotes.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Title and body of an alert; where the app looks them up, what it is told.
fn spoken(alert: &Value) -> String {
    let text = |name: &str| alert.get(name).and_then(Value::as_str);
    match (text("title"), text("body")) {
        (Some(title), Some(body)) => format!("{title}: {body}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => plain(alert),
    }
}
