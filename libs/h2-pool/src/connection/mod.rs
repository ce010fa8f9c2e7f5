//! One connection: one task that owns it and every request in flight on it.
//!
//! # A turn
//! Each wake-up is one *turn*: take from the queue as many requests as there are streams, give them to `h2`, let `h2`
//! read and write, push the bytes out in one go, look at the streams that have news, and begin again while that freed
//! streams and there is work. Deadlines are looked at a few times a second.

mod flights;
mod watch;

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::PingPong;
use h2::client::SendRequest;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use crate::error::{Error, ErrorKind};
use crate::observer::{CloseCause, Event, GoAway};
use crate::permits::Permits;
use crate::ping::KeepAlive;
use crate::pipe::Pipe;
use crate::pool::{Link, Phase, Queued, Shared};
use crate::protocol::Protocol;
use crate::slots::Slots;

use self::flights::Flight;

/// Rounds in one turn before other tasks of the thread get theirs.
const MAX_ROUNDS: u32 = 8;

/// Stream numbers are odd and end at 2³¹ − 1; this many requests leave room to retire in peace.
const MAX_REQUESTS: u64 = (1 << 30) - 4_096;

struct Driver<P: Protocol> {
    shared: Rc<Shared<P>>,
    link: Rc<Link>,
    h2: Option<h2::client::Connection<Pipe, Bytes>>,
    send: Option<SendRequest<Bytes>>,
    ping: Option<PingPong>,
    pipe: Pipe,
    keep_alive: KeepAlive,
    flights: Slots<Flight<P::Request>>,
    returned: Vec<Queued<P::Request>>,
    woken: Vec<u32>,
    sleep: Pin<Box<Sleep>>,
    began_at: Instant,
    ready_by: Instant,
    retire_at: Instant,
    sweep_at: Instant,
    drain_by: Option<Instant>,
    close_by: Option<Instant>,
    heard: u64,
    permits: Permits,
    /// The next stream's number, unless `h2` must be asked.
    next_stream: Option<u32>,
    opened: u64,
    answers: u64,
    abandoned: u32,
    goaway: Option<GoAway>,
    cause: CloseCause,
    /// Why the connection is over, once it is.
    epitaph: Option<String>,
}

/// Connects and drives a connection to its end.
///
/// # Errors
/// If it never became ready, or ended without a single answer by no doing of ours.
pub(crate) async fn drive<P: Protocol>(
    shared: &Rc<Shared<P>>,
    link: &Rc<Link>,
) -> Result<(CloseCause, u64), Error> {
    let config = &shared.config;
    let began_at = Instant::now();
    let ready_by = began_at + config.connect_timeout;
    let handshake = async {
        let stream = shared.open().await?;
        let pipe = Pipe::new(stream, config.write_buffer_bytes);
        let (send, h2) = h2::client::Builder::new()
            .enable_push(false)
            .initial_max_send_streams(1)
            .initial_window_size(config.stream_window_bytes)
            .initial_connection_window_size(config.connection_window_bytes)
            .data_frame_budget(config.data_frame_budget)
            .max_concurrent_reset_streams(config.max_streams.max(50))
            .handshake::<_, Bytes>(pipe.clone())
            .await
            .map_err(|error| Error::new(ErrorKind::Connect, format!("HTTP/2 preface: {error}")))?;
        Ok((pipe, send, h2))
    };
    let (pipe, send, mut h2) = timeout_at(ready_by, handshake).await.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Connect,
            format!("no connection within {:?}", config.connect_timeout),
        ))
    })?;
    let now = Instant::now();
    let mut driver = Driver {
        ping: h2.ping_pong(),
        h2: Some(h2),
        send: Some(send),
        pipe,
        keep_alive: KeepAlive::new(config.ping_busy, config.ping_idle, config.ping_timeout, now),
        flights: Slots::new(),
        returned: Vec::new(),
        woken: Vec::new(),
        sleep: Box::pin(sleep_until(ready_by)),
        began_at,
        ready_by,
        retire_at: now + config.max_age,
        sweep_at: now + config.sweep_interval,
        drain_by: None,
        close_by: None,
        heard: 0,
        permits: Permits::new(config.max_streams, config.initial_streams),
        next_stream: None,
        opened: 0,
        answers: 0,
        abandoned: 0,
        goaway: None,
        cause: CloseCause::Ours,
        epitaph: None,
        shared: shared.clone(),
        link: link.clone(),
    };
    let detail = poll_fn(|cx| driver.turn(cx)).await;
    if !driver.was_useless() {
        if driver.goaway.as_ref().is_some_and(|frame| frame.code != 0) {
            shared.back_off();
        }
        return Ok((driver.cause, driver.opened));
    }
    let said = driver
        .goaway
        .as_ref()
        .map(|frame| format!(", saying {:?}", frame.text()))
        .unwrap_or_default();
    Err(Error::new(
        ErrorKind::Connect,
        format!("the connection ended without an answer ({detail}){said}"),
    ))
}

impl<P: Protocol> Driver<P> {
    /// Whether its end says something against connecting again at once.
    fn was_useless(&self) -> bool {
        let was_short = self.began_at.elapsed() < self.shared.config.backoff_max;
        let was_ready = self.link.phase.get() != Phase::Starting;
        !was_ready
            || (self.answers == 0
                && self.cause != CloseCause::Ours
                && (self.opened > 0 || was_short))
    }

    /// One turn; ready with a few words once the connection is no more.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        let now = Instant::now();
        self.flights.unwatch();
        {
            let mut known = self.link.waker.borrow_mut();
            if !known
                .as_ref()
                .is_some_and(|known| known.will_wake(cx.waker()))
            {
                *known = Some(cx.waker().clone());
            }
        }
        let mut rounds = 0;
        let ended = loop {
            if self.link.is_aborted.get() {
                break Some("aborted".to_owned());
            }
            if rounds == MAX_ROUNDS {
                cx.waker().wake_by_ref();
                break None;
            }
            let has_launched = self.launch(cx, now);
            let says_goodbye = self.say_goodbye(now);
            if rounds > 0 && !has_launched && !says_goodbye {
                break None;
            }
            rounds += 1;
            if let Some(ended) = self.exchange(cx, now) {
                break Some(ended);
            }
            self.harvest(now);
        };
        let ended = ended.or_else(|| self.watch(now, cx));
        if let Some(detail) = &ended {
            self.fall(detail, now);
        } else {
            let has_goodbye_to_say = self.link.phase.get() == Phase::Draining
                && self.flights.is_empty()
                && self.send.is_some();
            if has_goodbye_to_say || !self.flights.watch(cx.waker()) {
                cx.waker().wake_by_ref();
            }
        }
        self.give_back();
        self.shared.turn_ended(now);
        match ended {
            Some(detail) => Poll::Ready(detail),
            None => Poll::Pending,
        }
    }

    /// Takes requests for the free streams and hands them to `h2`.
    fn launch(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut has_launched = false;
        while self.link.free() > 0 {
            let Some(mut queued) = self.shared.pull(now) else {
                break;
            };
            let (head, body) = match self
                .shared
                .protocol
                .encode(&mut queued.request, self.link.id)
            {
                Ok(encoded) => encoded,
                Err(error) => {
                    self.shared.fail(queued, error);
                    continue;
                }
            };
            let Some(send) = &mut self.send else {
                self.returned.push(queued);
                break;
            };
            let (response, mut stream) = match send.send_request(head, body.is_empty()) {
                Ok(opened) => opened,
                Err(error) if error.is_go_away() || error.is_io() || error.is_reset() => {
                    self.returned.push(queued);
                    self.drain(now);
                    break;
                }
                // A stream that was given up counts for `h2` until its reset is written, and the one before this waits for
                // that. We are woken when it may be opened.
                Err(_) if send.poll_ready(cx).is_pending() => {
                    self.returned.push(queued);
                    break;
                }
                Err(error) => {
                    self.next_stream = None;
                    self.shared
                        .fail(queued, Error::new(ErrorKind::Invalid, error.to_string()));
                    continue;
                }
            };
            // Asking `h2` costs a lock, and it counts as everybody counts.
            let stream_id = self
                .next_stream
                .unwrap_or_else(|| response.stream_id().into());
            self.next_stream = Some(stream_id + 2);
            if !body.is_empty() {
                // If this fails the stream is already over, and its response says why.
                let _ = stream.send_data(body, true);
            }
            has_launched = true;
            self.opened += 1;
            let deadline = now + self.shared.config.request_timeout;
            let number = self
                .flights
                .insert(Flight::new(queued, response, stream_id, deadline));
            self.link.in_flight.set(self.flights.len());
            // Registers the waker; an answer cannot be there yet, but an error can.
            self.look_at(number, now);
        }
        let most = self
            .shared
            .config
            .max_requests_per_connection
            .min(MAX_REQUESTS);
        if self.opened >= most && self.link.phase.get() == Phase::Ready {
            self.link.phase.set(Phase::Aging);
            self.shared.ring();
        }
        if self.opened >= MAX_REQUESTS {
            self.drain(now);
        }
        has_launched
    }

    /// Lets `h2` read and write. Words if the connection is over.
    fn exchange(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<String> {
        let h2 = self.h2.as_mut()?;
        let over = match Pin::new(h2).poll(cx) {
            Poll::Pending => None,
            Poll::Ready(Ok(())) => Some((CloseCause::Lost, "closed by the peer".to_owned())),
            Poll::Ready(Err(error)) => {
                let is_ours = error.is_go_away() && !error.is_remote();
                Some((
                    if is_ours {
                        CloseCause::Protocol
                    } else {
                        CloseCause::Lost
                    },
                    error.to_string(),
                ))
            }
        };
        let push = self.pipe.poll_push(cx);
        self.hear(now);
        self.look_for_goaway(cx, now);
        self.follow_settings(now);
        let over = match (over, push) {
            (None, Poll::Ready(Err(error))) => {
                // What the peer said before it went may still be waiting to be read.
                if let Some(h2) = self.h2.as_mut() {
                    let _ = Pin::new(h2).poll(cx);
                }
                self.look_for_goaway(cx, now);
                Some((CloseCause::Lost, error.to_string()))
            }
            (over, _) => over,
        };
        let (cause, detail) = over?;
        self.cause = match cause {
            _ if self.close_by.is_some() && self.goaway.is_none() => CloseCause::Ours,
            CloseCause::Lost if self.goaway.is_some() => CloseCause::GoAway,
            cause => cause,
        };
        Some(detail)
    }

    fn hear(&mut self, now: Instant) {
        let read = self.pipe.received();
        if read != self.heard {
            self.heard = read;
            self.keep_alive.heard(now);
        }
    }

    /// `h2` tells of a `GOAWAY` only when asked for a stream.
    fn look_for_goaway(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Some(send) = &mut self.send else { return };
        let Poll::Ready(Err(error)) = send.poll_ready(cx) else {
            return;
        };
        if self.goaway.is_none()
            && let Some(frame) = GoAway::from_h2(&error)
        {
            self.shared.observer.observe(&Event::GoAway {
                connection: self.link.id,
                frame: &frame,
            });
            self.goaway = Some(frame);
        }
        self.drain(now);
    }

    /// Becomes ready at the first `SETTINGS`, and takes over the peer's number of streams whenever it changes.
    fn follow_settings(&mut self, now: Instant) {
        let Some(send) = &self.send else { return };
        let is_starting = self.link.phase.get() == Phase::Starting;
        if is_starting && !self.pipe.has_first_frame() {
            return;
        }
        self.permits.follow(send.current_max_send_streams());
        self.publish_permits();
        if is_starting {
            self.link.idle_since.set(now);
            self.shared.connected(&self.link, now - self.began_at);
        }
    }

    fn publish_permits(&self) {
        self.link.permits.set(self.permits.allowed());
        self.link
            .is_on_probation
            .set(self.permits.is_on_probation());
    }

    /// Looks at the streams that have news.
    fn harvest(&mut self, now: Instant) {
        let mut woken = std::mem::take(&mut self.woken);
        self.flights.take_ready(&mut woken);
        for number in woken.drain(..) {
            self.look_at(number, now);
        }
        self.woken = woken;
        self.give_back();
    }

    fn give_back(&mut self) {
        if !self.returned.is_empty() {
            self.shared.requeue(std::mem::take(&mut self.returned));
        }
    }

    fn drain(&mut self, now: Instant) {
        if self.link.phase.get() == Phase::Starting {
            return;
        }
        if self.drain_by.is_none() {
            self.drain_by = Some(now + self.shared.config.drain_timeout);
        }
        if self.link.phase.get() != Phase::Draining {
            self.link.phase.set(Phase::Draining);
            self.shared.ring();
        }
    }

    /// Lets go of `h2`'s last handle once a draining connection owes nothing; `h2` then says `GOAWAY` and closes.
    fn say_goodbye(&mut self, now: Instant) -> bool {
        if self.link.phase.get() != Phase::Draining
            || !self.flights.is_empty()
            || self.send.is_none()
        {
            return false;
        }
        self.send = None;
        self.close_by = Some(now + self.shared.config.close_timeout);
        true
    }
}
