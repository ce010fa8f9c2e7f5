//! Webhook endpoints on SQL: rows, queues, remembered calls. When to call is the engine's business.

mod calls;
mod queue;
mod rows;

pub(crate) use rows::{close, open};

use crate::queue::Class as Turn;
use crate::store::SqlStore;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, WebhookNo};
use carillon_model::webhook::DisabledReason;
use carillon_ports::store::Result;
use carillon_ports::webhook::{
    CallSettlement, EndpointRow, Enqueue, QueuedEvent, WebhookAttempt, WebhookDefinition,
    WebhookStore,
};
use std::sync::Arc;

// Telling may wait for sending: its writes have the turn of what is not urgent.
#[async_trait]
impl WebhookStore for SqlStore {
    async fn endpoints(&self) -> Result<Vec<EndpointRow>> {
        self.read_hot(rows::all).await
    }

    async fn endpoint(&self, no: WebhookNo) -> Result<Option<EndpointRow>> {
        self.read_hot(move |conn| rows::one(conn, no)).await
    }

    async fn enqueue(&self, step: Enqueue) -> Result<Option<EndpointRow>> {
        self.write(Turn::Fanout, 1 + step.events.len(), move |tx| {
            queue::enqueue(tx, &step)
        })
        .await
    }

    async fn requeue(
        &self,
        no: WebhookNo,
        events: Vec<i64>,
        most: u64,
        now: UnixMs,
    ) -> Result<Option<u64>> {
        self.write(Turn::Fanout, 1 + events.len(), move |tx| {
            queue::requeue(tx, no, &events, most, now)
        })
        .await
    }

    async fn due(
        &self,
        no: WebhookNo,
        now: UnixMs,
        limit: u32,
    ) -> Result<(Vec<QueuedEvent>, Option<UnixMs>)> {
        self.read_hot(move |conn| queue::due(conn, no, now, limit))
            .await
    }

    async fn settle_calls(
        &self,
        calls: Vec<CallSettlement>,
        now: UnixMs,
    ) -> Result<Vec<EndpointRow>> {
        self.write(Turn::Fanout, calls.len() * 4, move |tx| {
            calls::settle(tx, &calls, now)
        })
        .await
    }

    async fn drop_queue(&self, no: WebhookNo, limit: u32) -> Result<u64> {
        self.write(Turn::Fanout, limit as usize, move |tx| {
            queue::drop_some(tx, no, limit)
        })
        .await
    }

    async fn enable(&self, no: WebhookNo) -> Result<Option<EndpointRow>> {
        self.write(Turn::Fanout, 1, move |tx| rows::enable(tx, no))
            .await
    }

    async fn disable(
        &self,
        endpoint: Arc<WebhookDefinition>,
        reason: DisabledReason,
        now: UnixMs,
    ) -> Result<Option<EndpointRow>> {
        self.write(Turn::Fanout, 1, move |tx| {
            rows::disable(tx, &endpoint, reason, now)
        })
        .await
    }

    async fn webhook_attempts(&self, no: WebhookNo, limit: u32) -> Result<Vec<WebhookAttempt>> {
        self.read(move |conn| calls::attempts(conn, no, limit))
            .await
    }

    async fn newest_event(&self, app: AppNo) -> Result<i64> {
        self.read_hot(move |conn| rows::newest_event(conn, app))
            .await
    }

    async fn events_since(&self, app: AppNo, at: UnixMs) -> Result<i64> {
        self.read(move |conn| rows::events_since(conn, app, at))
            .await
    }
}

/// Deletes one slice of what nobody needs any more: queues of events that retention took, and what
/// endpoints left that are gone. Returns how many rows went.
pub(crate) fn prune(tx: &crate::writer::Tx<'_>, slice: u32) -> crate::error::Done<u64> {
    Ok(queue::prune(tx, slice)? + calls::prune(tx, slice)?)
}
