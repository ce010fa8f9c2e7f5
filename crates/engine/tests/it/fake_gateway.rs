//! A gateway that does what a test's script says, and remembers what was written.

use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::content::{Content, Urgency};
use carillon_model::credential::{CredentialFacts, CredentialSecret};
use carillon_model::environment::Environment;
use carillon_model::lane::{self, Class};
use carillon_model::notification::{Priority, RequestOptions, SendOptions};
use carillon_model::outcome::{Answer, Outcome, TokenFate, Trouble, TroubleScope, Verdict};
use carillon_model::problem::FieldProblem;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::{PushType, TokenKind};
use carillon_model::target::Target;
use carillon_ports::gateway::{
    ChannelAnswer, ChannelCall, ChannelError, ClaimedFacts, Gateway, OutcomeSink, Pool, PoolId,
    PoolSpec, PoolStatus, Prepared, Push, PushOutcome,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// A push that the gateway got.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) pool: PoolId,
    pub(crate) push_token: Vec<u8>,
    pub(crate) gateway_id: uuid::Uuid,
    pub(crate) payload: Bytes,
    pub(crate) at: Instant,
    /// How many there were of this delivery before.
    pub(crate) before: usize,
}

/// What becomes of a push: outcomes after delays. None at all: it waits unwritten until it is
/// cancelled, expires or the pool closes.
pub(crate) type Reply = Vec<(u64, Outcome)>;

type Script = Box<dyn FnMut(&Written) -> Reply + Send>;

/// After so many milliseconds the answer to a call to channel management.
pub(crate) type ChannelReply = (u64, Result<ChannelAnswer, ChannelError>);

type ChannelScript = Box<dyn FnMut(&ChannelCall) -> ChannelReply + Send>;

struct State {
    script: Script,
    written: Vec<Written>,
    counts: HashMap<uuid::Uuid, usize>,
    opened: Vec<PoolId>,
    closed: Vec<PoolId>,
    poison: Option<String>,
    refused: Option<PushType>,
    channels: ChannelScript,
    channel_calls: Vec<(Environment, String, String)>,
}

/// See the module's words. Clones share it.
#[derive(Clone)]
pub(crate) struct FakeGateway {
    state: Arc<Mutex<State>>,
    window: Arc<AtomicUsize>,
    /// Whose raw content it sends.
    which: lane::Gateway,
}

impl FakeGateway {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                script: Box::new(|_| accept()),
                written: Vec::new(),
                counts: HashMap::new(),
                opened: Vec::new(),
                closed: Vec::new(),
                poison: None,
                refused: None,
                channels: Box::new(|_| (1, Ok(ChannelAnswer::Deleted))),
                channel_calls: Vec::new(),
            })),
            window: Arc::new(AtomicUsize::new(1_000)),
            which: lane::Gateway::Apns,
        }
    }

    /// The same, as another gateway.
    pub(crate) fn at(&self, which: lane::Gateway) -> Self {
        Self {
            which,
            ..self.clone()
        }
    }

    /// From now on.
    pub(crate) fn script(&self, script: impl FnMut(&Written) -> Reply + Send + 'static) {
        self.state.lock().script = Box::new(script);
    }

    /// What channel management answers from now on.
    pub(crate) fn channels_answer(
        &self,
        script: impl FnMut(&ChannelCall) -> ChannelReply + Send + 'static,
    ) {
        self.state.lock().channels = Box::new(script);
    }

    /// Where channel management was called, for which topic, and for what.
    pub(crate) fn channel_calls(&self) -> Vec<(Environment, String, String)> {
        self.state.lock().channel_calls.clone()
    }

    pub(crate) fn window(&self, window: usize) {
        self.window.store(window, Relaxed);
    }

    /// Reading this push token panics from now on.
    pub(crate) fn panic_at(&self, push_token: Option<String>) {
        self.state.lock().poison = push_token;
    }

    /// Whatever is of this type is refused from now on, before it is accepted.
    pub(crate) fn refuse(&self, push_type: Option<PushType>) {
        self.state.lock().refused = push_type;
    }

    pub(crate) fn written(&self) -> Vec<Written> {
        self.state.lock().written.clone()
    }

    pub(crate) fn opened(&self) -> Vec<PoolId> {
        self.state.lock().opened.clone()
    }

    pub(crate) fn closed(&self) -> Vec<PoolId> {
        self.state.lock().closed.clone()
    }
}

/// After a millisecond.
pub(crate) fn accept() -> Reply {
    vec![(1, Outcome::accepted(1, 1_000))]
}

/// A verdict with the gateway's words, after a millisecond.
pub(crate) fn reply(verdict: Verdict, status: u16, reason: &str) -> Reply {
    vec![(1, outcome(verdict, status, reason))]
}

pub(crate) fn outcome(verdict: Verdict, status: u16, reason: &str) -> Outcome {
    Outcome {
        verdict,
        answer: Some(Box::new(Answer {
            status,
            reason: reason.into(),
            raw: format!("{{\"reason\":\"{reason}\"}}"),
            timestamp: None,
        })),
        connection: 1,
        elapsed_us: 1_000,
    }
}

pub(crate) fn rejected(fate: TokenFate, status: u16, reason: &str) -> Reply {
    reply(Verdict::Rejected(fate), status, reason)
}

pub(crate) fn retry() -> Reply {
    let verdict = Verdict::Retry {
        retry_after_ms: None,
    };
    reply(verdict, 429, "TooManyRequests")
}

pub(crate) fn in_doubt() -> Reply {
    reply(Verdict::InDoubt, 0, "timeout")
}

pub(crate) fn blocked(scope: TroubleScope, reason: &str, retry_after_ms: Option<u32>) -> Reply {
    let trouble = Trouble {
        scope,
        reason: reason.into(),
        mend: "mend it".into(),
        retry_after_ms,
    };
    vec![(
        1,
        Outcome {
            verdict: Verdict::Blocked(trouble),
            answer: None,
            connection: 0,
            elapsed_us: 0,
        },
    )]
}

pub(crate) fn not_sent() -> Reply {
    vec![(1, plain(Verdict::NotSent))]
}

fn plain(verdict: Verdict) -> Outcome {
    Outcome {
        verdict,
        answer: None,
        connection: 0,
        elapsed_us: 0,
    }
}

#[async_trait]
impl Gateway for FakeGateway {
    fn prepare(
        &self,
        target: &Target,
        content: &Content,
        options: &RequestOptions,
        _now: UnixMs,
    ) -> Result<Prepared, Vec<FieldProblem>> {
        if content.badge == Some(666) {
            let problem = FieldProblem::new("/content/badge", "test.badge", "expected another");
            return Err(vec![problem]);
        }
        let push_type = options.push_type;
        if self.state.lock().refused == Some(push_type) {
            let problem = FieldProblem::new("/options/push_type", "test.type", "expected another");
            return Err(vec![problem]);
        }
        let channel = match target {
            Target::Channel(id) => Some(id.clone()),
            _ => None,
        };
        let class = match (target, push_type) {
            (_, PushType::Voip) => Class::Urgent,
            (Target::All(_), _) => Class::Bulk,
            _ => Class::Normal,
        };
        let raw = match self.which {
            lane::Gateway::Fcm => content.fcm.as_ref(),
            _ => content.apns.as_ref(),
        };
        let raw = raw.map(|raw| raw.get().to_owned());
        let starts = raw
            .as_ref()
            .is_some_and(|raw| raw.contains(r#""event":"start""#));
        Ok(Prepared {
            options: SendOptions {
                push_type,
                token_kind: if starts {
                    TokenKind::LiveActivityStart
                } else {
                    push_type.token_kind()
                },
                priority: options.priority.unwrap_or(Priority::High),
                store_offline: true,
                on_unknown: options
                    .on_unknown
                    .unwrap_or(push_type.default_on_unknown(starts)),
                class: options.class.unwrap_or(class),
                collapse_id: options.collapse_id.clone(),
                apns_topic: options.apns_topic.clone(),
                channel,
                category: options.category.clone(),
                is_critical: content.urgency == Some(Urgency::Critical),
            },
            payload: Bytes::from(raw.unwrap_or_else(|| match &content.data {
                // What people are told of an incident is known by its data.
                Some(data) if data.get().contains("carillon_incident") => {
                    format!(
                        "{} {}",
                        content.body.as_deref().unwrap_or_default(),
                        data.get()
                    )
                }
                _ => content.body.clone().unwrap_or_default(),
            })),
        })
    }

    fn render(
        &self,
        content: &Content,
        _options: &SendOptions,
        _now: UnixMs,
    ) -> Result<Bytes, Vec<FieldProblem>> {
        if content.badge == Some(666) {
            let problem = FieldProblem::new("/content/badge", "test.badge", "expected another");
            return Err(vec![problem]);
        }
        let raw = match self.which {
            lane::Gateway::Fcm => content.fcm.as_ref(),
            _ => content.apns.as_ref(),
        };
        if let Some(raw) = raw {
            return Ok(Bytes::copy_from_slice(raw.get().as_bytes()));
        }
        let mut text = content.body.clone().unwrap_or_default();
        if let Some(badge) = content.badge {
            text = format!("{text} #{badge}");
        }
        if let Some(data) = &content.data {
            text = format!("{text} {}", data.get());
        }
        Ok(Bytes::from(text))
    }

    fn read_push_token(&self, text: &str) -> Result<PushTokenBytes, String> {
        let is_poison = self.state.lock().poison.as_deref() == Some(text);
        assert!(!is_poison, "planted panic");
        PushTokenBytes::from_hex(text)
    }

    fn inspect(
        &self,
        _secret: &CredentialSecret,
        _claimed: &ClaimedFacts,
        _now: UnixMs,
    ) -> Result<CredentialFacts, Vec<FieldProblem>> {
        Err(Vec::new())
    }

    fn open_pool(&self, spec: PoolSpec, outcomes: OutcomeSink) -> Arc<dyn Pool> {
        self.state.lock().opened.push(spec.id);
        Arc::new(FakePool {
            id: spec.id,
            gateway: self.clone(),
            sink: outcomes,
            is_closed: Arc::new(AtomicBool::new(false)),
        })
    }

    async fn probe(&self, _spec: PoolSpec, _push: Push) -> Outcome {
        plain(Verdict::NotSent)
    }

    async fn channels(
        &self,
        spec: PoolSpec,
        topic: &str,
        call: ChannelCall,
    ) -> Result<ChannelAnswer, ChannelError> {
        let (after_ms, answer) = {
            let mut state = self.state.lock();
            let called = (spec.id.environment, topic.to_owned(), format!("{call:?}"));
            state.channel_calls.push(called);
            (state.channels)(&call)
        };
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        answer
    }
}

struct FakePool {
    id: PoolId,
    gateway: FakeGateway,
    sink: OutcomeSink,
    is_closed: Arc<AtomicBool>,
}

impl Pool for FakePool {
    fn window(&self) -> usize {
        self.gateway.window.load(Relaxed)
    }

    fn submit(&self, pushes: Vec<Push>) {
        assert!(!pushes.is_empty(), "nothing to submit");
        let mut soon: Vec<(u64, PushOutcome)> = Vec::new();
        for push in pushes {
            let tag = push.tag;
            let is_cancelled = push.message.cancelled.load(Relaxed);
            if is_cancelled || self.is_closed.load(Relaxed) {
                let verdict = if is_cancelled {
                    Verdict::Withdrawn
                } else {
                    Verdict::NotSent
                };
                let outcome = plain(verdict);
                soon.push((0, PushOutcome { tag, outcome }));
                continue;
            }
            let mut state = self.gateway.state.lock();
            let before = state.counts.get(&push.gateway_id).copied().unwrap_or(0);
            let written = Written {
                pool: self.id,
                push_token: push.push_token.0.to_vec(),
                gateway_id: push.gateway_id,
                payload: push.message.payload.clone(),
                at: Instant::now(),
                before,
            };
            let reply = (state.script)(&written);
            if reply.is_empty() {
                drop(state);
                tokio::spawn(wait(
                    self.id,
                    push,
                    self.sink.clone(),
                    self.is_closed.clone(),
                ));
                continue;
            }
            let is_written = |(_, outcome): &(u64, Outcome)| {
                !matches!(outcome.verdict, Verdict::NotSent | Verdict::Blocked(_))
                    || outcome.connection > 0
            };
            if reply.iter().any(is_written) {
                *state.counts.entry(written.gateway_id).or_default() += 1;
                state.written.push(written);
            }
            for (after, outcome) in reply {
                soon.push((after, PushOutcome { tag, outcome }));
            }
        }
        soon.sort_by_key(|(after, _)| *after);
        for group in soon.chunk_by(|a, b| a.0 == b.0) {
            let after = Duration::from_millis(group[0].0);
            let outcomes: Vec<_> = group.iter().map(|(_, outcome)| outcome.clone()).collect();
            let (id, sink) = (self.id, self.sink.clone());
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                sink(id, outcomes);
            });
        }
    }

    fn close(&self, _within_ms: u32) {
        self.is_closed.store(true, Relaxed);
        self.gateway.state.lock().closed.push(self.id);
    }

    fn status(&self) -> PoolStatus {
        PoolStatus::default()
    }
}

/// An unwritten push: until somebody takes it back.
async fn wait(id: PoolId, push: Push, sink: OutcomeSink, is_closed: Arc<AtomicBool>) {
    let verdict = loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if push.message.cancelled.load(Relaxed) {
            break Verdict::Withdrawn;
        }
        if is_closed.load(Relaxed) {
            break Verdict::NotSent;
        }
    };
    let outcome = PushOutcome {
        tag: push.tag,
        outcome: plain(verdict),
    };
    sink(id, vec![outcome]);
}

/// Facts of a signing key.
pub(crate) fn signing_key(environments: &[Environment]) -> CredentialFacts {
    CredentialFacts {
        kind: carillon_model::credential::CredentialKind::SigningKey,
        environments: environments.to_vec(),
        topics: vec!["com.example.app".into()],
        team_id: Some("TEAM".into()),
        key_id: Some("KEY".into()),
        not_after: None,
        project_id: None,
        contact: None,
        public_keys: vec![],
        fingerprint: "f".into(),
    }
}

/// How many of these went through a credential's pools.
pub(crate) fn by_app(written: &[Written], credential: carillon_model::id::CredentialNo) -> usize {
    let of = |written: &&Written| written.pool.credential == credential;
    written.iter().filter(of).count()
}
