//! Apple's rules for a connection: how a push looks on the wire, and which answers concern the connection or the
//! provider token rather than the push.
//!
//! | answer | what happens |
//! | --- | --- |
//! | any that is not about who we are | the peer has taken our provider token: more than one stream may be opened |
//! | `403 ExpiredProviderToken` | the provider token is replaced once, however many complain; the connection too; sent again |
//! | `403 UnrelatedKeyIdInToken` | the connection is replaced; sent again |
//! | `429 TooManyProviderTokenUpdates` | never signs. Goes back to the provider token this connection took before; if that is too old, replaces the connection; if there never was one, pauses |
//! | `400 IdleTimeout`, `503 Shutdown` | the connection is replaced; sent again |
//! | `500 InternalServerError`, many in a row | the connection is replaced; reported |
//!
//! "Sent again" means at most [`MAX_RESENDS`] times, because APNs said in each case that it did not accept the push;
//! after that the answer is reported like any other. Sources: Apple, *Handling notification responses from APNs* and
//! *Establishing a token-based connection to APNs*; for the wedged connection after an expired provider token, the
//! experience of jchambers/pushy (issue 408), for the fallback that of esl/sparrow (issue 50).

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use h2_pool::{
    Answer, ConnectionId, ConnectionVerdict, End, ErrorKind, Judgement, Protocol, RequestVerdict,
};
use http::StatusCode;
use http::header::HeaderValue;
use tokio::time::Instant;

use crate::connection::ConnectionConfig;
use crate::endpoint::Credential;
use crate::provider_token::{ProviderToken, ProviderTokens};
use crate::reason::Reason;
use crate::response::ErrorBody;

/// How often one push is sent again because APNs refused the connection or the provider token.
const MAX_RESENDS: u8 = 2;

/// A fallback provider token is given up this long before APNs would refuse it.
const FALLBACK_MARGIN: Duration = Duration::from_secs(60);

/// A request under way.
pub(crate) struct Carried<T> {
    pub(crate) item: T,
    /// Generation of the provider token it was last sent with.
    generation: u64,
    resends: u8,
}

/// What is known of one HTTP/2 connection.
struct Known {
    id: ConnectionId,
    last_sent: Option<ProviderToken>,
    accepted: Option<ProviderToken>,
    /// After `TooManyProviderTokenUpdates`: keep to this one.
    fallback: Option<ProviderToken>,
    internal_errors: u32,
}

/// How one kind of request looks on the wire, and who hears how it ended.
pub(crate) trait Wire: 'static {
    type Item: 'static;

    fn encode(
        &self,
        item: &Self::Item,
        authorization: Option<HeaderValue>,
    ) -> Result<(http::Request<()>, Bytes), h2_pool::Error>;

    fn finish(&self, item: &mut Self::Item, end: End);

    /// What [`finish`](Self::finish) gathered may be passed on.
    fn deliver(&self);

    fn write_by(&self, _item: &Self::Item) -> Option<Instant> {
        None
    }

    fn wants_body(&self, status: StatusCode) -> bool {
        !status.is_success()
    }
}

pub(crate) struct Rules<W> {
    wire: W,
    tokens: Option<ProviderTokens>,
    config: ConnectionConfig,
    /// The provider token of this turn; asked for again in the next.
    current: RefCell<Option<ProviderToken>>,
    known: RefCell<Vec<Known>>,
}

impl<T> From<T> for Carried<T> {
    fn from(item: T) -> Self {
        Self {
            item,
            generation: 0,
            resends: 0,
        }
    }
}

impl<W: Wire> Rules<W> {
    pub(crate) fn new(wire: W, credential: &Credential, config: ConnectionConfig) -> Self {
        let tokens = match credential {
            Credential::ProviderTokens(tokens) => Some(tokens.clone()),
            Credential::Certificate(_) => None,
        };
        Self {
            wire,
            tokens,
            config,
            current: RefCell::default(),
            known: RefCell::default(),
        }
    }

    fn with_known<T>(&self, id: ConnectionId, act: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.borrow_mut();
        let at = known
            .iter()
            .position(|known| known.id == id)
            .unwrap_or_else(|| {
                known.push(Known {
                    id,
                    last_sent: None,
                    accepted: None,
                    fallback: None,
                    internal_errors: 0,
                });
                known.len() - 1
            });
        act(&mut known[at])
    }

    /// The `authorization` for a push on this connection, and the generation of its provider token.
    fn authorize(&self, id: ConnectionId) -> Result<Option<(HeaderValue, u64)>, h2_pool::Error> {
        let Some(tokens) = &self.tokens else {
            return Ok(None);
        };
        let mut current = self.current.borrow_mut();
        if current.is_none() {
            let token = tokens.current((self.config.clock)());
            *current = Some(
                token
                    .map_err(|error| h2_pool::Error::new(ErrorKind::Invalid, error.to_string()))?,
            );
        }
        let Some(current) = current.as_ref() else {
            return Ok(None);
        };
        Ok(Some(self.with_known(id, |known| {
            if let Some(fallback) = &known.fallback
                && !fallback.is_usable((self.config.clock)() + FALLBACK_MARGIN)
            {
                known.fallback = None;
            }
            let token = known.fallback.as_ref().unwrap_or(current);
            let (value, generation) = (token.header_value(), token.generation());
            let is_new = known
                .last_sent
                .as_ref()
                .is_none_or(|last| last.generation() != generation);
            if is_new {
                known.last_sent = Some(token.clone());
            }
            (value, generation)
        })))
    }

    fn accepted(&self, id: ConnectionId, generation: u64) {
        self.with_known(id, |known| {
            known.internal_errors = 0;
            let is_known = known
                .accepted
                .as_ref()
                .is_some_and(|token| token.generation() >= generation);
            if let Some(last) = &known.last_sent
                && !is_known
                && last.generation() == generation
            {
                known.accepted = Some(last.clone());
            }
        });
    }

    /// Whether there is another provider token to send than the one of this generation.
    fn renew(&self, generation: u64) -> bool {
        let Some(tokens) = &self.tokens else {
            return false;
        };
        let renewed = tokens.replace_expired(generation, (self.config.clock)());
        *self.current.borrow_mut() = None;
        renewed.is_ok_and(|token| token.generation() != generation)
    }

    fn judge_updates(&self, id: ConnectionId, generation: u64) -> Judgement {
        let now = (self.config.clock)();
        self.with_known(id, |known| {
            let is_usable = |token: &ProviderToken| token.is_usable(now + FALLBACK_MARGIN);
            if let Some(fallback) = known.fallback.as_ref().filter(|token| is_usable(token))
                && fallback.generation() != generation
            {
                // Sent before the first complaint; the fallback is in place already.
                return resend(ConnectionVerdict::Keep);
            }
            let accepted = known
                .accepted
                .as_ref()
                .filter(|token| token.generation() != generation);
            match accepted {
                Some(token) if is_usable(token) => {
                    known.fallback = Some(token.clone());
                    resend(ConnectionVerdict::Keep)
                }
                // This connection will not take a newer one; a new connection has no history.
                Some(_) => resend(ConnectionVerdict::Retire),
                None => Judgement {
                    pause: Some(self.config.provider_token_pause),
                    ..Judgement::REPORT
                },
            }
        })
    }
}

fn resend(connection: ConnectionVerdict) -> Judgement {
    Judgement {
        request: RequestVerdict::Resend,
        connection,
        pause: None,
    }
}

// === impl Protocol ===

impl<W: Wire> Protocol for Rules<W> {
    type Request = Carried<W::Item>;

    fn encode(
        &self,
        carried: &mut Carried<W::Item>,
        id: ConnectionId,
    ) -> Result<(http::Request<()>, Bytes), h2_pool::Error> {
        let authorization = self.authorize(id)?.map(|(value, generation)| {
            carried.generation = generation;
            value
        });
        self.wire.encode(&carried.item, authorization)
    }

    fn judge(
        &self,
        carried: &mut Carried<W::Item>,
        id: ConnectionId,
        answer: &Answer,
        late: bool,
    ) -> Judgement {
        let trust = Judgement {
            connection: ConnectionVerdict::Trust,
            ..Judgement::REPORT
        };
        if answer.status.is_success() {
            self.accepted(id, carried.generation);
            return trust;
        }
        let reason = ErrorBody::read(&answer.body).reason;
        let judgement = match (&reason, answer.status.as_u16()) {
            (Reason::ExpiredProviderToken, _) => {
                if self.renew(carried.generation) {
                    resend(ConnectionVerdict::Retire)
                } else {
                    Judgement {
                        connection: ConnectionVerdict::Retire,
                        ..Judgement::REPORT
                    }
                }
            }
            (Reason::UnrelatedKeyIdInToken | Reason::IdleTimeout | Reason::Shutdown, _) => {
                resend(ConnectionVerdict::Retire)
            }
            (Reason::TooManyProviderTokenUpdates, _) => self.judge_updates(id, carried.generation),
            (_, 500) => {
                let errors = self.with_known(id, |known| {
                    known.internal_errors += 1;
                    known.internal_errors
                });
                let connection = if errors >= self.config.max_internal_errors.max(1) {
                    ConnectionVerdict::Retire
                } else {
                    ConnectionVerdict::Keep
                };
                Judgement {
                    connection,
                    ..Judgement::REPORT
                }
            }
            (_, 403 | 500..=599) => Judgement::REPORT,
            _ => {
                self.accepted(id, carried.generation);
                trust
            }
        };
        if judgement.request == RequestVerdict::Resend {
            if late || carried.resends >= MAX_RESENDS {
                return Judgement {
                    request: RequestVerdict::Report,
                    ..judgement
                };
            }
            carried.resends += 1;
        }
        judgement
    }

    fn finish(&self, carried: &mut Carried<W::Item>, end: End) {
        self.wire.finish(&mut carried.item, end);
    }

    fn turn_ended(&self) {
        *self.current.borrow_mut() = None;
        self.wire.deliver();
    }

    fn wants_body(&self, status: StatusCode) -> bool {
        self.wire.wants_body(status)
    }

    fn write_by(&self, carried: &Carried<W::Item>) -> Option<Instant> {
        self.wire.write_by(&carried.item)
    }

    fn disconnected(&self, id: ConnectionId) {
        self.known.borrow_mut().retain(|known| known.id != id);
    }
}
