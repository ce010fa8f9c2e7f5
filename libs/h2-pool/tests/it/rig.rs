//! A pool over in-memory pipes, with a protocol that has no opinions but those a test gives it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2_pool::{
    Answer, Config, Connect, ConnectionId, End, Error, ErrorKind, Event, Judgement, Observer, Pool,
    Protocol, Stream,
};
use http::StatusCode;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::peer::{Peer, watched};

/// Hands out pipes; the far ends go to the test.
pub(crate) struct Pipes {
    far: mpsc::Sender<DuplexStream>,
    size: usize,
    refuse: Rc<Cell<u32>>,
}

impl Connect for Pipes {
    fn connect(
        &self,
        _seed: u64,
    ) -> Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, Error>> + '_>> {
        Box::pin(async move {
            if self.refuse.get() > 0 {
                self.refuse.set(self.refuse.get() - 1);
                return Err(Error::new(ErrorKind::Connect, "refused by the test"));
            }
            let (near, far) = tokio::io::duplex(self.size);
            self.far
                .try_send(far)
                .expect("the test takes its connections");
            Ok(Box::new(near) as Box<dyn Stream>)
        })
    }
}

/// What a test asks of the protocol for one answer.
pub(crate) type Judge = Box<dyn Fn(&Push, ConnectionId, &Answer, bool) -> Judgement>;

#[derive(Debug, Clone)]
pub(crate) struct Push {
    pub(crate) tag: u64,
    pub(crate) body: Bytes,
    pub(crate) write_by: Option<Instant>,
}

pub(crate) struct Outcome {
    pub(crate) tag: u64,
    pub(crate) result: Result<(StatusCode, Bytes), Error>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) late: bool,
}

pub(crate) struct Script {
    outcomes: RefCell<Vec<Outcome>>,
    sender: mpsc::Sender<Vec<Outcome>>,
    judge: RefCell<Judge>,
}

impl Protocol for Script {
    type Request = Push;

    fn encode(
        &self,
        push: &mut Push,
        _connection: ConnectionId,
    ) -> Result<(http::Request<()>, Bytes), Error> {
        let request = http::Request::post(format!("https://peer.test/{}", push.tag))
            .header("x-tag", push.tag)
            .body(())
            .map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))?;
        Ok((request, push.body.clone()))
    }

    fn judge(
        &self,
        push: &mut Push,
        connection: ConnectionId,
        answer: &Answer,
        late: bool,
    ) -> Judgement {
        (self.judge.borrow())(push, connection, answer, late)
    }

    fn finish(&self, push: &mut Push, end: End) {
        self.outcomes.borrow_mut().push(Outcome {
            tag: push.tag,
            result: end.result.map(|answer| (answer.status, answer.body)),
            connection: end.connection,
            late: end.late,
        });
    }

    fn turn_ended(&self) {
        let outcomes = std::mem::take(&mut *self.outcomes.borrow_mut());
        if !outcomes.is_empty() {
            assert!(
                self.sender.try_send(outcomes).is_ok(),
                "the test takes its outcomes"
            );
        }
    }

    fn write_by(&self, push: &Push) -> Option<Instant> {
        push.write_by
    }
}

#[derive(Default)]
pub(crate) struct Diary(RefCell<Vec<String>>);

impl Observer for Diary {
    fn observe(&self, event: &Event<'_>) {
        self.0.borrow_mut().push(match event {
            Event::Connected { connection, .. } => format!("connected {connection}"),
            Event::ConnectFailed { failures, .. } => format!("failed {failures}"),
            Event::GoAway { connection, frame } => {
                format!("goaway {connection} {} {}", frame.code, frame.text())
            }
            Event::Refused { connection } => format!("refused {connection}"),
            Event::PingTimedOut {
                connection,
                in_flight,
            } => format!("ping {connection} {in_flight}"),
            Event::Closed {
                connection,
                cause,
                requests,
            } => {
                format!("closed {connection} {} {requests}", cause.as_str())
            }
            other => format!("{other:?}"),
        });
    }
}

pub(crate) enum Next {
    Pipe(DuplexStream),
    Outcome(Outcome),
}

pub(crate) struct Rig {
    pub(crate) pool: Pool<Script>,
    pub(crate) refuse: Rc<Cell<u32>>,
    diary: Rc<Diary>,
    far: mpsc::Receiver<DuplexStream>,
    outcomes: mpsc::Receiver<Vec<Outcome>>,
    ready: VecDeque<Outcome>,
}

impl Rig {
    pub(crate) fn new(config: Config) -> Self {
        Self::with_pipes(config, 1024 * 1024)
    }

    /// Pipes that take this many bytes before the peer must read.
    pub(crate) fn with_pipes(mut config: Config, size: usize) -> Self {
        if config.connect_interval == Config::default().connect_interval {
            config.connect_interval = Duration::ZERO;
        }
        let (far_sender, far) = mpsc::channel(64);
        let (sender, outcomes) = mpsc::channel(10_000);
        let refuse = Rc::new(Cell::new(0));
        let judge: Judge = Box::new(|_, _, _, _| Judgement::REPORT);
        let script = Rc::new(Script {
            outcomes: RefCell::default(),
            sender,
            judge: RefCell::new(judge),
        });
        let diary = Rc::new(Diary::default());
        let pipes = Pipes {
            far: far_sender,
            size,
            refuse: refuse.clone(),
        };
        let pool = Pool::new(pipes, script, config, diary.clone());
        Self {
            pool,
            refuse,
            diary,
            far,
            outcomes,
            ready: VecDeque::new(),
        }
    }

    pub(crate) fn judge(
        &self,
        judge: impl Fn(&Push, ConnectionId, &Answer, bool) -> Judgement + 'static,
    ) {
        *self.pool.protocol().judge.borrow_mut() = Box::new(judge);
    }

    /// Submits pushes with these tags and a short body.
    pub(crate) fn push(&self, tags: impl IntoIterator<Item = u64>) {
        let mut batch: VecDeque<_> = tags
            .into_iter()
            .map(|tag| Push {
                tag,
                body: Bytes::from(format!("body {tag}")),
                write_by: None,
            })
            .collect();
        self.pool.submit(&mut batch);
        assert!(batch.is_empty(), "the queue takes them all");
    }

    /// The pool's next connection, not yet greeted.
    pub(crate) async fn pipe(&mut self) -> DuplexStream {
        self.far.recv().await.expect("another connection")
    }

    /// The pool's next connection, with this many streams allowed.
    pub(crate) async fn peer(&mut self, max_streams: u32) -> Peer {
        Peer::ready(self.pipe().await, max_streams).await
    }

    pub(crate) fn has_pipe(&mut self) -> bool {
        !self.far.is_empty()
    }

    /// The next outcome or the next connection, for a test that waits for both at once.
    pub(crate) async fn next(&mut self) -> Next {
        if let Some(outcome) = self.ready.pop_front() {
            return Next::Outcome(outcome);
        }
        tokio::select! {
            biased;
            pipe = self.far.recv() => Next::Pipe(pipe.expect("another connection")),
            outcomes = self.outcomes.recv() => {
                self.ready.extend(outcomes.expect("another outcome"));
                Next::Outcome(self.ready.pop_front().expect("a bulk is not empty"))
            }
        }
    }

    pub(crate) async fn outcome(&mut self) -> Outcome {
        while self.ready.is_empty() {
            self.ready
                .extend(self.outcomes.recv().await.expect("another outcome"));
        }
        self.ready.pop_front().unwrap()
    }

    pub(crate) async fn outcomes(&mut self, count: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while outcomes.len() < count {
            outcomes.push(self.outcome().await);
        }
        outcomes
    }

    /// The tags of the next outcomes, all of which must be 200; sorted.
    pub(crate) async fn accepted(&mut self, count: usize) -> Vec<u64> {
        let mut tags: Vec<_> = self
            .outcomes(count)
            .await
            .into_iter()
            .map(|outcome| {
                assert_eq!(outcome.result.unwrap().0, StatusCode::OK);
                outcome.tag
            })
            .collect();
        tags.sort_unstable();
        tags
    }

    pub(crate) fn has_outcome(&mut self) -> bool {
        !self.ready.is_empty() || !self.outcomes.is_empty()
    }

    pub(crate) fn diary(&self) -> Vec<String> {
        self.diary.0.borrow().clone()
    }

    pub(crate) fn noted(&self, entry: &str) -> bool {
        self.diary.0.borrow().iter().any(|known| known == entry)
    }

    /// Lets every task run until `condition` holds.
    pub(crate) async fn until(&self, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            tokio::task::yield_now().await;
        }
    }
}

/// Runs a test on a `LocalSet`.
pub(crate) async fn local<T>(test: impl Future<Output = T>) -> T {
    watched(LocalSet::new().run_until(test)).await
}
