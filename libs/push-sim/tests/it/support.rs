//! A plain HTTP/2 client, a signer of provider tokens and a simulator at a fixed time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use push_sim::{
    Clock, Config, Environment, Host, NewPhones, PushTokenKind, Settings, Simulator, TeamKey,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// The clock of every test: the V1 token was issued at this second.
pub(crate) const NOW: i64 = 1_700_000_000;
pub(crate) const TEAM: &str = "DEF123GHIJ";
pub(crate) const KEY: &str = "ABC123DEFG";
pub(crate) const APP: &str = "net.example.pager";
pub(crate) const TOKEN: &str = "0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de";
pub(crate) const ID: &str = "5f6d9c1e-0b1a-4c55-9f6a-2f9f3f1d7a10";

/// The public ES256 example key of RFC 7515 A.3.
const V1_D: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
const V1_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const V1_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
pub(crate) const V1_TOKEN: &str = concat!(
    "eyJhbGciOiJFUzI1NiIsImtpZCI6IkFCQzEyM0RFRkcifQ",
    ".eyJpc3MiOiJERUYxMjNHSElKIiwiaWF0IjoxNzAwMDAwMDAwfQ",
    ".9eqgVsaVpJcjng-z9xvwbFH5RQ4bIRjaUdI0UT5WUNjDlcVbRVsgHTYZ2TWGP-HMFIbg6jaaLZG9RVlfBpOdlg"
);
pub(crate) const V1_TOKEN_DER: &str = concat!(
    "eyJhbGciOiJFUzI1NiIsImtpZCI6IkFCQzEyM0RFRkcifQ",
    ".eyJpc3MiOiJERUYxMjNHSElKIiwiaWF0IjoxNzAwMDAwMDAwfQ",
    ".MEYCIQD16qBWxpWklyOeD7P3G_BsUflFDhshGNpR0jRRPlZQ2AIhAMOVxVtFWyAdNhnZNYY_4cwUhuDqNpotkb1FWV8Gk52W"
);

/// A signing key of the tests.
pub(crate) struct Signer {
    pair: EcdsaKeyPair,
}

impl Signer {
    /// The V1 key.
    pub(crate) fn v1() -> Signer {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let public = [&[4][..], &decode(V1_X), &decode(V1_Y)].concat();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &decode(V1_D),
            &public,
        );
        Signer {
            pair: pair.unwrap(),
        }
    }

    pub(crate) fn fresh() -> Signer {
        Signer {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
        }
    }

    /// The same key making DER signatures.
    pub(crate) fn der(&self) -> Signer {
        let document = self.pair.to_pkcs8v1().unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref());
        Signer {
            pair: pair.unwrap(),
        }
    }

    pub(crate) fn public_key_pem(&self) -> String {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        let der: PublicKeyX509Der<'_> = self.pair.public_key().as_der().unwrap();
        let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// A provider token.
    pub(crate) fn token(&self, team: &str, key: &str, issued_at: i64) -> String {
        self.sign(
            &serde_json::json!({"alg": "ES256", "kid": key}),
            &serde_json::json!({"iss": team, "iat": issued_at}),
        )
    }

    pub(crate) fn team_key(&self, team: &str, key: &str) -> TeamKey {
        TeamKey {
            team_id: team.into(),
            key_id: key.into(),
            public_key_pem: self.public_key_pem(),
            topics: None,
            environment: None,
            related_key_id: None,
        }
    }
}

pub(crate) fn config(settings: Settings) -> Config {
    let clock = Clock::at_ms(NOW * 1000);
    clock.set_speed(0.0);
    Config {
        settings,
        clock,
        ..Config::default()
    }
}

/// A simulator at a standing clock which knows the V1 key, and one phone in the sandbox with
/// [`TOKEN`].
pub(crate) fn simulator(settings: Settings) -> Simulator {
    let simulator = Simulator::start(config(settings)).unwrap();
    simulator.add_key(Signer::v1().team_key(TEAM, KEY)).unwrap();
    simulator.set_app("net.example.other", push_sim::AppSettings::default());
    simulator
        .make_phones(&NewPhones {
            app: APP.into(),
            environment: Environment::Sandbox,
            kinds: vec![],
            push_tokens: [(PushTokenKind::Alert, TOKEN.to_owned())].into(),
            ..NewPhones::default()
        })
        .unwrap();
    simulator
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) ended_with_headers: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Status and reason together, for comparing.
    pub(crate) fn verdict(&self) -> (u16, String) {
        (
            self.status,
            self.json()["reason"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    }
}

/// A connection to the simulator.
pub(crate) struct Peer {
    pub(crate) send: SendRequest<Bytes>,
    pub(crate) driver: JoinHandle<Result<(), h2::Error>>,
    pub(crate) pings: Option<h2::PingPong>,
}

/// Every wait in these tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("something never happened")
}

pub(crate) fn connector(ca_pem: &str, identity: Option<Identity>) -> TlsConnector {
    connector_for(ca_pem, identity, b"h2")
}

/// A connector that offers one version of HTTP.
pub(crate) fn connector_for(
    ca_pem: &str,
    identity: Option<Identity>,
    protocol: &[u8],
) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap())
        .unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(vec![identity.certificate], identity.key)
            .unwrap(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// A client certificate.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Peer {
    pub(crate) async fn connect(simulator: &Simulator) -> Peer {
        Peer::to(
            simulator,
            simulator.address(Environment::Sandbox, Host::Device),
            None,
        )
        .await
    }

    pub(crate) async fn to(
        simulator: &Simulator,
        address: SocketAddr,
        identity: Option<Identity>,
    ) -> Peer {
        Peer::try_to(simulator, address, identity)
            .await
            .expect("connect")
    }

    pub(crate) async fn try_to(
        simulator: &Simulator,
        address: SocketAddr,
        identity: Option<Identity>,
    ) -> Result<Peer, Box<dyn std::error::Error>> {
        Peer::dial(simulator.ca_pem(), address, identity).await
    }

    pub(crate) async fn dial(
        ca_pem: &str,
        address: SocketAddr,
        identity: Option<Identity>,
    ) -> Result<Peer, Box<dyn std::error::Error>> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let tls = soon(connector(ca_pem, identity).connect(name, tcp)).await?;
        let (send, mut connection) =
            soon(h2::client::Builder::new().handshake::<_, Bytes>(tls)).await?;
        let pings = connection.ping_pong();
        let driver = tokio::spawn(connection);
        Ok(Peer {
            send,
            driver,
            pings,
        })
    }

    /// Opens a stream without waiting for anything, not even for the stream limit.
    pub(crate) fn open(&mut self, push: &Push) -> Result<ResponseFuture, h2::Error> {
        let end = push.body.is_empty();
        let (response, mut stream) = self.send.send_request(push.request(), end)?;
        if !end {
            stream.send_data(push.body.clone(), true)?;
        }
        Ok(response)
    }

    /// Another sender on the same connection, which looks at no limit of the first.
    pub(crate) fn clone_sender(&self) -> Peer {
        Peer {
            send: self.send.clone(),
            driver: tokio::spawn(async { Ok(()) }),
            pings: None,
        }
    }

    pub(crate) async fn try_push(&mut self, push: &Push) -> Result<Reply, h2::Error> {
        std::future::poll_fn(|cx| self.send.poll_ready(cx)).await?;
        let response = self.open(push)?;
        soon(finish(response)).await
    }

    pub(crate) async fn push(&mut self, push: &Push) -> Reply {
        self.try_push(push).await.expect("an answer")
    }
}

/// Reads an answer to its end.
pub(crate) async fn finish(response: ResponseFuture) -> Result<Reply, h2::Error> {
    let (head, mut stream) = response.await?.into_parts();
    let ended_with_headers = stream.is_end_stream();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok(Reply {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.into(),
        ended_with_headers,
    })
}

/// A request, at first the accepted one of vector V2.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    pub(crate) method: http::Method,
    /// A path at `localhost`, or a whole URL.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

pub(crate) const V2_BODY: &str = concat!(
    r#"{"aps":{"alert":{"title":"db-3 down","body":"no heartbeat for 90 s"},"sound":"default","#,
    r#""thread-id":"db","interruption-level":"time-sensitive","relevance-score":0.9},"incident":4711}"#
);

impl Push {
    pub(crate) fn v2() -> Push {
        let headers = [
            ("authorization", format!("bearer {V1_TOKEN}")),
            ("apns-id", ID.into()),
            ("apns-topic", APP.into()),
            ("apns-push-type", "alert".into()),
            ("apns-priority", "10".into()),
            ("apns-expiration", "1700003600".into()),
            ("apns-collapse-id", "inc-4711".into()),
        ];
        Push {
            method: http::Method::POST,
            path: format!("/3/device/{TOKEN}"),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
            body: V2_BODY.into(),
        }
    }

    /// A request with nothing but an authorization.
    pub(crate) fn bare(method: http::Method, path: &str) -> Push {
        Push {
            method,
            path: path.into(),
            headers: vec![("authorization".into(), format!("bearer {V1_TOKEN}"))],
            body: Bytes::new(),
        }
    }

    pub(crate) fn path(mut self, path: &str) -> Push {
        self.path = path.into();
        self
    }

    pub(crate) fn at_token(self, push_token: &str) -> Push {
        self.path(&format!("/3/device/{push_token}"))
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Push {
        self.body = body.into();
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Push {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Push {
        self.without(name).and(name, value)
    }

    /// Adds a header beside one of the same name.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Push {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn token(self, provider_token: &str) -> Push {
        self.with("authorization", &format!("bearer {provider_token}"))
    }

    fn request(&self) -> Request<()> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(match self.path.starts_with('/') {
                true => format!("https://localhost{}", self.path),
                false => self.path.clone(),
            })
            .body(())
            .unwrap();
        for (name, value) in &self.headers {
            let name = http::HeaderName::try_from(name).unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        request
    }
}
