//! Apple Push Notification service: the adapter for [`carillon_ports::gateway::Gateway`].

mod channel;
mod config;
mod credential;
mod dress;
mod lint;
mod outcome;
mod prepare;
mod render;
mod wire;
mod words;

pub use crate::host::{Host, Proxy};
pub use config::ApnsConfig;

use crate::driver::Driver;
use crate::io::IoThreads;
use crate::pool::{self, PoolHandle};

use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::content::Content;
use carillon_model::credential::{CredentialFacts, CredentialSecret};
use carillon_model::notification::{RequestOptions, SendOptions};
use carillon_model::outcome::Outcome;
use carillon_model::problem::FieldProblem;
use carillon_model::push_token::PushTokenBytes;
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
    threads: IoThreads,
    tokens: credential::TokenBooks,
}

impl ApnsGateway {
    /// Starts the I/O threads, each of which also runs `upkeep`. Nothing is connected yet.
    ///
    /// # Errors
    /// A sentence that names the setting that cannot work.
    pub fn new(config: ApnsConfig, clock: Arc<dyn Clock>, upkeep: Upkeep) -> Result<Self, String> {
        config.check()?;
        let threads = IoThreads::start("apns", config.io_threads, upkeep)?;
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

impl Shared {
    fn open(self: &Arc<Self>, spec: PoolSpec, sink: OutcomeSink) -> Arc<dyn Pool> {
        let shared = self.clone();
        PoolHandle::start(&self.threads, spec.id, sink, move |ends| {
            let id = spec.id;
            let way = wire::ApnsWire::open(&shared, spec, ends.gauge.clone());
            let (clock, longest) = (shared.clock.clone(), shared.config.queue_timeout);
            Driver::new(id, way, clock, longest, ends).run()
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

    fn render(
        &self,
        content: &Content,
        options: &SendOptions,
        now: UnixMs,
    ) -> Result<Bytes, Vec<FieldProblem>> {
        prepare::written(options.push_type, options.channel.is_some(), content, now)
    }

    fn read_push_token(&self, text: &str) -> Result<PushTokenBytes, String> {
        PushTokenBytes::from_hex(text)
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
        self.shared.open(spec, outcomes)
    }

    async fn probe(&self, mut spec: PoolSpec, push: Push) -> Outcome {
        spec.id.probing = true;
        let within = self.shared.config.probe_timeout;
        let environment = words::environment(spec.id.environment);
        pool::probe(|sink| self.shared.open(spec, sink), push, within)
            .await
            .unwrap_or_else(|connect_error| {
                let host = format!("the {environment} host");
                crate::outcome::unreachable(&host, within, connect_error, outcome::REACH)
            })
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
