//! The API's port: bound early, served late, over plain HTTP or TLS.
//!
//! Binding comes before the store is opened, so that a busy port costs nothing; until the first
//! request is served, connections wait in the kernel's queue.

use crate::config;
use crate::connection::{Bounded, Peer, Prompt};
use crate::exit::{Exit, Failure};
use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A bound port that nobody serves yet.
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<rustls::ServerConfig>>,
    header_timeout: Duration,
    connections: usize,
}

impl Listener {
    /// Reads the certificate, if one is set, and binds.
    pub(crate) fn bind(config: &config::Server) -> Result<Self, Failure> {
        let tls = tls(config)?;
        let refused = |error: std::io::Error| refused(config.listen, &error);
        let socket = TcpListener::bind(config.listen).map_err(refused)?;
        socket.set_nonblocking(true).map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        Ok(Self {
            socket,
            address,
            tls,
            header_timeout: config.header_timeout.duration(),
            connections: crate::open_files::make_room(config.connections),
        })
    }

    /// Where clients reach it. An address that means "all of them" is shown as localhost.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        if self.address.ip().is_unspecified() {
            format!("{scheme}://localhost:{}", self.address.port())
        } else {
            format!("{scheme}://{}", self.address)
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the handle says stop and the last request is answered.
    pub(crate) async fn serve(self, router: Router, handle: Handle<Peer>) -> std::io::Result<()> {
        let service = router.into_make_service();
        let header_timeout = self.header_timeout;
        let bounded = Bounded::new(self.socket, self.connections)?;
        let mut server = Server::<Peer>::from_listener(bounded).handle(handle);
        tune(server.http_builder(), header_timeout);
        let plain = NoDelayAcceptor::new();
        match self.tls {
            None => {
                let acceptor = Prompt::new(plain, header_timeout);
                server.acceptor(acceptor).serve(service).await
            }
            Some(tls) => {
                let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(tls))
                    .handshake_timeout(header_timeout)
                    .acceptor(plain);
                let acceptor = Prompt::new(acceptor, header_timeout);
                server.acceptor(acceptor).serve(service).await
            }
        }
    }
}

/// The certificate and its key, if they are set.
pub(crate) fn tls(config: &config::Server) -> Result<Option<Arc<rustls::ServerConfig>>, Failure> {
    match (&config.tls_certificate_file, &config.tls_private_key_file) {
        (Some(certificate), Some(key)) => read_tls(certificate, key).map(Some),
        _ => Ok(None),
    }
}

fn tune(
    builder: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>,
    header_timeout: Duration,
) {
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        // A peer that is gone without a word would hold its place under the bound for ever.
        .keep_alive_interval(header_timeout)
        .keep_alive_timeout(header_timeout)
        .max_concurrent_streams(200);
}

fn refused(address: SocketAddr, error: &std::io::Error) -> Failure {
    let (exit, why, mend) = match error.kind() {
        ErrorKind::AddrInUse => (
            Exit::Unavailable,
            "another program listens there".to_owned(),
            "stop that program, or set server.listen to another port",
        ),
        ErrorKind::PermissionDenied => (
            Exit::NoPermission,
            "ports below 1024 need a privilege".to_owned(),
            "set server.listen to a port above 1023",
        ),
        ErrorKind::AddrNotAvailable => (
            Exit::Unavailable,
            "this machine does not have that address".to_owned(),
            "set server.listen to an address of this machine, e.g. 127.0.0.1 or 0.0.0.0",
        ),
        _ => (Exit::Io, error.to_string(), "check server.listen"),
    };
    Failure::new(
        exit,
        format!("server.listen: cannot listen on {address}: {why}"),
    )
    .mend(mend)
}

fn read_tls(certificate: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, Failure> {
    let wrong = |setting: &str, path: &Path, why: &dyn std::fmt::Display| {
        Failure::new(Exit::Usage, format!("{setting}: {}: {why}", path.display()))
            .mend("give PEM files: the chain with the server's own certificate first, and its private key")
    };
    let certificates_text = std::fs::read(certificate)
        .map_err(|error| Failure::io("read server.tls_certificate_file,", certificate, &error))?;
    let key_text = zeroize::Zeroizing::new(
        std::fs::read(key)
            .map_err(|error| Failure::io("read server.tls_private_key_file,", key, &error))?,
    );
    let chain = CertificateDer::pem_slice_iter(&certificates_text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong("server.tls_certificate_file", certificate, &error))?;
    if chain.is_empty() {
        return Err(wrong(
            "server.tls_certificate_file",
            certificate,
            &"no certificate in it",
        ));
    }
    let private_key = PrivateKeyDer::from_pem_slice(&key_text)
        .map_err(|error| wrong("server.tls_private_key_file", key, &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("server.tls_certificate_file", certificate, &error))?
        .with_no_client_auth()
        .with_single_cert(chain, private_key)
        .map_err(|error| wrong("server.tls_certificate_file", certificate, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
