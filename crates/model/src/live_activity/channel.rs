//! A broadcast channel that lives with its activity: made when that is declared, deleted when it has left the lock screens.
//! Only the rules; the engine makes the calls.
//!
//! ```text
//!            asked              its id came            gone from the lock screens     Apple says so
//!   wanted ────────▶ making ───────────────────▶ made ───────────────────────────▶ deleting ───────▶ deleted
//!     │  ▲              │                                                              │
//!     │  └── refused ───┤                                                              │
//!     ▼                 ▼ tries used up                                                ▼ tries used up
//!  unneeded           failed                                                          left
//! ```
//!
//! What always holds: that Apple is asked stands in the store before it is asked, so that no channel can come to be of which
//! nothing is known. Where nobody heard the answer, that is counted and told: a channel may be left over whose id nobody
//! knows.

use super::plan::Plan;
use super::push::PushKind;
use super::request::{Recipient, StartBy};
use super::run::{Notice, RecordKind, Run, Turn};
use super::{ActivityState, Rules};
use crate::UnixMs;
use crate::environment::Environment;
use crate::problem::FieldProblem;
use crate::target::Target;
use serde::{Deserialize, Serialize};

/// Most users and devices that one activity's channel is started on.
const MAX_STARTED: usize = 1_000;
/// A question that nobody answered is over after so many milliseconds: far longer than a call to a gateway takes. One that is
/// answered all the same is surplus.
const LEASE_MS: i64 = 120_000;
/// Longest pause between two tries: milliseconds.
const LONGEST_PAUSE_MS: i64 = 3_600_000;
/// The system takes an ended activity off the lock screen after four hours.
const SHOWN_AFTER_END_MS: i64 = 4 * 3_600_000;

/// A channel that Carillon makes for an activity, and deletes after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewChannel {
    /// Where it is: channels of one environment reach no phone of the other.
    pub environment: Environment,
    /// Apple keeps the newest push for phones that are offline, and takes fewer pushes in return.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub store: bool,
    /// Bundle id of the app; default: the credential's first topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Users whose phones are started by push, subscribed to the channel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// The same for devices, by the caller's ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// The same for an audience of any size, which is gone through page by page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Target>,
}

impl NewChannel {
    /// Whether phones are named that are to be started.
    #[must_use]
    pub fn starts_some(&self) -> bool {
        !self.users.is_empty() || !self.devices.is_empty() || self.audience.is_some()
    }

    /// What is wrong with it.
    pub(super) fn problems(&self, start: StartBy) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        for (key, list) in [("users", &self.users), ("devices", &self.devices)] {
            for (at, id) in list.iter().enumerate() {
                if id.is_empty() || id.len() > 128 {
                    problems.push(FieldProblem::new(
                        format!("/recipient/new_channel/{key}/{at}"),
                        "live_activity.recipient",
                        format!("expected 1 to 128 bytes, found {}", id.len()),
                    ));
                }
            }
        }
        let named = self.users.len() + self.devices.len();
        if named > MAX_STARTED {
            problems.push(FieldProblem::new(
                "/recipient/new_channel",
                "live_activity.recipient",
                format!("expected at most {MAX_STARTED} users and devices, found {named}: let the app of the others subscribe to the channel"),
            ));
        }
        problems.extend(self.audience_problems());
        match start {
            StartBy::Push if !self.starts_some() => problems.push(FieldProblem::new(
                "/start",
                "live_activity.start",
                "expected \"app\", or users, devices or an audience in new_channel: nobody is named whose phones could be started by push",
            )),
            StartBy::App if self.starts_some() => problems.push(FieldProblem::new(
                "/start",
                "live_activity.start",
                "expected \"push\", or neither users, devices nor an audience in new_channel: their phones are named to be started by push",
            )),
            _ => {}
        }
        problems
    }

    fn audience_problems(&self) -> Vec<FieldProblem> {
        const HERE: &str = "/recipient/new_channel/audience";
        let Some(target) = &self.audience else {
            return Vec::new();
        };
        let found = if !self.users.is_empty() || !self.devices.is_empty() {
            "users or devices beside it"
        } else if !target.is_fanned_out() || matches!(target, Target::Source(_)) {
            "another target"
        } else {
            let placed = |problem: FieldProblem| FieldProblem {
                pointer: problem.pointer.replacen("/target", HERE, 1),
                ..problem
            };
            return target.problems().into_iter().map(placed).collect();
        };
        let message = format!(
            "expected one of all, topic, tags, segment and list, and neither users nor devices in new_channel, found {found}"
        );
        vec![FieldProblem::new(HERE, "live_activity.audience", message)]
    }
}

/// Where a channel is in its life. See the chart of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelState {
    /// It is to be made.
    Wanted,
    /// Apple is asked to make it.
    Making,
    /// It is there.
    Made,
    /// Apple is asked to delete it.
    Deleting,
    /// It is gone.
    Deleted,
    /// It could not be made, and is not tried again.
    Failed,
    /// It could not be deleted, and is not tried again.
    Left,
    /// The activity was over before it was made.
    Unneeded,
}

impl ChannelState {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Making => "making",
            Self::Made => "made",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
            Self::Left => "left",
            Self::Unneeded => "unneeded",
        }
    }
}

/// What became of an activity's channel so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Where it is.
    pub state: ChannelState,
    /// Its id, as Apple issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The bundle id that it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// How often Apple was asked for what it is waiting for.
    #[serde(default)]
    pub tries: u16,
    /// How often nobody heard whether it was made: as many channels may be left over.
    #[serde(default)]
    pub doubts: u16,
    /// When something is to be done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<UnixMs>,
    /// Why the last try failed, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What Apple is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelErrand {
    /// To make the channel.
    Make,
    /// To delete this one.
    Delete(String),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelAnswer {
    /// It is made.
    Made {
        /// Its id.
        id: String,
        /// The bundle id it is made for.
        topic: String,
    },
    /// It is gone, or was gone already.
    Deleted,
    /// Nothing was done: why, and what to do.
    Refused(String),
    /// Nobody heard whether it was done: why, and what to do.
    Unheard(String),
}

/// What is to be done after an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelMoved {
    /// What people are told.
    pub notice: Option<Notice>,
    /// A channel that nobody waits for any more: it is to be deleted.
    pub surplus: Option<String>,
}

impl Plan {
    /// Whether it is for a broadcast channel.
    #[must_use]
    pub fn is_broadcast(&self) -> bool {
        matches!(
            self.recipient,
            Recipient::Channel(_) | Recipient::NewChannel(_)
        )
    }

    /// Whose phones are started on its channel, page by page.
    #[must_use]
    pub fn audience(&self) -> Option<&Target> {
        self.new_channel()?.audience.as_ref()
    }

    /// The channel that is made for it, where one is.
    #[must_use]
    pub fn new_channel(&self) -> Option<&NewChannel> {
        match &self.recipient {
            Recipient::NewChannel(new) => Some(new),
            _ => None,
        }
    }
}

impl Run {
    /// Whoever subscribed is told; phones that are started by push need no update token, and are not remembered.
    pub(super) fn begin_broadcast(
        &mut self,
        plan: &Plan,
        now: UnixMs,
        startable: &[i64],
        rules: &Rules,
        turn: &mut Turn,
    ) {
        self.state = ActivityState::Active;
        let is_started = plan.start == StartBy::Push;
        // How many an audience are, nobody knows before they are gone through.
        if is_started && (!startable.is_empty() || plan.audience().is_some()) {
            turn.records
                .push(self.record(RecordKind::Started, plan.starts_at, startable.len()));
            let (phones, alert) = (startable.to_vec(), plan.alert.clone());
            turn.push = Some(self.push(PushKind::Start, phones, plan, alert, true, now, rules));
            return;
        }
        if is_started {
            turn.notices.push(Notice::TokenMissing);
        }
        turn.push = Some(self.push(PushKind::Update, Vec::new(), plan, None, false, now, rules));
    }

    /// The activity's plan has a channel of its own: it is to be made. One that could not be made is tried anew.
    pub fn want_channel(&mut self, plan: &Plan, now: UnixMs) {
        if plan.new_channel().is_none() {
            return;
        }
        let (doubts, is_open) = match &self.channel {
            None => (0, true),
            Some(channel) => (channel.doubts, channel.state == ChannelState::Failed),
        };
        if is_open {
            self.channel = Some(Channel {
                state: ChannelState::Wanted,
                id: None,
                topic: None,
                tries: 0,
                doubts,
                due_at: Some(now),
                error: None,
            });
        }
    }

    /// Whether its plan has a channel of its own that is not there.
    pub(super) fn lacks_channel(&self, plan: &Plan) -> bool {
        plan.new_channel().is_some() && self.channel_id(plan).is_none()
    }

    /// The channel that its pushes go to.
    #[must_use]
    pub fn channel_id<'a>(&'a self, plan: &'a Plan) -> Option<&'a str> {
        match &plan.recipient {
            Recipient::Channel(id) => Some(id),
            Recipient::NewChannel(_) => self.channel.as_ref()?.id.as_deref(),
            _ => None,
        }
    }

    /// When its channel is to be looked after; `None`: not again, or there is none.
    #[must_use]
    pub fn errand_at(&self) -> Option<UnixMs> {
        self.channel.as_ref()?.due_at
    }

    /// What Apple is to be asked now. It is taken to be asked as soon as this is stored, whatever happens then.
    pub fn begin_errand(
        &mut self,
        now: UnixMs,
        rules: &Rules,
    ) -> (Option<ChannelErrand>, Option<Notice>) {
        let is_over = self.state.is_over();
        let Some(channel) = &mut self.channel else {
            return (None, None);
        };
        if channel.due_at.is_none_or(|at| at > now) {
            return (None, None);
        }
        let mut notice = None;
        if channel.state == ChannelState::Making {
            channel.doubts = channel.doubts.saturating_add(1);
            channel.error = Some(
                "whoever asked Apple for it was stopped before the answer was stored: list the App's channels, and delete one that belongs to nothing".to_owned(),
            );
            notice = Some(Notice::ChannelTrouble);
        }
        let is_making = matches!(channel.state, ChannelState::Wanted | ChannelState::Making);
        if (is_making && is_over) || channel.tries >= rules.channel_tries {
            channel.due_at = None;
            channel.state = match (is_making, is_over) {
                (true, true) => ChannelState::Unneeded,
                (true, false) => ChannelState::Failed,
                (false, _) => ChannelState::Left,
            };
            let is_told = channel.state != ChannelState::Unneeded;
            return (None, notice.or(is_told.then_some(Notice::ChannelTrouble)));
        }
        channel.tries += 1;
        channel.due_at = Some(now.saturating_add(LEASE_MS));
        let errand = match (is_making, channel.id.clone()) {
            (false, Some(id)) => {
                channel.state = ChannelState::Deleting;
                ChannelErrand::Delete(id)
            }
            _ => {
                channel.state = ChannelState::Making;
                ChannelErrand::Make
            }
        };
        (Some(errand), notice)
    }

    /// What came of [`Self::begin_errand`].
    pub fn errand_answered(
        &mut self,
        plan: &Plan,
        answer: ChannelAnswer,
        now: UnixMs,
        rules: &Rules,
    ) -> ChannelMoved {
        let mut moved = ChannelMoved::default();
        let Some(channel) = &mut self.channel else {
            moved.surplus = match answer {
                ChannelAnswer::Made { id, .. } => Some(id),
                _ => None,
            };
            return moved;
        };
        let is_making = channel.state == ChannelState::Making;
        let is_asked = is_making || channel.state == ChannelState::Deleting;
        match answer {
            // Somebody else was asked in between, and was first.
            ChannelAnswer::Made { id, .. } if !is_making => moved.surplus = Some(id),
            ChannelAnswer::Made { id, topic } => {
                channel.state = ChannelState::Made;
                (channel.id, channel.topic) = (Some(id), Some(topic));
                (channel.tries, channel.due_at, channel.error) = (0, None, None);
                moved.notice = Some(Notice::ChannelMade);
            }
            ChannelAnswer::Deleted => {
                channel.state = ChannelState::Deleted;
                (channel.due_at, channel.error) = (None, None);
            }
            // It is settled meanwhile.
            ChannelAnswer::Refused(_) | ChannelAnswer::Unheard(_) if !is_asked => {}
            ChannelAnswer::Refused(why) => moved.notice = channel.put_off(why, now, rules),
            ChannelAnswer::Unheard(why) => {
                let notice = channel.put_off(why, now, rules);
                // A second deletion does no harm; a second channel is one too many.
                moved.notice = notice.or(is_making.then_some(Notice::ChannelTrouble));
                channel.doubts = channel.doubts.saturating_add(u16::from(is_making));
            }
        }
        self.follow_with_channel(plan, rules);
        moved
    }

    /// What is to become of the channel of an activity that is over.
    pub fn follow_with_channel(&mut self, plan: &Plan, rules: &Rules) {
        let Some((ended_at, _)) = self.ended.filter(|_| self.state.is_over()) else {
            return;
        };
        let shown_ms = match self.state {
            // Nobody saw it.
            ActivityState::Cancelled => 0,
            _ if self.started_at.is_none() => 0,
            _ => {
                let dismiss_after_ms = self.last_end(plan).dismiss_after_ms;
                let shown_ms = dismiss_after_ms.unwrap_or(SHOWN_AFTER_END_MS);
                shown_ms.saturating_add(rules.channel_delete_after_ms)
            }
        };
        let Some(channel) = &mut self.channel else {
            return;
        };
        match channel.state {
            ChannelState::Wanted => {
                channel.state = ChannelState::Unneeded;
                channel.due_at = None;
            }
            ChannelState::Made if channel.due_at.is_none() => {
                channel.due_at = Some(ended_at.saturating_add(shown_ms));
            }
            _ => {}
        }
    }
}

impl Channel {
    /// It is tried again later, or given up.
    fn put_off(&mut self, why: String, now: UnixMs, rules: &Rules) -> Option<Notice> {
        self.error = Some(why);
        let is_making = self.state == ChannelState::Making;
        if self.tries >= rules.channel_tries {
            self.due_at = None;
            self.state = if is_making {
                ChannelState::Failed
            } else {
                ChannelState::Left
            };
            return Some(Notice::ChannelTrouble);
        }
        if is_making {
            self.state = ChannelState::Wanted;
        }
        let doublings = u32::from(self.tries.saturating_sub(1)).min(30);
        let pause = rules.channel_pause_ms.saturating_mul(1 << doublings);
        self.due_at = Some(now.saturating_add(pause.min(LONGEST_PAUSE_MS)));
        // The first refusal is told: a person may have to mend something.
        (self.tries == 1).then_some(Notice::ChannelTrouble)
    }
}
