//! One request to one host and back, over a connection of its own on a thread of its own: for what is needed about once
//! an hour. Bounded in time and size; nothing is sent twice.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2_pool::{Answer, Config, ConnectionId, End, Judgement, NoObserver, Pool, Protocol};
use http::header::HeaderMap;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, StatusCode, Uri};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::own_thread;

/// The most that is kept of the answer's body.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What is sent.
pub(crate) struct Errand {
    pub(crate) method: Method,
    pub(crate) path: PathAndQuery,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

struct Messenger {
    scheme: Scheme,
    authority: Authority,
    answer: RefCell<Option<oneshot::Sender<Result<Answer, Error>>>>,
    done: Notify,
}

/// Sends the request and waits for its answer, `timeout` at the most.
pub(crate) async fn run(
    endpoint: &Endpoint,
    errand: Errand,
    timeout: Duration,
) -> Result<Answer, Error> {
    let connector = endpoint.connector()?;
    let (scheme, authority) = endpoint.origin()?;
    let (sender, receiver) = oneshot::channel();
    let config = Config {
        connect_timeout: timeout,
        connect_attempts: 1,
        max_connections: 1,
        max_streams: 1,
        queue_capacity: 1,
        queue_timeout: timeout,
        request_timeout: timeout,
        late_grace: Duration::ZERO,
        max_requeues: 1,
        max_body_bytes: MAX_BODY_BYTES,
        ..Config::default()
    };
    own_thread::start("fcm-errand", move || async move {
        let messenger = Rc::new(Messenger {
            scheme,
            authority,
            answer: RefCell::new(Some(sender)),
            done: Notify::new(),
        });
        let pool = Pool::new(connector, messenger.clone(), config, Rc::new(NoObserver));
        pool.submit(&mut VecDeque::from([errand]));
        let late = || Error::new(ErrorKind::Timeout, "no answer in time");
        if tokio::time::timeout(timeout, messenger.done.notified())
            .await
            .is_err()
        {
            messenger.finish_with(Err(late()));
        }
        pool.close(Instant::now()).await;
    })?;
    receiver.await.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::ConnectionLost,
            "the thread for it ended",
        ))
    })
}

impl Messenger {
    fn finish_with(&self, result: Result<Answer, Error>) {
        if let Some(answer) = self.answer.borrow_mut().take() {
            // A caller that has gone needs no answer.
            let _ = answer.send(result);
        }
        self.done.notify_one();
    }
}

// === impl Protocol ===

impl Protocol for Messenger {
    type Request = Errand;

    fn encode(
        &self,
        errand: &mut Errand,
        _connection: ConnectionId,
    ) -> Result<(http::Request<()>, Bytes), h2_pool::Error> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(errand.path.clone());
        let invalid = |error: http::uri::InvalidUriParts| {
            h2_pool::Error::new(h2_pool::ErrorKind::Invalid, error.to_string())
        };
        let mut request = http::Request::new(());
        *request.method_mut() = errand.method.clone();
        *request.uri_mut() = Uri::from_parts(parts).map_err(invalid)?;
        *request.headers_mut() = errand.headers.clone();
        Ok((request, errand.body.clone()))
    }

    fn judge(
        &self,
        _errand: &mut Errand,
        _connection: ConnectionId,
        _answer: &Answer,
        _late: bool,
    ) -> Judgement {
        Judgement::REPORT
    }

    fn finish(&self, _errand: &mut Errand, end: End) {
        self.finish_with(end.result.map_err(Error::from));
    }

    fn wants_body(&self, _status: StatusCode) -> bool {
        true
    }
}
