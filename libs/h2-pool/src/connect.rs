//! From a host name to a byte stream: name lookup, TCP, proxy, TLS.
//!
//! Names are looked up afresh for every connection and the addresses tried in random order, so that load spreads over
//! a gateway's machines and follows them when they move. There is no cache here, and no deadline either: the pool sets
//! one around all of it.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;

use crate::error::{Error, ErrorKind};
use crate::random;

/// A future on the pool's thread.
type Local<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A byte stream that HTTP/2 can be spoken over.
pub trait Stream: AsyncRead + AsyncWrite + 'static {}

impl<T: AsyncRead + AsyncWrite + 'static> Stream for T {}

/// Makes byte streams to the origin. [`Connector`] is the usual one; a test may hand out in-memory pipes.
pub trait Connect: 'static {
    /// One try. `seed` decides whatever is left to chance.
    fn connect(&self, seed: u64) -> Local<'_, Result<Box<dyn Stream>, Error>>;
}

/// Looks a name up. Called for each connect; what it returns is not kept.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `host`, each with `port`.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Local<'a, io::Result<Vec<SocketAddr>>>;
}

/// The operating system's resolver.
struct SystemResolver;

/// An HTTP proxy that is asked to `CONNECT` (RFC 9110 section 9.3.6).
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    authorization: Option<String>,
}

/// How to speak TLS: TLS 1.2 or newer, ALPN `h2` offered, a peer that selects none accepted.
#[derive(Clone)]
pub struct Tls {
    extra_roots: Vec<CertificateDer<'static>>,
    client: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
}

/// Connects over TCP, with TLS and through a proxy if so told.
///
/// ```
/// use h2_pool::{Connector, Proxy, Tls};
/// let connector = Connector::new("api.push.apple.com", 443)
///     .tls(Tls::new())?
///     .proxy(Proxy::new("proxy.example", 3128).basic_auth("user", "secret"));
/// assert!(!format!("{connector:?}").contains("secret"));
/// # Ok::<(), h2_pool::Error>(())
/// ```
#[derive(Clone)]
pub struct Connector {
    host: String,
    port: u16,
    tls: Option<(tokio_rustls::TlsConnector, ServerName<'static>)>,
    proxy: Option<Proxy>,
    resolver: Arc<dyn Resolve>,
}

/// Bytes read from the socket at once. `rustls` alone asks for about 4 KiB at a time.
const READ_BUFFER: usize = 64 * 1024;

/// Longest answer to `CONNECT` that is read.
const PROXY_ANSWER: u64 = 8 * 1024;

/// Shortest time given to one address of several.
const MIN_PER_ADDRESS: Duration = Duration::from_millis(500);

/// Longest time given to one address while others are left to try.
const MAX_PER_ADDRESS: Duration = Duration::from_secs(3);

impl Tls {
    /// Trusts the public certificate authorities (Mozilla's list).
    pub fn new() -> Self {
        Self {
            extra_roots: Vec::new(),
            client: None,
        }
    }

    /// Trusts these certificate authorities besides: for a simulator, or a proxy that inspects.
    ///
    /// # Errors
    /// If the PEM text holds no certificate, or a broken one.
    pub fn extra_ca_pem(mut self, pem: &[u8]) -> Result<Self, Error> {
        self.extra_roots.extend(certificates(pem, "extra CA")?);
        Ok(self)
    }

    /// Shows this certificate (with its chain, leaf first) to the server.
    ///
    /// # Errors
    /// If the PEM text holds no certificate or no private key.
    pub fn client_certificate_pem(
        mut self,
        certificate: &[u8],
        private_key: &[u8],
    ) -> Result<Self, Error> {
        let chain = certificates(certificate, "client certificate")?;
        let private_key = PrivateKeyDer::from_pem_slice(private_key)
            .map_err(|error| invalid(format!("private key of the client certificate: {error}")))?;
        self.client = Some((chain, Arc::new(private_key)));
        Ok(self)
    }

    /// Like [`client_certificate_pem`](Self::client_certificate_pem), from DER: the chain, leaf first, and a private
    /// key in PKCS#8, PKCS#1 or SEC1 form.
    ///
    /// # Errors
    /// If the private key has none of these forms.
    pub fn client_certificate_der(
        mut self,
        chain: Vec<Vec<u8>>,
        private_key: Vec<u8>,
    ) -> Result<Self, Error> {
        let private_key = PrivateKeyDer::try_from(private_key)
            .map_err(|error| invalid(format!("private key of the client certificate: {error}")))?;
        self.client = Some((
            chain.into_iter().map(CertificateDer::from).collect(),
            Arc::new(private_key),
        ));
        Ok(self)
    }

    fn connector(self) -> Result<tokio_rustls::TlsConnector, Error> {
        let mut roots = rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        for root in self.extra_roots {
            roots
                .add(root)
                .map_err(|error| invalid(format!("extra CA: {error}")))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid(format!("TLS: {error}")))?
            .with_root_certificates(roots);
        let mut config = match self.client {
            None => builder.with_no_client_auth(),
            Some((chain, private_key)) => builder
                .with_client_auth_cert(chain, private_key.clone_key())
                .map_err(|error| invalid(format!("client certificate: {error}")))?,
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config).into())
    }
}

impl Proxy {
    /// The proxy's own address. It is spoken to in clear; what goes through it is TLS.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            authorization: None,
        }
    }

    /// Shows a user name and a password (RFC 7617).
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        self.authorization = Some(format!(
            "Basic {}",
            BASE64.encode(format!("{user}:{password}"))
        ));
        self
    }
}

impl Connector {
    /// Plain TCP to `host`, which may be a name or an address. Without [`tls`](Self::tls) HTTP/2 is spoken in clear,
    /// with prior knowledge.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            tls: None,
            proxy: None,
            resolver: Arc::new(SystemResolver),
        }
    }

    /// Speaks TLS.
    ///
    /// # Errors
    /// If the host cannot stand in a certificate, or the certificates in `tls` do not fit together.
    pub fn tls(mut self, tls: Tls) -> Result<Self, Error> {
        let name = ServerName::try_from(self.host.clone()).map_err(|_| {
            invalid(format!(
                "{:?} is neither a host name nor an address",
                self.host
            ))
        })?;
        self.tls = Some((tls.connector()?, name));
        Ok(self)
    }

    /// Goes through a proxy, which then also looks up the host's name.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Looks names up elsewhere than at the operating system.
    pub fn resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        self
    }

    async fn tcp(&self, host: &str, port: u16, seed: u64) -> Result<TcpStream, Error> {
        let mut addresses = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self
                .resolver
                .resolve(host, port)
                .await
                .map_err(|error| failed(format!("looking up {host}: {error}")))?,
        };
        if addresses.is_empty() {
            return Err(failed(format!("looking up {host}: no address")));
        }
        random::shuffle(&mut addresses, seed);
        let last = addresses.len() - 1;
        let mut trouble = Vec::new();
        for (position, address) in addresses.into_iter().enumerate() {
            let attempt = TcpStream::connect(address);
            let result = if position == last {
                attempt.await
            } else {
                let patience = (MAX_PER_ADDRESS / (last as u32)).max(MIN_PER_ADDRESS);
                tokio::time::timeout(patience, attempt)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            };
            match result.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
                Ok(stream) => return Ok(stream),
                Err(error) => trouble.push(format!("{address}: {error}")),
            }
        }
        Err(failed(format!(
            "connecting to {host}: {}",
            trouble.join("; ")
        )))
    }

    async fn tunnel(&self, proxy: &Proxy, seed: u64) -> Result<BufReader<TcpStream>, Error> {
        let named =
            |error: io::Error| failed(format!("proxy {}:{}: {error}", proxy.host, proxy.port));
        let stream = self.tcp(&proxy.host, proxy.port, seed).await?;
        let mut stream = BufReader::with_capacity(READ_BUFFER, stream);
        let target = if self.host.contains(':') && !self.host.starts_with('[') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = &proxy.authorization {
            request.push_str("Proxy-Authorization: ");
            request.push_str(authorization);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(named)?;
        stream.flush().await.map_err(named)?;

        let mut answer = (&mut stream).take(PROXY_ANSWER);
        let mut line = Vec::new();
        answer.read_until(b'\n', &mut line).await.map_err(named)?;
        let status_line = String::from_utf8_lossy(&line).trim().to_owned();
        let status = status_line.split(' ').nth(1).unwrap_or_default();
        if !(status_line.starts_with("HTTP/1.") && status.len() == 3 && status.starts_with('2')) {
            return Err(failed(format!(
                "proxy {}:{} refused the tunnel: {status_line:?}",
                proxy.host, proxy.port
            )));
        }
        loop {
            line.clear();
            let read = answer.read_until(b'\n', &mut line).await.map_err(named)?;
            match (read, &line[..]) {
                (_, b"\r\n" | b"\n") => return Ok(stream),
                (0, _) => {
                    return Err(failed(format!(
                        "proxy {}:{}: its answer has no end",
                        proxy.host, proxy.port
                    )));
                }
                _ => {}
            }
        }
    }

    async fn stream(&self, seed: u64) -> Result<Box<dyn Stream>, Error> {
        let stream = match &self.proxy {
            Some(proxy) => self.tunnel(proxy, seed).await?,
            None => {
                BufReader::with_capacity(READ_BUFFER, self.tcp(&self.host, self.port, seed).await?)
            }
        };
        let Some((connector, name)) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let stream = connector
            .connect(name.clone(), stream)
            .await
            .map_err(|error| failed(format!("TLS with {}: {error}", self.host)))?;
        match stream.get_ref().1.alpn_protocol() {
            None | Some(b"h2") => Ok(Box::new(stream)),
            Some(other) => {
                let other = String::from_utf8_lossy(other).into_owned();
                Err(failed(format!(
                    "{} chose {other:?} instead of HTTP/2",
                    self.host
                )))
            }
        }
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(format!("{what}: {error}")))?;
    if found.is_empty() {
        return Err(invalid(format!(
            "{what}: no CERTIFICATE block in the PEM text"
        )));
    }
    Ok(found)
}

fn failed(detail: String) -> Error {
    Error::new(ErrorKind::Connect, detail)
}

fn invalid(detail: String) -> Error {
    Error::new(ErrorKind::Invalid, detail)
}

// === impl Connect, Resolve, Default, Debug ===

impl Connect for Connector {
    fn connect(&self, seed: u64) -> Local<'_, Result<Box<dyn Stream>, Error>> {
        Box::pin(self.stream(seed))
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Local<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("extra_roots", &self.extra_roots.len())
            .field("client_certificate", &self.client.is_some())
            .finish()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("authorization", &self.authorization.is_some())
            .finish()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}
