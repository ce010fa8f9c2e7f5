//! A scripted HTTP/2 peer, frame by frame: what an honest server never does.
//!
//! It knows frames, not HTTP/2: no state machine, no flow control, no opinion. A test says what it reads and writes. Two
//! conveniences only: a `SETTINGS` frame is acknowledged, and request headers are decoded by feeding them to a real
//! `h2` server that nobody else talks to.
//!
//! Included by path into the tests of the protocols above this crate.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

const MAX_CONCURRENT_STREAMS: u16 = 3;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longest life of a test, so that a failing one ends. Never reached by a passing one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Bytes,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) stream: u32,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

pub(crate) struct Peer {
    io: Box<dyn Io>,
    inbox: BytesMut,
    decoder: Decoder,
    bodies: HashMap<u32, (Option<http::request::Parts>, BytesMut)>,
    acks_pings: bool,
}

impl Peer {
    /// Reads the client's preface; says nothing yet.
    pub(crate) async fn accept(io: impl Io + 'static) -> Self {
        let mut io: Box<dyn Io> = Box::new(io);
        let mut preface = [0; PREFACE.len()];
        io.read_exact(&mut preface).await.expect("a preface");
        assert_eq!(preface, PREFACE);
        Self {
            io,
            inbox: BytesMut::new(),
            decoder: Decoder::new().await,
            bodies: HashMap::new(),
            acks_pings: true,
        }
    }

    /// Accepts, and allows this many streams.
    pub(crate) async fn ready(io: impl Io + 'static, max_streams: u32) -> Self {
        let mut peer = Self::accept(io).await;
        peer.max_streams(max_streams).await;
        peer
    }

    /// From now on PINGs stay unanswered.
    pub(crate) fn ignore_pings(&mut self) {
        self.acks_pings = false;
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.try_send(kind, flags, stream, payload)
            .await
            .expect("the client reads");
    }

    pub(crate) async fn try_send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> io::Result<()> {
        let mut frame = BytesMut::with_capacity(9 + payload.len());
        frame.put_uint(payload.len() as u64, 3);
        frame.put_u8(kind);
        frame.put_u8(flags);
        frame.put_u32(stream);
        frame.put_slice(payload);
        self.io.write_all(&frame).await
    }

    /// Bytes that are no whole frame.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the client reads");
    }

    /// `SETTINGS` with this number of streams.
    pub(crate) async fn max_streams(&mut self, number: u32) {
        self.try_max_streams(number)
            .await
            .expect("the client reads");
    }

    pub(crate) async fn try_max_streams(&mut self, number: u32) -> io::Result<()> {
        let mut payload = BytesMut::new();
        payload.put_u16(MAX_CONCURRENT_STREAMS);
        payload.put_u32(number);
        self.try_send(SETTINGS, 0, 0, &payload).await
    }

    pub(crate) async fn goaway(&mut self, last_stream: u32, code: u32, debug_data: &[u8]) {
        self.try_goaway(last_stream, code, debug_data)
            .await
            .expect("the client reads");
    }

    pub(crate) async fn try_goaway(
        &mut self,
        last_stream: u32,
        code: u32,
        debug_data: &[u8],
    ) -> io::Result<()> {
        let mut payload = BytesMut::new();
        payload.put_u32(last_stream);
        payload.put_u32(code);
        payload.put_slice(debug_data);
        self.try_send(GOAWAY, 0, 0, &payload).await
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.try_reset(stream, code)
            .await
            .expect("the client reads");
    }

    pub(crate) async fn try_reset(&mut self, stream: u32, code: u32) -> io::Result<()> {
        self.try_send(RST_STREAM, 0, stream, &code.to_be_bytes())
            .await
    }

    /// HEADERS with a status and headers; `flags` besides `END_HEADERS`.
    pub(crate) async fn head(
        &mut self,
        stream: u32,
        status: u16,
        headers: &[(&str, &str)],
        flags: u8,
    ) {
        let block = header_block(status, headers);
        self.send(HEADERS, END_HEADERS | flags, stream, &block)
            .await;
    }

    pub(crate) async fn try_head(&mut self, stream: u32, status: u16, flags: u8) -> io::Result<()> {
        self.try_send(
            HEADERS,
            END_HEADERS | flags,
            stream,
            &header_block(status, &[]),
        )
        .await
    }

    /// A whole answer, the way Apple gives it: without a body it ends with the headers.
    pub(crate) async fn answer(
        &mut self,
        stream: u32,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
    ) {
        if body.is_empty() {
            return self.head(stream, status, headers, END_STREAM).await;
        }
        self.head(stream, status, headers, 0).await;
        self.send(DATA, END_STREAM, stream, body.as_bytes()).await;
    }

    /// 200 without a body.
    pub(crate) async fn accept_push(&mut self, stream: u32) {
        self.answer(stream, 200, &[], "").await;
    }

    /// An error status with Apple's JSON.
    pub(crate) async fn reject(&mut self, stream: u32, status: u16, reason: &str) {
        let body = format!("{{\"reason\":\"{reason}\"}}");
        self.answer(
            stream,
            status,
            &[("content-type", "application/json")],
            &body,
        )
        .await;
    }

    /// The next frame, whatever it is; `None` at the end of the stream. `SETTINGS` are acknowledged, and PINGs unless
    /// told otherwise.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        if !self.has_frame().await {
            return None;
        }
        let head = self.inbox.split_to(9);
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = self.inbox.split_to(length).freeze();
        let frame = Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff,
            payload,
        };
        if frame.kind == SETTINGS && frame.flags & ACK == 0 {
            // A client that has closed already needs no acknowledgement.
            let _ = self.try_send(SETTINGS, ACK, 0, b"").await;
        }
        if frame.kind == PING && frame.flags & ACK == 0 && self.acks_pings {
            let _ = self.try_send(PING, ACK, 0, &frame.payload).await;
        }
        Some(frame)
    }

    /// Waits until there is a whole frame, or false at the end of the stream. Nothing is lost if the future is dropped.
    pub(crate) async fn has_frame(&mut self) -> bool {
        loop {
            if let Some(head) = self.inbox.first_chunk::<9>() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if self.inbox.len() >= 9 + length {
                    return true;
                }
            }
            match self.io.read_buf(&mut self.inbox).await {
                Ok(0) | Err(_) => return false,
                Ok(_) => {}
            }
        }
    }

    /// The next frame of this kind; others are passed over, requests included.
    pub(crate) async fn frame_of(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.frame().await.expect("the client goes on");
            if frame.kind == kind && (kind != PING || frame.flags & ACK == 0) {
                return frame;
            }
        }
    }

    /// The next whole request, or `None` if the client closes first.
    pub(crate) async fn try_request(&mut self) -> Option<Request> {
        loop {
            let frame = self.frame().await?;
            if let Some(request) = self.absorb(frame).await {
                return Some(request);
            }
        }
    }

    /// Takes note of a frame; the request that it completes, if it does.
    pub(crate) async fn absorb(&mut self, frame: Frame) -> Option<Request> {
        let stream = frame.stream;
        match frame.kind {
            HEADERS => {
                assert!(
                    frame.flags & END_HEADERS != 0,
                    "no CONTINUATION in these tests"
                );
                let parts = self.decoder.decode(stream, &frame.payload).await;
                self.bodies.insert(stream, (Some(parts), BytesMut::new()));
            }
            DATA => {
                let length = frame.payload.len() as u32;
                if let Some((_, body)) = self.bodies.get_mut(&stream) {
                    body.extend_from_slice(&frame.payload);
                }
                if length > 0 {
                    // A client that has gone needs no window.
                    let _ = self
                        .try_send(WINDOW_UPDATE, 0, 0, &length.to_be_bytes())
                        .await;
                }
            }
            _ => return None,
        }
        if frame.flags & END_STREAM == 0 {
            return None;
        }
        let (parts, body) = self.bodies.remove(&stream)?;
        let parts = parts?;
        Some(Request {
            stream,
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            body: body.freeze(),
        })
    }

    pub(crate) async fn request(&mut self) -> Request {
        self.try_request().await.expect("another request")
    }

    pub(crate) async fn requests(&mut self, count: usize) -> Vec<Request> {
        let mut requests = Vec::new();
        while requests.len() < count {
            requests.push(self.request().await);
        }
        requests
    }

    /// Answers every request with 200 until the client closes.
    pub(crate) async fn accept_all(mut self) -> usize {
        let mut count = 0;
        while let Some(request) = self.try_request().await {
            count += 1;
            if self
                .try_send(HEADERS, END_HEADERS | END_STREAM, request.stream, &[0x88])
                .await
                .is_err()
            {
                break;
            }
        }
        count
    }

    /// Whether a request arrives although none should. Everything that the client has to say by itself has been said
    /// once it answers a PING.
    pub(crate) async fn no_request(&mut self) -> bool {
        const MARK: [u8; 8] = *b"say when";
        self.send(PING, 0, 0, &MARK).await;
        loop {
            let frame = self.frame().await.expect("the client goes on");
            match frame.kind {
                HEADERS => return false,
                PING if frame.flags & ACK != 0 && frame.payload[..] == MARK => return true,
                _ => {}
            }
        }
    }

    /// Waits for the client's end of the connection.
    pub(crate) async fn closed(&mut self) {
        while self.frame().await.is_some() {}
    }
}

/// `:status` and headers as literals, never indexed, without Huffman coding.
pub(crate) fn header_block(status: u16, headers: &[(&str, &str)]) -> BytesMut {
    let mut block = BytesMut::new();
    block.put_slice(&[0x08, 3]);
    block.put_slice(status.to_string().as_bytes());
    for (name, value) in headers {
        assert!(name.len() < 127 && value.len() < 127);
        block.put_slice(&[0x10, name.len() as u8]);
        block.put_slice(name.as_bytes());
        block.put_u8(value.len() as u8);
        block.put_slice(value.as_bytes());
    }
    block
}

/// Ends the whole test run if `test` hangs. By a thread and not by a timer, because the clock of some tests is paused.
#[expect(
    clippy::print_stderr,
    reason = "the only way to name the test before the end of everything"
)]
pub(crate) async fn watched<T>(test: impl Future<Output = T>) -> T {
    let (done, is_done) = std::sync::mpsc::sync_channel::<()>(1);
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    std::thread::spawn(move || {
        if is_done.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            std::process::abort();
        }
    });
    let result = test.await;
    drop(done);
    result
}

/// Decodes header blocks with a real `h2` server.
struct Decoder {
    feed: DuplexStream,
    decoded: mpsc::Receiver<http::request::Parts>,
}

impl Decoder {
    async fn new() -> Self {
        let (mut feed, far) = tokio::io::duplex(1024 * 1024);
        let (sender, decoded) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut builder = h2::server::Builder::new();
            let mut server = builder
                .max_concurrent_streams(1 << 20)
                .handshake::<_, Bytes>(far)
                .await
                .unwrap();
            let mut kept = Vec::new();
            while let Some(Ok((request, respond))) = server.accept().await {
                kept.push(respond);
                if sender.send(request.into_parts().0).await.is_err() {
                    return;
                }
            }
        });
        feed.write_all(PREFACE).await.unwrap();
        feed.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        Self { feed, decoded }
    }

    async fn decode(&mut self, stream: u32, block: &[u8]) -> http::request::Parts {
        let mut frame = BytesMut::new();
        frame.put_uint(block.len() as u64, 3);
        // The body is not fed, so the stream stays open: its end would belie a content-length.
        frame.put_slice(&[HEADERS, END_HEADERS]);
        frame.put_u32(stream);
        frame.put_slice(block);
        self.feed.write_all(&frame).await.unwrap();
        // What the server says in return is of no interest, but must not fill the pipe.
        let mut sink = [0; 4096];
        while let Ok(Ok(count)) =
            tokio::time::timeout(Duration::ZERO, self.feed.read(&mut sink)).await
        {
            assert!(count > 0, "the decoder took offence");
        }
        self.decoded.recv().await.expect("a legal header block")
    }
}
