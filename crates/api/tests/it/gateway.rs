//! A gateway that does what the test says: it renders the least, checks little, and answers pushes
//! by script.

use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::content::Content;
use carillon_model::credential::{CredentialFacts, CredentialKind, CredentialSecret};
use carillon_model::lane::Class;
use carillon_model::notification::{Priority, RequestOptions, SendOptions};
use carillon_model::outcome::{Answer, Outcome, TokenFate, Verdict};
use carillon_model::problem::FieldProblem;
use carillon_model::target::Target;
use carillon_ports::gateway::{
    ChannelAnswer, ChannelCall, ChannelError, ClaimedFacts, Gateway, OutcomeSink, Pool, PoolId,
    PoolSpec, PoolStatus, Prepared, Push, PushOutcome,
};
use std::sync::{Arc, Mutex};

/// What the gateway does with pushes, probes and channel calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes everything.
    Accept,
    /// Refuses everything for good.
    Reject(&'static str),
    /// Keeps pushes and says nothing.
    Hold,
    /// Panics, in probes and channel calls.
    Panic,
}

pub(crate) struct FakeGateway {
    mood: Arc<Mutex<Mood>>,
}

impl FakeGateway {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            mood: Arc::new(Mutex::new(Mood::Accept)),
        })
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn mood(&self) -> Mood {
        self.mood.lock().unwrap().clone()
    }
}

fn refusal(reason: &str) -> Outcome {
    let fate = match reason {
        "BadDeviceToken" => TokenFate::WrongEnvironment,
        "Unregistered" => TokenFate::Retire { since: None },
        _ => TokenFate::Keep,
    };
    Outcome {
        verdict: Verdict::Rejected(fate),
        answer: Some(Box::new(Answer {
            status: if reason == "Unregistered" { 410 } else { 400 },
            reason: reason.into(),
            raw: format!("{{\"reason\":\"{reason}\"}}"),
            timestamp: None,
        })),
        connection: 1,
        elapsed_us: 1_500,
    }
}

#[async_trait]
impl Gateway for FakeGateway {
    fn prepare(
        &self,
        _target: &Target,
        content: &Content,
        options: &RequestOptions,
        _now: UnixMs,
    ) -> Result<Prepared, Vec<FieldProblem>> {
        let body = content.body.as_deref().unwrap_or_default();
        if body.len() > 4_096 {
            return Err(vec![FieldProblem::new(
                "/content",
                "apns.too_large",
                "expected at most 4096 bytes",
            )]);
        }
        let payload = match &content.apns {
            Some(raw) => Bytes::copy_from_slice(raw.get().as_bytes()),
            None => Bytes::from(serde_json::json!({"aps": {"alert": {"body": body}}}).to_string()),
        };
        Ok(Prepared {
            options: SendOptions {
                push_type: options.push_type,
                token_kind: options.push_type.token_kind(),
                priority: options.priority.unwrap_or(Priority::High),
                store_offline: options.store_offline.unwrap_or(true),
                on_unknown: options
                    .on_unknown
                    .unwrap_or_else(|| options.push_type.default_on_unknown(false)),
                class: options.class.unwrap_or(Class::Normal),
                collapse_id: options.collapse_id.clone(),
                apns_topic: options.apns_topic.clone(),
                channel: None,
                category: options.category.clone(),
                is_critical: false,
            },
            payload,
        })
    }

    fn render(
        &self,
        content: &Content,
        _options: &SendOptions,
        _now: UnixMs,
    ) -> Result<Bytes, Vec<FieldProblem>> {
        let body = content.body.as_deref().unwrap_or_default();
        Ok(Bytes::from(
            serde_json::json!({"aps": {"alert": {"body": body}}}).to_string(),
        ))
    }

    fn read_push_token(
        &self,
        text: &str,
    ) -> Result<carillon_model::push_token::PushTokenBytes, String> {
        use carillon_model::push_token::PushTokenBytes;
        // One adapter stands for all gateways: a subscription is JSON, a token of FCM's has a colon.
        match text {
            json if json.starts_with('{') => match json.contains("endpoint") {
                true => Ok(PushTokenBytes(Bytes::copy_from_slice(json.as_bytes()))),
                false => Err("expected an endpoint".into()),
            },
            text if text.contains(':') => {
                Ok(PushTokenBytes(Bytes::copy_from_slice(text.as_bytes())))
            }
            hex => PushTokenBytes::from_hex(hex),
        }
    }

    fn inspect(
        &self,
        secret: &CredentialSecret,
        claimed: &ClaimedFacts,
        _now: UnixMs,
    ) -> Result<CredentialFacts, Vec<FieldProblem>> {
        let kind = match secret {
            CredentialSecret::SigningKey { pem } if !pem.contains("PRIVATE KEY") => {
                return Err(vec![FieldProblem::new(
                    "/signing_key/pem",
                    "credential.signing_key",
                    "expected a PEM",
                )]);
            }
            CredentialSecret::SigningKey { .. } => CredentialKind::SigningKey,
            CredentialSecret::Certificate { .. } => CredentialKind::Certificate,
            CredentialSecret::ServiceAccount { .. } => CredentialKind::ServiceAccount,
            CredentialSecret::VapidKeys { .. } => CredentialKind::VapidKeys,
        };
        Ok(CredentialFacts {
            kind,
            environments: claimed.environments.clone(),
            topics: claimed.topics.clone(),
            team_id: claimed.team_id.clone(),
            key_id: claimed.key_id.clone(),
            not_after: None,
            project_id: None,
            contact: None,
            public_keys: vec![],
            fingerprint: "00ff".into(),
        })
    }

    fn open_pool(&self, spec: PoolSpec, outcomes: OutcomeSink) -> Arc<dyn Pool> {
        Arc::new(FakePool {
            id: spec.id,
            outcomes,
            mood: Arc::clone(&self.mood),
            held: Mutex::default(),
        })
    }

    async fn probe(&self, _spec: PoolSpec, push: Push) -> Outcome {
        assert_eq!(push.push_token.0.len(), 32);
        match self.mood() {
            Mood::Accept => refusal("BadDeviceToken"),
            Mood::Reject(reason) => refusal(reason),
            Mood::Hold => std::future::pending().await,
            Mood::Panic => panic!("planted panic"),
        }
    }

    async fn channels(
        &self,
        _spec: PoolSpec,
        _topic: &str,
        call: ChannelCall,
    ) -> Result<ChannelAnswer, ChannelError> {
        match self.mood() {
            Mood::Accept => {}
            Mood::Reject(reason) => {
                return Err(ChannelError {
                    status: 403,
                    reason: reason.into(),
                    mend: "Mend it.".into(),
                });
            }
            Mood::Hold => std::future::pending().await,
            Mood::Panic => panic!("planted panic"),
        }
        let unknown = || ChannelError {
            status: 400,
            reason: "ChannelNotRegistered".into(),
            mend: "Make it.".into(),
        };
        match call {
            ChannelCall::Create { .. } => Ok(ChannelAnswer::Created("bmV3".into())),
            ChannelCall::Read(id) if id == "b2xk" => Ok(ChannelAnswer::Read { store: true }),
            ChannelCall::Delete(id) if id == "b2xk" => Ok(ChannelAnswer::Deleted),
            ChannelCall::Read(_) | ChannelCall::Delete(_) => Err(unknown()),
            ChannelCall::List => Ok(ChannelAnswer::List(vec!["b2xk".into()])),
        }
    }
}

struct FakePool {
    id: PoolId,
    outcomes: OutcomeSink,
    mood: Arc<Mutex<Mood>>,
    held: Mutex<Vec<u64>>,
}

impl FakePool {
    fn answer(&self, tags: Vec<u64>, outcome: &Outcome) {
        let outcomes = tags
            .into_iter()
            .map(|tag| PushOutcome {
                tag,
                outcome: outcome.clone(),
            })
            .collect();
        let (sink, id) = (Arc::clone(&self.outcomes), self.id);
        // As a real pool does: from a thread of its own.
        std::thread::spawn(move || sink(id, outcomes));
    }
}

impl Pool for FakePool {
    fn window(&self) -> usize {
        1_000
    }

    fn submit(&self, pushes: Vec<Push>) {
        let tags: Vec<_> = pushes.iter().map(|push| push.tag).collect();
        let mood = self.mood.lock().unwrap().clone();
        match mood {
            Mood::Accept | Mood::Panic => self.answer(tags, &Outcome::accepted(1, 1_000)),
            Mood::Reject(reason) => self.answer(tags, &refusal(reason)),
            Mood::Hold => self.held.lock().unwrap().extend(tags),
        }
    }

    fn close(&self, _within_ms: u32) {
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        if !held.is_empty() {
            let outcome = Outcome {
                verdict: Verdict::NotSent,
                answer: None,
                connection: 0,
                elapsed_us: 0,
            };
            self.answer(held, &outcome);
        }
    }

    fn status(&self) -> PoolStatus {
        PoolStatus {
            connections: 1,
            ..PoolStatus::default()
        }
    }
}
