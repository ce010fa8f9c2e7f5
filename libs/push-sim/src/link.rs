//! One live connection as the rest of the simulator sees it: its sender, its requests in flight,
//! its end.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::action::{Action, ConnectionView};
use crate::apns::Answer;
use crate::apns::auth::ConnectionAuth;
use crate::host::{Environment, Host};
use crate::script::AfterGoaway;
use crate::wire::WireHandle;

/// How long the other side may take to close after us.
const LINGER: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct LinkState {
    in_flight: u32,
    goaway_last: Option<u32>,
    drains: bool,
    bad_tokens: u32,
    raised: bool,
    pinned: bool,
    shrunk: bool,
}

/// What requests that wait for something watch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signal {
    pub(crate) frozen: bool,
    /// Nothing more is written on this connection.
    pub(crate) silent: bool,
    /// Moves with each `fail_in_flight`.
    pub(crate) overrides: u64,
    pub(crate) override_answer: Option<Answer>,
}

/// A live connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: u32,
    pub(crate) environment: Environment,
    pub(crate) host: Host,
    pub(crate) wire: WireHandle,
    pub(crate) auth: Mutex<ConnectionAuth>,
    pub(crate) signal: watch::Sender<Signal>,
    state: Mutex<LinkState>,
    runtime: Handle,
}

impl Link {
    pub(crate) fn new(
        id: u32,
        environment: Environment,
        host: Host,
        wire: WireHandle,
        auth: ConnectionAuth,
        pinned: bool,
        runtime: Handle,
    ) -> Link {
        let raised = auth.certificate.is_some();
        Link {
            id,
            environment,
            host,
            wire,
            auth: Mutex::new(auth),
            signal: watch::Sender::new(Signal::default()),
            state: Mutex::new(LinkState {
                raised,
                pinned,
                ..LinkState::default()
            }),
            runtime,
        }
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.state.lock().in_flight
    }

    /// Counts a stream in, unless the sender has too many.
    pub(crate) fn enter(&self, stream: u32) -> bool {
        let limit = self.wire.limit_for(stream);
        let mut state = self.state.lock();
        if state.in_flight >= limit {
            return false;
        }
        state.in_flight += 1;
        true
    }

    /// Counts a stream out; the last one of a draining connection closes it.
    pub(crate) fn leave(&self) {
        let last_one = {
            let mut state = self.state.lock();
            state.in_flight -= 1;
            state.in_flight == 0 && state.drains
        };
        if last_one {
            self.close();
        }
    }

    /// Whether a GOAWAY has told the sender that this stream is not processed.
    pub(crate) fn is_after_goaway(&self, stream: u32) -> bool {
        self.state
            .lock()
            .goaway_last
            .is_some_and(|last| stream > last)
    }

    /// The sender was believed: lift the start-up limit.
    pub(crate) fn authenticated(&self, max_streams: u32) {
        let mut state = self.state.lock();
        if !state.raised && !state.pinned {
            state.raised = true;
            self.wire.limit_streams(max_streams);
        }
    }

    /// Shrinks after an error, grows after a success.
    pub(crate) fn follow_status(&self, status: u16, max_streams: u32) {
        let mut state = self.state.lock();
        if status == 200 && state.shrunk {
            state.shrunk = false;
            self.wire.limit_streams(max_streams);
        } else if (400..500).contains(&status) && status != 410 && !state.shrunk {
            state.shrunk = true;
            self.wire.limit_streams(1);
        }
    }

    /// Counts a `BadDeviceToken`; true once `limit` is reached.
    pub(crate) fn bad_token(&self, limit: u32) -> bool {
        let mut state = self.state.lock();
        state.bad_tokens += 1;
        state.bad_tokens == limit
    }

    pub(crate) fn goaway(&self, last: u32, code: u32, debug: &[u8], then: AfterGoaway) {
        let idle = {
            let mut state = self.state.lock();
            state.goaway_last = Some(state.goaway_last.map_or(last, |before| before.min(last)));
            state.drains = then == AfterGoaway::Drain;
            state.in_flight == 0
        };
        self.wire.goaway(last, code, debug);
        if then == AfterGoaway::Close || (then == AfterGoaway::Drain && idle) {
            self.close();
        }
    }

    pub(crate) fn freeze(&self, frozen: bool) {
        self.wire.freeze(frozen);
        self.signal.send_modify(|signal| signal.frozen = frozen);
    }

    /// Sends what was answered so far, then closes; nothing else is answered.
    pub(crate) fn close(&self) {
        self.end(true);
    }

    /// The same without a TLS close_notify: for the other side it died.
    pub(crate) fn die(&self) {
        self.end(false);
    }

    fn end(&self, polite: bool) {
        self.signal.send_modify(|signal| signal.silent = true);
        self.wire.half_close(polite);
        let wire = self.wire.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(LINGER).await;
            wire.cut(false);
        });
    }

    /// Ends the connection without a word.
    pub(crate) fn cut(&self, reset: bool) {
        self.signal.send_modify(|signal| signal.silent = true);
        self.wire.cut(reset);
    }

    pub(crate) fn act(&self, action: &Action) {
        match action {
            Action::Goaway { debug, code, then } => {
                self.goaway(self.wire.highest_stream(), *code, &debug.bytes(), *then);
            }
            Action::Drop { reset } => self.cut(*reset),
            Action::Freeze => self.freeze(true),
            Action::Thaw => self.freeze(false),
            Action::LimitStreams { max } => self.wire.limit_streams(*max),
            Action::FailInFlight { status, reason } => {
                self.override_answers(Answer {
                    reason: reason.clone(),
                    ..Answer::status(*status)
                });
            }
            Action::ExpireAccessTokens => {}
            Action::ExpireProviderTokens => self.override_answers(Answer {
                reason: Some("ExpiredProviderToken".into()),
                ..Answer::status(403)
            }),
        }
    }

    fn override_answers(&self, answer: Answer) {
        self.signal.send_modify(|signal| {
            signal.overrides += 1;
            signal.override_answer = Some(answer);
        });
    }

    pub(crate) fn view(&self) -> ConnectionView {
        let auth = self.auth.lock();
        ConnectionView {
            id: self.id,
            environment: self.environment,
            host: self.host,
            in_flight: self.in_flight(),
            stream_limit: self.wire.announced_limit(),
            highest_stream: self.wire.highest_stream(),
            certificate: auth.certificate.is_some(),
            frozen: self.wire.is_frozen(),
            provider_token_issued_at: auth.newest_issued_at(),
        }
    }
}
