//! A `Connection` over in-memory pipes, with a clock that the test sets and access tokens that it hands out.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use fcm::access_token::Fetching;
use fcm::pool::{Connect, NoObserver, Stream};
use fcm::{
    AccessTokenError, AccessTokenErrorKind, AccessTokens, Connection, ConnectionConfig, Content,
    Endpoint, Error, Finished, Grant, Message, Moment, ProjectId, Push, PushToken, Rejected,
    Response, TokenSource,
};
use tokio::io::DuplexStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::LocalSet;

use crate::peer::{Peer, Request, watched};

/// A clock for tests.
#[derive(Clone)]
pub(crate) struct TestClock {
    begin: Instant,
    secs: Arc<AtomicU64>,
}

impl TestClock {
    fn new() -> Self {
        Self {
            begin: Instant::now(),
            secs: Arc::default(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        let passed = Duration::from_secs(self.secs.load(Ordering::SeqCst));
        Moment {
            wall: UNIX_EPOCH + Duration::from_secs(1_700_000_000) + passed,
            monotonic: self.begin + passed,
        }
    }

    pub(crate) fn pass(&self, secs: u64) {
        self.secs.fetch_add(secs, Ordering::SeqCst);
    }
}

/// Gives `t1`, `t2`, …, each for an hour, one for each permit; fails while told to.
#[derive(Clone)]
pub(crate) struct Mint {
    permits: Arc<Semaphore>,
    asked: Arc<AtomicU64>,
    failing: Arc<Mutex<Option<AccessTokenErrorKind>>>,
}

impl Mint {
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn permit(&self, count: usize) {
        self.permits.add_permits(count);
    }

    pub(crate) fn fail(&self, kind: impl Into<Option<AccessTokenErrorKind>>) {
        *self.failing.lock().unwrap() = kind.into();
    }
}

/// With so many permits.
pub(crate) fn mint(permits: usize) -> Mint {
    Mint {
        permits: Arc::new(Semaphore::new(permits)),
        asked: Arc::default(),
        failing: Arc::default(),
    }
}

impl TokenSource for Mint {
    fn fetch(&self, _now: Moment) -> Fetching<'_> {
        Box::pin(async {
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            self.permits.acquire().await.unwrap().forget();
            match *self.failing.lock().unwrap() {
                Some(kind) => Err(AccessTokenError::new(kind, "as told")),
                None => Ok(Grant {
                    secret: format!("t{number}"),
                    lifetime: Duration::from_secs(3600),
                }),
            }
        })
    }
}

struct Pipes(mpsc::Sender<DuplexStream>);

impl Connect for Pipes {
    fn connect(
        &self,
        _seed: u64,
    ) -> Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, fcm::pool::Error>> + '_>> {
        let (near, far) = tokio::io::duplex(1024 * 1024);
        self.0
            .try_send(far)
            .expect("the test takes its connections");
        Box::pin(async move { Ok(Box::new(near) as Box<dyn Stream>) })
    }
}

pub(crate) struct Rig {
    pub(crate) connection: Connection,
    pub(crate) clock: TestClock,
    pub(crate) mint: Mint,
    far: mpsc::Receiver<DuplexStream>,
    finished: VecDeque<Finished>,
    message: Message,
}

impl Rig {
    /// With access tokens whenever they are asked for.
    pub(crate) fn new(config: ConnectionConfig) -> Self {
        let rig = Self::without_tokens(config);
        rig.mint.permit(1_000);
        rig
    }

    /// With an access token for each [`Mint::permit`].
    pub(crate) fn without_tokens(mut config: ConnectionConfig) -> Self {
        let clock = TestClock::new();
        let mint = mint(0);
        config.pool.connect_interval = Duration::ZERO;
        config.clock = {
            let clock = clock.clone();
            Arc::new(move || clock.now())
        };
        let (sender, far) = mpsc::channel(64);
        let connection = Connection::over(
            Pipes(sender),
            &Endpoint::fcm(),
            &ProjectId::new("demo-proj").unwrap(),
            AccessTokens::new(mint.clone()),
            config,
            Rc::new(NoObserver),
        )
        .unwrap();
        let message = Content::new().data("k", "v").to_message().unwrap();
        Self {
            connection,
            clock,
            mint,
            far,
            finished: VecDeque::new(),
            message,
        }
    }

    pub(crate) fn make(&self, tag: u64) -> Push {
        Push {
            tag,
            target: PushToken::new(format!("device-{tag}")).unwrap().into(),
            message: self.message.clone(),
            validate_only: false,
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
    pub(crate) async fn rejected(&mut self) -> (u64, Rejected) {
        let finished = self.finished().await;
        match finished.result {
            Ok(Response::Rejected(rejected)) => (finished.tag, rejected),
            other => panic!("{other:?}"),
        }
    }

    /// The next outcome, which must be an error.
    pub(crate) async fn failed(&mut self) -> (u64, Error) {
        let finished = self.finished().await;
        (finished.tag, finished.result.unwrap_err())
    }

    pub(crate) async fn until(&self, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            tokio::task::yield_now().await;
        }
    }
}

/// What FCM answers when it takes a message.
pub(crate) const TAKEN: &str = r#"{"name":"projects/demo-proj/messages/1"}"#;

/// An error as FCM writes it.
pub(crate) fn refusal(status: &str, code: &str) -> String {
    let details = if code.is_empty() {
        serde_json::json!([])
    } else {
        serde_json::json!([{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}])
    };
    serde_json::json!({"error": {"status": status, "message": "m", "details": details}}).to_string()
}

/// The tag of the push that this request is.
pub(crate) fn tag_of(request: &Request) -> u64 {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let address = body["message"]["token"].as_str().unwrap();
    address.strip_prefix("device-").unwrap().parse().unwrap()
}

/// Runs a test on a `LocalSet`.
pub(crate) async fn local<T>(test: impl Future<Output = T>) -> T {
    watched(LocalSet::new().run_until(test)).await
}
