//! The TLS stream of an HTTP/1.1 connection under the same remote control: it can be frozen, cut
//! and half closed. There are no frames to follow, so GOAWAY and stream limits do nothing here.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{Ending, WireHandle, cut_by_script};

/// An HTTP/1.1 connection's stream.
#[derive(Debug)]
pub(crate) struct PlainWire {
    io: TlsStream<TcpStream>,
    handle: WireHandle,
    write_closed: bool,
}

impl PlainWire {
    pub(crate) fn new(io: TlsStream<TcpStream>, handle: &WireHandle) -> PlainWire {
        PlainWire {
            io,
            handle: handle.clone(),
            write_closed: false,
        }
    }

    fn enter(&self, cx: &Context<'_>) -> Result<(bool, Ending), io::Error> {
        let mut shared = self.handle.0.lock();
        match &mut shared.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            slot => *slot = Some(cx.waker().clone()),
        }
        match shared.ending {
            Ending::Cut { reset } => Err(cut_by_script(self.io.get_ref().0, reset)),
            ending => Ok((shared.frozen, ending)),
        }
    }
}

impl AsyncRead for PlainWire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.enter(cx)?.0 {
            return Poll::Pending;
        }
        loop {
            let before = buf.filled().len();
            std::task::ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
            let ended = buf.filled().len() == before;
            if ended || !this.write_closed {
                return Poll::Ready(Ok(()));
            }
            // Nobody is going to answer it.
            buf.set_filled(before);
        }
    }
}

impl AsyncWrite for PlainWire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.enter(cx)?.0 {
            return Poll::Pending;
        }
        if this.write_closed {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut this.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let (frozen, ending) = this.enter(cx)?;
        if frozen {
            return Poll::Pending;
        }
        if this.write_closed {
            return Poll::Ready(Ok(()));
        }
        std::task::ready!(Pin::new(&mut this.io).poll_flush(cx))?;
        if let Ending::HalfClose { polite } = ending {
            let closed = match polite {
                true => Pin::new(&mut this.io).poll_shutdown(cx),
                false => Pin::new(this.io.get_mut().0).poll_shutdown(cx),
            };
            std::task::ready!(closed)?;
            this.write_closed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.enter(cx)?.0 {
            return Poll::Pending;
        }
        if this.write_closed {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
