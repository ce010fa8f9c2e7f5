//! Calls that run: their bounds, and what came of them.

use crate::config::EngineConfig;
use crate::hub::Hub;
use carillon_model::UnixMs;
use carillon_model::webhook::{FailedPhase, WebhookAnswer};
use carillon_ports::webhook::{QueuedEvent, WebhookCall, WebhookDefinition};
use std::future::pending;
use std::sync::Arc;
use tokio::task::JoinSet;

/// See the module's words.
#[derive(Default)]
pub(super) struct Calls {
    running: JoinSet<Finished>,
    /// Of those: calls to endpoints that fail.
    failing: u32,
}

/// A call that ended.
pub(super) struct Finished {
    pub(super) endpoint: Arc<WebhookDefinition>,
    pub(super) event: i64,
    pub(super) kind: String,
    pub(super) answer: WebhookAnswer,
    /// Attempts before this one.
    before: u16,
    was_failing: bool,
}

impl Finished {
    /// Which attempt it was, from 1.
    pub(super) fn attempt(&self) -> u16 {
        self.before.saturating_add(1)
    }
}

impl Calls {
    /// How many more calls may begin to an endpoint of which so many run.
    pub(super) fn room(&self, config: &EngineConfig, running: u32, is_failing: bool) -> u32 {
        let all = self.running.len() as u32;
        let mut room = config.webhook_calls.saturating_sub(all);
        if is_failing {
            let of_all = (config.webhook_calls / 2).max(1);
            room = room.min(of_all.saturating_sub(self.failing)).min(1);
        }
        let most = if is_failing {
            1
        } else {
            config.webhook_concurrency
        };
        room.min(most.saturating_sub(running))
    }

    pub(super) fn begin(
        &mut self,
        hub: &Hub,
        endpoint: &Arc<WebhookDefinition>,
        queued: QueuedEvent,
        was_failing: bool,
        now: UnixMs,
    ) {
        self.failing += u32::from(was_failing);
        let sender = hub.parts.webhooks.sender.clone();
        let call = call(hub, endpoint, &queued);
        let (endpoint, kind) = (endpoint.clone(), queued.event.kind);
        let (event, before) = (queued.event.no, queued.attempts);
        self.running.spawn(async move {
            let answer = match call {
                Ok(call) => sender.call(call, now).await,
                Err(why) => WebhookAnswer::failed(FailedPhase::Refused, why),
            };
            Finished {
                endpoint,
                event,
                kind,
                answer,
                before,
                was_failing,
            }
        });
    }

    /// The next call that ended, if one has.
    pub(super) fn try_next(&mut self) -> Option<Finished> {
        let ended = self.running.try_join_next()?;
        Some(self.ended(ended))
    }

    /// Waits until one has; for ever while none runs.
    pub(super) async fn next(&mut self) -> Option<Finished> {
        match self.next_of_all().await {
            Some(finished) => Some(finished),
            None => pending().await,
        }
    }

    /// Waits until one has. `None`: none runs.
    pub(super) async fn next_of_all(&mut self) -> Option<Finished> {
        let ended = self.running.join_next().await?;
        Some(self.ended(ended))
    }

    fn ended(&mut self, ended: Result<Finished, tokio::task::JoinError>) -> Finished {
        match ended {
            Ok(finished) => {
                self.failing -= u32::from(finished.was_failing);
                finished
            }
            // The teller starts anew, and makes the call again.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => panic!("a webhook call was cancelled by nobody: {error}"),
        }
    }
}

/// What is said in a call.
fn call(
    hub: &Hub,
    endpoint: &Arc<WebhookDefinition>,
    queued: &QueuedEvent,
) -> Result<WebhookCall, String> {
    let directory = hub.directory.load();
    let app = directory.app_by_no(endpoint.app);
    let app = app.ok_or("its App is gone")?.id.clone();
    Ok(WebhookCall {
        endpoint: endpoint.clone(),
        app,
        event: queued.event.clone(),
        secrets: directory.webhook_secrets(endpoint.no, &*hub.parts.secrets)?,
    })
}
