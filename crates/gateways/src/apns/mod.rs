//! Apple Push Notification service: the adapter for [`carillon_ports::gateway::Gateway`].

mod channel;
mod config;
mod credential;
mod dress;
mod driver;
mod gauge;
mod io;
mod lint;
mod object;
mod outcome;
mod prepare;
mod render;
mod sender;
mod words;

pub use config::{ApnsConfig, Host, Proxy};

use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::content::Content;
use carillon_model::credential::{CredentialFacts, CredentialSecret};
use carillon_model::notification::RequestOptions;
use carillon_model::outcome::Outcome;
use carillon_model::problem::FieldProblem;
use carillon_model::target::Target;
use carillon_ports::clock::Clock;
use carillon_ports::gateway::{
    ChannelAnswer, ChannelCall, ChannelError, ClaimedFacts, Gateway, OutcomeSink, Pool, PoolSpec,
    Prepared, Push,
};
use carillon_ports::upkeep::Upkeep;
use std::sync::Arc;

/// The adapter to APNs: renders, checks, and owns the I/O threads on which all its pools live.
pub struct ApnsGateway {
    shared: Arc<Shared>,
}

/// What pools need of the gateway they belong to.
struct Shared {
    config: ApnsConfig,
    clock: Arc<dyn Clock>,
    threads: io::IoThreads,
    tokens: credential::TokenBooks,
}

impl ApnsGateway {
    /// Starts the I/O threads, each of which also runs `upkeep`. Nothing is connected yet.
    ///
    /// # Errors
    /// A sentence that names the setting that cannot work.
    pub fn new(config: ApnsConfig, clock: Arc<dyn Clock>, upkeep: Upkeep) -> Result<Self, String> {
        config.check()?;
        let threads = io::IoThreads::start(config.io_threads, upkeep)?;
        let tokens = credential::TokenBooks::default();
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                clock,
                threads,
                tokens,
            }),
        })
    }
}

#[async_trait]
impl Gateway for ApnsGateway {
    fn prepare(
        &self,
        target: &Target,
        content: &Content,
        options: &RequestOptions,
        now: UnixMs,
    ) -> Result<Prepared, Vec<FieldProblem>> {
        prepare::prepare(target, content, options, now)
    }

    fn inspect(
        &self,
        secret: &CredentialSecret,
        claimed: &ClaimedFacts,
        now: UnixMs,
    ) -> Result<CredentialFacts, Vec<FieldProblem>> {
        credential::inspect(secret, claimed, now)
    }

    fn open_pool(&self, spec: PoolSpec, outcomes: OutcomeSink) -> Arc<dyn Pool> {
        sender::ApnsPool::open(&self.shared, spec, outcomes)
    }

    async fn probe(&self, spec: PoolSpec, push: Push) -> Outcome {
        sender::probe(&self.shared, spec, push).await
    }

    async fn channels(
        &self,
        spec: PoolSpec,
        topic: &str,
        call: ChannelCall,
    ) -> Result<ChannelAnswer, ChannelError> {
        channel::call(&self.shared, spec, topic, call).await
    }
}
