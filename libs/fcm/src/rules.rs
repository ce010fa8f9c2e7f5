//! FCM's rules for a connection: how a push looks on the wire, and which answers concern the project or the access token
//! rather than the push.
//!
//! | answer | what happens |
//! | --- | --- |
//! | `401` without FCM's own error code | the access token is dropped, a new one fetched; sent again, once |
//! | `429` for the project's quota | nothing is sent for `Retry-After` or 60 s and a little more; reported |
//! | any other | reported |
//!
//! What waits longer than the queue's time-out, in a pause too, is handed back, not sent.
//!
//! Sources: Firebase, *FCM error codes*; *Best practices when sending FCM messages at scale*.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use h2_pool::{Answer, ConnectionId, End, Judgement, Protocol};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, StatusCode, Uri};
use tokio::time::Instant;

use crate::access_token::AccessToken;
use crate::connection::{Finished, Push};
use crate::error::{Error, ErrorKind};
use crate::project_id::ProjectId;
use crate::reason::{Reason, RetryRule};
use crate::response::Response;
use crate::waiting_room::WaitingRoom;

/// A push under way.
#[derive(Clone)]
pub(crate) struct Carried {
    pub(crate) push: Push,
    pub(crate) entered_at: Instant,
    /// Generation of the access token it was last sent with; none if there was none when it should have been written.
    generation: Option<u64>,
    /// It was sent again with another access token.
    is_second_try: bool,
}

pub(crate) struct Rules {
    uri: Uri,
    headers: HeaderMap,
    room: Rc<WaitingRoom>,
    /// The access token of this turn; asked for again in the next.
    current: RefCell<Option<AccessToken>>,
}

impl From<Push> for Carried {
    fn from(push: Push) -> Self {
        Self {
            push,
            entered_at: Instant::now(),
            generation: None,
            is_second_try: false,
        }
    }
}

impl Rules {
    pub(crate) fn new(
        (scheme, authority): (Scheme, Authority),
        project_id: &ProjectId,
        room: Rc<WaitingRoom>,
    ) -> Result<Self, Error> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(scheme);
        parts.authority = Some(authority);
        let invalid = |text: String| Error::new(ErrorKind::Invalid, text);
        let path = PathAndQuery::try_from(project_id.send_path())
            .map_err(|error| invalid(error.to_string()))?;
        parts.path_and_query = Some(path);
        let uri = Uri::from_parts(parts).map_err(|error| invalid(error.to_string()))?;
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(AUTHORIZATION, HeaderValue::from_static(""));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self {
            uri,
            headers,
            room,
            current: RefCell::default(),
        })
    }

    /// The access token to write now.
    fn authorize(&self) -> Option<(HeaderValue, u64)> {
        let mut current = self.current.borrow_mut();
        if current.is_none() {
            *current = self.room.tokens.peek(self.room.now());
        }
        let token = current.as_ref()?;
        Some((token.header_value(), token.generation()))
    }

    /// Whether this end is none, because the push goes back to wait for another access token.
    fn goes_back(&self, carried: &mut Carried, end: &Result<Response, Error>) -> bool {
        match (end, carried.generation) {
            (Err(error), None) if error.kind() == ErrorKind::Invalid => {
                self.room.enter_again(carried)
            }
            (Ok(Response::Rejected(rejected)), Some(generation))
                if rejected.reason == Reason::Unauthenticated && !carried.is_second_try =>
            {
                *self.current.borrow_mut() = None;
                carried.is_second_try = true;
                self.room.tokens.refused(generation, self.room.now())
                    && self.room.enter_again(carried)
            }
            _ => false,
        }
    }
}

/// The wait and up to a tenth more, so that many senders do not come back at the same moment.
fn with_jitter(wait: Duration) -> Duration {
    let chance = RandomState::new().hash_one(0_u8) as f64 / u64::MAX as f64;
    wait + wait.mul_f64(0.1 * chance)
}

// === impl Protocol ===

impl Protocol for Rules {
    type Request = Carried;

    fn encode(
        &self,
        carried: &mut Carried,
        _connection: ConnectionId,
    ) -> Result<(http::Request<()>, Bytes), h2_pool::Error> {
        carried.generation = None;
        let Some((authorization, generation)) = self.authorize() else {
            let text = "the access token ended while it waited";
            return Err(h2_pool::Error::new(h2_pool::ErrorKind::Invalid, text));
        };
        carried.generation = Some(generation);
        let mut request = http::Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(AUTHORIZATION, authorization);
        let push = &carried.push;
        Ok((request, push.message.body(&push.target, push.validate_only)))
    }

    fn judge(
        &self,
        _carried: &mut Carried,
        _connection: ConnectionId,
        answer: &Answer,
        _late: bool,
    ) -> Judgement {
        if answer.status != StatusCode::TOO_MANY_REQUESTS {
            return Judgement::REPORT;
        }
        let now = self.room.now();
        let response = Response::read(
            answer.status,
            &answer.headers,
            answer.body.clone(),
            now.wall,
        );
        let pause = response
            .rejected()
            .filter(|rejected| rejected.retry() == RetryRule::PauseProject)
            .and_then(|rejected| rejected.wait())
            .map(with_jitter);
        if let (Some(pause), Some(quota)) = (pause, &self.room.quota) {
            self.room
                .with_quota(quota, |quota, now| quota.close(pause, now));
        }
        Judgement {
            pause,
            ..Judgement::REPORT
        }
    }

    fn finish(&self, carried: &mut Carried, end: End) {
        let result = match end.result {
            Ok(answer) => {
                // Only a refusal speaks of times.
                let now = if answer.status.is_success() {
                    SystemTime::UNIX_EPOCH
                } else {
                    self.room.now().wall
                };
                Ok(Response::read(
                    answer.status,
                    &answer.headers,
                    answer.body,
                    now,
                ))
            }
            Err(error) => Err(Error::from(error)),
        };
        if !end.late && self.goes_back(carried, &result) {
            return;
        }
        self.room.outbox.push(Finished {
            tag: carried.push.tag,
            result,
            connection: end.connection,
            late: end.late,
        });
    }

    fn turn_ended(&self) {
        *self.current.borrow_mut() = None;
        self.room.outbox.deliver();
    }

    fn wants_body(&self, _status: StatusCode) -> bool {
        true
    }

    fn write_by(&self, carried: &Carried) -> Option<Instant> {
        carried.push.write_by
    }
}
