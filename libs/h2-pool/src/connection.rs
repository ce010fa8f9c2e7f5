//! One connection: one task that owns it and every request in flight on it.
//!
//! # A turn
//! Each wake-up is one *turn*: take from the queue as many requests as there are streams, give them to `h2`, let `h2`
//! read and write, push the bytes out in one go, look at the streams that have news, and begin again while that freed
//! streams and there is work. Deadlines are looked at a few times a second.
//!
//! # What is in doubt
//! | seen | the request |
//! | --- | --- |
//! | stream above the last one of a `GOAWAY`; `REFUSED_STREAM`; its last byte never left | was not processed: back to the queue |
//! | any other reset, end of file, error, PING unanswered, our own guard | in doubt |
//! | no answer in time | in doubt; reported, and still listened for during a grace |
//! | success status, then death | answered: nothing more was to come that matters |
//! | error status, then death before the explanation | in doubt, with that status |
//!
//! # Bodies
//! Small unread DATA frames are what `h2` punishes, so every body is read as it comes: kept up to a bound if the protocol
//! wants it, dropped otherwise. It is not cut off with a reset: a peer that counts resets would take us for an attacker.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use crate::error::{Error, ErrorKind};
use crate::observer::{CloseCause, Event, GoAway};
use crate::ping::{Action, KeepAlive};
use crate::pipe::Pipe;
use crate::pool::{Link, Phase, Queued, Shared};
use crate::protocol::{Answer, ConnectionVerdict, End, Protocol, RequestVerdict};
use crate::slots::Slots;

/// Rounds in one turn before other tasks of the thread get theirs.
const MAX_ROUNDS: u32 = 8;

/// Stream numbers are odd and end at 2³¹ − 1; this many requests leave room to retire in peace.
const MAX_REQUESTS: u64 = (1 << 30) - 4_096;

/// A body longer than this, and longer than what is kept of it, is cut off after all.
const MAX_DROPPED: usize = 64 * 1024;

/// A request in flight.
struct Flight<R> {
    queued: Queued<R>,
    stage: Stage,
    report: Report,
    /// After `Report::InDoubt`: until when the answer is still welcome.
    deadline: Instant,
    stream: u32,
}

enum Stage {
    Head(ResponseFuture),
    Body {
        status: StatusCode,
        headers: HeaderMap,
        stream: RecvStream,
        kept: BytesMut,
        seen: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Report {
    /// Nothing was reported yet.
    Open,
    /// The deadline passed and that was reported.
    InDoubt,
    /// Everything was reported; only the rest of the body is still read.
    Done,
}

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
    first_max: usize,
    peer_max: usize,
    is_trusted: bool,
    /// Our own bound, halved by refusals and slowly growing back.
    cap: usize,
    cap_credit: usize,
    /// Refusals up to this stream belong to the last cut.
    cap_cut_at: u32,
    next_stream: Option<u32>,
    opened: u64,
    answers: u64,
    abandoned: u32,
    goaway: Option<GoAway>,
    cause: CloseCause,
    /// Why the connection is over, once it is.
    epitaph: Option<String>,
}

impl<P: Protocol> Drop for Driver<P> {
    /// A panic, in `h2` or in the protocol, must not make requests disappear: they are in doubt.
    fn drop(&mut self) {
        if !std::thread::panicking() || self.epitaph.is_some() {
            return;
        }
        let mut returned = std::mem::take(&mut self.returned);
        for number in self.flights.numbers() {
            let Some((flight, _)) = self.flights.get(number) else {
                continue;
            };
            if flight.report == Report::Open {
                let result = Err(Error::new(ErrorKind::ConnectionLost, "its task panicked"));
                let end = End {
                    result,
                    connection: Some(self.link.id),
                    late: false,
                };
                self.shared.protocol.finish(&mut flight.queued.request, end);
            }
        }
        self.shared.requeue(std::mem::take(&mut returned));
        self.shared.disconnected(self.link.id);
        self.shared.protocol.turn_ended();
    }
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
        first_max: 0,
        peer_max: 0,
        is_trusted: false,
        cap: config.max_streams.max(1),
        cap_credit: 0,
        cap_cut_at: 0,
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
            let has_launched = self.launch(now);
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
    fn launch(&mut self, now: Instant) -> bool {
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
                Err(error) => {
                    self.next_stream = None;
                    self.shared
                        .fail(queued, Error::new(ErrorKind::Invalid, error.to_string()));
                    continue;
                }
            };
            // Asking `h2` costs a lock, and it counts as everybody counts.
            let number = self
                .next_stream
                .unwrap_or_else(|| response.stream_id().into());
            self.next_stream = Some(number + 2);
            if !body.is_empty() {
                // If this fails the stream is already over, and its response says why.
                let _ = stream.send_data(body, true);
            }
            has_launched = true;
            self.opened += 1;
            let number = self.flights.insert(Flight {
                queued,
                stage: Stage::Head(response),
                report: Report::Open,
                deadline: now + self.shared.config.request_timeout,
                stream: number,
            });
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
        self.peer_max = send.current_max_send_streams();
        if self.link.phase.get() == Phase::Starting {
            if !self.pipe.has_first_frame() {
                return;
            }
            self.first_max = self.peer_max;
            self.link.idle_since.set(now);
            self.shared.connected(&self.link, now - self.began_at);
        }
        if self.peer_max > self.first_max {
            self.is_trusted = true;
        }
        self.set_permits();
    }

    fn set_permits(&mut self) {
        let config = &self.shared.config;
        let probation = if self.is_trusted {
            usize::MAX
        } else {
            config.initial_streams.max(1)
        };
        self.link
            .permits
            .set(self.cap.min(self.peer_max).min(probation));
        self.link
            .is_on_probation
            .set(!self.is_trusted && probation < config.max_streams);
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

    /// Looks at one stream, as far as it goes.
    fn look_at(&mut self, number: u32, now: Instant) {
        loop {
            let Some((flight, waker)) = self.flights.get(number) else {
                return;
            };
            let cx = &mut Context::from_waker(waker);
            match &mut flight.stage {
                Stage::Head(response) => match Pin::new(response).poll(cx) {
                    Poll::Pending => return,
                    Poll::Ready(Err(error)) => return self.lose(number, &error, now),
                    Poll::Ready(Ok(response)) => {
                        let (parts, stream) = response.into_parts();
                        let (status, headers) = (parts.status, parts.headers);
                        if stream.is_end_stream() {
                            return self.answer(
                                number,
                                Answer {
                                    status,
                                    headers,
                                    body: Bytes::new(),
                                },
                                true,
                                now,
                            );
                        }
                        if status.is_success() && !self.shared.protocol.wants_body(status) {
                            flight.stage = Stage::Body {
                                status,
                                headers: HeaderMap::new(),
                                stream,
                                kept: BytesMut::new(),
                                seen: 0,
                            };
                            self.answer(
                                number,
                                Answer {
                                    status,
                                    headers,
                                    body: Bytes::new(),
                                },
                                false,
                                now,
                            );
                        } else {
                            flight.stage = Stage::Body {
                                status,
                                headers,
                                stream,
                                kept: BytesMut::new(),
                                seen: 0,
                            };
                        }
                    }
                },
                Stage::Body {
                    status,
                    headers,
                    stream,
                    kept,
                    seen,
                } => match stream.poll_data(cx) {
                    Poll::Pending => return,
                    Poll::Ready(Some(Ok(chunk))) => {
                        // An error means that the stream has ended, which the next poll reports.
                        let _ = stream.flow_control().release_capacity(chunk.len());
                        *seen += chunk.len();
                        let room = self.shared.config.max_body_bytes.saturating_sub(kept.len());
                        if flight.report != Report::Done && self.shared.protocol.wants_body(*status)
                        {
                            kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
                        }
                        if *seen > MAX_DROPPED.max(self.shared.config.max_body_bytes) {
                            let answer = Answer {
                                status: *status,
                                headers: std::mem::take(headers),
                                body: std::mem::take(kept).freeze(),
                            };
                            return self.answer(number, answer, true, now);
                        }
                    }
                    Poll::Ready(None) => {
                        let answer = Answer {
                            status: *status,
                            headers: std::mem::take(headers),
                            body: std::mem::take(kept).freeze(),
                        };
                        return self.answer(number, answer, true, now);
                    }
                    Poll::Ready(Some(Err(error))) => {
                        if status.is_success() || error.reason() == Some(Reason::NO_ERROR) {
                            let answer = Answer {
                                status: *status,
                                headers: std::mem::take(headers),
                                body: std::mem::take(kept).freeze(),
                            };
                            return self.answer(number, answer, true, now);
                        }
                        let error = Error::new(ErrorKind::Interrupted, error.to_string())
                            .with_status(*status);
                        self.end(number, Err(error));
                        self.land(number, now);
                        return;
                    }
                },
            }
        }
    }

    /// Judges and reports an answer; `is_over` if nothing more comes on its stream.
    fn answer(&mut self, number: u32, answer: Answer, is_over: bool, now: Instant) {
        let Some((flight, _)) = self.flights.get(number) else {
            return;
        };
        if flight.report == Report::Done {
            if is_over {
                self.land(number, now);
            }
            return;
        }
        let late = flight.report == Report::InDoubt;
        let protocol = self.shared.protocol.clone();
        let judgement = protocol.judge(&mut flight.queued.request, self.link.id, &answer, late);
        self.answers += 1;
        if self.answers == 1 {
            self.shared.proved_useful();
        }
        self.grow_cap();
        match judgement.connection {
            ConnectionVerdict::Keep => {}
            ConnectionVerdict::Trust => {
                if !self.is_trusted {
                    self.is_trusted = true;
                    self.set_permits();
                }
            }
            ConnectionVerdict::Retire => self.drain(now),
        }
        if let Some(span) = judgement.pause {
            self.shared.pause(span);
        }
        if judgement.request == RequestVerdict::Resend && !late {
            if let Some(flight) = self.land(number, now) {
                self.returned.push(flight.queued);
            }
            return;
        }
        self.end(number, Ok(answer));
        if is_over {
            self.land(number, now);
        }
    }

    /// A stream ended without an answer.
    fn lose(&mut self, number: u32, error: &h2::Error, now: Instant) {
        let Some((flight, _)) = self.flights.get(number) else {
            return;
        };
        let is_refused =
            error.is_reset() && error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM);
        let is_above_last = error.is_go_away() && error.is_remote();
        let is_unsent = !self.pipe.has_left(flight.stream);
        let stream = flight.stream;
        if is_refused {
            self.shared.observer.observe(&Event::Refused {
                connection: self.link.id,
            });
            self.cut_cap(stream);
        }
        if is_refused || is_above_last || is_unsent {
            let Some(mut flight) = self.land(number, now) else {
                return;
            };
            if flight.report == Report::Open {
                self.returned.push(flight.queued);
            } else {
                let result = Err(Error::new(
                    ErrorKind::Refused,
                    "not processed, as it turned out after the deadline",
                ));
                let end = End {
                    result,
                    connection: Some(self.link.id),
                    late: true,
                };
                self.shared.protocol.finish(&mut flight.queued.request, end);
            }
            return;
        }
        let kind = if error.is_reset() && error.is_remote() {
            ErrorKind::Reset
        } else {
            ErrorKind::ConnectionLost
        };
        let detail = match &self.epitaph {
            Some(epitaph) if error.is_io() => epitaph.clone(),
            _ => error.to_string(),
        };
        self.end(number, Err(Error::new(kind, detail)));
        self.land(number, now);
    }

    /// Reports the end of a request, once.
    fn end(&mut self, number: u32, result: Result<Answer, Error>) {
        let id = self.link.id;
        let Some((flight, _)) = self.flights.get(number) else {
            return;
        };
        let report = std::mem::replace(&mut flight.report, Report::Done);
        // After a reported deadline only the truth is news, not another doubt.
        let is_news = match report {
            Report::Open => true,
            Report::InDoubt => result.is_ok(),
            Report::Done => false,
        };
        if is_news {
            let end = End {
                result,
                connection: Some(id),
                late: report == Report::InDoubt,
            };
            self.shared.protocol.finish(&mut flight.queued.request, end);
        }
    }

    /// Frees the stream.
    fn land(&mut self, number: u32, now: Instant) -> Option<Flight<P::Request>> {
        let flight = self.flights.remove(number)?;
        self.link.in_flight.set(self.flights.len());
        if self.flights.is_empty() {
            self.link.idle_since.set(now);
        }
        Some(flight)
    }

    fn cut_cap(&mut self, stream: u32) {
        // One cut for each flight of requests, not for each frame.
        if stream > self.cap_cut_at {
            self.cap = (self.flights.len() / 2).max(1);
            self.cap_cut_at = self.next_stream.map_or(stream, |next| next - 2);
            self.cap_credit = 0;
            self.set_permits();
        }
    }

    fn grow_cap(&mut self) {
        let most = self.shared.config.max_streams.max(1);
        if self.cap >= most {
            return;
        }
        self.cap_credit += 1;
        if self.cap_credit >= self.cap {
            self.cap_credit = 0;
            self.cap = (self.cap + (self.cap / 16).max(1)).min(most);
            self.set_permits();
        }
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

    /// Keep-alive, deadlines, and the timer for the next look. Words if the connection is to be given up.
    fn watch(&mut self, now: Instant, cx: &mut Context<'_>) -> Option<String> {
        let shared = self.shared.clone();
        let config = &shared.config;
        let mut next = now + Duration::from_secs(3600);
        if self.link.phase.get() == Phase::Starting {
            if now >= self.ready_by {
                return Some(format!(
                    "no SETTINGS frame within {:?}",
                    config.connect_timeout
                ));
            }
            next = next.min(self.ready_by);
        } else if let Some(dead) = self.watch_ping(now, cx, &mut next) {
            return Some(dead);
        }
        if self.link.phase.get() == Phase::Draining {
            let by = *self.drain_by.get_or_insert(now + config.drain_timeout);
            let by = self.close_by.map_or(by, |close_by| close_by.min(by));
            if now >= by {
                self.cause = if self.close_by.is_some() {
                    CloseCause::Ours
                } else {
                    CloseCause::DrainTimeout
                };
                return Some("it did not finish draining in time".to_owned());
            }
            next = next.min(by);
        } else if now >= self.retire_at {
            if self.link.phase.get() == Phase::Ready {
                self.link.phase.set(Phase::Aging);
                self.shared.ring();
            }
        } else {
            next = next.min(self.retire_at);
        }
        if !self.flights.is_empty() {
            if now >= self.sweep_at {
                self.sweep(now);
                self.sweep_at = now + config.sweep_interval.max(Duration::from_millis(1));
            }
            next = next.min(self.sweep_at);
        }
        // Re-arming on every turn would cost more than the timer is worth: only an earlier moment counts.
        if self.sleep.deadline() > next || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(next);
        }
        if self.sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        None
    }

    fn watch_ping(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        next: &mut Instant,
    ) -> Option<String> {
        let ping = self.ping.as_mut()?;
        if self.keep_alive.is_waiting() {
            match ping.poll_pong(cx) {
                Poll::Ready(Ok(_)) => self.keep_alive.answered(),
                Poll::Ready(Err(_)) | Poll::Pending => {}
            }
        }
        match self.keep_alive.action(now, !self.flights.is_empty()) {
            Action::Wait(until) => *next = (*next).min(until),
            Action::Send => {
                // It is written at the next turn, which this wakes.
                if ping.send_ping(Ping::opaque()).is_ok() {
                    self.keep_alive.sent(now);
                    *next = (*next).min(now + self.shared.config.ping_timeout);
                    let _ = ping.poll_pong(cx);
                    cx.waker().wake_by_ref();
                }
            }
            Action::Dead => {
                let in_flight = self.flights.len();
                self.shared.observer.observe(&Event::PingTimedOut {
                    connection: self.link.id,
                    in_flight,
                });
                self.cause = CloseCause::Ping;
                return Some(format!(
                    "PING unanswered for {:?}",
                    self.shared.config.ping_timeout
                ));
            }
        }
        None
    }

    /// Looks at every deadline.
    fn sweep(&mut self, now: Instant) {
        let grace = self.shared.config.late_grace;
        let mut lowest = u32::MAX;
        for number in self.flights.numbers() {
            let Some((flight, _)) = self.flights.get(number) else {
                continue;
            };
            lowest = lowest.min(flight.stream);
            if now < flight.deadline {
                continue;
            }
            if flight.report == Report::Open {
                flight.report = Report::InDoubt;
                flight.deadline = now + grace;
                let waited = self.shared.config.request_timeout;
                let result = Err(Error::new(ErrorKind::Timeout, format!("waited {waited:?}")));
                let end = End {
                    result,
                    connection: Some(self.link.id),
                    late: false,
                };
                self.shared.protocol.finish(&mut flight.queued.request, end);
            } else {
                // Dropping it resets the stream.
                self.land(number, now);
                self.abandoned += 1;
            }
        }
        self.pipe
            .forget_below(lowest.min(self.next_stream.unwrap_or(0)));
        if self.abandoned >= self.shared.config.max_abandoned.max(1) {
            self.drain(now);
        }
    }

    /// The connection is over: every stream still open learns of it.
    fn fall(&mut self, detail: &str, now: Instant) {
        self.harvest(now);
        self.epitaph = Some(detail.to_owned());
        self.send = None;
        self.ping = None;
        // Dropping it is what makes `h2` tell the streams.
        self.h2 = None;
        let numbers = self.flights.numbers();
        for &number in &numbers {
            self.look_at(number, now);
        }
        for number in numbers {
            let Some((flight, _)) = self.flights.get(number) else {
                continue;
            };
            if !self.pipe.has_left(flight.stream) && flight.report == Report::Open {
                if let Some(flight) = self.land(number, now) {
                    self.returned.push(flight.queued);
                }
                continue;
            }
            self.end(number, Err(Error::new(ErrorKind::ConnectionLost, detail)));
            self.land(number, now);
        }
    }
}
