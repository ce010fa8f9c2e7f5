//! How a push looks to a push service, and what an answer means for the connection it came on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use h2_pool::{
    Answer, ConnectionId, ConnectionVerdict, End, ErrorKind, Judgement, Protocol, RequestVerdict,
};
use http::header::{AUTHORIZATION, HeaderValue};
use http::uri::{Authority, Parts, Scheme};
use http::{Method, Uri};
use tokio::time::Instant;

use crate::connection::{ConnectionConfig, Finished, Outbox, Push};
use crate::error::Error;
use crate::guard::GuardedResolver;
use crate::origin::Origin;
use crate::response::{Rejected, Response};
use crate::rules::{Class, RetryRule};
use crate::service::PushService;
use crate::vapid::Vapid;

/// How often one push is silently sent again because its answer blamed the connection.
const MAX_RESENDS: u8 = 3;

/// The protocol of one origin.
pub(crate) struct Wire {
    origin: Origin,
    authority: Authority,
    service: PushService,
    vapid: Vapid,
    config: ConnectionConfig,
    resolver: Option<Arc<GuardedResolver>>,
    outbox: Rc<Outbox>,
    /// The authorization by the current key, looked up once in a turn.
    current: RefCell<Option<HeaderValue>>,
    has_news: Cell<bool>,
}

/// A push on its way.
pub(crate) struct Carried {
    pub(crate) push: Push,
    resends: u8,
    answer: Option<Response>,
}

impl From<Push> for Carried {
    fn from(push: Push) -> Self {
        Self {
            push,
            resends: 0,
            answer: None,
        }
    }
}

impl Wire {
    pub(crate) fn new(
        origin: &Origin,
        vapid: Vapid,
        config: ConnectionConfig,
        resolver: Option<Arc<GuardedResolver>>,
        outbox: Rc<Outbox>,
    ) -> Result<Self, String> {
        let authority = origin.authority();
        let authority = Authority::try_from(authority.as_str())
            .map_err(|_| format!("{authority:?} is not a host"))?;
        Ok(Self {
            origin: origin.clone(),
            authority,
            service: PushService::of(origin),
            vapid,
            config,
            resolver,
            outbox,
            current: RefCell::default(),
            has_news: Cell::new(false),
        })
    }

    fn authorization(&self, push: &Push) -> Result<HeaderValue, h2_pool::Error> {
        let made_with = push.sealed.made_with();
        if made_with.is_none()
            && let Some(current) = &*self.current.borrow()
        {
            return Ok(current.clone());
        }
        let now = (self.config.clock)();
        let token = self.vapid.token_for(&self.origin, made_with, now);
        let value = token.map_err(invalid)?.header_value();
        if made_with.is_none() {
            *self.current.borrow_mut() = Some(value.clone());
        }
        Ok(value)
    }

    fn read(&self, answer: &Answer) -> Response {
        let now = (self.config.clock)();
        Response::read(
            self.service,
            answer.status,
            &answer.headers,
            &answer.body,
            now,
        )
    }

    /// What a refusal means for the connection, and for everybody.
    fn judge_refusal(&self, rejected: &Rejected) -> Judgement {
        let rule = rejected.rule();
        let connection = match rule.class {
            Class::Connection => ConnectionVerdict::Retire,
            _ => ConnectionVerdict::Keep,
        };
        let request = match rule.retry {
            RetryRule::NewConnection => RequestVerdict::Resend,
            _ => RequestVerdict::Report,
        };
        // A service in trouble asks for calm as well, but only if it says for how long.
        let wait = match (rule.class, rejected.status) {
            (Class::Throttle, _) => {
                Some(rejected.retry_after.unwrap_or(self.config.throttle_pause))
            }
            (_, 503) => rejected.retry_after,
            _ => None,
        };
        Judgement {
            request,
            connection,
            pause: wait
                .map(|wait| wait.min(self.config.max_pause))
                .filter(|wait| !wait.is_zero()),
        }
    }
}

fn invalid(error: impl std::fmt::Display) -> h2_pool::Error {
    h2_pool::Error::new(ErrorKind::Invalid, error.to_string())
}

// === impl Protocol ===

impl Protocol for Wire {
    type Request = Carried;

    fn encode(
        &self,
        carried: &mut Carried,
        _: ConnectionId,
    ) -> Result<(http::Request<()>, Bytes), h2_pool::Error> {
        let push = &carried.push;
        let endpoint = push.sealed.endpoint();
        if *endpoint.origin() != self.origin {
            return Err(invalid(format!(
                "a push for {} was given to the connection to {}",
                endpoint.origin(),
                self.origin
            )));
        }
        let mut headers = push.sealed.headers();
        headers.insert(AUTHORIZATION, self.authorization(push)?);
        let mut parts = Parts::default();
        parts.scheme = Some(Scheme::HTTPS);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(endpoint.path_and_query().clone());
        let mut request = http::Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_parts(parts).map_err(invalid)?;
        *request.headers_mut() = headers;
        Ok((request, push.sealed.body().cloned().unwrap_or_default()))
    }

    fn judge(
        &self,
        carried: &mut Carried,
        _: ConnectionId,
        answer: &Answer,
        late: bool,
    ) -> Judgement {
        let response = self.read(answer);
        let mut judgement = match &response {
            Response::Accepted(_) => Judgement::REPORT,
            Response::Rejected(rejected) => self.judge_refusal(rejected),
        };
        carried.answer = Some(response);
        if judgement.request == RequestVerdict::Resend {
            if late || carried.resends >= MAX_RESENDS {
                judgement.request = RequestVerdict::Report;
            } else {
                carried.resends += 1;
            }
        }
        judgement
    }

    fn finish(&self, carried: &mut Carried, end: End) {
        let result = match end.result {
            Ok(answer) => Ok(carried.answer.take().unwrap_or_else(|| self.read(&answer))),
            Err(error) => {
                let refusal = || self.resolver.as_ref()?.last_refusal();
                match refusal().filter(|_| error.is_connect()) {
                    Some(forbidden) => Err(forbidden.into()),
                    None => Err(Error::from(error)),
                }
            }
        };
        self.outbox.push(Finished {
            tag: carried.push.tag,
            result,
            connection: end.connection,
            late: end.late,
        });
        self.has_news.set(true);
    }

    fn turn_ended(&self) {
        *self.current.borrow_mut() = None;
        if self.has_news.replace(false) {
            self.outbox.deliver();
        }
    }

    fn write_by(&self, carried: &Carried) -> Option<Instant> {
        carried.push.write_by
    }
}
