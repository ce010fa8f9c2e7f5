//! A receiver that does what it is told, over plain HTTP or real TLS.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map_or("", |(_, value)| value);
        assert!(found.next().is_none(), "{name} came twice");
        value
    }
}

/// What it does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// Writes this and waits for the next request.
    Say(String),
    /// Writes this, again and again, until the other side has gone.
    SayFirstThenForever(&'static str, &'static str),
    /// Writes this, and then nothing until the other side has gone.
    SayAndStall(&'static str),
    /// Closes the connection.
    HangUp,
}

/// A whole answer.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Script {
    let length = body.len();
    Script::Say(format!(
        "HTTP/1.1 {status} Whatever\r\n{headers}content-length: {length}\r\n\r\n{body}"
    ))
}

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) port: u16,
    /// Of the authority that signed its certificate; empty without TLS.
    pub(crate) ca_pem: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    /// One permit for each connection that the other side closed.
    pub(crate) left: Arc<Semaphore>,
}

impl Receiver {
    /// Over plain HTTP.
    pub(crate) async fn plain(script: Script) -> Self {
        Self::start(script, None).await
    }

    /// Over TLS, with a certificate for `localhost` and `127.0.0.1`.
    pub(crate) async fn tls(script: Script) -> Self {
        Self::start(script, Some(acceptor(&["localhost", "127.0.0.1"]))).await
    }

    /// Over TLS, with a certificate for these names.
    pub(crate) async fn tls_for(names: &[&str], script: Script) -> Self {
        Self::start(script, Some(acceptor(names))).await
    }

    async fn start(script: Script, tls: Option<(tokio_rustls::TlsAcceptor, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (acceptor, ca_pem) = tls.unzip();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            ca_pem: ca_pem.unwrap_or_default(),
            seen: Arc::default(),
            connections: Arc::default(),
            left: Arc::new(Semaphore::new(0)),
        };
        let handle = receiver.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                handle.connections.fetch_add(1, Ordering::SeqCst);
                let (handle, script, acceptor) = (handle.clone(), script.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => handle.serve(socket, script).await,
                        // A client may dislike us.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(socket).await {
                                handle.serve(stream, script).await;
                            }
                        }
                    }
                });
            }
        });
        receiver
    }

    async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin, script: Script) {
        while let Some(seen) = request(&mut stream).await {
            self.seen.lock().unwrap().push(seen);
            match &script {
                Script::Say(text) => {
                    if stream.write_all(text.as_bytes()).await.is_err() {
                        break;
                    }
                    let _ = stream.flush().await;
                }
                Script::SayFirstThenForever(first, again) => {
                    let _ = stream.write_all(first.as_bytes()).await;
                    while stream.write_all(again.as_bytes()).await.is_ok() {}
                    break;
                }
                Script::SayAndStall(text) => {
                    let _ = stream.write_all(text.as_bytes()).await;
                    let _ = stream.flush().await;
                    while stream.read_u8().await.is_ok() {}
                    break;
                }
                Script::HangUp => return,
            }
        }
        self.left.add_permits(1);
    }

    /// How many TCP connections were made, whatever became of them.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}/hooks/SECRET?x=1", self.port)
    }
}

/// The next request; `None` when the other side has gone.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next()?.to_owned();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    });
    let mut seen = Seen {
        line,
        headers: headers.collect(),
        body: Vec::new(),
    };
    let length = match seen.header("content-length") {
        "" => 0,
        length => length.parse().unwrap(),
    };
    seen.body = vec![0; length];
    stream.read_exact(&mut seen.body).await.ok()?;
    Some(seen)
}

fn acceptor(names: &[&str]) -> (tokio_rustls::TlsAcceptor, String) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf = CertificateParams::new(names).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (Arc::new(config).into(), ca_pem)
}
