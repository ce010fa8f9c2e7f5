//! What becomes of the requests in flight on a connection: answers, losses, deadlines.
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

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::Driver;
use crate::error::{Error, ErrorKind};
use crate::observer::Event;
use crate::pool::Queued;
use crate::protocol::{Answer, ConnectionVerdict, End, Protocol, RequestVerdict};

/// A body longer than this, and longer than what is kept of it, is cut off after all.
const MAX_DROPPED: usize = 64 * 1024;

/// A request in flight.
pub(super) struct Flight<R> {
    queued: Queued<R>,
    stage: Stage,
    report: Report,
    /// After `Report::InDoubt`: until when the answer is still welcome.
    deadline: Instant,
    stream: u32,
}

enum Stage {
    Head(ResponseFuture),
    /// Boxed because only refusals have one, and every flight is as large as its largest stage.
    Body(Box<Body>),
}

/// An answer that is still arriving.
struct Body {
    status: StatusCode,
    headers: HeaderMap,
    stream: RecvStream,
    kept: BytesMut,
    seen: usize,
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

impl<R> Flight<R> {
    pub(super) fn new(
        queued: Queued<R>,
        response: ResponseFuture,
        stream: u32,
        deadline: Instant,
    ) -> Self {
        Self {
            queued,
            stage: Stage::Head(response),
            report: Report::Open,
            deadline,
            stream,
        }
    }
}

impl Body {
    /// What has arrived.
    fn take(&mut self) -> Answer {
        let kept = std::mem::take(&mut self.kept).freeze();
        self.take_with(kept)
    }

    /// The answer with this body.
    fn take_with(&mut self, body: Bytes) -> Answer {
        Answer {
            status: self.status,
            headers: std::mem::take(&mut self.headers),
            body,
        }
    }
}

impl<P: Protocol> Driver<P> {
    /// Looks at one stream, as far as it goes.
    pub(super) fn look_at(&mut self, number: u32, now: Instant) {
        loop {
            let Some((flight, waker)) = self.flights.get(number) else {
                return;
            };
            let cx = &mut Context::from_waker(waker);
            let body = match &mut flight.stage {
                Stage::Body(body) => body,
                Stage::Head(response) => match Pin::new(response).poll(cx) {
                    Poll::Pending => return,
                    Poll::Ready(Err(error)) => return self.lose(number, &error, now),
                    Poll::Ready(Ok(response)) => {
                        let (
                            http::response::Parts {
                                status, headers, ..
                            },
                            stream,
                        ) = response.into_parts();
                        let body = Bytes::new();
                        if stream.is_end_stream() {
                            return self.answer(
                                number,
                                Answer {
                                    status,
                                    headers,
                                    body,
                                },
                                true,
                                now,
                            );
                        }
                        let is_wanted = self.shared.protocol.wants_body(status);
                        let mut arriving = Body {
                            status,
                            headers,
                            stream,
                            kept: BytesMut::new(),
                            seen: 0,
                        };
                        if status.is_success() && !is_wanted {
                            let headers = std::mem::take(&mut arriving.headers);
                            flight.stage = Stage::Body(Box::new(arriving));
                            self.answer(
                                number,
                                Answer {
                                    status,
                                    headers,
                                    body,
                                },
                                false,
                                now,
                            );
                        } else {
                            flight.stage = Stage::Body(Box::new(arriving));
                        }
                        continue;
                    }
                },
            };
            match body.stream.poll_data(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(chunk))) => {
                    let is_over = body.stream.is_end_stream();
                    body.seen += chunk.len();
                    let most = self.shared.config.max_body_bytes;
                    let room = most.saturating_sub(body.kept.len());
                    let is_wanted = flight.report != Report::Done
                        && self.shared.protocol.wants_body(body.status);
                    if is_over && is_wanted && body.kept.is_empty() && chunk.len() <= room {
                        // Most answers come in one piece: nothing to gather, and nobody left to ask for more. Its share of
                        // the window goes back when the stream is dropped.
                        let answer = body.take_with(chunk);
                        return self.answer(number, answer, true, now);
                    }
                    // An error means that the stream has ended, which the next poll reports.
                    let _ = body.stream.flow_control().release_capacity(chunk.len());
                    if is_wanted {
                        body.kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    }
                    if body.seen > MAX_DROPPED.max(most) {
                        let answer = body.take();
                        return self.answer(number, answer, true, now);
                    }
                }
                Poll::Ready(None) => {
                    let answer = body.take();
                    return self.answer(number, answer, true, now);
                }
                Poll::Ready(Some(Err(error))) => {
                    if body.status.is_success() || error.reason() == Some(Reason::NO_ERROR) {
                        let answer = body.take();
                        return self.answer(number, answer, true, now);
                    }
                    let status = body.status;
                    let error = Error::new(ErrorKind::Interrupted, error.to_string());
                    self.end(number, Err(error.with_status(status)));
                    return self.land(number, now);
                }
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
        self.permits.answered();
        match judgement.connection {
            ConnectionVerdict::Keep => {}
            ConnectionVerdict::Trust => self.permits.trust(),
            ConnectionVerdict::Retire => self.drain(now),
        }
        self.publish_permits();
        if let Some(span) = judgement.pause {
            self.shared.pause(span);
        }
        if judgement.request == RequestVerdict::Resend && !late {
            if let Some(flight) = self.recall(number, now) {
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
            let newest = self.next_stream.map_or(stream, |next| next - 2);
            self.permits.refused(stream, self.flights.len(), newest);
            self.publish_permits();
        }
        if is_refused || is_above_last || is_unsent {
            let Some(mut flight) = self.recall(number, now) else {
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
    fn land(&mut self, number: u32, now: Instant) {
        if self.flights.discard(number) {
            self.note_landing(now);
        }
    }

    /// Frees the stream and takes the request back.
    fn recall(&mut self, number: u32, now: Instant) -> Option<Flight<P::Request>> {
        let flight = self.flights.remove(number)?;
        self.note_landing(now);
        Some(flight)
    }

    fn note_landing(&mut self, now: Instant) {
        self.link.in_flight.set(self.flights.len());
        if self.flights.is_empty() {
            self.link.idle_since.set(now);
        }
    }

    /// Looks at every deadline.
    pub(super) fn sweep(&mut self, now: Instant) {
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
    pub(super) fn fall(&mut self, detail: &str, now: Instant) {
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
                if let Some(flight) = self.recall(number, now) {
                    self.returned.push(flight.queued);
                }
                continue;
            }
            self.end(number, Err(Error::new(ErrorKind::ConnectionLost, detail)));
            self.land(number, now);
        }
    }
}

// === impl Driver ===

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
