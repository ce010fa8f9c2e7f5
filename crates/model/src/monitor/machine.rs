//! The state machine: what becomes of a monitor that is told something, and when to look again. See the chart of
//! [`super`].

use super::definition::MonitorPlan;
use super::heartbeat::Pulse;
use super::incident::{Entry, Hold, Incident, Paged, ResolvedBy, What};
use super::ladder::LadderPlan;
use super::result::{CheckResult, Fault, FaultKind, Verdict};
use super::watch::{LastCheck, Refused, Turn, Watch, WatchEvent, WatchState};
use crate::{UnixMs, duration};

/// Shortest and longest time for which a page may be put off: milliseconds.
const SNOOZE_MS: std::ops::RangeInclusive<i64> = 60_000..=86_400_000;

/// What the machine needs to know besides its record.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The monitor's number, which gives it its place in the interval.
    pub no: i64,
    /// What it says.
    pub plan: &'a MonitorPlan,
    /// Its ladder.
    pub ladder: Option<&'a LadderPlan>,
    /// A monitor that it depends on and that is not up ([`WatchState::holds_dependents`]).
    pub down: Option<&'a str>,
    /// Since when beats can be heard without a break: when this installation began to answer.
    pub listening_since: UnixMs,
    /// Whether nobody is paged for now, as after a restore: what is due then is due as soon as that is over.
    pub is_paused: bool,
    /// A random number, for the jitter of the next check.
    pub dice: u64,
}

impl MonitorPlan {
    /// The furthest that a check may be away at `now`: what is further was planned by a clock that was ahead.
    #[must_use]
    pub fn latest_check(&self, now: UnixMs) -> UnixMs {
        let furthest = self.interval_ms.max(self.retry_after_ms);
        now.saturating_add(furthest.saturating_add(self.jitter_ms))
    }
}

impl Watch {
    /// Tells it something at `now`. What is refused changes nothing but what time has brought.
    pub fn turn(&mut self, around: &Around<'_>, event: WatchEvent, now: UnixMs) -> Turn {
        let before = self.state;
        let turn = self.take_turn(around, event, now);
        // A clock that was set back has nothing last from the future on.
        if self.state != before || self.since.is_none_or(|since| since > now) {
            self.since = Some(now);
        }
        turn
    }

    fn take_turn(&mut self, around: &Around<'_>, event: WatchEvent, now: UnixMs) -> Turn {
        let mut turn = Turn::default();
        self.bound(around, now);
        turn.refused = self.tell(around, event, now, &mut turn).err();
        if around.plan.paused {
            self.rest(around, now, &mut turn);
            return turn;
        }
        if let Some(heartbeat) = around.plan.heartbeat()
            && let Some(result) = self.pulse.look(heartbeat, around.listening_since, now)
        {
            self.checked(around, result, now, &mut turn);
        }
        self.hold(around, now, &mut turn);
        self.judge(around, now, &mut turn);
        if !around.is_paused {
            self.page(around, now, &mut turn);
        }
        turn.look_at = self.look_at(around, now);
        turn
    }

    /// No wait is longer than it was meant to be, whatever the clock does.
    fn bound(&mut self, around: &Around<'_>, now: UnixMs) {
        let plan = around.plan;
        let within_ms = plan.flapping.map_or(0, |(_, within_ms)| within_ms);
        self.changes
            .retain(|at| *at <= now && now.saturating_sub(*at) < within_ms);
        if let Some(incident) = &mut self.incident {
            incident.bound(now);
        }
        let latest = plan.latest_check(now);
        self.check_at = if plan.heartbeat().is_some() || plan.paused {
            None
        } else {
            let planned = self.check_at.filter(|at| *at <= latest);
            Some(planned.unwrap_or_else(|| plan.next_check(around.no, around.dice, now)))
        };
    }

    fn tell(
        &mut self,
        around: &Around<'_>,
        event: WatchEvent,
        now: UnixMs,
        turn: &mut Turn,
    ) -> Result<(), Refused> {
        match event {
            WatchEvent::Look => {}
            WatchEvent::Checked(result) => {
                if self.check_at.is_none() {
                    return Err(Refused::NotChecked);
                }
                self.attempted(around, result, now, turn);
            }
            WatchEvent::Beat(beat) => {
                let heartbeat = around.plan.heartbeat().ok_or(Refused::NoHeartbeat)?;
                if let Some(result) = self.pulse.hear(heartbeat, &beat, now) {
                    self.checked(around, result, now, turn);
                }
            }
            WatchEvent::Acknowledge { incident, by } => {
                self.acknowledge(around, incident, by, now, turn)?;
            }
            WatchEvent::Unacknowledge { incident: no, by } => {
                let incident = self.open_incident(no)?;
                if incident.acknowledged.is_none() {
                    return Err(Refused::NotAcknowledged(no));
                }
                self.unacknowledge(Some(by), now, turn);
            }
            WatchEvent::Snooze {
                incident: no,
                by,
                for_ms,
            } => {
                let incident = self.open_incident(no)?;
                if !SNOOZE_MS.contains(&for_ms) {
                    return Err(Refused::Snooze(for_ms));
                }
                let until = incident.put_off(for_ms, now);
                let until = until.ok_or(Refused::NotPaging(no))?;
                self.enter(What::Snoozed { by, until }, now, turn);
            }
            WatchEvent::Resolve { incident: no, by } => {
                self.open_incident(no)?;
                self.resolve(around, ResolvedBy::Person(by), now, turn);
            }
            WatchEvent::ReachedNobody { incident: no, page } => {
                let incident = self.open_incident(no)?;
                incident.reached_nobody(page, around.ladder, now);
            }
        }
        Ok(())
    }

    fn open_incident(&mut self, no: u32) -> Result<&mut Incident, Refused> {
        let is_known = (1..=self.incidents).contains(&no);
        match &mut self.incident {
            Some(incident) if incident.no == no => Ok(incident),
            _ if is_known => Err(Refused::Over(no)),
            _ => Err(Refused::NoIncident(no)),
        }
    }

    fn enter(&self, what: What, now: UnixMs, turn: &mut Turn) {
        turn.entries.push(Entry {
            at: now,
            incident: self.incident.as_ref().map(|incident| incident.no),
            what,
        });
    }

    /// One attempt: a check has failed only after all of them have.
    fn attempted(
        &mut self,
        around: &Around<'_>,
        result: CheckResult,
        now: UnixMs,
        turn: &mut Turn,
    ) {
        let plan = around.plan;
        if result.verdict == Verdict::Down && self.tries < plan.retries {
            self.tries += 1;
            self.check_at = Some(now.saturating_add(plan.retry_after_ms));
            self.suspect(&result, now, turn);
            self.last = Some(LastCheck { at: now, result });
            return;
        }
        self.tries = 0;
        self.check_at = Some(plan.next_check(around.no, around.dice, now));
        self.checked(around, result, now, turn);
    }

    fn suspect(&mut self, result: &CheckResult, now: UnixMs, turn: &mut Turn) {
        if let (WatchState::Waiting | WatchState::Ok, Some(fault)) = (self.state, &result.fault) {
            self.state = WatchState::Suspected;
            self.enter(What::Suspected(fault.clone()), now, turn);
        }
    }

    /// A check that counts.
    fn checked(&mut self, around: &Around<'_>, result: CheckResult, now: UnixMs, turn: &mut Turn) {
        let is_up = match result.verdict {
            Verdict::Up => true,
            Verdict::Down => false,
            Verdict::Unknown => {
                self.last = Some(LastCheck { at: now, result });
                return;
            }
        };
        if is_up {
            (self.failures, self.good) = (0, self.good.saturating_add(1));
            if self.state == WatchState::Suspected {
                self.enter(What::Cleared, now, turn);
            }
            if self.incident.is_none() {
                self.state = WatchState::Ok;
            }
        } else {
            (self.failures, self.good) = (self.failures.saturating_add(1), 0);
            self.suspect(&result, now, turn);
        }
        self.last = Some(LastCheck { at: now, result });
        let is_change = self.was_up.is_some_and(|was_up| was_up != is_up);
        self.was_up = Some(is_up);
        if let (Some((most, _)), true, None) = (around.plan.flapping, is_change, &self.hold) {
            self.changes.push(now);
            let more = self.changes.len().saturating_sub(usize::from(most));
            self.changes.drain(..more);
        }
    }

    /// What holds pages back begins or ends.
    fn hold(&mut self, around: &Around<'_>, now: UnixMs, turn: &mut Turn) {
        let hold = if around.plan.maintenance.contains(now) {
            Some(Hold::Maintenance)
        } else {
            around.down.map(|name| Hold::Dependency(name.to_owned()))
        };
        if hold == self.hold {
            return;
        }
        match &hold {
            Some(hold) => self.enter(What::Held(hold.clone()), now, turn),
            None => {
                let incident = self.incident.as_ref();
                let acknowledged = incident.and_then(|incident| incident.acknowledged.as_ref());
                if acknowledged.is_some_and(|acknowledged| acknowledged.is_over(now)) {
                    self.unacknowledge(None, now, turn);
                }
                self.enter(What::Released, now, turn);
                (self.failures, self.tries) = (0, 0);
                if let Some(incident) = &mut self.incident {
                    // What is well again by then has the time to show it.
                    incident.settle(around.plan.settle_ms(), around.ladder, now);
                }
            }
        }
        self.hold = hold;
    }

    fn judge(&mut self, around: &Around<'_>, now: UnixMs, turn: &mut Turn) {
        let plan = around.plan;
        self.flap(around, now, turn);
        if self.incident.is_some() {
            if self.good >= plan.recoveries && !self.is_flapping {
                self.resolve(around, ResolvedBy::Recovery, now, turn);
            }
            return;
        }
        if self.hold.is_some() {
            return;
        }
        let is_down = self.state == WatchState::Suspected && self.failures >= plan.failures;
        if is_down {
            let fault = self
                .last
                .as_ref()
                .and_then(|last| last.result.fault.clone());
            let unsaid = || Fault::new(FaultKind::Exchange, "the check failed");
            self.open(fault.unwrap_or_else(unsaid), now, turn);
        } else if self.is_flapping {
            let (changes, within_ms) = plan.flapping.unwrap_or_default();
            let message = format!(
                "it went up and down {changes} times within {}",
                duration::format_ms(within_ms)
            );
            self.open(Fault::new(FaultKind::Flapping, message), now, turn);
        }
    }

    fn flap(&mut self, around: &Around<'_>, now: UnixMs, turn: &mut Turn) {
        let is_flapping = around.plan.flapping.is_some_and(|(most, within_ms)| {
            let since = |at: Option<&UnixMs>| at.map(|at| now.saturating_sub(*at));
            let is_full = self.changes.len() >= usize::from(most);
            let is_fresh = |at| since(at).is_some_and(|ms| ms < within_ms);
            match self.is_flapping {
                // It is over when there was no change for as long.
                true => is_fresh(self.changes.last()),
                false => is_full && is_fresh(self.changes.first()),
            }
        });
        if is_flapping == self.is_flapping {
            return;
        }
        self.is_flapping = is_flapping;
        let what = match is_flapping {
            true => What::FlappingBegan,
            false => What::FlappingEnded,
        };
        self.enter(what, now, turn);
        if !is_flapping {
            self.changes.clear();
        }
    }

    fn open(&mut self, fault: Fault, now: UnixMs, turn: &mut Turn) {
        self.incidents = self.incidents.saturating_add(1);
        self.state = WatchState::Firing;
        self.incident = Some(Incident::new(self.incidents, fault.clone(), now));
        self.enter(What::Opened(fault), now, turn);
    }

    fn resolve(&mut self, around: &Around<'_>, by: ResolvedBy, now: UnixMs, turn: &mut Turn) {
        let Some(incident) = &self.incident else {
            return;
        };
        let is_told = incident.pages > 0
            && !around.is_paused
            && around.ladder.is_some_and(|ladder| ladder.tell_resolved);
        let lasted_ms = now.saturating_sub(incident.opened_at).max(0);
        let is_by_itself = by == ResolvedBy::Recovery;
        let what = What::Resolved {
            by,
            lasted_ms,
            is_told,
        };
        self.enter(what, now, turn);
        self.incident = None;
        // What a person has closed while it was down is opened again only by as many failures as the first time.
        self.state = match self.was_up {
            Some(false) => WatchState::Suspected,
            _ => WatchState::Ok,
        };
        (self.failures, self.tries) = (0, 0);
        // What goes up and down so slowly that each time is an incident flaps all the same: its changes count on.
        if !is_by_itself {
            self.is_flapping = false;
            self.changes.clear();
        }
    }

    fn acknowledge(
        &mut self,
        around: &Around<'_>,
        no: u32,
        by: String,
        now: UnixMs,
        turn: &mut Turn,
    ) -> Result<(), Refused> {
        match self.open_incident(no)?.acknowledged.clone() {
            None => {}
            Some(known) if known.is_over(now) => self.unacknowledge(None, now, turn),
            // Said again, for the answer was lost.
            Some(known) if known.by == by => return Ok(()),
            Some(known) => return Err(Refused::Acknowledged { no, by: known.by }),
        }
        let for_ms = around.ladder.and_then(|ladder| ladder.acknowledged_for_ms);
        let incident = self.open_incident(no)?;
        incident.acknowledge(by.clone(), for_ms, now);
        self.state = WatchState::Acknowledged;
        self.enter(What::Acknowledged { by }, now, turn);
        Ok(())
    }

    fn unacknowledge(&mut self, by: Option<String>, now: UnixMs, turn: &mut Turn) {
        if let Some(incident) = &mut self.incident {
            incident.unacknowledge();
            self.state = WatchState::Firing;
            self.enter(What::Unacknowledged { by }, now, turn);
        }
    }

    fn page(&mut self, around: &Around<'_>, now: UnixMs, turn: &mut Turn) {
        let Some(incident) = &self.incident else {
            return;
        };
        if let Some(acknowledged) = &incident.acknowledged {
            if !acknowledged.is_over(now) {
                return;
            }
            self.unacknowledge(None, now, turn);
        }
        let Some(incident) = &mut self.incident else {
            return;
        };
        let paged = match (around.ladder, around.plan.severity.loudest()) {
            (Some(ladder), Some(loudest)) if self.hold.is_none() => {
                incident.page(ladder, loudest, now)
            }
            (Some(_), Some(_)) => Paged::Nothing,
            _ => {
                incident.no_ladder();
                Paged::Nothing
            }
        };
        match paged {
            Paged::Nothing => {}
            Paged::Step(page) => self.enter(What::Paged(page), now, turn),
            Paged::GivenUp => self.enter(What::GivenUp, now, turn),
        }
    }

    /// It rests: nothing is known of it, and nothing is open.
    fn rest(&mut self, around: &Around<'_>, now: UnixMs, turn: &mut Turn) {
        self.resolve(around, ResolvedBy::Pause, now, turn);
        if self.hold.take().is_some() {
            self.enter(What::Released, now, turn);
        }
        *self = Self {
            incidents: self.incidents,
            last: self.last.take(),
            pulse: Pulse {
                heard_at: self.pulse.heard_at,
                ..Pulse::default()
            },
            ..Self::default()
        };
    }

    fn look_at(&self, around: &Around<'_>, now: UnixMs) -> Option<UnixMs> {
        let plan = around.plan;
        let beat = plan.heartbeat().and(self.pulse.due_at);
        let window = plan.maintenance.next_change(now);
        let flapping = plan.flapping.filter(|_| self.is_flapping);
        let calm = flapping
            .and_then(|(_, within_ms)| Some(self.changes.last()?.saturating_add(within_ms)));
        let incident = self.incident.as_ref();
        let page = incident
            .filter(|_| self.hold.is_none())
            .and_then(Incident::next_page_at);
        let acknowledged = incident
            .and_then(|incident| incident.acknowledged.as_ref())
            .and_then(|acknowledged| acknowledged.until);
        // Whatever was left undone meanwhile.
        let goes_on = incident.filter(|_| around.is_paused).map(|_| now);
        [beat, window, calm, page, acknowledged, goes_on]
            .into_iter()
            .flatten()
            .filter(|at| *at < UnixMs::MAX)
            .min()
    }
}
