//! From a name to a connection, over real sockets on the loopback: lookup, proxy, TLS.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use h2_pool::{Connect, Connector, ErrorKind, Proxy, Resolve, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::local;

/// Answers each lookup with the next list.
struct Lists(Mutex<VecDeque<Vec<SocketAddr>>>);

impl Resolve for Lists {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        _port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + 'a>> {
        assert_eq!(host, "gateway.test");
        let next = self.0.lock().unwrap().pop_front();
        Box::pin(async move { next.ok_or_else(|| io::Error::other("no such host")) })
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority() -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority {
        issuer: Issuer::new(params, key),
        pem,
    }
}

impl Authority {
    fn leaf(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn server(&self, alpn: &[&[u8]], asks_for_certificate: bool) -> tokio_rustls::TlsAcceptor {
        let (certificate, key) = self.leaf("localhost");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if asks_for_certificate {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(pem_to_der(&self.pem)).unwrap();
            let verifier =
                rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config).into()
    }
}

fn pem_to_der(pem: &str) -> rustls_pki_types::CertificateDer<'static> {
    use rustls_pki_types::pem::PemObject;
    rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

async fn round_trip(stream: Box<dyn h2_pool::Stream>) {
    let mut stream = Box::into_pin(stream);
    stream.write_all(b"ping").await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"pong");
}

async fn answer(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let mut asked = [0; 4];
    stream.read_exact(&mut asked).await.unwrap();
    stream.write_all(b"pong").await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test]
async fn every_connect_looks_the_name_up_again() {
    local(async {
        let (one, first) = listener().await;
        let (two, second) = listener().await;
        let lists = Lists(Mutex::new(VecDeque::from([vec![first], vec![second]])));
        let connector = Connector::new("gateway.test", 443).resolver(Arc::new(lists));
        let (stream, accepted) = tokio::join!(connector.connect(1), one.accept());
        stream.unwrap();
        let (socket, _) = accepted.unwrap();
        assert!(socket.peer_addr().is_ok());
        let (stream, accepted) = tokio::join!(connector.connect(2), two.accept());
        stream.unwrap();
        accepted.unwrap();
        let error = connector.connect(3).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(
            error
                .to_string()
                .contains("looking up gateway.test: no such host"),
            "{error}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_dead_address_among_living_ones_is_passed_over() {
    local(async {
        let (alive, address) = listener().await;
        let (gone, dead) = listener().await;
        drop(gone);
        for seed in 0..8 {
            let lists = Lists(Mutex::new(VecDeque::from([vec![dead, address, dead]])));
            let connector = Connector::new("gateway.test", 443).resolver(Arc::new(lists));
            let (stream, accepted) = tokio::join!(connector.connect(seed), alive.accept());
            stream.unwrap();
            accepted.unwrap();
        }
        let lists = Lists(Mutex::new(VecDeque::from([vec![dead], vec![]])));
        let connector = Connector::new("gateway.test", 443).resolver(Arc::new(lists));
        let error = connector.connect(0).await.err().unwrap();
        assert!(error.to_string().contains(&dead.to_string()), "{error}");
        let error = connector.connect(0).await.err().unwrap();
        assert!(error.to_string().contains("no address"), "{error}");
    })
    .await;
}

async fn through_tls(alpn: &[&[u8]]) -> Result<(), h2_pool::Error> {
    let authority = authority();
    let acceptor = authority.server(alpn, false);
    let (listener, address) = listener().await;
    let serve = async {
        let (socket, _) = listener.accept().await.unwrap();
        // A client that dislikes the server's choice closes.
        if let Ok(stream) = acceptor.accept(socket).await {
            let mut stream = stream;
            let mut asked = [0; 4];
            if stream.read_exact(&mut asked).await.is_ok() {
                stream.write_all(b"pong").await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    };
    let connector = Connector::new("localhost", address.port())
        .resolver(Arc::new(Loopback))
        .tls(Tls::new().extra_ca_pem(authority.pem.as_bytes())?)?;
    let connect = async {
        let stream = connector.connect(0).await?;
        round_trip(stream).await;
        Ok(())
    };
    let (result, ()) = tokio::join!(connect, serve);
    result
}

/// The loopback's IPv4 address only.
struct Loopback;

impl Resolve for Loopback {
    fn resolve<'a>(
        &'a self,
        _host: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + 'a>> {
        Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
    }
}

#[tokio::test]
async fn tls_with_h2_chosen_or_nothing_chosen() {
    local(async {
        through_tls(&[b"h2"]).await.unwrap();
        through_tls(&[]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn tls_with_another_protocol_or_a_stranger_fails() {
    local(async {
        let error = through_tls(&[b"http/1.1"]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);

        let acceptor = authority().server(&[b"h2"], false);
        let (listener, address) = listener().await;
        let connector = Connector::new("localhost", address.port())
            .resolver(Arc::new(Loopback))
            .tls(Tls::new())
            .unwrap();
        let serve = async {
            let (socket, _) = listener.accept().await.unwrap();
            assert!(
                acceptor.accept(socket).await.is_err(),
                "the client does not know this authority"
            );
        };
        let (result, ()) = tokio::join!(connector.connect(0), serve);
        let error = result.err().unwrap();
        assert!(error.to_string().contains("TLS with localhost"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn tls_with_a_client_certificate() {
    local(async {
        let authority = authority();
        let acceptor = authority.server(&[b"h2"], true);
        let (listener, address) = listener().await;
        let (certificate, key) = authority.leaf("net.example.pager");
        let tls = Tls::new()
            .extra_ca_pem(authority.pem.as_bytes())
            .unwrap()
            .client_certificate_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())
            .unwrap();
        let connector = Connector::new("localhost", address.port())
            .resolver(Arc::new(Loopback))
            .tls(tls)
            .unwrap();
        let serve = async {
            let (socket, _) = listener.accept().await.unwrap();
            let stream = acceptor.accept(socket).await.unwrap();
            let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
            answer(stream).await;
            shown
        };
        let connect = async { round_trip(connector.connect(0).await.unwrap()).await };
        let ((), shown) = tokio::join!(connect, serve);
        assert_eq!(shown, *certificate.der());
    })
    .await;
}

#[test]
fn certificates_that_are_none_are_named() {
    let error = Tls::new().extra_ca_pem(b"nothing here").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("extra CA: no CERTIFICATE block"),
        "{error}"
    );
    assert!(Tls::new().client_certificate_pem(b"", b"").is_err());
    assert!(Connector::new("not a host", 443).tls(Tls::new()).is_err());
}

/// A proxy for one connection: answers `CONNECT` with `answer`, says what it was asked, and passes bytes on if it
/// said 200.
async fn proxy(listener: TcpListener, answer: &str, target: SocketAddr) -> String {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(client.read_u8().await.unwrap());
    }
    client.write_all(answer.as_bytes()).await.unwrap();
    if answer.contains(" 200 ") {
        let mut server = TcpStream::connect(target).await.unwrap();
        // The client ends the conversation in its own way.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
    String::from_utf8(asked).unwrap()
}

#[tokio::test]
async fn through_a_proxy() {
    local(async {
        let authority = authority();
        let acceptor = authority.server(&[b"h2"], false);
        let (server, target) = listener().await;
        let (entry, address) = listener().await;
        let tunnel = proxy(
            entry,
            "HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n",
            target,
        );
        let connector = Connector::new("localhost", 2197)
            .proxy(Proxy::new("127.0.0.1", address.port()).basic_auth("alice", "open sesame"))
            .tls(Tls::new().extra_ca_pem(authority.pem.as_bytes()).unwrap())
            .unwrap();
        let serve = async {
            let (socket, _) = server.accept().await.unwrap();
            answer(acceptor.accept(socket).await.unwrap()).await;
        };
        let connect = async { round_trip(connector.connect(0).await.unwrap()).await };
        let ((), (), asked) = tokio::join!(connect, serve, tunnel);
        assert_eq!(
            asked,
            "CONNECT localhost:2197 HTTP/1.1\r\nHost: localhost:2197\r\n\
             Proxy-Authorization: Basic YWxpY2U6b3BlbiBzZXNhbWU=\r\n\r\n"
        );
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_refuses_is_quoted() {
    local(async {
        for (said, expected) in [
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
                "407 Proxy Authentication Required",
            ),
            ("SSH-2.0-OpenSSH\r\n", "SSH-2.0-OpenSSH"),
            ("HTTP/1.1 200 OK\r\nno: end\r\n", "has no end"),
        ] {
            let (entry, address) = listener().await;
            let connector =
                Connector::new("gateway.test", 443).proxy(Proxy::new("127.0.0.1", address.port()));
            let refuse = async {
                let (mut client, _) = entry.accept().await.unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    asked.push(client.read_u8().await.unwrap());
                }
                client.write_all(said.as_bytes()).await.unwrap();
            };
            let (result, ()) = tokio::join!(connector.connect(0), refuse);
            let error = result.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Connect);
            assert!(error.to_string().contains(expected), "{error}");
        }
    })
    .await;
}
