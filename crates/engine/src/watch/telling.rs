//! One step of one or of many monitors: records are read together, turned, and written together, each under its fence. Where
//! somebody else was first, it is read again, so often.

use super::pages;
use super::plans::Monitor;
use super::turning::{Turning, Written};
use crate::intake::Cold;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::definition::DefinitionKind;
use carillon_model::id::DefinitionNo;
use carillon_model::monitor::{Hold, LadderPlan, Refused, Watch, WatchEvent, WatchState};
use carillon_ports::fault;
use carillon_ports::store::StoreError;
use carillon_ports::watch::{StoredWatch, WatchStep};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A step that others keep coming before is tried so often.
const TRIES: u32 = 8;
/// So far it is followed what depends on what depends on what.
const DEPTH: u32 = 8;

/// A monitor that is told something.
#[derive(Clone)]
pub(crate) struct Telling {
    pub(crate) monitor: Arc<Monitor>,
    /// What, in order.
    pub(crate) events: Vec<WatchEvent>,
    /// Its record as it was read, with what has become of it in memory since; none: it is read.
    pub(crate) known: Option<(StoredWatch, Watch)>,
    /// Whether it is read again where somebody else was first. A check is made again instead.
    pub(crate) again: bool,
    /// Whether it is written also where nothing has changed: its timer is due.
    pub(crate) must_write: bool,
}

impl Telling {
    /// Time has passed, or what it depends on has changed.
    pub(crate) fn look(monitor: Arc<Monitor>) -> Self {
        Self {
            monitor,
            events: vec![WatchEvent::Look],
            known: None,
            again: true,
            must_write: false,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Turned {
    /// It is on disk; or nothing had changed.
    Done(Box<Done>),
    /// Others keep changing it, or it is gone.
    Lost,
    /// Its record cannot be read: a sentence.
    Unreadable(String),
}

#[derive(Debug)]
pub(crate) struct Done {
    /// Its record now.
    pub(crate) watch: Watch,
    /// Of each event, in order: why what it wanted is not possible.
    pub(crate) refused: Vec<Option<Refused>>,
}

/// A record as it is stored, none where it is new, with what it says; or a sentence why it cannot be read.
type Read = Result<(Option<StoredWatch>, Watch), String>;

/// A monitor whose dependents may page again, or may not any more.
type Changed = Arc<Monitor>;

impl Shared {
    /// Tells monitors something, and those that depend on them when that matters to them. Answers in the same order.
    pub(crate) async fn tell_monitors(
        self: &Arc<Self>,
        tellings: Vec<Telling>,
        now: UnixMs,
    ) -> Result<Vec<Turned>, StoreError> {
        let (told, mut changed) = self.tell_these(tellings, now).await?;
        for _ in 0..DEPTH {
            let looks = self.looks_at_dependents(&changed);
            if looks.is_empty() {
                break;
            }
            match self.tell_these(looks, now).await {
                Ok((_, more)) => changed = more,
                // They see it at their next check; what only waits is made up for by the leading worker.
                Err(error) => {
                    tracing::warn!(%error, "monitors that depend on others were not told: {error}");
                    break;
                }
            }
        }
        Ok(told)
    }

    /// Tells monitors something; where one among them has rows that cannot be read, the others are told all the same.
    pub(super) async fn tell_each(
        self: &Arc<Self>,
        tellings: Vec<Telling>,
        now: UnixMs,
    ) -> Result<Vec<Turned>, StoreError> {
        match self.tell_monitors(tellings.clone(), now).await {
            Err(StoreError::Corrupt(_)) => {}
            told => return told,
        }
        let mut all = Vec::with_capacity(tellings.len());
        for telling in tellings {
            let name = telling.monitor.name.clone();
            match self.tell_monitors(vec![telling], now).await {
                Ok(told) => all.extend(told),
                Err(StoreError::Corrupt(why)) => {
                    let why = format!("what is stored of monitor {name} cannot be read: {why}");
                    all.push(Turned::Unreadable(why));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn looks_at_dependents(&self, changed: &[Changed]) -> Vec<Telling> {
        let directory = self.hub.directory.load();
        let mut seen = BTreeSet::new();
        let all = changed
            .iter()
            .flat_map(|monitor| directory.watch.dependents(monitor.app, &monitor.name));
        all.filter(|monitor| seen.insert(monitor.no))
            .map(Telling::look)
            .collect()
    }

    async fn tell_these(
        self: &Arc<Self>,
        tellings: Vec<Telling>,
        now: UnixMs,
    ) -> Result<(Vec<Turned>, Vec<Changed>), StoreError> {
        let mut told: Vec<Turned> = tellings.iter().map(|_| Turned::Lost).collect();
        let mut changed = Vec::new();
        let mut open: Vec<(usize, Telling)> = tellings.into_iter().enumerate().collect();
        for _ in 0..TRIES {
            if open.is_empty() {
                break;
            }
            let reads = self.read_these(&open).await?;
            self.renew(&mut open, &reads).await?;
            let mut turnings = Vec::with_capacity(open.len());
            for ((at, telling), read) in open.iter().zip(reads) {
                if is_behind(telling, &read) {
                    // This process cannot know the newer definition yet: who tells it tries again.
                    continue;
                }
                match read {
                    Ok((stored, watch)) => {
                        turnings.push(self.begin(*at, telling, stored, watch));
                    }
                    Err(why) => told[*at] = Turned::Unreadable(why),
                }
            }
            self.look_at_dependencies(&mut turnings).await?;
            for turning in &mut turnings {
                turning.turn(&self.hub, now);
            }
            pages::follow(self, &mut turnings, now).await?;
            let written = self.write(turnings, now).await?;
            let mut lost = BTreeSet::new();
            for (at, written) in written {
                match written {
                    None => {
                        lost.insert(at);
                    }
                    Some(Written {
                        done,
                        is_changed,
                        monitor,
                    }) => {
                        told[at] = Turned::Done(Box::new(done));
                        changed.extend(is_changed.then_some(monitor));
                    }
                }
            }
            open.retain(|(at, telling)| lost.contains(at) && telling.again);
            for (_, telling) in &mut open {
                telling.known = None;
            }
        }
        Ok((told, changed))
    }

    /// The records of these, in order; those that are not there yet are new.
    async fn read_these(&self, open: &[(usize, Telling)]) -> Result<Vec<Read>, StoreError> {
        let unknown = open.iter().filter(|(_, telling)| telling.known.is_none());
        let unknown: Vec<DefinitionNo> = unknown.map(|(_, telling)| telling.monitor.no).collect();
        let mut found = match unknown.is_empty() {
            true => Vec::new(),
            false => self.hub.parts.store.watches(unknown).await?,
        }
        .into_iter();
        let read = open.iter().map(|(_, telling)| match &telling.known {
            Some((stored, watch)) => Ok((Some(stored.clone()), watch.clone())),
            None => match found.next().flatten() {
                None => Ok((None, Watch::default())),
                Some(Ok(stored)) => read(&stored).map(|watch| (Some(stored), watch)),
                Some(Err(unreadable)) => Err(unreadable.why),
            },
        });
        Ok(read.collect())
    }

    /// A record is never written by an older definition than it was written by before: who has an older one takes the one
    /// that the store has by now.
    async fn renew(&self, open: &mut [(usize, Telling)], reads: &[Read]) -> Result<(), StoreError> {
        let mut all = open.iter().zip(reads);
        if !all.any(|((_, telling), read)| is_behind(telling, read)) {
            return Ok(());
        }
        self.be_current().await?;
        let directory = self.hub.directory.load_full();
        for ((_, telling), read) in open.iter_mut().zip(reads) {
            if !is_behind(telling, read) {
                continue;
            }
            if let Some(newer) = directory.watch.monitor(telling.monitor.no) {
                let mut newer = Monitor::clone(newer);
                // One that is about to be deleted rests, whatever it says.
                let leaves = telling.monitor.plan.paused && !telling.monitor.definition.paused;
                newer.plan.paused |= leaves;
                telling.monitor = Arc::new(newer);
            }
        }
        Ok(())
    }

    fn begin(
        &self,
        at: usize,
        telling: &Telling,
        stored: Option<StoredWatch>,
        watch: Watch,
    ) -> Turning {
        Turning::new(at, telling, stored, watch, self.ladder_of(&telling.monitor))
    }

    /// The ladder of a monitor.
    pub(super) fn ladder_of(&self, monitor: &Monitor) -> Option<Arc<LadderPlan>> {
        let name = monitor.definition.ladder.as_ref()?;
        let directory = self.hub.directory.load();
        let found = directory.definition(monitor.app, DefinitionKind::Ladder, name)?;
        directory.watch.ladder(found.no).cloned()
    }

    /// Which of those that these depend on is not up. One that cannot be read, as while a newer version has stored it, holds those
    /// that it held.
    async fn look_at_dependencies(&self, turnings: &mut [Turning]) -> Result<(), StoreError> {
        let directory = self.hub.directory.load_full();
        let no_of = |monitor: &Monitor, name: &str| {
            let found = directory.definition(monitor.app, DefinitionKind::Monitor, name);
            found.map(|found| found.no)
        };
        let mut wanted = BTreeSet::new();
        for turning in turnings.iter() {
            let names = &turning.monitor.definition.depends_on;
            wanted.extend(
                names
                    .iter()
                    .filter_map(|name| no_of(&turning.monitor, name)),
            );
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let wanted: Vec<DefinitionNo> = wanted.into_iter().collect();
        let found = self.hub.parts.store.watches(wanted.clone()).await?;
        // None: it cannot be read.
        let states: HashMap<DefinitionNo, Option<WatchState>> = wanted
            .into_iter()
            .zip(found)
            .filter_map(|(no, stored)| Some((no, stored?.ok().map(|stored| stored.state))))
            .collect();
        for turning in turnings {
            let names = &turning.monitor.definition.depends_on;
            let state_of = |name: &str| states.get(&no_of(&turning.monitor, name)?).copied();
            let holds_on = |name: &&String| {
                let held = Hold::Dependency(String::clone(name));
                turning.watch.hold == Some(held) && matches!(state_of(name), Some(None))
            };
            let is_down = |name: &&String| {
                let state = state_of(name).flatten();
                state.is_some_and(|state| state.holds_dependents())
            };
            let down = names.iter().find(holds_on);
            let down = down.or_else(|| names.iter().find(is_down)).cloned();
            turning.down = down;
        }
        Ok(())
    }

    /// Writes all of them in one transaction. `None`: that one is not as it was read.
    async fn write(
        self: &Arc<Self>,
        turnings: Vec<Turning>,
        now: UnixMs,
    ) -> Result<Vec<(usize, Option<Written>)>, StoreError> {
        let hub = &self.hub;
        let (mut steps, mut writing, mut written) = (Vec::new(), Vec::new(), Vec::new());
        for mut turning in turnings {
            if !turning.is_to_be_written() {
                written.push((turning.at, Some(turning.written())));
                continue;
            }
            let cold = std::mem::take(&mut turning.cold);
            steps.push(turning.step(now)?);
            writing.push((turning, cold));
        }
        if steps.is_empty() {
            return Ok(written);
        }
        let answers = self.step_watches(steps).await?;
        fault::stage("watch.committed");
        let (mut sent, mut overtaken) = (Cold::default(), Vec::new());
        for ((turning, cold), is_written) in writing.into_iter().zip(answers) {
            let at = turning.at;
            if !is_written {
                written.push((at, None));
                continue;
            }
            hub.watching.tallies.stepped(&turning, now);
            turning.count(hub);
            sent.extend(cold);
            let app = turning.monitor.app;
            overtaken.extend(turning.overtaken().into_iter().map(|no| (app, no)));
            self.show_incident(&turning);
            written.push((at, Some(turning.written())));
        }
        sent.hand_over(self);
        self.take_back(overtaken);
        Ok(written)
    }

    /// Writes steps, and rings for what follows from them.
    pub(super) async fn step_watches(
        &self,
        steps: Vec<WatchStep>,
    ) -> Result<Vec<bool>, StoreError> {
        let hub = &self.hub;
        let has_news = steps
            .iter()
            .any(|step| !step.events.is_empty() || !step.pages.is_empty());
        let look_at = steps.iter().filter_map(|step| step.look_at).min();
        let answers = hub.parts.store.step_watches(steps).await?;
        if answers.contains(&true) {
            hub.took();
        }
        if let Some(at) = look_at {
            hub.timer_set(at);
        }
        if has_news {
            hub.tell();
        }
        Ok(answers)
    }
}

/// Whether a record was written by a newer definition than the one that is at hand.
fn is_behind(telling: &Telling, read: &Read) -> bool {
    matches!(read, Ok((Some(stored), _)) if stored.version > telling.monitor.version)
}

/// Reads a stored record; the error is a sentence.
pub(super) fn read(stored: &StoredWatch) -> Result<Watch, String> {
    serde_json::from_str(&stored.record).map_err(|error| {
        format!(
            "the record of monitor {} cannot be read: {error}",
            stored.monitor
        )
    })
}
