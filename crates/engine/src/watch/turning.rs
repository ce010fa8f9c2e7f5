//! A monitor while it takes a step: what it was, what happens to it, and what is to be written of that.

use super::plans::Monitor;
use super::telling::{Done, Telling};
use crate::hub::Hub;
use crate::intake::Cold;
use carillon_model::UnixMs;
use carillon_model::event::{EventKind, IncidentNews, PageNews};
use carillon_model::id::NotificationNo;
use carillon_model::monitor::{
    Around, Entry, Fault, LadderPlan, Page, Refused, Told, Watch, WatchEvent, WatchState, What,
};
use carillon_ports::news;
use carillon_ports::store::{NewEvent, NewNotification, StoreError};
use carillon_ports::watch::{RingChange, StoredWatch, WatchClaim, WatchEntry, WatchStep};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Of one incident at most so many notifications are taken back at once, the newest.
const MOST_TAKEN_BACK: usize = 64;

/// The incident that a step is about, also when it is closed by it.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) no: u32,
    pub(super) opened_at: UnixMs,
    pub(super) fault: Fault,
}

/// See the module's words.
pub(super) struct Turning {
    /// Its place among those that take a step together.
    pub(super) at: usize,
    pub(super) monitor: Arc<Monitor>,
    pub(super) ladder: Option<Arc<LadderPlan>>,
    /// As it was read; none: it is new.
    pub(super) before: Option<StoredWatch>,
    pub(super) watch: Watch,
    /// What it depends on and is not up.
    pub(super) down: Option<String>,
    pub(super) about: Option<About>,
    events: Vec<WatchEvent>,
    must_write: bool,
    refused: Vec<Option<Refused>>,
    look_at: Option<UnixMs>,
    /// What happened and was not acted upon yet.
    pub(super) happened: Vec<Entry>,
    /// What was.
    pub(super) entries: Vec<WatchEntry>,
    /// What each of these is about.
    abouts: Vec<Option<About>>,
    /// What happened to the incident before this step; it is read where this step [`overtakes`] some of it.
    pub(super) former: Vec<WatchEntry>,
    pub(super) rings: Vec<RingChange>,
    pub(super) pages: Vec<(u32, NewNotification)>,
    /// Where the work of its pages is.
    pub(super) cold: Cold,
}

/// A step that is on disk, or changed nothing.
pub(super) struct Written {
    pub(super) monitor: Arc<Monitor>,
    pub(super) done: Done,
    /// Whether it matters to those that depend on it.
    pub(super) is_changed: bool,
}

impl Turning {
    pub(super) fn new(
        at: usize,
        telling: &Telling,
        before: Option<StoredWatch>,
        watch: Watch,
        ladder: Option<Arc<LadderPlan>>,
    ) -> Self {
        let about = watch.incident.as_ref().map(|incident| About {
            no: incident.no,
            opened_at: incident.opened_at,
            fault: incident.fault.clone(),
        });
        Self {
            at,
            monitor: telling.monitor.clone(),
            ladder,
            before,
            watch,
            down: None,
            about,
            events: telling.events.clone(),
            must_write: telling.must_write,
            refused: Vec::new(),
            look_at: None,
            happened: Vec::new(),
            entries: Vec::new(),
            abouts: Vec::new(),
            former: Vec::new(),
            rings: Vec::new(),
            pages: Vec::new(),
            cold: Cold::default(),
        }
    }

    /// Tells it what it is told, in order.
    pub(super) fn turn(&mut self, hub: &Hub, now: UnixMs) {
        for event in std::mem::take(&mut self.events) {
            let refused = self.take(hub, event, now);
            self.refused.push(refused);
        }
    }

    fn take(&mut self, hub: &Hub, event: WatchEvent, now: UnixMs) -> Option<Refused> {
        let around = Around {
            no: self.monitor.no.0,
            plan: &self.monitor.plan,
            ladder: self.ladder.as_deref(),
            down: self.down.as_deref(),
            listening_since: match hub.watching.waits_to_be_heard(self.monitor.no) {
                true => now,
                false => hub.listening_since(now),
            },
            is_paused: hub.is_scheduler_paused.load(Relaxed),
            dice: hub.parts.clock.random(),
        };
        let turn = self.watch.turn(&around, event, now);
        self.happened.extend(turn.entries);
        self.look_at = turn.look_at;
        turn.refused
    }

    /// A page has reached nobody: the next step is due at once.
    pub(super) fn reached_nobody(&mut self, hub: &Hub, page: &Page, now: UnixMs) {
        if let Some(incident) = self.watch.incident.as_ref().map(|incident| incident.no) {
            let page = page.no;
            self.take(hub, WatchEvent::ReachedNobody { incident, page }, now);
        }
    }

    /// Acts upon what needs nobody: it is written down, and told. `told`: whom a page went to.
    pub(super) fn enter(&mut self, entry: Entry, told: Vec<Told>) {
        if let (What::Opened(fault), Some(no)) = (&entry.what, entry.incident) {
            self.about = Some(About {
                no,
                opened_at: entry.at,
                fault: fault.clone(),
            });
        }
        self.abouts.push(self.about.clone());
        self.entries.push(WatchEntry { entry, told });
    }

    /// The notifications of a page are made: of whom none is for, it has not reached. Whether it reached anybody.
    pub(super) fn has_reached(&mut self, entry: usize) -> bool {
        let Some(page) = self.entries.get_mut(entry) else {
            return false;
        };
        for told in &mut page.told {
            if told.notification.is_none() {
                (told.how, told.instead, told.detour) = (None, None, None);
            }
        }
        page.told.iter().any(|told| told.how.is_some())
    }

    /// Notifications about an incident to which something happened since that they do not know of, the newest first.
    pub(super) fn overtaken(&self) -> Vec<NotificationNo> {
        let now = self.entries.iter().enumerate().rev();
        let now = now.map(|(place, one)| (one, place + 1));
        let former = self.former.iter().rev().map(|one| (one, 0));
        let told = now.chain(former).filter(|(one, since)| {
            let mut later = self.entries.iter().skip(*since);
            later.any(|later| {
                later.entry.incident == one.entry.incident && overtakes(&later.entry.what)
            })
        });
        let told = told.flat_map(|(one, _)| &one.told);
        let mut found = Vec::new();
        for id in told.filter_map(|told| told.notification.as_deref()) {
            let no = NotificationNo::parse(id).map(|(no, _)| no);
            let is_new = |no: &NotificationNo| found.len() < MOST_TAKEN_BACK && !found.contains(no);
            let no = no.filter(is_new);
            found.extend(no);
        }
        found
    }

    /// Names the notification by which somebody was told.
    pub(super) fn name(
        &mut self,
        entry: usize,
        devices: &[String],
        no: NotificationNo,
        at: UnixMs,
    ) {
        let Some(entry) = self.entries.get_mut(entry) else {
            return;
        };
        for told in &mut entry.told {
            if told.device.as_ref().is_some_and(|id| devices.contains(id)) {
                told.notification = Some(no.public(at));
            }
        }
    }

    pub(super) fn is_to_be_written(&self) -> bool {
        let is_same = |before: &StoredWatch| {
            before.version == self.monitor.version
                && serde_json::to_string(&self.watch).is_ok_and(|record| record == before.record)
        };
        self.must_write || !self.entries.is_empty() || !self.before.as_ref().is_some_and(is_same)
    }

    pub(super) fn was(&self) -> WatchState {
        let before = self.before.as_ref();
        before.map_or(WatchState::Waiting, |before| before.state)
    }

    /// The step that is written.
    pub(super) fn step(&mut self, now: UnixMs) -> Result<WatchStep, StoreError> {
        let record = serde_json::to_string(&self.watch);
        let of_each = self.entries.iter().zip(&self.abouts);
        let news = of_each
            .filter_map(|(one, about)| news_of(&self.monitor, about.as_ref()?, one))
            .collect();
        Ok(WatchStep {
            monitor: self.monitor.no,
            app: self.monitor.app,
            claim: match &self.before {
                None => WatchClaim::New,
                Some(before) => WatchClaim::Known(before.fence),
            },
            state: self.watch.state,
            record: record.map_err(|error| StoreError::Failed(error.to_string()))?,
            version: self.monitor.version,
            check_at: self.watch.check_at,
            look_at: self.look_at,
            entries: self.entries.clone(),
            events: news,
            rings: std::mem::take(&mut self.rings),
            pages: std::mem::take(&mut self.pages),
            now,
        })
    }

    /// Counts what it came to.
    pub(super) fn count(&self, hub: &Hub) {
        for told in self.entries.iter().flat_map(|entry| &entry.told) {
            if let (Some(how), Some(_)) = (told.how, &told.notification) {
                hub.meters.paged(how);
            }
        }
    }

    pub(super) fn written(self) -> Written {
        let is_changed = self.was().holds_dependents() != self.watch.state.holds_dependents();
        Written {
            is_changed,
            done: Done {
                watch: self.watch,
                refused: self.refused,
            },
            monitor: self.monitor,
        }
    }
}

/// Whether what was sent of the incident before is not so any more.
pub(super) fn overtakes(what: &What) -> bool {
    matches!(
        what,
        What::Acknowledged { .. } | What::Unacknowledged { .. } | What::Resolved { .. }
    )
}

/// What is told of something that happened; `None`: nothing.
fn news_of(monitor: &Monitor, about: &About, one: &WatchEntry) -> Option<NewEvent> {
    let WatchEntry { entry, told } = one;
    let mut news = IncidentNews {
        monitor: monitor.name.clone(),
        incident: about.no,
        severity: monitor.plan.severity,
        fault: about.fault.clone(),
        opened_at: about.opened_at,
        by: None,
        page: None,
        resolved: None,
        lasted_ms: None,
    };
    let kind = match &entry.what {
        What::Opened(_) => EventKind::IncidentOpened,
        What::Paged(page) => {
            let mut people: Vec<&str> = told.iter().map(|told| told.user.as_str()).collect();
            people.dedup();
            news.page = Some(PageNews {
                run: page.no.run,
                round: page.no.round.saturating_add(1),
                step: page.no.step.saturating_add(1),
                how: page.how,
                people: people.len(),
                devices: told.iter().filter(|told| told.how.is_some()).count(),
            });
            EventKind::IncidentPaged
        }
        What::Acknowledged { by } => {
            news.by = Some(by.clone());
            EventKind::IncidentAcknowledged
        }
        What::Resolved { by, lasted_ms, .. } => {
            news.resolved = Some(by.as_str().to_owned());
            news.by = by.person().map(str::to_owned);
            news.lasted_ms = Some(*lasted_ms);
            EventKind::IncidentResolved
        }
        What::GivenUp => EventKind::IncidentGivenUp,
        _ => return None,
    };
    Some(news::event(monitor.app, kind, &monitor.name, &news))
}
