//! Scripted faults: what goes wrong, for which requests, how often.
//!
//! A fault is counted when it really happened, not when it was asked for. Delays and durations are
//! real time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::apns::push_type::bundle_of;
use crate::host::{Environment, Gateway, Host};

/// Which connections and requests a fault is for. Absent fields match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultFilter {
    /// Whose service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// Environment of the host; only Apple's hosts have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Kind of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// Number of a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u32>,
    /// Bundle ID, whatever the suffix of the topic; the name of a browser's push service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The whole `apns-topic`; at Google the topic or condition sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// `apns-push-type`; at Google the kind of target: `token`, `fid`, `topic`, `condition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_type: Option<String>,
    /// Push token: Apple's in lower-case hexadecimal, Google's as it is, what a browser's endpoint
    /// ends with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_token: Option<String>,
    /// Google's project id in the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// The debug data of a GOAWAY.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoawayDebug {
    /// `{"reason":"<text>"}`, as Apple sends it.
    Json(String),
    /// Nothing.
    Empty,
    /// Plain text.
    Text(String),
}

impl Default for GoawayDebug {
    fn default() -> GoawayDebug {
        GoawayDebug::Json("Shutdown".into())
    }
}

impl GoawayDebug {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            GoawayDebug::Json(reason) => serde_json::json!({ "reason": reason }).to_string().into(),
            GoawayDebug::Empty => Vec::new(),
            GoawayDebug::Text(text) => text.clone().into(),
        }
    }
}

/// What happens to a connection after a GOAWAY.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterGoaway {
    /// The streams up to the last one are answered, then the connection is closed.
    #[default]
    Drain,
    /// Closed at once.
    Close,
    /// Left open for ever.
    Keep,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// A new TCP connection is closed before TLS.
    RefuseConnection,
    /// A new connection allows so many streams and is not raised by a valid provider token.
    InitialStreams {
        /// SETTINGS_MAX_CONCURRENT_STREAMS.
        max: u32,
    },
    /// RST_STREAM with REFUSED_STREAM; the request was not processed.
    RefuseStream,
    /// The answer is late.
    Delay {
        /// Milliseconds.
        ms: u64,
        /// Up to so many more, at random.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// This answer instead of the real one; the phone gets nothing unless the status is 200.
    Answer {
        /// HTTP status.
        status: u16,
        /// Apple's reason.
        #[serde(default)]
        reason: Option<String>,
        /// `timestamp` in milliseconds.
        #[serde(default)]
        timestamp_ms: Option<i64>,
        /// `retry-after` header in seconds.
        #[serde(default)]
        retry_after_secs: Option<u64>,
        /// A body instead of the usual JSON; empty: no body at all.
        #[serde(default)]
        body: Option<String>,
    },
    /// At most so many requests a second are processed; the rest get 429 `TooManyRequests`.
    RateLimit {
        /// Requests each second.
        per_second: f64,
        /// Requests at once after a pause.
        #[serde(default = "one")]
        burst: f64,
    },
    /// No answer, ever; the connection stays.
    NeverAnswer {
        /// Whether the phone gets the notification.
        #[serde(default = "yes")]
        processed: bool,
    },
    /// The body is taken, then the connection is cut without an answer (to any stream).
    CloseAfterBody {
        /// Whether the phone gets the notification.
        #[serde(default = "yes")]
        processed: bool,
        /// With a TCP RST instead of a FIN.
        #[serde(default)]
        reset: bool,
    },
    /// The headers of the answer are sent, then the connection is closed in the middle of it.
    CutAnswer {
        /// HTTP status.
        status: u16,
    },
    /// RST_STREAM with another code after the body was taken.
    ResetStream {
        /// HTTP/2 error code.
        code: u32,
        /// Whether the phone gets the notification.
        #[serde(default)]
        processed: bool,
    },
    /// GOAWAY.
    Goaway {
        /// Debug data.
        #[serde(default)]
        debug: GoawayDebug,
        /// HTTP/2 error code.
        #[serde(default)]
        code: u32,
        /// True: the request that triggers it is above the last stream, so not processed.
        #[serde(default)]
        before_this: bool,
        /// What follows.
        #[serde(default)]
        then: AfterGoaway,
    },
    /// The connection stops reading, answering and acknowledging PINGs.
    Freeze {
        /// For so long; absent: for ever.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// SETTINGS with another stream limit; the request is processed.
    LimitStreams {
        /// SETTINGS_MAX_CONCURRENT_STREAMS.
        max: u32,
    },
    /// `apns-id` comes back in upper case; the request is processed.
    UpperCaseId,
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

impl FaultKind {
    /// The `kind` in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::RefuseConnection => "refuse_connection",
            FaultKind::InitialStreams { .. } => "initial_streams",
            FaultKind::RefuseStream => "refuse_stream",
            FaultKind::Delay { .. } => "delay",
            FaultKind::Answer { .. } => "answer",
            FaultKind::RateLimit { .. } => "rate_limit",
            FaultKind::NeverAnswer { .. } => "never_answer",
            FaultKind::CloseAfterBody { .. } => "close_after_body",
            FaultKind::CutAnswer { .. } => "cut_answer",
            FaultKind::ResetStream { .. } => "reset_stream",
            FaultKind::Goaway { .. } => "goaway",
            FaultKind::Freeze { .. } => "freeze",
            FaultKind::LimitStreams { .. } => "limit_streams",
            FaultKind::UpperCaseId => "upper_case_id",
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        match self {
            FaultKind::RefuseConnection => Stage::Connect,
            FaultKind::InitialStreams { .. } => Stage::Settings,
            FaultKind::RefuseStream => Stage::Open,
            FaultKind::Delay { .. } => Stage::Delay,
            FaultKind::LimitStreams { .. } | FaultKind::UpperCaseId => Stage::Aside,
            _ => Stage::Request,
        }
    }
}

/// When a fault is looked for. One fault of each stage may apply to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Connect,
    Settings,
    Open,
    Request,
    Aside,
    Delay,
}

/// A fault with its conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// For which requests.
    #[serde(default)]
    pub only: FaultFilter,
    /// So many matching requests pass first.
    #[serde(default)]
    pub skip: u64,
    /// It happens so many times; absent: without end.
    #[serde(default)]
    pub count: Option<u64>,
    /// Share of the matching requests it happens to, 0 to 1; absent: all.
    #[serde(default)]
    pub probability: Option<f64>,
    /// It begins after so many milliseconds of real time.
    #[serde(default)]
    pub after_ms: u64,
    /// It ends after so many milliseconds more; absent: never.
    #[serde(default)]
    pub for_ms: Option<u64>,
}

impl From<FaultKind> for Fault {
    /// The fault for everything, without end.
    fn from(kind: FaultKind) -> Fault {
        Fault {
            kind,
            only: FaultFilter::default(),
            skip: 0,
            count: None,
            probability: None,
            after_ms: 0,
            for_ms: None,
        }
    }
}

/// A fault that was set, and what it has done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// Its number.
    pub id: u32,
    /// As it was set.
    #[serde(flatten)]
    pub fault: Fault,
    /// How often it really happened.
    pub hits: u64,
    /// Whether it can still happen.
    pub active: bool,
}

/// What is known about a request (or a connection) when a fault is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occasion<'a> {
    pub(crate) environment: Environment,
    pub(crate) host: Host,
    pub(crate) connection: u32,
    pub(crate) topic: Option<&'a str>,
    pub(crate) push_type: Option<&'a str>,
    pub(crate) push_token: Option<&'a str>,
    pub(crate) project: Option<&'a str>,
}

impl FaultFilter {
    pub(crate) fn matches(&self, occasion: &Occasion<'_>) -> bool {
        fn same(wanted: &Option<String>, found: Option<&str>) -> bool {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        }
        let gateway = occasion.host.gateway();
        self.gateway.is_none_or(|wanted| wanted == gateway)
            && self
                .environment
                .is_none_or(|wanted| gateway == Gateway::Apns && wanted == occasion.environment)
            && self.host.is_none_or(|wanted| wanted == occasion.host)
            && self
                .connection
                .is_none_or(|wanted| wanted == occasion.connection)
            && same(&self.app, occasion.topic.map(bundle_of))
            && same(&self.topic, occasion.topic)
            && same(&self.push_type, occasion.push_type)
            && same(&self.push_token, occasion.push_token)
            && same(&self.project, occasion.project)
    }
}

/// A small deterministic generator (SplitMix64): the same seed gives the same faults.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[derive(Debug)]
struct Armed {
    report: FaultReport,
    set_at: Instant,
    passed: u64,
    budget: f64,
    budget_at: Instant,
}

/// A fault that happens now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Strike {
    pub(crate) fault: u32,
    pub(crate) kind: FaultKind,
    /// A roll for whatever the fault leaves to chance.
    pub(crate) roll: f64,
}

/// All faults.
#[derive(Debug)]
pub(crate) struct Script {
    armed: Vec<Armed>,
    next_id: u32,
    dice: Dice,
    totals: BTreeMap<&'static str, u64>,
}

impl Script {
    pub(crate) fn new(seed: u64) -> Script {
        Script {
            armed: Vec::new(),
            next_id: 1,
            dice: Dice(seed),
            totals: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, fault: Fault) -> Result<u32, String> {
        if let Some(p) = fault.probability
            && !(0.0..=1.0).contains(&p)
        {
            return Err(format!("probability: expected 0 to 1, found {p}"));
        }
        match fault.kind {
            FaultKind::RateLimit { per_second, burst }
                if !(per_second >= 0.0 && burst >= 0.0 && per_second + burst > 0.0) =>
            {
                return Err("per_second, burst: expected numbers from 0, one above it".into());
            }
            FaultKind::Answer { status, .. } | FaultKind::CutAnswer { status }
                if !(200..=599).contains(&status) =>
            {
                return Err(format!("status: expected 200 to 599, found {status}"));
            }
            _ => {}
        }
        let id = self.next_id;
        self.next_id += 1;
        let now = Instant::now();
        let budget = match fault.kind {
            FaultKind::RateLimit { burst, .. } => burst.max(1.0),
            _ => 0.0,
        };
        self.armed.push(Armed {
            report: FaultReport {
                id,
                fault,
                hits: 0,
                active: true,
            },
            set_at: now,
            passed: 0,
            budget,
            budget_at: now,
        });
        Ok(id)
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<FaultReport> {
        let at = self.armed.iter().position(|armed| armed.report.id == id)?;
        Some(self.armed.remove(at).shown(Instant::now()))
    }

    pub(crate) fn clear(&mut self) -> Vec<FaultReport> {
        let reports = self.reports();
        self.armed.clear();
        reports
    }

    pub(crate) fn reports(&self) -> Vec<FaultReport> {
        let now = Instant::now();
        self.armed.iter().map(|armed| armed.shown(now)).collect()
    }

    /// How often each kind of fault happened, removed faults included.
    pub(crate) fn totals(&self) -> BTreeMap<String, u64> {
        self.totals
            .iter()
            .map(|(name, hits)| ((*name).to_owned(), *hits))
            .collect()
    }

    pub(crate) fn reset_totals(&mut self) {
        self.totals.clear();
    }

    /// Counts something that an action, not a fault, made happen.
    pub(crate) fn note(&mut self, name: &'static str, times: u64) {
        if times > 0 {
            *self.totals.entry(name).or_default() += times;
        }
    }

    /// The first fault of a stage that applies here, counted.
    pub(crate) fn strike(&mut self, stage: Stage, occasion: &Occasion<'_>) -> Option<Strike> {
        if self.armed.is_empty() {
            return None;
        }
        let now = Instant::now();
        for armed in &mut self.armed {
            let fits = armed.report.fault.kind.stage() == stage
                && armed.is_active(now)
                && armed.report.fault.only.matches(occasion);
            if !fits || !armed.happens(now, &mut self.dice) {
                continue;
            }
            armed.report.hits += 1;
            let kind = armed.report.fault.kind.clone();
            *self.totals.entry(kind.name()).or_default() += 1;
            return Some(Strike {
                fault: armed.report.id,
                kind,
                roll: self.dice.roll(),
            });
        }
        None
    }
}

impl Armed {
    fn is_active(&self, now: Instant) -> bool {
        let fault = &self.report.fault;
        let since = now.duration_since(self.set_at);
        let begin = Duration::from_millis(fault.after_ms);
        since >= begin
            && fault
                .for_ms
                .is_none_or(|ms| since < begin + Duration::from_millis(ms))
            && fault.count.is_none_or(|count| self.report.hits < count)
    }

    fn happens(&mut self, now: Instant, dice: &mut Dice) -> bool {
        if self.passed < self.report.fault.skip {
            self.passed += 1;
            return false;
        }
        if self
            .report
            .fault
            .probability
            .is_some_and(|p| dice.roll() >= p)
        {
            return false;
        }
        if let FaultKind::RateLimit { per_second, burst } = self.report.fault.kind {
            let gained = now.duration_since(self.budget_at).as_secs_f64() * per_second;
            self.budget = (self.budget + gained).min(burst.max(1.0));
            self.budget_at = now;
            if self.budget >= 1.0 {
                self.budget -= 1.0;
                return false;
            }
        }
        true
    }

    fn shown(&self, now: Instant) -> FaultReport {
        let fault = &self.report.fault;
        let ended = fault.for_ms.is_some_and(|ms| {
            now.duration_since(self.set_at) >= Duration::from_millis(fault.after_ms + ms)
        });
        let used_up = fault.count.is_some_and(|count| self.report.hits >= count);
        FaultReport {
            active: !ended && !used_up,
            ..self.report.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occasion() -> Occasion<'static> {
        Occasion {
            environment: Environment::Sandbox,
            host: Host::Device,
            connection: 1,
            topic: Some("net.example.pager.voip"),
            push_type: Some("voip"),
            push_token: Some("aa"),
            project: Some("pager-1"),
        }
    }

    fn strikes(script: &mut Script, n: usize) -> Vec<bool> {
        (0..n)
            .map(|_| script.strike(Stage::Open, &occasion()).is_some())
            .collect()
    }

    #[test]
    fn skip_then_count() {
        let mut script = Script::new(1);
        let fault = Fault {
            skip: 1,
            count: Some(2),
            ..FaultKind::RefuseStream.into()
        };
        let id = script.add(fault).unwrap();
        assert_eq!(strikes(&mut script, 5), [false, true, true, false, false]);
        let report = script.remove(id).unwrap();
        assert_eq!((report.hits, report.active), (2, false));
        assert_eq!(script.totals()["refuse_stream"], 2);
    }

    #[test]
    fn a_share_is_about_that_share_and_repeats_with_the_seed() {
        let fault = Fault {
            probability: Some(0.25),
            ..FaultKind::RefuseStream.into()
        };
        let mut one = Script::new(7);
        let mut two = Script::new(7);
        one.add(fault.clone()).unwrap();
        two.add(fault).unwrap();
        let hits = strikes(&mut one, 4000);
        assert_eq!(hits, strikes(&mut two, 4000));
        let share = hits.iter().filter(|hit| **hit).count();
        assert!((900..1100).contains(&share), "{share}");
    }

    #[test]
    fn filters_look_at_every_field() {
        let fits = FaultFilter {
            gateway: Some(Gateway::Apns),
            environment: Some(Environment::Sandbox),
            host: Some(Host::Device),
            connection: Some(1),
            app: Some("net.example.pager".into()),
            topic: Some("net.example.pager.voip".into()),
            push_type: Some("voip".into()),
            push_token: Some("aa".into()),
            project: Some("pager-1".into()),
        };
        assert!(fits.matches(&occasion()));
        let misfits = [
            FaultFilter {
                gateway: Some(Gateway::Fcm),
                ..fits.clone()
            },
            FaultFilter {
                gateway: Some(Gateway::WebPush),
                ..fits.clone()
            },
            FaultFilter {
                project: Some("pager-2".into()),
                ..fits.clone()
            },
            FaultFilter {
                environment: Some(Environment::Production),
                ..fits.clone()
            },
            FaultFilter {
                host: Some(Host::Broadcast),
                ..fits.clone()
            },
            FaultFilter {
                connection: Some(2),
                ..fits.clone()
            },
            FaultFilter {
                app: Some("net.example.other".into()),
                ..fits.clone()
            },
            FaultFilter {
                topic: Some("net.example.pager".into()),
                ..fits.clone()
            },
            FaultFilter {
                push_type: Some("alert".into()),
                ..fits.clone()
            },
            FaultFilter {
                push_token: Some("bb".into()),
                ..fits.clone()
            },
        ];
        for misfit in misfits {
            assert!(!misfit.matches(&occasion()), "{misfit:?}");
        }
    }

    #[test]
    fn a_rate_limit_lets_the_burst_through() {
        let mut script = Script::new(1);
        script
            .add(
                FaultKind::RateLimit {
                    per_second: 0.0,
                    burst: 3.0,
                }
                .into(),
            )
            .unwrap();
        let refused = |script: &mut Script| script.strike(Stage::Request, &occasion()).is_some();
        let seen: Vec<_> = (0..5).map(|_| refused(&mut script)).collect();
        assert_eq!(seen, [false, false, false, true, true]);
    }

    #[test]
    fn json_has_the_kind_beside_its_fields() {
        let json = r#"{"kind":"answer","status":503,"reason":"Shutdown","count":3,
            "only":{"app":"net.example.pager"}}"#;
        let fault: Fault = serde_json::from_str(json).unwrap();
        assert_eq!(fault.count, Some(3));
        assert_eq!(fault.only.app.as_deref(), Some("net.example.pager"));
        assert!(matches!(fault.kind, FaultKind::Answer { status: 503, .. }));
        let goaway: Fault = serde_json::from_str(r#"{"kind":"goaway"}"#).unwrap();
        let FaultKind::Goaway { debug, .. } = goaway.kind else {
            panic!("{goaway:?}")
        };
        assert_eq!(debug.bytes(), br#"{"reason":"Shutdown"}"#);
    }
}
