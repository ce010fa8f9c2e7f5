//! Telling: what the engine needs to tell an App's webhook endpoints of its events.
//!
//! An endpoint's settings and secrets are a definition in the registry. What changes with every call is
//! here: how far in the event log it is, what waits for it, how it has answered. Each endpoint has a row
//! from the transaction that defines it to the one that deletes it.
//!
//! Words. *Queue*: events that an endpoint wants and has not taken, one row each. *Cursor*: events up to
//! this number are in the queue, or are not wanted. Moving the cursor and filling the queue are one
//! transaction, so that a crash neither skips an event nor takes it twice.

use crate::callout::{CalloutCall, CalloutReply};
use crate::news;
use crate::store::{Event, NewEvent, Result};
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::event::{EventKind, WebhookDisabled};
use carillon_model::id::{AppNo, WebhookNo};
use carillon_model::webhook::{
    DisabledReason, WebhookAnswer, WebhookEndpoint, WebhookHealth, WebhookSecrets, WebhookSettings,
    WebhookState,
};
use std::sync::Arc;

/// What is defined of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookDefinition {
    /// Its number: that of the definition.
    pub no: WebhookNo,
    /// Whose.
    pub app: AppNo,
    /// Name, unique in the App.
    pub name: String,
    /// What is set for it.
    pub settings: WebhookSettings,
    /// Rises with every change, also of its secrets.
    pub version: u32,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

/// What is durable of an endpoint besides its definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRow {
    /// Which.
    pub no: WebhookNo,
    /// Whose.
    pub app: AppNo,
    /// Events up to this number are in the queue, or are not wanted.
    pub cursor: i64,
    /// Whether it is called.
    pub state: WebhookState,
    /// How it has answered.
    pub health: WebhookHealth,
    /// Nothing is sent before this: the receiver is overwhelmed.
    pub quiet_until: Option<UnixMs>,
    /// How many events wait.
    pub queued: u64,
}

/// A step along the event log.
#[derive(Clone, Debug)]
pub struct Enqueue {
    /// Whose queue.
    pub endpoint: Arc<WebhookDefinition>,
    /// Where the cursor is. If it is elsewhere by now, nothing is done.
    pub after: i64,
    /// Where it goes.
    pub up_to: i64,
    /// Events of these that are wanted, ascending: due at once.
    pub events: Vec<i64>,
    /// Most that may wait. With more the endpoint is disabled instead.
    pub most: u64,
    /// The time of it.
    pub now: UnixMs,
}

/// An event that waits, or was tried and waits for its next attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct QueuedEvent {
    /// The event.
    pub event: Event,
    /// Attempts so far.
    pub attempts: u16,
    /// When it is due.
    pub due_at: UnixMs,
}

/// What came of one call.
#[derive(Clone, Debug)]
pub struct CallSettlement {
    /// Of which endpoint.
    pub endpoint: Arc<WebhookDefinition>,
    /// Which event; `None`: a test, which says nothing about any, nor about the endpoint's health.
    pub event: Option<i64>,
    /// Its kind.
    pub kind: String,
    /// Which attempt it was, from 1.
    pub attempt: u16,
    /// What came of it.
    pub answer: WebhookAnswer,
    /// When it is tried again; `None`: it leaves the queue.
    pub next_attempt_at: Option<UnixMs>,
}

/// A remembered call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAttempt {
    /// Rising number.
    pub no: i64,
    /// Which event; `None`: a test.
    pub event: Option<i64>,
    /// Its kind.
    pub kind: String,
    /// Which attempt it was, from 1.
    pub attempt: u16,
    /// When.
    pub at: UnixMs,
    /// Stable word for what came of it: [`WebhookAnswer::word`].
    pub result: String,
    /// HTTP status; `None`: there was no answer.
    pub status: Option<u16>,
    /// What came of it, for people.
    pub sentence: String,
    /// The beginning of the answer's body.
    pub body: String,
    /// How long it took.
    pub elapsed_ms: u64,
    /// When it is tried again.
    pub next_attempt_at: Option<UnixMs>,
}

/// Calls of each endpoint that are remembered; older ones are forgotten.
pub const KEPT_ATTEMPTS: u32 = 200;

impl WebhookDefinition {
    /// Reads a definition of the kind [`DefinitionKind::Webhook`].
    ///
    /// # Errors
    /// A sentence: it is of another kind, or its body cannot be read.
    pub fn read(definition: &Definition) -> std::result::Result<Self, String> {
        if definition.kind != DefinitionKind::Webhook {
            return Err(format!("it is a {}", definition.kind.as_str()));
        }
        let settings = serde_json::from_str(&definition.body).map_err(|error| error.to_string())?;
        Ok(Self {
            no: WebhookNo(definition.no.0),
            app: definition.app,
            name: definition.name.clone(),
            settings,
            version: definition.version,
            created_at: definition.created_at,
            updated_at: definition.updated_at,
        })
    }

    /// The whole endpoint, with what its row says.
    #[must_use]
    pub fn with(&self, row: &EndpointRow) -> WebhookEndpoint {
        WebhookEndpoint {
            no: self.no,
            app: self.app,
            name: self.name.clone(),
            settings: self.settings.clone(),
            state: row.state,
            health: row.health.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

// The rules that every store follows.
impl EndpointRow {
    /// The row of an endpoint that is new, or enabled again: what happens from now on is for it.
    #[must_use]
    pub fn new(no: WebhookNo, app: AppNo, newest: i64) -> Self {
        Self {
            no,
            app,
            cursor: newest,
            state: WebhookState::Enabled,
            health: WebhookHealth::default(),
            quiet_until: None,
            queued: 0,
        }
    }

    /// Whether it is called.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.state == WebhookState::Enabled
    }

    /// Writes down what came of a call. `Some`: it was disabled by that, which is to be told.
    pub fn record(
        &mut self,
        endpoint: &WebhookDefinition,
        answer: &WebhookAnswer,
        now: UnixMs,
    ) -> Option<NewEvent> {
        let mut whole = endpoint.with(self);
        let disabled = whole.record(answer, now);
        (self.state, self.health) = (whole.state, whole.health);
        self.quiet_until = if answer.is_success() {
            None
        } else {
            answer.quiet_until(now).or(self.quiet_until)
        };
        disabled.map(|reason| self.disabled(endpoint, reason))
    }

    /// Stops calling it. `Some`: it was called until now, and this is to be told.
    pub fn disable(
        &mut self,
        endpoint: &WebhookDefinition,
        reason: DisabledReason,
        now: UnixMs,
    ) -> Option<NewEvent> {
        let mut whole = endpoint.with(self);
        whole.disable(reason, now).then(|| {
            self.state = whole.state;
            self.disabled(endpoint, reason)
        })
    }

    /// Calls it again, from the newest event on. `false`: it was called anyhow.
    pub fn enable(&mut self, newest: i64) -> bool {
        if self.is_enabled() {
            return false;
        }
        self.state = WebhookState::Enabled;
        self.health.forgive();
        self.quiet_until = None;
        self.cursor = newest;
        true
    }

    fn disabled(&self, endpoint: &WebhookDefinition, reason: DisabledReason) -> NewEvent {
        let data = WebhookDisabled {
            name: endpoint.name.clone(),
            origin: endpoint.settings.url.origin().to_owned(),
            reason,
            failing_since: self.health.failing_since,
            last_failure: self.health.last_failure.clone(),
        };
        let kind = EventKind::WebhookDisabled;
        news::event(self.app, kind, &endpoint.name, &data)
    }
}

impl CallSettlement {
    /// The call as it is remembered under a number.
    #[must_use]
    pub fn attempt(&self, no: i64, now: UnixMs) -> WebhookAttempt {
        let body = match &self.answer.result {
            carillon_model::webhook::WebhookResult::Answered { body, .. } => body.clone(),
            carillon_model::webhook::WebhookResult::Failed { .. } => String::new(),
        };
        WebhookAttempt {
            no,
            event: self.event,
            kind: self.kind.clone(),
            attempt: self.attempt,
            at: now,
            result: self.answer.word().to_owned(),
            status: self.answer.status(),
            sentence: self.answer.sentence(),
            body,
            elapsed_ms: self.answer.elapsed_ms,
            next_attempt_at: self.next_attempt_at,
        }
    }
}

/// Endpoints, their queues, and places in the event log.
#[async_trait]
pub trait WebhookStore: Send + Sync + 'static {
    /// All endpoints.
    async fn endpoints(&self) -> Result<Vec<EndpointRow>>;
    /// One of them.
    async fn endpoint(&self, no: WebhookNo) -> Result<Option<EndpointRow>>;
    /// Takes a step along the event log. Returns the row as it is now; `None`: it is gone, disabled, or its
    /// cursor was elsewhere, and nothing was done.
    async fn enqueue(&self, step: Enqueue) -> Result<Option<EndpointRow>>;
    /// Puts events into the queue again, due at once and with all their attempts, at most as many as fit
    /// below `most`. Returns how many were put there; `None`: the endpoint is gone or disabled.
    async fn requeue(
        &self,
        no: WebhookNo,
        events: Vec<i64>,
        most: u64,
        now: UnixMs,
    ) -> Result<Option<u64>>;
    /// What is due, oldest first, and when the next one after `now` is. Events that retention took are
    /// passed over.
    async fn due(
        &self,
        no: WebhookNo,
        now: UnixMs,
        limit: u32,
    ) -> Result<(Vec<QueuedEvent>, Option<UnixMs>)>;
    /// Writes down what came of calls, in one transaction: queue, health, attempts, and, where an endpoint
    /// is disabled by it, the event that says so. Returns the rows as they are now.
    async fn settle_calls(
        &self,
        calls: Vec<CallSettlement>,
        now: UnixMs,
    ) -> Result<Vec<EndpointRow>>;
    /// Empties a slice of a queue. Returns how many went; 0: it is empty.
    async fn drop_queue(&self, no: WebhookNo, limit: u32) -> Result<u64>;
    /// Calls an endpoint again, from the newest event on. `None`: there is none.
    async fn enable(&self, no: WebhookNo) -> Result<Option<EndpointRow>>;
    /// Stops calling an endpoint, and tells so. `None`: there is none.
    async fn disable(
        &self,
        endpoint: Arc<WebhookDefinition>,
        reason: DisabledReason,
        now: UnixMs,
    ) -> Result<Option<EndpointRow>>;
    /// The last calls, newest first.
    async fn webhook_attempts(&self, no: WebhookNo, limit: u32) -> Result<Vec<WebhookAttempt>>;

    /// The number of an App's newest event; 0: there is none.
    async fn newest_event(&self, app: AppNo) -> Result<i64>;
    /// The number after which an App's events of this instant and later stand.
    async fn events_since(&self, app: AppNo, at: UnixMs) -> Result<i64>;
}

/// One attempt to tell an endpoint something.
#[derive(Clone)]
pub struct WebhookCall {
    /// The endpoint.
    pub endpoint: Arc<WebhookDefinition>,
    /// Id of its App.
    pub app: String,
    /// What happened.
    pub event: Event,
    /// Secrets of the endpoint; those that are live sign.
    pub secrets: WebhookSecrets,
}

/// Calls receivers. Signing, the guard and HTTP are behind this.
#[async_trait]
pub trait WebhookSender: Send + Sync + 'static {
    /// Whether calls to this URL are made at all, as far as its text tells.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    fn check(&self, url: &str) -> std::result::Result<(), String>;
    /// Makes a call, within a deadline of its own. Whatever happens is an answer.
    async fn call(&self, call: WebhookCall, now: UnixMs) -> WebhookAnswer;
    /// Asks an App's code, within the time that the call says. Whatever happens is an answer.
    async fn ask(&self, call: CalloutCall, now: UnixMs) -> CalloutReply;
    /// The `webhook-id` of an event at an endpoint: the same at every attempt.
    fn id(&self, event: &Event, endpoint: WebhookNo) -> String;
    /// A new secret of random bytes that nobody can guess.
    fn make_secret(&self, random: &[u8; 32]) -> String;
}
