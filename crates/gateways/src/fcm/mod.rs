//! Google's Firebase Cloud Messaging: the adapter for [`carillon_ports::gateway::Gateway`].

mod address;
mod config;
mod credential;
mod dress;
mod lint;
mod outcome;
mod parts;
mod prepare;
mod render;
mod seams;
mod wire;

pub use config::FcmConfig;
pub use fcm::DataRule;

use crate::driver::Driver;
use crate::io::IoThreads;
use crate::pool::{self, PoolHandle};
use crate::wall::system_time;
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
use tokio::time::Instant;

/// The adapter to FCM: renders, checks, and owns the I/O threads on which all its pools live.
pub struct FcmGateway {
    shared: Arc<Shared>,
}

/// What pools need of the gateway they belong to.
struct Shared {
    config: FcmConfig,
    clock: Arc<dyn Clock>,
    threads: IoThreads,
    books: credential::Books,
}

impl FcmGateway {
    /// Starts the I/O threads, each of which also runs `upkeep`. Nothing is connected yet.
    ///
    /// # Errors
    /// A sentence that names the setting that cannot work.
    pub fn new(config: FcmConfig, clock: Arc<dyn Clock>, upkeep: Upkeep) -> Result<Self, String> {
        config.check()?;
        let threads = IoThreads::start("fcm", config.io_threads, upkeep)?;
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                clock,
                threads,
                books: credential::Books::default(),
            }),
        })
    }
}

impl Shared {
    fn open(
        self: &Arc<Self>,
        spec: PoolSpec,
        sink: OutcomeSink,
        validate_only: bool,
    ) -> Arc<dyn Pool> {
        let shared = self.clone();
        PoolHandle::start(&self.threads, spec.id, sink, move |ends| {
            let way = wire::FcmWire::open(&shared, &spec, ends.gauge.clone(), validate_only);
            let (clock, longest) = (shared.clock.clone(), shared.config.queue_timeout);
            Driver::new(spec.id, way, clock, longest, ends).run()
        })
    }
}

/// Now, by both clocks.
fn moment(clock: &dyn Clock) -> fcm::Moment {
    fcm::Moment {
        wall: system_time(clock.now()),
        monotonic: Instant::now().into_std(),
    }
}

#[async_trait]
impl Gateway for FcmGateway {
    fn prepare(
        &self,
        target: &Target,
        content: &Content,
        options: &RequestOptions,
        _now: UnixMs,
    ) -> Result<Prepared, Vec<FieldProblem>> {
        prepare::prepare(target, content, options, self.shared.config.data_rule)
    }

    fn render(
        &self,
        content: &Content,
        options: &SendOptions,
        _now: UnixMs,
    ) -> Result<Bytes, Vec<FieldProblem>> {
        prepare::written(content, options, self.shared.config.data_rule)
    }

    fn read_push_token(&self, text: &str) -> Result<PushTokenBytes, String> {
        address::read(text)
    }

    fn inspect(
        &self,
        secret: &CredentialSecret,
        claimed: &ClaimedFacts,
        _now: UnixMs,
    ) -> Result<CredentialFacts, Vec<FieldProblem>> {
        credential::inspect(&self.shared.config, secret, claimed)
    }

    fn open_pool(&self, spec: PoolSpec, outcomes: OutcomeSink) -> Arc<dyn Pool> {
        self.shared.open(spec, outcomes, false)
    }

    /// Asks FCM whether it would take the push (`validate_only`); nothing is delivered.
    async fn probe(&self, spec: PoolSpec, push: Push) -> Outcome {
        let within = self.shared.config.probe_timeout;
        pool::probe(|sink| self.shared.open(spec, sink, true), push, within)
            .await
            .unwrap_or_else(|connect_error| {
                let host = self.shared.config.messages().authority();
                crate::outcome::unreachable(&host, within, connect_error, outcome::REACH)
            })
    }

    async fn channels(
        &self,
        _spec: PoolSpec,
        _topic: &str,
        _call: ChannelCall,
    ) -> Result<ChannelAnswer, ChannelError> {
        Err(ChannelError {
            status: 0,
            reason: "no_channels".into(),
            mend: "FCM has no broadcast channels: use an APNs credential of the App".into(),
        })
    }
}
