//! The results of a stream on their way to the client: bounded in bytes, and never cut short
//! silently: an answer whose maker is gone ends in an error, not in an end.

use crate::problem::Problem;
use crate::state::Limits;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use serde::Serialize;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Most groups that wait, besides the bound on their bytes.
const GROUPS: usize = 1_024;

/// Result lines of one group.
#[derive(Default)]
pub(crate) struct Results {
    bytes: Vec<u8>,
    cause: Option<String>,
}

impl Results {
    /// What was written elsewhere.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, cause: None }
    }

    /// Adds a line.
    pub(crate) fn push<T: Serialize>(&mut self, line: &T) {
        let before = self.bytes.len();
        if serde_json::to_writer(&mut self.bytes, line).is_err() {
            self.bytes.truncate(before);
            self.bytes.extend_from_slice(b"{}");
        }
        self.bytes.push(b'\n');
    }

    /// Keeps the cause of a problem for the log: one for each group is enough.
    pub(crate) fn log(&mut self, problem: &Problem) {
        if self.cause.is_none() {
            self.cause = problem.cause().map(str::to_owned);
        }
    }
}

enum Message {
    Lines(Bytes),
    Finished,
}

/// The maker's end.
pub(super) struct Sender {
    queue: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    most: usize,
    patience: Duration,
    request_id: Arc<str>,
}

struct Receiver {
    queue: mpsc::Receiver<Message>,
    room: Arc<Semaphore>,
    most: usize,
    finished: bool,
}

/// Both ends: the second is the answer's body.
pub(super) fn channel(
    limits: &Limits,
    request_id: Arc<str>,
) -> (
    Sender,
    impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) {
    let most = limits
        .result_bytes
        .clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
    let room = Arc::new(Semaphore::new(most));
    let (queue, receiver) = mpsc::channel(GROUPS);
    let sender = Sender {
        queue,
        room: Arc::clone(&room),
        most,
        patience: limits.body_timeout,
        request_id,
    };
    let receiver = Receiver {
        queue: receiver,
        room,
        most,
        finished: false,
    };
    (sender, stream::unfold(receiver, next))
}

async fn next(mut receiver: Receiver) -> Option<(io::Result<Bytes>, Receiver)> {
    if receiver.finished {
        return None;
    }
    match receiver.queue.recv().await {
        Some(Message::Lines(lines)) => {
            receiver.room.add_permits(lines.len().min(receiver.most));
            Some((Ok(lines), receiver))
        }
        Some(Message::Finished) => None,
        None => {
            receiver.finished = true;
            let cut = io::Error::other("the results end early");
            Some((Err(cut), receiver))
        }
    }
}

impl Sender {
    /// Hands over a group's lines. `false`: the client is gone, or has read nothing for too long.
    pub(super) async fn send(&mut self, results: Results) -> bool {
        if let Some(cause) = &results.cause {
            let id = &self.request_id;
            tracing::error!(request.id = %id, cause, "lines of request {id} failed");
        }
        let wanted = results.bytes.len().min(self.most) as u32;
        let room = tokio::time::timeout(self.patience, self.room.acquire_many(wanted)).await;
        let Ok(Ok(permit)) = room else { return false };
        permit.forget();
        self.queue
            .send(Message::Lines(results.bytes.into()))
            .await
            .is_ok()
    }

    /// Resolves when the client is gone.
    pub(super) async fn abandoned(&self) {
        self.queue.closed().await;
    }

    /// There is no more, though there should be: the answer ends in an error.
    pub(super) fn cut(self, problem: &Problem) {
        let id = &self.request_id;
        let cause = problem.cause().unwrap_or(problem.code().title);
        tracing::error!(request.id = %id, cause, "the answer to request {id} was cut short");
    }

    /// Every result was handed over.
    pub(super) async fn finish(self) {
        // When it fails nobody is there to be told.
        let _ = self.queue.send(Message::Finished).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;

    fn line(text: &str) -> Results {
        let mut results = Results::default();
        results.push(&text);
        results
    }

    #[tokio::test]
    async fn lines_arrive_in_order_and_the_end_is_an_end() {
        let (mut sender, body) = channel(&Limits::default(), "r".into());
        assert!(sender.send(line("a")).await && sender.send(line("b")).await);
        sender.finish().await;
        let all: Vec<_> = body.map(|part| part.unwrap()).collect().await;
        assert_eq!(all, ["\"a\"\n", "\"b\"\n"]);
    }

    #[tokio::test]
    async fn a_maker_that_is_gone_is_an_error() {
        let (mut sender, body) = channel(&Limits::default(), "r".into());
        assert!(sender.send(line("a")).await);
        drop(sender);
        let all: Vec<_> = body.collect().await;
        assert!(all[0].is_ok() && all[1].is_err() && all.len() == 2);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_stops_the_maker() {
        let limits = Limits {
            result_bytes: 8,
            body_timeout: Duration::from_millis(1),
            ..Limits::default()
        };
        let (mut sender, body) = channel(&limits, "r".into());
        assert!(sender.send(line("123456")).await);
        assert!(!sender.send(line("1")).await, "no room for a ninth byte");
        drop(body);
        sender.abandoned().await;
    }

    #[tokio::test]
    async fn one_group_may_be_larger_than_the_bound() {
        let limits = Limits {
            result_bytes: 2,
            ..Limits::default()
        };
        let (mut sender, body) = channel(&limits, "r".into());
        assert!(sender.send(line("123456")).await);
        let mut body = std::pin::pin!(body);
        assert_eq!(body.next().await.unwrap().unwrap(), "\"123456\"\n");
        assert!(sender.send(line("7")).await);
    }
}
