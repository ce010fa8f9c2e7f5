//! The byte stream under one connection: gathers what `h2` writes in a turn, and counts what really went out.
//!
//! # Why a buffer of our own
//! `h2` flushes whenever its 16 KiB are full, and before and after every DATA frame of 1 KiB or more (256 bytes with
//! vectored I/O): with TLS that is one record and one system call for each request. Here `poll_flush` does nothing; the
//! connection flushes once, when its turn is over, or when the buffer is full. `is_write_vectored` stays false, so that
//! `h2` copies small bodies behind their headers.
//!
//! # Why it reads the frames that go out
//! When a connection dies, a request is in doubt only if the whole of it may have left: no peer can act on a push whose
//! body has not ended. `h2` cannot say how far it got, and it holds frames back as it likes. So the heads of outgoing
//! frames are read here, and for each stream it is kept whether the last byte of its last frame was handed to the
//! stream below.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connect::Stream;

/// Length of an HTTP/2 frame header, in bytes.
const FRAME_HEAD: usize = 9;

/// Length of what a client says before its first frame (RFC 9113 section 3.4), in bytes.
const PREFACE: usize = 24;

/// The types of the frames that can end a request, and the flag that says so.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// The type of a `SETTINGS` frame, and the flag of one that only acknowledges ours.
const SETTINGS: u8 = 4;
const ACK: u8 = 1;

/// Follows the frames that go out.
struct Outgoing {
    /// Bytes until the next frame begins.
    skip: usize,
    head: [u8; FRAME_HEAD],
    head_filled: usize,
    accepted: u64,
    flushed: u64,
    /// Where requests end that have not left as a whole, and their streams.
    ends: VecDeque<(u64, u32)>,
    left: StreamSet,
}

/// A set of streams, one bit each; all below `first` are in it.
#[derive(Default)]
struct StreamSet {
    first: u32,
    words: VecDeque<u64>,
}

struct Inner {
    stream: Pin<Box<dyn Stream>>,
    buffer: Vec<u8>,
    sent_of_buffer: usize,
    limit: usize,
    outgoing: Outgoing,
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
            outgoing: Outgoing::new(),
            read: 0,
            first_head: [0; FRAME_HEAD],
        })))
    }

    /// Whether the whole request on this stream was handed to the stream below.
    pub(crate) fn has_left(&self, stream: u32) -> bool {
        self.0.borrow().outgoing.left.contains(stream)
    }

    /// Nobody will ask for streams below this one any more.
    pub(crate) fn forget_below(&self, stream: u32) {
        self.0.borrow_mut().outgoing.left.forget_below(stream);
    }

    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.0.borrow().read
    }

    /// Whether the peer's first frame is in and is its `SETTINGS`, as it must be.
    pub(crate) fn has_first_frame(&self) -> bool {
        let inner = self.0.borrow();
        let [high, middle, low, kind, flags, ..] = inner.first_head;
        let payload = u64::from(u32::from_be_bytes([0, high, middle, low]));
        kind == SETTINGS && flags & ACK == 0 && inner.read >= FRAME_HEAD as u64 + payload
    }

    /// Really flushes.
    pub(crate) fn poll_push(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        let had_bytes = !inner.buffer.is_empty();
        ready!(inner.poll_drain(cx))?;
        if had_bytes {
            inner.stream.as_mut().poll_flush(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl Inner {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent_of_buffer < self.buffer.len() {
            let sent = ready!(
                self.stream
                    .as_mut()
                    .poll_write(cx, &self.buffer[self.sent_of_buffer..])
            )?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent_of_buffer += sent;
            self.outgoing.flushed(sent);
        }
        self.buffer.clear();
        self.sent_of_buffer = 0;
        Poll::Ready(Ok(()))
    }
}

impl Outgoing {
    fn new() -> Self {
        Self {
            skip: PREFACE,
            head: [0; FRAME_HEAD],
            head_filled: 0,
            accepted: 0,
            flushed: 0,
            ends: VecDeque::new(),
            left: StreamSet::default(),
        }
    }

    fn accepted(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                self.accepted += skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = (FRAME_HEAD - self.head_filled).min(bytes.len());
            self.head[self.head_filled..self.head_filled + wanted]
                .copy_from_slice(&bytes[..wanted]);
            self.head_filled += wanted;
            self.accepted += wanted as u64;
            bytes = &bytes[wanted..];
            if self.head_filled == FRAME_HEAD {
                self.head_filled = 0;
                let [high, middle, low, kind, flags, a, b, c, d] = self.head;
                self.skip = u32::from_be_bytes([0, high, middle, low]) as usize;
                if (kind == DATA || kind == HEADERS) && flags & END_STREAM != 0 {
                    let stream = u32::from_be_bytes([a & 0x7f, b, c, d]);
                    self.ends
                        .push_back((self.accepted + self.skip as u64, stream));
                }
            }
        }
    }

    fn flushed(&mut self, count: usize) {
        self.flushed += count as u64;
        while let Some(&(end, stream)) = self.ends.front() {
            if end > self.flushed {
                break;
            }
            self.left.insert(stream);
            self.ends.pop_front();
        }
    }
}

impl StreamSet {
    /// Of a client's streams only every second number is used.
    const PER_WORD: u32 = 2 * u64::BITS;

    fn place(&self, stream: u32) -> Option<(usize, u64)> {
        let offset = stream.checked_sub(self.first)?;
        Some((
            (offset / Self::PER_WORD) as usize,
            1 << (offset % Self::PER_WORD / 2),
        ))
    }

    fn insert(&mut self, stream: u32) {
        let Some((word, bit)) = self.place(stream) else {
            return;
        };
        while self.words.len() <= word {
            self.words.push_back(0);
        }
        self.words[word] |= bit;
    }

    fn contains(&self, stream: u32) -> bool {
        match self.place(stream) {
            None => true,
            Some((word, bit)) => self.words.get(word).is_some_and(|bits| bits & bit != 0),
        }
    }

    fn forget_below(&mut self, stream: u32) {
        while stream.saturating_sub(self.first) >= Self::PER_WORD {
            self.first += Self::PER_WORD;
            self.words.pop_front();
        }
    }
}

// === impl Pipe ===

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
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
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let inner = &mut *self.0.borrow_mut();
        if inner.buffer.len() >= inner.limit {
            ready!(inner.poll_drain(cx))?;
        }
        inner.buffer.extend_from_slice(bytes);
        inner.outgoing.accepted(bytes);
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

    /// A preface, `SETTINGS`, and HEADERS + DATA for streams 1 and 3.
    fn opening() -> Vec<u8> {
        let mut bytes = vec![b'*'; PREFACE];
        bytes.extend_from_slice(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
        for stream in [1, 3] {
            bytes.extend_from_slice(&[0, 0, 2, 1, 4, 0, 0, 0, stream, 0x82, 0x84]);
            bytes.extend_from_slice(&[0, 0, 3, 0, 1, 0, 0, 0, stream, b'a', b'b', b'c']);
        }
        bytes
    }

    #[tokio::test]
    async fn nothing_leaves_before_the_push() {
        let (mut pipe, mut far) = pair(1024);
        let opening = opening();
        pipe.write_all(&opening).await.unwrap();
        pipe.flush().await.unwrap();
        assert!(!pipe.has_left(1));
        poll_fn(|cx| pipe.poll_push(cx)).await.unwrap();
        assert!(pipe.has_left(1) && pipe.has_left(3) && !pipe.has_left(5));
        let mut got = vec![0; opening.len()];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!(got, opening);
    }

    #[test]
    fn a_request_has_left_with_its_last_byte_and_not_before() {
        let opening = opening();
        let (first, second) = (PREFACE + 15 + 23, PREFACE + 15 + 46);
        assert_eq!(second, opening.len());
        for chunk in [1, 2, 5, 9, 10, 1_000] {
            let mut outgoing = Outgoing::new();
            opening
                .chunks(chunk)
                .for_each(|bytes| outgoing.accepted(bytes));
            for position in 1..=opening.len() {
                outgoing.flushed(1);
                let left = [1, 3, 5].map(|stream| outgoing.left.contains(stream));
                assert_eq!(
                    left,
                    [position >= first, position >= second, false],
                    "{chunk} {position}"
                );
            }
        }
    }

    #[test]
    fn a_stream_set_forgets_what_nobody_asks_for() {
        let mut set = StreamSet::default();
        (1..2_000)
            .step_by(2)
            .filter(|stream| stream % 3 == 0)
            .for_each(|stream| set.insert(stream));
        let before = set.words.len();
        set.forget_below(1_001);
        assert!(set.words.len() <= before / 2 + 1);
        for stream in (1_001..2_000).step_by(2) {
            assert_eq!(set.contains(stream), stream % 3 == 0, "{stream}");
        }
        assert!(set.contains(1), "what was forgotten is taken for sent");
        set.insert(1);
        set.forget_below(1_000_001);
        assert!(set.words.is_empty() && !set.contains(1_000_001));
    }

    #[tokio::test]
    async fn a_full_buffer_leaves_by_itself_and_blocks_when_the_peer_does_not_read() {
        let (mut pipe, _far) = pair(600);
        pipe.write_all(&[1; 600]).await.unwrap();
        pipe.write_all(&[2; 600]).await.unwrap();
        assert_eq!(pipe.0.borrow().outgoing.flushed, 600);
        let blocked =
            poll_fn(|cx| Poll::Ready(Pin::new(&mut pipe).poll_write(cx, &[3; 10]).is_pending()));
        assert!(blocked.await, "the peer's 1,024 bytes are full");
        assert_eq!(pipe.0.borrow().outgoing.flushed, 1_024);
    }

    #[tokio::test]
    async fn the_first_frame_counts_once_it_is_whole() {
        let (mut pipe, mut far) = pair(1024);
        let mut sink = [0; 64];
        for (bytes, whole) in [
            (&[0, 0, 6, 4][..], false),
            (&[0, 0, 0, 0, 0, 0, 3], false),
            (&[0, 0, 0, 1], true),
        ] {
            far.write_all(bytes).await.unwrap();
            assert_eq!(
                AsyncReadExt::read(&mut pipe, &mut sink).await.unwrap(),
                bytes.len()
            );
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
