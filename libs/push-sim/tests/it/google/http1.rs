//! HTTP/1.1, as many clients speak it to Google.

use push_sim::{
    AnswerFate, Environment, Fault, FaultFilter, FaultKind, FcmSettings, Gateway, Host,
    NewFcmPhones, ReceivedFilter, Simulator,
};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{PROJECT, claims, grant, header, sign, simulator};
use crate::support::{connector_for, soon};

/// One request on a connection of its own; status and body, or nothing but the end.
async fn call(sim: &Simulator, path: &str, bearer: &str, body: &str) -> Option<(u16, String)> {
    let address = sim.address(Environment::Production, Host::Fcm);
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = connector_for(sim.ca_pem(), None, b"http/1.1");
    let mut tls = soon(connector.connect(name, tcp)).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {bearer}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    tls.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // An end without close_notify is one of the things to be seen.
    let _ = soon(tls.read_to_end(&mut answer)).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

async fn bearer(sim: &Simulator) -> String {
    let request = grant(&sign(&header(), &claims()));
    let body = String::from_utf8(request.body.to_vec()).unwrap();
    let (status, body) = call(sim, "/token", "", &body).await.unwrap();
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_whole_way() {
    let sim = simulator(FcmSettings::default());
    let bearer = bearer(&sim).await;
    let phone = sim
        .make_fcm_phones(&NewFcmPhones {
            project: PROJECT.into(),
            ..NewFcmPhones::default()
        })
        .unwrap()
        .remove(0);
    let message = json!({"message": {"token": phone.registration_token, "data": {"a": "b"}}});
    let path = "/v1/projects/pager-1/messages:send";
    let (status, body) = call(&sim, path, &bearer, &message.to_string())
        .await
        .unwrap();
    assert_eq!(status, 200);
    assert!(body.contains("projects/pager-1/messages/0:"), "{body}");
    assert_eq!(sim.fcm_phone(phone.id).unwrap().shown.len(), 1);
    let page = sim.received(&ReceivedFilter {
        host: Some(Host::Fcm),
        ..ReceivedFilter::default()
    });
    let record = &page.received[0];
    assert_eq!((record.stream, record.answer), (0, AnswerFate::Answered));

    let only = FaultFilter {
        gateway: Some(Gateway::Fcm),
        ..FaultFilter::default()
    };
    let scripted = |kind: FaultKind| Fault {
        only: only.clone(),
        count: Some(1),
        ..kind.into()
    };
    let busy = FaultKind::Answer {
        status: 503,
        reason: Some("UNAVAILABLE".into()),
        timestamp_ms: None,
        retry_after_secs: None,
        body: None,
    };
    sim.add_fault(scripted(busy)).unwrap();
    let (status, _) = call(&sim, path, &bearer, &message.to_string())
        .await
        .unwrap();
    assert_eq!(status, 503);
    for kind in [
        FaultKind::RefuseStream,
        FaultKind::CutAnswer { status: 200 },
        FaultKind::CloseAfterBody {
            processed: true,
            reset: false,
        },
    ] {
        sim.add_fault(scripted(kind.clone())).unwrap();
        let answer = call(&sim, path, &bearer, &message.to_string()).await;
        assert_eq!(answer, None, "{kind:?}");
    }
    assert_eq!(sim.fcm_phone(phone.id).unwrap().shown.len(), 2);
    assert_eq!(sim.counters().streams_refused, 1);
}

#[tokio::test]
async fn a_client_without_alpn_speaks_http1() {
    let sim = simulator(FcmSettings::default());
    let (status, _) = call(&sim, "/nowhere", "", "").await.unwrap();
    assert_eq!(status, 404);
}
