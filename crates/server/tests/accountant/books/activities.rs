//! Live Activities: what was declared and changed, what was pushed to their phones, and what the store says of them at the
//! end. Instants are business time.

use super::Micros;
use super::received::Meaning;

/// A Live Activity with two phases: `one` comes [`ONE_AFTER`] after its start, `two` [`TWO_BEFORE`] before its end. What it
/// shows says how far it is: [`FIRST`], after a phase its number, at its end [`LAST`].
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    pub(crate) app: u32,
    /// Its id at the API.
    pub(crate) name: String,
    pub(crate) starts_at: Micros,
    /// Whether it is started by push; otherwise by the app, which may have done so before.
    pub(crate) is_pushed: bool,
    /// Its plans, oldest first, one after the other: the first declares it.
    pub(crate) plans: Vec<Plan>,
    /// When it was asked to end, if it was: it took effect after this.
    pub(crate) end_asked: Option<Micros>,
    /// Pushes of it that arrived, oldest first; sent again, one is there again.
    pub(crate) pushes: Vec<Pushed>,
    /// What the store says of it at the end; `None`: it knows no such activity.
    pub(crate) kept: Option<KeptActivity>,
}

/// From its start to phase `one`.
pub(crate) const ONE_AFTER: Micros = 3 * super::SECOND;
/// From phase `two` to its end.
pub(crate) const TWO_BEFORE: Micros = 3 * super::SECOND;
/// What it shows before its first phase.
pub(crate) const FIRST: u32 = 0;
/// What it shows after its end.
pub(crate) const LAST: u32 = 9;

/// A plan of it. Each shows its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) ends_at: Micros,
    /// Before it was first sent.
    pub(crate) sent: Micros,
    /// When the answer that it counts had been read; `None`: there never was one. That the activity has ended says nothing:
    /// a try before, whose answer was lost, may have been in time.
    pub(crate) answered: Option<Micros>,
}

/// What a push does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Start,
    Update,
    End,
}

/// A push that arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pushed {
    pub(crate) does: Does,
    /// The delivery's own id.
    pub(crate) own_id: Option<u128>,
    pub(crate) at: Micros,
    /// By the push: Unix seconds.
    pub(crate) timestamp: i64,
    /// The plan that it shows, a number from 1.
    pub(crate) plan: u32,
    /// How far it is.
    pub(crate) shows: u32,
    /// What its answer means.
    pub(crate) meaning: Meaning,
}

/// An activity as the store keeps it.
#[derive(Clone, Debug)]
pub(crate) struct KeptActivity {
    /// By the API's word.
    pub(crate) state: String,
    /// Why it ended, by the API's word.
    pub(crate) ended_by: String,
    /// What happened, oldest first.
    pub(crate) records: Vec<Record>,
}

/// An entry of its record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// By the API's word.
    pub(crate) what: String,
    pub(crate) phase: Option<String>,
    pub(crate) due: Micros,
    pub(crate) at: Micros,
}

impl Activity {
    /// Phases by their names, and what is shown after each, when this is its plan.
    pub(crate) fn phases(&self, plan: &Plan) -> [(&'static str, Micros); 2] {
        [
            ("one", self.starts_at + ONE_AFTER),
            ("two", plan.ends_at - TWO_BEFORE),
        ]
    }
}
