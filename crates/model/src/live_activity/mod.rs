//! Live Activities as a timeline: who sees what, when it starts, what changes when, when it ends. Only the rules: the
//! plan as it is declared and checked, and the state machine that says what is due. The engine carries it out.
//!
//! ```text
//!                 starts_at, by push        a phone tells its update token
//!   planned ────────────────────▶ starting ────────────────────────────▶ active
//!      │                             │                                     │ │
//!      │ ended before its start      │ ends_at, asked, silence, 7 h 55 min │ └─ phase, update, change of plan
//!      ▼                             ▼                                     │
//!  cancelled                       ended ◀────────────────────────────────┘
//! ```
//!
//! What always holds: a phase is shown at most once for each time that the plan gives it; what is shown is the first
//! state, the phases that have come and the updates, merged in order of time; timestamps rise strictly; a phone is
//! told nothing after the end.

mod android;
mod budget;
mod channel;
mod ending;
mod machine;
mod merge;
mod plan;
mod push;
mod refused;
mod request;
mod row_template;
mod row_time;
mod run;
mod source_report;
mod swift_date;
mod table;
mod when;
mod words;

#[cfg(test)]
mod android_tests;
#[cfg(test)]
mod channel_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;

pub use self::android::FcmPhones;
pub use self::channel::{
    Channel, ChannelAnswer, ChannelErrand, ChannelMoved, ChannelState, NewChannel,
};
pub use self::machine::{Look, Rules};
pub use self::merge::merge;
pub use self::plan::{Checked, End, MAX_PAYLOAD_BYTES, MAX_PHASES, Phase, Plan, check_state};
pub use self::push::{ActivityPush, PushKind};
pub use self::refused::RefusedPush;
pub use self::request::{
    ActivityAlert, ActivityChange, ActivityRequest, EndRequest, PhasePriority, PhaseRequest,
    Recipient, StartBy, UpdateToken,
};
pub use self::run::{ActivityState, EndCause, Notice, Phone, Record, RecordKind, Run, Turn};
pub use self::source_report::{RowProblem, SourceReport};
pub use self::table::{Cells, TableColumns, TableDefinition, TableReader, Wish, in_words};
pub use self::words::{Said, TemplatePlace, WordedPush};
