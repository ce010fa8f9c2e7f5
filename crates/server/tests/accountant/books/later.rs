//! What is to happen later: notifications that wait for their time, and schedules with their runs. Instants are business
//! time, unless they are called otherwise.

use super::Micros;

/// When a notification is to be sent that waits.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) due: Micros,
    /// The change that was asked for, if there was one: another text, and another time.
    pub(crate) change: Option<Change>,
}

/// The text of what was never changed; a change makes it [`CHANGED`].
pub(crate) const UNCHANGED: u32 = 1;
/// See [`UNCHANGED`].
pub(crate) const CHANGED: u32 = 2;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) due: Micros,
    pub(crate) outcome: Option<Outcome>,
}

/// What the API said to a change; `None` where it stands: nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200.
    Done,
    /// It did not wait any more: unless a try before, whose answer was lost, had changed it.
    TooLate,
}

/// A schedule that is due at every full minute. Its place in the book is the number in its payload.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) app: u32,
    /// Its name at the API.
    pub(crate) name: String,
    /// The users whom it is for, ascending.
    pub(crate) users: Vec<u32>,
    pub(crate) missed: Missed,
    /// Everything that was asked of it, oldest first, one after the other.
    pub(crate) calls: Vec<ScheduleCall>,
    /// What the store says at the end came of it, oldest first.
    pub(crate) runs: Vec<Run>,
}

/// What becomes of times that passed while nobody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// The latest is made up for.
    Fire,
    /// None is.
    Skip,
}

/// A call: it took effect somewhere between its two instants.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleCall {
    pub(crate) what: Asked,
    pub(crate) sent: Micros,
    /// `None`: there never was an answer.
    pub(crate) answered: Option<Micros>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Stored, not paused, with this text.
    Put(u32),
    Pause,
    Resume,
    /// Run now: the notification that the API named.
    Run(Option<String>),
}

/// A run as the store keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// When it was due; for skipped ones the first of these times.
    pub(crate) due: Micros,
    /// The last of the times that it stands for.
    pub(crate) last_due: Micros,
    pub(crate) fired: Micros,
    /// Whether somebody asked for it.
    pub(crate) is_asked: bool,
    pub(crate) result: RunResult,
    /// The id of what was sent.
    pub(crate) id: Option<String>,
    /// That notification: its place in the first book, where it stands as if it had been asked for. `None`: the store has
    /// none.
    pub(crate) number: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunResult {
    Sent,
    Skipped,
    Failed,
}

/// How far business time is ahead, from when on by this computer's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockMove {
    pub(crate) at: Micros,
    pub(crate) ahead: Micros,
}
