//! An incident while it lasts, and what is written down of it.

use super::ladder::LadderPlan;
use super::page::{Page, PageHow, PageNo};
use super::result::Fault;
use crate::UnixMs;
use serde::{Deserialize, Serialize};

/// An incident that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number among those of its monitor, from 1.
    pub no: u32,
    /// When it was opened.
    pub opened_at: UnixMs,
    /// What was wrong then.
    pub fault: Fault,
    /// Who has it in hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    /// How many pages were sent.
    #[serde(default)]
    pub pages: u32,
    /// Where the ladder is.
    #[serde(default)]
    pub(super) paging: Paging,
}

/// Somebody has an incident in hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: UnixMs,
    /// Until when; `None`: until it is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMs>,
}

/// Where the ladder is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Paging {
    /// The next page.
    next: PageNo,
    /// When it is due; `None`: it has not begun, rests, or was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<UnixMs>,
    /// How long that was away when it was set: milliseconds.
    #[serde(default)]
    wait_ms: i64,
    /// The page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<PageNo>,
    /// It was gone through as often as it says, and nobody acknowledged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_given_up: bool,
}

/// What paging comes to at an instant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Paged {
    /// Nothing.
    Nothing,
    /// A step.
    Step(Page),
    /// Nobody answered, and nobody will be paged again.
    GivenUp,
}

/// Something that happened: it is written down, and is to be acted upon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: UnixMs,
    /// The incident's number, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<u32>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum What {
    /// A check failed, and it is not sure yet.
    Suspected(Fault),
    /// That was nothing.
    Cleared,
    /// An incident is opened.
    Opened(Fault),
    /// Somebody is to be paged.
    Paged(Page),
    /// The ladder was gone through as often as it says, and nobody acknowledged.
    GivenUp,
    /// Somebody has it in hand: nobody is paged any more.
    Acknowledged {
        /// Who.
        by: String,
    },
    /// Nobody has it in hand any more: the ladder begins anew.
    Unacknowledged {
        /// Who said so; nobody: it was acknowledged for so long, and not resolved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Somebody put the next page off.
    Snoozed {
        /// Who.
        by: String,
        /// Until when.
        until: UnixMs,
    },
    /// Nobody is paged for now.
    Held(Hold),
    /// That is over; what was seen meanwhile does not count.
    Released,
    /// It goes up and down too often: the incident stays open until that is over.
    FlappingBegan,
    /// That is over.
    FlappingEnded,
    /// The incident is closed.
    Resolved {
        /// By what.
        by: ResolvedBy,
        /// How long it lasted: milliseconds.
        lasted_ms: i64,
        /// Whether those who were paged are to be told.
        is_told: bool,
    },
}

/// Where an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentState {
    /// Nobody has it in hand.
    Firing,
    /// Somebody has it in hand.
    Acknowledged,
    /// It is closed.
    Resolved,
}

/// Why nobody is paged although something is down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "hold", content = "name")]
pub enum Hold {
    /// It is down on purpose.
    Maintenance,
    /// This monitor is down, without which it cannot be up.
    Dependency(String),
}

/// What closed an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "resolved", content = "name")]
pub enum ResolvedBy {
    /// It is up again.
    Recovery,
    /// Somebody said so.
    Person(String),
    /// Its monitor rests.
    Pause,
}

impl IncidentState {
    /// The word used in JSON and pushes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

impl ResolvedBy {
    /// The word used in JSON and events.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Recovery => "recovery",
            Self::Person(_) => "person",
            Self::Pause => "pause",
        }
    }

    /// Who said so, where it was a person.
    #[must_use]
    pub fn person(&self) -> Option<&str> {
        match self {
            Self::Person(who) => Some(who),
            Self::Recovery | Self::Pause => None,
        }
    }
}

impl Acknowledgement {
    /// Whether it was for a time, and that is over.
    pub(super) fn is_over(&self, now: UnixMs) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Incident {
    pub(super) fn new(no: u32, fault: Fault, now: UnixMs) -> Self {
        Self {
            no,
            opened_at: now,
            fault,
            acknowledged: None,
            pages: 0,
            paging: Paging::default(),
        }
    }

    /// When the next page is due, unless something holds it; `None`: it has not begun, rests, or was given up.
    #[must_use]
    pub fn next_page_at(&self) -> Option<UnixMs> {
        self.paging.due_at
    }

    /// Whether nobody answered, and nobody will be paged again.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.paging.is_given_up
    }

    /// No wait is longer than it was meant to be, whatever the clock does.
    pub(super) fn bound(&mut self, now: UnixMs) {
        let paging = &mut self.paging;
        let latest = now.saturating_add(paging.wait_ms);
        paging.due_at = paging.due_at.map(|at| at.min(latest));
        if let Some(acknowledged) = &mut self.acknowledged
            && acknowledged.at > now
        {
            let ahead_ms = acknowledged.at.saturating_sub(now);
            acknowledged.at = now;
            let earlier = |until: UnixMs| until.saturating_sub(ahead_ms);
            acknowledged.until = acknowledged.until.map(earlier);
        }
    }

    pub(super) fn acknowledge(&mut self, by: String, for_ms: Option<i64>, now: UnixMs) {
        self.paging.due_at = None;
        self.acknowledged = Some(Acknowledgement {
            by,
            at: now,
            until: for_ms.map(|ms| now.saturating_add(ms)),
        });
    }

    /// Paging begins anew.
    pub(super) fn unacknowledge(&mut self) {
        self.acknowledged = None;
        let paging = &mut self.paging;
        paging.next = PageNo {
            run: paging.next.run.saturating_add(1),
            round: 0,
            step: 0,
        };
        (paging.due_at, paging.is_given_up) = (None, false);
    }

    /// The next page is not due before so long. When it is due then; `None`: none is to come.
    pub(super) fn put_off(&mut self, for_ms: i64, now: UnixMs) -> Option<UnixMs> {
        if self.paging.due_at? < now.saturating_add(for_ms) {
            self.paging.wait(for_ms, now);
        }
        self.paging.due_at
    }

    /// What held pages back is over: the next one, if one is to come, is not due before so long.
    pub(super) fn settle(&mut self, for_ms: i64, ladder: Option<&LadderPlan>, now: UnixMs) {
        if self.acknowledged.is_some() || self.paging.is_given_up {
            return;
        }
        match (self.paging.due_at, ladder) {
            // It was given back meanwhile.
            (None, Some(ladder)) => {
                let wait_ms = self.paging.after_ms(ladder).max(for_ms);
                self.paging.wait(wait_ms, now);
            }
            _ => {
                self.put_off(for_ms, now);
            }
        }
    }

    /// A page reached nobody: nobody is waited for. A round that is over rests all the same.
    pub(super) fn reached_nobody(&mut self, no: PageNo, ladder: Option<&LadderPlan>, now: UnixMs) {
        let steps = ladder.map_or(0, |ladder| ladder.steps.len());
        let paging = &mut self.paging;
        if paging.last == Some(no) && usize::from(paging.next.step) < steps {
            paging.due_at = paging.due_at.map(|at| at.min(now));
        }
    }

    /// What is to be done at `now`, of an incident that nobody has in hand and nothing holds.
    pub(super) fn page(&mut self, ladder: &LadderPlan, loudest: PageHow, now: UnixMs) -> Paged {
        let paged = self.paging.page(ladder, loudest, now);
        if matches!(paged, Paged::Step(_)) {
            self.pages = self.pages.saturating_add(1);
        }
        paged
    }

    /// Nobody is to be paged any more, for there is no ladder.
    pub(super) fn no_ladder(&mut self) {
        self.paging.due_at = None;
    }
}

impl Paging {
    fn wait(&mut self, ms: i64, now: UnixMs) {
        self.wait_ms = ms;
        self.due_at = Some(now.saturating_add(ms));
    }

    /// How long the next page is waited for; after the last step, how long it rests.
    fn after_ms(&self, ladder: &LadderPlan) -> i64 {
        let step = ladder.steps.get(usize::from(self.next.step));
        step.map_or(ladder.pause_ms, |step| step.after_ms)
    }

    fn page(&mut self, ladder: &LadderPlan, loudest: PageHow, now: UnixMs) -> Paged {
        if self.is_given_up {
            return Paged::Nothing;
        }
        let Some(due_at) = self.due_at else {
            // It begins, or goes on where it was when there was no ladder.
            self.wait(self.after_ms(ladder), now);
            return self.page_due(ladder, loudest, now);
        };
        if due_at > now {
            return Paged::Nothing;
        }
        self.page_due(ladder, loudest, now)
    }

    fn page_due(&mut self, ladder: &LadderPlan, loudest: PageHow, now: UnixMs) -> Paged {
        if self.due_at.is_none_or(|at| at > now) {
            return Paged::Nothing;
        }
        if usize::from(self.next.step) >= ladder.steps.len() {
            let round = self.next.round.saturating_add(1);
            if round >= ladder.rounds {
                (self.due_at, self.is_given_up) = (None, true);
                return Paged::GivenUp;
            }
            (self.next.round, self.next.step) = (round, 0);
            let first_ms = ladder.steps.first().map_or(0, |step| step.after_ms);
            self.wait(first_ms, now);
            if first_ms > 0 {
                return Paged::Nothing;
            }
        }
        let Some(step) = ladder.steps.get(usize::from(self.next.step)) else {
            return Paged::Nothing;
        };
        let page = Page {
            no: self.next,
            how: step.how.min(loudest),
            sound: step.sound.clone(),
        };
        self.last = Some(self.next);
        self.next.step = self.next.step.saturating_add(1);
        // Counted from when the step was taken and not from when it was due: after a time without anybody looking,
        // each has the time to answer that the ladder gives.
        self.wait(self.after_ms(ladder), now);
        Paged::Step(page)
    }
}
