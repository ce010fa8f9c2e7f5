//! A `Connection` over in-memory pipes, with a clock that the test sets.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns::pool::{Connect, Event, Observer, Stream};
use apns::{
    ApnsTopic, Connection, ConnectionConfig, Credential, Endpoint, Finished, KeyId, Priority,
    ProviderTokens, Push, PushType, Reason, Response, SigningKey, TeamId, Template,
};
use base64::Engine as _;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use uuid::Uuid;

use crate::peer::{Peer, Request, watched};

/// 2023-11-14 22:13:20 UTC: when every test begins.
pub(crate) const START: u64 = 1_700_000_000;

/// The public example key of RFC 7515 appendix A.3. Never for production.
pub(crate) fn signing_key() -> SigningKey {
    let part = |text| {
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(text)
            .unwrap()
    };
    let mut der = vec![
        0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
        0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30,
        0x6b, 0x02, 0x01, 0x01, 0x04, 0x20,
    ];
    der.extend(part("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"));
    der.extend([0xa1, 0x44, 0x03, 0x42, 0x00, 0x04]);
    der.extend(part("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"));
    der.extend(part("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"));
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let key_id = KeyId::new("ABC123DEFG").unwrap();
    SigningKey::from_p8(pem.as_bytes(), key_id, TeamId::new("DEF123GHIJ").unwrap()).unwrap()
}

/// A wall clock for tests.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }

    pub(crate) fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn pass(&self, minutes: u64) {
        self.0.fetch_add(minutes * 60, Ordering::SeqCst);
    }
}

struct Pipes(mpsc::Sender<DuplexStream>);

impl Connect for Pipes {
    fn connect(
        &self,
        _seed: u64,
    ) -> Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, apns::pool::Error>> + '_>> {
        let (near, far) = tokio::io::duplex(1024 * 1024);
        self.0
            .try_send(far)
            .expect("the test takes its connections");
        Box::pin(async move { Ok(Box::new(near) as Box<dyn Stream>) })
    }
}

#[derive(Default)]
pub(crate) struct Diary(RefCell<Vec<String>>);

impl Observer for Diary {
    fn observe(&self, event: &Event<'_>) {
        self.0.borrow_mut().push(match event {
            Event::Connected { connection, .. } => format!("connected {connection}"),
            Event::GoAway { connection, frame } => format!("goaway {connection} {}", frame.text()),
            Event::PingTimedOut {
                connection,
                in_flight,
            } => format!("ping {connection} {in_flight}"),
            Event::Closed {
                connection, cause, ..
            } => {
                format!("closed {connection} {}", cause.as_str())
            }
            other => format!("{other:?}"),
        });
    }
}

pub(crate) struct Rig {
    pub(crate) connection: Connection,
    pub(crate) tokens: ProviderTokens,
    pub(crate) clock: TestClock,
    pub(crate) signed: Arc<AtomicU64>,
    diary: Rc<Diary>,
    far: mpsc::Receiver<DuplexStream>,
    finished: VecDeque<Finished>,
    template: Template,
}

impl Rig {
    pub(crate) fn new(config: ConnectionConfig) -> Self {
        Self::with(config, None)
    }

    /// With another credential than the provider tokens.
    pub(crate) fn with(mut config: ConnectionConfig, credential: Option<Credential>) -> Self {
        let clock = TestClock::new();
        let signed = Arc::new(AtomicU64::new(0));
        let tokens = ProviderTokens::new(signing_key()).on_issue({
            let signed = signed.clone();
            move |_| {
                signed.fetch_add(1, Ordering::SeqCst);
            }
        });
        let credential = credential.unwrap_or_else(|| tokens.clone().into());
        config.pool.connect_interval = Duration::ZERO;
        config.clock = {
            let clock = clock.clone();
            Arc::new(move || clock.now())
        };
        let (sender, far) = mpsc::channel(64);
        let diary = Rc::new(Diary::default());
        let endpoint = Endpoint::new("api.sandbox.push.apple.com", 443);
        let connection =
            Connection::over(Pipes(sender), &endpoint, &credential, config, diary.clone()).unwrap();
        let topic = ApnsTopic::new("net.example.pager").unwrap();
        let template = Template::new(&topic, PushType::Alert, Priority::Immediate);
        Self {
            connection,
            tokens,
            clock,
            signed,
            diary,
            far,
            finished: VecDeque::new(),
            template,
        }
    }

    pub(crate) fn make(&self, tag: u64) -> Push {
        Push {
            tag,
            template: self.template.clone(),
            push_token: "0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de"
                .parse()
                .unwrap(),
            apns_id: apns_id(tag),
            expiration: None,
            collapse_id: None,
            payload: format!("{{\"aps\":{{\"alert\":\"{tag}\"}}}}").into(),
            write_by: None,
        }
    }

    pub(crate) fn push(&self, tags: impl IntoIterator<Item = u64>) {
        let mut batch: VecDeque<_> = tags.into_iter().map(|tag| self.make(tag)).collect();
        self.connection.submit(&mut batch);
        assert!(batch.is_empty(), "the queue takes them all");
    }

    /// The next HTTP/2 connection, with this many streams allowed.
    pub(crate) async fn peer(&mut self, max_streams: u32) -> Peer {
        Peer::ready(
            self.far.recv().await.expect("another connection"),
            max_streams,
        )
        .await
    }

    /// A connection that has accepted a first push, with tag 0, and so is trusted.
    pub(crate) async fn trusted(&mut self, max_streams: u32) -> Peer {
        self.push([0]);
        let mut peer = self.peer(max_streams).await;
        let request = peer.request().await;
        peer.accept_push(request.stream).await;
        assert_eq!(self.accepted(1).await, [0]);
        peer
    }

    pub(crate) fn has_peer(&self) -> bool {
        !self.far.is_empty()
    }

    pub(crate) async fn finished(&mut self) -> Finished {
        if self.finished.is_empty() {
            let mut finished = Vec::new();
            self.connection.outcomes(&mut finished).await;
            self.finished.extend(finished);
        }
        self.finished.pop_front().unwrap()
    }

    pub(crate) async fn accepted(&mut self, count: usize) -> Vec<u64> {
        let mut tags = Vec::new();
        while tags.len() < count {
            let finished = self.finished().await;
            assert!(
                matches!(finished.result, Ok(Response::Accepted(_))),
                "{finished:?}"
            );
            tags.push(finished.tag);
        }
        tags.sort_unstable();
        tags
    }

    /// The next outcome, which must be a rejection.
    pub(crate) async fn rejected(&mut self) -> (u64, apns::Rejected) {
        let finished = self.finished().await;
        match finished.result {
            Ok(Response::Rejected(rejected)) => (finished.tag, rejected),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn rejected_for(&mut self, reason: Reason) -> u64 {
        let (tag, rejected) = self.rejected().await;
        assert_eq!(rejected.reason, reason);
        tag
    }

    pub(crate) fn diary(&self) -> Vec<String> {
        self.diary.0.borrow().clone()
    }

    pub(crate) async fn until(&self, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn signed(&self) -> u64 {
        self.signed.load(Ordering::SeqCst)
    }
}

/// The apns-id of the push with this tag.
pub(crate) fn apns_id(tag: u64) -> Uuid {
    Uuid::from_u64_pair(0x5f6d_9c1e_0b1a_4c55, 0x9f6a_0000_0000_0000 | tag)
}

/// The tag of the push that this request is.
pub(crate) fn tag_of(request: &Request) -> u64 {
    let id: Uuid = request.header("apns-id").parse().unwrap();
    id.as_u64_pair().1 & 0xffff_ffff
}

pub(crate) fn tags_of(requests: &[Request]) -> Vec<u64> {
    requests.iter().map(tag_of).collect()
}

/// Runs a test on a `LocalSet`.
pub(crate) async fn local<T>(test: impl Future<Output = T>) -> T {
    watched(LocalSet::new().run_until(test)).await
}
