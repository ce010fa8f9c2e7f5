//! Timers of the fake.

use super::MemoryStore;
use super::state::State;
use crate::store::{NotificationHead, NotificationView, Result};
use crate::timer::{
    DueAsk, DueSend, DueTimer, DueTimers, NewTimer, SendChange, SendPlan, SendState, TimerClaim,
    TimerFailure, TimerStore, TimerSubject, WaitingSend,
};
use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DefinitionNo, NotificationNo};
use carillon_model::timer::{MissedRun, TimerKind};
use std::collections::BTreeMap;

/// A timer of a notification or of a schedule.
#[derive(Debug)]
pub(super) struct Timer {
    pub(super) app: AppNo,
    pub(super) of: Of,
    pub(super) due_at: Option<UnixMs>,
    /// When a schedule was due that is tried again.
    pub(super) own_due_at: Option<UnixMs>,
    pub(super) fence: i64,
    pub(super) missed: MissedRun,
    pub(super) attempts: u16,
    pub(super) last_error: Option<String>,
    pub(super) body: Bytes,
}

/// What a timer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Send(NotificationNo),
    Schedule(DefinitionNo),
    LiveActivity(i64),
    Watch(DefinitionNo),
}

impl Of {
    fn kind(self) -> TimerKind {
        match self {
            Self::Send(_) => TimerKind::Send,
            Self::Schedule(_) => TimerKind::Schedule,
            Self::LiveActivity(_) => TimerKind::LiveActivity,
            Self::Watch(_) => TimerKind::Watch,
        }
    }
}

impl State {
    pub(super) fn set_timer(&mut self, app: AppNo, no: NotificationNo, timer: NewTimer) {
        let (number, fence) = (self.number(), self.number());
        let timer = Timer {
            app,
            of: Of::Send(no),
            due_at: Some(timer.due_at),
            own_due_at: None,
            fence,
            missed: timer.missed,
            attempts: 0,
            last_error: None,
            body: timer.body,
        };
        self.timers.insert(number, timer);
    }

    /// Deletes it, if it is as it was read.
    pub(super) fn take_timer(&mut self, claim: TimerClaim) -> bool {
        let found = self.claimed(claim).is_some();
        if found {
            self.timers.remove(&claim.no);
        }
        found
    }

    pub(super) fn claimed(&mut self, claim: TimerClaim) -> Option<&mut Timer> {
        let timer = self.timers.get_mut(&claim.no)?;
        (timer.fence == claim.fence).then_some(timer)
    }

    fn timer_of(&self, no: NotificationNo) -> Option<(i64, &Timer)> {
        let mut all = self.timers.iter();
        all.find(|(_, timer)| timer.of == Of::Send(no))
            .map(|(number, timer)| (*number, timer))
    }

    pub(super) fn is_waiting(&self, no: NotificationNo) -> bool {
        self.timer_of(no).is_some()
    }

    pub(super) fn withdraw_timer(&mut self, no: NotificationNo, now: UnixMs) {
        if let Some((number, _)) = self.timer_of(no) {
            self.overtake_callouts(&[number], now);
        }
        self.timers.retain(|_, timer| timer.of != Of::Send(no));
    }

    pub(super) fn plan(&self, head: &NotificationHead) -> Option<SendPlan> {
        let send_at = head.send_at?;
        let state = match (head.begun_at, self.timer_of(head.no)) {
            (Some(at), _) => SendState::Begun { at },
            (None, None) => SendState::Withdrawn,
            (None, Some((_, timer))) => match timer.due_at {
                Some(next_try_at) => SendState::Waiting {
                    next_try_at,
                    attempts: timer.attempts,
                    last_error: timer.last_error.clone(),
                },
                None => SendState::SetAside {
                    attempts: timer.attempts,
                    last_error: timer.last_error.clone(),
                },
            },
        };
        Some(SendPlan { send_at, state })
    }

    /// Timers of deleted Apps, with what they would have sent.
    pub(super) fn prune_timers(&mut self) -> u64 {
        let gone: Vec<_> = self
            .timers
            .values()
            .filter(|timer| self.deleted_apps.contains(&timer.app))
            .map(|timer| timer.of)
            .collect();
        let mut rows = 0;
        for of in gone {
            self.timers.retain(|_, timer| timer.of != of);
            rows += match of {
                Of::Send(no) => self.forget(no),
                Of::Schedule(_) | Of::LiveActivity(_) | Of::Watch(_) => 1,
            };
        }
        rows
    }

    fn due_timers(&self, ask: DueAsk) -> DueTimers {
        let mut by_app: BTreeMap<AppNo, Vec<(UnixMs, i64)>> = BTreeMap::new();
        let mut due = DueTimers::default();
        for (number, timer) in &self.timers {
            let Some(at) = timer.due_at.filter(|_| self.apps.contains_key(&timer.app)) else {
                continue;
            };
            if at <= ask.now {
                by_app.entry(timer.app).or_default().push((at, *number));
            } else {
                due.next = Some(due.next.map_or(at, |next| next.min(at)));
            }
        }
        let is_later = |app: &AppNo| ask.after.is_none_or(|after| *app > after);
        let apps: Vec<_> = by_app.keys().copied().collect();
        let (first, rest): (Vec<_>, Vec<_>) = apps.into_iter().partition(is_later);
        let mut bytes = 0;
        for app in first.into_iter().chain(rest) {
            let Some(numbers) = by_app.get_mut(&app) else {
                continue;
            };
            numbers.sort_unstable();
            numbers.truncate(ask.each as usize);
            for timer in numbers.iter().filter_map(|(_, number)| self.due(*number)) {
                if due.timers.len() >= ask.most as usize || bytes >= ask.most_bytes {
                    due.is_full = true;
                    return due;
                }
                bytes += timer.subject.as_ref().map_or(0, TimerSubject::bytes);
                due.timers.push(timer);
            }
        }
        due
    }

    pub(super) fn due(&self, number: i64) -> Option<DueTimer> {
        let timer = self.timers.get(&number)?;
        Some(DueTimer {
            claim: TimerClaim {
                no: number,
                fence: timer.fence,
            },
            app: timer.app,
            due_at: timer.own_due_at.or(timer.due_at)?,
            attempts: timer.attempts,
            kind: Some(timer.of.kind()),
            subject: Ok(match timer.of {
                Of::Send(no) => TimerSubject::Send(Box::new(DueSend {
                    notification: self.notifications.get(&no)?.head.clone(),
                    missed: timer.missed,
                    body: timer.body.clone(),
                })),
                Of::Schedule(no) => TimerSubject::Schedule(Box::new(self.due_schedule(no)?)),
                Of::LiveActivity(no) => {
                    TimerSubject::LiveActivity(Box::new(self.due_activity(no)?))
                }
                Of::Watch(no) => TimerSubject::Watch(Box::new(self.due_watch(no)?)),
            }),
        })
    }

    fn change_send(&mut self, change: SendChange) -> bool {
        let fence = self.number();
        let Some(timer) = self.claimed(change.claim) else {
            return false;
        };
        timer.fence = fence;
        (timer.attempts, timer.last_error) = (0, None);
        timer.due_at = Some(change.timer.due_at);
        (timer.missed, timer.body) = (change.timer.missed, change.timer.body);
        if let Some(notification) = self.notifications.get_mut(&change.no) {
            let head = &mut notification.head;
            head.send_at = Some(change.timer.due_at);
            head.expires_at = change.expires_at;
            (head.options, head.payload) = (change.options, change.payload);
        }
        match change.callout {
            Some(end) => self.end_callout(&end, Some(change.no)),
            None => self.overtake_callouts(&[change.claim.no], change.now),
        }
        true
    }
}

#[async_trait]
impl TimerStore for MemoryStore {
    async fn due_timers(&self, ask: DueAsk) -> Result<DueTimers> {
        Ok(self.read().due_timers(ask))
    }

    async fn fail_timers(&self, failures: Vec<TimerFailure>, now: UnixMs) -> Result<()> {
        let mut state = self.write()?;
        for failure in failures {
            let fence = state.number();
            let Some(timer) = state.claimed(failure.claim) else {
                continue;
            };
            (timer.fence, timer.due_at) = (fence, failure.next_try_at);
            if let Of::Schedule(_) = timer.of {
                timer.own_due_at = Some(failure.due_at);
            }
            (timer.attempts, timer.last_error) = (failure.attempts, Some(failure.error));
            if let Some(event) = failure.event {
                state.append(event, now);
            }
            if let Some(end) = failure.callout {
                state.end_callout(&end, None);
            }
        }
        Ok(())
    }

    async fn waiting_send(&self, app: AppNo, no: NotificationNo) -> Result<Option<WaitingSend>> {
        let state = self.read();
        let is_fixed = state.campaigns.contains_key(&no);
        let found = state
            .timer_of(no)
            .filter(|(_, timer)| timer.app == app && !is_fixed);
        Ok(found.map(|(number, timer)| WaitingSend {
            claim: TimerClaim {
                no: number,
                fence: timer.fence,
            },
            body: timer.body.clone(),
        }))
    }

    async fn change_send(&self, change: SendChange) -> Result<bool> {
        Ok(self.write()?.change_send(change))
    }

    async fn scheduled(
        &self,
        app: AppNo,
        set_aside: bool,
        after: Option<(UnixMs, NotificationNo)>,
        limit: u32,
    ) -> Result<Vec<NotificationView>> {
        let state = self.read();
        let mut places: Vec<_> = state
            .timers
            .values()
            .filter(|timer| timer.app == app && timer.due_at.is_none() == set_aside)
            .filter_map(|timer| match timer.of {
                Of::Send(no) => Some((timer.due_at.unwrap_or(0), no)),
                Of::Schedule(_) | Of::LiveActivity(_) | Of::Watch(_) => None,
            })
            .filter(|place| after.is_none_or(|after| *place > after))
            .collect();
        places.sort_unstable();
        places.truncate(limit as usize);
        let views = places.into_iter().filter_map(|(_, no)| state.view(no));
        Ok(views.collect())
    }

    async fn is_scheduler_paused(&self) -> Result<bool> {
        Ok(self.read().is_scheduler_paused)
    }

    async fn resume_scheduler(&self) -> Result<bool> {
        let mut state = self.write()?;
        Ok(std::mem::take(&mut state.is_scheduler_paused))
    }
}
