//! A gateway that looks at nothing, for benchmarks.
//!
//! It answers every request with success and an id of its own ([`BlindAnswer`]) as soon as the
//! stream's last frame is there, or a fixed time later. Header blocks are not decoded, tokens not verified,
//! nothing is recorded but the number of requests. One thread for each connection with blocking
//! reads: a small fraction of what any client spends, so that it is never the bottleneck. For
//! everything else use [`crate::Simulator`].

mod answer;
mod conversation;
mod frames;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::{ServerConfig, ServerConnection};

use crate::tls::Authority;
pub use answer::BlindAnswer;

/// How a blind gateway behaves.
#[derive(Debug, Clone)]
pub struct BlindConfig {
    /// Address to bind.
    pub bind: IpAddr,
    /// Port; 0 = any.
    pub port: u16,
    /// Where to keep the certificate authority between runs.
    pub state_dir: Option<PathBuf>,
    /// The authority that signs its certificate, so that several can be trusted as one; `None`: the
    /// one in `state_dir`, or a new one.
    pub authority: Option<Arc<Authority>>,
    /// Whose success it answers with.
    pub answer: BlindAnswer,
    /// Time between a request's last frame and its answer.
    pub delay: Duration,
    /// One TLS record and one write for each answer, as a busy remote gateway would send them,
    /// instead of all that are due together.
    pub separate_records: bool,
    /// SETTINGS_MAX_CONCURRENT_STREAMS.
    pub max_streams: u32,
    /// Connections (and threads) at once; more are closed.
    pub max_connections: usize,
}

impl Default for BlindConfig {
    fn default() -> BlindConfig {
        BlindConfig {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            state_dir: None,
            authority: None,
            answer: BlindAnswer::default(),
            delay: Duration::ZERO,
            separate_records: false,
            max_streams: 1000,
            max_connections: 256,
        }
    }
}

/// A running blind gateway; ends when it is dropped.
///
/// ```
/// use push_sim::{BlindConfig, BlindServer};
/// let blind = BlindServer::start(BlindConfig::default())?;
/// println!("trust {} and connect to {}", blind.ca_pem().len(), blind.address());
/// assert_eq!(blind.requests(), 0);
/// blind.shutdown();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct BlindServer {
    address: SocketAddr,
    ca_pem: String,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    config: BlindConfig,
    requests: AtomicU64,
    connections: AtomicU64,
    stopping: AtomicBool,
    /// Open sockets, so that a stop can wake their threads.
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl BlindServer {
    /// Binds the port and starts serving.
    ///
    /// # Errors
    /// When the port is taken, or the certificate authority cannot be read or made.
    pub fn start(config: BlindConfig) -> io::Result<BlindServer> {
        let authority = match (&config.authority, &config.state_dir) {
            (Some(authority), _) => Arc::clone(authority),
            (None, Some(dir)) => Arc::new(Authority::load_or_generate(dir)?),
            (None, None) => Arc::new(Authority::generate()?),
        };
        let mut tls = authority.server_config()?;
        tls.send_tls13_tickets = 0;
        let listener = TcpListener::bind(SocketAddr::new(config.bind, config.port))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            config,
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            open: Mutex::new(HashMap::new()),
        });
        let acceptor = std::thread::Builder::new()
            .name("push-sim-blind".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || accept(&listener, &Arc::new(tls), &shared)
            })?;
        let ca_pem = authority.ca_pem().to_owned();
        Ok(BlindServer {
            address,
            ca_pem,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate authority a client has to trust, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Requests received completely so far.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Closes every connection and waits for the threads to end.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        let Some(acceptor) = self.acceptor.take() else {
            return;
        };
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; if nobody can connect any more it is not accepting either.
        let woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok();
        for tcp in self.shared.open.lock().values() {
            let _ = tcp.shutdown(Shutdown::Both);
        }
        if woken {
            let _ = acceptor.join();
        }
    }
}

impl Drop for BlindServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept(listener: &TcpListener, tls: &Arc<ServerConfig>, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    let mut next = 0_u64;
    while let Ok((tcp, _)) = listener.accept() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        threads.retain(|thread| !thread.is_finished());
        if threads.len() >= shared.config.max_connections {
            continue;
        }
        let (Ok(twin), Ok(session)) = (tcp.try_clone(), ServerConnection::new(Arc::clone(tls)))
        else {
            continue;
        };
        next += 1;
        let id = next;
        shared.open.lock().insert(id, twin);
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let served = Arc::clone(shared);
        let thread = std::thread::Builder::new()
            .name(format!("push-sim-blind-{id}"))
            .spawn(move || {
                // However it ends, the other side has closed or sent nonsense.
                let _ = conversation::hold(tcp, session, &served.config, &served.requests);
                served.open.lock().remove(&id);
            });
        match thread {
            Ok(thread) => threads.push(thread),
            Err(_) => {
                shared.open.lock().remove(&id);
            }
        }
    }
    for tcp in shared.open.lock().values() {
        let _ = tcp.shutdown(Shutdown::Both);
    }
    for thread in threads {
        let _ = thread.join();
    }
}
