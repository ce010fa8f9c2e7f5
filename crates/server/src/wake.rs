//! Wake-ups between processes that share a store: a datagram that says "look", and nothing else.
//!
//! It is neither answered nor sent again: one that is lost costs what is left until the next look. It bears a word that
//! only this installation's processes can make, so that strangers cannot have the database asked; who repeats it has it
//! asked no more often than `engine.wake_pause` allows.

use crate::config::Config;
use carillon_engine::{Engine, WakeUp};
use carillon_store_sql::Host;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

/// The word's length.
const WORD: usize = 32;

/// Where this process is woken, and from where it wakes others.
pub(crate) struct Waker {
    socket: Arc<UdpSocket>,
    word: [u8; WORD],
    /// What others are told; empty: nothing that they could reach.
    pub(crate) address: String,
}

impl Waker {
    /// Takes the port of the listener, for datagrams. `None`, with a word in the log: there will be no wake-ups.
    pub(crate) fn bind(config: &Config, listener: SocketAddr, word: [u8; WORD]) -> Option<Self> {
        let socket = match UdpSocket::bind(listener).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        }) {
            Ok(socket) => Arc::new(socket),
            Err(error) => {
                tracing::warn!(
                    %error,
                    "cannot take UDP port {listener} ({error}): this process is not woken by others, and finds out within engine.poll_interval"
                );
                return None;
            }
        };
        Some(Self {
            socket,
            word,
            address: address(config, listener),
        })
    }

    /// Wakes others.
    pub(crate) fn wake_up(&self) -> WakeUp {
        let (socket, word) = (self.socket.clone(), self.word);
        Arc::new(move |addresses: &[String]| {
            for address in addresses {
                if let Ok(to) = address.parse::<SocketAddr>()
                    && let Err(error) = socket.send_to(&word, to)
                {
                    tracing::debug!(%error, address, "a wake-up was not sent");
                }
            }
        })
    }

    /// Listens as long as the runtime lives.
    pub(crate) fn listen(&self, engine: &Engine) -> std::io::Result<()> {
        let socket = tokio::net::UdpSocket::from_std(self.socket.try_clone()?)?;
        let (word, engine) = (self.word, engine.clone());
        tokio::spawn(async move {
            let mut bytes = [0; WORD + 1];
            loop {
                match socket.recv_from(&mut bytes).await {
                    Ok((length, _)) if bytes[..length] == word => engine.look(),
                    Ok(_) => {}
                    // Of somebody who is not there any more.
                    Err(error) => tracing::debug!(%error, "no wake-up"),
                }
            }
        });
        Ok(())
    }
}

/// What others are told: as it is set; else the listener's, and where that stands for all of this machine's
/// addresses, the one from which the database is reached.
fn address(config: &Config, listener: SocketAddr) -> String {
    if let Some(set) = &config.server.wake_address {
        return set.to_string();
    }
    if !listener.ip().is_unspecified() {
        return listener.to_string();
    }
    match own_address(config) {
        Some(ip) => SocketAddr::new(ip, listener.port()).to_string(),
        None => String::new(),
    }
}

/// By which of its addresses this machine speaks to the database. Nothing is sent for that.
fn own_address(config: &Config) -> Option<IpAddr> {
    let url = config.store.server()?;
    let to = url.hosts.iter().find_map(|host| match host {
        Host::Tcp { host, port } => {
            let found = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), *port));
            found.ok()?.next()
        }
        Host::Socket { .. } => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))),
    })?;
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
