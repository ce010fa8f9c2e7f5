//! The way to a database server: every connection goes through here, so that it can be cut, and stopped without a word.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes that are carried at once.
const BUFFER: usize = 64 << 10;

/// What comes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passage {
    Open,
    /// Nothing, and nobody is told.
    Frozen,
    /// Nothing, and whoever comes is turned away.
    Closed,
}

#[derive(Debug)]
struct Shared {
    passage: watch::Sender<Passage>,
    /// Connections of older numbers end.
    number: watch::Sender<u64>,
    connections: AtomicU64,
}

/// The way. Ends when dropped, and every connection with it.
#[derive(Debug)]
pub(crate) struct Way {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Way {
    /// A way to `server`.
    pub(crate) async fn lead_to(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("cannot listen for connections to the database")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            passage: watch::Sender::new(Passage::Open),
            number: watch::Sender::new(0),
            connections: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// Where it begins.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection; how many they were.
    pub(crate) fn cut(&self) -> u64 {
        let count = self.shared.connections.load(Ordering::Relaxed);
        self.shared.number.send_modify(|number| *number += 1);
        count
    }

    /// Cuts every connection, and turns away whoever comes.
    pub(crate) fn close(&self) -> u64 {
        self.shared.passage.send_replace(Passage::Closed);
        self.cut()
    }

    /// Carries nothing any more, without a word.
    pub(crate) fn freeze(&self) {
        self.shared.passage.send_replace(Passage::Frozen);
    }

    /// Carries everything again, and what was kept back.
    pub(crate) fn open(&self) {
        self.shared.passage.send_replace(Passage::Open);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            return;
        };
        if *shared.passage.borrow() == Passage::Closed {
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut number = shared.number.subscribe();
            number.borrow_and_update();
            shared.connections.fetch_add(1, Ordering::Relaxed);
            tokio::select! {
                _ = number.changed() => {}
                () = carry(client, server, &shared) => {}
            }
            shared.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Carries both directions until one of them ends.
async fn carry(client: TcpStream, server: SocketAddr, shared: &Shared) {
    until_open(shared).await;
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let is_ready = client.set_nodelay(true).is_ok() && server.set_nodelay(true).is_ok();
    if !is_ready {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = one_way(from_client, to_server, shared) => {}
        () = one_way(from_server, to_client, shared) => {}
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(count) if count > 0 => count,
            // What is gone is told when something comes through again.
            _ => return until_open(shared).await,
        };
        until_open(shared).await;
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn until_open(shared: &Shared) {
    let mut passage = shared.passage.subscribe();
    // Its sender lives as long as `shared`.
    let _ = passage
        .wait_for(|passage| *passage != Passage::Frozen)
        .await;
}
