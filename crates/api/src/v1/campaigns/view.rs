//! How a campaign is shown.

use crate::instant;
use crate::problem::Problem;
use crate::v1::notifications::Counts;
use carillon_model::UnixMs;
use carillon_model::campaign::{
    self, CampaignPlan, CampaignState, CanaryCounts, Phase, SourceRead,
};
use carillon_model::duration;
use carillon_ports::campaign::CampaignView as Row;
use carillon_ports::timer::SendState;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::schema::PlanSchema;

/// A campaign, and how far it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Campaign)]
pub(crate) struct CampaignItem<'a> {
    /// Its id.
    #[schema(example = "cmp_019876aa-bbbb-7000-8000-000000000007")]
    id: String,
    /// Its name, one of its kind in the App.
    #[schema(example = "spring-sale")]
    name: &'a str,
    /// The notification that it is: its deliveries are that one's.
    #[schema(example = "ntf_019876aa-bbbb-7000-8000-000000000007")]
    notification: String,
    /// `scheduled` (it waits for its time), `set_aside` (its time came, and it could not begin),
    /// `gathering` (its audience is written down), `waiting` (for its next slice or wave), `sending`, `holding` (for
    /// what comes of the canary), `paused`, `halted` (it paused by itself: see `progress.halted`),
    /// `cancelling`, `completed` or `cancelled`.
    #[schema(example = "sending")]
    status: &'static str,
    /// When it was accepted.
    #[schema(format = DateTime)]
    accepted_at: String,
    /// When it is to begin, or was; null where that is with its acceptance.
    #[schema(format = DateTime)]
    send_at: Option<String>,
    /// When it began, for one that waited for its time.
    #[schema(format = DateTime)]
    begun_at: Option<String>,
    /// After this instant nothing of it is written.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When its last delivery ended, once all have.
    #[schema(format = DateTime)]
    completed_at: Option<String>,
    /// Whom it is for and how it goes, with every default filled in.
    #[schema(value_type = PlanSchema)]
    plan: &'a RawValue,
    /// How far it is.
    progress: Progress,
}

/// How far a campaign is.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignProgress)]
pub(crate) struct Progress {
    /// How many devices it has; null where the audience is not written down, or not yet.
    audience: Option<u64>,
    /// How many of them had no turn yet.
    left: Option<u64>,
    /// Devices that get nothing: their local time had passed when it began.
    left_out: u64,
    /// How its deliveries stand.
    deliveries: Counts,
    /// Why deliveries ended that reached nobody.
    failures: Vec<FailureView>,
    /// Push tokens that died by it.
    retired: u64,
    /// Deliveries that ended in a second: since the line before in a stream, otherwise since it began.
    rate_per_second: f64,
    /// How long it takes from now on, by its plan or by its rate; null where nobody can tell.
    #[schema(example = "12m30s")]
    time_left: Option<String>,
    /// When its next slice goes, while one is to come.
    #[schema(format = DateTime)]
    next_at: Option<String>,
    /// By local time: devices that go at the same instant.
    waves: Vec<WaveView>,
    /// What came of those who went first.
    canary: Option<CanaryView>,
    /// Of an audience in a linked database: what came of reading it.
    source: Option<SourceView>,
    /// Why it stopped by itself; null while it goes.
    halted: Option<HaltView>,
}

/// What came of reading an audience from a linked database.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignSource)]
pub(crate) struct SourceView {
    /// How many devices it named; null before it was read.
    devices: Option<u64>,
    /// Rows that were read.
    rows: u64,
    /// Rows that named a device which no row before named.
    taken: u64,
    /// Rows that named only devices which rows before had named.
    doubled: u64,
    /// Rows that name nobody who is registered in this App.
    unknown: u64,
    /// Rows without a name, or with one that cannot be read.
    bad: u64,
    /// How often it was tried in vain.
    failures: u32,
    /// Why, the last time.
    error: Option<String>,
}

/// How many deliveries ended in one way.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignFailures)]
pub(crate) struct FailureView {
    /// At which gateway.
    #[schema(example = "apns")]
    gateway: &'static str,
    /// `rejected`, `failed`, `unknown` or `expired`.
    state: String,
    /// The gateway's reason or our word.
    #[schema(example = "Unregistered")]
    reason: String,
    /// How many.
    count: u64,
}

/// Devices that go at the same instant.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignWave)]
pub(crate) struct WaveView {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// How many they are.
    devices: u64,
    /// How many of them had no turn yet.
    left: u64,
}

/// What came of those who went first.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignCanary)]
pub(crate) struct CanaryView {
    /// How many went.
    sent: u32,
    /// Until when the others wait for what comes of it; null before it went.
    #[schema(format = DateTime)]
    hold_until: Option<String>,
    /// Share of its deliveries that did not reach anybody, of those that ended; null once others went.
    failed: Option<f64>,
    /// Share that went to users who do not want it or to dead push tokens; null once others went.
    opted_out: Option<f64>,
    /// Why the campaign halted.
    halted: Option<HaltView>,
}

/// Why a campaign stopped by itself.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignHalt)]
pub(crate) struct HaltView {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// `failed`, `opted_out` or `nothing_ended` of the canary; `source`: its audience cannot be read.
    #[schema(example = "failed")]
    reason: String,
    /// The same in words.
    message: String,
}

/// What was seen of a campaign before: for its rate.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    /// When.
    pub(crate) at: UnixMs,
    /// How many deliveries had ended.
    pub(crate) ended: u64,
}

impl Look {
    /// What is seen now.
    pub(crate) fn of(row: &Row, at: UnixMs) -> Self {
        let seen = &row.notification;
        Self {
            at,
            ended: seen.deliveries - seen.open,
        }
    }
}

impl<'a> CampaignItem<'a> {
    /// As it is at `now`; `before`: what was seen a while ago.
    pub(crate) fn of(row: &'a Row, now: UnixMs, before: Option<Look>) -> Result<Self, Problem> {
        let seen = &row.notification;
        let head = &seen.head;
        let unreadable =
            |error: serde_json::Error| Problem::internal(format!("campaign {}: {error}", head.no));
        let plan: CampaignPlan = serde_json::from_str(&row.head.plan).map_err(unreadable)?;
        let state: CampaignState = serde_json::from_str(&row.head.state).map_err(unreadable)?;
        Ok(Self {
            id: campaign::public(head.no, head.accepted_at),
            name: &row.head.name,
            notification: head.no.public(head.accepted_at),
            status: status(row, &state, now),
            accepted_at: instant::rfc3339(head.accepted_at),
            send_at: instant::optional(head.send_at),
            begun_at: instant::optional(head.begun_at),
            expires_at: instant::optional(head.expires_at),
            completed_at: instant::optional(seen.completed_at),
            plan: serde_json::from_str(&row.head.plan).map_err(unreadable)?,
            progress: progress(row, &plan, &state, now, before),
        })
    }
}

/// Whether nothing more will come of it.
pub(crate) fn is_over(row: &Row) -> bool {
    row.notification.completed_at.is_some()
}

fn status(row: &Row, state: &CampaignState, now: UnixMs) -> &'static str {
    let seen = &row.notification;
    match (seen.head.cancelled, is_over(row)) {
        (true, true) => return "cancelled",
        (true, false) => return "cancelling",
        (false, true) => return "completed",
        (false, false) => {}
    }
    if seen.head.paused {
        return match state.halted {
            Some(_) => "halted",
            None => "paused",
        };
    }
    match seen.plan.as_ref().map(|plan| &plan.state) {
        Some(SendState::Waiting { .. }) => return "scheduled",
        Some(SendState::SetAside { .. }) => return "set_aside",
        Some(SendState::Begun { .. } | SendState::Withdrawn) | None => {}
    }
    let waits_long = row.next_step_at.is_some_and(|at| at > now + 60_000);
    match state.phase {
        Phase::Begin | Phase::Gather => "gathering",
        Phase::Hold => "holding",
        Phase::Canary | Phase::Send if waits_long && seen.open == 0 => "waiting",
        Phase::Canary | Phase::Send => "sending",
    }
}

fn progress(
    row: &Row,
    plan: &CampaignPlan,
    state: &CampaignState,
    now: UnixMs,
    before: Option<Look>,
) -> Progress {
    let seen = &row.notification;
    let audience = state.audience();
    let before = before.unwrap_or(Look {
        at: seen.head.begins_at(),
        ended: 0,
    });
    let until = seen.completed_at.unwrap_or(now);
    let ended = Look::of(row, until).ended.saturating_sub(before.ended);
    let passed = (until - before.at).max(1) as f64 / 1e3;
    let rate = ended as f64 / passed;
    let is_going = !seen.head.paused && seen.completed_at.is_none() && !seen.head.cancelled;
    Progress {
        audience,
        left: audience.map(|_| state.left()),
        left_out: state.left_out,
        deliveries: seen.into(),
        failures: row
            .failures
            .iter()
            .map(|one| FailureView {
                gateway: one.gateway.as_str(),
                state: one.state.clone(),
                reason: one.reason.clone(),
                count: one.count,
            })
            .collect(),
        retired: row.retired,
        rate_per_second: (rate * 10.0).round() / 10.0,
        time_left: is_going
            .then(|| time_left(row, plan, state, now, rate))
            .flatten()
            .map(|ms| duration::format_ms((ms / 1_000).max(1) * 1_000)),
        next_at: row
            .next_step_at
            .filter(|at| is_going && *at > now)
            .map(instant::rfc3339),
        waves: plan.local_time.iter().flat_map(|_| waves(state)).collect(),
        canary: plan.canary.as_ref().map(|_| canary(row, state)),
        source: state.source.as_ref().map(SourceView::from),
        halted: halted(state),
    }
}

impl From<&SourceRead> for SourceView {
    fn from(read: &SourceRead) -> Self {
        Self {
            devices: read.devices,
            rows: read.rows.rows(),
            taken: read.rows.taken,
            doubled: read.rows.doubled,
            unknown: read.rows.unknown,
            bad: read.rows.bad,
            failures: read.failures,
            error: read.error.clone(),
        }
    }
}

fn halted(state: &CampaignState) -> Option<HaltView> {
    state.halted.as_ref().map(|halt| HaltView {
        at: instant::rfc3339(halt.at),
        reason: halt.reason.clone(),
        message: halt.message.clone(),
    })
}

fn waves(state: &CampaignState) -> impl Iterator<Item = WaveView> {
    state.waves.iter().map(|wave| WaveView {
        at: instant::rfc3339(wave.at),
        devices: wave.devices,
        left: wave.left,
    })
}

fn canary(row: &Row, state: &CampaignState) -> CanaryView {
    let seen = &row.notification;
    let counts = CanaryCounts::of(&seen.states, seen.open, row.retired);
    // Afterwards its deliveries stand among the others'.
    let is_known = state.phase == Phase::Hold && counts.ended > 0;
    let share = |of: u64| is_known.then(|| (counts.share(of) * 1e4).round() / 1e4);
    CanaryView {
        sent: state.canary,
        hold_until: (state.hold_until > 0).then(|| instant::rfc3339(state.hold_until)),
        failed: share(counts.failed),
        opted_out: share(counts.opted_out),
        halted: halted(state),
    }
}

/// How long it takes from now on, in milliseconds.
fn time_left(
    row: &Row,
    plan: &CampaignPlan,
    state: &CampaignState,
    now: UnixMs,
    rate: f64,
) -> Option<i64> {
    let by_plan = state.ends_at(plan, now).map(|at| at - now);
    if by_plan.is_some() {
        return by_plan;
    }
    // How many devices a paced one that is asked as it goes still has, nobody knows.
    if state.audience().is_none() && (plan.pace.is_some() || !row.notification.fanout_finished) {
        return None;
    }
    let left = row.notification.open + state.left();
    (rate > 0.0 && left > 0).then(|| (left as f64 / rate * 1e3) as i64)
}
