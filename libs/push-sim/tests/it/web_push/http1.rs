//! The same services over HTTP/1.1.

use push_sim::{Effect, FaultKind, ReceivedFilter, WebPushService};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::sender::{Scene, web_push_host};
use crate::support::{PATIENCE, Push, connector_for, soon};

/// A connection that speaks HTTP/1.1.
struct Line(TlsStream<TcpStream>);

impl Line {
    async fn connect(scene: &Scene) -> Line {
        let tcp = TcpStream::connect(web_push_host(&scene.sim)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = connector_for(scene.sim.ca_pem(), None, b"http/1.1");
        Line(soon(connector.connect(name, tcp)).await.unwrap())
    }

    async fn write(&mut self, push: &Push, path: &str, host: &str) {
        let mut text = format!("{} {path} HTTP/1.1\r\nhost: {host}\r\n", push.method);
        for (name, value) in &push.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let bytes = [text.as_bytes(), &push.body].concat();
        self.0.write_all(&bytes).await.unwrap();
    }

    /// Head and body of the next answer; `None`: the connection ended instead.
    async fn read(&mut self) -> Option<(String, String)> {
        let mut got = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&got).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_lowercase();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.map_or(0, |length| length.parse().unwrap());
                if body.len() >= length {
                    return Some((head, body.to_owned()));
                }
            }
            let mut chunk = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.0.read(&mut chunk));
            match read.await.expect("an answer or an end") {
                Ok(0) | Err(_) => return None,
                Ok(n) => got.extend_from_slice(&chunk[..n]),
            }
        }
    }

    async fn push(&mut self, scene: &Scene, push: &Push) -> Option<(String, String)> {
        let origin = scene.sim.web_push_origin();
        let host = origin.strip_prefix("https://").unwrap();
        self.write(push, &scene.path(), host).await;
        self.read().await
    }
}

#[tokio::test]
async fn one_connection_takes_push_after_push() {
    for service in WebPushService::ALL {
        let scene = Scene::new(service);
        let mut line = Line::connect(&scene).await;
        for text in ["one", "two"] {
            let (head, body) = line.push(&scene, &scene.push(text)).await.unwrap();
            assert!(head.starts_with("http/1.1 201"), "{head}\n{body}");
            assert!(head.contains("\r\nlocation: https://"), "{head}");
        }
        assert_eq!(scene.titles(), ["one", "two"]);
        let (head, body) = line
            .push(&scene, &scene.push("x").without("ttl"))
            .await
            .unwrap();
        assert!(head.starts_with("http/1.1 400"), "{head}\n{body}");
        let page = scene.sim.received(&ReceivedFilter::default());
        let streams: Vec<_> = page.received.iter().map(|one| one.stream).collect();
        assert_eq!(streams, [1, 2, 3], "the number on the connection");
        assert_eq!(scene.sim.counters().connections, 1);
        assert_eq!(scene.sim.connections()[0].in_flight, 0);
    }
}

#[tokio::test]
async fn a_body_in_chunks_has_no_length() {
    for (service, expected) in [
        (WebPushService::Mozilla, "http/1.1 201"),
        (WebPushService::Wns, "http/1.1 411"),
    ] {
        let scene = Scene::new(service);
        let mut push = scene.push("x").without("content-length");
        push = push.with("transfer-encoding", "chunked");
        let head = format!("{:x}\r\n", push.body.len());
        let chunked = [head.as_bytes(), &push.body, b"\r\n0\r\n\r\n"].concat();
        let mut line = Line::connect(&scene).await;
        let (head, _) = line.push(&scene, &push.body(chunked)).await.unwrap();
        assert!(head.starts_with(expected), "{head}");
    }
}

#[tokio::test]
async fn another_host_is_another_audience() {
    let scene = Scene::new(WebPushService::Fcm);
    let mut line = Line::connect(&scene).await;
    let push = scene.push("x");
    line.write(&push, &scene.path(), "fcm.googleapis.com").await;
    let (head, body) = line.read().await.unwrap();
    assert!(head.starts_with("http/1.1 403"), "{head}\n{body}");
    assert!(body.contains("aud"), "{body}");
    let mut claims = super::sender::claims("https://fcm.googleapis.com");
    for host in ["fcm.googleapis.com", "fcm.googleapis.com:443"] {
        let push = scene
            .push("x")
            .with("authorization", &scene.vapid.header(&claims));
        line.write(&push, &scene.path(), host).await;
        let (head, body) = line.read().await.unwrap();
        assert!(head.starts_with("http/1.1 201"), "{head}\n{body}");
        // The port of https is never part of an audience.
        claims["exp"] = (crate::support::NOW + 60).into();
    }
}

#[tokio::test]
async fn faults_happen_here_too() {
    let scene = Scene::new(WebPushService::Mozilla);
    let once = |kind: FaultKind| {
        let fault = push_sim::Fault {
            count: Some(1),
            ..kind.into()
        };
        scene.sim.add_fault(fault).unwrap();
    };
    // Answers that never come, or not whole; whether the browser got the push is the script's to say.
    let endings = [
        (FaultKind::RefuseStream, false),
        (
            FaultKind::CloseAfterBody {
                processed: true,
                reset: false,
            },
            true,
        ),
        (
            FaultKind::CloseAfterBody {
                processed: false,
                reset: true,
            },
            false,
        ),
        (FaultKind::CutAnswer { status: 201 }, false),
        (
            FaultKind::ResetStream {
                code: 2,
                processed: true,
            },
            true,
        ),
        (
            FaultKind::Goaway {
                debug: push_sim::GoawayDebug::Empty,
                code: 0,
                before_this: true,
                then: push_sim::AfterGoaway::Drain,
            },
            false,
        ),
    ];
    for (kind, is_shown) in endings {
        let before = scene.titles().len();
        once(kind.clone());
        let mut line = Line::connect(&scene).await;
        let answer = line.push(&scene, &scene.push("x")).await;
        assert_eq!(answer, None, "{kind:?}");
        assert_eq!(
            scene.titles().len() - before,
            usize::from(is_shown),
            "{kind:?}"
        );
    }
    // Drained after the answer.
    once(FaultKind::Goaway {
        debug: push_sim::GoawayDebug::Empty,
        code: 0,
        before_this: false,
        then: push_sim::AfterGoaway::Drain,
    });
    let mut line = Line::connect(&scene).await;
    let (head, _) = line.push(&scene, &scene.push("last")).await.unwrap();
    assert!(head.starts_with("http/1.1 201"), "{head}");
    assert_eq!(line.read().await, None);

    // A freeze ends.
    once(FaultKind::Freeze { ms: Some(20) });
    let mut line = Line::connect(&scene).await;
    assert!(line.push(&scene, &scene.push("thawed")).await.is_some());
    // An answer in the words of the service.
    once(FaultKind::Answer {
        status: 503,
        reason: None,
        timestamp_ms: None,
        retry_after_secs: Some(7),
        body: None,
    });
    let (head, body) = line.push(&scene, &scene.push("x")).await.unwrap();
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert!(head.contains("\r\nretry-after: 7"), "{head}");
    assert!(body.contains("\"errno\":201"), "{body}");
    assert_eq!(scene.sim.counters().effects[&Effect::Shown], 4);
}
