//! The server watches itself: what is looked at, and how it is judged from plain facts.
//!
//! Who gathers the facts is no business of this module, nor which gateway a page goes by.

use super::result::{CheckResult, FaultKind};
use crate::duration::{format_ms, format_secs, parse_ms};
use crate::environment::{Environment, TokenEnvironment};
use crate::lane::{Gateway, Lane};
use crate::problem::FieldProblem;
use crate::{UnixMs, size};
use serde::{Deserialize, Serialize};

/// Most things that a sentence names; the others are counted.
const NAMED: usize = 3;
/// A gateway's trouble that nobody met for so long may be over: the next push sees.
const TRIED_MS: u64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// A check of this server itself, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerCheck {
    /// What is looked at.
    pub what: ServerPart,
    /// From when on it is a fault: a duration, of `disk` a size. Default: [`ServerPart::usual_limit`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

/// What of the server is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerPart {
    /// Lanes that cannot send for longer than the limit.
    Lanes,
    /// Credentials that end within the limit, or cannot be used.
    Credentials,
    /// Work of the classes `urgent` and `normal` that nobody took for longer than the limit after it was due.
    OldestWork,
    /// Less free space than the limit where the store is, or a store that takes no writes.
    Disk,
    /// Timers that did not fire for longer than the limit after they were due.
    SchedulerLag,
}

impl ServerPart {
    /// All.
    pub const ALL: [Self; 5] = [
        Self::Lanes,
        Self::Credentials,
        Self::OldestWork,
        Self::Disk,
        Self::SchedulerLag,
    ];

    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lanes => "lanes",
            Self::Credentials => "credentials",
            Self::OldestWork => "oldest_work",
            Self::Disk => "disk",
            Self::SchedulerLag => "scheduler_lag",
        }
    }

    /// From when on it is a fault, where nothing is said.
    #[must_use]
    pub fn usual_limit(self) -> &'static str {
        match self {
            Self::Lanes | Self::SchedulerLag => "1m",
            Self::Credentials => "14d",
            Self::OldestWork => "10m",
            Self::Disk => "1GiB",
        }
    }

    /// The name of the monitor that the server makes for it.
    #[must_use]
    pub fn monitor_name(self) -> &'static str {
        match self {
            Self::Lanes => "carillon-lanes",
            Self::Credentials => "carillon-credentials",
            Self::OldestWork => "carillon-oldest-work",
            Self::Disk => "carillon-disk",
            Self::SchedulerLag => "carillon-scheduler-lag",
        }
    }
}

/// A check of the server, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerPlan {
    /// What is looked at.
    pub what: ServerPart,
    /// From when on it is a fault: milliseconds, of [`ServerPart::Disk`] bytes.
    pub limit: i64,
}

impl ServerCheck {
    /// Reads it. Pointers are into the check.
    pub(super) fn plan(&self, problems: &mut Vec<FieldProblem>) -> Option<ServerPlan> {
        let what = self.what;
        let text = self.limit.as_deref().unwrap_or(what.usual_limit());
        let read = match what {
            ServerPart::Disk => size::parse_bytes(text)
                .map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
                .and_then(|bytes| within(bytes, 1 << 20..=1 << 50, text, "1MiB to 1024TiB")),
            ServerPart::Credentials => {
                parse_ms(text).and_then(|ms| within(ms, DAY_MS..=365 * DAY_MS, text, "1d to 365d"))
            }
            ServerPart::Lanes | ServerPart::OldestWork | ServerPart::SchedulerLag => {
                parse_ms(text).and_then(|ms| within(ms, 10_000..=7 * DAY_MS, text, "10s to 7d"))
            }
        };
        match read {
            Ok(limit) => Some(ServerPlan { what, limit }),
            Err(message) => {
                problems.push(FieldProblem::new("/limit", "monitor.limit", message));
                None
            }
        }
    }
}

fn within(
    found: i64,
    bounds: std::ops::RangeInclusive<i64>,
    text: &str,
    shown: &str,
) -> Result<i64, String> {
    match bounds.contains(&found) {
        true => Ok(found),
        false => Err(format!("expected {shown}, found {text:?}")),
    }
}

impl LaneFact {
    /// Whether it may be over, and nobody knows; also where the clock was set back since. What is wrong with a credential
    /// stays so until that is changed, and then it is no fact any more.
    fn is_stale(&self, now: UnixMs) -> bool {
        !self.is_credential && self.tried_at != 0 && now.abs_diff(self.tried_at) >= TRIED_MS
    }
}

/// What is known of the server. Only what the plan looks at need be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// Lanes that cannot send.
    pub lanes: Vec<LaneFact>,
    /// All credentials.
    pub credentials: Vec<CredentialFact>,
    /// For each lane and class of which work is due: since when the oldest is.
    pub waiting: Vec<WaitingFact>,
    /// Why the store takes no writes.
    pub store_problem: Option<String>,
    /// Free bytes where the store is; `None`: nobody can tell.
    pub free_bytes: Option<u64>,
    /// Of timers.
    pub timers: TimersFact,
}

/// A lane that cannot send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneFact {
    /// Public id of its App.
    pub app: String,
    /// Which.
    pub lane: Lane,
    /// The gateway's reason, or our word.
    pub reason: String,
    /// What to do.
    pub mend: String,
    /// Whether it is the credential's trouble and not the gateway's.
    pub is_credential: bool,
    /// Since when.
    pub since: UnixMs,
    /// When a push last met it; 0: nobody says, so just now.
    pub tried_at: UnixMs,
}

/// A credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialFact {
    /// Public id of its App.
    pub app: String,
    /// Its name; empty: all of the App's.
    pub name: String,
    /// When it ends. Signing keys, service accounts and VAPID keys do not.
    pub ends_at: Option<UnixMs>,
    /// Why it cannot be used, or not be taken from its file.
    pub problem: Option<String>,
}

/// Work that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingFact {
    /// Public id of its App.
    pub app: String,
    /// Its gateway.
    pub gateway: Gateway,
    /// Since when the oldest is due.
    pub due_since: UnixMs,
}

/// How timers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimersFact {
    /// None is later than the limit.
    #[default]
    InTime,
    /// At least one is later than the limit.
    Late {
        /// Whether some process has the role `scheduler`.
        has_scheduler: bool,
    },
    /// They rest since the store was restored, until somebody says that they may fire.
    Paused,
}

impl ServerPlan {
    /// Judges what is known.
    #[must_use]
    pub fn judge(&self, facts: &ServerFacts, now: UnixMs) -> CheckResult {
        match self.what {
            ServerPart::Lanes => self.lanes(&facts.lanes, now),
            ServerPart::Credentials => self.credentials(&facts.credentials, now),
            ServerPart::OldestWork => self.oldest_work(&facts.waiting, now),
            ServerPart::Disk => self.disk(facts),
            ServerPart::SchedulerLag => self.scheduler_lag(facts.timers),
        }
    }

    fn lanes(&self, lanes: &[LaneFact], now: UnixMs) -> CheckResult {
        let mut stuck: Vec<&LaneFact> = lanes
            .iter()
            .filter(|lane| now.saturating_sub(lane.since) >= self.limit)
            .collect();
        stuck.sort_by_key(|lane| lane.since);
        told(
            FaultKind::Lanes,
            stuck.iter().map(|lane| {
                let lasts = ago(lane.since, now);
                let (app, gateway) = (&lane.app, lane.lane.gateway.as_str());
                let (reason, mend) = (&lane.reason, &lane.mend);
                format!("{gateway} of {app} sends nothing for {lasts}: {reason} ({mend})")
            }),
        )
    }

    fn credentials(&self, credentials: &[CredentialFact], now: UnixMs) -> CheckResult {
        let mut bad: Vec<(i64, String)> = Vec::new();
        for credential in credentials {
            let CredentialFact { app, name, .. } = credential;
            if let Some(problem) = &credential.problem {
                bad.push((i64::MIN, format!("{} of {app}: {problem}", or_all(name))));
                continue;
            }
            let left = credential.ends_at.map(|at| at.saturating_sub(now));
            match left {
                Some(left) if left <= 0 => {
                    bad.push((left, format!("the certificate {name} of {app} has ended")));
                }
                Some(left) if left < self.limit => {
                    let days = match left.div_euclid(DAY_MS) {
                        0 => "within a day".to_owned(),
                        1 => "in 1 day".to_owned(),
                        days => format!("in {days} days"),
                    };
                    bad.push((left, format!("the certificate {name} of {app} ends {days}")));
                }
                _ => {}
            }
        }
        bad.sort();
        told(
            FaultKind::Credentials,
            bad.into_iter().map(|(_, text)| text),
        )
    }

    fn oldest_work(&self, waiting: &[WaitingFact], now: UnixMs) -> CheckResult {
        let mut old: Vec<&WaitingFact> = waiting
            .iter()
            .filter(|work| now.saturating_sub(work.due_since) >= self.limit)
            .collect();
        old.sort_by_key(|work| work.due_since);
        told(
            FaultKind::Waiting,
            old.iter().map(|work| {
                let (app, gateway) = (&work.app, work.gateway.as_str());
                let lasts = ago(work.due_since, now);
                format!("pushes of {app} for {gateway} wait for {lasts}")
            }),
        )
    }

    fn disk(&self, facts: &ServerFacts) -> CheckResult {
        if let Some(problem) = &facts.store_problem {
            let message = format!("the store takes no writes: {problem}");
            return CheckResult::down(FaultKind::Disk, message);
        }
        let least = u64::try_from(self.limit).unwrap_or(0);
        match facts.free_bytes {
            Some(free) if free < least => {
                let [free, least] = [free, least].map(size::format_bytes);
                let message = format!("{free} free where the store is, expected at least {least}");
                CheckResult::down(FaultKind::Disk, message)
            }
            _ => CheckResult::up(None),
        }
    }

    fn scheduler_lag(&self, timers: TimersFact) -> CheckResult {
        let limit = format_ms(self.limit);
        match timers {
            TimersFact::InTime => CheckResult::up(None),
            TimersFact::Late {
                has_scheduler: true,
            } => CheckResult::down(
                FaultKind::Scheduler,
                format!("timers are more than {limit} late: scheduled sends and pages are, too"),
            ),
            TimersFact::Late {
                has_scheduler: false,
            } => CheckResult::down(
                FaultKind::Scheduler,
                format!(
                    "timers are more than {limit} late: no process has the role scheduler (carillon serve --roles scheduler)"
                ),
            ),
            TimersFact::Paused => CheckResult::unknown(
                FaultKind::Scheduler,
                "the store was restored from a backup, and timers wait for `carillon resume`",
            ),
        }
    }
}

/// Down with the first sentences of these, or up where there are none.
fn told(kind: FaultKind, mut sentences: impl ExactSizeIterator<Item = String>) -> CheckResult {
    let more = sentences.len().saturating_sub(NAMED);
    let named: Vec<String> = sentences.by_ref().take(NAMED).collect();
    match (&named[..], more) {
        ([], _) => CheckResult::up(None),
        (_, 0) => CheckResult::down(kind, named.join("; ")),
        (_, more) => CheckResult::down(kind, format!("{}; and {more} more", named.join("; "))),
    }
}

fn or_all(name: &str) -> &str {
    if name.is_empty() {
        "the credentials"
    } else {
        name
    }
}

fn ago(since: UnixMs, now: UnixMs) -> String {
    format_secs(now.saturating_sub(since))
}

/// Lanes by which a page had better not go: those that cannot send, and those whose gateway is in trouble itself,
/// whoever noticed. In Apple's one environment may be when the other is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneTroubles {
    blocked: Vec<Lane>,
    gateways: Vec<(Gateway, TokenEnvironment)>,
    tried_first: Environment,
}

impl LaneTroubles {
    /// `lanes`: those of all Apps that cannot send. A gateway's trouble that none has met for an hour is no reason: a lane from
    /// which pages stay away sends nothing that would find it well again. `tried_first`: where a push token goes whose
    /// environment nobody knows yet.
    #[must_use]
    pub fn of(lanes: &[LaneFact], tried_first: Environment, now: UnixMs) -> Self {
        let mut troubles = Self {
            blocked: Vec::new(),
            gateways: Vec::new(),
            tried_first,
        };
        for fact in lanes.iter().filter(|fact| !fact.is_stale(now)) {
            troubles.blocked.push(fact.lane);
            if !fact.is_credential {
                let of = (fact.lane.gateway, fact.lane.environment);
                troubles.gateways.push(of);
            }
        }
        troubles
    }

    /// Whether this very lane cannot send.
    #[must_use]
    pub fn is_blocked(&self, lane: Lane) -> bool {
        self.blocking(lane).next().is_some()
    }

    /// Whether it cannot send, or its gateway is in trouble.
    #[must_use]
    pub fn has(&self, lane: Lane) -> bool {
        let is_down = |lane: Lane| self.gateways.contains(&(lane.gateway, lane.environment));
        self.is_blocked(lane) || self.judging(lane).any(is_down)
    }

    /// Whether it cannot send, and an alert by one of these lanes is what finds it well again.
    #[must_use]
    pub fn is_found_well_by(&self, alerts: &[Lane], lane: Lane) -> bool {
        let finds_all = || self.blocking(lane).all(|lane| alerts.contains(&lane));
        self.is_blocked(lane) && (alerts.contains(&lane) || finds_all())
    }

    /// Those by which a lane is judged that cannot send.
    fn blocking(&self, lane: Lane) -> impl Iterator<Item = Lane> {
        self.judging(lane)
            .filter(move |lane| self.blocked.contains(lane))
    }

    /// By which lanes one is judged: itself, and of an unknown environment also the one whose way it goes.
    fn judging(&self, lane: Lane) -> impl Iterator<Item = Lane> {
        let first = Lane {
            environment: self.tried_first.into(),
            ..lane
        };
        let is_unknown = lane.environment.known().is_none();
        std::iter::once(lane).chain(is_unknown.then_some(first))
    }
}

#[cfg(test)]
mod tests {
    use super::super::result::Verdict;
    use super::*;
    use crate::id::AppNo;
    use serde_json::json;

    const NOW: UnixMs = 1_800_000_000_000;
    const MINUTE: i64 = 60_000;

    fn plan(what: ServerPart) -> ServerPlan {
        let check = ServerCheck { what, limit: None };
        check.plan(&mut Vec::new()).unwrap()
    }

    fn lane(app: &str, gateway: Gateway, is_credential: bool, ago_ms: i64) -> LaneFact {
        LaneFact {
            app: app.to_owned(),
            lane: Lane {
                app: AppNo(1),
                gateway,
                environment: TokenEnvironment::Production,
            },
            reason: "InvalidProviderToken".to_owned(),
            mend: "upload another key".to_owned(),
            is_credential,
            since: NOW - ago_ms,
            tried_at: NOW,
        }
    }

    fn ends(name: &str, left_ms: i64) -> CredentialFact {
        CredentialFact {
            app: "shop".to_owned(),
            name: name.to_owned(),
            ends_at: Some(NOW + left_ms),
            problem: None,
        }
    }

    /// What is said, or nothing where it is up.
    fn said(what: ServerPart, facts: &ServerFacts) -> Option<String> {
        let result = plan(what).judge(facts, NOW);
        assert_eq!(result.verdict == Verdict::Up, result.fault.is_none());
        result.fault.map(|fault| fault.message)
    }

    #[test]
    fn limits_have_their_bounds_and_their_defaults() {
        for what in ServerPart::ALL {
            let written = json!({"what": what.as_str()});
            let check: ServerCheck = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(check, ServerCheck { what, limit: None });
            assert_eq!(serde_json::to_value(&check).unwrap(), written);
        }
        assert_eq!(plan(ServerPart::Disk).limit, 1 << 30);
        assert_eq!(plan(ServerPart::Credentials).limit, 14 * DAY_MS);
        for (what, limit, part) in [
            (ServerPart::Lanes, "1s", "10s to 7d"),
            (ServerPart::Lanes, "1GiB", "a duration"),
            (ServerPart::OldestWork, "8d", "10s to 7d"),
            (ServerPart::Credentials, "1h", "1d to 365d"),
            (ServerPart::Disk, "1m", "a size"),
            (ServerPart::Disk, "1KiB", "1MiB to"),
        ] {
            let limit = Some(limit.to_owned());
            let mut problems = Vec::new();
            assert_eq!(ServerCheck { what, limit }.plan(&mut problems), None);
            assert_eq!(
                (&*problems[0].pointer, problems[0].code),
                ("/limit", "monitor.limit")
            );
            assert!(problems[0].message.contains(part), "{}", problems[0]);
        }
    }

    #[test]
    fn lanes_are_a_fault_once_they_are_stuck_for_the_limit() {
        let facts = |lanes: Vec<LaneFact>| ServerFacts {
            lanes,
            ..ServerFacts::default()
        };
        let short = lane("shop", Gateway::Apns, true, MINUTE - 1);
        assert_eq!(said(ServerPart::Lanes, &facts(vec![short])), None);
        let long = lane("shop", Gateway::Apns, true, MINUTE);
        assert_eq!(
            said(ServerPart::Lanes, &facts(vec![long])).unwrap(),
            "apns of shop sends nothing for 1m: InvalidProviderToken (upload another key)"
        );
        let mut many: Vec<LaneFact> = (2..7)
            .map(|n| lane(&format!("app-{n}"), Gateway::Fcm, false, n * MINUTE))
            .collect();
        for lane in &mut many {
            lane.mend = "wait".to_owned();
        }
        let said = said(ServerPart::Lanes, &facts(many)).unwrap();
        assert!(said.starts_with("fcm of app-6 "), "longest first: {said}");
        assert!(said.ends_with("; and 2 more"), "{said}");
    }

    #[test]
    fn credentials_are_a_fault_before_they_end_and_when_they_cannot_be_used() {
        let facts = |credentials: Vec<CredentialFact>| ServerFacts {
            credentials,
            ..ServerFacts::default()
        };
        let key = CredentialFact {
            ends_at: None,
            ..ends("apple", 0)
        };
        let fine = ends("apple", 14 * DAY_MS);
        let well = facts(vec![key.clone(), fine]);
        assert_eq!(said(ServerPart::Credentials, &well), None);
        for (left, part) in [
            (10 * DAY_MS, "ends in 10 days"),
            (14 * DAY_MS - 1, "ends in 13 days"),
            (DAY_MS, "ends in 1 day"),
            (DAY_MS - 1, "ends within a day"),
            (0, "has ended"),
        ] {
            let said = said(ServerPart::Credentials, &facts(vec![ends("apple", left)])).unwrap();
            assert_eq!(said, format!("the certificate apple of shop {part}"));
        }
        let broken = CredentialFact {
            problem: Some("it is no key".to_owned()),
            ..key
        };
        let both = facts(vec![ends("b", DAY_MS), ends("a", -1), broken]);
        assert_eq!(
            said(ServerPart::Credentials, &both).unwrap(),
            "apple of shop: it is no key; the certificate a of shop has ended; the certificate b of shop ends in 1 day"
        );
    }

    #[test]
    fn waiting_work_and_timers_are_a_fault_after_their_limit() {
        let waiting = |ago_ms| ServerFacts {
            waiting: vec![WaitingFact {
                app: "shop".to_owned(),
                gateway: Gateway::WebPush,
                due_since: NOW - ago_ms,
            }],
            ..ServerFacts::default()
        };
        let oldest = ServerPart::OldestWork;
        assert_eq!(said(oldest, &waiting(10 * MINUTE - 1)), None);
        assert_eq!(said(oldest, &waiting(-MINUTE)), None, "not due yet");
        assert_eq!(
            said(oldest, &waiting(90 * MINUTE + 1)).unwrap(),
            "pushes of shop for webpush wait for 1h30m"
        );
        let timers = |timers| ServerFacts {
            timers,
            ..ServerFacts::default()
        };
        let lag = |fact| plan(ServerPart::SchedulerLag).judge(&timers(fact), NOW);
        assert_eq!(lag(TimersFact::InTime).verdict, Verdict::Up);
        for (has_scheduler, part) in [
            (true, "more than 1m late: scheduled"),
            (false, "no process has the role"),
        ] {
            let late = lag(TimersFact::Late { has_scheduler });
            assert_eq!(late.verdict, Verdict::Down);
            let message = late.fault.unwrap().message;
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(
            lag(TimersFact::Paused).verdict,
            Verdict::Unknown,
            "it is on purpose"
        );
    }

    #[test]
    fn a_disk_is_a_fault_before_it_is_full() {
        let disk = |free_bytes, problem: Option<&str>| {
            let store_problem = problem.map(str::to_owned);
            let facts = ServerFacts {
                free_bytes,
                store_problem,
                ..ServerFacts::default()
            };
            said(ServerPart::Disk, &facts)
        };
        assert_eq!(disk(Some(1 << 30), None), None);
        assert_eq!(disk(None, None), None, "nobody can tell, and it writes");
        assert_eq!(
            disk(Some((1 << 30) - 1), None).unwrap(),
            "1023MiB free where the store is, expected at least 1GiB"
        );
        assert_eq!(
            disk(None, Some("the disk is full")).unwrap(),
            "the store takes no writes: the disk is full"
        );
    }

    #[test]
    fn pages_avoid_lanes_that_cannot_send_and_gateways_in_trouble() {
        use Environment::{Production as Live, Sandbox as Test};
        use TokenEnvironment::{Auto, Production, Sandbox};
        let lane_of = |app, gateway, environment| Lane {
            app: AppNo(app),
            gateway,
            environment,
        };
        let apple = |app, environment| lane_of(app, Gateway::Apns, environment);
        let fcm = lane_of(1, Gateway::Fcm, Production);
        let no_key = lane("shop", Gateway::Apns, true, 0);
        let mut apple_down = lane("shop", Gateway::Apns, false, 0);
        apple_down.lane.environment = Sandbox;
        let mut unknown_down = lane("news", Gateway::Apns, false, 0);
        unknown_down.lane = apple(3, Auto);
        let (apart, unknown) = ([no_key, apple_down], [unknown_down]);
        let (apart, sandbox, unknown) = (&apart[..], &apart[1..], &unknown[..]);
        for (facts, first, lane, is_blocked, has) in [
            (apart, Live, apple(1, Production), true, true),
            (apart, Live, apple(1, Sandbox), true, true),
            (apart, Live, apple(2, Production), false, false),
            (apart, Live, apple(2, Sandbox), false, true),
            (apart, Live, fcm, false, false),
            // An unknown one is judged by where it goes.
            (apart, Live, apple(1, Auto), true, true),
            (apart, Live, apple(2, Auto), false, false),
            (apart, Test, apple(2, Auto), false, true),
            (sandbox, Live, apple(1, Auto), false, false),
            (unknown, Live, apple(3, Auto), true, true),
            (unknown, Live, apple(2, Auto), false, true),
            (unknown, Live, apple(3, Production), false, false),
        ] {
            let troubles = LaneTroubles::of(facts, first, NOW);
            let found = (troubles.is_blocked(lane), troubles.has(lane));
            assert_eq!(found, (is_blocked, has), "{first:?} {lane:?}");
        }
    }

    #[test]
    fn only_a_gateways_trouble_grows_stale() {
        for (is_credential, tried_at, counts) in [
            (false, NOW - 3_599_999, true),
            (false, NOW - 3_600_000, false),
            (false, NOW + 3_600_000, false),
            // An older version tells no time.
            (false, 0, true),
            (true, NOW - 3_600_000, true),
            (true, NOW + 3_600_000, true),
            (true, 0, true),
        ] {
            let mut fact = lane("shop", Gateway::Apns, is_credential, 0);
            fact.tried_at = tried_at;
            let lane = fact.lane;
            let troubles = LaneTroubles::of(&[fact], Environment::Production, NOW);
            let found = (troubles.is_blocked(lane), troubles.has(lane));
            assert_eq!(found, (counts, counts), "{is_credential} {tried_at}");
        }
    }
}
