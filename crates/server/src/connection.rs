//! The API's connections: no more at once than the configuration allows, and none that is held by a
//! client who says nothing.
//!
//! Beyond the bound new connections are not accepted: they wait in the kernel's queue, whose length
//! is the kernel's. What a connection carries is hyper's, and how many requests are carried out at
//! once is the API's.

use axum_server::accept::Accept;
use axum_server::{AddrListener, Address};
use parking_lot::Mutex;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Least time between two log lines about the bound.
const QUIET: Duration = Duration::from_secs(60);
/// Length of HTTP/2's preface (RFC 9113 section 3.4): hyper reads at most so much before it knows the
/// protocol, and has no deadline of its own until then.
const PREFACE_BYTES: usize = 24;

/// A client's address, for a listener that is bounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(#[expect(dead_code, reason = "shown by Debug only")] SocketAddr);

impl Address for Peer {
    type Stream = Admitted;
    type Listener = Bounded;
}

/// A connection that is within the bound.
pub(crate) struct Admitted {
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
}

/// Accepts while there is room.
pub(crate) struct Bounded {
    socket: TcpListener,
    room: Arc<Semaphore>,
    most: usize,
    said: Mutex<Option<Instant>>,
}

impl Bounded {
    /// At most `most` connections at once.
    pub(crate) fn new(socket: std::net::TcpListener, most: usize) -> io::Result<Self> {
        Ok(Self {
            socket: TcpListener::from_std(socket)?,
            room: Arc::new(Semaphore::new(most)),
            most,
            said: Mutex::new(None),
        })
    }

    fn say_full(&self) {
        let mut said = self.said.lock();
        if said.is_none_or(|at| at.elapsed() >= QUIET) {
            *said = Some(Instant::now());
            let most = self.most;
            tracing::warn!(
                connections = most,
                "{most} connections to the API are open: new ones wait until one is closed (server.connections)"
            );
        }
    }
}

impl AddrListener<Admitted, Peer> for Bounded {
    async fn bind_to(_: Peer) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "it is bound before it is bounded",
        ))
    }

    async fn accept_stream(&self) -> io::Result<(Admitted, Peer)> {
        let room = Arc::clone(&self.room);
        let permit = match Arc::clone(&room).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.say_full();
                room.acquire_owned().await.map_err(io::Error::other)?
            }
        };
        let (stream, peer) = self.socket.accept().await?;
        Ok((Admitted { stream, permit }, Peer(peer)))
    }

    fn get_local_addr(&self) -> io::Result<Peer> {
        self.socket.local_addr().map(Peer)
    }
}

/// Accepts as the inner one does, and cuts a client who does not begin to speak in time.
#[derive(Clone)]
pub(crate) struct Prompt<A> {
    inner: A,
    within: Duration,
}

impl<A> Prompt<A> {
    /// With this much patience.
    pub(crate) fn new(inner: A, within: Duration) -> Self {
        Self { inner, within }
    }
}

type Accepting<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl<A, S> Accept<Admitted, S> for Prompt<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
    A::Stream: 'static,
    A::Service: 'static,
{
    type Stream = Connection<A::Stream>;
    type Service = A::Service;
    type Future = Accepting<(Self::Stream, Self::Service)>;

    fn accept(&self, admitted: Admitted, service: S) -> Self::Future {
        let Admitted { stream, permit } = admitted;
        let accepting = self.inner.accept(stream, service);
        let within = self.within;
        Box::pin(async move {
            let (stream, service) = accepting.await?;
            Ok((Connection::new(stream, Some(permit), within), service))
        })
    }
}

/// A connection, with its place under the bound for as long as it lives.
pub(crate) struct Connection<S> {
    stream: S,
    _permit: Option<OwnedSemaphorePermit>,
    /// Until the protocol is known.
    deadline: Option<Pin<Box<Sleep>>>,
    heard: usize,
}

impl<S> Connection<S> {
    fn new(stream: S, permit: Option<OwnedSemaphorePermit>, within: Duration) -> Self {
        Self {
            stream,
            _permit: permit,
            deadline: Some(Box::pin(tokio::time::sleep(within))),
            heard: 0,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let Some(deadline) = &mut this.deadline else {
            return read;
        };
        if read.is_ready() {
            this.heard += buf.filled().len() - before;
            if this.heard >= PREFACE_BYTES {
                this.deadline = None;
            }
            return read;
        }
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Whoever is answered has spoken, in however few bytes.
        self.deadline = None;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.deadline = None;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    const WITHIN: Duration = Duration::from_secs(60);

    fn pair() -> (DuplexStream, Connection<DuplexStream>) {
        let (client, server) = tokio::io::duplex(1_024);
        (client, Connection::new(server, None, WITHIN))
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_not_enough_is_cut() {
        for said in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM"] {
            let (mut client, mut server) = pair();
            client.write_all(said.as_bytes()).await.unwrap();
            let begun = Instant::now();
            let mut heard = vec![0; PREFACE_BYTES];
            let error = server.read_exact(&mut heard).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{said:?}");
            assert_eq!(begun.elapsed().as_secs(), WITHIN.as_secs());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_spoken_or_is_answered_may_be_silent() {
        for answered in [false, true] {
            let (mut client, mut server) = pair();
            if answered {
                client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
                server.read_exact(&mut [0; 18]).await.unwrap();
                server.write_all(b"HTTP/1.0 200 OK\r\n").await.unwrap();
            } else {
                client.write_all(&[b'x'; PREFACE_BYTES]).await.unwrap();
                server.read_exact(&mut [0; PREFACE_BYTES]).await.unwrap();
            }
            let more = tokio::time::timeout(WITHIN * 10, server.read_u8()).await;
            assert!(more.is_err(), "it waits on: {more:?}");
        }
    }

    #[tokio::test]
    async fn beyond_the_bound_nobody_is_accepted_until_one_goes() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let bounded = Bounded::new(socket, 1).unwrap();
        let _first = TcpStream::connect(address).await.unwrap();
        let _second = TcpStream::connect(address).await.unwrap();
        let (admitted, _) = bounded.accept_stream().await.unwrap();
        let mut next = Box::pin(bounded.accept_stream());
        assert!(futures_util::poll!(&mut next).is_pending());
        assert_eq!(bounded.room.available_permits(), 0);
        drop(admitted);
        next.await.unwrap();
    }
}
