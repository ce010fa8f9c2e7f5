//! A `Connection` over in-memory pipes, with a clock that the test sets.

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use webpush::pool::{Connect, NoObserver, Stream};
use webpush::{Connection, ConnectionConfig, Finished, Push, Rejected, Response, Vapid, VapidKey};

use crate::browser::Browser;
use crate::peer::{Peer, watched};

/// 2023-11-14 22:13:20 UTC: when every test begins.
pub(crate) const START: u64 = 1_700_000_000;

pub(crate) const ENDPOINT: &str = "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV";

pub(crate) fn vapid() -> Vapid {
    let contact = "mailto:push@example.com".parse().unwrap();
    Vapid::new(VapidKey::generate().unwrap(), contact)
}

struct Pipes(mpsc::Sender<DuplexStream>);

impl Connect for Pipes {
    fn connect(
        &self,
        _seed: u64,
    ) -> Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, webpush::pool::Error>> + '_>> {
        let (near, far) = tokio::io::duplex(1024 * 1024);
        self.0
            .try_send(far)
            .expect("the test takes its connections");
        Box::pin(async move { Ok(Box::new(near) as Box<dyn Stream>) })
    }
}

pub(crate) struct Rig {
    pub(crate) connection: Connection,
    pub(crate) browser: Browser,
    pub(crate) vapid: Vapid,
    clock: Arc<AtomicU64>,
    far: mpsc::Receiver<DuplexStream>,
    finished: VecDeque<Finished>,
}

impl Rig {
    pub(crate) fn new(config: ConnectionConfig) -> Self {
        Self::of(ENDPOINT, config)
    }

    /// With a browser of the service behind this endpoint.
    pub(crate) fn of(endpoint: &str, mut config: ConnectionConfig) -> Self {
        let browser = Browser::subscribe(endpoint);
        let clock = Arc::new(AtomicU64::new(START));
        let vapid = vapid();
        config.pool.connect_interval = Duration::ZERO;
        config.clock = {
            let clock = clock.clone();
            Arc::new(move || at(clock.load(Ordering::SeqCst)))
        };
        let (sender, far) = mpsc::channel(64);
        let origin = browser.subscription.endpoint().origin().clone();
        let observer = Rc::new(NoObserver);
        let connection =
            Connection::over(Pipes(sender), &origin, &vapid, config, observer).unwrap();
        Self {
            connection,
            browser,
            vapid,
            clock,
            far,
            finished: VecDeque::new(),
        }
    }

    pub(crate) fn pass(&self, secs: u64) {
        self.clock.fetch_add(secs, Ordering::SeqCst);
    }

    pub(crate) fn make(&self, tag: u64) -> Push {
        Push {
            tag,
            sealed: self.browser.sealed(&tag.to_string()),
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
        let far = self.far.recv().await.expect("another connection");
        Peer::ready(far, max_streams).await
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
}

pub(crate) fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(secs)
}

/// Runs a test on a `LocalSet`.
pub(crate) async fn local<T>(test: impl Future<Output = T>) -> T {
    watched(LocalSet::new().run_until(test)).await
}
