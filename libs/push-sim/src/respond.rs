//! The place for one answer, in either version of HTTP.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason as H2Reason;
use h2::server::SendResponse;
use http::Response;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

/// Bytes that the head of an HTTP/1.1 answer promises when a script cuts the answer after it.
const CUT_BODY_BYTES: u64 = 64;

/// The sender, or the connection, is gone.
#[derive(Debug)]
pub(crate) struct SenderGone;

/// Where the answer to one request goes.
pub(crate) trait Respond: Send {
    /// Ready once the sender has given up or the connection is gone.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// RST_STREAM; false where there are no streams.
    fn reset(&mut self, code: u32) -> bool;

    /// Number of the stream, where there are streams.
    fn stream(&self) -> Option<u32>;

    /// Hands an answer to the connection; with `cut_short` only its head.
    fn send(
        &mut self,
        response: Response<()>,
        body: Option<String>,
        cut_short: bool,
    ) -> Result<(), SenderGone>;
}

/// Waits until the sender has given up or the connection is gone.
pub(crate) async fn gone(respond: &mut impl Respond) {
    std::future::poll_fn(|cx| respond.poll_gone(cx)).await;
}

/// A stream of an HTTP/2 connection.
impl Respond for SendResponse<Bytes> {
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_reset(cx).map(|_| ())
    }

    fn reset(&mut self, code: u32) -> bool {
        self.send_reset(H2Reason::from(code));
        true
    }

    fn stream(&self) -> Option<u32> {
        Some(self.stream_id().as_u32())
    }

    fn send(
        &mut self,
        response: Response<()>,
        body: Option<String>,
        cut_short: bool,
    ) -> Result<(), SenderGone> {
        let body = body.filter(|body| !body.is_empty() && !cut_short);
        let end = body.is_none() && !cut_short;
        let mut stream = self.send_response(response, end).map_err(|_| SenderGone)?;
        match body {
            Some(body) => stream.send_data(body.into(), true).map_err(|_| SenderGone),
            None => Ok(()),
        }
    }
}

/// The answer that an HTTP/1.1 connection waits for.
#[derive(Debug)]
pub(crate) struct OneAnswer(Option<oneshot::Sender<Response<AnswerBody>>>);

impl OneAnswer {
    /// The place, and where the connection waits.
    pub(crate) fn new() -> (OneAnswer, oneshot::Receiver<Response<AnswerBody>>) {
        let (place, answered) = oneshot::channel();
        (OneAnswer(Some(place)), answered)
    }
}

impl Respond for OneAnswer {
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(place) => place.poll_closed(cx),
            None => Poll::Ready(()),
        }
    }

    fn reset(&mut self, _code: u32) -> bool {
        false
    }

    fn stream(&self) -> Option<u32> {
        None
    }

    fn send(
        &mut self,
        response: Response<()>,
        body: Option<String>,
        cut_short: bool,
    ) -> Result<(), SenderGone> {
        let body = match cut_short {
            true => AnswerBody::Cut,
            false => AnswerBody::Whole(body.filter(|body| !body.is_empty()).map(Bytes::from)),
        };
        let place = self.0.take().ok_or(SenderGone)?;
        place.send(response.map(|()| body)).map_err(|_| SenderGone)
    }
}

/// The body of an HTTP/1.1 answer.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// It never comes.
    Cut,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            AnswerBody::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            AnswerBody::Cut => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, AnswerBody::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            AnswerBody::Whole(body) => body.as_ref().map_or(0, Bytes::len) as u64,
            AnswerBody::Cut => CUT_BODY_BYTES,
        })
    }
}
