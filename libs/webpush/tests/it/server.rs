//! An honest HTTP/2 server over real TLS, for what needs a network: the client that runs a thread of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use webpush::Origin;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authority: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// Status, headers, body.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>, String);

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) ca_pem: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    /// One permit for each connection that has ended.
    pub(crate) ended: Arc<Semaphore>,
}

impl Server {
    /// Serves on the loopback until the test's runtime ends.
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acceptor, ca_pem) = acceptor();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let server = Self {
            port,
            ca_pem,
            seen,
            connections: Arc::default(),
            ended: Arc::new(Semaphore::new(0)),
        };
        let (answer, handle) = (Arc::new(answer), server.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                handle.connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, answer, handle) = (acceptor.clone(), answer.clone(), handle.clone());
                tokio::spawn(async move {
                    // A client may dislike us.
                    let Ok(stream) = acceptor.accept(socket).await else {
                        return;
                    };
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(handle.clone().serve(request, respond, answer.clone()));
                    }
                    handle.ended.add_permits(1);
                });
            }
        });
        server
    }

    async fn serve(
        self,
        request: http::Request<h2::RecvStream>,
        mut respond: h2::server::SendResponse<Bytes>,
        answer: Arc<impl Fn(&Seen) -> Answer>,
    ) {
        let (parts, mut stream) = request.into_parts();
        let mut body = BytesMut::new();
        while let Some(Ok(chunk)) = stream.data().await {
            let _ = stream.flow_control().release_capacity(chunk.len());
            body.extend_from_slice(&chunk);
        }
        let seen = Seen {
            method: parts.method.to_string(),
            path: parts
                .uri
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
            authority: parts
                .uri
                .authority()
                .map(ToString::to_string)
                .unwrap_or_default(),
            headers: parts.headers,
            body: body.freeze(),
        };
        let (status, headers, text) = answer(&seen);
        self.seen.lock().unwrap().push(seen);
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        // A client that has gone needs no answer.
        if let Ok(mut body) = respond.send_response(response, text.is_empty())
            && !text.is_empty()
        {
            let _ = body.send_data(text.into(), true);
        }
    }

    /// An endpoint here, for the browser with this number.
    pub(crate) fn endpoint(&self, number: usize) -> String {
        format!("https://localhost:{}/push/{number}?x=1", self.port)
    }

    /// This server's origin.
    pub(crate) fn origin(&self) -> Origin {
        Origin::new("localhost", self.port).unwrap()
    }

    /// How many TCP connections were made, whatever became of them.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn acceptor() -> (tokio_rustls::TlsAcceptor, String) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    (Arc::new(config).into(), ca_pem)
}
