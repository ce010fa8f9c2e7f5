//! A layer between HTTP/2 and TLS that can do what an honest HTTP/2 server never does.
//!
//! The `h2` crate speaks the protocol; it has no way to change the stream limit of a live
//! connection, to put text into a GOAWAY, to stop answering PINGs or to die in the middle of an
//! answer. This layer follows the frame boundaries in both directions and adds frames of its own
//! at a boundary. Acknowledgements of SETTINGS that `h2` never sent are taken out of the stream
//! again. It interprets no header and no body.

mod plain;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BufMut, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

pub(crate) use plain::PlainWire;

const FRAME_HEADER: usize = 9;
const PREFACE: usize = 24;
const TYPE_HEADERS: u8 = 1;
const TYPE_SETTINGS: u8 = 4;
const TYPE_GOAWAY: u8 = 7;
const FLAG_ACK: u8 = 1;
const SETTING_MAX_STREAMS: u16 = 3;
/// Output waiting for TLS above which `h2` is held back.
const OUT_LIMIT: usize = 64 * 1024;

/// How a connection comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    /// Write what is waiting, then FIN; what the client still sends is read and thrown away, so
    /// that its kernel does not discard our last words because of a RST.
    HalfClose {
        polite: bool,
    },
    /// Nothing more in either direction.
    Cut {
        reset: bool,
    },
}

/// The stream limit a client has to keep to. A raised limit counts at once; a lowered one from
/// the first stream opened after the client's acknowledgement.
#[derive(Debug, Clone, Copy)]
struct StreamLimit {
    current: u32,
    before: u32,
    from_stream: u32,
}

#[derive(Debug)]
struct Shared {
    initial_limit: u32,
    limit: StreamLimit,
    inject: VecDeque<(Vec<u8>, Option<u32>)>,
    unacknowledged: VecDeque<Option<u32>>,
    highest_stream: u32,
    frozen: bool,
    ending: Ending,
    waker: Option<Waker>,
}

/// The remote control of one connection's [`Wire`].
#[derive(Debug, Clone)]
pub(crate) struct WireHandle(Arc<Mutex<Shared>>);

impl WireHandle {
    pub(crate) fn new(initial_limit: u32) -> WireHandle {
        WireHandle(Arc::new(Mutex::new(Shared {
            initial_limit,
            limit: StreamLimit {
                current: initial_limit,
                before: initial_limit,
                from_stream: 0,
            },
            inject: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            highest_stream: 0,
            frozen: false,
            ending: Ending::No,
            waker: None,
        })))
    }

    fn change(&self, change: impl FnOnce(&mut Shared)) {
        let waker = {
            let mut shared = self.0.lock();
            change(&mut shared);
            shared.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Announces a new SETTINGS_MAX_CONCURRENT_STREAMS.
    pub(crate) fn limit_streams(&self, max: u32) {
        self.change(|shared| {
            if max > shared.limit.current {
                shared.limit = StreamLimit {
                    current: max,
                    before: max,
                    from_stream: 0,
                };
            }
            let mut frame = frame_header(6, TYPE_SETTINGS, 0);
            frame.put_u16(SETTING_MAX_STREAMS);
            frame.put_u32(max);
            shared.inject.push_back((frame, Some(max)));
        });
    }

    /// Sends a GOAWAY frame; keeps the connection as it is.
    pub(crate) fn goaway(&self, last_stream: u32, code: u32, debug: &[u8]) {
        self.change(|shared| {
            let mut frame = frame_header(8 + debug.len(), TYPE_GOAWAY, 0);
            frame.put_u32(last_stream & 0x7fff_ffff);
            frame.put_u32(code);
            frame.put_slice(debug);
            shared.inject.push_back((frame, None));
        });
    }

    /// Stops (or resumes) reading and writing; the TCP connection stays.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.change(|shared| shared.frozen = frozen);
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.0.lock().frozen
    }

    /// Writes what waits, then closes our direction; `polite`: with a TLS close_notify.
    pub(crate) fn half_close(&self, polite: bool) {
        self.change(|shared| {
            if shared.ending == Ending::No {
                shared.ending = Ending::HalfClose { polite };
            }
        });
    }

    /// Ends both directions at once; what waits is lost. `reset`: with a TCP RST.
    pub(crate) fn cut(&self, reset: bool) {
        self.change(|shared| shared.ending = Ending::Cut { reset });
    }

    /// The most streams the client may have open when it opens `stream`.
    pub(crate) fn limit_for(&self, stream: u32) -> u32 {
        let limit = self.0.lock().limit;
        if stream >= limit.from_stream {
            limit.current
        } else {
            limit.before.max(limit.current)
        }
    }

    /// The limit last announced.
    pub(crate) fn announced_limit(&self) -> u32 {
        let shared = self.0.lock();
        let queued = shared.inject.iter().rev().find_map(|(_, limit)| *limit);
        let sent = shared.unacknowledged.iter().rev().find_map(|limit| *limit);
        queued.or(sent).unwrap_or(shared.limit.current)
    }

    pub(crate) fn highest_stream(&self) -> u32 {
        self.0.lock().highest_stream
    }
}

fn frame_header(length: usize, kind: u8, flags: u8) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_HEADER + length);
    frame.put_uint(length as u64, 3);
    frame.put_u8(kind);
    frame.put_u8(flags);
    frame.put_u32(0);
    frame
}

fn cut_by_script(tcp: &TcpStream, reset: bool) -> io::Error {
    if reset && let Err(error) = tcp.set_zero_linger() {
        return error;
    }
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the script cut this connection",
    )
}

/// Follows frame boundaries through a byte stream that comes in arbitrary pieces.
#[derive(Debug, Default)]
struct Boundaries {
    header: [u8; FRAME_HEADER],
    have: usize,
    remaining: usize,
}

impl Boundaries {
    fn at_boundary(&self) -> bool {
        self.have == 0 && self.remaining == 0
    }

    fn kind(&self) -> u8 {
        self.header[3]
    }

    fn is_ack(&self) -> bool {
        self.header[4] & FLAG_ACK != 0
    }

    fn stream(&self) -> u32 {
        u32::from_be_bytes([
            self.header[5],
            self.header[6],
            self.header[7],
            self.header[8],
        ]) & 0x7fff_ffff
    }

    /// Takes header bytes from `input`; true once the header is complete (and only then).
    fn take_header(&mut self, input: &mut &[u8]) -> bool {
        let n = (FRAME_HEADER - self.have).min(input.len());
        self.header[self.have..self.have + n].copy_from_slice(&input[..n]);
        *input = &input[n..];
        self.have += n;
        if self.have < FRAME_HEADER {
            return false;
        }
        self.have = 0;
        self.remaining = usize::from(self.header[0]) << 16
            | usize::from(self.header[1]) << 8
            | usize::from(self.header[2]);
        true
    }

    fn take_payload<'a>(&mut self, input: &mut &'a [u8]) -> &'a [u8] {
        let n = self.remaining.min(input.len());
        let (taken, rest) = input.split_at(n);
        *input = rest;
        self.remaining -= n;
        taken
    }
}

/// The TLS stream with the layer around it; `h2` is its only reader and writer.
#[derive(Debug)]
pub(crate) struct Wire {
    io: TlsStream<TcpStream>,
    shared: Arc<Mutex<Shared>>,
    scratch: Box<[u8]>,
    preface_left: usize,
    inbound: Boundaries,
    ready: BytesMut,
    outbound: Boundaries,
    first_settings: Option<Vec<u8>>,
    out: BytesMut,
    write_closed: bool,
}

impl Wire {
    pub(crate) fn new(io: TlsStream<TcpStream>, handle: &WireHandle) -> Wire {
        Wire {
            io,
            shared: Arc::clone(&handle.0),
            scratch: vec![0; 16 * 1024].into_boxed_slice(),
            preface_left: PREFACE,
            inbound: Boundaries::default(),
            ready: BytesMut::new(),
            outbound: Boundaries::default(),
            first_settings: Some(Vec::new()),
            out: BytesMut::new(),
            write_closed: false,
        }
    }

    /// Passes client bytes on to `ready`, without the acknowledgements that are ours.
    fn filter_inbound(&mut self, length: usize) {
        let mut shared = self.shared.lock();
        let mut input = &self.scratch[..length];
        let preface = self.preface_left.min(input.len());
        self.ready.extend_from_slice(&input[..preface]);
        self.preface_left -= preface;
        input = &input[preface..];
        while !input.is_empty() {
            if self.inbound.remaining > 0 {
                let payload = self.inbound.take_payload(&mut input);
                self.ready.extend_from_slice(payload);
                continue;
            }
            if !self.inbound.take_header(&mut input) {
                break;
            }
            match self.inbound.kind() {
                TYPE_HEADERS => {
                    shared.highest_stream = shared.highest_stream.max(self.inbound.stream());
                }
                TYPE_SETTINGS if self.inbound.is_ack() => {
                    if let Some(Some(max)) = shared.unacknowledged.pop_front() {
                        if max < shared.limit.current {
                            shared.limit = StreamLimit {
                                current: max,
                                before: shared.limit.current,
                                from_stream: shared.highest_stream + 1,
                            };
                        }
                        continue;
                    }
                }
                _ => {}
            }
            self.ready.extend_from_slice(&self.inbound.header);
        }
    }

    /// Takes frames written by `h2` into `out`; our own frames go in at the boundaries.
    fn filter_outbound(&mut self, mut input: &[u8]) {
        while !input.is_empty() {
            if self.outbound.remaining > 0 {
                let payload = self.outbound.take_payload(&mut input);
                match &mut self.first_settings {
                    Some(first) => {
                        first.extend_from_slice(payload);
                        self.release_first_settings();
                    }
                    None => self.out.extend_from_slice(payload),
                }
                continue;
            }
            if self.outbound.at_boundary() {
                self.inject();
            }
            if !self.outbound.take_header(&mut input) {
                break;
            }
            if self.outbound.kind() == TYPE_SETTINGS && !self.outbound.is_ack() {
                self.shared.lock().unacknowledged.push_back(None);
            }
            match &mut self.first_settings {
                Some(first) => {
                    first.extend_from_slice(&self.outbound.header);
                    self.release_first_settings();
                }
                None => self.out.extend_from_slice(&self.outbound.header),
            }
        }
    }

    /// The server's first SETTINGS states the connection's own stream limit.
    fn release_first_settings(&mut self) {
        if self.outbound.remaining > 0 {
            return;
        }
        let Some(mut first) = self.first_settings.take() else {
            return;
        };
        let limit = self.shared.lock().initial_limit;
        for setting in first[FRAME_HEADER..].chunks_exact_mut(6) {
            if setting[..2] == SETTING_MAX_STREAMS.to_be_bytes() {
                setting[2..].copy_from_slice(&limit.to_be_bytes());
            }
        }
        self.out.extend_from_slice(&first);
    }

    fn inject(&mut self) {
        if self.first_settings.is_some() || !self.outbound.at_boundary() {
            return;
        }
        let mut shared = self.shared.lock();
        while let Some((frame, limit)) = shared.inject.pop_front() {
            if limit.is_some() {
                shared.unacknowledged.push_back(limit);
            }
            self.out.extend_from_slice(&frame);
        }
    }

    /// Writes `out` to the last byte.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inject();
        while !self.out.is_empty() {
            if self.write_closed {
                self.out.clear();
                break;
            }
            let n = std::task::ready!(Pin::new(&mut self.io).poll_write(cx, &self.out))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(n);
        }
        if self.write_closed {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Closes our direction. Only a flush may do this: then `h2` has handed over every frame it
    /// has.
    fn poll_close(&mut self, cx: &mut Context<'_>, polite: bool) -> Poll<io::Result<()>> {
        if !self.write_closed {
            let closed = match polite {
                true => Pin::new(&mut self.io).poll_shutdown(cx),
                false => Pin::new(self.io.get_mut().0).poll_shutdown(cx),
            };
            std::task::ready!(closed)?;
            self.write_closed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn cut(&self, reset: bool) -> io::Error {
        cut_by_script(self.io.get_ref().0, reset)
    }

    /// Registers the connection's task and tells what state the script has put us in.
    fn enter(&self, cx: &Context<'_>) -> (bool, Ending) {
        let mut shared = self.shared.lock();
        match &mut shared.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            slot => *slot = Some(cx.waker().clone()),
        }
        (shared.frozen, shared.ending)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match this.enter(cx) {
            (_, Ending::Cut { reset }) => return Poll::Ready(Err(this.cut(reset))),
            (true, _) => return Poll::Pending,
            (false, _) => {}
        }
        if let Poll::Ready(Err(error)) = this.poll_drain(cx) {
            return Poll::Ready(Err(error));
        }
        while this.ready.is_empty() {
            let mut scratch = ReadBuf::new(&mut this.scratch);
            std::task::ready!(Pin::new(&mut this.io).poll_read(cx, &mut scratch))?;
            let n = scratch.filled().len();
            if n == 0 {
                return Poll::Ready(Ok(()));
            }
            if !this.write_closed {
                this.filter_inbound(n);
            }
        }
        let n = this.ready.len().min(buf.remaining());
        buf.put_slice(&this.ready[..n]);
        this.ready.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let (frozen, ending) = this.enter(cx);
        if let Ending::Cut { reset } = ending {
            return Poll::Ready(Err(this.cut(reset)));
        }
        if this.out.len() >= OUT_LIMIT {
            if frozen {
                return Poll::Pending;
            }
            std::task::ready!(this.poll_drain(cx))?;
        }
        this.filter_outbound(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.enter(cx) {
            (_, Ending::Cut { reset }) => Poll::Ready(Err(self.cut(reset))),
            (true, _) => Poll::Pending,
            (false, Ending::No) => self.poll_drain(cx),
            (false, Ending::HalfClose { polite }) => {
                std::task::ready!(self.poll_drain(cx))?;
                self.poll_close(cx, polite)
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.enter(cx) {
            (_, Ending::Cut { reset }) => Poll::Ready(Err(self.cut(reset))),
            (true, _) => Poll::Pending,
            (false, _) => {
                std::task::ready!(self.poll_drain(cx))?;
                Pin::new(&mut self.io).poll_shutdown(cx)
            }
        }
    }
}
