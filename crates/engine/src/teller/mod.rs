//! The Teller: walks the event log for each webhook endpoint, keeps a queue of what it wants, and calls
//! its receiver.
//!
//! 1. A step along the log puts wanted events into the queue and moves the cursor, in one transaction.
//! 2. What is due is called, a few at a time for each endpoint and a bounded number in all. Endpoints that
//!    fail get one call at a time and, together, half of that number, so that silent receivers cannot hold
//!    up the others.
//! 3. What came of calls is written down: gone from the queue, due again later, or the endpoint disabled.
//!
//! A call whose outcome is not on disk is made again after a crash, under the same id: told at least once.
//! A bell rings where events are written; besides, it looks every now and then.

mod calls;
mod desk;

use self::calls::{Calls, Finished};
use self::desk::Desk;
use crate::dispatch::pause_ms;
use crate::hub::Hub;
use crate::moment::ms;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::id::WebhookNo;
use carillon_model::webhook::{WebhookAnswer, next_attempt_at};
use carillon_ports::fault::{self, Bug};
use carillon_ports::store::StoreError;
use carillon_ports::webhook::{CallSettlement, EndpointRow, Enqueue, WebhookDefinition};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Events of one step.
const STEP: u32 = 500;
/// Rows of one slice when the queue of a disabled endpoint is emptied.
const DROP_SLICE: u32 = 1_000;
/// How long a stop waits for calls that run. What has no answer by then is told again.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut told = shared.hub.told.subscribe();
    let mut teller = Teller::new(shared.hub.clone());
    let mut refusals = 0;
    loop {
        if shared.hub.is_stopping() {
            return teller.stop().await;
        }
        told.mark_unchanged();
        match teller.round().await {
            Ok(wake_at) => {
                refusals = 0;
                teller.wait(&mut told, wake_at).await;
            }
            Err(error) => {
                // Sending goes on without webhooks: a row of theirs that cannot be read stops nothing else.
                if let StoreError::Corrupt(row) = &error {
                    tracing::error!(row, "webhooks are not told: {error}");
                } else if !shared.hub.store_refused("telling webhooks", &error) {
                    return;
                }
                refusals += 1;
                let config = &shared.hub.parts.config;
                tokio::time::sleep(ms(pause_ms(config.store_retry_max_ms, refusals))).await;
            }
        }
    }
}

struct Teller {
    hub: Arc<Hub>,
    desks: HashMap<WebhookNo, Desk>,
    calls: Calls,
    /// Calls that ended and are not on disk.
    finished: Vec<Finished>,
    /// With whom a round begins, so that none is always the last to get a call.
    turn: usize,
    round_at: Instant,
}

/// When a round wants the next one.
#[derive(Clone, Copy)]
enum Next {
    /// There is more to do.
    Now,
    /// At this instant of business time, at the latest.
    At(UnixMs),
    /// When something happens.
    Quiet,
}

impl Next {
    fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Now, _) | (_, Self::Now) => Self::Now,
            (Self::At(a), Self::At(b)) => Self::At(a.min(b)),
            (Self::Quiet, other) | (other, Self::Quiet) => other,
        }
    }
}

impl Teller {
    fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            desks: HashMap::new(),
            calls: Calls::default(),
            finished: Vec::new(),
            turn: 0,
            round_at: Instant::now(),
        }
    }

    /// Everything that can be done now.
    async fn round(&mut self) -> Result<Next, StoreError> {
        self.round_at = Instant::now();
        self.settle().await?;
        let directory = self.hub.directory.load_full();
        if directory.webhooks().next().is_none() && self.desks.is_empty() {
            return Ok(Next::Quiet);
        }
        let rows = self.hub.parts.webhooks.store.endpoints().await?;
        self.desks
            .retain(|no, desk| rows.iter().any(|row| row.no == *no) || desk.is_calling());
        let mut next = Next::Quiet;
        let count = rows.len().max(1);
        self.turn = (self.turn + 1) % count;
        for at in 0..rows.len() {
            let row = &rows[(at + self.turn) % count];
            // Just defined, or about to be deleted: the directory comes after the store.
            if let Some(endpoint) = directory.webhook(row.no) {
                next = next.sooner(self.look_after(endpoint, row).await?);
            }
        }
        self.hub.meters.webhooks(&directory, &rows);
        Ok(next)
    }

    /// One endpoint: empties its queue if it is disabled, else takes a step and makes calls.
    async fn look_after(
        &mut self,
        endpoint: &Arc<WebhookDefinition>,
        row: &EndpointRow,
    ) -> Result<Next, StoreError> {
        let store = self.hub.parts.webhooks.store.clone();
        let desk = self.desks.entry(row.no).or_default();
        if !row.is_enabled() {
            if row.queued == 0 || desk.is_calling() {
                return Ok(Next::Quiet);
            }
            store.drop_queue(row.no, DROP_SLICE).await?;
            return Ok(Next::Now);
        }
        let mut next = Next::Quiet;
        let mut queued = row.queued;
        if desk.is_behind(row, *self.hub.told.borrow()) {
            match self.step(endpoint, row).await? {
                Step::Short(added) => queued += added,
                Step::Full(added) => {
                    queued += added;
                    next = Next::Now;
                }
                Step::Disabled => return Ok(Next::Now),
            }
        }
        if queued == 0 {
            return Ok(next);
        }
        Ok(next.sooner(self.call(endpoint, row).await?))
    }

    /// A step along the event log.
    async fn step(
        &mut self,
        endpoint: &Arc<WebhookDefinition>,
        row: &EndpointRow,
    ) -> Result<Step, StoreError> {
        let told = *self.hub.told.borrow();
        let desk = self.desks.entry(row.no).or_default();
        let from = desk.seen(row);
        let store = &self.hub.parts.store;
        let events = store.events(row.app, from, STEP).await?;
        let is_full = events.len() == STEP as usize;
        let Some(up_to) = events.last().map(|event| event.no) else {
            desk.saw(row, from, told);
            return Ok(Step::Short(0));
        };
        let filter = &endpoint.settings.events;
        let wanted: Vec<i64> = events
            .iter()
            .filter(|event| filter.matches(&event.kind))
            .map(|event| event.no)
            .collect();
        if wanted.is_empty() && !is_full {
            // Nothing that is worth a transaction: after a crash it is read again.
            desk.saw(row, up_to, told);
            return Ok(Step::Short(0));
        }
        let added = wanted.len() as u64;
        let step = Enqueue {
            endpoint: endpoint.clone(),
            after: row.cursor,
            up_to,
            events: wanted,
            most: self.hub.parts.config.webhook_max_queued.into(),
            now: self.hub.parts.clock.now(),
        };
        let now = self.hub.parts.webhooks.store.enqueue(step).await?;
        fault::stage("webhook.enqueued");
        let Some(now) = now else {
            // Enabled or disabled meanwhile: the next round sees how it is.
            return Ok(Step::Full(0));
        };
        if !now.is_enabled() {
            let (app, name) = (endpoint.app, &endpoint.name);
            tracing::warn!(%app, endpoint = name, "the webhook endpoint {name} of App {app} is disabled: too many events wait for it");
            self.hub.tell();
            return Ok(Step::Disabled);
        }
        let desk = self.desks.entry(row.no).or_default();
        desk.saw(&now, up_to, told);
        Ok(if is_full {
            desk.is_unread();
            Step::Full(added)
        } else {
            Step::Short(added)
        })
    }

    /// Calls a receiver with what is due, as far as there is room.
    async fn call(
        &mut self,
        endpoint: &Arc<WebhookDefinition>,
        row: &EndpointRow,
    ) -> Result<Next, StoreError> {
        let now = self.hub.parts.clock.now();
        if let Some(quiet_until) = row.quiet_until.filter(|at| *at > now) {
            return Ok(Next::At(quiet_until));
        }
        let is_failing = row.health.failures > 0;
        let config = &self.hub.parts.config;
        let desk = self.desks.entry(row.no).or_default();
        let mut room = self.calls.room(config, desk.calling(), is_failing);
        let store = &self.hub.parts.webhooks.store;
        let limit = room + desk.calling();
        let (due, later) = store.due(row.no, now, limit.max(1)).await?;
        for queued in due {
            if room == 0 {
                break;
            }
            if desk.begin(queued.event.no) {
                room -= 1;
                self.calls
                    .begin(&self.hub, endpoint, queued, is_failing, now);
            }
        }
        // Where there was no room, the end of a call brings the next round.
        Ok(later.map_or(Next::Quiet, Next::At))
    }

    /// Writes down what came of calls.
    async fn settle(&mut self) -> Result<(), StoreError> {
        while let Some(finished) = self.calls.try_next() {
            self.finished.push(finished);
        }
        if self.finished.is_empty() {
            return Ok(());
        }
        let clock = &self.hub.parts.clock;
        let now = clock.now();
        let settled = self.finished.iter().map(|finished| {
            let attempt = finished.attempt();
            let answer = match fault::planted(Bug::ForgetCall) {
                true => &WebhookAnswer::answered(200),
                false => &finished.answer,
            };
            let random = clock.random() as u32;
            CallSettlement {
                endpoint: finished.endpoint.clone(),
                event: Some(finished.event),
                kind: finished.kind.clone(),
                attempt,
                answer: answer.clone(),
                next_attempt_at: next_attempt_at(attempt, answer, now, random),
            }
        });
        let settled: Vec<_> = settled.collect();
        let was_disabled = {
            let store = &self.hub.parts.webhooks.store;
            let rows = store.settle_calls(settled, now).await?;
            rows.iter().any(|row| !row.is_enabled())
        };
        fault::stage("webhook.settled");
        for finished in std::mem::take(&mut self.finished) {
            let directory = self.hub.directory.load();
            let app = directory.app_by_no(finished.endpoint.app);
            let app = app.map_or("", |app| &app.id);
            self.hub.meters.told(app, finished.answer.word());
            if let Some(desk) = self.desks.get_mut(&finished.endpoint.no) {
                desk.end(finished.event);
            }
        }
        if was_disabled {
            // The others are told so.
            self.hub.tell();
        }
        Ok(())
    }

    /// Until there may be something to do.
    async fn wait(&mut self, told: &mut watch::Receiver<u64>, next: Next) {
        let config = &self.hub.parts.config;
        let poll = Duration::from_millis(config.webhook_poll_ms.into());
        let now = self.hub.parts.clock.now();
        let wake_after = match next {
            Next::Now => Duration::ZERO,
            Next::At(at) => Duration::from_millis((at - now).max(1) as u64).min(poll),
            Next::Quiet => poll,
        };
        let wake_at = Instant::now() + wake_after;
        tokio::select! {
            finished = self.calls.next() => self.finished.extend(finished),
            _ = told.changed() => {}
            () = tokio::time::sleep_until(wake_at) => {}
        }
        // Many small steps would cost more than a few larger ones.
        let pause = Duration::from_millis(config.webhook_pause_ms.into());
        if !matches!(next, Next::Now) {
            tokio::time::sleep_until(self.round_at + pause).await;
        }
    }

    /// Waits a little for calls that run, and writes down what came of them.
    async fn stop(mut self) {
        let until = Instant::now() + STOP_GRACE;
        while let Ok(Some(finished)) = timeout_at(until, self.calls.next_of_all()).await {
            self.finished.push(finished);
        }
        if let Err(error) = self.settle().await {
            tracing::debug!(%error, "what came of the last webhook calls is not stored: they are made again");
        }
    }
}

/// What a step along the log did.
enum Step {
    /// It came to the log's end; so many events were added to the queue.
    Short(u64),
    /// There is more.
    Full(u64),
    /// The endpoint is not called any more.
    Disabled,
}
