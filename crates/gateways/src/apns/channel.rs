//! Broadcast channels: publishing to them as part of a pool, and managing them.
//!
//! Broadcasts are few, each reaching many: they go through the library's own client with its own
//! thread, not through the pool's connection.

use super::dress::{asked, expiration};
use super::outcome::of;
use super::{Shared, words};
use crate::{outcome, wall};
use apns::{
    BroadcastClient, BroadcastRequest, ChannelId, ChannelResponse, Rejected, StoragePolicy,
};
use carillon_model::UnixMs;
use carillon_model::outcome::{Outcome, Verdict};
use carillon_ports::gateway::{
    ChannelAnswer, ChannelCall, ChannelError, PoolId, PoolSpec, Push, PushOutcome,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

/// The longest that a channel keeps its newest message.
const LONGEST_KEPT: Duration = Duration::from_secs(8 * 3600);

/// Broadcasts of one pool on their way.
pub(super) struct Broadcasts {
    client: BroadcastClient,
    under_way: JoinSet<PushOutcome>,
    tags: HashMap<Id, u64>,
}

impl Broadcasts {
    /// The error is a sentence.
    pub(super) fn open(
        shared: &Shared,
        id: PoolId,
        credential: &apns::Credential,
    ) -> Result<Self, String> {
        let client = client(shared, id, credential.clone())?;
        Ok(Self {
            client,
            under_way: JoinSet::new(),
            tags: HashMap::new(),
        })
    }

    /// How many are on their way.
    pub(super) fn len(&self) -> usize {
        self.tags.len()
    }

    /// Starts a broadcast. The error: it was refused here.
    pub(super) fn publish(
        &mut self,
        spec: &PoolSpec,
        push: &Push,
        wall: UnixMs,
    ) -> Result<(), Outcome> {
        let tag = push.tag;
        let request =
            request(spec, push, wall).map_err(|why| outcome::refused_here("bad_broadcast", why))?;
        let asked = asked(spec, &push.message.options);
        let client = self.client.clone();
        let task = self.under_way.spawn(async move {
            let at = Instant::now();
            let result = client.publish(&request).await;
            PushOutcome {
                tag,
                outcome: of(result, None, Some(at.elapsed()), asked),
            }
        });
        self.tags.insert(task.id(), tag);
        Ok(())
    }

    /// Waits for the next one to end; for ever if there is none.
    pub(super) async fn outcome(&mut self) -> PushOutcome {
        match self.under_way.join_next_with_id().await {
            None => std::future::pending().await,
            Some(Ok((id, outcome))) => {
                self.tags.remove(&id);
                outcome
            }
            Some(Err(panicked)) => in_doubt(self.tags.remove(&panicked.id()).unwrap_or_default()),
        }
    }

    /// Waits until all have ended or the deadline is over.
    pub(super) async fn finish(&mut self, deadline: Instant) -> Vec<PushOutcome> {
        let mut outcomes = Vec::new();
        while !self.tags.is_empty() {
            match tokio::time::timeout_at(deadline, self.outcome()).await {
                Ok(outcome) => outcomes.push(outcome),
                Err(_) => break,
            }
        }
        outcomes.extend(self.abandon());
        outcomes
    }

    /// Gives up on those on their way: nobody will hear what became of them.
    pub(super) fn abandon(&mut self) -> Vec<PushOutcome> {
        self.under_way.abort_all();
        self.tags.drain().map(|(_, tag)| in_doubt(tag)).collect()
    }
}

fn in_doubt(tag: u64) -> PushOutcome {
    PushOutcome {
        tag,
        outcome: outcome::unsent(Verdict::InDoubt),
    }
}

fn request(spec: &PoolSpec, push: &Push, wall: UnixMs) -> Result<BroadcastRequest, String> {
    let options = &push.message.options;
    let channel = options.channel.as_deref().unwrap_or_default();
    let kept = expiration(&push.message)
        .unwrap_or_else(|| apns::Expiration::after(LONGEST_KEPT, wall::system_time(wall)));
    let bundle_id = bundle_id(spec, options.apns_topic.as_deref())?;
    let channel = ChannelId::new(channel).map_err(|error| error.to_string())?;
    BroadcastRequest::builder(bundle_id, channel, push.message.payload.clone())
        .priority(words::priority(options.priority))
        .expiration(kept)
        .request_id(push.gateway_id)
        .build()
        .map_err(|error| error.to_string())
}

fn bundle_id(spec: &PoolSpec, named: Option<&str>) -> Result<apns::BundleId, String> {
    let topic = named
        .or(spec.facts.topics.first().map(String::as_str))
        .ok_or(
            "the credential names no topic and the notification neither: set options.apns_topic",
        )?;
    words::bundle_id(topic).map_err(|error| error.to_string())
}

fn client(
    shared: &Shared,
    id: PoolId,
    credential: apns::Credential,
) -> Result<BroadcastClient, String> {
    let environment = words::environment(id.environment);
    BroadcastClient::builder(credential, environment)
        .management(shared.config.channels(environment))
        .publish_on(shared.config.broadcasts(environment))
        .config(super::wire::connection_config(shared, true))
        .build()
        .map_err(|error| error.to_string())
}

// === Management ===

/// See [`carillon_ports::gateway::Gateway::channels`]. Calls are rare: each has a client of its own.
pub(super) async fn call(
    shared: &Arc<Shared>,
    spec: PoolSpec,
    topic: &str,
    call: ChannelCall,
) -> Result<ChannelAnswer, ChannelError> {
    let unusable = |mend: String| ChannelError {
        status: 0,
        reason: "unusable".into(),
        mend,
    };
    let credential = shared.tokens.credential(&spec).map_err(unusable)?;
    let client = client(shared, spec.id, credential).map_err(unusable)?;
    let app = words::bundle_id(topic).map_err(|error| unusable(error.to_string()))?;
    let within = shared.config.probe_timeout;
    tokio::time::timeout(within, answer(&client, &app, call)).await.unwrap_or_else(|_| {
        let mend = format!(
            "APNs' channel management did not answer in {} s: check that this machine reaches it (ports 2195 and 2196), then list the channels to see whether it was done",
            within.as_secs()
        );
        Err(ChannelError { status: 0, reason: "timeout".into(), mend })
    })
}

async fn answer(
    client: &BroadcastClient,
    app: &apns::BundleId,
    call: ChannelCall,
) -> Result<ChannelAnswer, ChannelError> {
    let id = |text: String| {
        ChannelId::new(text).map_err(|error| ChannelError {
            status: 0,
            reason: "BadChannelId".into(),
            mend: error.to_string(),
        })
    };
    match call {
        ChannelCall::Create { store } => {
            let policy = if store {
                StoragePolicy::MostRecent
            } else {
                StoragePolicy::NoStorage
            };
            let made = done(client.create(app, policy).await)?;
            Ok(ChannelAnswer::Created(made.id.as_str().to_owned()))
        }
        ChannelCall::Read(text) => {
            let channel = done(client.read(app, &id(text)?).await)?;
            Ok(ChannelAnswer::Read {
                store: channel.storage_policy == StoragePolicy::MostRecent,
            })
        }
        ChannelCall::Delete(text) => {
            done(client.delete(app, &id(text)?).await)?;
            Ok(ChannelAnswer::Deleted)
        }
        ChannelCall::List => {
            let ids = done(client.list(app).await)?;
            Ok(ChannelAnswer::List(
                ids.into_iter().map(|id| id.as_str().to_owned()).collect(),
            ))
        }
    }
}

fn done<T>(result: Result<ChannelResponse<T>, apns::Error>) -> Result<T, ChannelError> {
    match result {
        Ok(ChannelResponse::Done(done)) => Ok(done),
        Ok(ChannelResponse::Rejected(rejected)) => Err(refused(&rejected)),
        Err(error) => Err(ChannelError {
            status: error.status().unwrap_or(0),
            reason: error.kind().as_str().to_owned(),
            mend: error.to_string(),
        }),
    }
}

fn refused(rejected: &Rejected) -> ChannelError {
    let rule = rejected.rule();
    ChannelError {
        status: rejected.status,
        reason: rejected.reason.to_string(),
        mend: format!("{} {}", rule.meaning, rule.mend),
    }
}
