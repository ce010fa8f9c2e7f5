//! Webhook endpoints of the fake, and a receiver that answers as it is told.

use super::MemoryStore;
use super::state::State;
use crate::callout::{CalloutCall, CalloutReply};
use crate::store::Result;
use crate::webhook::{
    CallSettlement, EndpointRow, Enqueue, KEPT_ATTEMPTS, QueuedEvent, WebhookAttempt, WebhookCall,
    WebhookDefinition, WebhookSender, WebhookStore,
};
use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, WebhookNo};
use carillon_model::webhook::{DisabledReason, FailedPhase, WebhookAnswer};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What the fake remembers of endpoints.
#[derive(Debug, Default)]
pub(super) struct Webhooks {
    rows: BTreeMap<WebhookNo, EndpointRow>,
    /// When they are due, and attempts so far.
    queue: BTreeMap<(WebhookNo, i64), (UnixMs, u16)>,
    attempts: BTreeMap<WebhookNo, Vec<WebhookAttempt>>,
}

impl State {
    pub(super) fn newest_event(&self, app: AppNo) -> i64 {
        let mut newest = self.events.iter().rev();
        newest.find(|(of, _)| *of == app).map_or(0, |(_, e)| e.no)
    }

    pub(super) fn open_webhook(&mut self, no: WebhookNo, app: AppNo) {
        let newest = self.newest_event(app);
        let rows = &mut self.webhooks.rows;
        rows.entry(no)
            .or_insert_with(|| EndpointRow::new(no, app, newest));
    }

    pub(super) fn close_webhook(&mut self, no: WebhookNo) {
        self.webhooks.rows.remove(&no);
        self.webhooks.queue.retain(|(of, _), _| *of != no);
        self.webhooks.attempts.remove(&no);
    }

    pub(super) fn close_webhooks_of(&mut self, app: AppNo) {
        let of_app = self.webhooks.rows.values().filter(|row| row.app == app);
        let numbers: Vec<_> = of_app.map(|row| row.no).collect();
        for no in numbers {
            self.close_webhook(no);
        }
    }

    /// What waits of events that retention took.
    pub(super) fn prune_webhooks(&mut self) -> u64 {
        let before = self.webhooks.queue.len();
        let kept: std::collections::BTreeSet<i64> =
            self.events.iter().map(|(_, event)| event.no).collect();
        self.webhooks
            .queue
            .retain(|(_, event), _| kept.contains(event));
        self.count_queues();
        (before - self.webhooks.queue.len()) as u64
    }

    fn count_queues(&mut self) {
        let Webhooks { rows, queue, .. } = &mut self.webhooks;
        for row in rows.values_mut() {
            row.queued = queue.range((row.no, i64::MIN)..=(row.no, i64::MAX)).count() as u64;
        }
    }

    fn put(&mut self, no: WebhookNo, events: &[i64], now: UnixMs) {
        for event in events {
            self.webhooks.queue.insert((no, *event), (now, 0));
        }
        self.count_queues();
    }

    fn settle_call(&mut self, call: &CallSettlement, now: UnixMs) {
        let no = call.endpoint.no;
        let Some(row) = self.webhooks.rows.get_mut(&no) else {
            return;
        };
        if let Some(event) = call.event {
            let told = row.record(&call.endpoint, &call.answer, now);
            let key = (no, event);
            match call.next_attempt_at {
                None => drop(self.webhooks.queue.remove(&key)),
                Some(due_at) => {
                    if let Some(queued) = self.webhooks.queue.get_mut(&key) {
                        *queued = (due_at, call.attempt);
                    }
                }
            }
            if let Some(event) = told {
                self.append(event, now);
            }
        }
        let number = self.number();
        let attempts = self.webhooks.attempts.entry(no).or_default();
        attempts.push(call.attempt(number, now));
        if attempts.len() > KEPT_ATTEMPTS as usize {
            attempts.remove(0);
        }
        self.count_queues();
    }
}

#[async_trait]
impl WebhookStore for MemoryStore {
    async fn endpoints(&self) -> Result<Vec<EndpointRow>> {
        Ok(self.read().webhooks.rows.values().cloned().collect())
    }

    async fn endpoint(&self, no: WebhookNo) -> Result<Option<EndpointRow>> {
        Ok(self.read().webhooks.rows.get(&no).cloned())
    }

    async fn enqueue(&self, step: Enqueue) -> Result<Option<EndpointRow>> {
        let mut state = self.write()?;
        let no = step.endpoint.no;
        let Some(row) = state.webhooks.rows.get_mut(&no) else {
            return Ok(None);
        };
        if row.cursor != step.after || !row.is_enabled() {
            return Ok(None);
        }
        if row.queued + step.events.len() as u64 > step.most {
            if let Some(event) = row.disable(&step.endpoint, DisabledReason::Backlog, step.now) {
                state.append(event, step.now);
            }
        } else {
            row.cursor = step.up_to;
            state.put(no, &step.events, step.now);
        }
        Ok(state.webhooks.rows.get(&no).cloned())
    }

    async fn requeue(
        &self,
        no: WebhookNo,
        events: Vec<i64>,
        most: u64,
        now: UnixMs,
    ) -> Result<Option<u64>> {
        let mut state = self.write()?;
        let row = state.webhooks.rows.get(&no);
        let Some(row) = row.filter(|row| row.is_enabled()) else {
            return Ok(None);
        };
        let room = most.saturating_sub(row.queued) as usize;
        let events = &events[..events.len().min(room)];
        state.put(no, events, now);
        Ok(Some(events.len() as u64))
    }

    async fn due(
        &self,
        no: WebhookNo,
        now: UnixMs,
        limit: u32,
    ) -> Result<(Vec<QueuedEvent>, Option<UnixMs>)> {
        let state = self.read();
        let queue = state.webhooks.queue.iter();
        let mut mine: Vec<(UnixMs, i64, u16)> = queue
            .filter(|((of, _), _)| *of == no)
            .map(|((_, event), (due_at, attempts))| (*due_at, *event, *attempts))
            .collect();
        mine.sort_unstable();
        let next = mine.iter().map(|(at, ..)| *at).find(|at| *at > now);
        let event = |no: i64| state.events.iter().find(|(_, event)| event.no == no);
        let due = mine
            .iter()
            .filter(|(due_at, ..)| *due_at <= now)
            .filter_map(|(due_at, no, attempts)| {
                Some(QueuedEvent {
                    event: event(*no)?.1.clone(),
                    attempts: *attempts,
                    due_at: *due_at,
                })
            });
        Ok((due.take(limit as usize).collect(), next))
    }

    async fn settle_calls(
        &self,
        calls: Vec<CallSettlement>,
        now: UnixMs,
    ) -> Result<Vec<EndpointRow>> {
        let mut state = self.write()?;
        let mut touched = std::collections::BTreeSet::new();
        for call in &calls {
            state.settle_call(call, now);
            touched.insert(call.endpoint.no);
        }
        let rows = touched.iter();
        Ok(rows
            .filter_map(|no| state.webhooks.rows.get(no).cloned())
            .collect())
    }

    async fn drop_queue(&self, no: WebhookNo, limit: u32) -> Result<u64> {
        let mut state = self.write()?;
        let range = (no, i64::MIN)..=(no, i64::MAX);
        let gone = state.webhooks.queue.range(range);
        let gone: Vec<_> = gone.map(|(key, _)| *key).take(limit as usize).collect();
        for key in &gone {
            state.webhooks.queue.remove(key);
        }
        state.count_queues();
        Ok(gone.len() as u64)
    }

    async fn enable(&self, no: WebhookNo) -> Result<Option<EndpointRow>> {
        let mut state = self.write()?;
        let Some(app) = state.webhooks.rows.get(&no).map(|row| row.app) else {
            return Ok(None);
        };
        let newest = state.newest_event(app);
        let row = state.webhooks.rows.get_mut(&no);
        Ok(row.map(|row| {
            row.enable(newest);
            row.clone()
        }))
    }

    async fn disable(
        &self,
        endpoint: Arc<WebhookDefinition>,
        reason: DisabledReason,
        now: UnixMs,
    ) -> Result<Option<EndpointRow>> {
        let mut state = self.write()?;
        let Some(row) = state.webhooks.rows.get_mut(&endpoint.no) else {
            return Ok(None);
        };
        let told = row.disable(&endpoint, reason, now);
        let row = row.clone();
        if let Some(event) = told {
            state.append(event, now);
        }
        Ok(Some(row))
    }

    async fn webhook_attempts(&self, no: WebhookNo, limit: u32) -> Result<Vec<WebhookAttempt>> {
        let state = self.read();
        let all = state.webhooks.attempts.get(&no);
        let newest = all.into_iter().flatten().rev();
        Ok(newest.take(limit as usize).cloned().collect())
    }

    async fn newest_event(&self, app: AppNo) -> Result<i64> {
        Ok(self.read().newest_event(app))
    }

    async fn events_since(&self, app: AppNo, at: UnixMs) -> Result<i64> {
        let state = self.read();
        let older = state.events.iter().rev();
        let mut older = older.filter(|(of, event)| *of == app && event.at < at);
        Ok(older.next().map_or(0, |(_, event)| event.no))
    }
}

/// Answers one call: after so many milliseconds, with this.
type Script = Box<dyn FnMut(&WebhookCall) -> (u64, WebhookAnswer) + Send>;

/// Answers one question of a call-out: after so many milliseconds, with this.
type Answers = Box<dyn FnMut(&CalloutCall) -> (u64, CalloutReply) + Send>;

/// Receivers, as the engine sees them: they answer by a script, and every call is kept. Clones share it.
#[derive(Clone)]
pub struct FakeReceivers(Arc<Mutex<Received>>);

struct Received {
    script: Script,
    calls: Vec<(UnixMs, WebhookCall)>,
    answers: Answers,
    questions: Vec<(UnixMs, CalloutCall)>,
    running: usize,
    most_running: usize,
}

impl Default for FakeReceivers {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Received {
            script: Box::new(|_| (1, WebhookAnswer::answered(204))),
            calls: Vec::new(),
            answers: Box::new(|_| (1, answered(204, ""))),
            questions: Vec::new(),
            running: 0,
            most_running: 0,
        })))
    }
}

impl FakeReceivers {
    /// How they answer from now on.
    pub fn script(
        &self,
        script: impl FnMut(&WebhookCall) -> (u64, WebhookAnswer) + Send + 'static,
    ) {
        self.0.lock().script = Box::new(script);
    }

    /// How call-outs are answered from now on.
    pub fn answer(
        &self,
        answers: impl FnMut(&CalloutCall) -> (u64, CalloutReply) + Send + 'static,
    ) {
        self.0.lock().answers = Box::new(answers);
    }

    /// Every question of a call-out so far, with its time.
    #[must_use]
    pub fn questions(&self) -> Vec<(UnixMs, CalloutCall)> {
        self.0.lock().questions.clone()
    }

    /// Every call so far, with its time.
    #[must_use]
    pub fn calls(&self) -> Vec<(UnixMs, WebhookCall)> {
        self.0.lock().calls.clone()
    }

    /// Calls to one endpoint, with their times.
    #[must_use]
    pub fn calls_to(&self, name: &str) -> Vec<(UnixMs, WebhookCall)> {
        let mut calls = self.calls();
        calls.retain(|(_, call)| call.endpoint.name == name);
        calls
    }

    /// Most calls that ran at once.
    #[must_use]
    pub fn most_running(&self) -> usize {
        self.0.lock().most_running
    }
}

#[async_trait]
impl WebhookSender for FakeReceivers {
    fn check(&self, url: &str) -> std::result::Result<(), String> {
        if url.contains("forbidden") {
            return Err("10.0.0.1 is a private address".to_owned());
        }
        Ok(())
    }

    async fn call(&self, call: WebhookCall, now: UnixMs) -> WebhookAnswer {
        let (after_ms, mut answer) = {
            let mut received = self.0.lock();
            received.calls.push((now, call.clone()));
            received.running += 1;
            received.most_running = received.most_running.max(received.running);
            (received.script)(&call)
        };
        let _running = Running(self);
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        answer.elapsed_ms = after_ms;
        answer
    }

    async fn ask(&self, call: CalloutCall, now: UnixMs) -> CalloutReply {
        let (after_ms, reply) = {
            let mut received = self.0.lock();
            received.questions.push((now, call.clone()));
            received.running += 1;
            received.most_running = received.most_running.max(received.running);
            (received.answers)(&call)
        };
        let _running = Running(self);
        let timeout_ms = call.timeout.as_millis() as u64;
        tokio::time::sleep(Duration::from_millis(after_ms.min(timeout_ms))).await;
        if after_ms <= timeout_ms {
            return reply;
        }
        let phase = FailedPhase::Timeout;
        CalloutReply {
            answer: WebhookAnswer::failed(phase, "no answer in time"),
            body: None,
        }
    }

    fn id(&self, event: &crate::store::Event, endpoint: WebhookNo) -> String {
        format!("evt_{}_{endpoint}", event.no)
    }

    fn make_secret(&self, random: &[u8; 32]) -> String {
        let hex: Vec<String> = random.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("whsec_{}", hex.concat())
    }
}

/// A reply of this status with this body.
#[must_use]
pub fn answered(status: u16, body: &str) -> CalloutReply {
    CalloutReply {
        answer: WebhookAnswer::answered(status),
        body: Some(Bytes::copy_from_slice(body.as_bytes())),
    }
}

/// A call that runs, also when whoever made it goes away.
struct Running<'a>(&'a FakeReceivers);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.0.lock().running -= 1;
    }
}
