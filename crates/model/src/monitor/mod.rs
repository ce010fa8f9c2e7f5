//! Monitors: services are watched, and the person on call is woken until somebody answers. Only the rules: what is
//! looked at and how an answer is judged, when it is an incident, who is paged how and when. Checks are made, and pages
//! sent, elsewhere.
//!
//! ```text
//!             a check fails       so many in a row, or flapping      somebody has it in hand
//!   ok ─────────────────▶ suspected ──────────────────▶ firing ─────────────────────────▶ acknowledged
//!    ▲                      │    │ maintenance, or what it  │  ▲                            │   │
//!    │        one is good   │    │ depends on is down:      │  └────────────────────────────┘   │
//!    ├──────────────────────┘    ▼ nobody is paged          │    said so, or acknowledged       │
//!    │                         (held)                       │    for longer than the ladder     │
//!    │                                                      │    allows                         │
//!    └───────────────────────── resolved ◀──────────────────┴───────────────────────────────────┘
//!                        so many good ones in a row and not flapping, a person says so, or it is paused
//! ```
//!
//! What always holds: an incident is opened once and closed once; each step of the ladder is taken once for each round,
//! in order, none left out; nobody is paged while somebody has it in hand, while something holds it back, or after it is
//! closed; what could not be asked is neither up nor down.

mod check;
mod definition;
mod dependencies;
mod heartbeat;
mod http;
mod incident;
mod ladder;
mod machine;
mod maintenance;
mod notice;
mod page;
mod result;
mod rotation;
mod server;
mod shifts;
mod status_range;
mod tally;
mod text_rule;
mod value_rule;
mod watch;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use self::check::{
    CheckDefinition, CheckPlan, DnsCheck, IcmpCheck, RecordType, TcpCheck, TlsCheck, judge_tls,
};
pub use self::definition::{FlappingRule, MonitorDefinition, MonitorPlan, Severity};
pub use self::dependencies::cycle;
pub use self::heartbeat::{Beat, HeartbeatCheck, HeartbeatPlan, Pulse};
pub use self::http::{
    HttpAnswer, HttpCheck, HttpExpectation, HttpMethod, HttpPlan, MAX_ANSWER_BYTES, MAX_REDIRECTS,
};
pub use self::incident::{Acknowledgement, Entry, Hold, Incident, IncidentState, ResolvedBy, What};
pub use self::ladder::{LadderDefinition, LadderPlan, Sound, Step, StepDefinition, Whom};
pub use self::machine::Around;
pub use self::maintenance::{Maintenance, MaintenanceWindow};
pub use self::notice::{INCIDENT_KEY, INCIDENT_LINK_PATH, Notice, collapse_id};
pub use self::page::{
    CALL_SCREEN, CALL_SCREEN_RULE, Detour, Instead, Page, PageHow, PageNo, PhoneFacts, RingRules,
    Rings, Told,
};
pub use self::result::{CheckResult, Fault, FaultKind, Verdict};
pub use self::rotation::{
    HandOver, HoursDefinition, LayerDefinition, OverrideDefinition, RotationDefinition,
    RotationPlan,
};
pub use self::server::{
    CredentialFact, LaneFact, LaneTroubles, ServerCheck, ServerFacts, ServerPart, ServerPlan,
    TimersFact, WaitingFact,
};
pub use self::shifts::{Gap, Shift};
pub use self::status_range::StatusRange;
pub use self::tally::Tally;
pub use self::text_rule::{TextRule, TextTest};
pub use self::value_rule::ValueRule;
pub use self::watch::{IncidentMove, LastCheck, Refused, Turn, Watch, WatchEvent, WatchState};
