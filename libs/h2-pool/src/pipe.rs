//! The byte stream under one connection: gathers what `h2` writes in a turn, and counts what really went out.
//!
//! # Why a buffer of our own
//! `h2` flushes whenever its 16 KiB are full, and before and after every DATA frame of 1 KiB or more (256 bytes with
//! vectored I/O): with TLS that is one record and one system call for each request. Here `poll_flush` does nothing; the
//! connection flushes once, when its turn is over, or when the buffer is full. `is_write_vectored` stays false, so that
//! `h2` copies small bodies behind their headers.
//!
//! # Why the counting
//! When a connection dies, a request is in doubt only if a byte of it may have left. `h2` cannot say; the position in
//! this stream can: what `h2` hands over after position *n* was never sent while no more than *n* bytes were flushed.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connect::Stream;

/// Length of an HTTP/2 frame header, in bytes.
const FRAME_HEAD: usize = 9;

struct Inner {
    stream: Pin<Box<dyn Stream>>,
    buffer: Vec<u8>,
    sent_of_buffer: usize,
    limit: usize,
    accepted: u64,
    flushed: u64,
    read: u64,
    first_head: [u8; FRAME_HEAD],
}

/// A handle; clones share the stream.
#[derive(Clone)]
pub(crate) struct Pipe(Rc<RefCell<Inner>>);

impl Pipe {
    pub(crate) fn new(stream: Box<dyn Stream>, limit: usize) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            stream: Pin::from(stream),
            buffer: Vec::new(),
            sent_of_buffer: 0,
            limit: limit.max(1),
            accepted: 0,
            flushed: 0,
            read: 0,
            first_head: [0; FRAME_HEAD],
        })))
    }

    /// Bytes taken from `h2` so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.0.borrow().accepted
    }

    /// Bytes handed to the stream below so far.
    pub(crate) fn flushed(&self) -> u64 {
        self.0.borrow().flushed
    }

    /// Bytes received so far.
    pub(crate) fn read(&self) -> u64 {
        self.0.borrow().read
    }

    /// Whether the peer's first frame, which must be its `SETTINGS`, is in.
    pub(crate) fn has_first_frame(&self) -> bool {
        let inner = self.0.borrow();
        let [high, middle, low, ..] = inner.first_head;
        let payload = u64::from(u32::from_be_bytes([0, high, middle, low]));
        inner.read >= FRAME_HEAD as u64 + payload
    }

    /// Really flushes.
    pub(crate) fn poll_push(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        let had_bytes = !inner.buffer.is_empty();
        ready!(inner.poll_drain(cx))?;
        if had_bytes { inner.stream.as_mut().poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }
}

impl Inner {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent_of_buffer < self.buffer.len() {
            let sent = ready!(self.stream.as_mut().poll_write(cx, &self.buffer[self.sent_of_buffer..]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent_of_buffer += sent;
            self.flushed += sent as u64;
        }
        self.buffer.clear();
        self.sent_of_buffer = 0;
        Poll::Ready(Ok(()))
    }
}

// === impl Pipe ===

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        let before = buf.filled().len();
        ready!(inner.stream.as_mut().poll_read(cx, buf))?;
        let new = &buf.filled()[before..];
        if inner.read < FRAME_HEAD as u64 {
            for (at, &byte) in (inner.read as usize..FRAME_HEAD).zip(new) {
                inner.first_head[at] = byte;
            }
        }
        inner.read += new.len() as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let inner = &mut *self.0.borrow_mut();
        if inner.buffer.len() >= inner.limit {
            ready!(inner.poll_drain(cx))?;
        }
        inner.buffer.extend_from_slice(bytes);
        inner.accepted += bytes.len() as u64;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_push(cx))?;
        self.0.borrow_mut().stream.as_mut().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pair(limit: usize) -> (Pipe, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(1024);
        (Pipe::new(Box::new(near), limit), far)
    }

    #[tokio::test]
    async fn nothing_leaves_before_the_push() {
        let (mut pipe, mut far) = pair(1024);
        pipe.write_all(b"abc").await.unwrap();
        pipe.flush().await.unwrap();
        assert_eq!((pipe.accepted(), pipe.flushed()), (3, 0));
        poll_fn(|cx| pipe.poll_push(cx)).await.unwrap();
        assert_eq!((pipe.accepted(), pipe.flushed()), (3, 3));
        let mut got = [0; 3];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"abc");
    }

    #[tokio::test]
    async fn a_full_buffer_leaves_by_itself_and_blocks_when_the_peer_does_not_read() {
        let (mut pipe, _far) = pair(600);
        pipe.write_all(&[1; 600]).await.unwrap();
        pipe.write_all(&[2; 600]).await.unwrap();
        assert_eq!((pipe.accepted(), pipe.flushed()), (1_200, 600));
        let blocked = poll_fn(|cx| Poll::Ready(Pin::new(&mut pipe).poll_write(cx, &[3; 10]).is_pending())).await;
        assert!(blocked, "the peer's 1,024 bytes are full");
        assert_eq!((pipe.accepted(), pipe.flushed()), (1_200, 1_024));
    }

    #[tokio::test]
    async fn the_first_frame_counts_once_it_is_whole() {
        let (mut pipe, mut far) = pair(1024);
        let mut sink = [0; 64];
        for (bytes, whole) in [(&[0, 0, 6, 4][..], false), (&[0, 0, 0, 0, 0, 0, 3], false), (&[0, 0, 0, 1], true)] {
            far.write_all(bytes).await.unwrap();
            assert_eq!(pipe.read(&mut sink).await.unwrap(), bytes.len());
            assert_eq!(pipe.has_first_frame(), whole);
        }
    }

    #[tokio::test]
    async fn an_empty_settings_frame_is_a_first_frame_and_silence_is_not() {
        let (mut pipe, mut far) = pair(1024);
        assert!(!pipe.has_first_frame());
        far.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        pipe.read_exact(&mut [0; 9]).await.unwrap();
        assert!(pipe.has_first_frame());
    }
}
