//! Webhook endpoints as the API handles them: sealing, testing, switching, replaying. Telling them what
//! happened is the teller's.

use crate::engine::Engine;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DefinitionNo, WebhookNo};
use carillon_model::webhook::{DisabledReason, WebhookAnswer, WebhookSecrets};
use carillon_ports::registry::Sealed;
use carillon_ports::secret::Place;
use carillon_ports::store::{Event, StoreError};
use carillon_ports::webhook::{
    CallSettlement, EndpointRow, WebhookCall, WebhookDefinition, WebhookSender, WebhookStore,
};
use std::sync::Arc;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// The kind of what a test tells; no event of the log has it.
const TEST: &str = "webhook.test";
/// Events of one page of a replay.
const PAGE: u32 = 500;
/// Rows of one slice of a queue that is emptied.
const SLICE: u32 = 1_000;

/// Which events to tell again.
#[derive(Clone, Debug)]
pub enum Replay {
    /// Those of this time, both ends included, that the endpoint wants.
    Between {
        /// The first instant.
        from: UnixMs,
        /// The last one.
        to: UnixMs,
    },
    /// These, wanted or not, by their numbers.
    Events(Vec<i64>),
}

/// What a replay did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Events that are in the queue again.
    pub queued: u64,
    /// Whether there were more than could be queued: by its bound, or by that of one call.
    pub is_cut: bool,
    /// The last event that was queued.
    pub last: Option<i64>,
}

/// Most events of one replay.
pub const MAX_REPLAY: u64 = 10_000;

impl Engine {
    /// Endpoints and their queues.
    #[must_use]
    pub fn webhooks(&self) -> &Arc<dyn WebhookStore> {
        &self.shared().hub.parts.webhooks.store
    }

    /// What calls receivers.
    #[must_use]
    pub fn webhook_sender(&self) -> &Arc<dyn WebhookSender> {
        &self.shared().hub.parts.webhooks.sender
    }

    /// Counts how often events may have been written: for those who follow the event log.
    #[must_use]
    pub fn events_written(&self) -> watch::Receiver<u64> {
        self.shared().hub.told.subscribe()
    }

    /// Seals an endpoint's secrets for the row of its definition.
    #[must_use]
    pub fn seal_webhook(&self, no: DefinitionNo, secrets: &WebhookSecrets) -> Sealed {
        let plain = Zeroizing::new(secrets.encode());
        self.secrets()
            .seal(Place::definition(&no.to_string()), &plain)
    }

    /// Tells an endpoint a `webhook.test` now, whether it is enabled or not, and remembers the call.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn test_webhook(
        &self,
        endpoint: &Arc<WebhookDefinition>,
    ) -> Result<(String, WebhookAnswer), StoreError> {
        let hub = &self.shared().hub;
        let now = hub.parts.clock.now();
        let event = Event {
            // Numbers of the log rise from 1, so this id is no event's.
            no: (hub.parts.clock.random() >> 2) as i64,
            at: now,
            kind: TEST.to_owned(),
            subject: endpoint.name.clone(),
            data: r#"{"message":"It works if you can read this and its signature verifies."}"#
                .to_owned(),
        };
        let sender = &hub.parts.webhooks.sender;
        let id = sender.id(&event, endpoint.no);
        let directory = hub.directory.load_full();
        let app = directory.app_by_no(endpoint.app);
        let app = app.map_or_else(String::new, |app| app.id.clone());
        let answer = match directory.webhook_secrets(endpoint.no, &*hub.parts.secrets) {
            Ok(secrets) => {
                let call = WebhookCall {
                    endpoint: endpoint.clone(),
                    app,
                    event,
                    secrets,
                };
                sender.call(call, now).await
            }
            Err(why) => {
                let phase = carillon_model::webhook::FailedPhase::Refused;
                WebhookAnswer::failed(phase, why)
            }
        };
        let call = CallSettlement {
            endpoint: endpoint.clone(),
            event: None,
            kind: TEST.to_owned(),
            attempt: 1,
            answer: answer.clone(),
            next_attempt_at: None,
        };
        let settled = self.webhooks().settle_calls(vec![call], now).await;
        settled.map(|_| (id, answer))
    }

    /// Calls an endpoint again, from the newest event on: what waited while it was disabled is dropped.
    /// `None`: there is none.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn enable_webhook(&self, no: WebhookNo) -> Result<Option<EndpointRow>, StoreError> {
        let store = self.webhooks();
        let Some(row) = store.endpoint(no).await? else {
            return Ok(None);
        };
        if row.is_enabled() {
            return Ok(Some(row));
        }
        while store.drop_queue(no, SLICE).await? > 0 {}
        let row = store.enable(no).await?;
        self.shared().hub.tell();
        Ok(row)
    }

    /// Stops calling an endpoint, by hand. `None`: there is none.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn disable_webhook(
        &self,
        endpoint: &Arc<WebhookDefinition>,
    ) -> Result<Option<EndpointRow>, StoreError> {
        let now = self.clock().now();
        let store = self.webhooks();
        let row = store
            .disable(endpoint.clone(), DisabledReason::ByHand, now)
            .await?;
        self.shared().hub.tell();
        Ok(row)
    }

    /// Puts events into an endpoint's queue again. `None`: it is disabled or gone.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn replay_webhook(
        &self,
        endpoint: &Arc<WebhookDefinition>,
        which: Replay,
    ) -> Result<Option<Replayed>, StoreError> {
        let replayed = match which {
            Replay::Between { from, to } => self.replay_between(endpoint, from, to).await,
            Replay::Events(mut events) => {
                events.sort_unstable();
                events.dedup();
                let known = self.known(endpoint.app, events).await?;
                let mut replayed = Replayed::NONE;
                let went = self.requeue(endpoint, known, &mut replayed).await?;
                Ok(went.then_some(replayed))
            }
        };
        self.shared().hub.tell();
        replayed
    }

    async fn replay_between(
        &self,
        endpoint: &Arc<WebhookDefinition>,
        from: UnixMs,
        to: UnixMs,
    ) -> Result<Option<Replayed>, StoreError> {
        let mut after = self.webhooks().events_since(endpoint.app, from).await?;
        let mut replayed = Replayed::NONE;
        loop {
            let events = self.store().events(endpoint.app, after, PAGE).await?;
            let is_last = events.len() < PAGE as usize;
            after = events.last().map_or(after, |event| event.no);
            let is_over = events.last().is_none_or(|event| event.at > to);
            let wanted = events
                .iter()
                .filter(|event| event.at <= to && endpoint.settings.events.matches(&event.kind))
                .map(|event| event.no);
            let wanted = wanted.collect();
            if !self.requeue(endpoint, wanted, &mut replayed).await? {
                return Ok(None);
            }
            if is_last || is_over || replayed.is_cut {
                return Ok(Some(replayed));
            }
        }
    }

    /// `false`: the endpoint is disabled or gone.
    async fn requeue(
        &self,
        endpoint: &Arc<WebhookDefinition>,
        mut events: Vec<i64>,
        replayed: &mut Replayed,
    ) -> Result<bool, StoreError> {
        let room = (MAX_REPLAY - replayed.queued) as usize;
        replayed.is_cut = events.len() > room;
        events.truncate(room);
        let hub = &self.shared().hub;
        let most = hub.parts.config.webhook_max_queued.into();
        let now = hub.parts.clock.now();
        let (asked, numbers) = (events.len() as u64, events.clone());
        let queued = self.webhooks().requeue(endpoint.no, events, most, now);
        let Some(queued) = queued.await? else {
            return Ok(false);
        };
        replayed.queued += queued;
        replayed.is_cut |= queued < asked;
        let last = numbers.get((queued as usize).wrapping_sub(1));
        replayed.last = last.copied().or(replayed.last);
        Ok(true)
    }

    /// Those of these events that are in the log.
    async fn known(&self, app: AppNo, events: Vec<i64>) -> Result<Vec<i64>, StoreError> {
        let mut known = Vec::with_capacity(events.len());
        for no in events {
            let found = self.store().events(app, no.saturating_sub(1), 1).await?;
            known.extend(found.first().map(|event| event.no).filter(|n| *n == no));
        }
        Ok(known)
    }
}

impl Replayed {
    const NONE: Self = Self {
        queued: 0,
        is_cut: false,
        last: None,
    };
}
