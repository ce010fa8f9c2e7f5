//! Browsers, by their vendors' push services (Web Push): the adapter for [`carillon_ports::gateway::Gateway`].
//!
//! A push token here is a whole subscription: an endpoint, which says whose service it is and comes from outside, and keys,
//! for which every push is encrypted anew. So one pool of a credential speaks to many origins, through a guard, and has its
//! cryptography done by threads of its own.

mod address;
mod config;
mod credential;
mod driver;
mod lines;
mod outcome;
mod prepare;
mod render;
mod sealer;
mod watch;
mod way;

pub use config::{Services, WebPushConfig};
pub use credential::{MAX_VAPID_KEYS, generate_vapid, rotate_vapid};

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
    ChannelAnswer, ChannelCall, ChannelError, ClaimedFacts, Gateway, Message, OutcomeSink, Pool,
    PoolSpec, Prepared, Push,
};
use carillon_ports::upkeep::Upkeep;
use std::sync::Arc;
use webpush::{Guard, Route};

/// The adapter to browsers' push services: renders, checks, and owns the threads that encrypt and those on which all its
/// pools live.
pub struct WebPushGateway {
    shared: Arc<Shared>,
}

/// What pools need of the gateway they belong to.
struct Shared {
    config: WebPushConfig,
    route: Route,
    named: Guard,
    clock: Arc<dyn Clock>,
    threads: IoThreads,
    sealers: sealer::Sealers,
    keyrings: credential::Keyrings,
}

impl WebPushGateway {
    /// Starts the threads, each of which also runs `upkeep`. Nothing is connected yet.
    ///
    /// # Errors
    /// A sentence that names the setting that cannot work.
    pub fn new(
        config: WebPushConfig,
        clock: Arc<dyn Clock>,
        upkeep: Upkeep,
    ) -> Result<Self, String> {
        config.check()?;
        Ok(Self {
            shared: Arc::new(Shared {
                route: config.route()?,
                named: config.named()?,
                threads: IoThreads::start("webpush", config.io_threads, upkeep)?,
                sealers: sealer::Sealers::start(config.encryption_threads, upkeep)?,
                keyrings: credential::Keyrings::default(),
                config,
                clock,
            }),
        })
    }
}

impl Shared {
    fn open(self: &Arc<Self>, spec: PoolSpec, sink: OutcomeSink) -> Arc<dyn Pool> {
        let shared = self.clone();
        PoolHandle::start(&self.threads, spec.id, sink, move |ends| {
            driver::Driver::new(shared, spec, ends).run()
        })
    }
}

#[async_trait]
impl Gateway for WebPushGateway {
    fn prepare(
        &self,
        target: &Target,
        content: &Content,
        options: &RequestOptions,
        _: UnixMs,
    ) -> Result<Prepared, Vec<FieldProblem>> {
        prepare::prepare(target, content, options)
    }

    fn render(
        &self,
        content: &Content,
        options: &SendOptions,
        _: UnixMs,
    ) -> Result<Bytes, Vec<FieldProblem>> {
        let tag = render::Tag::new(options.collapse_id.as_deref(), options.on_unknown);
        prepare::written(options.push_type, content, tag)
    }

    fn read_push_token(&self, text: &str) -> Result<PushTokenBytes, String> {
        address::read(text, self.shared.route.guard())
    }

    fn write_push_token(&self, address: &PushTokenBytes) -> Option<String> {
        address::write(&address.0)
    }

    fn inspect(
        &self,
        secret: &CredentialSecret,
        _: &ClaimedFacts,
        _: UnixMs,
    ) -> Result<CredentialFacts, Vec<FieldProblem>> {
        credential::inspect(secret)
    }

    fn make_secret(&self, random: &dyn Fn(&mut [u8])) -> Option<String> {
        credential::fresh(random).ok()
    }

    fn open_pool(&self, spec: PoolSpec, outcomes: OutcomeSink) -> Arc<dyn Pool> {
        self.shared.open(spec, outcomes)
    }

    /// Nothing is kept for a browser that is away: it is asked now or never.
    async fn probe(&self, spec: PoolSpec, mut push: Push) -> Outcome {
        let mut message = Message::clone(&push.message);
        message.options.store_offline = false;
        push.message = Arc::new(message);
        let within = self.shared.config.probe_timeout;
        pool::probe(|sink| self.shared.open(spec, sink), push, within)
            .await
            .unwrap_or_else(|connect_error| {
                let host = "the push service of the subscription";
                crate::outcome::unreachable(host, within, connect_error, outcome::REACH)
            })
    }

    async fn channels(
        &self,
        _: PoolSpec,
        _: &str,
        _: ChannelCall,
    ) -> Result<ChannelAnswer, ChannelError> {
        Err(ChannelError {
            status: 0,
            reason: "no_channels".into(),
            mend: "browsers have no channels: target a topic of yours instead".into(),
        })
    }
}
